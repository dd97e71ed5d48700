"""Factors trained by gradient behind a mask: who decides, what is drawn, and the paper's way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep import DAMExplicitMF, DAMImplicitMF
from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.gradient import GradientWidth
from damrep.masking.validation import InputError
from damrep.recommend.explicit_fit import fit_explicit
from damrep.recommend.factors import FactorFit
from damrep.recommend.gradient_fit import _turn
from damrep.recommend.gradient_tasks import FactorModule, RatingTask, SampledTask
from damrep.recommend.implicit_fit import fit_implicit
from damrep.recommend.settings import FactorSettings
from damrep.recommend.standardising import standardised

LOSSES = ("squared", "bpr", "softmax")


def ratings(rank: int, signal: float = 1.0) -> sp.csr_matrix:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(200, rank)) @ rng.normal(size=(rank, 150)) / np.sqrt(rank)
    dense = 3 + signal * dense + 0.1 * rng.normal(size=dense.shape)
    return sp.csr_matrix(np.where(rng.random(dense.shape) < 0.4, dense, 0))


def communities(count: int) -> sp.csr_matrix:
    rng = np.random.default_rng(0)
    same = rng.integers(count, size=(160, 1)) == rng.integers(count, size=120)
    return sp.csr_matrix((rng.random(same.shape) < np.where(same, 0.5, 0.01)).astype(np.float32))


def fit(loss: str, seed: int = 0, **changes: Any) -> FactorFit:
    squared = loss == "squared"
    usual = {"price": 1e-3 if squared else 1e-2, "max_components": 12, "device": "cpu"}
    usual |= {} if squared else {"max_sweeps": 10}
    settings = FactorSettings(**{**usual, "solver": "adam", "loss": loss, **changes})
    matrix = ratings(3) if squared else communities(4)
    return (fit_explicit if squared else fit_implicit)(matrix, settings, seed)


def module_of(width: int = 4) -> FactorModule:
    mask = DAM(width, alpha=step_alpha(width))
    return FactorModule((200, 150), width, mask, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mask_decides(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left where it starts it cuts nothing; and every step goes through it."""
    calls = []
    forward = DAM.forward
    monkeypatch.setattr(DAM, "forward", lambda self, x: calls.append(1) or forward(self, x))
    found = fit(loss)
    assert found.n_components == found.open_gates == sum(gate > 0 for gate in found.gates)
    assert 1 <= found.n_components < 12 == len(found.gates)
    assert len(calls) > 300
    losses = [loss for _, loss in found.curve]
    assert losses[0] == 1 and found.loss == losses[found.n_components] < 0.9
    monkeypatch.setattr(DAM, "set_width", lambda self, m: None)
    assert fit(loss, max_sweeps=3).n_components == 12


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_it_finds_the_rank(rank: int) -> None:
    settings = FactorSettings(price=1e-3, max_components=16, solver="adam")
    found = fit_explicit(ratings(rank), settings, seed=0)
    assert found.n_components == rank and found.loss < 0.5


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_ranking_losses_separate_communities(loss: str) -> None:
    found, dense = fit(loss), communities(4).toarray() > 0
    assert 2 <= found.n_components <= 6
    scores = found.user_factors @ found.item_factors.T + found.item_bias
    assert scores[dense].mean() > scores[~dense].mean() + 1


def test_noise_alone_needs_no_column() -> None:
    settings = FactorSettings(price=1e-3, max_components=8, solver="adam")
    found = fit_explicit(ratings(1, signal=0.0), settings, seed=0)
    assert found.n_components == 0 and not any(found.gates)
    assert "price" in found.warnings[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_same_seed_same_model(loss: str) -> None:
    first, second, other = (fit(loss, seed, n_components=3, max_sweeps=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.item_factors, second.item_factors)
    assert not np.array_equal(first.item_factors, other.item_factors)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_search_draws_all_widths_alike_and_no_gates(loss: str) -> None:
    found = fit(loss, strategy="search")
    assert found.gates == [] and 1 <= found.n_components < 12
    assert set(found.history["widest_drawn"][:5]) == {12}


@pytest.mark.parametrize("loss", LOSSES)
def test_exactly_so_many_are_given(loss: str) -> None:
    found = fit(loss, n_components=5, max_sweeps=5)
    assert found.n_components == 5 and found.gates == [] and not found.warnings


def test_a_closed_column_is_neither_trained_nor_charged() -> None:
    module, matrix = module_of(), standardised(ratings(3))[0]
    assert module.mask is not None
    module.mask.set_width(2)
    pairs = torch.tensor([0, 5]), torch.tensor([1, 7])
    for task, batch in (
        (RatingTask(module, matrix, 1.0, 0.1), torch.zeros(1)),
        (SampledTask(module, *pairs, "bpr", 1.0, 0.1), (*pairs, torch.tensor([[3], [4]]))),
    ):
        module.zero_grad()
        task.loss(batch).backward()
        for side in (module.users, module.items):
            assert side.grad is not None
            assert not side.grad[:, :2].any() and side.grad[:, 2:].any()


def test_every_user_is_given_a_width_of_its_own() -> None:
    module = module_of().train()
    assert module.mask is not None
    module.mask.jitter(torch.ones(4), torch.Generator().manual_seed(0))
    assert (module.gates(200) > 0).sum(1).bincount().tolist() == [0, 50, 50, 50, 50]
    assert bool(module.gates(200)[:, 3].all()), "the last is always open"


def test_a_turn_changes_no_prediction_and_puts_the_strongest_last() -> None:
    module = module_of()
    before = (module.users @ module.items.T).detach()
    _turn(module)
    torch.testing.assert_close(module.users @ module.items.T, before, atol=1e-5, rtol=1e-4)
    strengths = module.users.norm(dim=0) * module.items.norm(dim=0)
    assert bool((strengths.diff() > 0).all())


def test_the_papers_training_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="as the paper does"):
        FactorSettings(price=1e-3, solver="adam", paper_lambda=0.02, strategy="mask")
    penalties = []
    extra = GradientWidth.extra_loss
    monkeypatch.setattr(
        GradientWidth, "extra_loss", lambda self: penalties.append(1) or extra(self)
    )
    model = DAMExplicitMF(
        solver="adam", paper_lambda=0.02, max_components=8, max_sweeps=150, random_state=0
    ).fit(ratings(3))
    assert model.report_.strategy == "gradient" and len(penalties) == 150
    assert 3 <= model.n_components_ <= 8
    penalties.clear()
    model = DAMImplicitMF(loss="bpr", max_components=4, max_sweeps=2, random_state=0)
    assert model.fit(communities(2)).report_.strategy == "mask" and not penalties
