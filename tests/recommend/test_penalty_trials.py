"""Penalties of implicit feedback, chosen by how they rank what is held out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.interaction_model import Penalties
from damrep.recommend.penalty_trials import chosen_penalties
from damrep.recommend.settings import FactorSettings
from damrep.recommend.width_guard import SquaresTraining
from damrep.training.history import History
from tests.recommend.samples import grouped

GIVEN = {"reg": 2e-3, "unobserved_weight": 0.2, "unobserved_exponent": 0.75}


def _chosen(
    weights: sp.csr_matrix, **given: float
) -> tuple[Penalties, list[dict[str, float]], SquaresTraining, HeldInteractions]:
    fitted, held = hold_out(weights, 0.2, seed=0)
    settings = FactorSettings(price=1e-3, loss="ials", **given)  # type: ignore[arg-type]
    part = SquaresTraining(fitted, settings, 0, History())
    scores = HeldInteractions(fitted, held, 0)
    return *chosen_penalties(part, scores, 6), part, scores


def _noisy() -> sp.csr_matrix:
    """Three groups that mostly keep to their own items, some far more popular than others."""
    rng = np.random.default_rng(0)
    own = np.arange(150)[:, None] % 3 == np.arange(80) % 3
    liked = rng.random(80) ** 3
    return sp.csr_matrix((rng.random((150, 80)) < liked * np.where(own, 0.7, 0.1)).astype(float))


def test_the_chosen_are_those_of_the_best_trial():
    found, trials, part, scores = _chosen(_noisy())
    assert 1 < len(trials) <= 9
    best = max(trials, key=lambda trial: trial["ndcg"])
    (own,) = (
        trial
        for trial in trials
        if trial["unobserved_weight"] == found.unobserved
        and trial["reg"] == found.reg
        and trial["unobserved_exponent"] == found.exponent
    )
    # A step is only taken where it is better by three thousandths.
    assert own["ndcg"] >= best["ndcg"] / 1.003
    model = part.train(6, found, 4)
    assert float(scores.ndcg(model.users, model.items).mean()) == pytest.approx(own["ndcg"])


@pytest.mark.parametrize("left", [*GIVEN, None])
def test_what_is_given_is_kept_and_the_rest_is_tried(left: str | None):
    given = {name: value for name, value in GIVEN.items() if name != left}
    found, trials, _, _ = _chosen(grouped(120, 60, 3), **given)
    values = {
        "reg": found.reg,
        "unobserved_weight": found.unobserved,
        "unobserved_exponent": found.exponent,
    }
    assert {name: values[name] for name in given} == given
    assert bool(trials) == (left is not None)
    if left is not None:
        assert len({trial[left] for trial in trials}) == len(trials)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_exponents_at_either_end_can_be_asked_for(exponent: float):
    found, trials, _, _ = _chosen(_noisy(), unobserved_exponent=exponent)
    assert found.exponent == exponent
    assert all(0 < trial["unobserved_weight"] <= 1 for trial in trials)
