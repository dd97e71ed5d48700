"""How many of the true nearest neighbours a narrower copy of the rows still finds.

Exact and by brute force, in blocks, so that memory does not grow with the number of rows: it is
the measure an approximate index is judged by, and may not be approximate itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.random_projection import GaussianRandomProjection

from damrep.masking.validation import InputError, check_count, check_width

__all__ = ["FULL", "METHODS", "nearest", "neighbour_table", "recall_at"]

LEARNED = "learned"
METHODS = (LEARNED, "pca", "random projection", "first columns")
FULL = "full width"

_QUERIES, _DATABASE = 256, 8192  # rows in a block: 8 MiB of similarities
_GATHERED = 32  # queries whose neighbours are read in one go
# Similarities this close are the same one, computed in another order.
_TIE = 1e-6
_DIMS = (8, 16, 32, 64, 128, 256, 512)


def nearest(
    queries: Any, database: Any, k: int, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of a database most similar to each query, by cosine.

    Parameters
    ----------
    queries, database
        Tables (Q, d) and (N, d) that can be read by slices: arrays, memory-mapped or not.
    k
        Neighbours to find.
    own
        For each query the row of the database that it is itself, which is then left out; -1 for
        none.

    Returns
    -------
    rows : ndarray of int, shape (Q, k)
        Nearest first; of equals, the earlier row.
    similarities : ndarray of float32, shape (Q, k)

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
    check_count("k", k, minimum=1, maximum=max(0, length - (own is not None)))
    rows = np.empty((count, k), dtype=np.int64)
    found = np.empty((count, k), dtype=np.float32)
    for start in range(0, count, _QUERIES):
        part = slice(start, min(start + _QUERIES, count))
        rows[part], found[part] = _nearest_block(
            _unit(queries[part]), database, k, None if own is None else own[part]
        )
    return rows, found


def _nearest_block(
    asked: np.ndarray, database: Any, k: int, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.empty((len(asked), 0), dtype=np.int64)
    best = np.empty((len(asked), 0), dtype=np.float32)
    for start in range(0, database.shape[0], _DATABASE):
        similarity = asked @ _unit(database[start : start + _DATABASE]).T
        width = similarity.shape[1]
        if own is not None:
            here = np.flatnonzero((own >= start) & (own < start + width))
            similarity[here, own[here] - start] = -np.inf
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + width), similarity.shape)])
        best = np.hstack([best, similarity])
        if best.shape[1] > k:
            # Everything above the k-th largest stays, and of those equal to it the earliest.
            edge = np.partition(best, -k, axis=1)[:, -k, None]
            above, equal = best > edge, best == edge
            room = k - above.sum(axis=1, keepdims=True)
            kept = above | (equal & (np.cumsum(equal, axis=1) <= room))
            rows, best = rows[kept].reshape(-1, k), best[kept].reshape(-1, k)
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(best, order, axis=1)


def recall_at(
    k: int,
    database: Any,
    reduced: Any,
    queries: Any | None = None,
    reduced_queries: Any | None = None,
    own: np.ndarray | None = None,
) -> float:
    """Share of the k nearest rows by the reduced rows that are among the k nearest in full.

    A row counts as among them if it is as similar as the k-th: where rows are equal, any of them
    will do.

    Parameters
    ----------
    k
        Neighbours to find.
    database, reduced
        The same rows, in full (N, d) and reduced (N, m).
    queries, reduced_queries
        The rows to ask for, in full and reduced; every row of the database for its nearest others
        if None.
    own
        As for `nearest`, where the queries are rows of the database.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    InputError
        If the shapes do not fit, there are no queries, or the database has fewer than k other rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(50, 6))
    >>> recall_at(5, rows, 2 * rows), recall_at(5, rows, rows[:, :1]) < 0.5
    (1.0, True)
    """
    if (queries is None) != (reduced_queries is None):
        raise InputError("give the queries both in full and reduced, or neither")
    if queries is None:
        queries, reduced_queries, own = database, reduced, np.arange(database.shape[0])
    truth = nearest(queries, database, k, own)[1][:, -1]
    return _share(truth, k, database, reduced, queries, reduced_queries, own)


def _share(
    truth: np.ndarray,
    k: int,
    database: Any,
    reduced: Any,
    queries: Any,
    reduced_queries: Any,
    own: np.ndarray | None,
) -> float:
    """`recall_at` where the similarity of the k-th nearest is known."""
    for name, a, b in (("reduced", database, reduced), ("queries", queries, reduced_queries)):
        if a.shape[0] != b.shape[0]:
            raise InputError(f"{name}: got {b.shape[0]} reduced rows for {a.shape[0]} rows")
    count = queries.shape[0]
    if count == 0:
        raise InputError("queries: there are none")
    rows = nearest(reduced_queries, reduced, k, own)[0]
    hits = 0
    for start in range(0, count, _GATHERED):
        part = slice(start, start + _GATHERED)
        # Sorted and each once: a memory-mapped table is read much faster so.
        wanted, place = np.unique(rows[part], return_inverse=True)
        similarity = _unit(queries[part]) @ _unit(database[wanted]).T
        told = np.take_along_axis(similarity, place.reshape(-1, k), axis=1)
        hits += int((told >= truth[part, None] - _TIE).sum())
    return hits / (count * k)


def neighbour_table(
    database: np.ndarray,
    encode: Callable[[np.ndarray], np.ndarray],
    queries: np.ndarray,
    fitted: np.ndarray,
    dims: Sequence[int] | None = None,
    *,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Recall of the ten nearest against dims, beside what else makes vectors narrower.

    Parameters
    ----------
    database
        Rows to find neighbours among (N, d), in full, at least ten.
    encode
        The learned reduction, of rows in full to codes (., n); its first columns are what is
        measured at a width below n.
    queries
        Rows to find neighbours of (Q, d), in full; none of them in the database.
    fitted
        Rows that the peers are fitted to, the same as the learned reduction was.
    dims
        Widths; 8, 16, 32, ... and n if None. One greater than a method can give is left out there.
    seed
        Of the random projection.

    Returns
    -------
    list of dict
        Rows "name" (of `METHODS`: the learned components' prefix, scikit-learn's PCA, a Gaussian
        random projection, the first columns as they are; then `FULL`), "dims", "recall_at_10", and
        "bytes_per_million": of a million such vectors in float32.

    Raises
    ------
    InputError
        If the shapes do not fit or there are fewer than ten rows in the database.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(220, 4)) @ rng.normal(size=(4, 16))
    >>> axes = np.linalg.svd(table[:100])[2][:4]
    >>> rows = neighbour_table(table[20:], lambda x: x @ axes.T, table[:20], table[20:], [4])
    >>> [(row["name"], row["dims"]) for row in rows][:2]
    [('learned', 4), ('pca', 4)]
    >>> rows[0]["recall_at_10"], rows[0]["bytes_per_million"]
    (1.0, 16000000)
    """
    k = 10
    columns = database.shape[1]
    codes, asked = encode(database), encode(queries)
    width = codes.shape[1]
    if dims is None:
        dims = sorted({m for m in _DIMS if m < width} | {width})
    dims = [check_width(m, columns, "dims") for m in dims]
    most = max(dims)
    peers: dict[str, tuple[np.ndarray, np.ndarray]] = {LEARNED: (codes, asked)}
    pca = PCA(min(most, *fitted.shape), random_state=seed).fit(fitted)
    peers["pca"] = pca.transform(database), pca.transform(queries)
    # One matrix for every width: the columns of a Gaussian projection are alike and independent.
    thrown = GaussianRandomProjection(most, random_state=seed).fit(fitted[:1])
    peers["random projection"] = thrown.transform(database), thrown.transform(queries)
    peers["first columns"] = database, queries
    truth = nearest(queries, database, k)[1][:, -1]
    table = []
    for name, (known, wanted) in peers.items():
        for m in dims:
            if m <= known.shape[1]:
                recall = _share(truth, k, database, known[:, :m], queries, wanted[:, :m], None)
                table.append(_row(name, m, recall))
    return [*table, _row(FULL, columns, 1.0)]


def _row(name: str, dims: int, recall: float) -> dict[str, Any]:
    return {
        "name": name,
        "dims": dims,
        "recall_at_10": recall,
        "bytes_per_million": 1_000_000 * 4 * dims,
    }


def _unit(rows: Any) -> np.ndarray:
    """Dense float32 rows of length 1; a row of zeros stays one."""
    wide = np.asarray(rows)
    # Before it is made float32, a length may be beyond what float32 holds.
    length = np.linalg.norm(wide.astype(np.float64, copy=False), axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1.0), dtype=np.float32)
