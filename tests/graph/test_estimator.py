"""`DAMGraphEmbedding`: the contract of every estimator, then graphs of every kind."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch_geometric.data import Data

from damrep.graph.data.files import read_graph
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.encoders import ENCODERS
from damrep.graph.encoding.objectives import OBJECTIVES
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.validation import InputError
from tests.contract import EstimatorContract
from tests.graph.samples import communities, random_adjacency, ring, star, without_features

QUICK = {"max_components": 16, "max_epochs": 5, "random_state": 0, "device": "cpu"}


def make(**changes: Any) -> DAMGraphEmbedding:
    return DAMGraphEmbedding(**{**QUICK, **changes})


@pytest.fixture
def few_mask_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks learn for as few epochs as everything else: for tests that ask what comes of it."""
    monkeypatch.setattr(EmbeddingSettings, "mask_training", lambda self, options: options)


class TestContract(EstimatorContract):
    """With features."""

    estimator = DAMGraphEmbedding
    quick = {key: value for key, value in QUICK.items() if key != "random_state"}
    wrong = (
        ({"encoder": "gin"}, InputError),
        ({"objective": "vgae"}, InputError),
        ({"hidden": 16}, TypeError),
        ({"hidden": "16"}, TypeError),
        ({"hidden": (0,)}, InputError),
        ({"hidden": (8.0,)}, TypeError),
        ({"mask_hidden": True}, InputError),
        ({"spectral_weight": -1.0}, InputError),
        ({"spectral_steps": 0}, InputError),
        ({"smoothing": -1}, InputError),
        ({"feature_dropout": 1.0}, InputError),
        ({"validation_fraction": 1.0}, InputError),
        ({"patience": 0}, InputError),
        ({"weight_decay": -1.0}, InputError),
        ({"verbose": -1}, InputError),
    )

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        return (communities(),)

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        return (communities(n=29, seed=5),)

    @classmethod
    def refused_data(cls) -> Any:
        return communities(d=11)

    @classmethod
    def in_unit(cls, unit: float) -> Graph:
        """Features have one; weights of edges do not, as a node's own is 1."""
        graph: Graph = cls.training_data()[0]
        return graph.with_features(graph.features * np.float32(unit))


class TestContractWithoutFeatures(TestContract):
    """With the structure in the features' stead."""

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        return (without_features(communities(classes=3)),)

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        return (without_features(communities(n=29, seed=5)),)

    @classmethod
    def refused_data(cls) -> Any:
        return without_features(communities(ids=[f"stranger {i}" for i in range(40)]))

    @classmethod
    def in_unit(cls, unit: float) -> Graph:
        return cls.training_data()[0]


class TestContractSupervised(TestContract):
    """With labels; the curve then ends where a linear classifier has no more use for units."""

    quick = {**TestContract.quick, "objective": "supervised"}

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        return (communities(classes=4),)

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        return (communities(n=29, seed=5, classes=4),)

    def test_components_curve(self, model: Any) -> None:
        assert model.components_curve_[:, 0].tolist() == [1, 2, 3, 4]
        assert np.isfinite(model.components_curve_).all()


# -- where a graph comes from


