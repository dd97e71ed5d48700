"""The spectral basis is exact principal component analysis of the smoothed features."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.graph.encoding.propagation import gcn_matrix, smooth
from damrep.graph.encoding.spectral import fit_spectral_basis, truncated_svd
from tests.graph.samples import communities, random_adjacency


def exact(matrix: sp.csr_array, features: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal coordinates (n, d) and axes (d, d) of the smoothed features, strongest last."""
    smoothed = smooth(matrix.astype(np.float64), features.astype(np.float64), steps, average=True)
    centred = smoothed - smoothed.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    return (left * values)[:, ::-1], right.T[:, ::-1]


def align(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Columns of `found` with the signs of `wanted`."""
    return found * np.sign((found * wanted).sum(axis=0))


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("steps", [1, 4])
def test_it_is_pca_of_the_smoothed_features(as_sparse: bool, steps: int) -> None:
    graph = communities(n=60, d=15)
    x = graph.features
    matrix = gcn_matrix(graph.adjacency)
    basis = fit_spectral_basis(
        (matrix,), sp.csr_array(x) if as_sparse else x, rank=6, steps=steps, seed=0
    )
    coordinates, axes = exact(matrix, x, steps)
    z = basis.transform((matrix,), sp.csr_array(x) if as_sparse else x)
    assert z.dtype == np.float32 and z.shape == (60, 6)
    np.testing.assert_allclose(align(z, coordinates[:, -6:]), coordinates[:, -6:], atol=2e-3)
    np.testing.assert_allclose(align(basis.axes, axes[:, -6:]), axes[:, -6:], atol=1e-2)


def test_a_directed_matrix_is_not_its_transpose() -> None:
    adjacency = random_adjacency(40, 2, directed=True, weighted=True)
    matrix = gcn_matrix(adjacency)
    x = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    basis = fit_spectral_basis((matrix,), x, rank=8, steps=3, seed=0)
    coordinates, _ = exact(matrix, x, 3)
    z = basis.transform((matrix,), x)
    np.testing.assert_allclose(align(z, coordinates), coordinates, atol=5e-3)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-5)


def test_another_graph_is_projected_on_the_same_axes() -> None:
    first, second = communities(seed=0), communities(n=25, seed=1)
    matrix = gcn_matrix(first.adjacency)
    basis = fit_spectral_basis((matrix,), first.features, rank=5, steps=3, seed=0)
    other = gcn_matrix(second.adjacency)
    smoothed = smooth(other, second.features, 3, average=True)
    mean = smooth(matrix, first.features, 3, average=True).mean(axis=0)
    np.testing.assert_allclose(
        basis.transform((other,), second.features), (smoothed - mean) @ basis.axes, atol=1e-4
    )


@pytest.mark.parametrize(
    ("n", "d", "rank", "expected"), [(10, 4, 8, 4), (5, 9, 8, 5), (6, 1, 1, 1)]
)
def test_the_rank_is_at_most_what_there_is(n: int, d: int, rank: int, expected: int) -> None:
    matrix = gcn_matrix(random_adjacency(n, 0, directed=False, weighted=False))
    x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    assert fit_spectral_basis((matrix,), x, rank, steps=2, seed=0).axes.shape == (d, expected)


def test_the_seed_decides_and_the_global_generator_is_left_alone(
    global_rng_untouched: None,
) -> None:
    graph = communities(n=60, d=30)
    matrix = gcn_matrix(graph.adjacency)
    first, again, other = (
        fit_spectral_basis((matrix,), graph.features, 5, steps=2, seed=seed).axes
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 20), st.integers(2, 20), st.integers(1, 6))
def test_truncated_svd_is_svd(seed: int, rows: int, columns: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    size = min(rows, columns)
    left, right = (np.linalg.qr(rng.normal(size=(n, size)))[0] for n in (rows, columns))
    values = 2.0 ** -np.arange(size)
    m = (left * values) @ right.T
    u, s, v = truncated_svd(lambda b: m @ b, lambda b: m.T @ b, columns, rank, seed)
    kept = min(rank, size)
    np.testing.assert_allclose(s[:kept], values[:kept], rtol=1e-4)
    np.testing.assert_allclose(
        (u[:, :kept] * s[:kept]) @ v[:, :kept].T,
        (left[:, :kept] * values[:kept]) @ right[:, :kept].T,
        atol=1e-4,
    )
    np.testing.assert_allclose(v[:, :kept].T @ v[:, :kept], np.eye(kept), atol=1e-4)
