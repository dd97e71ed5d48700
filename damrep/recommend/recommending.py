"""The best items for users and the nearest neighbours in the factors, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from damrep.masking.validation import check_count

__all__ = [
    "best",
    "block_size",
    "hide",
    "named",
    "nearest",
    "pair_scores",
    "renumbered",
    "row_blocks",
    "top_items",
]

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

# Scores held at once.
_BLOCK_BYTES = 32 << 20


def block_size(columns: int) -> int:
    """Rows of so many scores that are held at once.

    Examples
    --------
    >>> block_size(1 << 20), block_size(1 << 30)
    (8, 1)
    """
    return max(1, _BLOCK_BYTES // (4 * max(1, columns)))


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Blocks of rows that cover all of them.

    Examples
    --------
    >>> [(block.start, block.stop) for block in row_blocks(20, 1 << 20)]
    [(0, 8), (8, 16), (16, 20)]
    """
    size = block_size(columns)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def best(scores: Floats, n: int) -> tuple[Places, Floats]:
    """The n greatest of each row, greatest first; of equals the one further to the left.

    Parameters
    ----------
    scores : ndarray, shape (rows, columns)
        -inf for what is not to be found. No NaN.
    n : int

    Returns
    -------
    places : ndarray, shape (rows, n)
        -1 where nothing is left.
    values : ndarray, shape (rows, n)
        -inf where nothing is left.

    Examples
    --------
    >>> best(np.array([[1, 3, 3, -np.inf]], dtype=np.float32), 4)
    (array([[ 1,  2,  0, -1]]), array([[  3.,   3.,   1., -inf]], dtype=float32))
    """
    rows, columns = scores.shape
    m = min(n, columns)
    if m < columns:
        # A fourth of the time that numpy's argpartition takes, and no array of places beside it.
        whole = torch.from_numpy(np.ascontiguousarray(scores))
        found = torch.topk(whole, m, dim=1, sorted=False).indices.numpy()
        _settle_ties(scores, found)
    else:
        found = np.broadcast_to(np.arange(columns), scores.shape)
    found = np.sort(found, axis=1)  # so that a stable sort leaves equals in the order of columns
    values = np.take_along_axis(scores, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    places = np.full((rows, n), -1, dtype=np.int64)
    greatest = np.full((rows, n), -np.inf, dtype=scores.dtype)
    places[:, :m] = np.take_along_axis(found, order, axis=1)
    greatest[:, :m] = np.take_along_axis(values, order, axis=1)
    places[greatest == -np.inf] = -1
    return places, greatest


def _settle_ties(scores: Floats, found: NDArray[np.int64]) -> None:
    """Where the last place is contested by equals, give it to those furthest to the left."""
    m = found.shape[1]
    last = np.take_along_axis(scores, found, axis=1).min(axis=1)
    contested = np.count_nonzero(scores >= last[:, None], axis=1) > m
    for row in np.flatnonzero(contested & (last > -np.inf)):
        above = np.flatnonzero(scores[row] > last[row])
        equal = np.flatnonzero(scores[row] == last[row])
        found[row] = np.concatenate([above, equal[: m - len(above)]])


def top_items(
    user_factors: Floats,
    item_factors: Floats,
    user_bias: Floats,
    item_bias: Floats,
    n: int,
    *,
    seen: sp.csr_matrix | None = None,
    candidates: NDArray[np.intp] | None = None,
    last: NDArray[np.bool_] | None = None,
) -> tuple[Places, Floats]:
    """The n items of greatest score for each user.

    Parameters
    ----------
    user_factors : ndarray, shape (users, m)
    item_factors : ndarray, shape (items, m)
    user_bias : ndarray, shape (users,)
        With the mean.
    item_bias : ndarray, shape (items,)
    n : int
    seen : csr_matrix, shape (users, items), optional
        What is left out.
    candidates : ndarray, optional
        Columns to choose from, each once; of equals the one named first wins. All if not given.
    last : ndarray of bool, shape (items,), optional
        Items of which nothing is known: they get no more than the least score of all others.

    Returns
    -------
    places : ndarray, shape (users, n)
        Columns of the items; -1 where a user has no item left.
    scores : ndarray, shape (users, n)
        Falling; -inf where a user has no item left.

    Examples
    --------
    >>> one, two = np.ones((1, 1), np.float32), np.float32([[1], [3], [2]])
    >>> none = np.zeros(3, np.float32)
    >>> seen = sp.csr_matrix([[0, 1, 0]])
    >>> top_items(one, two, none[:1], none, 2, seen=seen)
    (array([[2, 0]]), array([[2., 1.]], dtype=float32))
    """
    check_count("n", n, minimum=1)
    users = len(user_factors)
    if candidates is not None:
        seen = None if seen is None else renumbered(seen, candidates)
        item_factors, item_bias = item_factors[candidates], item_bias[candidates]
        last = None if last is None else last[candidates]
    if last is not None and (not last.any() or last.all()):
        last = None
    places = np.empty((users, n), dtype=np.int64)
    values = np.empty((users, n), dtype=np.float32)
    for block in row_blocks(users, len(item_factors)):
        scores = user_factors[block] @ item_factors.T
        scores += item_bias
        scores += user_bias[block, None]
        if last is not None:
            least = scores[:, ~last].min(axis=1, keepdims=True)
            scores[:, last] = np.minimum(scores[:, last], least)
        if seen is not None:
            hide(scores, seen, block)
        places[block], values[block] = best(scores, n)
    if candidates is not None:
        there = places >= 0
        places[there] = candidates[places[there]]
    return places, values


def renumbered(seen: sp.csr_matrix, candidates: NDArray[np.intp]) -> sp.csr_matrix:
    """The columns of a matrix that are candidates, in their order.

    Parameters
    ----------
    seen : csr_matrix, shape (users, items)
    candidates : ndarray, shape (k,)
        Columns, each once.

    Returns
    -------
    csr_matrix, shape (users, k)
        Its entries in no order, which is what makes it many times faster than indexing.

    Examples
    --------
    >>> renumbered(sp.csr_matrix([[5, 6, 7]]), np.array([2, 0])).toarray().tolist()
    [[7, 5]]
    """
    place = np.full(seen.shape[1], -1, dtype=seen.indices.dtype)
    place[candidates] = np.arange(len(candidates))
    columns = place[seen.indices]
    kept = columns >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[seen.indptr]
    return sp.csr_matrix(
        (seen.data[kept], columns[kept], ends), shape=(seen.shape[0], len(candidates))
    )


def hide(scores: Floats, seen: sp.csr_matrix, block: slice) -> None:
    """Put -inf where a row of `seen` has an entry.

    Parameters
    ----------
    scores : ndarray, shape (rows of the block, columns)
    seen : csr_matrix, shape (rows, columns)
    block : slice
        Its rows that the scores are of.

    Examples
    --------
    >>> scores = np.zeros((1, 3), np.float32)
    >>> hide(scores, sp.csr_matrix([[1, 0, 0], [0, 1, 1]]), slice(1, 2))
    >>> scores.tolist()
    [[0.0, -inf, -inf]]
    """
    ends = seen.indptr[block.start : block.stop + 1]
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    scores[rows, seen.indices[ends[0] : ends[-1]]] = -np.inf


def pair_scores(
    user_factors: Floats, item_factors: Floats, users: NDArray[np.intp], items: NDArray[np.intp]
) -> Floats:
    """Products of the factors of users and items, pair by pair.

    Parameters
    ----------
    user_factors : ndarray, shape (users, m)
    item_factors : ndarray, shape (items, m)
    users, items : ndarray, shape (pairs,)
        Rows of the two.

    Returns
    -------
    ndarray, shape (pairs,)

    Examples
    --------
    >>> factors = np.float32([[1, 0], [1, 2]])
    >>> pair_scores(factors, factors, np.array([0, 1]), np.array([1, 1])).tolist()
    [1.0, 5.0]
    """
    products = np.empty(len(users), dtype=np.float32)
    for block in row_blocks(len(users), 2 * user_factors.shape[1]):
        np.einsum(
            "ij,ij->i", user_factors[users[block]], item_factors[items[block]], out=products[block]
        )
    return products


def nearest(
    factors: Floats,
    rows: NDArray[np.intp],
    n: int,
    *,
    candidates: NDArray[np.bool_] | None = None,
) -> tuple[Places, Floats]:
    """The n other rows that point the most in the same direction.

    Parameters
    ----------
    factors : ndarray, shape (count, m)
        A row of zeros has no direction: nothing is near it, and it is near nothing.
    rows : ndarray, shape (k,)
    n : int
    candidates : ndarray of bool, shape (count,), optional
        Rows to choose from; all if not given.

    Returns
    -------
    places, cosines : ndarray, shape (k, n)
        -1 and -inf where there are fewer than n others.

    Examples
    --------
    >>> places, cosines = nearest(np.float32([[1, 0], [2, 0.1], [-1, 1]]), np.array([0]), 2)
    >>> places.tolist(), cosines.astype(float).round(2).tolist()
    ([[1, 2]], [[1.0, -0.71]])
    """
    check_count("n", n, minimum=1)
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = np.divide(factors, lengths, out=np.zeros_like(factors), where=lengths > 0)
    pointing = lengths[:, 0] > 0
    among = pointing if candidates is None else pointing & candidates
    places = np.empty((len(rows), n), dtype=np.int64)
    values = np.empty((len(rows), n), dtype=np.float32)
    for block in row_blocks(len(rows), len(factors)):
        asked = rows[block]
        cosines = unit[asked] @ unit.T
        np.clip(cosines, -1, 1, out=cosines)
        cosines[:, ~among] = -np.inf
        cosines[~pointing[asked]] = -np.inf
        cosines[np.arange(len(cosines)), asked] = -np.inf
        places[block], values[block] = best(cosines, n)
    return places, values


def named(
    ids: NDArray[Any], places: Places, values: Floats, one: bool
) -> tuple[NDArray[Any], Floats]:
    """Ids in the place of places, -1 or None where there is none; of one row only what is there.

    Examples
    --------
    >>> ids, places, values = np.array([70, 80]), np.array([[1, -1]]), np.float32([[2, -np.inf]])
    >>> named(ids, places, values, False)[0], named(ids, places, values, True)[0]
    (array([[80, -1]]), array([80]))
    """
    found = ids[places]
    found[places < 0] = None if ids.dtype == object else -1
    if one:
        there = places[0] >= 0
        return found[0, there], values[0, there]
    return found, values
