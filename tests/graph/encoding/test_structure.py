"""Features made from the edges alone."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.inputs import fit_preparation
from damrep.graph.encoding.structure import StructureBasis, fit_structure_basis, neighbours
from damrep.masking.validation import InputError
from tests.graph.samples import communities, random_adjacency, without_features

NAMES = [f"n{i}" for i in range(30)]


def bare(seed: int = 0, ids: list[str] | None = None) -> Graph:
    return without_features(communities(n=30, seed=seed, ids=ids))


def association(adjacency: sp.csr_array) -> np.ndarray:
    """log(p(v | u) / popularity(v)) on the edges, nothing below zero, entry by entry."""
    weights = adjacency.toarray().astype(np.float64)
    np.fill_diagonal(weights, 0)
    popularity = weights.sum(axis=0) ** 0.75
    popularity /= popularity.sum()
    result = np.zeros_like(weights)
    for u, v in np.argwhere(weights):
        result[u, v] = max(0.0, np.log(weights[u, v] / weights[u].sum() / popularity[v]))
    return result


@pytest.mark.parametrize(
    "adjacency",
    [
        communities(n=30).adjacency,
        random_adjacency(30, 1, directed=False, weighted=True),
        random_adjacency(30, 2, directed=True, weighted=True),
    ],
    ids=["unweighted", "weighted, loops", "directed, weighted, loops"],
)
def test_the_features_are_the_exact_factorisation(adjacency: sp.csr_array) -> None:
    graph = build_graph(adjacency)
    # Whom a node points to and who points to it take turns.
    ways = [graph.adjacency, graph.adjacency.T] if graph.directed else [graph.adjacency]
    basis = fit_structure_basis(graph, rank=30 * len(ways), seed=0)
    whole = basis.transform(graph)
    assert whole.dtype == np.float32 and whole.shape == (30, basis.axes.shape[1])
    for way, edges in enumerate(ways):
        z = whole[:, way :: len(ways)]
        left, values, _ = np.linalg.svd(association(edges))
        expected = left * np.sqrt(values)
        # The singular vectors have no sign of their own; inner products do not depend on it.
        np.testing.assert_allclose(z @ z.T, expected @ expected.T, atol=2e-3)
        # And the strongest come first.
        np.testing.assert_allclose((z * z).sum(axis=0)[:5], values[:5], rtol=1e-3)


def test_loops_are_no_structure_nor_directions_to_one_that_knows_none() -> None:
    graph = bare()
    arcs = build_graph(sp.triu(graph.adjacency))
    with_loops = build_graph(graph.adjacency + sp.diags_array(np.arange(30.0)))
    expected = fit_structure_basis(graph, 8, seed=0).transform(graph)
    basis = fit_structure_basis(with_loops, 8, seed=0)
    for other in (with_loops, graph, arcs):
        np.testing.assert_allclose(basis.transform(other), expected, atol=1e-5)


def test_neighbours_by_hand() -> None:
    graph = build_graph(np.array([[2.0, 1.0, 0], [0, 3.0, 1.0], [0, 0, 0]]))
    found = neighbours(graph)
    np.testing.assert_array_equal(found.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert found.nnz == 4, "no zeros are stored where the loops were"


def test_the_order_of_the_nodes_does_not_matter() -> None:
    graph = bare(ids=NAMES)
    basis = fit_structure_basis(graph, 8, seed=0)
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_allclose(
        basis.transform(graph.subgraph(order)), basis.transform(graph)[order], atol=1e-5
    )


def test_a_node_that_joins_has_the_features_of_one_with_the_same_edges() -> None:
    graph = bare(ids=NAMES)
    basis = fit_structure_basis(graph, 8, seed=0)
    grown = np.zeros((31, 31), dtype=np.float32)
    grown[:30, :30] = graph.adjacency.toarray()
    grown[30, :30] = grown[:30, 30] = grown[4, :30]
    z = basis.transform(build_graph(grown, node_ids=[*NAMES, "new"]))
    np.testing.assert_allclose(z[30], z[4], atol=1e-5)
    # Those with no edge to it are as they were.
    far = np.flatnonzero(grown[:30, 30] == 0)
    np.testing.assert_allclose(z[far], basis.transform(graph)[far], atol=1e-5)


def test_a_node_with_no_known_neighbour_is_at_zero() -> None:
    basis = fit_structure_basis(bare(ids=NAMES), 8, seed=0)
    edges = np.zeros((4, 4))
    edges[0, 1] = edges[1, 0] = edges[2, 3] = edges[3, 2] = 1
    z = basis.transform(build_graph(edges, node_ids=["n0", "a", "b", "c"]))
    assert z[1].any() and not z[[0, 2, 3]].any()


def test_strangers_only_are_nowhere_and_refused_without_features() -> None:
    others = bare(ids=[f"other {i}" for i in range(30)])
    basis = fit_structure_basis(bare(ids=NAMES), 8, seed=0)
    assert not basis.knows_any(others)
    assert not basis.transform(others).any()
    with pytest.raises(InputError, match="none of its node ids"):
        fit_preparation(bare(ids=NAMES), 8, seed=0).prepare(others)


def test_integer_ids_and_their_strings_are_the_same_nodes() -> None:
    graph = bare()
    basis = fit_structure_basis(graph, 8, seed=0)
    as_strings = bare(ids=[*map(str, range(29)), "x"])
    assert as_strings.node_ids.dtype == object
    z = basis.transform(as_strings)
    known = np.flatnonzero(graph.adjacency.toarray()[29] == 0)[:-1]
    np.testing.assert_allclose(z[known], basis.transform(graph)[known], atol=1e-5)


def test_isolated_nodes_have_no_features() -> None:
    graph = build_graph(sp.block_diag([bare().adjacency, sp.csr_array((3, 3))]))
    z = fit_structure_basis(graph, 8, seed=0).transform(graph)
    assert not z[30:].any() and np.isfinite(z).all()


def test_the_rank_is_at_most_that_of_the_graph() -> None:
    pair = np.zeros((5, 5))
    pair[0, 1] = pair[1, 0] = 1
    basis = fit_structure_basis(build_graph(pair), rank=5, seed=0)
    assert basis.axes.shape == (5, 2)
    assert fit_structure_basis(bare(), rank=3, seed=0).axes.shape == (30, 3)


@pytest.mark.parametrize("adjacency", [np.zeros((4, 4)), np.eye(4)], ids=["nothing", "loops"])
def test_no_edges_no_structure(adjacency: np.ndarray) -> None:
    with pytest.raises(InputError, match="neither features nor edges"):
        fit_structure_basis(build_graph(adjacency), 2, seed=0)


def test_popularity_by_hand() -> None:
    # A path of three: degrees 1, 2, 1.
    graph = build_graph(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    basis = fit_structure_basis(graph, 3, seed=0)
    assert isinstance(basis, StructureBasis)
    two = 2**0.75
    np.testing.assert_allclose(basis.popularity, np.array([1, two, 1]) / (2 + two))


def test_the_seed_decides(global_rng_untouched: None) -> None:
    first, again = (fit_structure_basis(bare(), 4, seed=0).axes for _ in range(2))
    np.testing.assert_array_equal(first, again)
