"""Directions that the ends of edges have in common."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.graph.encoding.canonical import EdgeMoments, class_moment
from damrep.graph.encoding.propagation import SparseOperator, mean_matrix


def two_columns(seed: int = 0, n: int = 60) -> tuple[torch.Tensor, SparseOperator, torch.Tensor]:
    """Neighbours agree in a faint column and not in a loud one."""
    draw = torch.Generator().manual_seed(seed)
    group = torch.arange(n) % 2
    z = torch.stack([10 * torch.randn(n, generator=draw), (2.0 * group - 1)], dim=1)
    pairs = torch.stack([torch.arange(n - 2), torch.arange(2, n)], dim=1)
    both = torch.cat([pairs, pairs.flip(1)]).numpy()
    adjacency = sp.csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(n, n))
    return z, SparseOperator(mean_matrix(adjacency)), pairs


def test_what_neighbours_share_comes_before_what_is_loud() -> None:
    z, operator, pairs = two_columns()
    axes = EdgeMoments.of(z, operator, torch.arange(len(z)), pairs).axes(ridge=0.01)
    first = axes[0].abs()
    assert first[1] > 5 * first[0]


def test_a_large_ridge_lets_the_loud_column_count_for_more() -> None:
    z, operator, pairs = two_columns()
    moments = EdgeMoments.of(z, operator, torch.arange(len(z)), pairs)
    tilted = [float(axes[0, 0].abs() / axes[0, 1].abs()) for axes in moments.paths((0.01, 100.0))]
    assert tilted[1] > tilted[0]


def test_the_codes_are_canonical_variates() -> None:
    """Without a ridge their spread is diagonal, and so is what the two ends share."""
    draw = torch.Generator().manual_seed(1)
    _, operator, pairs = two_columns()
    z = torch.randn(60, 4, generator=draw)
    moments = EdgeMoments.of(z, operator, torch.arange(60), pairs)
    axes = moments.axes(ridge=1e-9)
    spread = sum(m / m.trace() for m in moments.spread) / 2
    between = axes @ spread @ axes.T
    kept = between.diagonal() > 1e-6
    between = between[kept][:, kept]
    assert torch.allclose(between, torch.diag(between.diagonal()), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10.0))
def test_scaling_the_moments_is_scaling_the_columns(seed: int, factor: float) -> None:
    z, operator, pairs = two_columns(seed)
    rows = torch.arange(len(z))
    scale = torch.tensor([factor, 1.0])
    of_scaled = EdgeMoments.of(z * scale, operator, rows, pairs)
    scaled = EdgeMoments.of(z, operator, rows, pairs).scaled(scale.double())
    for one, other in zip(
        (*of_scaled.spread, *of_scaled.shared), (*scaled.spread, *scaled.shared), strict=True
    ):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4 * factor**2)


def test_without_edges_the_spread_decides() -> None:
    z, _, _ = two_columns()
    nothing = SparseOperator(sp.csr_array((len(z), len(z))))
    none = torch.zeros(0, 2, dtype=torch.int64)
    axes = EdgeMoments.of(z, nothing, torch.arange(len(z)), none).axes(ridge=1.0)
    assert axes[0].abs().argmax() == 0


@pytest.mark.parametrize("ridge", [1e-6, 1.0, 1e6])
def test_constant_columns_get_no_weight_in_the_first_axis(ridge: float) -> None:
    z, operator, pairs = two_columns()
    z = torch.cat([z, torch.ones(len(z), 1)], dim=1)
    axes = EdgeMoments.of(z, operator, torch.arange(len(z)), pairs).axes(ridge)
    assert torch.isfinite(axes).all()
    assert axes[0, 2].abs() < 1e-6 * axes[0].abs().max()


def test_the_moment_of_a_class_is_the_mean_over_its_pairs() -> None:
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(12, 3, generator=draw).double()
    classes = torch.tensor([[1, 0]] * 5 + [[0, 1]] * 7)
    x = z - z.mean(dim=0)
    expected = torch.zeros(3, 3, dtype=torch.float64)
    for nodes in (range(5), range(5, 12)):
        pairs = [torch.outer(x[a], x[b]) for a in nodes for b in nodes if a != b]
        expected += len(nodes) / 12 * torch.stack(pairs).mean(dim=0)
    assert torch.allclose(class_moment(z, classes), expected)


def test_random_labels_have_nothing_in_common() -> None:
    draw = torch.Generator().manual_seed(3)
    found = []
    for _ in range(200):
        z = torch.randn(20, 2, generator=draw)
        classes = torch.nn.functional.one_hot(torch.arange(20) % 2, 2)
        found.append(class_moment(z, classes))
    # About the mean of all 20, two of them have -1/19 in common.
    assert torch.stack(found).mean(dim=0).abs().max() < 0.1


def test_labels_turn_the_first_axis() -> None:
    z, operator, pairs = two_columns()
    moments = EdgeMoments.of(z, operator, torch.arange(len(z)), pairs)
    loud = torch.stack([z[:, 0] > 0, z[:, 0] <= 0], dim=1)
    alike = class_moment(z, loud)
    assert moments.hearing(alike, 0.0).axes(0.01)[0].abs().argmax() == 1
    assert moments.hearing(alike, 0.9).axes(0.01)[0].abs().argmax() == 0
