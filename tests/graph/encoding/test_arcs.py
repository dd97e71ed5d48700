"""Direction: propagation by hand, pairs that play one part, groups that only arcs tell apart."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep.graph import as_graph
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.arcs import RoundTrips, arc_matrix, companions
from damrep.graph.encoding.inputs import fit_preparation
from damrep.graph.encoding.propagation import gcn_matrix
from damrep.graph.encoding.structure import fit_structure_basis
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.probe import label_split, linear_probe
from damrep.masking.validation import InputError
from tests.graph.samples import communities, random_adjacency


def ring(n: int = 240, degree: int = 40, seed: int = 0) -> Graph:
    """Three groups: as many edges between any two, but 9 of 10 arcs go round 0 -> 1 -> 2 -> 0."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    u, v = rng.integers(0, n, (2, n * degree // 2))
    u, v = u[u != v], v[u != v]
    turned = ((group[v] - group[u]) % 3 == 2) ^ (rng.random(len(u)) < 0.1)
    arcs = (np.where(turned, v, u), np.where(turned, u, v))
    matrix = sp.csr_array(sp.coo_array((np.ones(len(u)), arcs), shape=(n, n)))
    matrix.data[:] = 1.0
    return build_graph(matrix, labels=group)


def fit(graph: Any, **changes: Any) -> DAMGraphEmbedding:
    arguments = {"max_components": 24, "max_epochs": 10, "random_state": 0, "strategy": "search"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DAMGraphEmbedding(**{**arguments, "directed": True, **changes}).fit(graph)


def told(model: DAMGraphEmbedding, graph: Graph) -> float:
    split = label_split(graph, 0, (0.3, 0.2))
    assert graph.labels is not None
    return linear_probe(model.embedding_, graph.labels, split).accuracy


# -- by hand


def test_propagation_along_arcs() -> None:
    # 0 -> 1 -> 2 and loops: out-degrees 2, 2, 1, in-degrees 1, 2, 2.
    found = arc_matrix(sp.csr_array(np.eye(3, k=1))).toarray()
    a, b = 1 / np.sqrt(2), 1 / 2
    np.testing.assert_allclose(found, [[a, b, 0], [0, b, b], [0, 0, a]], rtol=1e-6)
    x = torch.eye(3)
    np.testing.assert_allclose(
        RoundTrips(arc_matrix(sp.csr_array(np.eye(3, k=1)))) @ x,
        (found @ found.T + found.T @ found) / 2,
        rtol=1e-6,
    )


def test_of_an_undirected_graph_it_is_the_usual_one() -> None:
    matrix = random_adjacency(20, 0, directed=False, weighted=True)
    np.testing.assert_allclose(
        arc_matrix(matrix).toarray(), gcn_matrix(matrix).toarray(), atol=1e-6
    )


def test_pairs_are_those_that_point_alike() -> None:
    # 0 and 1 point to 2; 3 points to 4 and 5.
    arcs = np.array([[0, 2], [1, 2], [3, 4], [3, 5]])
    matrix = sp.csr_array(sp.coo_array((np.ones(4), arcs.T), shape=(6, 6)))
    drawn = np.concatenate(
        [companions(matrix, arcs, np.random.default_rng(seed)) for seed in range(20)]
    )
    assert {tuple(sorted(pair)) for pair in drawn.tolist()} == {(0, 1), (4, 5)}
    graph = build_graph(matrix)
    inputs = fit_preparation(graph, rank=4, seed=0).prepare(graph)
    assert {tuple(pair) for pair in inputs.pairs(0).tolist()} <= {(0, 1), (4, 5), (0, 2)}


def test_without_such_pairs_the_arcs_are_taken() -> None:
    path = build_graph(np.eye(5, k=1))
    inputs = fit_preparation(path, rank=4, seed=0).prepare(path)
    assert inputs.pairs(0).tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]


