"""New nodes and edges beside the graph a model was fitted on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from damrep.graph.data.convert import as_graph
from damrep.graph.data.frames import feature_rows
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.structure import neighbours
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.joining import KEPT_BYTES, FittedNodes
from damrep.masking.validation import InputError
from tests.graph.samples import communities, without_features

NAMES = np.array([f"u{i}" for i in range(40)], dtype=object)
NEW_EDGES = [("new", "u3"), ("new", "u5"), ("new", "u7")]


def nodes_of(graph: Graph, keep: bool | str = True) -> FittedNodes:
    return FittedNodes.of(graph.symmetrised(), keep)


def plain(features: Any, names: Any) -> Any:
    return features


def fit(graph: Graph, **changes: Any) -> DAMGraphEmbedding:
    arguments = {"max_components": 16, "max_epochs": 5, "random_state": 0, "device": "cpu"}
    return DAMGraphEmbedding(**{**arguments, **changes}).fit(graph)


def featured() -> Graph:
    return communities(ids=NAMES)


def edge_list(graph: Graph) -> list[tuple[str, str]]:
    return [(graph.node_ids[u], graph.node_ids[v]) for u, v in graph.edges()]


# -- the joined graph

edges = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=20)


@given(edges, edges)
def test_joined_edges_are_those_of_both_lists(old: Any, new: Any) -> None:
    first, second = ([(f"n{u}", f"n{v}") for u, v in pairs] for pairs in (old, new))
    fitted = nodes_of(as_graph(first))
    part = as_graph(second)
    if not fitted.known(part.node_ids).any():
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joined = fitted.join(part, None, plain)
    both = as_graph(first + second)
    place = {name: i for i, name in enumerate(joined.graph.node_ids)}
    order = [place[name] for name in both.node_ids]
    assert len(place) == both.num_nodes
    without_loops = neighbours(both).toarray()
    assert np.array_equal(joined.graph.adjacency.toarray()[np.ix_(order, order)], without_loops)
    assert joined.node_ids.tolist() == part.node_ids.tolist()
    assert joined.graph.node_ids[joined.rows].tolist() == part.node_ids.tolist()


def test_what_is_there_already_is_joined_without_a_change() -> None:
    graph = featured()
    for part in (graph, graph.subgraph(np.arange(9)), graph.with_features(None)):
        joined = nodes_of(graph).join(part, None, plain)
        assert np.array_equal(joined.graph.adjacency.toarray(), graph.adjacency.toarray())
        assert np.array_equal(joined.graph.features, graph.features)


def test_an_edge_that_is_there_takes_the_new_weight() -> None:
    old = as_graph([("a", "b", 2.0), ("b", "c", 3.0)])
    joined = nodes_of(old).join(as_graph([("b", "a", 5.0), ("a", "d", 1.0)]), None, plain).graph
    assert joined.node_ids.tolist() == ["a", "b", "c", "d"]
    assert joined.adjacency.toarray().tolist() == [
        [0, 5, 0, 1], [5, 0, 3, 0], [0, 3, 0, 0], [1, 0, 0, 0],
    ]  # fmt: skip


def test_arcs_are_joined_as_the_edges_they_are_taken_for() -> None:
    old = as_graph([("a", "b"), ("b", "c"), ("c", "a")], directed=True)
    joined = nodes_of(old).join(as_graph([("c", "d")], directed=True), None, plain).graph
    assert not joined.directed and joined.num_edges == 4


def test_ids_of_another_kind_are_matched_as_they_are_written() -> None:
    old = as_graph([(1, 2), (2, 30)])
    joined = nodes_of(old).join(as_graph([("2", "x")]), None, plain)
    assert joined.graph.node_ids.tolist() == ["1", "2", "30", "x"]
    assert joined.rows.tolist() == [1, 3]


@pytest.mark.parametrize("as_sparse", [False, True])
def test_features_of_new_nodes_and_changed_ones(as_sparse: bool) -> None:
    graph = featured()
    if as_sparse:
        graph = graph.with_features(sp.csr_array(graph.features))
    rows = np.ones((3, 12), dtype=np.float32)
    rows[2] = np.asarray(communities().features)[5]
    table = feature_rows(pd.DataFrame(rows, index=["new", "u3", "u5"]))
    with pytest.warns(UserWarning, match="1 nodes of the graph fitted on have other.* 'u3'"):
        joined = nodes_of(graph).join(as_graph(NEW_EDGES), table, plain)
    features = joined.graph.features
    features = features.toarray() if sp.issparse(features) else features
    expected = np.vstack([communities().features, rows[:1]])
    expected[3] = 1.0
    assert np.array_equal(features, expected)
    assert sp.issparse(joined.graph.features) == as_sparse


def test_a_new_node_without_edges_comes_last_and_an_old_one_is_not_asked_for() -> None:
    table = feature_rows(pd.DataFrame(np.ones((4, 12)), index=["alone", "new", "u9", "u3"]))
    with pytest.warns(UserWarning, match="have other features here"):
        joined = nodes_of(featured()).join(as_graph(NEW_EDGES), table, plain)
    assert joined.node_ids.tolist() == ["new", "u3", "u5", "u7", "alone"]
    assert joined.graph.num_nodes == 42


def test_rows_without_ids_are_those_of_the_new_graph() -> None:
    rows = np.vstack([np.ones((1, 12)), np.asarray(communities().features)[[3, 5, 7]]])
    joined = nodes_of(featured()).join(as_graph(NEW_EDGES), feature_rows(rows), plain)
    assert joined.graph.features[-1].tolist() == [1.0] * 12
    with pytest.raises(InputError, match="got 2 rows without ids for 4 nodes"):
        nodes_of(featured()).join(as_graph(NEW_EDGES), feature_rows(rows[:2]), plain)


@pytest.mark.parametrize(
    ("part", "table", "message"),
    [
        (as_graph(NEW_EDGES), None, "node 'new' is new and has no features"),
        (
            as_graph(NEW_EDGES),
            pd.DataFrame(np.ones((1, 12)), index=["other"]),
            r"node 'new' is new and has no features \(so 1 of 2 new nodes\)",
        ),
        (
            as_graph(NEW_EDGES),
            pd.DataFrame(np.ones((2, 12)), index=["new", "new"]),
            "node 'new' comes more than once",
        ),
        (
            as_graph(NEW_EDGES),
            pd.DataFrame(np.full((1, 12), np.nan), index=["new"]),
            "node 'new', column '0' is nan|node 'new', column 0 is nan",
        ),
    ],
)
def test_features_that_are_not_enough(part: Graph, table: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nodes_of(featured()).join(part, None if table is None else feature_rows(table), plain)


def test_what_is_said_of_the_new_nodes() -> None:
    bare = nodes_of(without_features(featured()))
    with pytest.raises(InputError, match="none of its 2 nodes is in the graph .* nothing tells"):
        bare.join(as_graph([("x", "y")]), None, plain)
    with pytest.warns(UserWarning, match="2 of the 3 new nodes have no path to a node"):
        bare.join(as_graph([*NEW_EDGES, ("x", "y")]), None, plain)
    table = feature_rows(pd.DataFrame(np.ones((2, 12)), index=["x", "y"]))
    with pytest.warns(UserWarning, match="none of the 2 nodes is in the graph fitted on"):
        nodes_of(featured()).join(as_graph([("x", "y")]), table, plain)
    with pytest.warns(UserWarning, match="had no weights and count 1 beside these"):
        bare.join(as_graph([("new", "u3", 7.0)]), None, plain)
    heavy = nodes_of(as_graph([("a", "b", 2.0)]))
    with pytest.warns(UserWarning, match="have weights and these have none"):
        heavy.join(as_graph([("a", "c")]), None, plain)


# -- what is kept


def test_small_graphs_are_kept_and_large_ones_if_asked_for() -> None:
    small = featured()
    width = KEPT_BYTES // 40 // 4
    large = small.with_features(np.broadcast_to(np.float32(1.0), (40, width + 1)))
    assert nodes_of(small, "auto").graph is not None
    assert nodes_of(small, False).graph is None
    assert nodes_of(large, "auto").graph is None
    assert nodes_of(large, True).graph is not None
    assert nodes_of(small, False).node_ids is small.node_ids


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (as_graph(NEW_EDGES), True),
        (as_graph([("u3", "u5")]), True),
        (as_graph([("x", "y")]), False),
        (without_features(communities(ids=NAMES)).subgraph(np.arange(20)), False),
        (without_features(communities(ids=NAMES)).subgraph(np.arange(19)), True),
    ],
    ids=["new node", "new edge", "strangers", "half", "less than half"],
)
def test_what_is_expected_to_be_joined(part: Graph, expected: bool) -> None:
    assert nodes_of(featured()).expects(part) is expected
    assert not nodes_of(featured(), False).expects(part)


def test_positions_are_not_taken_for_names() -> None:
    fitted = nodes_of(communities())
    assert not fitted.expects(communities(n=9))
    assert fitted.expects(as_graph([(40, 7), (40, 9)]))


# -- embedding


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("encoder", ["gcn", "sage"])
def test_old_nodes_change_only_by_what_is_new(bare: bool, encoder: str, tmp_path: Path) -> None:
    graph = without_features(featured()) if bare else featured()
    row = np.ones((1, 12), dtype=np.float32)
    model = fit(graph, encoder=encoder)
    model.save(tmp_path / "model")
    whole_edges = edge_list(graph) + NEW_EDGES
    features = None if bare else pd.DataFrame(row, index=["new"])
    whole_features = None
    if not bare:
        rows = np.vstack([np.asarray(graph.features), row])
        whole_features = pd.DataFrame(rows, index=[*graph.node_ids, "new"])
    for fitted in (model, DAMGraphEmbedding.load(tmp_path / "model")):
        fitted.set_output(transform="pandas")
        codes = fitted.transform(NEW_EDGES, features, join=True)
        whole = fitted.transform(as_graph(whole_edges, whole_features))
        np.testing.assert_allclose(codes, whole.loc[codes.index], atol=1e-5)
        assert codes.index.tolist() == ["new", "u3", "u5", "u7"]
        # Without anything new they are those of the fit.
        again = fitted.transform(edge_list(graph)[:3], join=True)
        at_fit = pd.DataFrame(model.embedding_, index=model.node_ids_).loc[again.index]
        np.testing.assert_allclose(again, at_fit, atol=1e-5)
        with pytest.warns(UserWarning, match="fewer edges here than there"):
            alone = fitted.transform(without_features(as_graph(NEW_EDGES)) if bare else _alone())
        assert np.abs(alone.loc[["u3", "u5"]] - codes.loc[["u3", "u5"]]).to_numpy().max() > 0.05


def _alone() -> Graph:
    rows = np.vstack([np.ones((1, 12)), np.asarray(communities().features)[[3, 5, 7]]])
    return as_graph(NEW_EDGES, pd.DataFrame(rows, index=["new", "u3", "u5", "u7"]))


def test_nodes_out_of_reach_do_not_move() -> None:
    names = [f"p{i:02}" for i in range(40)]
    columns = (np.random.default_rng(0).random((40, 9)) < 0.3).astype(np.float32)
    graph = as_graph(list(zip(names, names[1:], strict=False)), pd.DataFrame(columns, index=names))
    model = fit(graph, spectral_steps=4).set_output(transform="pandas")
    new = pd.DataFrame(np.ones((1, 9)), index=["new"])
    joined = [("new", "p00"), ("p01", "p02"), ("p38", "p39")]
    codes = model.transform(joined, new, join=True)
    moved = np.abs(codes.to_numpy() - _rows(model, codes.index)).max(axis=1)
    ends = pd.Series(moved, index=codes.index)
    assert (ends[["p38", "p39"]] < 1e-6).all() and ends["p00"] > 0.01


def _rows(model: DAMGraphEmbedding, ids: Any) -> np.ndarray:
    return pd.DataFrame(model.embedding_, index=model.node_ids_).reindex(ids).fillna(0).to_numpy()


def test_a_model_that_does_not_keep_its_graph() -> None:
    model = fit(without_features(featured()), keep_graph=False)
    assert model.graph_ is None and model.node_ids_.tolist() == NAMES.tolist()
    with pytest.raises(InputError, match="does not keep the graph it was fitted on"):
        model.transform(NEW_EDGES, join=True)
    with pytest.warns(UserWarning, match="3 of the 4 nodes are of the graph fitted on, which"):
        model.transform(NEW_EDGES)


def test_nothing_is_said_of_the_same_graph() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for keep in (True, False):
            model = fit(featured(), keep_graph=keep)
            model.transform(featured())


def test_of_a_stranger_and_of_positions_it_is_said_that_features_alone_count() -> None:
    model = fit(featured())
    for other in (communities(n=25, ids=[f"v{i}" for i in range(25)]), communities(n=9)):
        with pytest.warns(UserWarning, match="described by their features alone"):
            z = model.transform(other)
        assert np.isfinite(z).all()


@pytest.mark.parametrize("value", [None, 1, 1.5, "yes"])
def test_keep_graph_is_true_false_or_auto(value: Any) -> None:
    with pytest.raises(InputError, match='keep_graph must be True, False or "auto"'):
        fit(featured(), keep_graph=value)


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_the_kept_graph_comes_back_as_it_was(as_sparse: bool, named: bool, tmp_path: Path) -> None:
    base = featured()
    values = base.adjacency.copy()
    values.data[:] = np.random.default_rng(0).uniform(0.5, 3, values.nnz)
    names = [f"column {i}" for i in range(12)] if named else None
    graph = build_graph(
        values + values.T, sp.csr_array(base.features) if as_sparse else base.features,
        node_ids=NAMES, feature_names=names,
    )  # fmt: skip
    model = fit(graph)
    model.save(tmp_path / "model")
    kept = DAMGraphEmbedding.load(tmp_path / "model").graph_
    assert kept is not None and kept.node_ids.tolist() == NAMES.tolist()
    assert np.array_equal(kept.adjacency.toarray(), model.graph_.adjacency.toarray())
    assert np.array_equal(kept.adjacency.toarray(), graph.adjacency.toarray())
    assert sp.issparse(kept.features) == as_sparse
    difference = kept.features - graph.features
    assert abs(difference).max() == 0
    assert kept.feature_names == (None if names is None else tuple(names))
