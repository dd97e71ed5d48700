"""Second moments of any rank, at any scale, on any processor: their roots, inverses, solutions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from damrep.masking.moments import (
    ROUNDING,
    any_root,
    eigen,
    inverse,
    nested_root,
    positive_part,
    reciprocal,
    roots,
    second_moment,
    singular,
)
from damrep.masking.validation import InputError
from tests.degenerate import Spoiling, spoilings
from tests.disturbing import LAST_PLACE, disturbed

FACTORISATIONS = [any_root, eigen, roots, inverse, positive_part, nested_root, singular]


@dataclass(frozen=True)
class Table:
    """Rows of any rank and scale, in single or double precision; shown by how they were made."""

    rows: int
    columns: int
    rank: int
    seed: int
    how: Spoiling

    @property
    def x(self) -> Tensor:
        rng = np.random.default_rng(self.seed)
        codes = rng.normal(size=(self.rows, self.rank)) * 0.7 ** np.arange(self.rank)
        return torch.from_numpy(self.how.dense(codes @ rng.normal(size=(self.rank, self.columns))))


tables = st.builds(
    Table,
    st.integers(14, 30),
    st.integers(14, 30),
    st.integers(1, 16),
    st.integers(0, 99),
    spoilings,
)


def close(found: Tensor, expected: Tensor, share: float) -> bool:
    """Within a share of the largest entry of what is expected."""
    return bool((found - expected).abs().max() <= share * expected.abs().max())


# -- sums


def test_a_moment_is_summed_in_double_precision_over_any_number_of_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(20_000, 3, generator=generator) + 100
    others = torch.randn(20_000, 2, generator=generator)
    for right in (None, others):
        second = rows if right is None else right
        exact = rows.double().T @ second.double()
        torch.testing.assert_close(second_moment(rows, right), exact, rtol=1e-13, atol=0)
    assert not close((rows.T @ rows).double(), rows.double().T @ rows.double(), 1e-13)


def test_a_moment_of_few_numbers_is_exact() -> None:
    rows = torch.tensor([[0.1, 1e4], [3.0, 1e-3], [1e-5, 7.0]])
    found = second_moment(rows)
    for i in range(2):
        for j in range(2):
            exact = sum(Fraction(float(row[i])) * Fraction(float(row[j])) for row in rows)
            assert float(found[i, j]) == pytest.approx(float(exact), rel=1e-15)


def test_no_rows_and_no_columns() -> None:
    assert second_moment(torch.zeros(0, 3)).tolist() == [[0.0] * 3] * 3
    assert second_moment(torch.zeros(5, 0)).shape == (0, 0)
    empty = torch.zeros(0, 0)
    for factorise in FACTORISATIONS:
        found = factorise(empty)
        parts = found if isinstance(found, tuple) else (found,)
        assert all(part.numel() == 0 for part in parts)


# -- roots and inverses of any moment


@given(tables)
def test_eigenvalues_and_vectors_are_those_of_the_moment(table: Table) -> None:
    x = table.x
    moment = second_moment(x)
    values, vectors = eigen(moment)
    assert close((vectors * values) @ vectors.T, moment, 1e-11)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(len(values), dtype=torch.double))
    assert (values.diff() <= 0).all()
    kept = values[values != 0].abs()
    assert not len(kept) or float(kept.min()) > ROUNDING * float(kept.max())


@given(tables)
def test_what_is_rounding_is_nothing(table: Table) -> None:
    x = table.x
    sizes = torch.linalg.svdvals(x.double())
    assume(float(sizes[0]) > 0)
    # Either clearly there or clearly not; rows in single precision are of full rank by a hair.
    assume(not bool(((sizes > 1e-7 * sizes[0]) & (sizes < 1e-5 * sizes[0])).any()))
    values, _ = eigen(second_moment(x))
    assert int((values > 0).sum()) == int((sizes > 1e-6 * sizes[0]).sum())
    assert not (values < 0).any()


@given(tables)
def test_roots_of_any_moment(table: Table) -> None:
    x = table.x
    moment = second_moment(x)
    root, inverse_root = roots(moment)
    assert close(root @ root, moment, 1e-11)
    values, vectors = eigen(moment)
    onto = vectors[:, values > 0]
    if onto.numel():
        # A projection on the directions in which anything lies.
        assert close(root @ inverse_root, onto @ onto.T, 1e-6)


@given(tables)
def test_any_root_will_do(table: Table) -> None:
    x = table.x
    moment = second_moment(x)
    root, inverted = any_root(moment)
    assert close(root @ root.T, moment, 1e-11)
    # Onto what the root has columns for, whichever way it was made.
    onto = inverted @ root
    assert close(onto @ onto, onto, 1e-6) or not onto.any()
    assert close(root @ onto, root, 1e-9) or not root.any()


def test_any_root_of_full_rank_is_a_triangle() -> None:
    x = torch.randn(50, 20, generator=torch.Generator().manual_seed(0))
    root, inverted = any_root(second_moment(x))
    assert not root.triu(1).any()
    torch.testing.assert_close(inverted @ root, torch.eye(20, dtype=torch.double))
    root, _ = any_root(second_moment(torch.cat([x, x[:, :1]], dim=1)))
    assert not root[:, -1].any(), "the twin has nothing of its own"


@given(tables, st.sampled_from([1e-12, 1e-6]))
def test_roots_with_a_floor_are_invertible(table: Table, floor: float) -> None:
    x = table.x
    moment = second_moment(x)
    root, inverse_root = roots(moment, floor=floor)
    assert close(root @ inverse_root, torch.eye(len(moment), dtype=torch.double), 1e-6)
    lifted = floor * float(torch.linalg.eigvalsh(moment)[-1]) if moment.any() else 1.0
    assert float((root @ root - moment).abs().max()) <= 1.01 * lifted + 1e-11 * moment.abs().max()


@given(tables, st.integers(0, 99))
def test_the_inverse_gives_the_shortest_least_squares_solution(table: Table, seed: int) -> None:
    x = table.x
    sizes = torch.linalg.svdvals(x.double())
    assume(not bool(((sizes > 1e-8 * sizes[0]) & (sizes < 1e-3 * sizes[0])).any()))
    wanted = torch.from_numpy(np.random.default_rng(seed).normal(size=(len(x), 1)))
    found = inverse(second_moment(x)) @ second_moment(x, wanted)
    expected = np.linalg.lstsq(x.double().numpy(), wanted.numpy(), rcond=1e-6)[0]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6 * scale if scale else 1e-300)


@given(tables, st.integers(0, 99))
def test_the_positive_part_is_the_nearest_moment(table: Table, seed: int) -> None:
    x = table.x
    moment = second_moment(x)
    assert close(positive_part(moment), moment, 1e-11)
    rng = np.random.default_rng(seed)
    indefinite = torch.from_numpy(rng.normal(size=(6, 6)))
    indefinite = indefinite + indefinite.T
    part = positive_part(indefinite)
    assert torch.linalg.eigvalsh(part).min() > -1e-12
    # What is left out is negative, and at a right angle to it (Higham 1988).
    rest = indefinite - part
    assert torch.linalg.eigvalsh(rest).max() < 1e-12
    assert abs(float((part * rest).sum())) < 1e-10


@given(tables)
def test_a_nested_root_is_the_moment_s_and_says_what_is_empty(table: Table) -> None:
    x = table.x
    moment = second_moment(x)
    triangle, filled = nested_root(moment)
    assert not triangle.triu(1).any() and (triangle.diagonal() > 0).all()
    clean = triangle * filled
    left, largest = moment - clean @ clean.T, float(moment.diagonal().max())
    assert left[filled][:, filled].abs().sum() <= 1e-6 * largest
    assert left.diagonal().max() <= 1e-9 * largest
    # A copy of an earlier column, or an empty one, adds nothing.
    twice = torch.cat([x, x[:, :3], torch.zeros(len(x), 1)], dim=1)
    _, again = nested_root(second_moment(twice))
    assert again[: x.shape[1]].tolist() == filled.tolist() and not again[x.shape[1] :].any()


@pytest.mark.parametrize("n", [1, 5, 63, 64, 65, 200])
def test_a_nested_root_of_full_rank_is_cholesky_s(n: int) -> None:
    x = torch.randn(3 * n, n, generator=torch.Generator().manual_seed(n), dtype=torch.double)
    triangle, filled = nested_root(x.T @ x)
    assert filled.all()
    torch.testing.assert_close(triangle, torch.linalg.cholesky(x.T @ x), rtol=1e-9, atol=1e-9)


@given(tables, st.integers(-60, 60))
def test_the_unit_changes_nothing(table: Table, exponent: int) -> None:
    """Powers of 2, which round nothing: the same to the last bit."""
    x = table.x
    moment, unit = second_moment(x), 4.0**exponent
    values, vectors = eigen(moment)
    again, turned = eigen(moment * unit)
    assert torch.equal(again, values * unit) and torch.equal(turned, vectors)
    triangle, filled = nested_root(moment)
    scaled, still = nested_root(moment * unit)
    assert torch.equal(still, filled)
    assert torch.equal(scaled * filled, triangle * 2.0**exponent * filled)


# -- another processor


@given(tables, st.integers(0, 9))
def test_moments_rounded_to_single_precision_have_all_of_it_too(table: Table, seed: int) -> None:
    x = table.x
    moment = second_moment(x)
    off = disturbed(moment, np.random.default_rng(seed))
    most = 4 * len(moment) * LAST_PLACE
    values, vectors = eigen(off)
    assert close((vectors * values) @ vectors.T, moment, most)
    for floor in (0.0, 1e-12):
        root, inverse_root = roots(off, floor=floor)
        assert close(root @ root, moment, most)
        assert torch.isfinite(inverse_root).all()
        # As much is made of rounding as the root of it is large, and no more.
        back = x.double() @ inverse_root @ root
        assert close(back, x.double(), (2 * most) ** 0.5)
    root, inverted = any_root(off)
    assert close(root @ root.T, moment, most) and torch.isfinite(inverted).all()
    assert close(x.double() @ inverted.T @ root.T, x.double(), (2 * most) ** 0.5)
    triangle, filled = nested_root(off)
    left = (moment - (triangle * filled) @ (triangle * filled).T)[filled][:, filled]
    assert left.abs().sum() <= 1e-3 * moment.diagonal().max()
    assert torch.isfinite(torch.linalg.inv(triangle)).all()


# -- what cannot be factorised


@pytest.mark.parametrize("factorise", FACTORISATIONS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_one_clear_error(factorise, bad: float) -> None:
    matrix = torch.eye(4)
    matrix[1, 2] = matrix[2, 1] = bad
    with pytest.raises(InputError, match="second moments of the test: .*NaN or infinite") as caught:
        factorise(matrix, of="the test")
    assert "\n" not in str(caught.value)


def test_a_decomposition_that_does_not_converge_is_made_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = second_moment(torch.randn(9, 5, generator=torch.Generator().manual_seed(0)))
    expected, _ = eigen(moment)

    def failing(matrix: Tensor) -> None:
        raise torch.linalg.LinAlgError("linalg.eigh: the algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "eigh", failing)
    values, vectors = eigen(moment)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close((vectors * values) @ vectors.T, moment)


# -- the rest


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_singular_values_where_squares_leave_single_precision(scale: float) -> None:
    matrix = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    left, values, right = singular(matrix * scale)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values / scale, torch.linalg.svdvals(matrix))
    torch.testing.assert_close(left * (values / scale) @ right, matrix)
    assert singular(torch.zeros(3, 2))[1].tolist() == [0.0, 0.0]


def test_one_over_nothing_is_nothing() -> None:
    assert reciprocal(torch.tensor([2.0, 0.0, -1.0])).tolist() == [0.5, 0.0, 0.0]


def test_what_is_spoilt_has_lost_rank() -> None:
    """The strategy does what it says."""
    x = np.random.default_rng(0).normal(size=(30, 20))
    how = Spoiling(copied=(3, 4), emptied=(2, 1), constant=2)
    assert np.linalg.matrix_rank(x) == 20 > np.linalg.matrix_rank(how.dense(x))
    assert np.ptp(how.dense(x)[:, -2:]) == 0
