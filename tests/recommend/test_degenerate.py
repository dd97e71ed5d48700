"""Ratings without full rank, fitted in every way there is, on any processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings

from damrep import DAMExplicitMF, DAMImplicitMF, DamrepWarning
from damrep.recommend.entries import both_ways
from damrep.recommend.explicit_fit import fit_explicit
from damrep.recommend.implicit_fit import fit_implicit
from damrep.recommend.rating_pattern import pattern_features
from damrep.recommend.settings import FactorSettings
from damrep.recommend.standardising import standardised
from tests.degenerate import Spoiling, spoilings, spoilt
from tests.disturbing import disturb_moments
from tests.recommend.samples import checkerboard, grouped, rated, tastes

FEW = {"max_sweeps": 4, "device": "cpu", "random_state": 0}
IALS = {**FEW, "loss": "ials", "unobserved_weight": 0.3, "reg": 1e-3}
EXPLICIT = {
    "wide": {"max_components": 64},
    "wider than the rank": {"n_components": 15},
    "no penalty": {"max_components": 8, "reg": 0.0},
    "a tiny penalty": {"max_components": 8, "reg": 1e-12},
    "a huge penalty": {"max_components": 8, "reg": 1e12},
    "by gradient": {"max_components": 8, "solver": "adam"},
}
IMPLICIT = {
    "wide": {"max_components": 64, "loss": "ials"},
    "wider than the rank": {**IALS, "n_components": 15},
    "no penalty": {**IALS, "max_components": 8, "unobserved_weight": 0.0, "reg": 0.0},
    "tiny penalties": {**IALS, "max_components": 8, "unobserved_weight": 1e-12, "reg": 1e-12},
    "huge penalties": {**IALS, "max_components": 8, "unobserved_weight": 1e12, "reg": 1e12},
    "softmax": {"max_components": 8, "loss": "softmax", "max_sweeps": 1},
    "bpr": {"max_components": 8, "loss": "bpr"},
}


def assert_finite(model: Any, matrix: sp.csr_matrix) -> None:
    """What was learned, and what it says of the users fitted and of new ones."""
    pairs = matrix.tocoo()
    for values in (
        model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_,
        model.components_curve_, model.predict(pairs.row, pairs.col),
        model.fold_in(matrix[:5]).factors,
    ):  # fmt: skip
        assert np.isfinite(values).all()


@settings(max_examples=4)
@pytest.mark.parametrize("way", EXPLICIT)
@given(how=spoilings)
def test_ratings_of_any_rank_at_any_scale(way: str, how: Spoiling) -> None:
    matrix = spoilt(rated(30, 20), how)
    assert_finite(DAMExplicitMF(**{**FEW, **EXPLICIT[way]}).fit(matrix), matrix)


@settings(max_examples=4)
@pytest.mark.parametrize("way", IMPLICIT)
@given(how=spoilings)
def test_interactions_of_any_rank_at_any_scale(way: str, how: Spoiling) -> None:
    matrix = spoilt(grouped(30, 20), how)
    assert_finite(DAMImplicitMF(**{**FEW, **IMPLICIT[way]}).fit(matrix), matrix)


@pytest.mark.parametrize("way", ["no penalty", "by gradient"])
@pytest.mark.parametrize("exponent", [-100, 40, 100])
def test_the_unit_of_ratings_changes_nothing(way: str, exponent: int) -> None:
    one, other = (
        DAMExplicitMF(**{**FEW, **EXPLICIT[way]}).fit(
            spoilt(rated(30, 20), Spoiling(scale=scale, dtype=np.float32))
        )
        for scale in (1.0, 2.0**exponent)
    )
    assert one.n_components_ == other.n_components_ and one.report_.curve == other.report_.curve


@pytest.mark.parametrize("exponent", [-100, 40, 100])
def test_cosines_know_no_unit_of_weights(exponent: int) -> None:
    matrix = grouped(30, 20)
    matrix.data *= 1 + np.arange(matrix.nnz, dtype=np.float32) % 3
    one, other = (
        DAMImplicitMF(**{**FEW, **IMPLICIT["softmax"]}).fit(
            spoilt(matrix, Spoiling(scale=scale, dtype=np.float32))
        )
        for scale in (1.0, 2.0**exponent)
    )
    assert one.n_components_ == other.n_components_ and one.report_.curve == other.report_.curve
    assert np.array_equal(one.item_factors_, other.item_factors_)


@pytest.mark.parametrize("rating", [0.1, 3.0, 1e-20, 1e20, -7.3])
def test_ratings_that_are_all_the_same_are_that(rating: float) -> None:
    matrix = tastes()
    matrix.data[:] = rating
    values, mean, scale = standardised(matrix.astype(np.float32))
    assert not values.data.any() and scale == 1 and mean == np.float32(rating)
    model = DAMExplicitMF(**FEW).fit(matrix)
    assert model.n_components_ == 0
    assert model.predict([0, 1], [0, 1]).tolist() == pytest.approx([rating] * 2)


def test_by_gradient_nothing_is_learned_of_ratings_that_are_all_the_same() -> None:
    """What biases leave is rounding, and a share of it is no gain."""
    same = sp.random(20, 15, density=0.4, random_state=1).tocsr()
    same.data[:] = 4.0
    model = DAMExplicitMF(solver="adam", random_state=0, device="cpu").fit(same)
    assert model.n_components_ == 0
    assert model.predict([0], [0]).tolist() == pytest.approx([4.0])


def test_factors_that_are_worse_than_none_are_told() -> None:
    noise = rated(30, 20, seed=3)
    with pytest.warns(DamrepWarning, match="the model is worse than the trivial one"):
        DAMExplicitMF(n_components=4, solver="adam", lr=50.0, max_sweeps=20, random_state=0).fit(
            noise
        )


def test_what_is_rounding_in_a_pattern_is_no_feature() -> None:
    """Three kinds of users tell two directions apart; the counts are a feature of their own."""
    pattern = sp.csr_matrix(np.kron(np.eye(3), np.ones((20, 16))))
    by_user, by_item, _ = both_ways(pattern)
    for seed in range(3):
        sides = pattern_features(by_user, by_item, 5, seed)
        for side, entries in zip(sides, (by_user, by_item), strict=True):
            assert side.directions.shape[1] == 2
            features = side.of(entries)
            assert np.isfinite(features.numpy()).all()
            assert len(np.unique(features.numpy().round(3), axis=0)) == 3


# -- the width where it is sharp


def groups(side: int = 30, count: int = 5) -> sp.csr_matrix:
    """Users and items in groups; within one, nine of ten pairs, across none."""
    group = np.arange(side) % count
    among = np.random.default_rng(0).random((side, side)) < 0.9
    return sp.csr_matrix(((group[:, None] == group) & among).astype(float))


def emptied(*numbers: int) -> sp.csr_matrix:
    """A checkerboard without these users and items."""
    matrix = checkerboard().tolil()
    for number in numbers:
        matrix[number], matrix[:, number] = 0, 0
    matrix = sp.csr_matrix(matrix)
    matrix.eliminate_zeros()
    return matrix


@pytest.mark.parametrize("seed", [0, 1])
def test_five_groups_are_five_dimensions(seed: int) -> None:
    assert DAMImplicitMF(random_state=seed).fit(groups()).n_components_ == 5


@pytest.mark.parametrize("seed", [0, 1])
def test_a_checkerboard_with_empty_rows_and_columns(seed: int) -> None:
    model = DAMImplicitMF(random_state=seed).fit(emptied(42, 49))
    assert model.n_components_ == 2
    ids, scores = model.recommend(42, 3)
    assert len(set(ids)) == 3 and np.isfinite(scores).all()


@pytest.mark.parametrize("rounding", range(3))
def test_how_moments_are_rounded_changes_no_width(
    rounding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    dense = 3 + rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40))
    three = sp.csr_matrix(dense + 0.05 * rng.normal(size=dense.shape))
    disturb_moments(monkeypatch, rounding)
    assert DAMImplicitMF(random_state=0).fit(groups()).n_components_ == 5
    assert DAMImplicitMF(random_state=0).fit(emptied(42, 49)).n_components_ == 2
    wide = FactorSettings(price=1e-3, max_components=32)
    assert fit_explicit(three, wide, seed=0).n_components == 3
    # A rank of 2 asked for 3 columns.
    light = sp.csr_matrix(np.array([[1.0, 1.0, 0.0, 0.0]] * 30 + [[0.0, 0.0, 1.0, 1.0]] * 30))
    asked = FactorSettings(price=1e-3, loss="ials", max_components=16, n_components=3)
    fit = fit_implicit(light, asked, seed=0)
    assert np.isfinite(fit.user_factors).all() and fit.user_factors.shape == (60, 3)
