"""Setting a test part of ratings aside, to measure a recommender on."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.masking.validation import InputError, check_count, check_number
from damrep.reading.frames import frame_columns, frame_part, frame_rows
from damrep.reading.names import known_column
from damrep.recommend.ids import checked_ids
from damrep.training import numpy_generator, resolve_seed

__all__ = ["leave_last_out", "split_ratings", "train_test_split"]


def train_test_split(
    user_items: Any, share: float = 0.2, *, user: Hashable = "user", random_state: Any = None
) -> tuple[Any, Any]:
    """Take a share of each user's ratings away at random.

    Parameters
    ----------
    user_items
        A frame with a row a rating, of any library `fit` takes; or a sparse matrix (users x items).
    share : float
        Between 0 and 1; of each user's ratings as many as come nearest to it, and one always stays.
    user
        Column of a frame; the one called so, or userId and the like where none is.
    random_state : int, RandomState, Generator or None
        Seed of the draw.

    Returns
    -------
    train, test
        Of the kind that was given; frames with their rows in order, matrices of the same shape.

    Raises
    ------
    TypeError
        If it is neither frame nor matrix.
    InputError
        If nothing would be left on one of the sides.

    See Also
    --------
    leave_last_out : by time.
    damrep.recommend.evaluate : measures a model on the test part.

    Examples
    --------
    >>> frame = pd.DataFrame({"user": ["ann"] * 5 + ["bo"], "item": range(6), "rating": 3.0})
    >>> train, test = train_test_split(frame, random_state=0)
    >>> train["user"].tolist(), test["user"].tolist()
    (['ann', 'ann', 'ann', 'ann', 'bo'], ['ann'])
    """
    check_number("share", share, low=0.0, low_open=True)
    if share >= 1:
        raise InputError(f"share must be below 1, got {share}")
    generator = numpy_generator(resolve_seed(random_state))
    matrix = sp.issparse(user_items)
    if matrix:
        held = sp.csr_matrix(user_items)
        users = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    else:
        users = _users(user_items, user)
    counts = np.bincount(users)
    taken = np.minimum(np.rint(share * counts).astype(np.int64), counts - 1)
    away = _first(users, generator.permutation(len(users)), taken)
    _refuse_empty(away, "share")
    return _matrices(held, away) if matrix else _frames(user_items, away)


def leave_last_out(
    frame: Any, n: int = 1, *, user: Hashable = "user", time: Hashable | None = "timestamp"
) -> tuple[Any, Any]:
    """Take the last n ratings of each user away, as a recommender meets them.

    Parameters
    ----------
    frame
        With a row a rating, of any library `fit` takes.
    n : int
        Ratings a user; of those with no more than n, one stays.
    user
        Column; the one called so, or userId and the like where none is.
    time
        Column of numbers, dates or texts as 2024-05-17T08:30; of equal times the later row is the
        later one. None: rows stand in the order of time.

    Returns
    -------
    train, test
        Frames of the kind that was given, with their rows in order.

    Raises
    ------
    TypeError
        If it is no frame.
    InputError
        If there is no such column, a time is missing, or no user has two ratings.

    Examples
    --------
    >>> frame = pd.DataFrame({"user": list("aabb"), "item": range(4), "timestamp": [2, 1, 1, 2]})
    >>> leave_last_out(frame)[1]["item"].tolist()
    [0, 3]
    """
    check_count("n", n, minimum=1)
    users = _users(frame, user)
    order = np.arange(len(users)) if time is None else _by_time(frame, time)
    counts = np.bincount(users)
    away = _first(users, order[::-1], np.minimum(n, counts - 1))
    _refuse_empty(away, "n")
    return _frames(frame, away)


def split_ratings(
    ratings: sp.csr_matrix, share: float, seed: int
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Take a share of all ratings away at random, whoever's they are.

    Parameters
    ----------
    ratings : csr_matrix, shape (users, items)
    share : float
        Between 0 and 1; at least one rating goes, and one stays.
    seed : int

    Returns
    -------
    kept, taken : csr_matrix, shape (users, items)

    Raises
    ------
    InputError
        If there are fewer than two ratings.

    Examples
    --------
    >>> kept, taken = split_ratings(sp.csr_matrix(np.ones((4, 5))), 0.1, seed=0)
    >>> kept.nnz, taken.nnz
    (18, 2)
    """
    if ratings.nnz < 2:
        raise InputError(f"expected at least 2 ratings to hold some out, got {ratings.nnz}")
    count = min(max(1, round(share * ratings.nnz)), ratings.nnz - 1)
    away = np.zeros(ratings.nnz, dtype=bool)
    away[numpy_generator(seed).choice(ratings.nnz, count, replace=False)] = True
    return _matrices(ratings, away)


def _users(frame: Any, user: Hashable) -> NDArray[np.int64]:
    """A number for each row's user."""
    columns = _columns(frame)
    if user == "user" and user not in columns:
        user = known_column(columns, "user", "the frame", "user=") or user
    ids = checked_ids(_column(frame, user, columns, "user"), f"column {user!r}")
    return np.asarray(pd.factorize(ids)[0], dtype=np.int64)


def _columns(frame: Any) -> list[Hashable]:
    columns = frame_columns(frame)
    if columns is None:
        raise TypeError(f"expected a frame with a row a rating, got {type(frame).__name__}")
    return columns


def _column(frame: Any, name: Hashable, columns: list[Hashable], role: str) -> pd.Series:
    if columns.count(name) != 1:
        listed = ", ".join(map(repr, columns[:8])) or "none"
        raise InputError(
            f"the frame has {columns.count(name) or 'no'} column {name!r} (columns are {listed}); "
            f"{role}= names it"
        )
    return frame_part(frame, [name])[name]


def _by_time(frame: Any, time: Hashable) -> NDArray[np.int64]:
    """Rows from the earliest to the latest."""
    times = _column(frame, time, _columns(frame), "time")
    missing = times.isna().to_numpy()
    if missing.any():
        raise InputError(f"column {time!r}: row {int(np.argmax(missing)) + 1} has no time")
    try:
        if not pd.api.types.is_numeric_dtype(times.dtype):
            # Other texts sort by something else than time.
            iso = "ISO8601" if pd.api.types.infer_dtype(times) == "string" else None
            times = pd.to_datetime(times, format=iso, utc=True)
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"column {time!r}: expected numbers, dates, or texts as 2024-05-17T08:30 ({reason})"
        ) from None
    return np.argsort(times.to_numpy(), kind="stable")


def _first(
    users: NDArray[np.int64], order: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows are among the first so many of their user, in an order of the rows."""
    grouped = order[np.argsort(users[order], kind="stable")]
    counts = np.bincount(users)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    chosen = np.zeros(len(users), dtype=bool)
    chosen[grouped] = np.arange(len(users)) - starts < wanted[users[grouped]]
    return chosen


def _refuse_empty(away: NDArray[np.bool_], argument: str) -> None:
    if not away.any():
        raise InputError(
            f"no user has ratings enough for a test part ({argument} decides how many are taken)"
        )


def _frames(frame: Any, away: NDArray[np.bool_]) -> tuple[Any, Any]:
    return frame_rows(frame, ~away), frame_rows(frame, away)


def _matrices(
    ratings: sp.csr_matrix, away: NDArray[np.bool_]
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    kept, taken = (
        sp.csr_matrix(
            (ratings.data[part], (rows[part], ratings.indices[part])), shape=ratings.shape
        )
        for part in (~away, away)
    )
    return kept, taken
