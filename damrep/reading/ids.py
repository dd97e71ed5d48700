"""Names of nodes, users, items and rows: integers or strings, and how lists of them are matched.

Identifiers from text are integers only if every one of them is written as an integer is (no leading
zero, no plus sign, no blank), perhaps with ".0" behind; one "007" keeps all of them strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError

with postponed("pandas"):
    import pandas as pd

__all__ = [
    "clean_ids",
    "infer_integers",
    "listed",
    "match_kinds",
    "only_count",
    "require_unique",
    "shown",
]


def shown(node_id: Any, most: int = 80) -> str:
    """The way an id is written in a message: strings quoted, integers bare, both cut at a length.

    Examples
    --------
    >>> shown("p1"), shown(3)
    ("'p1'", '3')
    """
    text = repr(str(node_id)) if isinstance(node_id, str) else str(node_id)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def listed(names: Sequence[Any], most: int = 8) -> str:
    """Names of columns or arrays as a message shows them.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    "'a', 'b', ..."
    """
    short = [shown(str(name), 40) for name in names[:most]]
    return ", ".join([*short, *(["..."] if len(names) > most else [])]) or "none"


def clean_ids(values: Any, where: str, row_name: str = "row", what: str = "id") -> np.ndarray:
    """Ids as int64, or as an object array of strings.

    Whole floats count as integers, because a missing value elsewhere turns an integer column of
    pandas into floats. Anything that is not a number becomes its string.

    Parameters
    ----------
    values : array-like, shape (m,)
    where, row_name, what : str
        What error messages call the values, their position, counted from 1, and one of them.

    Returns
    -------
    ndarray, shape (m,)

    Raises
    ------
    InputError
        If an id is missing (None, NaN or the empty string), or an integer does not fit 64 bits.

    Examples
    --------
    >>> clean_ids([1.0, 2.0], "edges").tolist(), clean_ids(["a", 7], "edges").tolist()
    ([1, 2], ['a', '7'])
    """
    series = values if isinstance(values, pd.Series) else pd.Series(_flat(values, where))
    series = series.reset_index(drop=True)
    missing = series.isna().to_numpy()
    if not missing.any() and pd.api.types.is_integer_dtype(series.dtype):
        return _integers(series, where, row_name)
    if not missing.any() and pd.api.types.is_float_dtype(series.dtype):
        numbers = series.to_numpy(dtype=np.float64)
        if (np.isfinite(numbers) & (numbers == np.floor(numbers)) & (abs(numbers) < 2**53)).all():
            return numbers.astype(np.int64)
    if not missing.any() and series.dtype == object:
        kind = pd.api.types.infer_dtype(series, skipna=False)
        if kind == "integer":
            return _integers(series, where, row_name)
    text = series.astype(object).map(str).to_numpy(dtype=object)
    missing = missing | (text == "")
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise InputError(f"{where}: {row_name} {row + 1} has an empty {what}")
    return text


def _integers(series: pd.Series, where: str, row_name: str) -> np.ndarray:
    if pd.api.types.is_signed_integer_dtype(series.dtype):
        return series.to_numpy(dtype=np.int64)
    try:
        return np.array([int(value) for value in series], dtype=np.int64)
    except OverflowError:
        fits = [-(2**63) <= int(value) < 2**63 for value in series]
        row = fits.index(False)
        raise InputError(
            f"{where}: the id {series.iloc[row]} of {row_name} {row + 1} does not fit 64 bits; "
            "give such ids as strings"
        ) from None


def _flat(values: Any, where: str) -> np.ndarray:
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.dtype.kind in "US":
        # [1, "a"] has become strings of a fixed length; objects keep what was given.
        array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise InputError(f"{where}: expected a list of ids, got shape {array.shape}")
    return array


def infer_integers(ids: np.ndarray) -> np.ndarray:
    """Turn strings that are all whole numbers into int64; anything else stays as it is.

    Parameters
    ----------
    ids : ndarray of int64 or of str objects, shape (m,)

    Examples
    --------
    >>> infer_integers(np.array(["10", "2.0"], dtype=object)).tolist()
    [10, 2]
    >>> infer_integers(np.array(["007", "2"], dtype=object)).tolist()
    ['007', '2']
    """
    if ids.dtype != object or len(ids) == 0:
        return ids
    import pyarrow as pa

    from damrep.reading.text_ids import text_as_integers

    try:
        found = text_as_integers(pa.chunked_array([pa.array(ids, pa.string())]))
    except (pa.ArrowException, TypeError, UnicodeError):  # half a surrogate pair
        return ids
    return ids if found is None else np.asarray(found.to_numpy())


def match_kinds(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring two lists of ids to one kind, so that they can be looked up in each other.

    Strings become integers if all of them are plain integers, otherwise integers become strings.

    Examples
    --------
    >>> a, b = match_kinds(np.array([1, 2]), np.array(["2", "1"], dtype=object))
    >>> b.tolist()
    [2, 1]
    """
    if (first.dtype == object) == (second.dtype == object):
        return first, second
    first, second = infer_integers(first), infer_integers(second)
    if (first.dtype == object) == (second.dtype == object):
        return first, second
    return _strings(first), _strings(second)


def _strings(ids: np.ndarray) -> np.ndarray:
    return ids if ids.dtype == object else ids.astype(str).astype(object)


def only_count(node_ids: np.ndarray) -> bool:
    """Whether ids are 0 .. n - 1 or 1 .. n in any order: positions, and perhaps no names.

    Examples
    --------
    >>> only_count(np.array([2, 0, 1])), only_count(np.array([1, 2])), only_count(np.array([5, 6]))
    (True, True, False)
    """
    if node_ids.dtype.kind not in "iu" or not len(node_ids):
        return False
    start = int(node_ids.min())
    return start in (0, 1) and len(np.unique(node_ids)) == int(node_ids.max()) - start + 1


def require_unique(
    ids: np.ndarray, where: str, what: str = "node", hint: str = "ids must differ"
) -> None:
    """Refuse a list of ids in which one comes twice.

    Parameters
    ----------
    ids : ndarray, shape (n,)
    where, what, hint : str
        What messages call the list and one of its ids, and what to do about it.

    Raises
    ------
    InputError
        Naming the first id that comes again.
    """
    again = pd.Index(ids).duplicated()
    if again.any():
        row = int(np.flatnonzero(again)[0])
        raise InputError(
            f"{where}: {what} {shown(ids[row])} comes more than once (again in row {row + 1}); "
            f"{hint}"
        )
