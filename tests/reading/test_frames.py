"""Frames of other libraries, read column by column."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from damrep.reading.frames import frame_columns, frame_part, frame_rows, pandas_series

TABLE = {"user": ["ann", "bo", "ann"], "item": [7, 8, 9], "rating": [1.0, 2.5, 3.0]}
FRAMES = {
    "pandas": lambda: pd.DataFrame(TABLE),
    "polars": lambda: pl.DataFrame(TABLE),
    "lazy": lambda: pl.LazyFrame(TABLE),
    "pyarrow": lambda: pa.table(TABLE),
    "duckdb": lambda: duckdb.from_arrow(pa.table(TABLE)),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_library_gives_the_same(kind: str) -> None:
    frame = FRAMES[kind]()
    assert frame_columns(frame) == ["user", "item", "rating"]
    part = frame_part(frame, ["item", "user"])
    assert list(part.columns) == ["item", "user"]
    assert part.to_dict("list") == {"item": TABLE["item"], "user": TABLE["user"]}
    rows = frame_rows(frame, np.array([True, False, True]))
    assert frame_part(rows, ["item"])["item"].tolist() == [7, 9]
    assert type(rows) is {"lazy": pl.DataFrame, "duckdb": pa.Table}.get(kind, type(frame))


@pytest.mark.parametrize("value", [None, 3, "a.csv", [1, 2], {"a": [1]}, np.ones((2, 2)), (1, 2)])
def test_what_is_no_frame(value: Any) -> None:
    assert frame_columns(value) is None


def test_columns_of_every_type() -> None:
    ids = [uuid.UUID(int=1), uuid.UUID(int=2)]
    frame = pl.DataFrame(
        {
            "uuid": pl.Series(ids, dtype=pl.Object),
            "category": pl.Series(["x", "y"], dtype=pl.Categorical),
            "decimal": [decimal.Decimal(3), decimal.Decimal(4)],
            "unsigned": pl.Series([1, 2**64 - 1], dtype=pl.UInt64),
            "gap": [1, None],
            "day": [datetime.date(2020, 1, 1)] * 2,
        }
    )
    part = frame_part(frame, frame.columns)
    assert part["uuid"].tolist() == ids
    assert part["category"].tolist() == ["x", "y"]
    assert part["decimal"].tolist() == [3, 4]
    assert part["unsigned"].tolist() == [1, 2**64 - 1]
    assert part["gap"].isna().tolist() == [False, True]
    assert part["day"].dt.year.tolist() == [2020, 2020]


def test_nothing_but_the_columns_is_looked_at() -> None:
    def explode(_: Any) -> Any:
        raise AssertionError("the column was computed")

    frame = pl.LazyFrame(TABLE).with_columns(
        pl.col("rating").map_batches(explode, return_dtype=pl.Float64).alias("costly")
    )
    assert frame_part(frame, ["user"])["user"].tolist() == TABLE["user"]


@pytest.mark.parametrize(
    "values", [[1, 2], np.array([1, 2]), pl.Series([1, 2]), pa.array([1, 2]), pd.Series([1, 2])]
)
def test_columns_alone(values: Any) -> None:
    assert pandas_series(values).tolist() == [1, 2]
