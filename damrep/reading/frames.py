"""Data frames of pandas, polars and any other library that narwhals knows."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from damrep.masking.validation import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "frame_columns",
    "frame_part",
    "frame_rows",
    "is_frame",
    "is_series",
    "pandas_series",
    "to_pandas",
    "vector_columns",
    "vector_matrix",
]


def _native(obj: Any) -> Any:
    """A narwhals frame or series, or None. No library that is not there already is imported."""
    if not any(
        name in sys.modules for name in ("pandas", "polars", "pyarrow", "modin", "cudf", "duckdb")
    ):
        return None
    import narwhals as nw

    try:
        return nw.from_native(obj, allow_series=True)
    except TypeError:
        return None


def _collected(frame: Any) -> Any:
    """A narwhals frame in memory."""
    return frame.collect() if hasattr(frame, "collect") else frame


def is_frame(obj: Any) -> bool:
    """Whether an object is a data frame of a known library, lazy ones included.

    Examples
    --------
    >>> import pandas as pd
    >>> is_frame(pd.DataFrame({"a": [1]})), is_frame([1])
    (True, False)
    """
    found = _native(obj)
    return found is not None and hasattr(found, "columns")


def is_series(obj: Any) -> bool:
    """Whether an object is one column of a known library."""
    found = _native(obj)
    return found is not None and not hasattr(found, "columns")


def to_pandas(obj: Any) -> Any:
    """A frame or series of any library as one of pandas; one of pandas is returned as it is.

    Raises
    ------
    InputError
        If it cannot be brought into memory.

    Examples
    --------
    >>> import pyarrow as pa
    >>> to_pandas(pa.table({"a": [1, 2]}))["a"].tolist()
    [1, 2]
    """
    found = _native(obj)
    if found is None:
        raise InputError(f"expected a data frame, got {type(obj).__name__}")
    return _as_pandas(_collected(found), type(obj).__name__)


def _as_pandas(found: Any, kind: str) -> Any:
    try:
        return found.to_pandas()
    except (ImportError, TypeError, ValueError) as error:
        raise InputError(f"cannot read a {kind} ({error})") from None


def frame_columns(obj: Any) -> list[Hashable] | None:
    """Names of a frame's columns, which may come twice; None for what is no frame.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame_columns(pa.table({"user": ["ann"], "item": [7]})), frame_columns([1, 2])
    (['user', 'item'], None)
    """
    if _is_pandas_frame(obj):
        return list(obj.columns)
    found = _native(obj)
    if found is None or not hasattr(found, "columns"):
        return None
    return list(found.collect_schema().names())


def frame_part(obj: Any, names: Sequence[Hashable]) -> pd.DataFrame:
    """Some columns of a frame, as one of pandas; no other is computed or copied.

    Parameters
    ----------
    obj
        A frame.
    names
        Columns it has, each once.

    Raises
    ------
    InputError
        If they cannot be brought into memory.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"user": ["ann"], "item": [7], "text": ["long"]})
    >>> frame_part(table, ["user", "item"]).to_numpy().tolist()
    [['ann', 7]]
    """
    if _is_pandas_frame(obj):
        part: pd.DataFrame = obj[list(names)]
        return part
    found = _collected(_native(obj).select(list(names)))
    read: pd.DataFrame = _as_pandas(found, type(obj).__name__)
    return read


def frame_rows(obj: Any, chosen: NDArray[np.bool_]) -> Any:
    """Some rows of a frame, as a frame of its own library; a lazy one is computed.

    Parameters
    ----------
    obj
        A frame.
    chosen : ndarray of bool, shape (rows,)

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> frame_rows(pa.table({"item": [7, 8]}), np.array([False, True])).to_pydict()
    {'item': [8]}
    """
    if _is_pandas_frame(obj):
        return obj[chosen]
    return _collected(_native(obj)).filter(chosen.tolist()).to_native()


def vector_columns(obj: Any) -> list[Hashable]:
    """Columns of a frame whose cells are lists or arrays; none for what is no frame.

    Examples
    --------
    >>> import pandas as pd
    >>> vector_columns(pd.DataFrame({"v": [[1.0, 2.0]], "n": [3]}))
    ['v']
    """
    names = frame_columns(obj)
    if not names or len(set(names)) < len(names):
        return []
    import narwhals as nw

    found = _native(obj)
    schema = found.collect_schema()
    lists: list[Hashable] = []
    for name, kind in zip(names, schema.values(), strict=True):
        if kind == nw.Object:  # whatever Python holds
            first = frame_part(_collected(found.head(1)).to_native(), [name])[name]
            if len(first) and type(first.iloc[0]).__name__ in ("list", "tuple", "ndarray"):
                lists.append(name)
        elif isinstance(kind, nw.List | nw.Array):
            lists.append(name)
    return lists


def vector_matrix(obj: Any, name: Hashable, where: str) -> NDArray[Any]:
    """A column of vectors as a matrix, (rows, their length).

    Parameters
    ----------
    obj
        A frame.
    name
        Of the column.
    where
        What error messages call it.

    Raises
    ------
    InputError
        If the vectors differ in length, hold no numbers, or one has a gap.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"id": ["a", "b"], "v": [[1.0, 2.0], [3.0, 4.0]]})
    >>> vector_matrix(frame, "v", "column v").tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    import numpy as np
    import pyarrow as pa

    from damrep.reading.cells import as_matrix

    cells = frame_part(obj, [name])[name]
    try:
        column = pa.chunked_array([pa.array([None if c is None else np.asarray(c) for c in cells])])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{where} holds no vectors of numbers ({error})") from None
    return as_matrix(column, where)


def pandas_series(values: Any) -> pd.Series:
    """A column, array or sequence of any library as one of pandas.

    Examples
    --------
    >>> import pyarrow as pa
    >>> pandas_series(pa.chunked_array([["ann"], ["bo"]])).tolist()
    ['ann', 'bo']
    """
    import pandas as pd

    if isinstance(values, pd.Series):
        return values
    # Also an array of pyarrow, which is no column to narwhals.
    return pd.Series(values.to_pandas() if hasattr(values, "to_pandas") else values)


def _is_pandas_frame(obj: Any) -> bool:
    # Narwhals takes no column names twice.
    return "pandas" in sys.modules and isinstance(obj, sys.modules["pandas"].DataFrame)
