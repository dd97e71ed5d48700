"""From a graph to what an encoder reads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.inputs import ROW_LENGTH, GraphInputs, fit_preparation
from damrep.graph.encoding.propagation import SparseOperator, gcn_matrix, mean_matrix
from damrep.masking.validation import InputError
from tests.graph.samples import communities, random_adjacency, ring, without_features


def graph_with(features: object) -> Graph:
    n = features.shape[0]  # type: ignore[attr-defined]
    return build_graph(ring(n), features)


def prepared(graph: Graph) -> GraphInputs:
    return fit_preparation(graph, rank=4, seed=0).prepare(graph)


def dense(features: object) -> np.ndarray:
    return features.toarray() if sp.issparse(features) else np.asarray(features)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_counts_only_have_their_rows_scaled(as_sparse: bool) -> None:
    x = np.array([[3.0, 0, 4, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=np.float32)
    graph = graph_with(sp.csr_array(x) if as_sparse else x)
    preparation = fit_preparation(graph, rank=4, seed=0)
    assert preparation.offset is None and preparation.scale is None
    inputs = preparation.prepare(graph)
    assert sp.issparse(inputs.features) == as_sparse
    expected = ROW_LENGTH * np.array([[0.6, 0, 0.8, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    np.testing.assert_allclose(dense(inputs.features), expected, rtol=1e-6)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_measurements_are_standardised_by_column(as_sparse: bool) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50, 4)) * [1e-6, 1, 1e3, 1e6] + [1e-6, 0, -5e3, 1e7]).astype(np.float32)
    inputs = prepared(graph_with(sp.csr_array(x) if as_sparse else x))
    standard = (x - x.mean(axis=0, dtype=float)) / x.std(axis=0, dtype=float)
    expected = ROW_LENGTH * standard / np.linalg.norm(standard, axis=1, keepdims=True)
    np.testing.assert_allclose(dense(inputs.features), expected, atol=2e-2)


def test_the_standard_is_that_of_the_graph_fitted_on() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)).astype(np.float32)
    preparation = fit_preparation(graph_with(x), rank=4, seed=0)
    one = preparation.prepare(graph_with(x[:7])).features
    np.testing.assert_allclose(one, preparation.prepare(graph_with(x)).features[:7], atol=1e-5)


@pytest.mark.parametrize("value", [7.0, -1e-4, 1e8, 0.1])
def test_constant_columns_are_left_at_zero(value: float) -> None:
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    x[:, 1] = value
    features = prepared(graph_with(x)).features
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features[:, 1], 0, atol=1e-5)


@given(st.integers(0, 1000), st.integers(3, 20), st.integers(1, 6), st.booleans())
def test_every_row_has_one_length_or_none(seed: int, n: int, d: int, as_sparse: bool) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, d)) * (rng.random((n, d)) < rng.random())).astype(np.float32)
    features = dense(prepared(graph_with(sp.csr_array(x) if as_sparse else x)).features)
    lengths = np.linalg.norm(features, axis=1)
    assert (np.isclose(lengths, ROW_LENGTH, rtol=1e-4) | (lengths == 0)).all()
    assert features.dtype == np.float32


def test_huge_and_tiny_values_do_not_overflow() -> None:
    x = np.zeros((6, 5), dtype=np.float32)
    x[0, 0], x[1, :2], x[2, 2] = 1e38, 2e38, 1e-38
    for values in (x, sp.csr_array(x)):
        features = dense(prepared(graph_with(values)).features)
        np.testing.assert_allclose(np.linalg.norm(features[:3], axis=1), ROW_LENGTH, rtol=1e-6)
        assert not features[3:].any()


def test_the_matrices_are_those_of_the_undirected_graph_without_loops() -> None:
    adjacency = random_adjacency(12, 1, directed=True, weighted=True)
    graph = build_graph(adjacency, communities(n=12).features)
    inputs = prepared(graph)
    both = adjacency.toarray() + adjacency.toarray().T
    np.fill_diagonal(both, 0)
    np.testing.assert_allclose(inputs.adjacency.toarray(), both, rtol=1e-6)
    assert inputs.adjacency.nnz == np.count_nonzero(both)
    np.testing.assert_allclose(
        inputs.matrix.toarray(), gcn_matrix(sp.csr_array(both)).toarray(), rtol=1e-5
    )
    x = torch.eye(12)
    np.testing.assert_allclose((inputs.operator("gcn") @ x).numpy(), inputs.matrix.toarray())
    np.testing.assert_allclose(
        (inputs.operator("mean") @ x).numpy(),
        mean_matrix(sp.csr_array(both)).toarray(), rtol=1e-5, atol=1e-7,
    )  # fmt: skip
    assert (inputs.num_nodes, inputs.num_features) == (12, 12)


@pytest.mark.parametrize(("filled", "sparse"), [(0.01, True), (0.3, False)])
def test_features_reach_torch_in_the_form_that_is_fast(filled: float, sparse: bool) -> None:
    x = sp.random_array((40, 100), density=filled, random_state=0, format="csr", dtype=np.float32)
    inputs = prepared(graph_with(x))
    tensor = inputs.tensor()
    assert isinstance(tensor, SparseOperator) == sparse
    values = tensor @ torch.eye(100) if isinstance(tensor, SparseOperator) else tensor
    np.testing.assert_allclose(values.numpy(), inputs.features.toarray(), rtol=1e-6)


def test_structure_stands_in_for_features() -> None:
    graph = without_features(communities())
    preparation = fit_preparation(graph, rank=5, seed=0)
    assert preparation.num_features == 0 and preparation.structure is not None
    inputs = preparation.prepare(graph)
    assert inputs.num_features == 5
    structure = preparation.structure.transform(graph)
    expected = ROW_LENGTH * structure / np.linalg.norm(structure, axis=1, keepdims=True)
    np.testing.assert_allclose(inputs.features, expected, rtol=1e-4, atol=1e-5)


def test_other_features_than_fitted_on() -> None:
    graph = communities()
    with_features = fit_preparation(graph, rank=4, seed=0)
    without = fit_preparation(without_features(graph), rank=4, seed=0)
    with pytest.raises(InputError, match="3 features.* 12"):
        with_features.prepare(graph.with_features(np.ones((40, 3))))
    with pytest.raises(InputError, match="0 features.* 12"):
        with_features.prepare(without_features(graph))
    with pytest.raises(InputError, match="12 features.*without"):
        without.prepare(graph)


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("order", [[2, 0, 1], [0, 1, 2], [1, 2, 0]])
def test_columns_are_taken_by_name(order: list[int], as_sparse: bool) -> None:
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    names = ["age", "height", "x"]

    def graph(columns: list[int]) -> Graph:
        values = sp.csr_array(x[:, columns]) if as_sparse else x[:, columns]
        return graph_with(values).with_features(values, [names[i] for i in columns])

    preparation = fit_preparation(graph([0, 1, 2]), rank=4, seed=0)
    expected = dense(preparation.prepare(graph([0, 1, 2])).features)
    np.testing.assert_array_equal(dense(preparation.prepare(graph(order)).features), expected)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["age", "size", "x"], "no column 'height', which the model was fitted on; 'size' was not"),
        (["a", "b", "c"], "no column 'age' and 2 more, .* fitted on; 'a' and 2 more were not"),
        (["age", "x"], "no column 'height', which the model was fitted on$"),
        (["age", "height", "x", "z"], "column 'z' was not there when the model was fitted"),
        (["age", "height", "x", "x"], "column 'x' comes twice"),
    ],
)
def test_other_columns_are_refused_by_name(names: list[str], message: str) -> None:
    rng = np.random.default_rng(0)
    fitted = graph_with(rng.normal(size=(30, 3))).with_features(
        rng.normal(size=(30, 3)), ["age", "height", "x"]
    )
    other = fitted.with_features(rng.normal(size=(30, len(names))), names)
    with pytest.raises(InputError, match=message) as caught:
        fit_preparation(fitted, rank=4, seed=0).prepare(other)
    assert "\n" not in str(caught.value)


def test_names_that_come_twice_are_taken_as_they_came() -> None:
    x = np.random.default_rng(0).normal(size=(30, 3))
    graph = graph_with(x).with_features(x, ["a", "a", "b"])
    preparation = fit_preparation(graph, rank=4, seed=0)
    preparation.prepare(graph)
    with pytest.raises(InputError, match="column 'a' comes twice"):
        preparation.prepare(graph.with_features(x, ["a", "b", "a"]))
    with pytest.raises(InputError, match="column 'a' comes twice"):
        preparation.prepare(graph.with_features(x[:, :2], ["b", "a"]))


def test_names_on_one_side_only_are_said_to_be_no_help() -> None:
    x = np.random.default_rng(0).normal(size=(30, 2))
    bare = graph_with(x)
    named = bare.with_features(x, ["age", "height"])
    for first, second, message in (
        (named, bare, "these have no names, so they are taken in their order, 'age' first"),
        (bare, named, "fitted on columns without names, so they are taken .* 'age' first"),
    ):
        with pytest.warns(UserWarning, match=message):
            fit_preparation(first, rank=4, seed=0).prepare(second)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_graph_is_left_alone(as_sparse: bool) -> None:
    graph = communities()
    if as_sparse:
        x = sp.csr_array(graph.features)
        x.data[::3] = 0  # stored all the same
        graph = graph.with_features(x)
    before = dense(graph.features).copy(), graph.adjacency.toarray()
    inputs = prepared(graph)
    inputs.tensor()
    inputs.operator("gcn")
    np.testing.assert_array_equal(dense(graph.features), before[0])
    np.testing.assert_array_equal(graph.adjacency.toarray(), before[1])