class DGLGraphLike:
    """What of a DGLGraph is looked at."""

    is_homogeneous = True

    def __init__(self, graph: Graph) -> None:
        arcs = graph.adjacency.tocoo()
        self._arcs = torch.as_tensor(arcs.row), torch.as_tensor(arcs.col)
        self._n = graph.num_nodes
        self.edata = {"weight": torch.as_tensor(arcs.data)}
        self.ndata = {}
        if graph.features is not None:
            self.ndata["feat"] = torch.as_tensor(graph.features)

    def num_nodes(self) -> int:
        return self._n

    def edges(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._arcs


def as_pyg(graph: Graph, tmp_path: Path) -> Data:
    arcs = graph.adjacency.tocoo()
    x = None if graph.features is None else torch.as_tensor(graph.features)
    index = torch.as_tensor(np.stack([arcs.row, arcs.col]), dtype=torch.long)
    n, weight = graph.num_nodes, torch.as_tensor(arcs.data)
    return Data(x=x, edge_index=index, edge_weight=weight, num_nodes=n)


def as_networkx(graph: Graph, tmp_path: Path) -> nx.Graph:
    made = nx.from_scipy_sparse_array(sp.csr_matrix(graph.adjacency))
    if graph.features is not None:
        for node, row in enumerate(graph.features):
            made.nodes[node]["x"] = row.tolist()
    return made


def as_dgl(graph: Graph, tmp_path: Path) -> DGLGraphLike:
    return DGLGraphLike(graph)


def as_file(graph: Graph, tmp_path: Path) -> Graph:
    as_frame(graph, tmp_path).to_csv(tmp_path / "edges.csv", index=False)
    features = None
    if graph.features is not None:
        features = tmp_path / "features.csv"
        pd.DataFrame(graph.features, index=pd.Index(graph.node_ids, name="id")).to_csv(features)
    return read_graph(tmp_path / "edges.csv", features)


def as_frame(graph: Graph, tmp_path: Path) -> pd.DataFrame:
    pairs = graph.edges()
    weight = np.asarray(graph.adjacency.todense())[pairs[:, 0], pairs[:, 1]]
    return pd.DataFrame({"source": pairs[:, 0], "target": pairs[:, 1], "weight": weight})


def as_pairs(graph: Graph, tmp_path: Path) -> list[tuple[int, int]]:
    return [(int(u), int(v)) for u, v in graph.edges()]


def as_scipy(graph: Graph, tmp_path: Path) -> sp.coo_matrix:
    return sp.coo_matrix(graph.adjacency)


@pytest.mark.parametrize("source", [as_pyg, as_networkx, as_dgl, as_file])
def test_the_same_featured_graph_from_everywhere(
    source: Callable[[Graph, Path], Any], tmp_path: Path
) -> None:
    graph = communities()
    model = make().fit(graph)
    other = source(graph, tmp_path)
    np.testing.assert_array_equal(make().fit(other).embedding_, model.embedding_)
    np.testing.assert_array_equal(model.transform(other), model.transform(graph))


@pytest.mark.parametrize("source", [as_pyg, as_networkx, as_dgl, as_file, as_frame, as_scipy])
def test_the_same_bare_graph_from_everywhere(
    source: Callable[[Graph, Path], Any], tmp_path: Path
) -> None:
    # Connected, since a frame of edges knows of no isolated node.
    linked = communities(n=24)
    graph = without_features(linked.with_adjacency(linked.adjacency + 0.5 * ring(24)))
    model = make().fit(graph)
    np.testing.assert_array_equal(make().fit(source(graph, tmp_path)).embedding_, model.embedding_)


def test_sparse_features_are_the_same_as_dense_ones() -> None:
    graph = communities()
    sparse = graph.with_features(sp.csr_array(graph.features))
    np.testing.assert_allclose(
        make().fit(sparse).embedding_, make().fit(graph).embedding_, atol=2e-4
    )


def test_nodes_renamed_and_in_another_order_get_the_same_embedding() -> None:
    graph = communities()
    order = np.random.default_rng(3).permutation(graph.num_nodes)
    model = make().fit(graph)
    np.testing.assert_allclose(
        model.transform(graph.subgraph(order)), model.embedding_[order], atol=1e-5
    )


def test_something_that_is_no_graph() -> None:
    with pytest.raises(TypeError, match="str"):
        make().fit("karate")


# -- features beside a graph


def named_features(graph: Graph) -> pd.DataFrame:
    return pd.DataFrame(
        np.asarray(graph.features), index=graph.node_ids, columns=[f"f{i}" for i in range(12)]
    )


BESIDE: dict[str, Callable[[Graph], Any]] = {
    "array": lambda graph: np.asarray(graph.features, dtype=np.float64),
    "list": lambda graph: np.asarray(graph.features).tolist(),
    "tensor": lambda graph: torch.as_tensor(graph.features),
    "sparse tensor": lambda graph: torch.as_tensor(graph.features).to_sparse(),
    "frame": named_features,
    "frame in another order": lambda graph: named_features(graph).iloc[::-1],
    "frame with ids": lambda graph: named_features(graph).reset_index(names="id"),
}


@pytest.fixture(scope="module")
def few_epochs() -> DAMGraphEmbedding:
    # In closed form: which nodes and pairs a mask is trained on goes by their order.
    # With a seed whose two shuffles, of two orders of the nodes, leave the same width.
    return make(max_epochs=2, strategy="search", random_state=3).fit(communities())


KINDS = [as_pyg, as_networkx, as_dgl, as_scipy, as_frame, as_pairs]


@pytest.mark.parametrize(
    ("source", "form"),
    [
        *((source, "array") for source in KINDS),
        *((source, "frame in another order") for source in KINDS),
        *(
            (as_scipy, form)
            for form in sorted(BESIDE)
            if form not in ("array", "frame in another order")
        ),
    ],
)
def test_features_beside_every_kind_of_graph(
    source: Callable[[Graph, Path], Any], form: str, tmp_path: Path
) -> None:
    graph = communities()
    other = source(without_features(graph), tmp_path)
    features = BESIDE[form](graph)
    # Which nodes and edges are held out hangs on their order, so nothing is.
    model = make(objective="svd", validation_fraction=0.0).fit(other, features=features)
    assert model.n_features_in_ == 12
    rows = pd.DataFrame(model.embedding_, index=model.node_ids_).loc[range(40)].to_numpy()
    # Sparse ones are multiplied in another order; a frame's order of rows is that of the nodes.
    expected = make(objective="svd", validation_fraction=0.0).fit(graph).embedding_
    np.testing.assert_allclose(np.abs(rows), np.abs(expected), atol=2e-2)
    np.testing.assert_allclose(model.transform(other, features), model.embedding_, atol=1e-4)
    assert model.transform_full(other, features).shape == (40, 12)


def test_sparse_features_beside_an_adjacency() -> None:
    graph = communities()
    for kind in (sp.csr_array, sp.coo_matrix, sp.csc_matrix):
        model = make().fit(graph.adjacency, features=kind(graph.features))
        np.testing.assert_allclose(model.embedding_, make().fit(graph).embedding_, atol=2e-4)


def test_polars_frames_of_edges_and_features(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    graph = communities()
    edges = pl.DataFrame(as_frame(graph, tmp_path).to_dict("list"))
    features = pl.DataFrame({"id": graph.node_ids, **dict(named_features(graph))})
    model = make()
    z = model.fit_transform(edges, features=features)
    np.testing.assert_array_equal(z, model.embedding_)
    np.testing.assert_array_equal(z, make().fit(graph).embedding_)
    assert model.feature_names_in_.tolist() == [f"f{i}" for i in range(12)]


def test_columns_in_another_order_give_the_same_codes() -> None:
    graph = communities()
    features = named_features(graph)
    model = make().fit(graph.adjacency, features=features)
    assert model.feature_names_in_.tolist() == list(features.columns)
    np.testing.assert_array_equal(
        model.transform(graph.adjacency, features.iloc[:, ::-1]),
        model.transform(graph.adjacency, features),
    )
    with pytest.raises(InputError, match="no column 'f3'.* 'f_three' was not there"):
        model.transform(graph.adjacency, features.rename(columns={"f3": "f_three"}))
    with pytest.raises(InputError, match="'more' was not there when the model was fitted"):
        model.transform(graph.adjacency, features.assign(more=1.0))
    with pytest.warns(UserWarning, match="these have no names"):
        model.transform(graph.adjacency, features.to_numpy())
    assert not hasattr(
        make().fit(graph.adjacency, features=features.to_numpy()), "feature_names_in_"
    )


@pytest.mark.parametrize(
    "matrix",
    [
        np.random.default_rng(0).random((40, 12)),
        np.random.default_rng(0).random((40, 1)),
        np.random.default_rng(0).integers(0, 9, (40, 12)),
        (np.random.default_rng(0).random((40, 12)) < 0.5).astype(np.float32),
        sp.random_array((40, 12), density=0.2, rng=0),
        torch.rand(40, 12),
        pd.DataFrame(np.ones((40, 3))),
        np.ones((40, 3)).tolist(),
    ],
    ids=["floats", "one column", "counts", "0.0 and 1.0", "sparse", "tensor", "frame", "list"],
)
@pytest.mark.parametrize("objective", ["auto", "supervised"])
def test_features_in_the_place_of_labels_are_refused(matrix: Any, objective: str) -> None:
    graph = communities()
    for call in (make(objective=objective).fit, make(objective=objective).fit_transform):
        with pytest.raises(InputError, match=r"y: got a matrix of shape \(40, .*features="):
            call(graph.adjacency, matrix)


def test_memberships_are_labels_and_no_features() -> None:
    graph = communities()
    make().fit(graph, np.eye(2, dtype=int)[graph.labels])
    make(objective="supervised").fit(graph, graph.labels[:, None])


# -- which row is which node


def test_the_nodes_are_named_whatever_was_fitted(tmp_path: Path) -> None:
    graph = communities(ids=[f"n{i}" for i in range(40)])
    network = nx.relabel_nodes(as_networkx(graph, tmp_path), dict(enumerate(graph.node_ids)))
    pairs = [(graph.node_ids[u], graph.node_ids[v]) for u, v in graph.edges()]
    for source in (graph, network):
        assert make(max_epochs=1).fit(source).node_ids_.tolist() == graph.node_ids.tolist()
    assert make(max_epochs=1).fit(pairs).node_ids_.tolist() == sorted({u for p in pairs for u in p})
    model = make(max_epochs=1).fit(graph.adjacency)
    assert model.node_ids_.tolist() == list(range(40))
    model.save(tmp_path / "model")
    assert DAMGraphEmbedding.load(tmp_path / "model").node_ids_.tolist() == list(range(40))


def test_frames_have_the_nodes_as_their_index(tmp_path: Path) -> None:
    graph = communities(ids=[f"n{i}" for i in range(40)])
    plain = make().fit(graph)
    model = make().set_output(transform="pandas")
    edges = pd.DataFrame([(graph.node_ids[u], graph.node_ids[v]) for u, v in graph.edges()])
    z = model.fit_transform(edges, features=named_features(graph))
    assert z.index.tolist() == graph.node_ids.tolist() and z.index.name == "node"
    assert z.columns.tolist() == model.get_feature_names_out().tolist()
    np.testing.assert_array_equal(z.to_numpy(), plain.embedding_)
    part = model.transform(graph.subgraph(np.array([7, 3])), named_features(graph).iloc[[7, 3]])
    assert part.index.tolist() == ["n7", "n3"]
    model.save(tmp_path / "model")
    loaded = DAMGraphEmbedding.load(tmp_path / "model").transform(graph, named_features(graph))
    pd.testing.assert_frame_equal(loaded, z, atol=1e-5)
    assert isinstance(model.set_output(transform="default").transform(graph), np.ndarray)
    assert isinstance(
        clone(make().set_output(transform="pandas")).fit_transform(graph), pd.DataFrame
    )
    with config_context(transform_output="pandas"):
        assert isinstance(plain.transform(graph), pd.DataFrame)
    with pytest.raises(InputError, match="transform must be one of default, pandas, polars"):
        model.set_output(transform="excel")


def test_polars_frames_have_the_names_of_the_dimensions() -> None:
    pl = pytest.importorskip("polars")
    model = make().set_output(transform="polars")
    z = model.fit_transform(communities())
    assert isinstance(z, pl.DataFrame) and z.columns == model.get_feature_names_out().tolist()
    np.testing.assert_array_equal(z.to_numpy(), model.embedding_)


def test_frames_go_through_a_pipeline() -> None:
    scaled = make_pipeline(make(), StandardScaler()).set_output(transform="pandas")
    z = scaled.fit_transform(communities(ids=[f"n{i}" for i in range(40)]))
    assert z.index[:2].tolist() == ["n0", "n1"]
    np.testing.assert_allclose(z.std(ddof=0), 1.0, rtol=1e-3)


# -- what a fit says of itself


def test_direction_that_is_not_used_is_said() -> None:
    arcs = build_graph(random_adjacency(30, 4, directed=True, weighted=False))
    model = make().fit(arcs)
    (note,) = [text for text in model.report_.warnings if "direction" in text]
    assert note == (
        f"direction is not used (directed=True, --directed): each of the {arcs.num_edges} arcs "
        "counts as an edge both ways"
    )
    assert not [text for text in make().fit(communities()).report_.warnings if "direction" in text]


def test_no_more_dimensions_than_the_nodes_have() -> None:
    graph = without_features(communities(n=24))
    model = make(max_components=300, n_components=128).fit(graph)
    assert model.n_components_ < 24
    assert np.linalg.matrix_rank(model.embedding_ - model.embedding_.mean(axis=0)) >= (
        model.n_components_ - 1
    )
    (note,) = model.report_.warnings
    assert note.startswith(f"24 nodes have only {model.n_components_} dimensions here, 128 were")
    assert not make(n_components=5).fit(graph).report_.warnings


def test_a_budget_above_the_nodes_is_told_where_labels_are_learned() -> None:
    model = make(objective="supervised", max_components=64, n_components=60).fit(communities())
    assert model.n_components_ == 60
    assert model.report_.warnings == [
        "60 dimensions of 40 nodes: no more than 39 of them tell anything of their own"
    ]


def test_a_start_from_more_than_the_nodes_can_have_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(max_components=10**8).fit(communities())
    assert model.report_.initial_dims == 512
    assert (
        "started from 512 dimensions in place of 100,000,000 (max_components): 40 nodes have no "
        "more"
    ) in model.report_.warnings
    monkeypatch.setattr("damrep.graph.settings.physical_memory", lambda: 10_000)
    with pytest.raises(InputError, match="max_components=16: a representation of 157 nodes takes"):
        make().fit(communities(n=157))


# -- graphs of every kind


def odd_graphs() -> dict[str, Graph]:
    base = communities()
    x = np.asarray(base.features)
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.integers(-6, 7, size=5)
    islands = sp.block_diag([ring(13), ring(13), sp.csr_array((14, 14))])
    return {
        "directed": build_graph(random_adjacency(40, 1, directed=True, weighted=False), x),
        "weighted": build_graph(random_adjacency(40, 2, directed=False, weighted=True), x),
        "directed and weighted, no features": build_graph(
            random_adjacency(40, 3, directed=True, weighted=True)
        ),
        "self-loops everywhere": build_graph(base.adjacency + sp.eye_array(40), x),
        "disconnected, isolated nodes": build_graph(islands, x),
        "disconnected, isolated nodes, no features": build_graph(islands),
        "star": build_graph(star(20)),
        "no edges": build_graph(sp.csr_array((40, 40)), x),
        "one edge, no features": build_graph(np.eye(6)[:, ::-1] * [1, 0, 0, 0, 0, 1]),
        "three nodes": build_graph(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])),
        "three nodes with features": build_graph(
            np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), np.array([[1.0, 0], [0, 1], [2, 1]])
        ),
        "seven binary features": base.with_features(rng.random((40, 7)) < 0.4),
        "one feature": base.with_features(rng.random((40, 1))),
        "wild scales": base.with_features(rng.normal(size=(40, 5)) * scales + 3 * scales),
        "a constant column": base.with_features(np.c_[np.full(40, 7.0), rng.random((40, 3))]),
        "features all zero for half the nodes": base.with_features(
            x * (np.arange(40) < 20)[:, None]
        ),
        "more features than nodes": base.with_features(rng.random((40, 90)) < 0.2),
        "huge weights": build_graph(base.adjacency * 1e9, x),
        "tiny weights": build_graph(base.adjacency * 1e-9, x),
    }


