"""Gaps, words and dates: what becomes of them, and the one line where nobody said what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.preparing import TablePreparation
from damrep.autoencoder.tables import Table, read_table
from damrep.masking.notes import DamrepWarning, noted
from damrep.masking.validation import InputError

CUSTOMERS = """customer_id,age,city,joined,income
c1,34,Oslo,2021-03-01,51000
c2,,Rome,2021-04-15,NA
c3,29,Oslo,,38000
c4,61,,2022-01-09,72000
c5,45,Paris,2020-11-30,64000
"""
FILLED = [
    [34.0, 0, 1, 0, 0, 91, 51000],
    [39.5, 0, 0, 0, 1, 136, 57500],
    [29.0, 0, 1, 0, 0, 113.5, 38000],
    [61.0, 1, 0, 0, 0, 405, 72000],
    [45.0, 0, 0, 1, 0, 0, 64000],
]
FEATURES = ("age", "city_", "city_Oslo", "city_Paris", "city_Rome", "joined", "income")


def customers() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "customer_id": ["c1", "c2", "c3", "c4", "c5"],
            "age": [34, None, 29, 61, 45],
            "city": ["Oslo", "Rome", "Oslo", None, "Paris"],
            "joined": pd.to_datetime(
                ["2021-03-01", "2021-04-15", None, "2022-01-09", "2020-11-30"]
            ),
            "income": [51000, None, 38000, 72000, 64000],
        }
    )
    return table


def read(path: Path, text: str = CUSTOMERS, **rules: Any) -> Table:
    path = path / "t.csv"
    path.write_text(text, encoding="utf-8")
    reading = {key: rules.pop(key) for key in ("columns", "drop", "id_column") if key in rules}
    return read_table(path, preparation=TablePreparation(**rules), **reading)


# -- what becomes of a table


def test_a_table_of_customers(tmp_path: Path) -> None:
    table = read(tmp_path, impute="median", encode="onehot")
    np.testing.assert_array_equal(table.values, FILLED)
    assert table.features == FEATURES
    assert table.columns == ("age", "city", "joined", "income")
    assert table.row_ids is not None and table.row_ids.tolist() == ["c1", "c2", "c3", "c4", "c5"]
    assert table.described() == "5 rows of 4 columns, 7 once encoded, names in 'customer_id'"
    assert table.notes == (
        "column 'customer_id' was taken for the names of the rows",
        "'city' one-hot in 4 columns",
        "'joined' as days since 2020-11-30",
        "empty cells taken for a word of their own: 1 in 'city'",
        "gaps filled: 1 in 'age' (median 39.5), 1 in 'joined' (median 2021-03-23 12:00:00), "
        "1 in 'income' (median 57500)",
    )


def _polars(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("polars").from_pandas(frame)


@pytest.mark.parametrize("kind", [lambda f: f, pa.Table.from_pandas, _polars])
def test_frames_of_any_library_are_prepared_alike(kind: Callable[[pd.DataFrame], Any]) -> None:
    frame = kind(customers().drop(columns="customer_id"))
    preparation = TablePreparation("median", "onehot")
    np.testing.assert_array_equal(preparation.fit_transform(frame), FILLED)
    assert preparation.get_feature_names_out().tolist() == list(FEATURES)
    assert preparation.feature_names_in_.tolist() == ["age", "city", "joined", "income"]


@pytest.mark.parametrize("ending", ["parquet", "feather", "jsonl", "tsv", "csv.gz"])
def test_files_of_any_kind_are_prepared_alike(ending: str, tmp_path: Path) -> None:
    fitted = TablePreparation("median", "onehot").fit(customers().drop(columns="customer_id"))
    path, frame = tmp_path / f"t.{ending}", customers()
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "feather":
        frame.to_feather(path)
    elif ending == "jsonl":
        days = frame["joined"].dt.strftime("%Y-%m-%d")
        frame.assign(joined=days).to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    for preparation in (fitted, TablePreparation("median", "onehot")):
        table = read_table(path, id_column="customer_id", preparation=preparation)
        np.testing.assert_array_equal(table.values, FILLED)


def test_a_comma_as_decimal_mark(tmp_path: Path) -> None:
    table = read(tmp_path, "a;b;c\n1,5;2,5;x\n;3,5;y\n2,5;-;x\n", impute=0, encode={"c": "onehot"},
                 columns=["a", "c"])  # fmt: skip
    assert table.values.tolist() == [[1.5, 1, 0], [0, 0, 1], [2.5, 1, 0]]


def test_without_a_header_columns_are_counted(tmp_path: Path) -> None:
    table = read(tmp_path, "1,x\n,y\n3,x\n", impute={"1": "mean"}, encode={"2": "onehot"})
    assert table.values.tolist() == [[1, 1, 0], [2, 0, 1], [3, 1, 0]]
    assert (table.columns, table.features) == (None, ("1", "2_x", "2_y"))


def test_a_word_that_comes_again_names_no_column(tmp_path: Path) -> None:
    """Although whole numbers that rise may, beside words: city,2019,2020."""
    table = read(tmp_path, "34,Oslo,51000\n29,Rome,38000\n61,Oslo,72000\n", encode="onehot")
    assert table.values.tolist() == [[34, 1, 0, 51000], [29, 0, 1, 38000], [61, 1, 0, 72000]]
    words = "red,small\nblue,large\nred,large\n"
    table = read(tmp_path, words, encode="onehot", columns=["1", "2"])
    assert table.values.shape == (3, 4)
    said = "the first row holds a word that comes again, so it was taken for data, not for names"
    assert table.notes[0] == said
    (tmp_path / "t.csv").write_text("who,a\nann,1\nwho,a\nbo,2\n")  # two files, one after the other
    with pytest.raises(InputError, match="column 'a', line 3 is 'a'"):
        read_table(tmp_path / "t.csv", columns=["a"])
    years = "city,2019,2020\nOslo,5,7\nRome,6,2\n"
    assert read(tmp_path, years, encode={"city": "onehot"}).values.shape == (2, 4)


def test_an_array_with_gaps(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, np.nan]], dtype=np.float32)
    np.save(tmp_path / "t.npy", values)
    np.savez(tmp_path / "t.npz", values)
    for name in ("t.npy", "t.npz"):
        with pytest.raises(InputError, match=r"row 2, column 1 is nan.*--impute median"):
            read_table(tmp_path / name)
        table = read_table(tmp_path / name, preparation=TablePreparation({"1": 0, "*": "mean"}))
        assert table.values.tolist() == [[1, 2], [0, 4], [5, 3]]
    assert TablePreparation("mean").fit_transform(values).tolist() == [[1, 2], [3, 4], [5, 3]]


# -- gaps


CELL = st.one_of(st.none(), st.integers(-9, 9))


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=2, max_size=9))
@settings(max_examples=25, deadline=None)
def test_gaps_are_filled_as_scikit_learn_fills_them(
    strategy: str, rows: list[list[float | None]]
) -> None:
    frame = pd.DataFrame([*rows, [1, 2, 3]], columns=["a", "b", "c"], dtype=float)
    filled = TablePreparation(strategy).fit_transform(frame)
    np.testing.assert_array_equal(filled, SimpleImputer(strategy=strategy).fit_transform(frame))


WORDS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=4))


@given(st.lists(WORDS, min_size=2, max_size=12), st.lists(WORDS, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_words_are_encoded_as_scikit_learn_encodes_them(
    seen: list[str | None], new: list[str | None]
) -> None:
    cells = [("" if word is None else word.strip()) for word in seen]
    if not any(cells):
        return
    frame, later = ({"word": words, "x": range(len(words))} for words in (seen, new))
    preparation = TablePreparation(encode={"word": "onehot"}).fit(pd.DataFrame(frame))
    assert preparation.columns_[0].categories == tuple(sorted(set(cells))) or any(
        word.isdigit() for word in cells
    )
    stripped = [[("" if word is None else word.strip())] for word in new]
    encoder = OneHotEncoder(
        categories=[list(preparation.columns_[0].categories)], handle_unknown="ignore",
        sparse_output=False,
    ).fit([[cells[0]]])  # fmt: skip
    with noted() as notes:
        made = preparation.transform(pd.DataFrame(later))
    assert bool(notes) == (not {word for (word,) in stripped} <= {*cells})
    np.testing.assert_array_equal(_dense(made)[:, :-1], encoder.transform(stripped))


def _dense(values: Any) -> np.ndarray:
    return values.toarray() if sp.issparse(values) else values


def test_it_is_what_a_column_transformer_would_do() -> None:
    frame = customers()[["age", "income", "city"]].fillna({"city": "Bergen"})
    theirs = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["age", "income"]),
            ("words", OneHotEncoder(sparse_output=False), ["city"]),
        ],
        verbose_feature_names_out=False,
    ).fit(frame)
    ours = TablePreparation("mean", "onehot").fit(frame)
    np.testing.assert_array_equal(ours.transform(frame), theirs.transform(frame))
    for names in (ours.get_feature_names_out(), ours.transformer_.get_feature_names_out()):
        assert names.tolist() == theirs.get_feature_names_out().tolist()


def test_each_column_can_have_a_rule_of_its_own() -> None:
    frame = pd.DataFrame({"a": [1.0, None, 3], "b": [None, 2.0, 2], "c": [5.0, None, 1]})
    filled = TablePreparation({"a": 0, "b": "most_frequent", "*": "mean"}).fit_transform(frame)
    assert filled.tolist() == [[1, 2, 5], [0, 2, 3], [3, 2, 1]]


def test_words_are_filled_only_with_the_most_frequent() -> None:
    frame = pd.DataFrame({"city": ["Rome", "", "Rome", "Oslo"], "age": [1.0, 2, None, 2]})
    preparation = TablePreparation("most_frequent", "onehot").fit(frame)
    assert preparation.get_feature_names_out().tolist() == ["city_Oslo", "city_Rome", "age"]
    assert preparation.transform(frame).tolist() == [[0, 1, 1], [0, 1, 2], [0, 1, 2], [1, 0, 2]]


@pytest.mark.parametrize("word", ["", "NA", "n/a", "NaN", "null", "None", "<NA>", "?", "-"])
def test_the_words_for_a_gap(word: str, tmp_path: Path) -> None:
    text = f"a,when\n1,2024-05-31\n{word},{word}\n3,2024-06-02\n"
    table = read(tmp_path, text, impute="mean", encode="days")
    assert table.values.tolist() == [[1, 0], [2, 1], [3, 2]]


# -- words


def test_words_in_an_order() -> None:
    frame = pd.DataFrame({"size": ["small", "large", "medium", "small"], "x": [1, 2, 3, 4]})
    by_letter = TablePreparation(encode="ordinal").fit(frame)
    assert by_letter.transform(frame)[:, 0].tolist() == [2, 0, 1, 2]
    assert by_letter.columns_[0].encoding() == "as 0 to 2 for 'large', 'medium', 'small'"
    given_order = TablePreparation(encode={"size": ["small", "medium", "large"]}).fit(frame)
    assert given_order.transform(frame)[:, 0].tolist() == [0, 2, 1, 0]


def test_codes_that_are_numbers_can_be_classes(tmp_path: Path) -> None:
    text = "zip,x\n0150,1\n10115,2\n0150,3\n"
    assert read(tmp_path, text, encode="onehot").values.tolist() == [[150, 1], [10115, 2], [150, 3]]
    table = read(tmp_path, text, encode={"zip": "onehot"})
    assert table.features == ("zip_0150", "zip_10115", "x")
    ordered = read(tmp_path, "level,x\n9,1\n10,2\n9,3\n", encode={"level": "ordinal"})
    assert ordered.values[:, 0].tolist() == [0, 1, 0]


def test_many_words_make_a_sparse_table() -> None:
    words = [f"w{i % 40}" for i in range(80)]
    frame = pd.DataFrame({"x": range(80), "word": words, "other": words[::-1]})
    preparation = TablePreparation(encode="onehot").fit(frame)
    values = preparation.transform(frame)
    assert sp.issparse(values) and values.shape == (80, 81) and values.nnz < 80 * 3 + 1
    few = preparation.transform(frame[:1])
    assert sp.issparse(few)
    model = DAMAutoencoder(hidden=(), n_components=5, random_state=0)
    # Words that come equally often have no order, so only what is kept of them can be compared.
    dense = clone(model).fit(values.toarray()).score(values.toarray())
    assert model.fit(values).score(values) == pytest.approx(dense, abs=1e-9)


def test_more_words_than_the_limit_are_refused(tmp_path: Path) -> None:
    text = "x,word\n" + "".join(f"{i},w{i % 30}\n" for i in range(60))
    assert _dense(read(tmp_path, text, encode="onehot").values).shape == (60, 31)
    with pytest.raises(InputError, match=r"column 'word' holds 30 .* more than --max-cat.* 29"):
        read(tmp_path, text, encode="onehot", max_categories=29)


def test_a_word_in_every_row_is_said(tmp_path: Path) -> None:
    table = read(tmp_path, "x,word\n1,a\n2,b\n4,c\n", encode="onehot")
    assert table.notes == ("'word' one-hot in 3 columns (no word comes twice)",)


# -- dates

NOON = [0.0, 1.5, 366.0]


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        (["2024-01-01", "2024-01-02T12:00", "2025-01-01"], "days"),
        (["2024-01-01 00:00", "2024-01-02 12:00:00", "2025-01-01 00:00:00.0"], "onehot"),
        (["2024-01-01T01:00+01:00", "2024-01-02T12:00Z", "2024-12-31T22:00-02:00"], "ordinal"),
        (["01/01/2024 00:00", "02/01/2024 12:00", "01/01/2025 00:00"], "%d/%m/%Y %H:%M"),
        (["1.1.2024 0", "2.1.2024 12", "1.1.2025 0"], "%d.%m.%Y %H"),
    ],
)
def test_dates_become_days(cells: list[str], rule: str, tmp_path: Path) -> None:
    text = "x,when\n" + "".join(f"{i * i},{cell}\n" for i, cell in enumerate(cells))
    encode = {"when": rule} if "%" in rule else rule
    table = read(tmp_path, text, encode=encode)
    assert table.values[:, 1].tolist() == NOON
    assert table.notes == ("'when' as days since 2024-01-01",)


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("ns", "Asia/Tokyo")])
def test_dates_of_parquet(kind: pa.DataType, tmp_path: Path) -> None:
    when = pa.array([pd.Timestamp("2024-01-01"), None, pd.Timestamp("2024-01-04")])
    column = when.cast(pa.timestamp("us")).cast(kind, safe=False)
    pq.write_table(pa.table({"x": [1, 2, 4], "when": column}), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", preparation=TablePreparation("mean", "days"))
    assert table.values.tolist() == [[1, 0], [2, 1.5], [4, 3]]


def test_the_first_date_is_that_of_the_fit() -> None:
    preparation = TablePreparation(encode="days").fit(
        pd.DataFrame({"when": ["2024-01-10", "2024-01-20"], "x": [1, 2]})
    )
    new = pd.DataFrame({"when": ["2024-01-05"], "x": [3]})
    assert preparation.transform(new).tolist() == [[-5, 3]]


# -- another table


def test_columns_of_another_table_are_found_by_name(tmp_path: Path) -> None:
    preparation = read(tmp_path, impute="median", encode="onehot").preparation
    assert preparation is not None
    text = "more,income,joined,city,age,customer_id\n7,,2020-12-01,Rome,50,x\n"
    (tmp_path / "new.csv").write_text(text)
    new = read_table(tmp_path / "new.csv", id_column="customer_id", preparation=preparation)
    assert new.values.tolist() == [[50, 0, 0, 0, 1, 1, 57500]]
    assert new.notes == ("gaps filled: 1 in 'income' (median 57500)",)
    renamed = text.replace("income", "salary").replace("city", "town")
    (tmp_path / "new.csv").write_text(renamed)
    again = read_table(
        tmp_path / "new.csv", id_column="customer_id", preparation=preparation,
        columns=["age", "town", "joined", "salary"],
    )  # fmt: skip
    assert again.values.tolist() == new.values.tolist()


def test_a_gap_where_none_was_at_the_fit_is_filled() -> None:
    preparation = TablePreparation("mean").fit(pd.DataFrame({"a": [1.0, 3], "b": [1.0, 2]}))
    assert preparation.transform(pd.DataFrame({"a": [None, 7], "b": [0, 1]})).tolist() == [
        [2, 0],
        [7, 1],
    ]


def test_a_word_the_fit_did_not_see_is_none_of_its_words_and_said(tmp_path: Path) -> None:
    preparation = read(tmp_path, impute="median", encode="onehot").preparation
    (tmp_path / "new.csv").write_text("age,city,joined,income\n1,Lima,2021-01-01,2\n")
    table = read_table(tmp_path / "new.csv", preparation=preparation)
    assert table.values[0, 1:5].tolist() == [0, 0, 0, 0]
    (note,) = table.notes
    assert "in 'city' 1 cell is none of the fit's 4 words" in note and "('Lima')" in note
    assert preparation is not None
    with pytest.warns(DamrepWarning, match="'Lima'"):
        preparation.transform(pd.read_csv(tmp_path / "new.csv"))


OTHER_TABLES: list[tuple[dict[str, Any], list[str]]] = [
    ({"size": ["tiny"]}, ["column 'size', row 1 is 'tiny', not one of the words", "'large'"]),
    ({"size": [""]}, ["column 'size', row 1 is empty; expected one of the words"]),
    ({"when": ["soon"]}, ["column 'when', row 1 is 'soon'; expected a date such as 2024-05-31"]),
    ({"when": [None]}, ["column 'when', row 1 is empty; expected a date", "--impute"]),
    ({"x": [None]}, ["column 'x', row 1 is empty; expected a number", "--impute"]),
    ({"x": ["many"]}, ["column 'x', row 1 is 'many'; expected a number"]),
    ({"x": [float("inf")]}, ["column 'x', row 1 is inf; expected a finite number"]),
    ({"filled": [float("inf")]}, ["column 'filled', row 1 is inf"]),
]


@pytest.mark.parametrize(("cells", "said"), OTHER_TABLES)
def test_what_another_table_may_not_hold(cells: dict[str, Any], said: list[str]) -> None:
    frame = pd.DataFrame(
        {"size": ["small", "large"], "when": ["2024-01-01", "2024-01-02"], "x": [1.0, 2],
         "filled": [1.0, None]}
    )  # fmt: skip
    preparation = TablePreparation({"filled": "mean"}, "ordinal").fit(frame)
    new = frame[:1].assign(**cells)
    with pytest.raises(InputError) as caught:
        preparation.transform(new)
    for words in said:
        assert words in str(caught.value)
    with pytest.raises(InputError, match=f"no column {next(iter(cells))!r} for the model"):
        preparation.transform(frame.drop(columns=list(cells)))


# -- what is refused

WAY = "fit-autoencoder "
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("x,c\n1,red\n2,blue\n", {"impute": "mean"},
     ["column 'c', line 2 is 'red'; expected a number", "--encode onehot", "--drop c"]),
    ("x,c\n1,red\n2,blue\n", {"encode": "days"}, ["'red'", "--encode onehot"]),
    ("x,when\n1,2024-05-31\n2,2024-06-01\n", {"impute": "mean"},
     ["column 'when', line 2 is '2024-05-31'", "--encode days", "--drop when"]),
    ("x,y\n1,1\n,3\n", {"encode": "onehot"},
     ["column 'x', line 3 is empty; expected a number", "--impute median", "--drop x"]),
    ("x,y\n1,1\nNA,3\n", {"encode": "onehot"}, ["column 'x', line 3 is 'NA'", "--impute median"]),
    ("x,y\n1,1\ninf,3\n", {"impute": "mean"}, ["line 3 is 'inf'; expected a finite number"]),
    ("x,y\n1,\n2,NA\n", {"impute": "mean"}, ["every cell of column 'y' is empty", "--drop y"]),
    ("x,y\n1,\n2,\n", {"encode": {"y": "onehot"}}, ["every cell of column 'y' is empty"]),
    ("x,y\n1,\n2,\n", {"encode": {"y": "days"}}, ["every cell of column 'y' is empty"]),
    ("x,when\n1,31/05/2024\n2,01/06/2024\n", {"encode": "onehot"},
     ["line 2 is '31/05/2024'", "--encode when=%d/%m/%Y", "--encode when=onehot"]),
    ("x,when\n1,5.31.24\n2,6.1.24\n", {"encode": "onehot"}, ["--encode when=%m.%d.%y"]),
    ("x,when\n1,2024/5/31\n2,2024/6/1\n", {"encode": "onehot"}, ["--encode when=%Y/%m/%d"]),
    ("x,when\n1,2024-05-31\n2,2024-05-32\n3,2024-06-01\n", {"encode": "onehot"},
     ["column 'when', line 3 is '2024-05-32'; expected a date such as 2024-05-31"]),
    ("x,price\n1,$5.00\n2,\"$1,200\"\n", {"encode": "onehot"}, ["'$5.00'", "--drop price"]),
    ("x,age\n1,31\n2,old\n3,32\n4,33\n", {"encode": "onehot"},
     ["column 'age', line 3 is 'old'", "an empty cell or NA is a gap"]),
    ("x,when\n1,2024-05-31\n2,soon\n", {"encode": {"when": "days"}},
     ["column 'when', line 3 is 'soon'; expected a date such as 2024-05-31"]),
    ("x,when\n1,31.05.2024\n2,2024-06-01\n", {"encode": {"when": "%d.%m.%Y"}},
     ["column 'when', line 3 is '2024-06-01'; expected a date written %d.%m.%Y"]),
    ("x,c\n1,red\n2,\n", {"impute": {"c": "mean"}, "encode": "onehot"},
     ["column 'c' holds words, for which --impute can be most_frequent; got mean"]),
    ("x,c\n1,low\n2,top\n", {"encode": {"c": ["low", "high"]}},
     ["column 'c', line 3 is 'top'; expected one of 'low', 'high'"]),
    ("x,c\n1,low\n2,\n", {"encode": {"c": ["low", "high"]}},
     ["column 'c', line 3 is empty; expected one of"]),
    ("x,c\n1,2\n2,3\n", {"impute": {"age": 0}},
     ["no column 'age' for --impute among those to be fitted: 'x', 'c'"]),
    ("x,c\n1,2\n2,3\n", {"encode": {"age": "onehot"}}, ["no column 'age' for --encode"]),
    ("x,x\n1,2\n,3\n", {"impute": "mean"}, ["two columns are called 'x'"]),
    ("x,c\n1e308,2\n1e308,3\n", {"impute": "mean"}, ["'x' holds values too large for their mean"]),
    ("a,a_b,c\nb,1,1\nc,2,1\n", {"encode": "onehot"},
     ["two columns would be called 'a_b' once encoded; rename one"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rules", "said"), REFUSED)
def test_what_is_refused(text: str, rules: dict[str, Any], said: list[str], tmp_path: Path) -> None:
    names = text.split("\n")[0].split(",")
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, **rules, **({} if names[0] == names[1] else {"columns": names}))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "t.csv")) and "\n" not in message
    for words in said:
        assert words in message


KINDS = [
    ["", "1", "2.5", "-3", "NA", "1e308"],
    ["red", "blue", "Zürich", "a b", ""],
    ["2024-05-31", "2024-06-01 12:00", "", "0001-02-03"],
    ["inf", "1_000", "31/05/2024", "10%", "true", "2024-02-30", "\u200b", "<", "x,y"],
]
RULE = [{"c0": "onehot", "*": "days"}, {"c0": "%d/%m/%Y"}, {"c0": ("red", "blue")}]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_table_is_made_finite_numbers_or_refused_in_a_line(data: st.DataObject) -> None:
    height = data.draw(st.integers(2, 6))
    columns = [
        data.draw(st.lists(st.sampled_from(kind), min_size=height, max_size=height))
        for kind in data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    ]
    table = pd.DataFrame({f"c{i}": cells for i, cells in enumerate(columns)})
    preparation = TablePreparation(
        data.draw(st.sampled_from([None, "mean", "most_frequent", 0, {"c0": "median"}])),
        data.draw(st.sampled_from([None, "onehot", "ordinal", "days", *RULE])),
    )
    try:
        made = _dense(preparation.fit_transform(table))
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert np.isfinite(made).all()
    assert made.shape == (height, len(preparation.get_feature_names_out()))
    restored = TablePreparation.restored(preparation.get_params(), preparation.columns_)
    shuffled = table[table.columns[::-1]]
    np.testing.assert_array_equal(_dense(restored.transform(shuffled)), made)


def test_all_columns_without_a_rule_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CUSTOMERS)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.csv")
    assert str(caught.value).endswith(
        "column 'age', line 3 is empty; expected a number; fit-autoencoder fills gaps with "
        "--impute median, or leaves the column out with --drop age; also not all numbers: "
        "'city', 'joined', 'income'"
    )


BAD_RULES: list[tuple[dict[str, Any], str]] = [
    ({"impute": "constant"}, "mean, median, most_frequent, or the number"),
    ({"impute": float("nan")}, "the number that stands for a gap, got nan"),
    ({"impute": True}, "got True"),
    ({"impute": {"a": None}}, "got None"),
    ({"encode": "one-hot"}, "encode must be onehot, ordinal, days, a way to write dates"),
    ({"encode": 3}, "got 3"),
    ({"encode": ["low", "high"]}, "low<high is for one column, which must be named"),
    ({"encode": "%d/%m/%Y"}, "'%d/%m/%Y' is for one column"),
    ({"encode": {"a": ["low"]}}, "different words from low to high, got low"),
    ({"encode": {"a": ["low", "low"]}}, "got low<low"),
    ({"encode": {"a": "%Q"}}, "'%Q' does not say how dates are written"),
    ({"max_categories": 0}, "max_categories"),
]


@pytest.mark.parametrize(("rules", "said"), BAD_RULES)
def test_rules_that_are_none(rules: dict[str, Any], said: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        TablePreparation(**rules).fit(frame)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "table",
    [
        [[1.0]], "t.csv", np.zeros(3), np.array([["a"]]), pd.DataFrame({"a": [[1], "x"]}),
        pd.DataFrame({"a": ["x", 1, 2.5]}), pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"a": [1j, 2]}), pd.DataFrame({"a": []}), pd.DataFrame({"a": [{"b": 1}]}),
    ],
)  # fmt: skip
def test_what_is_no_table(table: Any) -> None:
    with pytest.raises(InputError, match=r"^X: "):
        TablePreparation(encode="onehot").fit(table)


def test_vectors_and_sparse_matrices_are_not_prepared(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": [[1.0, 2.0], [3.0, 4.0]]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column 'v' holds vectors; --impute"):
        read_table(tmp_path / "t.parquet", preparation=TablePreparation("mean"))
    sp.save_npz(tmp_path / "t.npz", sp.csr_array(np.eye(3)))
    with pytest.raises(InputError, match="not for a sparse matrix"):
        read_table(tmp_path / "t.npz", preparation=TablePreparation("mean"))


# -- columns that are left out


def test_columns_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,c,y,note\n1,a,2,?\n3,b,5,!\n")
    table = read_table(tmp_path / "t.csv", drop=["note", "c"])
    assert table.values.tolist() == [[1, 2], [3, 5]] and table.columns == ("x", "y")
    assert table.notes == ("left out: 'c', 'note'",)
    for reading, said in [
        ({"drop": ["z"]}, "no column 'z' for --drop"),
        ({"drop": ["c"], "columns": ["c", "x"]}, "column 'c' is named by --columns and --drop"),
        ({"drop": ["c"], "id_column": "c"}, "column 'c' is named by --id and --drop"),
        ({"drop": ["x", "y", "c", "note"]}, "no column of numbers is left"),
    ]:
        with pytest.raises(InputError, match=said):
            read_table(tmp_path / "t.csv", **reading)  # type: ignore[arg-type]


def test_a_column_with_a_rule_does_not_name_the_rows(tmp_path: Path) -> None:
    text = "when,x\n2024-01-01,1\n2024-01-03,2\n"
    assert read(tmp_path, text, impute="mean").row_ids is not None
    table = read(tmp_path, text, encode={"when": "days"})
    assert table.row_ids is None and table.values.tolist() == [[0, 1], [2, 2]]
    assert read(tmp_path, text, impute="mean", drop=["when"]).row_ids is None


# -- an estimator like others


def test_in_a_pipeline() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd"))
    frame["word"] = rng.choice(["x", "y"], 60)
    frame.loc[::7, "b"] = np.nan
    whole = make_pipeline(
        TablePreparation("mean", "onehot"), StandardScaler(), DAMAutoencoder(hidden=())
    )
    assert whole.fit(frame).transform(frame).shape[0] == 60
    again = clone(whole).set_params(tablepreparation__impute={"b": 0})
    assert isinstance(again, Pipeline) and again[0].impute == {"b": 0}
    with pytest.raises(NotFittedError):
        again[0].transform(frame)
