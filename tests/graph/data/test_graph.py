"""The Graph itself: what it counts, what it refuses, what its copies keep."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from damrep.graph.data.adjacency import (
    adjacency_from_edges,
    canonical_adjacency,
    is_symmetric,
    symmetrise,
)
from damrep.graph.data.graph import build_graph
from damrep.graph.data.labels import encode_labels
from damrep.masking.validation import InputError

PATH = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])


def test_path_of_three():
    graph = build_graph(PATH, np.arange(6).reshape(3, 2), name="path")
    assert (graph.num_nodes, graph.num_edges, graph.num_features) == (3, 2, 2)
    assert not graph.directed and not graph.is_weighted and not graph.has_self_loops
    assert graph.adjacency.dtype == np.float32 and graph.features.dtype == np.float32
    assert graph.node_ids.tolist() == [0, 1, 2]
    assert graph.edges().tolist() == [[0, 1], [1, 2]]


def test_loops_are_one_edge_each():
    graph = build_graph(np.array([[1, 1], [1, 0]]))
    assert graph.has_self_loops and graph.num_edges == 2
    assert graph.edges().tolist() == [[0, 0], [0, 1]]


def test_directed_is_what_the_matrix_says():
    arcs = np.array([[0, 2.0], [0, 0]])
    graph = build_graph(arcs)
    assert graph.directed and graph.is_weighted and graph.num_edges == 1
    undirected = graph.symmetrised()
    assert not undirected.directed
    assert undirected.adjacency.toarray().tolist() == [[0, 2], [2, 0]]
    assert undirected.symmetrised() is undirected


def test_one_isolated_node_is_a_graph():
    graph = build_graph(np.zeros((1, 1)))
    assert graph.num_nodes == 1 and graph.num_edges == 0 and not graph.directed


def test_stored_zeros_are_no_edges_and_duplicates_are_summed():
    coo = sp.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    graph = build_graph(coo)
    assert graph.adjacency.nnz == 1 and graph.adjacency[0, 1] == 3


def test_the_matrix_given_is_not_changed():
    coo = sp.csr_array(np.array([[0, 1.0], [1.0, 0]]))
    build_graph(coo).adjacency.data[:] = 7
    assert coo.data.tolist() == [1, 1]


def test_symmetry_up_to_rounding_is_made_exact():
    graph = build_graph(np.array([[0, 0.3], [0.3 * (1 + 1e-7), 0]]))
    assert not graph.directed
    assert graph.adjacency[0, 1] == graph.adjacency[1, 0]


def test_sparse_features_stay_sparse():
    graph = build_graph(PATH, sp.eye_array(3, format="coo"))
    assert isinstance(graph.features, sp.csr_array)
    assert graph.subgraph(np.array([2, 0])).features.toarray().tolist() == [[0, 0, 1], [1, 0, 0]]


def test_subgraph_takes_everything_along():
    graph = build_graph(
        PATH,
        np.arange(3)[:, None],
        node_ids=["a", "b", "c"],
        labels=["x", "y", "x"],
        splits={"train": np.array([True, False, True])},
    )
    part = graph.subgraph(np.array([2, 1]))
    assert part.node_ids.tolist() == ["c", "b"]
    assert part.features.ravel().tolist() == [2, 1]
    assert part.labels.tolist() == [0, 1] and part.label_names == ("x", "y")
    assert part.splits["train"].tolist() == [True, False]
    assert part.adjacency.toarray().tolist() == [[0, 1], [1, 0]]
    assert graph.subgraph(np.array([True, False, True])).num_edges == 0


@pytest.mark.parametrize("nodes", [[], [0, 0], [3], [-1]])
def test_subgraph_refuses(nodes):
    with pytest.raises(InputError, match="nodes"):
        build_graph(PATH).subgraph(np.array(nodes, dtype=int))


def test_without_edges_takes_both_directions_of_an_edge_and_one_of_an_arc():
    assert build_graph(PATH).without_edges(np.array([[1, 0]])).edges().tolist() == [[1, 2]]
    arcs = build_graph(np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]]))
    rest = arcs.without_edges(np.array([[1, 0]]))
    assert rest.edges().tolist() == [[0, 1], [1, 2]]


def test_with_others():
    graph = build_graph(PATH, np.eye(3), labels=[0, 1, 0])
    assert graph.with_features(None).features is None
    assert graph.with_features(np.ones((3, 1)), ["one"]).feature_names == ("one",)
    assert graph.with_adjacency(np.triu(PATH)).directed
    assert graph.with_labels(None).label_names is None
    with pytest.raises(InputError, match=r"shape \(2, 2\) for a graph of 3 nodes"):
        graph.with_adjacency(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), "square"),
        (np.zeros((0, 0)), "no nodes"),
        (np.array([[0, -1.0], [0, 0]]), "from node 0 to node 1 has weight -1"),
        (np.array([[0, 0], [np.nan, 0]]), "from node 1 to node 0 has weight nan"),
        (np.array([[0, 1e300], [0, 0]]), "fits float32"),
    ],
)
def test_bad_adjacency(matrix, message):
    with pytest.raises(InputError, match=message):
        build_graph(matrix)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"features": np.ones((2, 4))}, "got 2 rows for 3 nodes"),
        ({"features": np.ones(3)}, r"expected shape \(nodes, columns\)"),
        ({"features": np.ones((3, 0))}, r"expected shape \(nodes, columns\)"),
        ({"node_ids": ["a", "b"]}, "got 2 ids for 3 nodes"),
        ({"node_ids": ["a", "b", "a"]}, "'a' comes more than once"),
        ({"node_ids": ["a", None, "b"]}, "row 2 has an empty id"),
        ({"labels": [0, 1]}, "got 2 labels for 3 nodes"),
        ({"labels": [0, 1, -7]}, "entry 2 is -7"),
        ({"labels": [0.5, 1, 1]}, "entry 0 is 0.5"),
        ({"labels": [[1, 0], [2, 0], [0, 1]]}, "must be 0 or 1"),
        ({"labels": [0, 1, 5], "label_names": ["a", "b"]}, "class 5 has no name"),
        ({"splits": {"holdout": np.ones(3, bool)}}, "'holdout' is not one of train, val, test"),
        ({"splits": {"train": np.ones(2, bool)}}, r"shape \(2,\) for 3 nodes"),
    ],
)
def test_parts_that_do_not_fit(parts, message):
    with pytest.raises(InputError, match=message) as caught:
        build_graph(PATH, **parts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("sparse", [False, True])
def test_bad_feature_names_node_and_column(value, sparse):
    features = np.ones((3, 2))
    features[1, 1] = value
    with pytest.raises(InputError, match="node 'q', column 'age' is"):
        build_graph(
            PATH,
            sp.csr_array(features) if sparse else features,
            node_ids=["p", "q", "r"],
            feature_names=["size", "age"],
        )


def test_wrong_types():
    with pytest.raises(TypeError, match="expected numbers"):
        build_graph(PATH, np.array([["a"], ["b"], ["c"]]))
    with pytest.raises(TypeError, match="expected numbers"):
        build_graph(np.array([["a", "b"], ["c", "d"]]))


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (["b", "", "a", None], [1, -1, 0, -1], ("a", "b")),
        (["10", "9", "-1"], [1, 0, -1], ("9", "10")),
        ([3.0, np.nan, 5.0], [0, -1, 1], ("3", "5")),
        ([True, False], [1, 0], ("False", "True")),
        (np.array([[2], [1]]), [1, 0], ("1", "2")),
        ([-1, -1], [-1, -1], ()),
    ],
)
def test_labels_become_class_numbers(labels, codes, names):
    got, called = encode_labels(labels, len(labels))
    assert got.tolist() == codes and called == names


def test_memberships_and_given_names():
    codes, names = encode_labels(np.array([[1, 0], [1, 1]]), 2)
    assert codes.dtype == bool and names == ("0", "1")
    codes, names = encode_labels([1, 1], 2, ["never", "always"])
    assert codes.tolist() == [1, 1] and names == ("never", "always")


edges = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.5, 1.0, 2.0])), max_size=30
)


@given(edges)
def test_edges_sum_as_a_dense_matrix_does(rows):
    u, v, w = (np.array([row[i] for row in rows]) for i in range(3))
    dense = np.zeros((6, 6))
    for a, b, weight in rows:
        dense[a, b] += weight
    got = adjacency_from_edges(u.astype(int), v.astype(int), w.astype(float), 6)
    assert np.array_equal(got.toarray(), dense)
    plain = adjacency_from_edges(u.astype(int), v.astype(int), None, 6)
    assert np.array_equal(plain.toarray(), dense > 0)


@given(edges)
def test_symmetrise_is_symmetric_and_idempotent(rows):
    dense = np.zeros((6, 6))
    for a, b, weight in rows:
        dense[a, b] += weight
    arcs = canonical_adjacency(dense)
    both = symmetrise(arcs)
    assert is_symmetric(both)
    assert np.array_equal(symmetrise(both).toarray(), both.toarray())
    assert np.array_equal(both.toarray() > 0, (dense + dense.T) > 0)
    if not is_symmetric(arcs) and not (dense[dense > 0] == 1).all():
        expected = dense + dense.T - np.diag(np.diag(dense))
        assert np.array_equal(both.toarray(), expected)