ODD = odd_graphs()


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("kind", sorted(ODD))
def test_graphs_of_every_kind(kind: str, encoder: str) -> None:
    graph = ODD[kind]
    model = make(encoder=encoder, max_epochs=3).fit(graph)
    z = model.embedding_
    assert z.shape == (graph.num_nodes, model.n_components_)
    assert np.isfinite(z).all() and np.ptp(z, axis=0).min() > 0
    assert 0 <= model.report_.loss < 1
    np.testing.assert_allclose(model.transform(graph), z, atol=1e-5)


def test_columns_are_measured_in_any_unit() -> None:
    graph = ODD["wild scales"]
    metres = graph.with_features(graph.features * np.array([1e3, 1, 1e-3, 1, 5]))
    np.testing.assert_allclose(
        make().fit(graph).embedding_, make().fit(metres).embedding_, rtol=1e-2, atol=1e-2
    )


def test_directed_graphs_are_read_in_both_directions() -> None:
    arcs = random_adjacency(30, 4, directed=True, weighted=False)
    graph = build_graph(arcs, communities(n=30).features)
    assert graph.directed
    np.testing.assert_array_equal(
        make().fit(graph).embedding_, make().fit(graph.symmetrised()).embedding_
    )


def test_the_edges_matter_and_their_weights() -> None:
    graph = communities()
    model = make().fit(graph)
    heavier = graph.adjacency.copy()
    heavier.data[:] = np.random.default_rng(0).uniform(0.1, 9, heavier.nnz)
    for other in (sp.csr_array((40, 40)), heavier + heavier.T):
        z = model.transform(graph.with_adjacency(other))
        assert np.abs(z - model.embedding_).max() > 0.05


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (build_graph(np.ones((20, 20)), np.ones((20, 3))), "look alike"),
        (build_graph(np.ones((20, 20)), np.zeros((20, 3))), "look alike"),
        (build_graph(np.ones((20, 20))), "look alike"),
        (build_graph(np.ones((20, 20)) - np.eye(20)), "look alike"),
        (build_graph(sp.csr_array((20, 20))), "neither features nor edges"),
        (build_graph(np.eye(20)), "neither features nor edges"),
        (build_graph(np.array([[0, 1], [1, 0]])), "at least 3 nodes"),
    ],
    ids=["constant", "zero", "complete, loops", "complete", "nothing", "only loops", "two nodes"],
)
@pytest.mark.parametrize("objective", ["auto", "masked", "reconstruction", "svd"])
def test_graphs_with_nothing_to_embed(graph: Graph, message: str, objective: str) -> None:
    model = make(objective=objective)
    with pytest.raises(InputError, match=message):
        model.fit(graph)
    assert not hasattr(model, "n_components_")


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_features_that_tell_nothing_leave_the_structure(value: float) -> None:
    constant = build_graph(communities().adjacency, np.full((40, 3), value))
    z = make().fit(constant).embedding_
    assert np.ptp(z, axis=0).max() > 0.1


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(0, 4), st.booleans())
def test_any_small_graph_is_embedded_or_refused_in_a_sentence(
    seed: int, n: int, d: int, directed: bool
) -> None:
    rng = np.random.default_rng(seed)
    adjacency = (rng.random((n, n)) < rng.random()).astype(float)
    graph = build_graph(
        adjacency if directed else np.triu(adjacency) + np.triu(adjacency, 1).T,
        rng.integers(0, 3, (n, d)) if d else None,
    )
    model = make(max_epochs=1, max_components=8)
    try:
        z = model.fit(graph).embedding_
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith("graph: ")
    else:
        assert z.shape == (n, model.n_components_) and np.isfinite(z).all()
        np.testing.assert_allclose(model.transform(graph), z, atol=1e-4)


