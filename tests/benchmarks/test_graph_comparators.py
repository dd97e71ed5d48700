from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import iv

from benchmarks.comparators import graphs
from benchmarks.comparators.graphs import (
    FACTORISED,
    TooLargeError,
    fastrp_embedding,
    netmf_embedding,
    netmf_matrix,
    prone_embedding,
)


def planted(
    sizes: tuple[int, ...] = (25, 25, 25), seed: int = 0
) -> tuple[sp.csr_matrix, np.ndarray]:
    """Groups of nodes with many edges inside and few between, and one node without an edge."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(groups[:, None] == groups[None, :], 0.5, 0.03)
    upper = np.triu(rng.random(chance.shape) < chance, k=1)
    whole = np.zeros((len(groups) + 1,) * 2, dtype=np.float32)
    whole[:-1, :-1] = upper | upper.T
    return sp.csr_matrix(whole), groups


@pytest.mark.parametrize("name", sorted(FACTORISED))
def test_planted_groups_are_told_apart(name: str, global_rng_untouched: None) -> None:
    graph, groups = planted()
    rows = FACTORISED[name](graph, 8, 0)
    assert rows.shape == (76, 8) and rows.dtype == np.float32
    assert not rows[-1].any(), "a node without an edge is unknown"
    nodes = rows[:-1]
    centres = np.stack([nodes[groups == g].mean(axis=0) for g in range(3)])
    distance = ((nodes[:, None, :] - centres[None]) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == groups).mean() > 0.9


@pytest.mark.parametrize("name", sorted(FACTORISED))
def test_the_same_seed_gives_the_same_and_no_edges_give_nothing(name: str) -> None:
    graph, _ = planted()
    assert np.array_equal(FACTORISED[name](graph, 4, 3), FACTORISED[name](graph, 4, 3))
    assert not FACTORISED[name](sp.csr_matrix((5, 5)), 2, 0).any()
    assert FACTORISED[name](sp.csr_matrix(np.ones((3, 3))), 7, 0).shape == (3, 7)


def test_netmf_is_its_formula_computed_densely() -> None:
    graph, _ = planted((6, 6))
    a = graph.toarray()[:-1, :-1].astype(float)
    walk = a / a.sum(axis=1, keepdims=True)
    total = sum(np.linalg.matrix_power(walk, r) for r in range(1, 11))
    m = a.sum() / 10 * total / a.sum(axis=0)
    target = np.log(np.maximum(m, 1.0))
    assert netmf_matrix(a) == pytest.approx(target, abs=1e-4)
    u, s, _ = np.linalg.svd(target)
    dense = (u * np.sqrt(s))[:, :3]
    found = netmf_embedding(a, 3, 0).astype(float)
    # Up to the signs of the columns.
    assert np.abs(found) == pytest.approx(np.abs(dense), abs=1e-3)


def test_netmf_refuses_what_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "NETMF_LARGEST", 70)
    with pytest.raises(TooLargeError, match="up to 70 nodes only: its matrix of 76 is dense"):
        netmf_embedding(planted()[0], 4, 0)


def test_prone_is_its_formulas_computed_densely() -> None:
    graph, _ = planted((8, 8))
    a = graph.toarray()[:-1, :-1].astype(float)
    n = len(a)
    walk = a / a.sum(axis=1, keepdims=True)
    null = walk.sum(axis=0) ** 0.75
    edges = a > 0
    target = np.zeros_like(a)
    target[edges] = np.log(walk[edges]) - np.log((a * (null / null.sum()))[edges])
    u, s, _ = np.linalg.svd(target)
    rows = (u * np.sqrt(s))[:, :4]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    looped = a + np.eye(n)
    laplacian = np.eye(n) - looped / looped.sum(axis=1, keepdims=True)
    shifted = laplacian - 0.2 * np.eye(n)
    # T_k of ((L - mu)^2 - 2) / 2: the Chebyshev polynomials by their recurrence.
    x = 0.5 * shifted @ shifted - np.eye(n)
    polynomials = [np.eye(n), x]
    for _ in range(8):
        polynomials.append(2 * x @ polynomials[-1] - polynomials[-2])
    series = iv(0, 0.5) * polynomials[0]
    series = series + sum(2 * (-1) ** k * iv(k, 0.5) * polynomials[k] for k in range(1, 10))
    u, s, _ = np.linalg.svd(looped @ (rows - series @ rows), full_matrices=False)
    dense = u * np.sqrt(s)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    found = prone_embedding(a, 4, 0).astype(float)
    assert np.abs(found) == pytest.approx(np.abs(dense), abs=1e-4)


def test_fastrp_is_its_formula_computed_densely() -> None:
    graph, _ = planted((6, 6))
    a = graph.toarray()[:-1, :-1].astype(float)
    walk = a / a.sum(axis=1, keepdims=True)
    signs = np.random.default_rng(5).choice((-1.0, 0.0, 1.0), size=(12, 4), p=(1 / 6, 2 / 3, 1 / 6))
    projected = np.diag((a.sum(axis=1) / a.sum()) ** -0.5) @ signs * np.sqrt(3)
    dense = 2 * walk @ projected + 3 * walk @ walk @ projected
    dense = (dense - dense.mean(axis=0)) / dense.std(axis=0)
    found = fastrp_embedding(a, 4, 5, weights=(2.0, 3.0), strength=-0.5)
    assert found == pytest.approx(dense, abs=1e-4)
