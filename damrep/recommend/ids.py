"""Ids of users and items: integers, strings or UUIDs, each with a place of its own."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError
from damrep.reading.frames import pandas_series

with postponed("pandas"):
    import pandas as pd

__all__ = [
    "checked_ids",
    "chosen_ids",
    "is_one_id",
    "kind_of_ids",
    "places",
    "positions",
    "shown",
    "typed_ids",
    "unknown_ids",
]

_LARGEST = np.iinfo(np.int64).max


def checked_ids(values: Any, where: str) -> NDArray[Any]:
    """Ids as int64 or as an object array of strings or of UUIDs, whichever they are.

    Parameters
    ----------
    values
        Column, array or sequence (n,) of integers, of strings or of `uuid.UUID`; a categorical
        column counts as its categories, and whole `decimal.Decimal` as integers, which they equal.
    where
        What holds them, for the message.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    InputError
        If one is missing or does not fit 64 bits, or they are of another type. Floats are not taken
        for integers: a column of integers becomes one of floats where one is missing.

    Examples
    --------
    >>> checked_ids([7, 12345678901], "users")
    array([          7, 12345678901])
    >>> checked_ids([1.0], "users")
    Traceback (most recent call last):
    damrep.masking.validation.InputError: users: ids must be integers or strings, got floats ...
    """
    axes = _axes(values)
    if axes != 1:
        raise InputError(f"{where}: expected one id or a list of ids, got {axes} axes")
    series = pandas_series(values) if len(values) else pd.Series(dtype=np.int64)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    missing = series.isna().to_numpy()
    if missing.any():
        raise InputError(f"{where}: row {int(np.argmax(missing)) + 1} has no id")
    kind = pd.api.types.infer_dtype(series, skipna=False)
    if kind == "decimal" and all(map(_whole, series)):
        series, kind = series.map(int).astype(object), "integer"
    if kind == "integer":
        return _integers(series, where)
    held = series.astype(object).to_numpy(dtype=object)
    if kind == "mixed" and all(isinstance(value, uuid.UUID) for value in held):
        return held
    if kind != "string":
        raise InputError(f"{where}: ids must be integers or strings, got {_called(kind, held)}")
    empty = held == ""
    if empty.any():
        raise InputError(f"{where}: row {int(np.argmax(empty)) + 1} has an empty id")
    return held


def _axes(values: Any) -> int:
    try:
        return np.ndim(values)
    except ValueError:  # lists of different lengths
        return 2


def is_one_id(values: Any) -> bool:
    """Whether an argument is an id, not a sequence of them.

    Examples
    --------
    >>> is_one_id("ann"), is_one_id(["ann"])
    (True, False)
    """
    return _axes(values) == 0


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


def _whole(number: Any) -> bool:
    return bool(number.is_finite() and number == number.to_integral_value())


def _called(kind: str, values: NDArray[np.object_]) -> str:
    if kind == "floating":  # what nearly always lies behind it
        return "floats (an integer column with missing values is one of floats)"
    if kind == "boolean":
        return "booleans"
    if kind == "decimal":
        return "decimal.Decimal values that are not whole"
    types = sorted({_type_name(value) for value in values})
    if len(types) > 1:
        return f"{' and '.join(types[:3])} in one column"
    named = types[0] if kind.startswith("mixed") else f"{kind} values ({types[0]})"
    return f"{named}; written as strings they can be used"


def _type_name(value: Any) -> str:
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return {"int": "integers", "str": "strings"}.get(name, name)


def shown(value: Any) -> str:
    """An id as a message shows it.

    Examples
    --------
    >>> shown(np.int64(3)), shown("3")
    ('3', "'3'")
    """
    return repr(value) if isinstance(value, str) else str(value)


def kind_of_ids(ids: NDArray[Any] | pd.Index) -> str:
    """Whether ids that were checked are integers, strings or UUIDs.

    Examples
    --------
    >>> kind_of_ids(checked_ids(["ann"], "users")), kind_of_ids(pd.RangeIndex(3))
    ('strings', 'integers')
    """
    if pd.api.types.is_integer_dtype(ids.dtype):
        return "integers"
    return "UUIDs" if len(ids) and isinstance(ids[0], uuid.UUID) else "strings"


def places(known: pd.Index, wanted: Any, where: str) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Places of ids among those that are known, and the ids as they were understood.

    Parameters
    ----------
    known : Index, shape (n,)
    wanted
        One id, or a sequence (k,) of them.
    where : str
        Name of the argument, for the message.

    Returns
    -------
    places : ndarray, shape (k,)
        With one place for one id; -1 for an unknown one.
    ids : ndarray, shape (k,)

    Raises
    ------
    InputError
        If they are of another kind, so that none could be known: 1 is not "1".

    Examples
    --------
    >>> places(pd.Index([10, 20, 30]), [30, 7], "users")[0]
    array([ 2, -1])
    """
    found, ids = _looked_up(known, wanted, where)
    kinds = kind_of_ids(ids), kind_of_ids(known)
    if len(ids) and kinds[0] != kinds[1]:
        raise InputError(
            f"{where}: ids are {kinds[0]}, those of the model {kinds[1]} such as {shown(known[0])}"
        )
    return found, ids


