"""Frames and arrays as tables, so that they are read as files are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from damrep.masking.validation import InputError
from damrep.reading.arrow_tables import ArrowTable
from damrep.reading.frames import frame_columns, to_pandas
from damrep.reading.tables import Table

__all__ = ["array_table", "as_table"]


def as_table(obj: Any, where: str = "X") -> Table:
    """A data frame of any library, or an array of two dimensions, as a table.

    Parameters
    ----------
    obj
        Its index is left out. A table is returned as it is.
    where
        What messages call it.

    Raises
    ------
    InputError
        If it is something else, or a column holds things of several kinds.

    Examples
    --------
    >>> import pandas as pd
    >>> as_table(pd.DataFrame({"age": [37, None], "city": ["Oslo", "Rome"]})).names
    ('age', 'city')
    """
    if isinstance(obj, Table):
        return obj
    if isinstance(obj, np.ndarray):
        return array_table(obj, where)
    names = frame_columns(obj)
    if names is None:
        raise InputError(f"{where}: expected a data frame, got {type(obj).__name__}")
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{where}: two columns are called {again!r}; rename one")
    frame = to_pandas(obj)
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise InputError(_odd_column(frame, where)) from None
    return ArrowTable(where, table.schema, table.select, table.num_rows)


def _odd_column(frame: Any, where: str) -> str:
    for name in frame.columns:
        try:
            pa.array(frame[name], from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            kinds = sorted({type(cell).__name__ for cell in frame[name] if cell is not None})
            held = f"column {name!r} holds {' and '.join(kinds[:3])}"
            return f"{where}: {held}; expected numbers, dates or text alone"
    return f"{where}: cannot be read"


def array_table(array: np.ndarray, where: str = "X") -> Table:
    """An array of numbers (n, d) as a table whose columns are called "1", "2", ...

    Raises
    ------
    InputError
        If it has another shape, or holds something else.

    Examples
    --------
    >>> array_table(np.array([[1.0, np.nan]])).numbers([1], gaps=True).tolist()
    [[nan]]
    """
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise InputError(
            f"{where}: expected an array of numbers with rows and columns, got shape "
            f"{array.shape} and dtype {array.dtype}"
        )
    columns = {
        str(i + 1): pa.array(np.ascontiguousarray(array[:, i])) for i in range(array.shape[1])
    }
    table = pa.table(columns)
    return ArrowTable(where, table.schema, table.select, table.num_rows)
