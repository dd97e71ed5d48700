"""Who rated what: a sparse matrix of users by items, and the ids of its rows and columns."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError, check_choice
from damrep.reading.frames import frame_columns, frame_part
from damrep.reading.names import known_column
from damrep.recommend.ids import checked_ids, places, positions, shown, unknown_ids

with postponed("pandas"):
    import pandas as pd

__all__ = ["DUPLICATES", "UNKNOWN", "Interactions", "read_interactions", "role_columns"]

DUPLICATES = ("error", "last", "mean", "sum")
UNKNOWN = ("error", "skip")
_SKIP = 'unknown="skip" leaves such rows out'
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
    notes : tuple of str
        What the reader decided without being told.
    skipped : str
        Which rows were left out and why, "" for none; and
    n_skipped : int
        how many.
    by_place : bool
        A matrix was given: what its rows and columns are is known by their places alone.
    """

    matrix: sp.csr_matrix
    user_ids: pd.Index
    item_ids: pd.Index
    notes: tuple[str, ...] = ()
    skipped: str = ""
    n_skipped: int = 0
    by_place: bool = False

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
    unknown: str = "error",
) -> Interactions:
    """Interactions out of a scipy sparse matrix or a data frame.

    Parameters
    ----------
    user_items
        A scipy sparse matrix (users x items), where what is stored is a rating; or a frame with
        a row a rating, of pandas or of any other library that narwhals knows.
    user, item, rating
        Names of the frame's columns; see `role_columns`. Ids are integers, strings or UUIDs;
        without a rating column (None) every row weighs 1.
    duplicates : {"error", "last", "mean", "sum"}
        What to make of a pair that comes more than once: refuse it, or take the last in the order
        they stand in, the mean, or the sum (of counts, say).
    implicit : bool
        Weights must not be negative, and a weight of 0 is no interaction.
    item_ids : Index, optional
        The items a model knows: those of a frame must be among them, and a matrix must have as
        many columns. There may then be no rating at all: a user of whom nothing is known.
    unknown : {"error", "skip"}
        What to do with rows of a frame whose item is not among these. A user stays, if only with
        nothing.

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
    check_choice("unknown", unknown, UNKNOWN)
    by_place = sp.issparse(user_items)
    held = None if by_place else frame_columns(user_items)
    if by_place:
        entries = _from_sparse(user_items, item_ids)
    elif held is not None:
        named, notes = role_columns(held, user, item, rating, implicit)
        entries = _from_frame(user_items, named, notes, item_ids, unknown)
    else:
        kind = type(user_items).__name__
        dense = "; scipy.sparse.csr_matrix makes one of a dense array, whose zeros are no ratings"
        raise TypeError(
            "user_items must be a scipy sparse matrix (users x items) or a data frame of user, "
            f"item, rating, got {kind}{dense if isinstance(user_items, np.ndarray) else ''}"
        )
    values = _checked_values(entries, implicit)
    matrix = _assemble(entries, values, duplicates)
    if implicit:
        matrix.eliminate_zeros()
    if matrix.nnz == 0 and item_ids is None:
        raise InputError("user_items holds no ratings")
    return Interactions(
        matrix, entries.users, entries.items, entries.notes, entries.skipped, entries.n_skipped,
        by_place=by_place,
    )  # fmt: skip


class _Entries(NamedTuple):
    """Rows, columns and values of what is stored, and what they are called."""

    rows: NDArray[Any]
    columns: NDArray[Any]
    values: NDArray[Any]
    users: pd.Index
    items: pd.Index
    notes: tuple[str, ...] = ()
    skipped: str = ""
    n_skipped: int = 0


def role_columns(
    columns: Sequence[Hashable],
    user: Hashable = "user",
    item: Hashable = "item",
    rating: Hashable | None = "rating",
    implicit: bool = False,
) -> tuple[dict[str, Hashable], tuple[str, ...]]:
    """Which columns of a frame hold the users, the items and the ratings.

    "user", "item" and "rating" also stand for what such columns are called by custom, userId or
    movie or stars, where none is called so. Weights of implicit feedback are not guessed: without
    that column every row weighs 1.

    Parameters
    ----------
    columns
        Those of the frame.
    user, item, rating
        Names; None: there are no ratings.
    implicit : bool
        The rating is a weight.

    Returns
    -------
    columns : dict
        By "user", "item" and, if there is one, "rating".
    notes : tuple of str
        What was decided without being told.

    Raises
    ------
    InputError
        If there is no such column, more than one, or one for two.

    Examples
    --------
    >>> role_columns(["userId", "movieId", "rating"])[0]
    {'user': 'userId', 'item': 'movieId', 'rating': 'rating'}
    >>> role_columns(["user", "song", "plays"], implicit=True)[1]
    ("column 'song' was taken for the items", "column 'plays' was not looked at; ...")
    """
    asked = {"user": user, "item": item, **({} if rating is None else {"rating": rating})}
    found: dict[str, Hashable] = {}
    notes: list[str] = []
    for role, name in asked.items():
        count = list(columns).count(name)
        if count == 0 and name == role:
            guess = known_column(columns, role, "user_items", f"{role}=")
            if guess is not None and not (implicit and role == "rating"):
                found[role] = guess
                notes.append(f"column {guess!r} was taken for the {role}s")
            elif guess is not None:
                notes.append(f"column {guess!r} was not looked at; rating={guess!r} takes weights")
            elif role != "rating" or not implicit:
                raise InputError(_no_column(columns, role, name))
        elif count != 1:
            raise InputError(_no_column(columns, role, name, count))
        else:
            found[role] = name
    if len({repr(name) for name in found.values()}) < len(found):
        raise InputError(f"user, item and rating name one column twice: {list(found.values())}")
    return found, tuple(notes)


def _no_column(columns: Sequence[Hashable], role: str, name: Hashable, count: int = 0) -> str:
    has = ", ".join(map(repr, columns[:8])) or "none"
    none = (
        f"; {role}= names it" if role != "rating"
        else "; rating= names it, and rating=None lets every row weigh 1"
    )  # fmt: skip
    problem = f"no column {name!r}" if count == 0 else f"{count} columns {name!r}"
    return f"user_items has {problem} (columns are {has}){none}"


def _from_frame(
    whole: Any,
    named: dict[str, Hashable],
    notes: tuple[str, ...],
    item_ids: pd.Index | None,
    unknown: str,
) -> _Entries:
    frame = frame_part(whole, list(named.values()))
    if len(frame) == 0:
        raise InputError("user_items holds no ratings")
    rows, users = pd.factorize(
        checked_ids(frame[named["user"]], f"column {named['user']!r}"), sort=True
    )
    where = f"column {named['item']!r}"
    rating = named.get("rating")
    values = (
        np.ones(len(frame), dtype=np.float32) if rating is None
        else _numbers(frame[rating], f"column {rating!r}")
    )  # fmt: skip
    skipped, n_skipped = "", 0
    if item_ids is None:
        columns, names = pd.factorize(checked_ids(frame[named["item"]], where), sort=True)
        items = pd.Index(names, dtype=names.dtype)  # strings stay objects
    elif unknown == "error":
        columns, items = positions(item_ids, frame[named["item"]], where, _SKIP), item_ids
    else:
        items = item_ids
        columns, ids = places(item_ids, frame[named["item"]], where)
        kept = columns >= 0
        if not kept.all():
            n_skipped = int((~kept).sum())
            skipped = f"{where}: {unknown_ids(ids, columns, item_ids)}"
            rows, columns, values = rows[kept], columns[kept], values[kept]
    return _Entries(
        rows, columns, values, pd.Index(users, dtype=users.dtype), items, notes, skipped, n_skipped
    )


def _numbers(series: pd.Series, where: str) -> NDArray[Any]:
    try:
        if pd.api.types.is_string_dtype(series.dtype) and series.dtype != object:
            raise ValueError
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected numbers, got {series.dtype} values") from None


def _from_sparse(matrix: Any, item_ids: pd.Index | None) -> _Entries:
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
    users = pd.RangeIndex(matrix.shape[0])
    return _Entries(entries.row, entries.col, entries.data, users, items)


def _checked_values(entries: _Entries, implicit: bool) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        small = np.asarray(entries.values).astype(np.float32)
    bad, wanted = ~np.isfinite(small), "a finite number"
    if implicit and not bad.any():
        bad, wanted = small < 0, "a weight of implicit feedback, 0 or more"
    if bad.any():
        at, count = int(np.argmax(bad)), int(bad.sum())
        more = f" ({count} such in all)" if count > 1 else ""
        user, item = entries.users[entries.rows[at]], entries.items[entries.columns[at]]
        raise InputError(
            f"user_items: user {shown(user)}, item {shown(item)}: "
            f"expected {wanted}, got {entries.values[at]}{more}"
        )
    return small


def _assemble(entries: _Entries, values: NDArray[np.float32], duplicates: str) -> sp.csr_matrix:
    """The matrix, with one entry a pair."""
    rows, columns, users, items = entries.rows, entries.columns, entries.users, entries.items
    # Pairs that come again are added up.
    matrix = sp.csr_matrix((values, (rows, columns)), shape=(len(users), len(items)))
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
