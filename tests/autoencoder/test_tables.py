"""Tables from files: what is read, and the one line that says what is wrong with one."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from damrep.autoencoder.tables import TABLE_ENDINGS, read_table
from damrep.masking.validation import InputError

VALUES = np.array([[1.5, 2.0, -3.0], [4.0, 5.0, 6.25], [7.0, 8.5, 9.0], [0.0, 1.0, 2.0]])
NAMES = ("a", "b", "c")
IDS = ["r1", "r2", "r3", "r4"]
KINDS = ["x", "y", None, "x"]


def frame() -> pd.DataFrame:
    table = pd.DataFrame(VALUES, columns=list(NAMES))
    table.insert(0, "id", IDS)
    return table.assign(kind=KINDS)


def write(path: Path) -> Path:
    """The same table in the format of the ending."""
    name = path.name
    if ".csv" in name or ".tsv" in name:
        frame().to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    elif name.endswith(".parquet"):
        frame().to_parquet(path)
    elif name.endswith(".npy"):
        np.save(path, VALUES)
    else:
        np.savez(path, x=VALUES)
    return path


# -- what is read


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "tsv.gz", "parquet"])
def test_named_columns(ending: str, tmp_path: Path) -> None:
    table = read_table(write(tmp_path / f"iris.2024.{ending}"), label_column="kind")
    assert table.name == "iris"
    np.testing.assert_array_equal(table.values, VALUES)
    assert table.values.dtype == np.float64
    assert table.columns == NAMES
    assert table.row_ids is not None and table.row_ids.tolist() == IDS
    assert table.labels is not None and table.labels.tolist() == [0, 1, -1, 0]
    assert table.label_names == ("x", "y")
    assert table.notes == ("column 'id' was taken for the names of the rows",)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays(ending: str, tmp_path: Path) -> None:
    table = read_table(write(tmp_path / f"t.{ending}"))
    np.testing.assert_array_equal(table.values, VALUES)
    assert (table.row_ids, table.labels, table.notes) == (None, None, ())


def test_every_ending_is_read_here() -> None:
    text, arrow = {".csv", ".tsv", ".txt", ".dat"}, {".parquet", ".feather", ".arrow", ".jsonl"}
    assert text | arrow | {".npy", ".npz"} <= set(TABLE_ENDINGS)


def test_columns_in_the_order_they_are_asked_for(tmp_path: Path) -> None:
    for ending in ("csv", "parquet"):
        path = write(tmp_path / f"t.{ending}")
        table = read_table(path, id_column="id", columns=["c", "a"])
        np.testing.assert_array_equal(table.values, VALUES[:, [2, 0]])
        assert table.columns == ("c", "a")
        again = read_table(path, columns=table.columns)
        np.testing.assert_array_equal(again.values, table.values)
        assert again.row_ids is not None


def test_an_npy_file_stays_on_disk(tmp_path: Path) -> None:
    for kind in (np.float32, np.float64):
        np.save(tmp_path / "t.npy", VALUES.astype(kind))
        values = read_table(tmp_path / "t.npy").values
        assert isinstance(values, np.memmap) and values.dtype == kind
        assert not values.flags.writeable


@pytest.mark.parametrize(
    ("kind", "becomes"),
    [("u1", "f4"), ("?", "f4"), ("i2", "f4"), ("i4", "f8"), ("i8", "f8"), ("f2", "f4"),
     (">f4", "f4"), (">f8", "f8"), ("f4", "f4"), ("f8", "f8")],
)  # fmt: skip
def test_other_numbers_become_floats_that_hold_them(
    kind: str, becomes: str, tmp_path: Path
) -> None:
    array = np.array([[0, 1], [1, 1]]).astype(kind)
    np.save(tmp_path / "t.npy", array)
    np.savez(tmp_path / "t.npz", array)
    for name in ("t.npy", "t.npz"):
        values = read_table(tmp_path / name).values
        assert values.dtype == np.dtype(becomes)
        np.testing.assert_array_equal(values, array.astype("f8"))


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_a_sparse_matrix_stays_sparse(layout: str, tmp_path: Path) -> None:
    dense = np.array([[0.0, 2, 0], [0, 0, 0], [3, 0, 4]], dtype=np.float32)
    sp.save_npz(tmp_path / "t.npz", sp.coo_array(dense).asformat(layout))
    table = read_table(tmp_path / "t.npz")
    assert table.values.format == "csr" and table.values.dtype == np.float32
    np.testing.assert_array_equal(table.values.toarray(), dense)


def test_sparse_counts_become_floats(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "t.npz", sp.csr_array(np.eye(3, dtype=np.uint8)))
    assert read_table(tmp_path / "t.npz").values.dtype == np.float32


def test_an_archive_of_several_arrays(tmp_path: Path) -> None:
    names = np.array(["p", "q", "r", "s"])
    np.savez(tmp_path / "t.npz", X=VALUES, raw=VALUES + 1, gene=names, y=np.array([3, 1, 3, -1]))
    table = read_table(
        tmp_path / "t.npz", columns=["raw"], id_column="gene", label_column="y"
    )  # fmt: skip
    np.testing.assert_array_equal(table.values, VALUES + 1)
    assert table.row_ids is not None and table.row_ids.tolist() == ["p", "q", "r", "s"]
    assert table.labels is not None and table.labels.tolist() == [2, 1, 2, 0]
    assert table.columns == ("raw",)
    with pytest.raises(InputError, match="several 2-D arrays"):
        read_table(tmp_path / "t.npz")


def vectors(kind: str, inner: pa.DataType) -> pa.Array:
    rows = VALUES.astype("f8").tolist()
    lists = {"fixed": pa.list_(inner, 3), "list": pa.list_(inner), "large": pa.large_list(inner)}
    return pa.array(rows, pa.list_(pa.float64())).cast(lists[kind])


@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
@pytest.mark.parametrize("inner", [pa.float32(), pa.float64()])
def test_a_column_of_vectors(kind: str, inner: pa.DataType, tmp_path: Path) -> None:
    table = pa.table({"id": IDS, "vector": vectors(kind, inner)})
    # Row groups of two: the vectors come in several chunks.
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    read = read_table(tmp_path / "t.parquet")
    np.testing.assert_array_equal(read.values, VALUES)
    assert read.values.dtype == (np.float32 if inner == pa.float32() else np.float64)
    assert read.columns == ("vector",)
    assert read.row_ids is not None and read.row_ids.tolist() == IDS


def test_vectors_beside_other_columns_are_what_is_meant(tmp_path: Path) -> None:
    table = pa.table({"text": IDS, "n": [1, 2, 3, 4], "emb": vectors("fixed", pa.float32())})
    pq.write_table(table, tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet", id_column="text")
    np.testing.assert_array_equal(read.values, VALUES)
    assert read.notes == ("the vectors are in 'emb'; 1 other column was left out",)
    numbers = read_table(tmp_path / "t.parquet", columns=["n"])
    assert numbers.values.tolist() == [[1], [2], [3], [4]]


def test_parquet_numbers_of_every_kind(tmp_path: Path) -> None:
    columns = {
        "half": pa.array(np.array([1.5, 2.0], dtype=np.float16)),
        "small": pa.array([1, -2], pa.int8()),
        "flag": pa.array([True, False]),
        "single": pa.array([0.1, 0.2], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    values = read_table(tmp_path / "t.parquet").values
    assert values.dtype == np.float32
    np.testing.assert_array_equal(
        values, np.array([[1.5, 1, 1, 0.1], [2, -2, 0, 0.2]], dtype=np.float32)
    )
    wide = {**columns, "long": pa.array([2**40, 3]), "price": pa.array(["1.25", "2.5"])}
    wide["price"] = wide["price"].cast(pa.decimal128(5, 2))
    pq.write_table(pa.table(wide), tmp_path / "t.parquet")
    values = read_table(tmp_path / "t.parquet").values
    assert values.dtype == np.float64
    assert values[:, 4:].tolist() == [[2.0**40, 1.25], [3.0, 2.5]]


def test_the_index_of_a_frame_names_the_rows(tmp_path: Path) -> None:
    named = pd.DataFrame(VALUES, columns=list(NAMES), index=pd.Index(IDS, name="gene"))
    for table in (named, named.rename_axis(None)):
        table.to_parquet(tmp_path / "t.parquet")
        table.to_csv(tmp_path / "t.csv")
        for name in ("t.parquet", "t.csv"):
            if name == "t.csv" and table.index.name:
                continue
            read = read_table(tmp_path / name)
            assert read.row_ids is not None and read.row_ids.tolist() == IDS
            assert read.columns == NAMES and read.notes == ()
    pd.DataFrame(VALUES, columns=list(NAMES)).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").row_ids is None


@pytest.mark.parametrize(
    ("first", "ids", "columns"),
    [("id", [5, 7], ("x",)), ("Node_ID", [5, 7], ("x",)), ("year", None, ("year", "x"))],
)
def test_which_first_column_names_the_rows(
    first: str, ids: list[int] | None, columns: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(f"{first},x\n5,1\n7,2\n")
    read = read_table(tmp_path / "t.csv")
    assert (None if read.row_ids is None else read.row_ids.tolist()) == ids
    assert read.columns == columns


def test_a_table_that_is_one_column_called_id_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id\n5\n7\n")
    assert read_table(tmp_path / "t.csv").values.tolist() == [[5.0], [7.0]]


def test_ids_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,x\n007,1\n7,2\n")
    assert read_table(tmp_path / "t.csv").row_ids.tolist() == ["007", "7"]  # type: ignore[union-attr]
    (tmp_path / "t.csv").write_text("id,x\n7,1\n-8,2\n")
    ids = read_table(tmp_path / "t.csv").row_ids
    assert ids is not None and ids.dtype == np.int64 and ids.tolist() == [7, -8]


def test_labels_that_are_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,10\n2,9\n3,\n4,10\n")
    (tmp_path / "floats.csv").write_text("x,y\n1,10.0\n2,9.0\n3,\n4,10.0\n")
    pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [10, 9, np.nan, 10]}).to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "floats.csv", "t.parquet"):
        table = read_table(tmp_path / name, label_column="y")
        assert table.labels is not None and table.labels.tolist() == [1, 0, -1, 1]
        assert table.label_names == ("9", "10")


def test_text_without_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2.5\n3,4\n")
    table = read_table(tmp_path / "t.csv")
    assert table.values.tolist() == [[1, 2.5], [3, 4]]
    assert table.columns is None
    assert table.notes == ("the first row holds numbers, so it was taken for data, not for names",)


@pytest.mark.parametrize("start", [0, 1])
def test_a_frame_without_column_names_has_a_header_that_counts(start: int, tmp_path: Path) -> None:
    table = pd.DataFrame(VALUES, columns=range(start, start + 3))
    table.to_csv(tmp_path / "t.csv", index=False)
    np.testing.assert_array_equal(read_table(tmp_path / "t.csv").values, VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "\ufeffa,b\n1,2\n3,4\n",
        "a,b\n  \n1,2\n3,4\n",
        "a;b\n1,0;2,0\n3;4\n",
        "\n\na,b\n1,2\n\n3,4\n\n",
        "a;b\n1;2\n3;4\n",
        "a\tb\n1\t2\n3\t4\n",
        '"a","b"\n"1","2"\n"3","4"\n',
        "a, b\n1, 2\n3, 4\n",
        "a,b\n1e0,+2\n3.0,4.\n",
    ],
)
def test_text_as_people_write_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    table = read_table(tmp_path / "t.csv")
    assert table.values.tolist() == [[1, 2], [3, 4]]
    assert table.columns == ("a", "b")


def test_truth_values_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\nTrue,2\nFalse,4\n")
    assert read_table(tmp_path / "t.csv").values.tolist() == [[1, 2], [0, 4]]


def test_names_that_come_twice_are_no_trouble_until_one_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,a\n1,2\n3,4\n")
    assert read_table(tmp_path / "t.csv").values.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InputError, match="2 columns are called 'a'"):
        read_table(tmp_path / "t.csv", columns=["a"])


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False, width=64)] * 3),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_text_gives_every_float_back(rows: list[tuple[float, ...]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        pd.DataFrame(rows, columns=list(NAMES)).to_csv(path, index=False)
        np.testing.assert_array_equal(read_table(path).values, np.array(rows))


def test_a_large_file_is_looked_through_to_its_last_row(tmp_path: Path) -> None:
    rows = np.ones((3_000_000, 8), dtype=np.float32)
    rows[2_999_990, 5] = np.nan
    np.save(tmp_path / "t.npy", rows)
    with pytest.raises(InputError, match="row 2999991, column 6 is nan"):
        read_table(tmp_path / "t.npy")


# -- what is refused

TEXT = "id,a,b\nr1,1,2\nr2,3,4\nr3,5,6\n"


def cut(path: Path, keep: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def parquet(path: Path, **columns: Any) -> None:
    pq.write_table(pa.table(columns), path)


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


BAD: list[tuple[str, Callable[[Path], object], dict[str, Any], list[str]]] = [
    ("gone.csv", lambda p: None, {}, ["no such file"]),
    ("t.xlsx", lambda p: p.write_text("x"), {}, ["unknown ending '.xlsx'", ".parquet"]),
    ("t.npy.gz", lambda p: p.write_text("x"), {}, ["unknown ending"]),
    ("folder.csv", lambda p: p.mkdir(), {}, ["is a directory"]),
    *[(f"t.{e}", lambda p: p.write_text(""), {}, ["the file is empty"])
      for e in ("csv", "tsv", "parquet", "npy", "npz")],
    ("t.csv", lambda p: p.write_text("\n\n"), {}, ["holds no rows"]),
    ("t.csv", lambda p: p.write_text("a,b\n"), {}, ["a header and no rows"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("id", "who").replace("r3", "r1")), {},
     ["column 'who', line 2 is 'r1'", "expected a number", "--id", "--labels", "--columns"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "three,4")), {},
     ["column 'a', line 3 is 'three'"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", ",4")), {},
     ["column 'a', line 3 is empty; expected a number"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "3,nan")), {},
     ["column 'b', line 3 is 'nan'; expected a finite number"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "3,-inf")), {},
     ["column 'b', line 3 is '-inf'"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "3,1e999")), {}, ["line 3 is '1e999'"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "NA,4")), {}, ["line 3 is 'NA'"]),
    ("t.csv", lambda p: p.write_text("a,b\n1,True\n2,maybe\n"), {}, ["line 3 is 'maybe'"]),
    ("t.csv", lambda p: p.write_text('a,b\n"1",2\n"3\n",4\nx,5\n'), {}, ["line 5 is 'x'"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "3")), {},
     ["line 3 has 2 columns; the first row has 3"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("3,4", "3,4,5")), {}, ["line 3 has 4 columns"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("r3", "r1")), {},
     ["column 'id' of row names: name 'r1' comes more than once (again in row 3)"]),
    ("t.csv", lambda p: p.write_text(TEXT.replace("r3", "")), {},
     ["line 4 has an empty name in column 'id'"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"id_column": "key"},
     ["no column 'key' for --id; it has 'id', 'a', 'b'"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"label_column": "y"}, ["no column 'y' for --labels"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"columns": ["a", "z"]}, ["no column 'z'"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"columns": ["a", "a"]}, ["names a column twice"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"columns": []}, ["no column of numbers is left"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"columns": ["a"], "label_column": "a"},
     ["'a' is named by --labels and --columns"]),
    ("t.csv", lambda p: p.write_text(TEXT), {"id_column": "a", "label_column": "a"},
     ["'a' is named by --id and --labels"]),
    ("t.csv", lambda p: p.write_text("a,y\n1,0.5\n2,1.5\n"), {"label_column": "y"},
     ["column 'y' of labels holds 0.5; expected class numbers or names"]),
    ("t.csv", lambda p: p.write_text("a,y\n1,\n2,\n"), {"label_column": "y"},
     ["'y' of labels: every cell is empty"]),
    ("t.csv", lambda p: p.write_bytes("a,b\n1,é\n".encode("latin-1")), {}, ["not UTF-8", "0xe9"]),
    ("t.csv.gz", lambda p: p.write_text(TEXT), {}, ["not a readable gzip file"]),
    ("t.csv.gz", lambda p: (p.write_bytes(gzip.compress(TEXT.encode() * 99)), cut(p)), {},
     ["not a readable gzip file"]),
    ("t.parquet", lambda p: (frame().drop(columns="kind").to_parquet(p), cut(p)), {},
     ["not a readable parquet file"]),
    ("t.parquet", lambda p: p.write_text("PAR1"), {}, ["not a readable parquet file"]),
    ("t.parquet", lambda p: parquet(p, a=pa.array([], pa.float32())), {}, ["holds no rows"]),
    ("t.parquet", lambda p: frame().to_parquet(p), {},
     ["column 'kind', row 1 is 'x'; expected a number", "--labels"]),
    ("t.parquet", lambda p: parquet(p, a=[1.0, None, 2.0]), {},
     ["column 'a', row 2 is empty; expected a number"]),
    ("t.parquet", lambda p: parquet(p, a=[1.0, 2.0], b=[1.0, float("inf")]), {},
     ["column 'b', row 2 is inf"]),
    ("t.parquet", lambda p: parquet(p, id=[1, 1], b=[1.0, 2.0]), {},
     ["1 comes more than once (again in row 2)"]),
    ("t.parquet", lambda p: parquet(p, id=[1, None], b=[1.0, 2.0]), {},
     ["row 2 has an empty name in column 'id'"]),
    ("t.parquet", lambda p: parquet(p, y=[0.5, 1.0], b=[1.0, 2.0]), {"label_column": "y"},
     ["column 'y' of labels holds 0.5"]),
    ("t.parquet", lambda p: parquet(p, v=[[1.0, 2.0], [3.0]]), {},
     ["column 'v', row 2 holds 1 numbers, the first row 2"]),
    ("t.parquet", lambda p: parquet(p, v=[[1.0, 2.0], None]), {}, ["column 'v', row 2 is empty"]),
    ("t.parquet", lambda p: parquet(p, v=[[1.0, 2.0], [3.0, None]]), {}, ["row 2 has a gap"]),
    ("t.parquet", lambda p: parquet(p, v=[[1.0, 2.0], [3.0, float("nan")]]), {},
     ["column 'v', row 2 holds nan"]),
    ("t.parquet", lambda p: parquet(p, v=pa.array([[], []], pa.list_(pa.float32()))), {},
     ["without numbers"]),
    ("t.parquet", lambda p: parquet(p, v=[["a"], ["b"]]), {},
     ["column 'v', row 1 is a list; expected a number"]),
    ("t.parquet", lambda p: parquet(p, v=[[1.0]], w=[[1.0]]), {},
     ["several columns and vectors among them ('v', 'w')", "--columns"]),
    ("t.parquet", lambda p: parquet(p, v=[[1.0]], b=[1.0]), {"label_column": "v"},
     ["'v' for --labels holds vectors"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.arange(5.0))), {},
     ["expected a table of rows and columns, got shape (5,)"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.zeros((5, 2, 3)))), {},
     ["got shape (5, 2, 3); reshape it to (5, 6)"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.zeros((0, 3)))), {}, ["got shape (0, 3)"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.zeros((3, 0)))), {}, ["got shape (3, 0)"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.array([[1, "a"]], dtype=object))), {},
     ["Python objects in it, which are never read"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.array([["a"]]))), {}, ["expected real numbers"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.eye(2) * 1j)), {}, ["complex numbers"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.array([[1, np.inf]]))), {},
     ["row 1, column 2 is inf"]),
    ("t.npy", lambda p: (p.write_bytes(saved(np.zeros((50, 50)))), cut(p)), {},
     ["not a readable .npy file"]),
    ("t.npy", lambda p: (p.write_bytes(saved(np.zeros((50, 50)))), cut(p, 0.002)), {},
     ["not a readable .npy file"]),
    ("t.npy", lambda p: p.write_bytes(saved(np.eye(2))), {"id_column": "a"},
     ["no named columns for --id"]),
    ("t.npz", lambda p: (np.savez(p, x=VALUES), cut(p)), {}, ["not a readable .npz file"]),
    ("t.npz", lambda p: p.write_bytes(saved(np.eye(2))), {}, ["single array, not an .npz"]),
    ("t.npz", lambda p: np.savez(p, x=np.arange(3)), {}, ["array 'x'", "got shape (3,)"]),
    ("t.npz", lambda p: np.savez(p, x=np.arange(3), y=np.arange(2)), {}, ["no 2-D array in it"]),
    ("t.npz", lambda p: np.savez(p, x=np.eye(3)), {"columns": ["z"]},
     ["no array 'z' for --columns; it has 'x'"]),
    ("t.npz", lambda p: np.savez(p, x=np.eye(3), y=np.arange(2)), {"label_column": "y"},
     ["the array of --labels has shape (2,), the table 'x' has 3 rows"]),
    ("t.npz", lambda p: np.savez(p, x=np.array([[1, None]], dtype=object)), {}, ["Python objects"]),
    ("t.npz", lambda p: sp.save_npz(p, sp.csr_array(np.diag([1.0, np.nan]))), {},
     ["row 2, column 2 is nan"]),
    ("t.npz", lambda p: sp.save_npz(p, sp.csr_array(np.eye(3))), {"id_column": "a"},
     ["a sparse matrix has no names for --id"]),
    ("t.npz", lambda p: np.savez(p, format=b"csr", shape=[2, 2], data=[1.0], indices=[9],
                                 indptr=[0, 1, 1]), {}, ["are no CSR matrix"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "make", "options", "said"), BAD, ids=[f"{i}-{case[0]}" for i, case in enumerate(BAD)]
)
def test_bad_files(
    name: str, make: Callable[[Path], object], options: dict[str, Any], said: list[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    make(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / name, **options)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / name)) and "\n" not in message
    for words in said:
        assert words in message


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "t.npy").write_bytes(saved(np.array([[Trap()]], dtype=object)))
    with pytest.raises(InputError):
        read_table(tmp_path / "t.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("error")
def test_a_nan_that_signals_in_a_sparse_table_is_refused_without_a_warning(tmp_path: Path) -> None:
    values = np.ones(2)
    values.view(np.uint64)[1] = 0x7FF0000000000001
    table = sp.csr_matrix((values, ([0, 1], [0, 1])), shape=(2, 2))
    sp.save_npz(tmp_path / "table.npz", table)
    with pytest.raises(InputError, match="is nan"):
        read_table(tmp_path / "table.npz")
