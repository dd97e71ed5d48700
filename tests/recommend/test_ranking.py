"""Ranking metrics: by hand, as scikit-learn has them, and the same in one block or many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, mean_squared_error, ndcg_score

from damrep.masking.validation import InputError
from damrep.recommend import recommending
from damrep.recommend.ranking import METRICS, evaluate_ranking, list_metrics, rating_errors


def test_by_hand() -> None:
    """Relevant: items 2, 5, 7. Recommended: 5, 0, 7, 1."""
    relevant = sp.csr_matrix(np.isin(np.arange(8), [2, 5, 7])[None].astype(float))
    found = list_metrics(np.array([[5, 0, 7, 1]]), relevant, (1, 2, 3, 4))
    got = {name: float(value[0]) for name, value in found.items()}
    best = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    expected = {
        "recall_at_1": 1 / 3, "recall_at_2": 1 / 3, "recall_at_3": 2 / 3, "recall_at_4": 2 / 3,
        "precision_at_1": 1, "precision_at_2": 1 / 2, "precision_at_3": 2 / 3,
        "precision_at_4": 2 / 4,
        "map_at_1": 1, "map_at_2": 1 / 2, "map_at_3": (1 + 2 / 3) / 3, "map_at_4": (1 + 2 / 3) / 3,
        "ndcg_at_1": 1, "ndcg_at_2": 1 / (1 + 1 / math.log2(3)),
        "ndcg_at_3": (1 + 1 / 2) / best, "ndcg_at_4": (1 + 1 / 2) / best,
        **{f"{name}_at_{k}": 1 for name in ("mrr", "hit_rate") for k in (1, 2, 3, 4)},
    }  # fmt: skip
    assert got == pytest.approx(expected)


def test_late_and_missing_hits() -> None:
    relevant = sp.csr_matrix([[0, 0, 0, 1], [0, 0, 0, 1]])
    ranked = np.array([[0, 1, 3], [2, -1, -1]])
    found = list_metrics(ranked, relevant, (2, 3))
    assert found["mrr_at_2"].tolist() == [0, 0]
    assert found["mrr_at_3"].tolist() == [pytest.approx(1 / 3), 0]
    assert found["hit_rate_at_3"].tolist() == [1, 0]
    assert found["ndcg_at_3"].tolist() == [pytest.approx(1 / 2), 0]


def test_graded_by_hand() -> None:
    relevant = sp.csr_matrix([[3.0, 0, 1.0, 2.0]])
    found = list_metrics(np.array([[2, 0]]), relevant, (2,), graded=True)
    expected = (1 + 3 / math.log2(3)) / (3 + 2 / math.log2(3))
    assert float(found["ndcg_at_2"][0]) == pytest.approx(expected)
    assert float(found["recall_at_2"][0]) == pytest.approx(2 / 3)


def scored(users: int, items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores without ties, and relevance 0 to 3 with something relevant for every user."""
    rng = np.random.default_rng(seed)
    scores = rng.permutation(users * items).reshape(users, items).astype(np.float32)
    relevance = rng.integers(0, 4, (users, items)) * (rng.random((users, items)) < 0.3)
    relevance[:, 0] = 1
    return scores, relevance.astype(float)


@pytest.mark.parametrize("k", [1, 5, 20, 40])
@pytest.mark.parametrize("graded", [False, True])
def test_ndcg_is_that_of_scikit_learn(k: int, graded: bool) -> None:
    scores, relevance = scored(30, 40, seed=k)
    truth = relevance if graded else (relevance > 0).astype(float)
    ours = evaluate_ranking(
        lambda rows: scores[rows].copy(), sp.csr_matrix(relevance), cutoffs=(k,), graded=graded
    )
    assert ours[f"ndcg_at_{k}"] == pytest.approx(ndcg_score(truth, scores, k=k), abs=1e-12)


def test_map_of_the_whole_ranking_is_average_precision() -> None:
    scores, relevance = scored(20, 15, seed=3)
    ours = evaluate_ranking(lambda rows: scores[rows].copy(), sp.csr_matrix(relevance), None, (15,))
    theirs = [average_precision_score(r > 0, s) for r, s in zip(relevance, scores, strict=True)]
    assert ours["map_at_15"] == pytest.approx(np.mean(theirs), abs=1e-12)


