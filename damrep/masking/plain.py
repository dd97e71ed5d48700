"""Turning fitted values into plain ones that strict JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["to_plain"]


def to_plain(value: Any) -> Any:
    """Convert to None, bool, int, float, str, list and dict, recursively.

    NumPy and torch scalars and arrays become Python ones, tuples and sets lists, paths strings,
    keys of mappings strings. NaN and the infinities become None, since strict JSON has no word for
    them.

    Raises
    ------
    TypeError
        If there is a value of another type somewhere inside.

    Examples
    --------
    >>> to_plain({"loss": float("nan"), "dims": (3, 4)})
    {'loss': None, 'dims': [3, 4]}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [to_plain(item) for item in sorted(value)]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors
        return to_plain(value.tolist())
    raise TypeError(f"cannot write a {type(value).__name__} into JSON: {value!r}")
