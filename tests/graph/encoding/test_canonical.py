"""Directions that the ends of edges have in common."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.graph.encoding.canonical import EdgeMoments
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
