"""Ratings behind a mask: sweeps at a width of their own, and where the mask settles."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep import DAMExplicitMF
from damrep.masking.dam import DAM
from damrep.masking.notes import DamrepWarning
from damrep.masking.validation import InputError
from damrep.recommend.entries import both_ways
from damrep.recommend.explicit_fit import fit_explicit
from damrep.recommend.factors import FactorFit
from damrep.recommend.rating_model import RatingModel
from damrep.recommend.rating_pattern import pattern_features
from damrep.recommend.settings import FactorSettings
from damrep.recommend.standardising import standardised
from damrep.training.seeding import torch_generator


def ratings(rank: int, signal: float = 1.0, seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(200, rank)) @ rng.normal(size=(rank, 150)) / np.sqrt(rank)
    dense = 3 + signal * dense + 0.1 * rng.normal(size=dense.shape)
    return sp.csr_matrix(np.where(rng.random(dense.shape) < 0.4, dense, 0))


def grown(columns: int = 6) -> RatingModel:
    by_user, by_item, order = both_ways(standardised(ratings(3))[0])
    patterns = pattern_features(by_user, by_item, 8, seed=0)
    features = patterns[0].of(by_user), patterns[1].of(by_item)
    model = RatingModel(by_user, by_item, order, features)
    model.sweep()
    model.grow(columns, torch_generator(0))
    model.sweep()
    return model


def fit(matrix: sp.csr_matrix, seed: int = 0, **changes: object) -> FactorFit:
    settings = {"price": 1e-3, "max_components": 16, "strategy": "mask", **changes}
    return fit_explicit(matrix, FactorSettings(**settings), seed)


def state(model: RatingModel) -> list[torch.Tensor]:
    sides = (model.users, model.items)
    return [t for side in sides for t in (side.means, side.variances, side.prior, side.weights)]


def test_with_all_columns_open_a_sweep_is_the_plain_one() -> None:
    plain, masked = grown(), grown()
    for _ in range(2):
        plain.sweep()
        with masked.only(6):
            masked.sweep()
    for one, other in zip(state(plain), state(masked), strict=True):
        assert torch.equal(one, other)


def test_a_narrow_sweep_is_that_of_the_model_cut_there() -> None:
    cut, masked = grown(), grown()
    before = masked.items.means.clone()
    cut.keep(2)
    error = cut.sweep()
    with masked.only(2):
        assert masked.sweep() == error
    assert masked.width == 6
    assert not masked.users.means[:, 2:6].any(), "what is closed is 0"
    assert torch.equal(masked.items.means[:, 2:6], before[:, 2:6]), "the items' columns wait"
    kept = [0, 1, 6]
    assert torch.equal(masked.users.means[:, kept], cut.users.means)
    assert torch.equal(masked.items.means[:, kept], cut.items.means)
    # What is left over of each rating was kept on the way: it is that of the joined model.
    torch.testing.assert_close(masked.residual(), masked._residual(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_it_finds_the_rank(rank: int) -> None:
    found = fit(ratings(rank))
    assert found.n_components == found.open_gates == sum(g > 0 for g in found.gates) == rank
    assert len(found.gates) == found.initial == 16
    assert found.history["n_active"].count(rank) > 10


def test_a_column_beyond_the_best_width_goes_on_learning() -> None:
    found = fit(ratings(3))
    widths = np.array([w for w, n in zip(found.history["width"], found.history["n_active"],
                                         strict=True) if n is not None][2:])  # fmt: skip
    assert (widths > 3).any() and (widths == 3).any()


def test_the_mask_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left where it starts it cuts nothing; and every sweep's width is the mask's."""
    calls = []
    forward = DAM.forward
    monkeypatch.setattr(DAM, "forward", lambda self, x: calls.append(1) or forward(self, x))
    model = DAMExplicitMF(price=1e-3, max_components=16, random_state=0).fit(ratings(3))
    assert model.n_components_ == 3 == sum(gate > 0 for gate in model.report_.gate)
    assert model.report_.strategy == "mask" and len(calls) >= 20
    monkeypatch.setattr(DAM, "set_width", lambda self, m: None)
    assert fit(ratings(3)).n_components == 16


def test_noise_alone_needs_no_column() -> None:
    found = fit(ratings(1, signal=0.0))
    assert found.n_components == 0 and not any(found.gates)
    assert "price" in found.warnings[0]


def test_same_seed_same_widths() -> None:
    first, second, other = (fit(ratings(3), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.user_factors, second.user_factors)
    assert first.history["width"] == second.history["width"] != other.history["width"]


def test_a_search_draws_no_gates() -> None:
    found = fit(ratings(3), strategy="search")
    assert found.n_components == found.open_gates == 3 and found.gates == []


@pytest.mark.parametrize("word", ["als", "adam"])
def test_old_words_still_say_what_solves(word: str) -> None:
    with pytest.warns(DamrepWarning, match=f"is now solver='{word}'"):
        model = DAMExplicitMF(strategy=word, price=1e-3, max_sweeps=60, random_state=0)
        model.fit(ratings(2))
    assert model.report_.strategy == "mask" and model.n_components_ >= 2


@pytest.mark.parametrize("loss", ["ials", "softmax"])
def test_where_there_is_no_mask_it_is_said(loss: str) -> None:
    with pytest.raises(InputError, match='leave it at "auto"'):
        FactorSettings(price=1e-3, strategy="mask", loss=loss)
    assert FactorSettings(price=1e-3, loss=loss).resolved_strategy == "search"
