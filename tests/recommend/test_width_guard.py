"""How long a wide model is swept, and whether a narrow one ranks as well."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep import DAMImplicitMF
from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.interaction_model import InteractionModel, Penalties
from damrep.recommend.settings import FactorSettings
from damrep.recommend.width_guard import SquaresTraining, WidthGuard
from damrep.training.history import History
from tests.recommend.samples import grouped

PENALTIES = Penalties(0.1, 1e-3, 0.5)
GROUPS = 3


def _training(**asked: object) -> tuple[SquaresTraining, HeldInteractions]:
    fitted, held = hold_out(grouped(120, 60, GROUPS), 0.2, seed=0)
    settings = FactorSettings(price=1e-3, loss="ials", **asked)  # type: ignore[arg-type]
    return SquaresTraining(fitted, settings, 0, History()), HeldInteractions(fitted, held, 0)


def test_a_model_is_that_of_its_sweeps() -> None:
    training, scores = _training()
    model, sweeps, best = training.until_best(scores, 12, PENALTIES)
    again = training.train(12, PENALTIES, sweeps)
    # Near, not equal: at every look users are regressed a few steps more.
    assert torch.allclose(model.users @ model.items.T, again.users @ again.items.T, atol=0.02)
    assert float(scores.ndcg(again.users, again.items).mean()) == pytest.approx(
        best.mean(), abs=0.01
    )
    assert sweeps in (2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("means", "noise", "sweeps"),
    [
        ([0.3, 0.4, 0.5, 0.6, 0.7], 0.0, 32),
        ([0.3, 0.3, 0.4, 0.4, 0.6], 0.0, 8),  # what does no good ends it
        ([0.4, 0.3, 0.4, 0.4, 0.6], 0.0, 2),  # what does harm, too
        ([0.3, 0.4, 0.3, 0.4, 0.6], 0.0, 4),
        ([0.3, 0.3, 0.29, 0.31, 0.3], 0.2, 16),  # but not what may be chance
        ([0.3, 0.3, 0.2, 0.4, 0.6], 0.2, 4),
    ],
)
def test_sweeps_go_on_until_they_do_no_good(means: list[float], noise: float, sweeps: int) -> None:
    training, scores = _training()
    chance = np.random.default_rng(0).normal(size=(len(means), 100))
    chance -= chance.mean(axis=1, keepdims=True)
    looks = iter(np.array(means)[:, None] + noise * chance)
    scores.ndcg = lambda *_: next(looks)  # type: ignore[method-assign]
    found = training.until_best(scores, 6, PENALTIES)
    assert found[1] == sweeps
    assert found[2].mean() == pytest.approx(means[sweeps.bit_length() - 2])


@pytest.mark.parametrize("most", [1, 5, 8])
def test_never_more_sweeps_than_asked_for(most: int) -> None:
    training, scores = _training(max_sweeps=most)
    rising = iter(np.linspace(0.1, 0.9, 20))
    scores.ndcg = lambda *_: np.full(3, next(rising))  # type: ignore[method-assign]
    assert training.until_best(scores, 6, PENALTIES)[1] == most
    assert len(training.history) == most


@pytest.mark.parametrize(
    ("means", "noise", "width"),
    [
        ([0.4, 0.3, 0.6], 0.0, 12),  # the widest ranks best, whatever comes after
        ([0.4, 0.5, 0.6, 0.5], 0.0, 3),
        ([0.4, 0.5, 0.6, 0.7, 0.8], 0.0, 1),
        ([0.4, 0.4, 0.6], 0.0, 12),  # no better is no reason
        ([0.4, 0.41, 0.6], 0.2, 12),  # nor is what may be chance
    ],
)
def test_too_many_columns_are_not_what_is_compared_with(
    means: list[float], noise: float, width: int
) -> None:
    training, scores = _training()
    chance = np.random.default_rng(0).normal(size=(len(means), 100))
    chance -= chance.mean(axis=1, keepdims=True)
    ranked = {12 // 2**k: mean + noise * chance[k] for k, mean in enumerate(means)}
    scores.ndcg = lambda users, _: ranked[users.shape[1]]  # type: ignore[method-assign]
    assert training.widest(scores, 12, PENALTIES)[0].width == width


@pytest.mark.parametrize(
    ("means", "width", "looked_at"),
    [
        ({3: 0.4, 6: 0.5, 12: 0.6, 20: 0.7}, 20, [3, 6, 12, 20]),
        ({3: 0.4, 6: 0.5, 12: 0.5, 20: 0.5}, 20, [3, 6, 12, 20]),  # no better does no harm
        ({3: 0.4, 6: 0.5, 12: 0.4, 20: 0.7}, 6, [3, 6, 12]),
        ({3: 0.4, 6: 0.3, 1: 0.3}, 3, [3, 6, 1]),
        ({3: 0.4, 6: 0.3, 1: 0.5}, 1, [3, 6, 1]),
    ],
)
def test_wide_models_are_trained_until_they_rank_worse(
    means: dict[int, float], width: int, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("damrep.recommend.width_guard._USUAL", 3)
    training, scores = _training(max_sweeps=2)
    seen: list[int] = []

    def ndcg(users: torch.Tensor, _: torch.Tensor) -> np.ndarray:
        seen.append(users.shape[1])
        return np.full(10, means[users.shape[1]])

    scores.ndcg = ndcg  # type: ignore[method-assign, assignment]
    assert training.widest(scores, 20, PENALTIES)[0].width == width
    assert seen == looked_at


@pytest.mark.parametrize("sweeps", [1, 2, 3, 8])
def test_narrow_models_have_no_more_sweeps_than_the_wide_one(sweeps: int) -> None:
    training, _ = _training()
    full = training.train(12, PENALTIES, sweeps)
    fresh = training.train(GROUPS, PENALTIES, sweeps)
    before = len(training.history)
    narrow = training.narrowed(lambda: full, GROUPS, PENALTIES, sweeps)
    assert narrow.width == GROUPS
    assert full.width == 12
    assert len(training.history) - before == min(sweeps, 3)
    assert torch.equal(narrow.users, fresh.users) == (sweeps < 3)


def test_users_are_those_of_the_last_items() -> None:
    training, _ = _training()

    def behind(model: InteractionModel) -> float:
        before = model.users @ model.items.T
        model.update_users(50)
        return float((before - model.users @ model.items.T).norm())

    swept = InteractionModel(*training.layout, 6, PENALTIES, seed=0)
    for _ in range(3):
        swept.sweep()
    assert behind(training.train(6, PENALTIES, 3)) < 0.3 * behind(swept)


def test_the_guard_asks_for_no_more_than_the_groups() -> None:
    weights = grouped(120, 60, GROUPS)
    training, scores = _training()
    guard = WidthGuard(weights, training, scores, training.until_best(scores, 12, PENALTIES))
    assert guard.from_width(GROUPS) == GROUPS
    assert list(guard.contributions) == [GROUPS]


@pytest.mark.parametrize("seed", range(6))
def test_empty_columns_of_a_shrinking_model_are_not_gone_back_to(seed: int) -> None:
    """Under a heavy penalty three columns carry all there is, and every sweep shrinks them."""
    rng = np.random.default_rng(3)
    users, items = rng.integers(0, 3, 90), rng.integers(0, 3, 70)
    had = rng.random((90, 70)) < np.where(users[:, None] == items, 0.4, 0.05)
    model = DAMImplicitMF(random_state=seed).fit(sp.csr_matrix(had.astype(float)))
    assert model.n_components_ == 3 and not model.report_.warnings