def test_sparse_features_are_never_made_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    n, d = 300, 5000
    base = communities(n=n)
    x = sp.random_array((n, d), density=0.004, random_state=1, dtype=np.float32, format="csr")
    graph = base.with_features(x)

    def refuse(matrix: Any, *args: Any, **kwargs: Any) -> Any:
        assert matrix.shape[1] != d, f"made dense: {matrix.shape}"
        return originals[type(matrix).__name__](matrix, *args, **kwargs)

    originals = {}
    for kind in (sp.csr_array, sp.csc_array, sp.coo_array):
        originals[kind.__name__] = kind.toarray
        monkeypatch.setattr(kind, "toarray", refuse)
        monkeypatch.setattr(kind, "todense", refuse)
    for encoder in ENCODERS:
        for objective in ("ggd", "dgi", "gae", "supervised", "svd"):
            model = make(encoder=encoder, objective=objective, max_epochs=1).fit(graph)
            assert np.isfinite(model.transform(graph)).all()
    with pytest.raises(AssertionError, match="made dense"):
        x.toarray()


def test_reconstruction_makes_only_a_slice_of_the_features_dense() -> None:
    n = 2500
    rng = np.random.default_rng(0)
    edges = rng.integers(0, n, (2, 4 * n))
    adjacency = sp.coo_array((np.ones(4 * n), edges), shape=(n, n))
    x = sp.random_array((n, 600), density=0.01, random_state=1, dtype=np.float32, format="csr")
    graph = build_graph(adjacency, x)
    largest = 0
    whole = sp.csr_array.toarray

    def watched(matrix: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal largest
        largest = max(largest, matrix.shape[0] if matrix.shape[1] == 600 else 0)
        return whole(matrix, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sp.csr_array, "toarray", watched)
        for objective in ("masked", "reconstruction"):
            make(objective=objective, max_epochs=1).fit(graph)
    assert 0 < largest < n


# -- graphs that come later


def test_a_new_graph_is_embedded_by_its_own_features_and_edges() -> None:
    model = make().fit(communities())
    twice = communities(n=25, seed=8)
    both = build_graph(
        sp.block_diag([twice.adjacency, twice.adjacency]), np.tile(twice.features, (2, 1))
    )
    z = model.transform(both)
    np.testing.assert_allclose(z[:25], z[25:], atol=1e-5)
    np.testing.assert_allclose(z[:25], model.transform(twice), atol=1e-5)


def test_a_new_node_with_a_known_nodes_features_and_edges_lands_on_it() -> None:
    graph = communities()
    model = make(smoothing=0, spectral_weight=0.0, encoder="sage").fit(graph)
    grown = np.zeros((41, 41), dtype=np.float32)
    grown[:40, :40] = graph.adjacency.toarray()
    grown[40, :40] = grown[:40, 40] = grown[5, :40]
    z = model.transform(build_graph(grown, np.vstack([graph.features, graph.features[5]])))
    np.testing.assert_allclose(z[40], z[5], atol=1e-5)


def test_a_node_that_joins_a_bare_graph_is_described_by_its_known_neighbours() -> None:
    graph = without_features(communities(n=40, ids=[f"n{i}" for i in range(40)]))
    model = make(smoothing=0, spectral_weight=0.0, encoder="sage").fit(graph)
    grown = np.zeros((41, 41), dtype=np.float32)
    grown[:40, :40] = graph.adjacency.toarray()
    grown[40, :40] = grown[:40, 40] = grown[5, :40]
    ids = [*(f"n{i}" for i in range(40)), "new"]
    z = model.transform(build_graph(grown, node_ids=ids))
    np.testing.assert_allclose(z[40], z[5], atol=1e-4)


@pytest.mark.parametrize("width", [0, 1, 11, 13])
def test_another_feature_width_is_refused(width: int) -> None:
    graph = communities()
    model = make().fit(graph)
    other = graph.with_features(np.ones((40, width)) if width else None)
    with pytest.raises(InputError, match=f"{width} features.* 12"):
        model.transform(other)


def test_features_are_refused_by_a_model_fitted_without() -> None:
    model = make().fit(without_features(communities()))
    with pytest.raises(InputError, match="12 features.*without"):
        model.transform(communities())


# -- encoders and objectives


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_objective_trains_every_encoder(encoder: str, objective: str) -> None:
    model = make(encoder=encoder, objective=objective, max_epochs=80, feature_dropout=0.1, lr=0.02)
    model.fit(communities())
    losses = model.report_.history["loss"]
    assert 10 < len(losses) <= 80  # some stop once nothing more is to be learned
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])
    assert model.report_.objective == objective


