"""The regressions, turns and gates the factor models are fitted with."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.masking.dam import DAM
from damrep.recommend import entries as entries_module
from damrep.recommend.contributions import Contributions
from damrep.recommend.entries import Entries, both_ways
from damrep.recommend.gradient_tasks import FactorModule, RatingTask
from damrep.recommend.held_out import hold_out
from damrep.recommend.interaction_model import (
    InteractionModel,
    Penalties,
    popularity_shares,
    regress,
)
from damrep.recommend.rating_model import RatingModel, Side
from damrep.recommend.rating_pattern import pattern_features
from damrep.recommend.realign import realignment
from damrep.recommend.ridge import Regressions, conjugate_gradient


def some_matrix(users: int = 12, items: int = 9, density: float = 0.5, seed: int = 0):
    rng = np.random.default_rng(seed)
    given_ = rng.random((users, items)) < density
    rows, columns = np.nonzero(given_)
    values = rng.normal(size=len(rows)).astype(np.float32)
    return sp.csr_matrix((values, (rows, columns)), (users, items))


def test_dots_and_sums_are_those_of_the_dense_matrix():
    matrix = some_matrix()
    by_user, by_item, order = both_ways(matrix)
    p, q = torch.randn(12, 4), torch.randn(9, 4)
    coo = matrix.tocoo()
    torch.testing.assert_close(by_user.dots(p, q), (p @ q.T)[coo.row, coo.col])
    dense = torch.from_numpy(matrix.toarray())
    torch.testing.assert_close(by_user.sums(q, by_user.values), dense @ q)
    torch.testing.assert_close(by_item.sums(p, by_item.values), dense.T @ p)
    torch.testing.assert_close(by_user.sums(q), (dense != 0).float() @ q)
    assert torch.equal(by_item.values, by_user.values[order])


@pytest.fixture(params=[False, True], ids=["whole", "cut"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether blocks are of two rows and panels of four columns."""
    if request.param:
        monkeypatch.setattr(entries_module, "_AT_HAND", 16)
        monkeypatch.setattr(entries_module, "_PANEL", 4)
        monkeypatch.setattr(entries_module, "_FULL", 1)
    return bool(request.param)


