"""The rows of a table nearest to some of them, exactly and in blocks.

Memory does not grow with the number of rows, which may come from a file.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from damrep.masking.validation import InputError, check_choice, check_count
from damrep.reading.ids import shown

__all__ = ["BLOCK", "METRICS", "nearest", "nearest_in_blocks", "place_of", "unit_rows"]

METRICS = ("cosine", "euclidean")
BLOCK = 8192
"""Rows of a table looked at together."""
_QUERIES = 256  # in a block: 8 MiB of similarities
_LOOKED_AT = 20_000  # ids among which one like a wrong one is looked for


def nearest(
    queries: Any,
    database: Any,
    k: int,
    own: np.ndarray | None = None,
    metric: str = "cosine",
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of a database nearest to each query.

    Parameters
    ----------
    queries, database
        Tables (Q, d) and (N, d) that can be read by slices: arrays, memory-mapped or not.
    k
        Neighbours to find.
    own
        For each query the row of the database that it is itself, which is then left out; -1 for
        none.
    metric
        One of `METRICS`.

    Returns
    -------
    rows : ndarray of int, shape (Q, k)
        Nearest first; of equals, the earlier row.
    found : ndarray of float32, shape (Q, k)
        Cosines, or distances.

    Raises
    ------
    InputError
        If the shapes do not fit or the database has fewer than k other rows.

    Examples
    --------
    >>> database = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> nearest(database, database, 1, own=np.arange(3))[0].ravel()
    array([1, 0, 1])
    """
    count, length = queries.shape[0], database.shape[0]
    if queries.ndim != 2 or database.ndim != 2 or queries.shape[1] != database.shape[1]:
        raise InputError(
            f"queries and database must be tables of as many columns, got {queries.shape} and "
            f"{database.shape}"
        )
    if own is not None and len(own) != count:
        raise InputError(f"own: got {len(own)} rows for {count} queries")
    check_choice("metric", metric, METRICS)
    check_count("k", k, minimum=1, maximum=max(0, length - (own is not None)))
    rows = np.empty((count, k), dtype=np.int64)
    found = np.empty((count, k), dtype=np.float32)
    for start in range(0, count, _QUERIES):
        part = slice(start, min(start + _QUERIES, count))
        rows[part], found[part] = nearest_in_blocks(
            queries[part], _blocks(database), k, None if own is None else own[part], metric
        )
    return rows, found


def _blocks(database: Any) -> Iterator[Any]:
    for start in range(0, database.shape[0], BLOCK):
        yield database[start : start + BLOCK]


def nearest_in_blocks(
    queries: Any, blocks: Iterable[Any], k: int, own: np.ndarray | None, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """`nearest` of a few queries among the rows of blocks that come one after the other.

    Parameters
    ----------
    queries, k, own, metric
        As for `nearest`.
    blocks
        Tables (n, d).

    Examples
    --------
    >>> halves = np.array([[0.0], [2.0]]), np.array([[5.0]])
    >>> nearest_in_blocks(np.array([[4.0]]), halves, 2, None, "euclidean")
    (array([[2, 1]]), array([[1., 2.]], dtype=float32))
    """
    cosine = metric == "cosine"
    asked = unit_rows(queries) if cosine else np.asarray(queries, dtype=np.float64)
    rows = np.empty((len(asked), 0), dtype=np.int64)
    best = np.empty((len(asked), 0), dtype=asked.dtype)
    start = 0
    for block in blocks:
        similarity = asked @ unit_rows(block).T if cosine else -_distances(asked, block)
        width = similarity.shape[1]
        if own is not None:
            here = np.flatnonzero((own >= start) & (own < start + width))
            similarity[here, own[here] - start] = -np.inf
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + width), similarity.shape)])
        best = np.hstack([best, similarity])
        if best.shape[1] > k > 0:
            # Everything above the k-th largest stays, and of those equal to it the earliest.
            edge = np.partition(best, -k, axis=1)[:, -k, None]
            above, equal = best > edge, best == edge
            room = k - above.sum(axis=1, keepdims=True)
            kept = above | (equal & (np.cumsum(equal, axis=1) <= room))
            rows, best = rows[kept].reshape(-1, k), best[kept].reshape(-1, k)
        start += width
    order = np.argsort(-best, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(rows, order, axis=1), (found if cosine else -found).astype(np.float32)


def _distances(asked: np.ndarray, block: Any) -> np.ndarray:
    block = np.asarray(block, dtype=np.float64)
    # Of the differences themselves: of large and equal rows squares leave rounding alone.
    return np.stack([np.linalg.norm(block - row, axis=1) for row in asked])


def unit_rows(rows: Any) -> np.ndarray:
    """Dense float32 rows of length 1; a row of zeros stays one."""
    wide = np.asarray(rows)
    # Before it is made float32, a length may be beyond what float32 holds.
    length = np.linalg.norm(wide.astype(np.float64, copy=False), axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1.0), dtype=np.float32)


def place_of(asked: Any, ids: np.ndarray, where: str) -> int:
    """The row of an id, as it is or as it is written.

    Parameters
    ----------
    asked
        An id, or what was typed for one.
    ids
        Those there are, shape (n,).
    where
        What they are ids of, for the message.

    Raises
    ------
    InputError
        If there is no such id; with some that look like it.

    Examples
    --------
    >>> place_of("20", np.array([10, 20]), "graph")
    1
    >>> place_of("ann", np.array(["Anna", "Bob"], dtype=object), "graph")
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: graph: there is no 'ann'; did you mean 'Anna'?
    """
    if ids.dtype.kind in "iu":
        try:
            found = np.flatnonzero(ids == int(asked))
        except (ValueError, OverflowError):
            found = np.empty(0, dtype=np.int64)
    else:
        found = np.flatnonzero(ids.astype(str) == str(asked))
    if len(found):
        return int(found[0])
    word = str(asked).casefold()
    # Of many ids those that begin alike.
    some = (name for name in map(str, ids) if len(ids) <= _LOOKED_AT or name[:1].casefold() in word)
    folded = {name.casefold(): name for name in itertools.islice(some, _LOOKED_AT)}
    near = [shown(folded[name]) for name in difflib.get_close_matches(word, folded, n=3)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise InputError(f"{where}: there is no {shown(asked)}{hint}")