@pytest.mark.parametrize(
    ("encoder", "objective"), [("gcn", "ggd"), ("autoencoder", "reconstruction")]
)
def test_auto_stands_for_an_objective_that_fits_the_encoder(encoder: str, objective: str) -> None:
    auto = make(encoder=encoder).fit(communities())
    named = make(encoder=encoder, objective=objective).fit(communities())
    assert auto.report_.objective == objective
    np.testing.assert_array_equal(auto.embedding_, named.embedding_)


def test_svd_trains_nothing() -> None:
    model = make(objective="svd", max_epochs=50).fit(communities())
    assert model.report_.history == {}
    assert model.transform_full(communities()).shape == (40, 12)


def test_the_report_says_when_there_are_fewer_dimensions_than_asked_for() -> None:
    model = make(objective="svd", n_components=14).fit(communities())
    assert model.n_components_ == 12
    (note,) = model.report_.warnings
    assert "only 12 dimensions" in note and "14 were asked for" in note


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 16, 60])
def test_the_width_is_shared_by_encoder_features_and_structure(limit: int) -> None:
    model = make(max_components=limit, n_components=1).fit(communities())
    assert model.report_.initial_dims <= limit
    assert model._wide is not None
    shares = {name: len(range(limit)[model._wide.columns_of(name)]) for name in model._wide.blocks}
    assert shares["encoder"] >= 1
    assert shares.get("features", 0) == min(limit // 3, 12) if limit > 2 else True
    assert shares.get("structure", 0) == shares.get("smoothed structure", 0) == limit // 6


def test_the_report_says_when_more_dimensions_could_have_been_worth_their_price() -> None:
    assert (
        "max_components"
        in make(max_components=2, price=1e-4).fit(communities()).report_.warnings[0]
    )
    for enough in (
        {"max_components": 16},
        {"max_components": 2, "price": 0.0},
        {"n_components": 16},
    ):
        assert make(**enough).fit(communities()).report_.warnings == []


def test_the_embedding_is_a_linear_cut_through_the_full_representation() -> None:
    graph = communities()
    model = make(n_components=16, strategy="search").fit(graph)
    full = model.transform_full(graph)
    assert full.shape == (40, 16) == (40, model.report_.initial_dims)
    # At full width nothing is lost: the one is a linear map of the other, and back.
    one = full.astype(np.float64) - full.mean(axis=0)
    other = model.embedding_.astype(np.float64) - model.embedding_.mean(axis=0)
    for into, of in ((one, other), (other, one)):
        told = into @ np.linalg.lstsq(into, of, rcond=None)[0]
        assert np.square(told - of).sum() < 1e-4 * np.square(of).sum()


def test_a_smaller_budget_keeps_the_first_dimensions_of_a_larger_one() -> None:
    graph = communities()
    small, large = (make(n_components=k, strategy="search").fit(graph) for k in (3, 7))
    np.testing.assert_allclose(small.embedding_, large.embedding_[:, :3], atol=1e-5)
    np.testing.assert_array_equal(small.components_curve_, large.components_curve_)


def test_hidden_layers() -> None:
    graph = communities()
    model = make(hidden=(10, 6)).fit(graph)
    assert model.report_.details["hidden_widths"] == [10, 6]
    assert np.isfinite(model.transform(graph)).all()


def test_hidden_masks_are_learned_cut_and_saved(few_mask_epochs: None, tmp_path: Path) -> None:
    graph = communities()
    model = make(hidden=(10,), mask_hidden=True, max_epochs=40, price=1.0, lr=0.05).fit(graph)
    (width,) = model.report_.details["hidden_widths"]
    history = model.report_.history
    assert 1 <= width < 10 and history["n_active"][-1] == width
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        DAMGraphEmbedding.load(tmp_path / "model").transform(graph), model.transform(graph)
    )


