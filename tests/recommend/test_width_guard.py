"""How long a wide model is swept, and whether a narrow one ranks as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.interaction_model import InteractionModel
from damrep.recommend.settings import FactorSettings
from damrep.recommend.width_guard import (
    BETTER,
    SquaresTraining,
    WidthGuard,
    next_wider,
    ranks_as_well,
    undecided,
)
from damrep.training.history import History
from tests.recommend.samples import grouped

WEIGHTS = (0.1, 1e-3)
GROUPS = 3


def _training(**asked: object) -> tuple[SquaresTraining, HeldInteractions]:
    fitted, held = hold_out(grouped(120, 60, GROUPS), 0.2, seed=0)
    settings = FactorSettings(price=1e-3, loss="ials", **asked)  # type: ignore[arg-type]
    return SquaresTraining(fitted, settings, 0, History()), HeldInteractions(fitted, held, 0)


def test_sweeps_go_on_while_the_held_out_ranking_gains() -> None:
    training, scores = _training()
    model, sweeps, best = training.until_best(scores, 12, *WEIGHTS)
    again = training.train(12, *WEIGHTS, sweeps)
    assert torch.allclose(model.users @ model.items.T, again.users @ again.items.T, atol=1e-5)

    def ndcg(count: int) -> float:
        found = training.train(12, *WEIGHTS, count)
        return float(scores.ndcg(found.users, found.items).mean())

    assert sweeps in (1, 2, 4, 8, 16, 32)
    assert ndcg(sweeps) == pytest.approx(best)
    assert sweeps == 32 or ndcg(2 * sweeps) <= BETTER * best
    assert all(
        ndcg(2 * count) > BETTER * ndcg(count) for count in (1, 2, 4, 8, 16) if count < sweeps
    )


def test_sweeps_go_on_for_as_long_as_each_look_is_better() -> None:
    training, scores = _training()
    rising = iter(np.linspace(0.1, 0.9, 20))
    scores.ndcg = lambda *_: np.full(3, next(rising))  # type: ignore[method-assign]
    assert training.until_best(scores, 6, *WEIGHTS)[1:] == (32, pytest.approx(0.1 + 5 * 0.8 / 19))
    assert training.until_best(scores, 6, *WEIGHTS, most=4)[1] == 4


@pytest.mark.parametrize("most", [1, 5, 8])
def test_never_more_sweeps_than_asked_for(most: int) -> None:
    training, scores = _training(max_sweeps=most)
    rising = iter(np.linspace(0.1, 0.9, 20))
    scores.ndcg = lambda *_: np.full(3, next(rising))  # type: ignore[method-assign]
    assert training.until_best(scores, 6, *WEIGHTS)[1] == most
    assert len(training.history) == most


def test_users_are_those_of_the_last_items() -> None:
    training, _ = _training()

    def behind(model: InteractionModel) -> float:
        before = model.users @ model.items.T
        model.update_users(50)
        return float((before - model.users @ model.items.T).norm())

    swept = InteractionModel(*training.layout, 6, *WEIGHTS, seed=0)
    for _ in range(3):
        swept.sweep()
    assert behind(training.train(6, *WEIGHTS, 3)) < 0.3 * behind(swept)


def test_the_guard_asks_for_no_more_than_the_groups() -> None:
    weights = grouped(120, 60, GROUPS)
    training, scores = _training()
    model, sweeps, _ = training.until_best(scores, 12, *WEIGHTS)
    guard = WidthGuard(weights, training, scores, model, sweeps)
    assert guard.from_width(GROUPS) == GROUPS
    assert list(guard.contributions) == [GROUPS]


def test_worse_by_more_than_noise_is_worse() -> None:
    full = np.tile([0.2, 0.8], 200)
    assert ranks_as_well(full, full) and not undecided(full, full)
    assert not ranks_as_well(full, 0.95 * full)
    noisy = full - 0.02 + np.tile([0.3, -0.3, -0.3, 0.3], 100)  # 4 % lost, within 3 errors
    assert ranks_as_well(full, noisy) and undecided(full, noisy)
    assert not ranks_as_well(full, noisy, errors=0.5)


def test_widths_grow_by_a_quarter_and_end_at_the_most() -> None:
    widths = [1]
    while widths[-1] < 128:
        widths.append(next_wider(widths[-1], 128))
    assert all(b > a for a, b in zip(widths, widths[1:], strict=False))
    assert widths[-1] == 128
