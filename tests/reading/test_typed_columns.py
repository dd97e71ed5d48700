"""Columns with types, as polars, DuckDB, pandas and Arrow write them."""

from __future__ import annotations

import datetime
import decimal
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damrep.autoencoder.tables import read_table
from damrep.graph.data.files import read_features, read_graph, read_labels
from damrep.masking.validation import InputError
from damrep.recommend.files import read_ratings

duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")
NAMES = [uuid.UUID(int=i) for i in (1, 2, 3)]


def write(path: Path, table: Any) -> Path:
    """A frame, an Arrow table, columns, or a query of DuckDB."""
    if isinstance(table, str):
        duckdb.sql(f"COPY ({table}) TO '{path}' (FORMAT parquet)")
    elif isinstance(table, pl.DataFrame):
        table.write_parquet(path)
    elif isinstance(table, pd.DataFrame):
        table.to_parquet(path)
    else:
        table = pa.table(table) if isinstance(table, dict) else table
        (pyarrow.feather.write_feather if path.suffix == ".feather" else pq.write_table)(
            table, path
        )
    return path


ENDS: list[tuple[Any, list[Any]]] = [
    (pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"]}), ["a", "b", "c"]),
    (pl.DataFrame({"source": pl.Series(["a", "b"], dtype=pl.Categorical), "target": ["b", "c"]}),
     ["a", "b", "c"]),
    ("SELECT 1::HUGEINT AS source, 2::UTINYINT AS target UNION ALL SELECT 2, 3", [1, 2, 3]),
    ("SELECT 'n' || i AS source, 'n' || (i + 1) AS target FROM range(2) t(i)", ["n0", "n1", "n2"]),
    ({"source": pa.array([1, 2], pa.int8()), "target": pa.array([2, -3], pa.int8())}, [-3, 1, 2]),
    ({"source": pa.array([1, 2], pa.int32()), "target": pa.array([2, 2**50])}, [1, 2, 2**50]),
    ({"source": pa.array([1, 2], pa.uint64()), "target": pa.array([2.0, 2**40])}, [1, 2, 2**40]),
    ({"source": [decimal.Decimal(1), decimal.Decimal(2)], "target": [2, 3]}, [1, 2, 3]),
    ({"source": pa.array(["a", "b"], pa.large_string()), "target": pa.array(["b", "c"])},
     ["a", "b", "c"]),
    ({"source": [b"a", "\u00e9".encode()], "target": [b"b", b"c"]}, ["a", "b", "c", "\u00e9"]),
    ({"source": pa.array([n.bytes for n in NAMES[:2]], pa.uuid()),
      "target": pa.array([n.bytes for n in NAMES[1:]], pa.uuid())}, [str(n) for n in NAMES]),
    ({"source": pa.array([1, 2]).dictionary_encode(), "target": [2, 3]}, [1, 2, 3]),
    ({"source": ["1", "2"], "target": [2, 3]}, [1, 2, 3]),
    (pd.DataFrame({"w": [1.0, 1.0]}, index=pd.MultiIndex.from_tuples(
        [("a", "b"), ("b", "c")], names=["source", "target"])), ["a", "b", "c"]),
    (pd.DataFrame({"who": ["a", "b"], "whom": ["b", "c"]}, index=[7, 9]), ["a", "b", "c"]),
]  # fmt: skip


@pytest.mark.parametrize(("table", "ids"), ENDS, ids=map(str, range(len(ENDS))))
def test_ends_of_edges(tmp_path: Path, table: Any, ids: list[Any]) -> None:
    graph = read_graph(write(tmp_path / "e.parquet", table))
    assert sorted(graph.node_ids.tolist()) == sorted(ids)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (pa.array([b"\xff", b"b"]), "ids are of type binary"),
        (pa.array([b"ab", b"bc"], pa.binary(2)), r"ids are of type fixed_size_binary\[2\]"),
        (pa.array([[1], [2]]), "ids are of type list"),
        (pa.array([{"a": 1}, {"a": 2}]), "ids are of type struct"),
        (pa.array([1, None]), "row 2 has an empty node id in column 'source'"),
        (pa.nulls(2), "row 1 has an empty node id in column 'source'"),
        (pa.array([1, 2**64 - 1], pa.uint64()), "the id 18446744073709551615 does not fit 64 bits"),
        (pa.array([1.0, 1e19]), "the id 10000000000000000000 is a float, which has not as many"),
        (pa.array([1.0, float("nan")]), "row 2 has an empty node id"),
    ],
)
def test_what_are_no_ends(tmp_path: Path, source: pa.Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_graph(write(tmp_path / "e.parquet", {"source": source, "target": ["x", "y"]}))


ID = ["a", "b", "c"]
NUMBERS: list[tuple[Any, list[list[float]]]] = [
    (pl.DataFrame({"id": ID, "x": [1.5, 2, 3], "y": [1, 2, 4]}), [[1.5, 1], [2, 2], [3, 4]]),
    (pl.DataFrame({"id": ID, "x": pl.Series([[1.0, 2]] * 3, dtype=pl.Array(pl.Float32, 2))}),
     [[1, 2]] * 3),
    (pl.DataFrame({"id": ID, "x": [[1.0, 2.0]] * 3}), [[1, 2]] * 3),
    ("SELECT 'n' || i AS id, [1.0::FLOAT, 2, i] AS v FROM range(3) t(i)",
     [[1, 2, 0], [1, 2, 1], [1, 2, 2]]),
    ("SELECT 'n' || i AS id, 1.25::DECIMAL(10, 2) AS v, i::HUGEINT AS h FROM range(3) t(i)",
     [[1.25, 0], [1.25, 1], [1.25, 2]]),
    ({"id": ID, "x": pa.array([1, 2, 3], pa.uint8()), "y": pa.array([1, 2, 2**40], pa.uint64())},
     [[1, 1], [2, 2], [3, 2**40]]),
    ({"id": ID, "x": np.array([1, 2, 3], np.float16)}, [[1], [2], [3]]),
    ({"id": ID, "x": ["1", "2.5", "+3"]}, [[1], [2.5], [3]]),
    ({"id": ID, "x": pa.array([1.0, 1, 2]).dictionary_encode()}, [[1], [1], [2]]),
    ({"id": ID, "x": pa.array([[1, 2]] * 3, pa.large_list(pa.int8()))}, [[1, 2]] * 3),
    (pd.DataFrame({"x": pd.Categorical([5, 6, 7])}, index=ID), [[5], [6], [7]]),
]  # fmt: skip


@pytest.mark.parametrize("ending", [".parquet", ".feather"])
@pytest.mark.parametrize(("table", "values"), NUMBERS, ids=map(str, range(len(NUMBERS))))
def test_numbers(tmp_path: Path, table: Any, values: list[list[float]], ending: str) -> None:
    if ending == ".feather" and not isinstance(table, dict):
        pytest.skip("written by others as parquet")
    read = read_table(write(tmp_path / f"t{ending}", table))
    assert read.values.tolist() == values and len(read.row_ids) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            pa.array([1, 2, 3], pa.timestamp("us")),
            "row 1 is 1970-01-01 00:00:00.*expected a num",
        ),
        ([datetime.date(2024, 1, 1)] * 3, "row 1 is 2024-01-01; expected a number"),
        ([datetime.timedelta(1)] * 3, "row 1 is 1 day, 0:00:00; expected a number"),
        ([{"a": 1.0}] * 3, "row 1 is a dict; expected a number"),
        ([[[1.0]]] * 3, "row 1 is a list; expected a number"),
        ([["a"]] * 3, "row 1 is a list; expected a number"),
        ([b"\xff"] * 3, "row 1 is a bytes; expected a number"),
        (pa.array([pa.MonthDayNano([1, 2, 3])] * 3), "row 1 is MonthDayNano"),
        ([1.5, None, 2], "row 2 is empty; expected a number"),
        (pa.nulls(3), "row 1 is empty; expected a number"),
        (
            pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
            "row 2 is empty; expected a v",
        ),
    ],
)
def test_what_are_no_numbers(tmp_path: Path, cells: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"column 'x', {message}") as caught:
        read_table(write(tmp_path / "t.feather", {"id": ID, "x": cells}))
    assert "--drop x" in str(caught.value) or "expected a v" in message


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_row_and_of_one(tmp_path: Path, rows: int) -> None:
    path = write(tmp_path / "t.parquet", {"x": pa.array([1.5][:rows], pa.float64())})
    if rows:
        assert read_table(path).values.tolist() == [[1.5]]
    else:
        with pytest.raises(InputError, match="it holds no rows"):
            read_table(path)


