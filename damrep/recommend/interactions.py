"""Who rated what: a sparse matrix of users by items, and the ids of its rows and columns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError, check_choice
from damrep.recommend.ids import checked_ids, positions, shown

with postponed("pandas"):
    import pandas as pd

__all__ = ["DUPLICATES", "Interactions", "read_interactions"]

DUPLICATES = ("error", "last", "mean", "sum")
# Others hold zeros that nobody gave (bsr, dia).
_FORMATS = ("csr", "csc", "coo", "lil", "dok")


@dataclass(frozen=True, eq=False)
class Interactions:
    """A matrix of ratings or weights, and what its rows and columns stand for.

    Attributes
    ----------
    matrix : csr_matrix, shape (users, items), float32
        Sorted, each pair once. Every stored entry is a rating, a stored 0 too.
    user_ids, item_ids : Index
        Of its rows and columns; 0, 1, ... where a matrix was given.
    """

    matrix: sp.csr_matrix
    user_ids: pd.Index
    item_ids: pd.Index

    @property
    def n_users(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    @property
    def n_items(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    def described(self) -> dict[str, int]:
        """Sizes, for a report."""
        counts = {"users": self.n_users, "items": self.n_items, "ratings": int(self.matrix.nnz)}
        silent = int((np.diff(self.matrix.indptr) == 0).sum())
        unseen = self.n_items - len(np.unique(self.matrix.indices))
        more = {"users without ratings": silent, "items without ratings": unseen}
        return {**counts, **{name: count for name, count in more.items() if count}}


def read_interactions(
    user_items: Any,
    *,
    user: Hashable = "user",
    item: Hashable = "item",
    rating: Hashable | None = "rating",
    duplicates: str = "error",
    implicit: bool = False,
    item_ids: pd.Index | None = None,
) -> Interactions:
    """Interactions out of a scipy sparse matrix or a data frame.

    Parameters
    ----------
    user_items
        A scipy sparse matrix (users x items), where what is stored is a rating; or a DataFrame with
        a row a rating.
    user, item, rating
        Names of the frame's columns. Ids are integers or strings; without a rating column (None)
        every row weighs 1.
    duplicates : {"error", "last", "mean", "sum"}
        What to make of a pair that comes more than once: refuse it, or take the last in the order
        they stand in, the mean, or the sum (of counts, say).
    implicit : bool
        Weights must not be negative, and a weight of 0 is no interaction.
    item_ids : Index, optional
        The items a model knows: those of a frame must be among them, and a matrix must have as
        many columns. There may then be no rating at all: a user of whom nothing is known.

    Returns
    -------
    Interactions
        With the ids of a frame in sorted order, so that the order of its rows does not matter.

    Raises
    ------
    TypeError
        If `user_items` is something else, a dense array for one: whether its zeros are ratings
        cannot be told.
    InputError
        If the values or ids cannot be used.

    Examples
    --------
    >>> frame = pd.DataFrame({"user": ["b", "a"], "item": [7, 9], "rating": [3, 5]})
    >>> got = read_interactions(frame)
    >>> got.matrix.toarray().tolist(), list(got.user_ids), list(got.item_ids)
    ([[0.0, 5.0], [3.0, 0.0]], ['a', 'b'], [7, 9])
    """
    check_choice("duplicates", duplicates, DUPLICATES)
    if isinstance(user_items, pd.DataFrame):
        rows, columns, values, users, items = _from_frame(user_items, user, item, rating, item_ids)
    elif sp.issparse(user_items):
        rows, columns, values, users, items = _from_sparse(user_items, item_ids)
    else:
        kind = type(user_items).__name__
        dense = "; scipy.sparse.csr_matrix makes one of a dense array, whose zeros are no ratings"
        raise TypeError(
            "user_items must be a scipy sparse matrix (users x items) or a pandas DataFrame of "
            f"user, item, rating, got {kind}{dense if isinstance(user_items, np.ndarray) else ''}"
        )
    values = _checked_values(values, rows, columns, users, items, implicit)
    matrix = _assemble(rows, columns, values, (len(users), len(items)), duplicates, users, items)
    if implicit:
        matrix.eliminate_zeros()
    if matrix.nnz == 0 and item_ids is None:
        raise InputError("user_items holds no ratings")
    return Interactions(matrix, users, items)


_Parts: TypeAlias = "tuple[NDArray[Any], NDArray[Any], NDArray[Any], pd.Index, pd.Index]"


def _from_frame(
    frame: pd.DataFrame,
    user: Hashable,
    item: Hashable,
    rating: Hashable | None,
    item_ids: pd.Index | None,
) -> _Parts:
    wanted = {"user": user, "item": item, **({} if rating is None else {"rating": rating})}
    for argument, name in wanted.items():
        count = list(frame.columns).count(name)
        if count != 1:
            has = ", ".join(map(repr, list(frame.columns)[:8])) or "none"
            none = (
                f"; {argument}= names it" if argument != "rating"
                else "; rating= names it, and rating=None lets every row weigh 1"
            )  # fmt: skip
            problem = f"no column {name!r}" if count == 0 else f"{count} columns {name!r}"
            raise InputError(f"user_items has {problem} (columns are {has}){none}")
    if len({repr(name) for name in wanted.values()}) < len(wanted):
        raise InputError(f"user, item and rating name one column twice: {list(wanted.values())}")
    if len(frame) == 0:
        raise InputError("user_items holds no ratings")
    ids = checked_ids(frame[user], f"column {user!r}")
    rows, users = pd.factorize(ids, sort=True)
    named = checked_ids(frame[item], f"column {item!r}")
    if item_ids is None:
        columns, known = pd.factorize(named, sort=True)
        items = pd.Index(known, dtype=known.dtype)  # strings stay objects
    else:
        columns, items = positions(item_ids, named, f"column {item!r}"), item_ids
    if rating is None:
        values = np.ones(len(frame), dtype=np.float32)
    else:
        values = _numbers(frame[rating], f"column {rating!r}")
    return rows, columns, values, pd.Index(users, dtype=users.dtype), items


def _numbers(series: pd.Series, where: str) -> NDArray[Any]:
    try:
        if pd.api.types.is_string_dtype(series.dtype) and series.dtype != object:
            raise ValueError
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected numbers, got {series.dtype} values") from None


def _from_sparse(matrix: Any, item_ids: pd.Index | None) -> _Parts:
    if matrix.ndim != 2:
        raise InputError(f"user_items must have shape (users, items), got {matrix.shape}")
    if matrix.format not in _FORMATS:
        raise InputError(
            f"user_items must be in one of the formats {', '.join(_FORMATS)}, got {matrix.format}"
        )
    if item_ids is not None and matrix.shape[1] != len(item_ids):
        turned = "; it looks transposed (items x users)" if matrix.shape[0] == len(item_ids) else ""
        raise InputError(
            f"user_items must have shape (new users, {len(item_ids)} items), got {matrix.shape}"
            f"{turned}"
        )
    if matrix.dtype.kind not in "biuf":
        raise InputError(f"user_items must hold numbers, got {matrix.dtype}")
    try:
        if matrix.format in ("csr", "csc"):
            matrix.check_format(full_check=True)
        entries = matrix.tocoo()
    except ValueError as error:
        raise InputError(f"user_items is not a sound sparse matrix: {error}") from None
    items = pd.RangeIndex(matrix.shape[1]) if item_ids is None else item_ids
    return entries.row, entries.col, entries.data, pd.RangeIndex(matrix.shape[0]), items


def _checked_values(
    values: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    users: pd.Index,
    items: pd.Index,
    implicit: bool,
) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        small = np.asarray(values).astype(np.float32)
    bad, wanted = ~np.isfinite(small), "a finite number"
    if implicit and not bad.any():
        bad, wanted = small < 0, "a weight of implicit feedback, 0 or more"
    if bad.any():
        at, count = int(np.argmax(bad)), int(bad.sum())
        more = f" ({count} such in all)" if count > 1 else ""
        raise InputError(
            f"user_items: user {shown(users[rows[at]])}, item {shown(items[columns[at]])}: "
            f"expected {wanted}, got {values[at]}{more}"
        )
    return small


def _assemble(
    rows: NDArray[Any],
    columns: NDArray[Any],
    values: NDArray[np.float32],
    shape: tuple[int, int],
    duplicates: str,
    users: pd.Index,
    items: pd.Index,
) -> sp.csr_matrix:
    """The matrix, with one entry a pair."""
    matrix = sp.csr_matrix((values, (rows, columns)), shape=shape)  # sums pairs that come again
    matrix.sort_indices()
    if matrix.nnz == len(values) or duplicates == "sum":
        return matrix
    order = np.lexsort((columns, rows))  # stable: entries of a pair stay in the order they stood in
    row, column = rows[order], columns[order]
    first = np.concatenate([[True], (np.diff(row) != 0) | (np.diff(column) != 0)])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(order)))
    if duplicates == "error":
        at = int(np.argmax(counts > 1))
        pairs = int((counts > 1).sum())
        user, item = users[row[starts[at]]], items[column[starts[at]]]
        others = f" and {pairs - 1} more pairs come" if pairs > 1 else " comes"
        raise InputError(
            f"user_items: the pair of user {shown(user)} and item {shown(item)}{others} more than "
            'once; duplicates="last", "mean" or "sum" says what to make of them'
        )
    if duplicates == "last":
        matrix.data = values[order[starts + counts - 1]]
    else:
        matrix.data = (matrix.data / counts).astype(np.float32)
    return matrix