def _looked_up(known: pd.Index, wanted: Any, where: str) -> tuple[NDArray[np.intp], NDArray[Any]]:
    ids = checked_ids([wanted] if is_one_id(wanted) else wanted, where)
    if kind_of_ids(known) != kind_of_ids(ids):
        return np.full(len(ids), -1, dtype=np.intp), ids
    return known.get_indexer(ids), ids


def unknown_ids(ids: NDArray[Any], found: NDArray[np.intp], known: pd.Index) -> str:
    """The ids that were not found, in words.

    Examples
    --------
    >>> known = pd.Index([10, 20, 30])
    >>> found, ids = places(known, [30, 7, 8], "users")
    >>> unknown_ids(ids, found, known)
    'unknown id 7 and 1 more of 3; known are 3 such as 10'
    """
    unknown = found < 0
    count = int(unknown.sum())
    more = f" and {count - 1} more of {len(ids)}" if count > 1 else ""
    such = f"known are {len(known)} such as {shown(known[0])}"
    return f"unknown id {shown(ids[int(np.argmax(unknown))])}{more}; {such}"


def positions(known: pd.Index, wanted: Any, where: str, hint: str = "") -> NDArray[np.intp]:
    """Places of ids among those that are known, every one of which has to be.

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
    found, ids = _looked_up(known, wanted, where)
    if (found < 0).any():
        raise InputError(f"{where}: {unknown_ids(ids, found, known)}{f'; {hint}' if hint else ''}")
    return found


def chosen_ids(known: pd.Index, among: Any, exclude: Any, where: str) -> NDArray[np.bool_]:
    """Which of the known ids may be found.

    Parameters
    ----------
    known : Index, shape (n,)
    among, exclude
        Ids, or one, to choose from and to leave out; None for all, and for none.
    where : str
        Name of the argument `among`.

    Raises
    ------
    InputError
        If one is unknown.

    Examples
    --------
    >>> chosen_ids(pd.Index([10, 20, 30]), None, 20, "items").tolist()
    [True, False, True]
    """
    chosen = np.full(len(known), among is None)
    if among is not None:
        chosen[positions(known, among, where)] = True
    if exclude is not None:
        chosen[positions(known, exclude, "exclude")] = False
    return chosen


def typed_ids(known: NDArray[Any], words: Sequence[str], where: str) -> NDArray[Any]:
    """What was typed, as ids of the kind that are known.

    Parameters
    ----------
    known : ndarray
        Ids of a model.
    words
        As they stand on a command line.
    where : str
        What they are, for the message.

    Raises
    ------
    InputError
        If a word is no such id.

    Examples
    --------
    >>> typed_ids(np.array([10, 20]), ["20", "7"], "ids of users")
    array([20,  7])
    """
    kind = kind_of_ids(known)
    if kind == "strings":
        return np.array(words, dtype=object)
    found: list[Any] = []
    for word in words:
        try:
            if kind == "integers" and not word.strip().removeprefix("-").isdecimal():
                raise ValueError
            found.append(int(word) if kind == "integers" else uuid.UUID(word))
        except ValueError:
            raise InputError(f"{where} are {kind}, got {word!r}") from None
        if kind == "integers" and not -_LARGEST - 1 <= found[-1] <= _LARGEST:
            raise InputError(f"{where} are integers that fit 64 bits, got {word}")
    return np.array(found, dtype=np.int64 if kind == "integers" else object)