@given(
    hnp.arrays(np.int8, (6, 9), elements=st.integers(0, 1)),
    hnp.arrays(np.int8, (6, 9), elements=st.integers(0, 1)),
    hnp.arrays(np.float32, (6, 9), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])),
    st.integers(1, 12),
)
def test_the_definitions_written_out(
    relevance: np.ndarray, seen: np.ndarray, scores: np.ndarray, k: int
) -> None:
    """A loop over users, ties to the item further left, what was seen never listed."""
    if not relevance.any():
        with pytest.raises(InputError, match="nothing|anything"):
            evaluate_ranking(lambda rows: scores[rows].copy(), sp.csr_matrix(relevance))
        return
    got = evaluate_ranking(
        lambda rows: scores[rows].copy(), sp.csr_matrix(relevance), sp.csr_matrix(seen), (k,)
    )
    rows: list[list[float]] = []
    shown: set[int] = set()
    for user in np.flatnonzero(relevance.any(axis=1)):
        items = sorted(np.flatnonzero(seen[user] == 0), key=lambda i: (-scores[user, i], i))[:k]
        hits = [int(relevance[user, i]) for i in items]
        total = int(relevance[user].sum())
        gain = sum(h / math.log2(place + 2) for place, h in enumerate(hits))
        ideal = sum(1 / math.log2(place + 2) for place in range(min(k, total)))
        precise = sum(h * sum(hits[: at + 1]) / (at + 1) for at, h in enumerate(hits))
        rows.append(
            [
                gain / ideal, sum(hits) / total, sum(hits) / k, precise / min(k, total),
                1 / (hits.index(1) + 1) if any(hits) else 0.0, float(any(hits)),
            ]
        )  # fmt: skip
        shown.update(items)
    expected = dict(zip((f"{m}_at_{k}" for m in METRICS), np.mean(rows, axis=0), strict=True))
    assert got == pytest.approx(
        {**expected, f"coverage_at_{k}": len(shown) / 9, "users": len(rows)}
    )


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, relevance = scored(50, 30, seed=1)
    relevance[7] = 0  # a user in the middle who is not counted
    asked: list[int] = []

    def scores_of(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return scores[rows].copy()

    seen = sp.csr_matrix(relevance == 3)
    whole = evaluate_ranking(scores_of, sp.csr_matrix(relevance), seen)
    assert asked == [49]
    monkeypatch.setattr(recommending, "_BLOCK_BYTES", 4 * 30 * 8)
    small = evaluate_ranking(scores_of, sp.csr_matrix(relevance), seen)
    assert max(asked[1:]) == 8
    assert small == pytest.approx(whole, abs=1e-12)


def test_users_without_relevant_items_have_no_metrics() -> None:
    found = list_metrics(np.array([[0], [1]]), sp.csr_matrix([[1, 0], [0, 0]]), (1,))
    assert all(np.isnan(values[1]) and not np.isnan(values[0]) for values in found.values())
    # A stored zero is not relevant either.
    stored = sp.csr_matrix(([0.0, 1.0], ([0, 0], [0, 1])), shape=(1, 2))
    assert list_metrics(np.array([[0]]), stored, (1,))["hit_rate_at_1"].tolist() == [0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: list_metrics(np.zeros((3, 2), int), r, (1,)), r"\(2 users, length\), got"),
        (lambda r: list_metrics(np.zeros((2, 2), int), r, (3,)), "between 1 and 2, got 3"),
        (lambda r: list_metrics(np.zeros((2, 2), int), -r, (1,), graded=True), "negative, got -1"),
        (lambda r: evaluate_ranking(lambda rows: np.zeros((1, 1)), r), "scores must have shape"),
        (lambda r: evaluate_ranking(lambda rows: np.full((2, 3), np.nan), r), "a score is NaN"),
        (lambda r: evaluate_ranking(lambda rows: rows, r, r[:1]), "shape of relevant"),
        (lambda r: evaluate_ranking(lambda rows: rows, r, None, (0,)), "cutoffs must be >= 1"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call(sp.csr_matrix([[1, 0, 0], [0, 1, 0]]))


def test_rating_errors() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    found = rating_errors(a, b)
    assert found["rmse"] == pytest.approx(math.sqrt(mean_squared_error(a, b)))
    assert found["mae"] == pytest.approx(np.abs(a - b).mean())
    for bad in ((a, b[:3]), ([], []), ([np.nan], [1.0])):
        with pytest.raises(InputError):
            rating_errors(*bad)