def test_blocks_and_panels_say_what_the_whole_does(cut: bool):
    matrix = some_matrix(users=13)
    by_user, by_item, order = both_ways(matrix)
    assert len(by_user.blocks(8)) == (7 if cut else 1)
    assert torch.equal(by_item.values, by_user.values[order])
    # Panel after panel: the users of an item are not together.
    items = torch.from_numpy(matrix.indices)[order]
    assert bool((items.diff() >= 0).all()) is not cut
    p, q = torch.randn(13, 8), torch.randn(9, 8)
    coo, dense = matrix.tocoo(), torch.from_numpy(matrix.toarray())
    by_panels, by_item_again, again = both_ways(matrix, item_panel=4)
    assert torch.equal(by_item_again.values, by_panels.values[again])
    # Fewer panels than asked for where rows are too short for them.
    assert torch.equal(by_panels.values, by_user.values) is not cut
    torch.testing.assert_close(by_panels.sums(q, by_panels.values), dense @ q)
    rows, columns = torch.from_numpy(coo.row), torch.from_numpy(coo.col)
    torch.testing.assert_close(by_item.dots(q, p), (p @ q.T)[rows, columns][order])
    torch.testing.assert_close(by_item.sums(p, by_item.values), dense.T @ p)
    for side, mine, other in ((by_user, p, q), (by_item, q, p)):
        blocks = side.blocks(8)
        dots = torch.cat([block.dots(mine[block.rows], other) for block in blocks])
        torch.testing.assert_close(dots, side.dots(mine, other))
        sums = [block.sums(other, side.values[block.span]) for block in blocks]
        torch.testing.assert_close(torch.cat(sums), side.sums(other, side.values))
        left = torch.ones(len(side))
        for block in blocks:
            span = block.span
            block.subtract(left[span], side.values[span], mine[block.rows, 0].contiguous())
        ones = torch.ones(side.shape[1], 1)
        by_row = side.weight * mine[:, 0]
        torch.testing.assert_close(side.sums(ones, 1 - left)[:, 0], by_row, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_regressions_are_solved_and_tell_what_is_left_over(cut: bool, weighted: bool):
    matrix = abs(some_matrix())
    entries = Entries(matrix)
    generator = torch.Generator().manual_seed(0)
    columns, start = (torch.randn(n, 3, generator=generator) for n in (9, 12))
    ridge, moments = torch.rand(12, 3, generator=generator) + 0.1, 0.1 * torch.eye(3)
    weights = entries.values if weighted else None
    rest = (1 - entries.dots(start, columns)) * (1 if weights is None else weights)
    right = entries.sums(columns, rest) - ridge * start - start @ moments
    found = Regressions(entries, columns, ridge, weights, moments).solve(
        right, start, torch.ones(12, 3), 6, rest
    )
    dense = torch.from_numpy(matrix.toarray())
    dense = dense if weighted else (dense > 0).float()
    for row in range(12):
        left = (columns.T * dense[row]) @ columns + torch.diag(ridge[row]) + moments
        wanted = torch.linalg.solve(left, columns.T @ dense[row])
        torch.testing.assert_close(found[row], wanted, rtol=1e-3, atol=1e-4)
    over = (1 - entries.dots(found, columns)) * (1 if weights is None else weights)
    torch.testing.assert_close(rest, over, rtol=1e-4, atol=1e-5)


def test_a_sweep_knows_its_residual_and_does_not_mind_the_cuts(cut: bool):
    matrix, rng = some_matrix(40, 30), np.random.default_rng(0)
    coo = matrix.tocoo()
    p, q = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    matrix.data += 2 * (p[coo.row] * q[coo.col]).sum(1).astype(np.float32)
    by_user, by_item, order = both_ways(matrix)
    features = torch.ones(40, 2), torch.ones(30, 2)
    model = RatingModel(by_user, by_item, order, features)
    model.grow(3, torch.Generator().manual_seed(0))
    for _ in range(5):
        model.sweep()
    users, items = model.users, model.items
    dense = users.factors @ items.factors.T + users.bias + items.bias.T
    rest = by_user.values - dense[coo.row, coo.col]
    torch.testing.assert_close(model.residual(), rest, rtol=1e-4, atol=1e-5)
    assert float(rest.square().mean()) == pytest.approx(0.638088, rel=1e-4)


def test_the_loss_of_ratings_and_its_gradient_are_the_dense_ones(
    cut: bool, monkeypatch: pytest.MonkeyPatch
):
    if cut:
        monkeypatch.setattr("damrep.recommend.gradient_tasks._PANEL", 4)
    matrix = some_matrix()
    module = FactorModule((12, 9), 3, DAM(3), torch.Generator().manual_seed(0))
    with torch.no_grad():
        module.user_bias.normal_(generator=torch.Generator().manual_seed(1))
        module.item_bias.normal_(generator=torch.Generator().manual_seed(2))
    names = dict(module.named_parameters())
    RatingTask(module, matrix, 2.0, 0.1).loss(torch.zeros(1)).backward()
    found = {name: parameter.grad for name, parameter in names.items()}
    module.zero_grad()
    given_ = torch.from_numpy(matrix.toarray()) != 0
    users, items = module.users * module.gates(1), module.items
    dense = users @ items.T + module.user_bias[:, None] + module.item_bias
    error = (torch.from_numpy(matrix.toarray()) - dense)[given_].square().mean()
    size = (given_.sum(1) * module.users.square().sum(1)).sum()
    size = size + (given_.sum(0) * items.square().sum(1)).sum()
    ((error + 0.1 * size / matrix.nnz) / 2.0).backward()
    for name, parameter in names.items():
        torch.testing.assert_close(found[name], parameter.grad, msg=name)


def test_entries_of_an_empty_matrix_sum_to_nothing():
    entries = Entries(sp.csr_matrix((3, 2), dtype=np.float32))
    assert entries.dots(torch.ones(3, 2), torch.ones(2, 2)).shape == (0,)
    assert entries.sums(torch.ones(2, 2)).tolist() == [[0, 0]] * 3
    assert not entries.rated.any()


def test_zero_ratings_are_stored_ratings():
    matrix = sp.csr_matrix((np.zeros(4), ([0, 0, 1, 2], [0, 1, 1, 0])), (3, 2))
    assert Entries(matrix).counts.tolist() == [2, 1, 1]
    fitted, held = hold_out(
        sp.csr_matrix((np.zeros(40), np.divmod(np.arange(40), 8)), (5, 8)), 0.3, 0
    )
    assert (fitted.nnz, held.nnz) == (28, 12)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 100))
