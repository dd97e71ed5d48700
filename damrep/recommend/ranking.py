"""How good a ranking of all items is, and how far predicted ratings are off.

Every item a user has not seen is ranked: what is measured on a sample of items is another number
(Krichene and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.masking.validation import InputError, check_count
from damrep.recommend.recommending import best, hide, row_blocks

__all__ = ["METRICS", "evaluate_ranking", "list_metrics", "rating_errors"]

METRICS = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")

Floats = NDArray[np.float64]


def list_metrics(
    ranked: NDArray[np.integer[Any]],
    relevant: sp.csr_matrix,
    cutoffs: Sequence[int] = (10, 20),
    *,
    graded: bool = False,
) -> dict[str, Floats]:
    """Metrics of lists of items, one number a user.

    Of the first k of a list, with r relevant items in all:

    - recall: relevant ones among them / r; precision: the same / k; hit rate: whether there is one;
    - map: sum of the precision at each relevant one / min(k, r);
    - mrr: 1 / the place of the first relevant one, 0 without one;
    - ndcg: sum of gain / log2(1 + place), divided by what the best order would have.

    Parameters
    ----------
    ranked : ndarray, shape (users, length)
        Columns of `relevant`, the best first; -1 where a list is at its end.
    relevant : csr_matrix, shape (users, items)
        What is stored (and not 0) is relevant.
    cutoffs : sequence of int
        The k's, each at most `length`.
    graded : bool
        The values of `relevant` are the gains of ndcg, all of them positive; otherwise each is 1.

    Returns
    -------
    dict of ndarray, shape (users,)
        "ndcg_at_10", "recall_at_10", ...; NaN for users without relevant items.

    Raises
    ------
    InputError
        If the shapes do not agree, a cutoff is longer than the lists, or a gain is negative.

    Examples
    --------
    >>> relevant = sp.csr_matrix([[1, 0, 0, 1]])
    >>> found = list_metrics(np.array([[3, 1, 2]]), relevant, (3,))
    >>> {name: round(float(value[0]), 3) for name, value in found.items()}
    {'ndcg_at_3': 0.613, 'recall_at_3': 0.5, 'precision_at_3': 0.333, 'map_at_3': 0.5, 'mrr_at_3': \
1.0, 'hit_rate_at_3': 1.0}
    """
    ranked = np.asarray(ranked)
    if ranked.ndim != 2 or len(ranked) != relevant.shape[0]:
        raise InputError(
            f"ranked must have shape ({relevant.shape[0]} users, length), got {ranked.shape}"
        )
    for k in cutoffs:
        check_count("cutoffs", k, minimum=1, maximum=ranked.shape[1])
    relevant = _sound(relevant, graded)
    gains = _gains(ranked, relevant, graded)
    hits = (gains > 0).astype(np.float64)
    counts = np.diff(relevant.indptr)
    place = np.arange(1, ranked.shape[1] + 1)
    found, discounted = hits.cumsum(axis=1), (gains / np.log2(place + 1)).cumsum(axis=1)
    precise = (hits * found / place).cumsum(axis=1)
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, np.inf)
    none = counts == 0
    rated = np.where(none, 1, counts)
    measured: dict[str, Floats] = {}
    ideal = _ideal(relevant, graded, max(cutoffs, default=1))
    for k in cutoffs:
        at = k - 1
        values = {
            "ndcg": discounted[:, at] / np.where(none, 1, ideal[:, min(at, ideal.shape[1] - 1)]),
            "recall": found[:, at] / rated,
            "precision": found[:, at] / k,
            "map": precise[:, at] / np.minimum(rated, k),
            "mrr": np.where(first <= k, 1 / first, 0.0),
            "hit_rate": (found[:, at] > 0).astype(np.float64),
        }
        for name in METRICS:
            measured[f"{name}_at_{k}"] = np.where(none, np.nan, values[name])
    return measured


def _sound(relevant: sp.csr_matrix, graded: bool) -> sp.csr_matrix:
    relevant = sp.csr_matrix(relevant)
    if (relevant.data == 0).any():
        relevant = relevant.copy()
        relevant.eliminate_zeros()
    if not relevant.has_sorted_indices:
        relevant = relevant.sorted_indices()
    if graded and (relevant.data < 0).any():
        raise InputError(f"gains must not be negative, got {relevant.data.min():g}")
    return relevant


def _gains(ranked: NDArray[Any], relevant: sp.csr_matrix, graded: bool) -> Floats:
    """What each entry of the lists is worth."""
    users, items = relevant.shape
    if relevant.nnz == 0:
        return np.zeros(ranked.shape)
    rows = np.repeat(np.arange(users, dtype=np.int64), np.diff(relevant.indptr))
    known = rows * items + relevant.indices  # rising, as the entries are sorted
    asked = np.arange(users, dtype=np.int64)[:, None] * items + ranked
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    there = (known[at] == asked) & (ranked >= 0)
    worth = relevant.data[at].astype(np.float64) if graded else 1.0
    return np.where(there, worth, 0.0)


def _ideal(relevant: sp.csr_matrix, graded: bool, length: int) -> Floats:
    """Discounted gain of the best order, at every cutoff up to `length`."""
    counts = np.diff(relevant.indptr)
    longest = max(1, min(length, int(counts.max(initial=0))))
    rows = np.repeat(np.arange(len(counts)), counts)
    values = relevant.data.astype(np.float64) if graded else np.ones(relevant.nnz)
    order = np.lexsort((-values, rows))
    place = np.arange(relevant.nnz) - np.repeat(relevant.indptr[:-1], counts)
    kept = place < longest
    gains = np.zeros((len(counts), longest))
    gains[rows[kept], place[kept]] = values[order][kept]
    return (gains / np.log2(np.arange(longest) + 2)).cumsum(axis=1)


def evaluate_ranking(
    scores_of: Callable[[NDArray[np.intp]], NDArray[Any]],
    relevant: sp.csr_matrix,
    seen: sp.csr_matrix | None = None,
    cutoffs: Sequence[int] = (10, 20),
    *,
    graded: bool = False,
) -> dict[str, float]:
    """Metrics of the full ranking, users without relevant items left out.

    Scores of a few users at a time are held, 32 MiB of them; of lists nothing but sums is kept.

    Parameters
    ----------
    scores_of : callable
        Given the rows of some users, returns their scores of all items (users, items); that array
        is written to.
    relevant : csr_matrix, shape (users, items)
        The test part.
    seen : csr_matrix, shape (users, items), optional
        Entries that are not ranked: what the model was fitted to.
    cutoffs : sequence of int
    graded : bool
        See `list_metrics`.

    Returns
    -------
    dict of float
        Means of `list_metrics` over the users; "coverage_at_10", ...: the share of the items that
        is in any user's first 10; "users": how many were counted.

    Raises
    ------
    InputError
        If nothing is relevant, the shapes do not agree, or a score is NaN.

    Examples
    --------
    >>> scores = np.float32([[3, 2, 1], [1, 2, 3]])
    >>> relevant = sp.csr_matrix([[0, 1, 0], [0, 1, 0]])
    >>> seen = sp.csr_matrix([[1, 0, 0], [0, 0, 0]])
    >>> found = evaluate_ranking(lambda rows: scores[rows], relevant, seen, (1,))
    >>> found["recall_at_1"], round(found["coverage_at_1"], 2), found["users"]
    (0.5, 0.67, 2)
    """
    relevant = _sound(relevant, graded)
    users, items = relevant.shape
    if seen is not None and seen.shape != relevant.shape:
        raise InputError(f"seen must have the shape of relevant {relevant.shape}, got {seen.shape}")
    asked = np.flatnonzero(np.diff(relevant.indptr))
    if len(asked) == 0:
        raise InputError("no user has anything relevant")
    longest = max(check_count("cutoffs", k, minimum=1) for k in cutoffs)
    sums: dict[str, float] = {}
    covered = {k: np.zeros(items, dtype=bool) for k in cutoffs}
    for block in row_blocks(len(asked), items):
        rows = asked[block]
        scores = np.asarray(scores_of(rows))
        if scores.shape != (len(rows), items):
            raise InputError(
                f"scores must have shape ({len(rows)} users, {items} items), got {scores.shape}"
            )
        if np.isnan(scores.sum()) and np.isnan(scores).any():
            raise InputError("a score is NaN")
        if seen is not None:
            hide(scores, sp.csr_matrix(seen[rows]), slice(0, len(rows)))
        ranked, _ = best(scores, longest)
        for name, values in list_metrics(ranked, relevant[rows], cutoffs, graded=graded).items():
            sums[name] = sums.get(name, 0.0) + float(values.sum())
        for k in cutoffs:
            shown = ranked[:, :k]
            covered[k][shown[shown >= 0]] = True
    means = {name: total / len(asked) for name, total in sums.items()}
    shares = {f"coverage_at_{k}": float(mask.mean()) for k, mask in covered.items()}
    return {**means, **shares, "users": len(asked)}


def rating_errors(predicted: Any, actual: Any) -> dict[str, float]:
    """Root mean squared error and mean absolute error of ratings.

    Parameters
    ----------
    predicted, actual : array, shape (n,)

    Returns
    -------
    dict of float
        "rmse", "mae".

    Raises
    ------
    InputError
        If they are not of one length, empty, or hold what is no finite number.

    Examples
    --------
    >>> rating_errors([1.0, 2.0, 4.0, 5.0], [1.0, 4.0, 4.0, 3.0])
    {'rmse': 1.4142135623730951, 'mae': 1.0}
    """
    first, second = np.asarray(predicted, dtype=float), np.asarray(actual, dtype=float)
    if first.ndim != 1 or first.shape != second.shape or len(first) == 0:
        raise InputError(
            f"predicted and actual must have one shape (n,), got {first.shape} and {second.shape}"
        )
    off = first - second
    if not np.isfinite(off).all():
        raise InputError("predicted and actual must be finite numbers")
    return {"rmse": float(np.sqrt(np.mean(off**2))), "mae": float(np.abs(off).mean())}
