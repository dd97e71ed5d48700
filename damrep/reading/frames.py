"""Data frames of pandas, polars and any other library that narwhals knows."""

from __future__ import annotations

import sys
from typing import Any

from damrep.masking.validation import InputError

__all__ = ["is_frame", "is_series", "to_pandas"]


def _native(obj: Any) -> Any:
    """A narwhals frame or series, or None. No library that is not there already is imported."""
    if not any(name in sys.modules for name in ("pandas", "polars", "pyarrow", "modin", "cudf")):
        return None
    import narwhals as nw

    try:
        return nw.from_native(obj, allow_series=True)
    except TypeError:
        return None


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
    if hasattr(found, "collect"):
        found = found.collect()
    try:
        return found.to_pandas()
    except (ImportError, TypeError, ValueError) as error:
        raise InputError(f"cannot read a {type(obj).__name__} ({error})") from None