def test_as_many_steps_as_columns_solve_exactly(width: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(5, width, width, generator=generator, dtype=torch.double)
    systems = root @ root.mT + torch.eye(width)
    right = torch.randn(5, width, generator=generator, dtype=torch.double)
    found = conjugate_gradient(
        lambda x: (systems @ x[..., None])[..., 0],
        right,
        torch.zeros_like(right),
        systems.diagonal(dim1=1, dim2=2),
        steps=width + 2,
    )
    torch.testing.assert_close(found, torch.linalg.solve(systems, right), rtol=1e-6, atol=1e-8)


def test_implicit_regression_is_the_dense_ridge():
    matrix = abs(some_matrix())
    columns = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    found = regress(Entries(matrix), torch.zeros(12, 3), columns, 0.2, 0.05, steps=8)
    weights = torch.from_numpy(matrix.toarray())
    for row in range(12):
        left = (columns.T * (weights[row] + 0.2)) @ columns
        left += 0.05 * (weights[row].sum() + 0.2 * 9) * torch.eye(3)
        wanted = torch.linalg.solve(left, columns.T @ weights[row])
        torch.testing.assert_close(found[row], wanted, rtol=1e-3, atol=1e-4)


def test_pairs_without_interaction_weigh_by_the_items_popularity():
    # The objective written out: a s_i in every pair, observed or not, on either side.
    matrix = sp.csr_matrix(abs(some_matrix()))
    by_user, by_item, order = both_ways(matrix)
    model = InteractionModel(by_user, by_item, order, 3, Penalties(0.2, 0.05, 0.5), seed=0, steps=9)
    shares = np.sqrt(np.diff(matrix.tocsc().indptr) + 1.0)
    shares = torch.from_numpy(shares / shares.mean()).float()
    torch.testing.assert_close(model.shares, shares)
    items = model.items.clone()
    model.update_users(steps=9)
    weights = torch.from_numpy(matrix.toarray())
    wanted = []
    for row in range(12):
        left = (items.T * (weights[row] + 0.2 * shares)) @ items
        left += 0.05 * (weights[row].sum() + 0.2 * 9) * torch.eye(3)
        wanted.append(torch.linalg.solve(left, items.T @ weights[row]))
    torch.testing.assert_close(model.users, torch.stack(wanted), rtol=1e-3, atol=1e-4)
    model.sweep()
    scores, users = model.users @ model.items.T, torch.stack(wanted)
    for column in range(9):
        light = 0.2 * shares[column]
        left = (users.T * (weights[:, column] + light)) @ users
        left += 0.05 * (weights[:, column].sum() + light * 12) * torch.eye(3)
        item = torch.linalg.solve(left, users.T @ weights[:, column])
        torch.testing.assert_close(scores[:, column], users @ item, rtol=2e-3, atol=1e-3)


def test_without_an_exponent_all_items_share_alike():
    assert popularity_shares(torch.tensor([0.0, 5.0, 100.0]), 0.0).tolist() == [1.0, 1.0, 1.0]
    assert popularity_shares(torch.tensor([3.0, 3.0]), 0.7).tolist() == [1.0, 1.0]


def test_a_rating_side_with_certain_others_is_a_ridge_by_hand():
    # One user, ratings 2 and 0 of items with factor 1 and -1; noise 1, prior variance 1 of both
    # factor and bias: (2 + 1) p = 2 and (2 + 1) b = 2.
    entries = Entries(sp.csr_matrix((np.array([2.0, 0.0], np.float32), ([0, 0], [0, 1])), (1, 2)))
    items = Side(
        entries,
        torch.zeros(2, 1),
        torch.tensor([[1.0, 0.0], [-1.0, 0.0]]),
        torch.zeros(2, 2),
        torch.ones(2),
        torch.zeros(1, 2),
    )
    users = Side(
        entries,
        torch.zeros(1, 1),
        torch.zeros(1, 2),
        torch.zeros(1, 2),
        torch.ones(2),
        torch.zeros(1, 2),
    )
    users.update(items, entries.values.clone(), noise=1.0, steps=4)
    torch.testing.assert_close(users.means, torch.tensor([[2 / 3, 2 / 3]]))
    torch.testing.assert_close(users.variances, torch.full((1, 2), 1 / 3))


def test_uncertain_items_shrink_a_user():
    entries = Entries(sp.csr_matrix(np.ones((1, 4), np.float32)))
    blank = torch.zeros(4, 1)
    sizes = []
    for variance in (0.0, 1.0):
        items = Side(
            entries,
            blank,
            torch.tensor([[1.0, 0.0]] * 4),
            torch.full((4, 2), variance),
            torch.ones(2),
            torch.zeros(1, 2),
        )
        users = Side(
            entries,
            blank[:1],
            torch.zeros(1, 2),
            torch.zeros(1, 2),
            torch.ones(2),
            torch.zeros(1, 2),
        )
        users.update(items, entries.values.clone(), noise=1.0, steps=6)
        sizes.append(float(users.means[0, 0]))
    assert sizes[1] < sizes[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(0, 100))
def test_turning_keeps_every_prediction_and_orders_the_columns(width: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(9, width, generator=generator, dtype=torch.double)
    q = torch.randn(8, width, generator=generator, dtype=torch.double)
    by_p, by_q, strengths = realignment(p.T @ p, q.T @ q)
    turned_p, turned_q = p @ by_p, q @ by_q
    torch.testing.assert_close(turned_p @ turned_q.T, p @ q.T)
    torch.testing.assert_close(turned_p.T @ turned_p, torch.diag(strengths), atol=1e-8, rtol=1e-6)
    assert bool((strengths.diff() <= 1e-9).all())


def test_cutting_empty_columns_keeps_the_predictions():
    p = torch.randn(9, 3, dtype=torch.double)
    q = torch.randn(8, 3, dtype=torch.double)
    p[:, 2] = p[:, 0]  # rank 2
    q[:, 2] = q[:, 0]
    by_p, by_q, _ = realignment(p.T @ p, q.T @ q)
    cut = (p @ by_p)[:, :2] @ (q @ by_q)[:, :2].T
    torch.testing.assert_close(cut, p @ q.T, atol=1e-5, rtol=1e-5)


def test_prefix_losses_are_those_of_the_predictions():
    parts, targets = torch.randn(30, 4), torch.randn(30)
    sums = Contributions.of(parts, targets)
    for columns, loss in enumerate(sums.prefixes().tolist()):
        assert loss == pytest.approx(
            float((targets - parts[:, :columns].sum(1)).square().mean()), rel=1e-4
        )
    p, q = torch.randn(6, 3), torch.randn(5, 3)
    rows, columns = torch.tensor([0, 5, 2]), torch.tensor([1, 1, 4])
    same = Contributions.of_pairs(p, q, rows, columns, targets[:3])
    torch.testing.assert_close(
        same.prefixes(),
        Contributions.of(p[rows] * q[columns], targets[:3]).prefixes(),
        atol=1e-5,
        rtol=1e-5,
    )


def test_a_new_row_gets_the_features_of_the_fitted_one():
    matrix = some_matrix(40, 30)
    by_user, by_item, _ = both_ways(matrix)
    users, _ = pattern_features(by_user, by_item, 4, seed=0)
    everyone = users.of(by_user)
    assert everyone.shape == (40, 6)
    torch.testing.assert_close(users.of(Entries(matrix[3:5])), everyone[3:5])


def test_interactions_of_blocks_are_ranked_by_block():
    matrix = sp.csr_matrix(np.kron(np.eye(2), np.ones((10, 8))).astype(np.float32))
    model = InteractionModel(*both_ways(matrix), 2, Penalties(0.1, 0.001), seed=0)
    for _ in range(5):
        model.sweep()
    scores = model.users @ model.items.T
    assert float(scores[0, :8].min()) > 0.8
    assert float(scores[0, 8:].abs().max()) < 0.1