def test_ratings_features_and_labels(tmp_path: Path) -> None:
    query = "SELECT ('0000000' || i || '-0000-0000-0000-000000000000')::UUID AS user, i AS item, "
    read = read_ratings(write(tmp_path / "r.parquet", query + "3.5 AS rating FROM range(3) t(i)"))
    assert read.table["user"][2] == "00000002-0000-0000-0000-000000000000"
    table = {"id": pa.array([1, 2], pa.uint64()), "v": [[1.0, 2.0], [3.0, 4.0]]}
    features = read_features(write(tmp_path / "f.parquet", table))
    assert features.ids is not None and features.ids.dtype == np.int64
    assert features.values.tolist() == [[1, 2], [3, 4]]
    for cells, labels in (
        ([1.0, None, 2.0], [1, None, 2]),
        ([True, False, None], [True, False, None]),
        (pa.array(["x", "x", None]).dictionary_encode(), ["x", "x", None]),
    ):
        path = write(tmp_path / "l.parquet", {"id": [1, 2, 3], "label": cells})
        assert list(read_labels(path).values) == labels
    with pytest.raises(InputError, match="labels are of type list"):
        read_labels(write(tmp_path / "l.parquet", {"id": [1, 2], "label": [["a"], ["b"]]}))


columns = st.sampled_from([
    (st.integers(-128, 127), pa.int8()), (st.integers(0, 2**53), pa.uint64()),
    (st.integers(-(2**53), 2**53), pa.int64()),
    (st.floats(allow_nan=False, allow_infinity=False, width=32), pa.float32()),
    (st.floats(allow_nan=False, allow_infinity=False), pa.float64()), (st.booleans(), pa.bool_()),
    (st.decimals(-999, 999, places=2), pa.decimal128(6, 2)),
])  # fmt: skip


@given(st.data(), st.integers(1, 5), st.sampled_from([".parquet", ".feather", ".arrow"]))
def test_any_numbers_come_back(
    tmp_path_factory: pytest.TempPathFactory, data: Any, rows: int, ending: str
) -> None:
    table, expected = {}, []
    for place in range(data.draw(st.integers(1, 4))):
        cells, kind = data.draw(columns)
        drawn = data.draw(st.lists(cells, min_size=rows, max_size=rows))
        table[f"c{place}"] = pa.array(drawn, kind)
        expected.append([float(cell) for cell in drawn])
    path = tmp_path_factory.mktemp("typed") / f"t{ending}"
    (pq.write_table if ending == ".parquet" else pyarrow.feather.write_feather)(
        pa.table(table), path
    )
    np.testing.assert_array_equal(read_table(path).values, np.array(expected).T)