def test_rotation_leaves_less_over_for_the_same_price() -> None:
    graph = communities()
    rotated, plain = (
        make(rotate=rotate, price=0.01, validation_fraction=0.0, strategy="search").fit(graph)
        for rotate in (True, False)
    )
    costs = [m.report_.loss + 0.01 * m.n_components_ for m in (rotated, plain)]
    assert costs[0] < costs[1]


def test_the_learned_width_is_the_cheapest_point_of_the_curve() -> None:
    for price in (0.0, 0.003, 0.02, 0.1):
        model = make(price=price, strategy="search").fit(communities())
        dims, losses = model.components_curve_.T
        assert model.n_components_ == dims[np.argmin(losses + price * dims)]


def test_the_papers_strategy_is_the_mask_now() -> None:
    with pytest.raises(InputError, match='is now "mask"'):
        make(strategy="gradient").fit(communities())


def test_early_stopping() -> None:
    model = make(objective="gae", max_epochs=400, patience=3, lr=0.1).fit(communities())
    assert len(model.report_.history["loss"]) < 400


def test_spectral_block_alone_and_left_out() -> None:
    graph = communities()
    with_both = make().fit(graph)
    without = make(spectral_weight=0.0).fit(graph)
    assert with_both.report_.initial_dims == without.report_.initial_dims == 16
    assert not np.allclose(with_both.transform_full(graph), without.transform_full(graph))


