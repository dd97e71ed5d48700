"""What fitting finds: the rank there is, and nothing that depends on luck or on the caller."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep.masking.validation import InputError
from damrep.recommend.explicit_fit import fit_explicit, fold_in_explicit
from damrep.recommend.implicit_fit import fit_implicit, fold_in_implicit
from damrep.recommend.settings import FactorSettings

PRICE = 1e-3


def ratings(rank: int, users: int = 300, items: int = 200, seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(users, rank)) @ rng.normal(size=(rank, items)) / np.sqrt(rank)
    dense += 3 + rng.normal(size=(users, 1)) * 0.5 + 0.05 * rng.normal(size=dense.shape)
    rows, columns = np.nonzero(rng.random(dense.shape) < 0.4)
    return sp.csr_matrix((dense[rows, columns], (rows, columns)), dense.shape)


def communities(rank: int, users: int = 240, items: int = 160, seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    same = rng.integers(rank, size=(users, 1)) == rng.integers(rank, size=items)
    return sp.csr_matrix((rng.random(same.shape) < np.where(same, 0.5, 0.01)).astype(np.float32))


def explicit(**changes):
    return FactorSettings(**{"price": PRICE, "max_components": 32, **changes})


def implicit(**changes):
    return explicit(loss="ials", **changes)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_ratings_of_a_rank_need_that_many_columns(rank: int):
    fit = fit_explicit(ratings(rank), explicit(), seed=0)
    assert fit.n_components == rank
    assert fit.open_gates >= rank
    assert len(fit.gates) == fit.initial == 32
    losses = [loss for _, loss in fit.curve]
    assert losses[0] == 1
    assert all(a > b for a, b in zip(losses[:rank], losses[1 : rank + 1], strict=True))
    assert all(abs(loss - losses[rank]) < PRICE for loss in losses[rank:])


@pytest.mark.parametrize("rank", [3, 6])
def test_communities_need_a_column_each(rank: int):
    fit = fit_implicit(communities(rank), implicit(), seed=0)
    assert fit.n_components == rank
    assert fit.loss < 1


def test_predictions_are_near_and_columns_in_order():
    matrix = ratings(3)
    fit = fit_explicit(matrix, explicit(), seed=0)
    pairs = matrix.tocoo()
    found = fit.mean + fit.user_bias[pairs.row] + fit.item_bias[pairs.col]
    found = found + (fit.user_factors[pairs.row] * fit.item_factors[pairs.col]).sum(1)
    assert np.sqrt(np.mean((found - pairs.data) ** 2)) < 0.1
    strength = np.linalg.norm(fit.user_factors, axis=0) * np.linalg.norm(fit.item_factors, axis=0)
    assert (np.diff(strength) <= 1e-2 * strength[0]).all()


def test_the_unit_of_the_ratings_changes_no_width():
    matrix = ratings(3)
    first = fit_explicit(matrix, explicit(), seed=0)
    matrix.data = matrix.data * 20 + 100
    second = fit_explicit(matrix, explicit(), seed=0)
    assert second.n_components == first.n_components
    assert second.reference_loss == pytest.approx(first.reference_loss * 400, rel=1e-2)
    np.testing.assert_allclose(second.user_bias, first.user_bias * 20, atol=0.1)


@pytest.mark.parametrize("how", [explicit, implicit])
def test_a_price_nothing_earns_leaves_the_trivial_model(how):
    fitting = fit_explicit if how is explicit else fit_implicit
    matrix = ratings(3) if how is explicit else communities(3)
    fit = fitting(matrix, how(price=10.0), seed=0)
    assert fit.n_components == 0
    assert "price" in fit.warnings[0]
    assert fit.item_bias.any()
    folded, _ = (fold_in_explicit if how is explicit else fold_in_implicit)(matrix[:3], fit)
    assert folded.shape == (3, 0)


def test_all_columns_used_is_said():
    fit = fit_explicit(ratings(6), explicit(max_components=4), seed=0)
    assert fit.n_components == 4
    assert "max_components" in fit.warnings[0]


@pytest.mark.parametrize("fitting", [fit_explicit, fit_implicit])
def test_exactly_so_many_are_given(fitting):
    how = explicit if fitting is fit_explicit else implicit
    matrix = ratings(3) if fitting is fit_explicit else communities(3)
    assert fitting(matrix, how(n_components=5), seed=0).n_components == 5


@pytest.mark.parametrize(
    ("fitting", "folding"), [(fit_explicit, fold_in_explicit), (fit_implicit, fold_in_implicit)]
)
def test_folding_in_a_fitted_user_gives_its_factors(fitting, folding):
    how = explicit if fitting is fit_explicit else implicit
    matrix = ratings(3) if fitting is fit_explicit else communities(3)
    fit = fitting(matrix, how(), seed=0)
    factors, bias = folding(matrix[:20], fit)
    np.testing.assert_allclose(factors, fit.user_factors[:20], atol=2e-2)
    np.testing.assert_allclose(bias, fit.user_bias[:20], atol=2e-2)
    with pytest.raises(InputError, match="columns"):
        folding(matrix[:, :-1], fit)


@pytest.mark.parametrize("fitting", [fit_explicit, fit_implicit])
def test_users_and_items_without_ratings_are_no_trouble(fitting):
    how = explicit if fitting is fit_explicit else implicit
    matrix = (ratings(2) if fitting is fit_explicit else communities(2)).tolil()
    matrix[5], matrix[:, 7] = 0, 0
    matrix = matrix.tocsr()
    matrix.eliminate_zeros()
    fit = fitting(matrix, how(), seed=0)
    assert np.isfinite(fit.user_factors).all() and np.isfinite(fit.item_factors).all()
    assert np.isfinite(fit.user_bias).all() and np.isfinite(fit.item_bias).all()
    assert fit.n_components == 2


@pytest.mark.parametrize("fitting", [fit_explicit, fit_implicit])
def test_same_seed_same_model_and_no_global_randomness(fitting):
    how = explicit if fitting is fit_explicit else implicit
    matrix = ratings(2, 80, 60) if fitting is fit_explicit else communities(2, 80, 60)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (fitting(matrix, how(), seed=3) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002
    np.testing.assert_array_equal(first.user_factors, second.user_factors)


@pytest.mark.parametrize("fitting", [fit_explicit, fit_implicit])
def test_nothing_to_fit_is_said(fitting):
    how = explicit if fitting is fit_explicit else implicit
    with pytest.raises(InputError, match="no stored entry"):
        fitting(sp.csr_matrix((3, 4)), how(), seed=0)


def test_ratings_all_the_same_need_no_column():
    matrix = ratings(2, 40, 30)
    matrix.data[:] = 4
    fit = fit_explicit(matrix, explicit(), seed=0)
    assert fit.n_components == 0
    assert fit.mean == 4


def test_a_handful_of_ratings_is_fitted():
    fit = fit_explicit(sp.csr_matrix([[5.0, 0, 1], [4, 2, 0]]), explicit(), seed=0)
    assert np.isfinite(fit.user_bias).all()


def test_a_given_penalty_is_used():
    light = fit_explicit(ratings(2), explicit(reg=0.01, n_components=2), seed=0)
    heavy = fit_explicit(ratings(2), explicit(reg=3.0, n_components=2), seed=0)
    assert np.abs(heavy.user_factors).mean() < np.abs(light.user_factors).mean()


def test_ials_is_not_descended():
    with pytest.raises(InputError, match="als"):
        fit_implicit(communities(2), implicit(solver="adam"), seed=0)
