"""Files of ratings: every format the same table, and one line for what is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damrep.masking.validation import InputError
from damrep.recommend.files import read_ratings

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
TEXT = "user,item,rating\n1,a,5\n2,a,3.5\n1,b,1\n"


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.csv.gz", "r.tsv.gz", "r.parquet", "R.CSV"])
def test_every_format_is_the_same_table(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    text = TEXT.replace(",", "\t") if ".tsv" in name else TEXT
    if name.endswith(".parquet"):
        pd.read_csv(put(tmp_path, "t.csv", TEXT)).to_parquet(path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    read = read_ratings(path)
    assert read.table.to_numpy().tolist() == [[1, "a", 5.0], [2, "a", 3.5], [1, "b", 1.0]]
    assert list(read.table.columns) == ["user", "item", "rating"] and read.notes == ()
    assert read.name == name.split(".")[0]


def test_columns_by_custom_and_by_name(tmp_path: Path) -> None:
    text = "\ufeffTimestamp,movieId,UserID,score,note\n0,10,7,1,5\n"
    path = put(tmp_path, "r.csv", text)
    read = read_ratings(path)
    assert read.columns == {"user": "UserID", "item": "movieId", "rating": "score"}
    assert read.table.iloc[0].tolist() == [7, 10, 1.0]
    assert len(read.notes) == 3 and "'movieId' was taken for the items" in read.notes[1]
    named = read_ratings(path, user="Timestamp", item="UserID", rating="note")
    assert named.table.iloc[0].tolist() == [0, 7, 5.0] and named.notes == ()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_what_stands_between_columns_is_seen_in_the_header(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "sterne.csv"
    rows = [["kunde", "artikel", "sterne"], ["anna", "Äpfel", "5"], ["bernd", "Birnen", "4"]]
    path.write_text("\n".join(mark.join(row) for row in rows), encoding="utf-8")
    table = read_ratings(path, user="kunde", item="artikel", rating="sterne").table
    assert table.to_numpy().tolist() == [["anna", "Äpfel", 5.0], ["bernd", "Birnen", 4.0]]


def test_an_item_that_is_called_as_columns_are(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", "ann,book\nbo,wine\nann,wine\ncy,book\n")
    assert len(read_ratings(path, with_rating=None).table) == 4
    path = put(tmp_path, "s.csv", "who,book\nbo,wine\nann,wine\ncy,beer\n")
    assert read_ratings(path, user="who", with_rating=None).columns["item"] == "book"


def test_without_a_column_of_ratings(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", TEXT)
    assert list(read_ratings(path, with_rating=None).table) == ["user", "item"]
    assert list(read_ratings(path, rating="rating", with_rating=None).table)[-1] == "rating"


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["1", "20", "-3"], [1, 20, -3]),
        (["1", "007", "2"], ["1", "007", "2"]),
        (["NA", "null", "nan"], ["NA", "null", "nan"]),
        (["1.0", "2", "3"], [1, 2, 3]),
        (["1.5", "2", "3"], ["1.5", "2", "3"]),
        (["9223372036854775807", "1", "2"], [2**63 - 1, 1, 2]),
        (["9223372036854775808", "1", "2"], ["9223372036854775808", "1", "2"]),
        (["Zoë", "李", "a b"], ["Zoë", "李", "a b"]),
    ],
)
def test_ids_are_integers_only_if_all_are_written_so(
    cells: list[str], ids: list[object], tmp_path: Path
) -> None:
    rows = "".join(f"{cell},i,1\n" for cell in cells)
    read = read_ratings(put(tmp_path, "r.csv", "user,item,rating\n" + rows))
    assert read.table["user"].tolist() == ids


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.csv", "", "the file is empty"),
        ("r.csv", "user,item,rating\n", "a header and no rows"),
        ("r.csv", "user,a,b,rating\n1,2,3,4\n", "no column is known as that of the items.*--item"),
        ("r.csv", "user,item\n1,2\n", "no column is known as that of the ratings; it has 'user'"),
        (
            "r.csv",
            "user,item,rating\n1,2,3\n1,3,good\n",
            "column 'rating', line 3 is 'good'",
        ),
        ("r.csv", "user,item,rating\n1,2,3\n1,3,\n", "column 'rating', line 3 is empty"),
        ("r.csv", "user,item,rating\n1,2,inf\n", "line 2 is 'inf'; expected a finite number"),
        ("r.csv", "user,item,rating\n1,2,3\n1,2,3,4,5\n", "line 3 has 5 columns"),
        (
            "r.csv",
            "user,item,rating,rating\n1,2,3,4\n",
            "may both be the ratings; name one",
        ),
        ("r.parquet", "PAR1 what", "not a readable parquet file"),
        ("r.csv.gz", "no gzip", "not a readable gzip file"),
        ("r.xlsx", "x", r"unknown ending '\.xlsx' for ratings; known are \.csv, \.tsv"),
        ("r", "x", "unknown ending 'none'"),
    ],
)
def test_files_that_cannot_be_used(name: str, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_ratings(put(tmp_path, name, text))
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_columns_that_are_not_there_or_named_twice(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", TEXT)
    with pytest.raises(InputError, match="no column 'who' for --user; it has 'user', 'item'"):
        read_ratings(path, user="who")
    with pytest.raises(InputError, match="name one column twice"):
        read_ratings(path, user="item")
    with pytest.raises(InputError, match="no such file"):
        read_ratings(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="is a directory"):
        read_ratings(tmp_path)


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.tsv", "ratings.parquet"])
def test_damaged_files_never_fail_otherwise(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = np.frombuffer((SAMPLE / name).read_bytes(), dtype=np.uint8)
    path = tmp_path / name
    for _ in range(40):
        damaged = content.copy()
        damaged[rng.integers(len(damaged), size=5)] = rng.integers(256, size=5)
        path.write_bytes(damaged[: rng.integers(1, len(damaged) + 1)].tobytes())
        try:
            read_ratings(path)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 400 + len(str(path))