def test_places_among_sources_and_targets_in_turn() -> None:
    # 0, 1 -> 2, 3 and 4, 5 -> 6, 7.
    matrix = np.zeros((8, 8))
    matrix[:2, 2:4] = matrix[4:6, 6:] = 1
    graph = build_graph(matrix)
    places = fit_structure_basis(graph, rank=4, seed=0).transform(graph)
    sources, targets = places[:, 0::2], places[:, 1::2]
    for part, ends in ((sources, [0, 1, 4, 5]), (targets, [2, 3, 6, 7])):
        a, b, c, d = part[ends]
        np.testing.assert_allclose([a, c], [b, d], atol=1e-5)
        assert np.linalg.norm(a) > 0.1 and abs(a @ c) < 1e-5
        np.testing.assert_allclose(np.delete(part, ends, axis=0), 0, atol=1e-6)


def test_where_all_arcs_lead_to_one_node_sources_have_no_places() -> None:
    star = build_graph(np.outer([0, 1, 1, 1], [1, 0, 0, 0]))
    assert fit_structure_basis(star, rank=4, seed=0).transform(star).shape == (4, 2)


# -- groups that only the direction tells apart


@pytest.mark.parametrize(
    ("features", "changes"),
    [(False, {"strategy": "mask"}), (False, {}), (True, {"n_components": 8})],
)
def test_groups_that_differ_only_in_the_direction_of_their_arcs(
    features: bool, changes: dict[str, Any]
) -> None:
    graph = ring()
    if features:
        graph = graph.with_features(np.random.default_rng(0).normal(size=(240, 4)))
    assert told(fit(graph, **changes), graph) > 0.85
    assert told(fit(graph, **{**changes, "directed": False, "strategy": "search"}), graph) < 0.5


# -- what is kept


@pytest.mark.parametrize("features", [False, True])
def test_saved_models_keep_the_direction(features: bool, tmp_path: Path) -> None:
    graph = ring(90, 20)
    if features:
        graph = graph.with_features(np.random.default_rng(0).normal(size=(90, 4)))
    model = fit(graph, n_components=6)
    model.save(tmp_path / "model")
    again = DAMGraphEmbedding.load(tmp_path / "model")
    assert again.directed
    np.testing.assert_array_equal(again.transform(graph), model.transform(graph))
    np.testing.assert_allclose(model.transform(graph), model.embedding_, atol=1e-5)
    assert again.graph_ is not None
    np.testing.assert_array_equal(again.graph_.adjacency.toarray(), graph.adjacency.toarray())
    turned = graph.with_adjacency(graph.adjacency.T)
    assert np.abs(again.transform(turned) - model.embedding_).max() > 0.1


def test_new_arcs_are_joined_as_arcs() -> None:
    graph = ring(90, 20)
    model = fit(graph, n_components=6)
    out = [(90, int(v)) for v in np.flatnonzero(graph.labels == 1)[:12]]
    back = [(v, u) for u, v in out]
    whole = as_graph([*map(tuple, graph.edges().tolist()), *out], directed=True)
    order = [*range(90), 90]
    assert whole.node_ids.tolist() == order
    joined = model.transform(out, join=True)
    ids = sorted({node for pair in out for node in pair})
    np.testing.assert_allclose(joined, model.transform(whole)[ids], atol=1e-4)
    assert np.abs(model.transform(back, join=True)[-1] - joined[-1]).max() > 0.1


def test_lists_and_frames_are_lists_of_arcs() -> None:
    graph = ring(60, 16)
    pairs = [(f"n{u:02}", f"n{v:02}") for u, v in graph.edges().tolist()]
    one, other = fit(graph, n_components=4), fit(pairs, n_components=4)
    np.testing.assert_allclose(one.embedding_, other.embedding_, atol=1e-4)


# -- what is said


def test_direction_of_an_undirected_graph_is_no_news_and_is_said() -> None:
    model, plain = fit(communities()), fit(communities(), directed=False)
    (note,) = [text for text in model.report_.warnings if "directed" in text]
    assert note == (
        "directed=True (--directed) changes nothing: every edge of the graph goes both ways"
    )
    np.testing.assert_array_equal(model.embedding_, plain.embedding_)


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="directed must be True or False, got 'yes'"):
        DAMGraphEmbedding(directed="yes").fit(communities())
    with pytest.raises(InputError, match='goes with no objective="supervised"'):
        DAMGraphEmbedding(directed=True, objective="supervised").fit(communities())
