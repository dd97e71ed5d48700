"""Ids of users and items: integers or strings, each with a place of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError

with postponed("pandas"):
    import pandas as pd

__all__ = ["checked_ids", "positions", "shown"]

_LARGEST = np.iinfo(np.int64).max


def checked_ids(values: Any, where: str) -> NDArray[Any]:
    """Ids as int64 or as an object array of strings, whichever they are.

    Parameters
    ----------
    values
        Series, array or sequence (n,) of integers or of strings; a categorical column counts as
        its categories.
    where
        What holds them, for the message.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    InputError
        If one is missing or does not fit 64 bits, or they are neither integers nor strings. Floats
        are not taken for integers: a column of integers becomes one of floats where one is missing.

    Examples
    --------
    >>> checked_ids([7, 12345678901], "users")
    array([          7, 12345678901])
    >>> checked_ids([1.0], "users")
    Traceback (most recent call last):
    damrep.masking.validation.InputError: users: ids must be integers or strings, got floats ...
    """
    series = pd.Series(values) if len(values) else pd.Series(values, dtype=np.int64)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    missing = series.isna().to_numpy()
    if missing.any():
        raise InputError(f"{where}: row {int(np.argmax(missing)) + 1} has no id")
    kind = pd.api.types.infer_dtype(series, skipna=False)
    if kind == "integer":
        return _integers(series, where)
    if kind != "string":
        raise InputError(f"{where}: ids must be integers or strings, got {_called(kind)}")
    strings = series.astype(object).to_numpy(dtype=object)
    empty = strings == ""
    if empty.any():
        raise InputError(f"{where}: row {int(np.argmax(empty)) + 1} has an empty id")
    return strings


def _integers(series: pd.Series, where: str) -> NDArray[np.int64]:
    if pd.api.types.is_signed_integer_dtype(series.dtype):
        return series.to_numpy(dtype=np.int64)
    wide = series.to_numpy(dtype=object)
    odd = np.array([not -_LARGEST - 1 <= int(value) <= _LARGEST for value in wide], dtype=bool)
    if odd.any():
        row = int(np.argmax(odd))
        raise InputError(
            f"{where}: the id {wide[row]} of row {row + 1} does not fit 64 bits; give such ids as "
            "strings"
        )
    return wide.astype(np.int64)


def _called(kind: str) -> str:
    words = {"floating": "floats", "boolean": "booleans", "mixed-integer": "integers and strings"}
    named = words.get(kind, f"{kind} values")
    # What nearly always lies behind it.
    if kind == "floating":
        named += " (an integer column with missing values is one of floats)"
    return named


def shown(value: Any) -> str:
    """An id as a message shows it.

    Examples
    --------
    >>> shown(np.int64(3)), shown("3")
    ('3', "'3'")
    """
    return repr(value) if isinstance(value, str) else str(value)


def positions(known: pd.Index, wanted: Any, where: str, hint: str = "") -> NDArray[np.intp]:
    """Places of ids among those that are known.

    Parameters
    ----------
    known : Index, shape (n,)
    wanted
        One id, or a sequence (k,) of them.
    where : str
        Name of the argument, for the message.
    hint : str
        What to do about an unknown id.

    Returns
    -------
    ndarray, shape (k,)
        With one place for one id.

    Raises
    ------
    InputError
        If one is unknown.

    Examples
    --------
    >>> positions(pd.Index([10, 20, 30]), [30, 10], "users")
    array([2, 0])
    >>> positions(pd.Index([10, 20, 30]), "b", "users")
    Traceback (most recent call last):
    damrep.masking.validation.InputError: users: unknown id 'b'; known are 3 such as 10
    """
    ids = checked_ids([wanted] if np.ndim(wanted) == 0 else wanted, where)
    if known.dtype == object and ids.dtype != object:  # 1 is not "1"
        places = np.full(len(ids), -1, dtype=np.intp)
    else:
        places = known.get_indexer(ids)
    unknown = places < 0
    if unknown.any():
        count = int(unknown.sum())
        more = f" and {count - 1} more of {len(ids)}" if count > 1 else ""
        such = f"known are {len(known)} such as {shown(known[0])}"
        raise InputError(
            f"{where}: unknown id {shown(ids[int(np.argmax(unknown))])}{more}; {such}"
            f"{f'; {hint}' if hint else ''}"
        )
    return places