# -- with labels


def test_supervised_predicts_the_labels_in_the_words_they_were_given() -> None:
    graph = communities(n=60, d=20, classes=3)
    words = np.array(["red", "green", "blue"])[graph.labels]
    for y in (words, graph.labels, graph.labels + 10, list(words)):
        model = make(objective="supervised", max_epochs=60).fit(graph, y)
        predicted = model.predict(graph)
        assert predicted.shape == (60,)
        assert (predicted == np.asarray(y)).mean() > 0.8
        assert sorted(model.classes_.tolist()) == sorted(set(np.asarray(y).tolist()))


def test_predictions_survive_saving(tmp_path: Path) -> None:
    graph = communities(classes=3)
    for y in (graph.labels, np.array(["x", "ü\n", '"'])[graph.labels]):
        model = make(objective="supervised").fit(graph, y)
        model.save(tmp_path / "model")
        loaded = DAMGraphEmbedding.load(tmp_path / "model")
        np.testing.assert_array_equal(loaded.predict(graph), model.predict(graph))
        assert loaded.classes_.dtype.kind == model.classes_.dtype.kind


def split_graph(seed: int = 0) -> Graph:
    graph = communities(n=60, classes=3)
    part = np.arange(60) // 3 % 4
    return build_graph(
        graph.adjacency,
        graph.features,
        labels=graph.labels,
        splits={"train": part == 0, "val": part == 1, "test": part > 1},
    )


def test_supervised_learns_from_the_train_split_only() -> None:
    graph = split_graph()
    scrambled = graph.labels.copy()
    test = graph.splits["test"]
    scrambled[test] = np.random.default_rng(0).permutation(scrambled[test])
    unknown = np.where(test, -1, graph.labels)
    first, *others = (
        make(objective="supervised", max_epochs=20).fit(graph.with_labels(labels))
        for labels in (graph.labels, scrambled, unknown)
    )
    for other in others:
        np.testing.assert_array_equal(other.embedding_, first.embedding_)
    train = np.where(graph.splits["train"], (graph.labels + 1) % 3, graph.labels)
    changed = make(objective="supervised", max_epochs=20).fit(graph.with_labels(train))
    assert changed.embedding_.shape != first.embedding_.shape or not np.allclose(
        changed.embedding_, first.embedding_
    )


def test_validation_labels_stop_training_but_give_no_gradient() -> None:
    graph = split_graph()
    val = np.where(graph.splits["val"], (graph.labels + 1) % 3, graph.labels)
    first, other = (
        make(objective="supervised", max_epochs=6, n_components=4).fit(graph.with_labels(labels))
        for labels in (graph.labels, val)
    )
    np.testing.assert_array_equal(other.embedding_, first.embedding_)
    assert first.report_.history["validation_loss"] != other.report_.history["validation_loss"]


def test_labels_given_come_before_those_of_the_graph_and_may_be_unknown() -> None:
    graph = communities(n=60, classes=2)
    y = [None if i % 2 else ("even", "odd")[i // 2 % 2] for i in range(60)]
    model = make(objective="supervised").fit(graph, y)
    assert set(model.predict(graph)) <= {"even", "odd"}


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "needs labels"),
        (np.zeros(40, dtype=int), "two classes"),
        (np.zeros(39, dtype=int), "39 labels for 40 nodes"),
        (np.full(40, -1), "two classes"),
        (np.eye(40, 3, dtype=int), "one label a node"),
        ([f"n{i}" for i in range(40)], "each of the 40 labelled nodes has a label of its own"),
        (np.linspace(0, 1, 40), "class numbers"),
    ],
    ids=[
        "none",
        "one class",
        "wrong length",
        "all unknown",
        "several",
        "all different",
        "regression",
    ],
)
def test_labels_that_cannot_be_learned_from(y: Any, message: str) -> None:
    graph = communities().with_labels(None)
    with pytest.raises(InputError, match=message):
        make(objective="supervised").fit(graph, y)


def test_predict_needs_labels_and_the_full_width_needs_none() -> None:
    graph = communities()
    with pytest.raises(InputError, match="supervised"):
        make().fit(graph).predict(graph)
    with pytest.raises(InputError, match="unsupervised"):
        make(objective="supervised").fit(graph).transform_full(graph)


