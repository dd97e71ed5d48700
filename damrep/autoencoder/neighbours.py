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

from damrep.masking.validation import InputError, check_width
from damrep.training.nearest import nearest, unit_rows

__all__ = ["FULL", "METHODS", "nearest", "neighbour_table", "recall_at"]

LEARNED = "learned"
METHODS = (LEARNED, "pca", "random projection", "first columns")
FULL = "full width"

_GATHERED = 32  # queries whose neighbours are read in one go
# Similarities this close are the same one, computed in another order.
_TIE = 1e-6
_DIMS = (8, 16, 32, 64, 128, 256, 512)


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
        similarity = unit_rows(queries[part]) @ unit_rows(database[wanted]).T
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