def test_a_loaded_model_has_no_full_width(tmp_path: Path) -> None:
    make().fit(communities()).save(tmp_path / "model")
    with pytest.raises(InputError, match="before the cut"):
        DAMGraphEmbedding.load(tmp_path / "model").transform_full(communities())


def test_classes_go_with_the_fit_that_had_them() -> None:
    model = make(objective="supervised").fit(communities())
    assert model.classes_.tolist() == [0, 1]
    model.set_params(objective="svd").fit(communities())
    assert not hasattr(model, "classes_")
    with pytest.raises(InputError, match="supervised"):
        model.predict(communities())


def test_supervised_mask_and_budget_agree_with_their_predictions(
    few_mask_epochs: None,
) -> None:
    graph = communities(n=60, d=20, classes=3)
    for changes in (
        {"strategy": "mask", "price": 0.03, "lr": 0.03},
        {"n_components": 5},
        {"hidden": (8,), "mask_hidden": True},
    ):
        model = make(objective="supervised", max_epochs=60, **changes).fit(graph)
        assert (model.predict(graph) == graph.labels).mean() > 0.8, changes
        assert model.report_.loss < 1
        assert model.transform(graph).shape == (60, model.n_components_)
        if "strategy" in changes:
            assert 1 <= model.n_components_ < 16
            assert len(model.report_.history["loss"]) == 60
            assert sum(gate > 0 for gate in model.report_.gate) == model.n_components_


# -- precision and devices


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed", "bf16-true", "16-mixed"])
@pytest.mark.parametrize("objective", [*sorted(OBJECTIVES), "supervised"])
@pytest.mark.filterwarnings("ignore:.*bf16.*:UserWarning")
def test_every_precision_trains_and_leaves_a_float32_model(
    precision: str, objective: str, tmp_path: Path
) -> None:
    graph = communities()
    exact = make(objective=objective).fit(graph)
    model = make(objective=objective, precision=precision).fit(graph)
    z = model.transform(graph)
    assert z.dtype == np.float32 and np.isfinite(z).all()
    tolerance = {"64-true": 1e-3, "16-mixed": 0.1}.get(precision, 0.1)
    np.testing.assert_allclose(
        model.report_.history["loss"][0], exact.report_.history["loss"][0], rtol=tolerance
    )
    model.save(tmp_path / "model")
    loaded = DAMGraphEmbedding.load(tmp_path / "model").transform(graph)
    np.testing.assert_array_equal(loaded, z)


def test_sparse_features_in_other_precisions() -> None:
    graph = communities(n=60)
    x = sp.random_array((60, 400), density=0.01, random_state=1, dtype=np.float32, format="csr")
    losses = [
        make(precision=precision).fit(graph.with_features(x)).report_.history["loss"][0]
        for precision in ("32-true", "64-true", "bf16-mixed")
    ]
    np.testing.assert_allclose(losses[1:], losses[0], rtol=0.05)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_devices_of_this_machine(device: str) -> None:
    assert np.isfinite(make(device=device).fit(communities()).embedding_).all()


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_this_machine_may_lack(device: str) -> None:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device]
    model = make(device=device)
    if not there:
        with pytest.raises(InputError, match=f"device.*{device}"):
            model.fit(communities())
        assert not hasattr(model, "n_components_")
        return
    model.fit(communities())
    np.testing.assert_allclose(
        model.embedding_.std(), make().fit(communities()).embedding_.std(), rtol=0.1
    )


def test_verbose_zero_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    make(verbose=0).fit(communities())
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    make(verbose=2).fit(communities())
    captured = capfd.readouterr()
    assert captured.out == "" and "epoch" in captured.err


def test_no_dgl_is_imported_to_read_its_graphs() -> None:
    if importlib.util.find_spec("dgl") is None:
        pytest.skip("dgl is not installed, so nothing can import it")
    code = (
        "import sys, numpy as np\n"
        "from damrep.graph.estimator import DAMGraphEmbedding as E\n"
        "E(max_components=4, max_epochs=1, random_state=0, device='cpu').fit(\n"
        "    np.roll(np.eye(9), 1, 1) + np.roll(np.eye(9), -1, 1))\n"
        "assert 'dgl' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- nodes like others


def test_similar_nodes_of_a_fitted_and_of_a_loaded_model(tmp_path: Path) -> None:
    graph = communities(ids=[f"n{i}" for i in range(40)])
    model = make().fit(graph)
    ids, cosines = model.similar_nodes("n3", n=100)
    assert len(ids) == 39 and "n3" not in ids and (np.diff(cosines) <= 0).all()
    unit = model.embedding_ / np.linalg.norm(model.embedding_, axis=1, keepdims=True)
    np.testing.assert_allclose(cosines[0], np.delete(unit @ unit[3], 3).max(), atol=1e-5)
    with pytest.raises(InputError, match="graph: there is no 'N3'; did you mean 'n3'"):
        model.similar_nodes("N3")
    model.save(tmp_path / "model")
    again = DAMGraphEmbedding.load(tmp_path / "model")
    np.testing.assert_allclose(again.similar_nodes("n3", n=5)[1], cosines[:5], atol=1e-5)
    make(keep_graph=False).fit(graph).save(tmp_path / "bare")
    with pytest.raises(InputError, match="does not keep the graph"):
        DAMGraphEmbedding.load(tmp_path / "bare").similar_nodes("n3")
