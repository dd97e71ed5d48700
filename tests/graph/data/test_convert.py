"""The same graph out of the objects of every library."""

from __future__ import annotations

import subprocess
import sys
import types

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData

from damrep.graph.data.convert import as_graph
from damrep.graph.data.graph import Graph, build_graph
from damrep.masking.notes import DamrepWarning
from damrep.masking.validation import InputError

# A weighted graph of five nodes: an edge 0-1, a triangle end 1-2, a loop at 3; 4 is isolated.
WEIGHTS = np.zeros((5, 5), dtype=np.float32)
for _u, _v, _w in [(0, 1, 2.0), (1, 2, 0.5), (3, 3, 4.0)]:
    WEIGHTS[_u, _v] = WEIGHTS[_v, _u] = _w
FEATURES = np.arange(10, dtype=np.float32).reshape(5, 2)
LABELS = np.array([0, 1, 1, 0, -1])
ROWS = [(0, 1, 2.0), (2, 1, 0.5), (3, 3, 4.0)]


class StubDGL:
    """What of a DGLGraph is looked at, without DGL."""

    def __init__(self, arcs, ndata, edata=None, n=5, is_homogeneous=True):
        self._arcs, self._n = arcs, n
        self.ndata, self.edata, self.is_homogeneous = ndata, edata or {}, is_homogeneous

    def num_nodes(self):
        return self._n

    def edges(self):
        return tuple(torch.as_tensor(end) for end in self._arcs)


def from_graph():
    return as_graph(build_graph(WEIGHTS, FEATURES, labels=LABELS))


def from_scipy():
    return as_graph(sp.coo_matrix(WEIGHTS), FEATURES, LABELS)


def from_dense():
    return as_graph(WEIGHTS, torch.from_numpy(FEATURES), LABELS)


def _pyg_parts():
    u, v = np.nonzero(WEIGHTS)
    return torch.as_tensor(np.stack([u, v])), torch.as_tensor(WEIGHTS[u, v])


def from_pyg():
    index, weight = _pyg_parts()
    return as_graph(
        Data(
            x=torch.from_numpy(FEATURES),
            edge_index=index,
            edge_weight=weight,
            y=torch.from_numpy(LABELS),
        )
    )


def from_pyg_attr_and_sparse_x():
    index, weight = _pyg_parts()
    x = torch.from_numpy(FEATURES).to_sparse()
    return as_graph(
        Data(x=x, edge_index=index, edge_attr=weight[:, None], y=torch.from_numpy(LABELS)[:, None])
    )


def from_pyg_adj_t():
    adj_t = torch.from_numpy(WEIGHTS.T.copy()).to_sparse_csr()
    return as_graph(Data(x=torch.from_numpy(FEATURES), adj_t=adj_t, y=torch.from_numpy(LABELS)))


def from_networkx():
    graph = nx.Graph()
    for node in range(5):
        graph.add_node(node, x=FEATURES[node].tolist(), y=None if node == 4 else LABELS[node])
    graph.add_weighted_edges_from(ROWS)
    return as_graph(graph)


def from_multigraph():
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(5))
    graph.add_weighted_edges_from([*ROWS[1:], (0, 1, 1.5), (1, 0, 0.5)])
    return as_graph(graph, FEATURES, dict(enumerate(LABELS.tolist())))


def from_frame():
    frame = pd.DataFrame(ROWS, columns=["from", "to", "weight"])
    features = pd.DataFrame(FEATURES, index=range(5), columns=["a", "b"])
    return as_graph(frame, features, pd.Series(LABELS, index=range(5)))


def from_frame_of_both_directions():
    both = [(v, u, w) for u, v, w in ROWS if u != v]
    return as_graph(pd.DataFrame(ROWS + both), FEATURES, LABELS)


def from_triples():
    features = pd.DataFrame(FEATURES, columns=["a", "b"])
    return as_graph([(np.int64(u), v, w) for u, v, w in ROWS], features, dict(enumerate(LABELS)))


def from_networkx_edges_with_data():
    graph = nx.Graph()
    graph.add_weighted_edges_from(ROWS)
    return as_graph(list(graph.edges(data=True)), FEATURES, LABELS)


def _of_frames(frame):
    edges = frame({"from": [0, 2, 3], "to": [1, 1, 3], "weight": [2.0, 0.5, 4.0]})
    features = frame({"id": range(5), "a": FEATURES[:, 0], "b": FEATURES[:, 1]})
    labels = frame({"node": [3, 1, 2, 0], "label": [0, 1, 1, 0]})
    return as_graph(edges, features, labels)


def from_arrow():
    import pyarrow as pa

    return _of_frames(lambda columns: pa.table({k: list(v) for k, v in columns.items()}))


def from_polars():
    pl = pytest.importorskip("polars")
    return _of_frames(lambda columns: pl.DataFrame({k: list(v) for k, v in columns.items()}))


def from_lazy_polars():
    pl = pytest.importorskip("polars")
    return _of_frames(lambda columns: pl.LazyFrame({k: list(v) for k, v in columns.items()}))


def from_pyg_list_of_one():
    index, weight = _pyg_parts()
    data = Data(x=torch.from_numpy(FEATURES), edge_index=index, edge_weight=weight)
    return as_graph([data], labels=LABELS)


def from_dgl():
    index, weight = _pyg_parts()
    ndata = {"feat": torch.from_numpy(FEATURES), "label": torch.from_numpy(LABELS)}
    return as_graph(StubDGL(index, ndata, {"weight": weight}))


@pytest.mark.parametrize(
    "read",
    [
        from_graph,
        from_scipy,
        from_dense,
        from_pyg,
        from_pyg_attr_and_sparse_x,
        from_pyg_adj_t,
        from_networkx,
        from_multigraph,
        from_frame,
        from_frame_of_both_directions,
        from_triples,
        from_networkx_edges_with_data,
        from_arrow,
        from_polars,
        from_lazy_polars,
        from_pyg_list_of_one,
        from_dgl,
    ],
)
def test_every_library_gives_the_same_graph(read):
    graph = read()
    assert isinstance(graph, Graph)
    assert np.array_equal(graph.adjacency.toarray(), WEIGHTS)
    features = graph.features.toarray() if sp.issparse(graph.features) else graph.features
    assert np.array_equal(features, FEATURES)
    assert graph.node_ids.tolist() == [0, 1, 2, 3, 4]
    assert graph.labels.tolist() == LABELS.tolist()
    assert graph.label_names == ("0", "1")
    assert not graph.directed and graph.is_weighted and graph.has_self_loops
    assert graph.num_edges == 3


def test_a_graph_comes_back_itself_unless_something_is_given():
    graph = build_graph(np.triu(WEIGHTS), FEATURES, labels=LABELS)
    assert as_graph(graph) is graph
    changed = as_graph(graph, np.ones((5, 1)), directed=False, name="other")
    assert not changed.directed and changed.num_features == 1 and changed.name == "other"
    assert changed.labels.tolist() == LABELS.tolist()
    assert as_graph(graph, labels=["a"] * 5).features is graph.features


@pytest.mark.parametrize("directed", [None, True])
def test_arcs_stay_arcs(directed):
    arcs = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    index = torch.tensor([[0, 1], [1, 2]])
    for obj in (
        sp.csr_array(arcs),
        Data(edge_index=index, num_nodes=3),
        nx.DiGraph([(0, 1), (1, 2)]),
        StubDGL(index, {}, n=3),
    ):
        graph = as_graph(obj, directed=directed)
        assert graph.directed and np.array_equal(graph.adjacency.toarray(), arcs)
        edges = as_graph(obj, directed=False)
        assert not edges.directed and np.array_equal(edges.adjacency.toarray(), arcs + arcs.T)


def test_frame_is_undirected_unless_told():
    frame = pd.DataFrame({"src": ["a", "b"], "dst": ["b", "c"]})
    assert as_graph(frame).num_edges == 2 and not as_graph(frame).directed
    arcs = as_graph(frame, directed=True)
    assert arcs.directed and arcs.edges().tolist() == [[0, 1], [1, 2]]


def test_pairs_in_any_collection():
    pairs = [("a", "b"), ("b", "c")]
    for obj in (pairs, tuple(pairs), set(pairs), [list(pair) for pair in pairs] * 2):
        graph = as_graph(obj)
        assert graph.node_ids.tolist() == ["a", "b", "c"]
        assert graph.edges().tolist() == [[0, 1], [1, 2]] and not graph.directed
    assert as_graph(nx.path_graph(3).edges).edges().tolist() == [[0, 1], [1, 2]]
    assert as_graph([(0, 1)]).num_edges == 1
    assert as_graph(pairs, directed=True).directed
    assert as_graph([((0, 0), (0, 1)), ((0, 1), (1, 1))]).node_ids.tolist() == [
        "(0, 0)", "(0, 1)", "(1, 1)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "the list has no edges"),
        ([(0, 1), (2,)], r"entry 2 is \(2,\); expected a pair"),
        ([(0, 1), "ab"], "entry 2 is 'ab'"),
        ([(0, 1), (1, 2, 3.0)], "entry 1 has 2 parts and entry 2 has 3"),
        ([(0, 1, "x")], "entry 1 has weight 'x'"),
        ([(0, 1, -1.0)], "row 1 has weight -1"),
        ([(0, None)], "entry 1 has an empty id"),
        ([[0, 1, 0], [1, 0, 1], [0, 1, 0]], "could be edges or a matrix"),
        ([[0, 1], [1, 0]], "could be edges or a matrix"),
    ],
)
def test_a_list_that_is_no_list_of_edges(pairs, message):
    with pytest.raises(InputError, match=message):
        as_graph(pairs)


def test_columns_of_a_frame_by_name():
    frame = pd.DataFrame({"when": [1, 2], "payer": ["a", "b"], "payee": ["b", "c"], "sum": [5, 7]})
    graph = as_graph(frame, source="payer", target="payee", weight="sum")
    assert graph.node_ids.tolist() == ["a", "b", "c"] and graph.adjacency[1, 2] == 7
    numbered = pd.DataFrame([(2024, "a", "b"), (2024, "b", "c")])
    assert as_graph(numbered, source=1, target=2).node_ids.tolist() == ["a", "b", "c"]
    with pytest.raises(InputError, match="no column 'payor'"):
        as_graph(frame, source="payor", target="payee")
    for obj in (np.eye(3), [(0, 1)], nx.path_graph(3), build_graph(np.eye(3))):
        with pytest.raises(InputError, match="source: names a column of a frame of edges, got"):
            as_graph(obj, source="payer", target="payee")


def test_names_of_attributes_are_for_networkx():
    with pytest.raises(InputError, match="features: 'age' would name a node attribute"):
        as_graph(np.eye(3), features="age")
    with pytest.raises(InputError, match="labels: 'club' would name a node attribute"):
        as_graph([(0, 1)], labels="club")


def test_columns_are_named_where_a_frames_are_all_strings():
    for columns, names in ((["a", "b"], ("a", "b")), ([0, 1], None)):
        features = pd.DataFrame(FEATURES, columns=columns)
        assert as_graph(WEIGHTS, features).feature_names == names
    mixed = pd.DataFrame({"id": range(5), 0: FEATURES[:, 0]})
    assert as_graph(WEIGHTS, mixed).feature_names is None


def test_a_column_of_vectors_is_as_many_features():
    rows = FEATURES.tolist()
    for features in (
        pd.DataFrame({"v": rows}),
        pd.DataFrame({"node": [4, 3, 2, 1, 0], "v": [np.array(row) for row in rows[::-1]]}),
    ):
        read = as_graph(WEIGHTS, features)
        assert np.array_equal(read.features, FEATURES) and read.feature_names is None
    with pytest.raises(InputError, match="'v' holds vectors, beside 2 other columns"):
        as_graph(WEIGHTS, pd.DataFrame({"id": range(5), "age": 1.0, "v": rows}))
    with pytest.raises(InputError, match="features: column 'v'"):
        as_graph(WEIGHTS, pd.DataFrame({"v": [*rows[:4], [1.0]]}))


def test_a_series_is_one_feature_and_labels_by_position_or_id():
    pl = pytest.importorskip("polars")
    read = as_graph(WEIGHTS, pd.Series(FEATURES[:, 0], name="age"), pl.Series(LABELS))
    assert read.feature_names == ("age",) and read.features.shape == (5, 1)
    assert read.labels.tolist() == LABELS.tolist()
    named = as_graph([("a", "b")], labels=pl.Series(["x", "y"]))
    assert named.label_names == ("x", "y")


def test_parallel_edges():
    repeated = pd.DataFrame([("a", "b"), ("b", "a"), ("a", "b")])
    assert as_graph(repeated).adjacency.toarray().tolist() == [[0, 1], [1, 0]]
    weighted = pd.DataFrame([("a", "b", 1.0), ("b", "a", 2.0), ("a", "b", 3.0)])
    assert as_graph(weighted).adjacency[0, 1] == 6
    index = torch.tensor([[0, 0, 1], [1, 1, 0]])
    assert not as_graph(Data(edge_index=index, num_nodes=2)).is_weighted


def test_order_of_the_features_and_isolated_nodes():
    frame = pd.DataFrame({"source": ["c", "a"], "target": ["a", "b"]})
    assert as_graph(frame).node_ids.tolist() == ["a", "b", "c"]
    features = pd.DataFrame({"f": [1.0, 2.0, 3.0, 4.0]}, index=["z", "c", "b", "a"])
    graph = as_graph(frame, features)
    assert graph.node_ids.tolist() == ["z", "c", "b", "a"]
    assert graph.feature_names == ("f",)
    assert graph.edges().tolist() == [[1, 3], [2, 3]]


@pytest.mark.parametrize(
    "features",
    [
        pd.DataFrame({"node": [7, 5], "f": [1.0, 2.0]}),
        pd.DataFrame({"who": ["7", "5"], "f": [1.0, 2.0]}),
        pd.DataFrame({"f": [1.0, 2.0]}, index=[7, 5]),
        pd.DataFrame({"f": [1.0, 2.0]}, index=pd.Index(["7", "5"])),
    ],
)
def test_ids_of_features_as_index_or_first_column(features):
    graph = as_graph(pd.DataFrame({"u": [5], "v": [7]}), features)
    assert graph.node_ids.tolist() == [7, 5]
    assert graph.features.ravel().tolist() == [1, 2]


def test_features_without_ids_need_positions():
    frame = pd.DataFrame({"source": [0], "target": [3]})
    assert as_graph(frame, np.ones((5, 1))).num_nodes == 5
    with pytest.raises(InputError, match="row 1 names node 3 without features"):
        as_graph(frame, np.ones((2, 1)))
    with pytest.raises(InputError, match="row 1 names node 'a' without features"):
        as_graph(pd.DataFrame({"source": ["a"], "target": ["b"]}), np.ones((2, 1)))


def test_pyg_splits_of_one_and_of_several_kinds():
    index = torch.tensor([[0, 1], [1, 0]])
    data = Data(edge_index=index, num_nodes=2, train_mask=torch.tensor([True, False]))
    assert as_graph(data).splits["train"].tolist() == [True, False]
    data.train_mask = torch.tensor([[True, False, True], [False, True, False]])
    assert as_graph(data).splits["train"].shape == (2, 3)


def test_pyg_wide_edge_attributes_are_no_weights_and_it_is_said():
    data = Data(edge_index=torch.tensor([[0], [1]]), edge_attr=torch.ones(1, 4), num_nodes=2)
    with pytest.warns(UserWarning, match=r"edge_attr: shape \(1, 4\) is more than one weight"):
        assert not as_graph(data).is_weighted
    typed = Data(edge_index=torch.tensor([[0], [1]]), edge_type=torch.tensor([2]), num_nodes=2)
    with pytest.warns(UserWarning, match="types of edges are not used"):
        as_graph(typed)


@pytest.mark.parametrize("y", [torch.linspace(0, 1, 5), torch.rand(5, 3)])
def test_a_quantity_that_a_data_would_predict_is_no_label(y):
    index, _ = _pyg_parts()
    with pytest.warns(UserWarning, match="y: it holds fractions"):
        graph = as_graph(Data(edge_index=index, num_nodes=5, y=y))
    assert graph.labels is None
    whole = as_graph(Data(edge_index=index, num_nodes=5, y=torch.tensor([0.0, 1, 1, 0, np.nan])))
    assert whole.labels.tolist() == [0, 1, 1, 0, -1]


def hetero(nodes=("paper",), edges=(("paper", "cites", "paper"),)):
    data, (index, weight) = HeteroData(), _pyg_parts()
    for kind in nodes:
        data[kind].x, data[kind].y = torch.from_numpy(FEATURES), torch.from_numpy(LABELS)
        data[kind].train_mask = torch.tensor([True, False, True, False, False])
    for kind in edges:
        data[kind].edge_index, data[kind].edge_weight = index, weight
    return data


def test_hetero_data_of_one_type_is_the_data():
    graph = as_graph(hetero())
    assert np.array_equal(graph.adjacency.toarray(), WEIGHTS)
    assert np.array_equal(graph.features, FEATURES)
    assert graph.labels.tolist() == LABELS.tolist()
    assert graph.splits["train"].sum() == 2
    bare = HeteroData()
    bare["n"].num_nodes = 4
    bare["n", "e", "n"].edge_index = torch.tensor([[0], [1]])
    assert as_graph(bare).num_nodes == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (hetero(("paper", "author")), "node types paper, author and edge types paper-cites-paper"),
        (
            hetero(edges=(("paper", "cites", "paper"), ("paper", "likes", "paper"))),
            "edge types paper-cites-paper, paper-likes-paper; expected one of each",
        ),
        (HeteroData(), "node types none"),
    ],
)
def test_hetero_data_of_several_types_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        as_graph(data)


def test_networkx_attributes_by_name():
    graph = nx.karate_club_graph()
    for node in graph:
        graph.nodes[node].update(size=float(node), age=1)
    read = as_graph(graph, features=["size", "age"], labels="club")
    assert read.features[5].tolist() == [5, 1]
    assert read.label_names == ("Mr. Hi", "Officer")
    assert as_graph(graph).features is None and as_graph(graph).labels is None
    assert read.feature_names == ("size", "age")
    assert as_graph(graph, features="size").feature_names == ("size",)
    for node in graph:
        graph.nodes[node]["both"] = [1.0, float(node)]
    assert as_graph(graph, features=["both", "age"]).feature_names is None
    with pytest.raises(InputError, match="no node has an attribute 'team'"):
        as_graph(graph, labels="team")
    del graph.nodes[3]["age"]
    with pytest.raises(InputError, match="node 3 has no attribute 'age'"):
        as_graph(graph, features=["age"])


def test_networkx_nodes_of_any_kind_and_order():
    graph = nx.Graph([("b", "a"), ("a", (1, 2))])
    read = as_graph(graph, pd.DataFrame({"f": [0.0, 1.0, 2.0]}, index=["(1, 2)", "a", "b"]))
    assert read.node_ids.tolist() == ["b", "a", "(1, 2)"]
    assert read.features.ravel().tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_graph(nx.Graph()), "no nodes"),
        (lambda: as_graph(nx.Graph([(0, 1, {"weight": "heavy"})])), "weight 'heavy'"),
        (lambda: as_graph(np.ones((2, 3))), "square"),
        (lambda: as_graph(np.ones((5, 2), dtype=int)), r"\(5, 2\) is no adjacency; edges come as"),
        (lambda: as_graph(pd.DataFrame({"a": [1], "b": [2]}).iloc[:0]), "no edges"),
        (lambda: as_graph(pd.DataFrame({"source": [1]})), "two columns"),
        (lambda: as_graph(pd.DataFrame({"a": [1, None], "b": ["x", "y"]})), "row 2 has an empty"),
        (lambda: as_graph(pd.DataFrame([(1, 2, -1.0)])), "row 1 has weight -1"),
        (lambda: as_graph(pd.DataFrame([(1, 2, "x")])), "row 1: weight is 'x'"),
        (
            lambda: as_graph(
                pd.DataFrame({"u": ["a", "a"], "v": ["b", "c"]}),
                pd.DataFrame({"f": [1, 2]}, index=["a", "b"]),
            ),
            "row 2 names node 'c' without features",
        ),
        (
            lambda: as_graph(
                pd.DataFrame({"u": ["a"], "v": ["b"]}),
                pd.DataFrame({"f": [1, 2, 3]}, index=["a", "b", "a"]),
            ),
            "node 'a' comes more than once",
        ),
        (
            lambda: as_graph(
                pd.DataFrame({"u": ["a"], "v": ["b"]}),
                pd.DataFrame({"f": [1, "x"]}, index=["a", "b"]),
            ),
            "node 'b', column 'f' is 'x'; expected a number",
        ),
        (
            lambda: as_graph(
                pd.DataFrame({"u": ["a"], "v": ["b"]}),
                pd.DataFrame({"f": [1, None]}, index=["a", "b"]),
            ),
            "node 'b', column 'f' is nan",
        ),
        (lambda: as_graph(np.eye(2), pd.DataFrame({"f": [1.0]})), "node 1 has no features"),
        (lambda: as_graph(np.eye(1), pd.DataFrame({"f": [1.0, 2]})), "1 is not a node"),
        (lambda: as_graph(np.eye(2), labels=[1, 2, 3]), "got 3 labels for 2 nodes"),
        (lambda: as_graph(np.eye(2), labels={7: "a"}), "none of its 1 ids"),
        (lambda: as_graph(Data(x=torch.ones(2, 1))), "neither edge_index nor adj_t"),
        (lambda: as_graph(Data(edge_index=torch.ones(3, 2, dtype=int), num_nodes=2)), "shape"),
        (
            lambda: as_graph(Data(edge_index=torch.tensor([[0], [5]]), num_nodes=2)),
            "names node 5",
        ),
        (
            lambda: as_graph(
                Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2, y=torch.tensor([1]))
            ),
            "remove y",
        ),
        (lambda: as_graph(StubDGL([[0], [1]], {}, is_homogeneous=False)), "several node or edge"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "obj", [3, "karate", [1, 2], ["ab", "cd"], (np.eye(2), np.eye(2)), types.SimpleNamespace()]
)
def test_unknown_objects(obj):
    with pytest.raises(TypeError, match="cannot read"):
        as_graph(obj)


def test_labels_by_id_leave_others_unknown_and_warn_of_strangers():
    graph = as_graph(np.eye(3), labels={2: "a"})
    assert graph.labels.tolist() == [-1, -1, 0]
    with pytest.warns(DamrepWarning, match="1 of 2 labelled ids are not in the graph, e.g. 9"):
        as_graph(np.eye(3), labels={2: "a", 9: "b"})


def test_reading_needs_neither_dgl_nor_torch_geometric():
    code = (
        "import sys, numpy as np, pandas as pd\n"
        "from damrep.graph.data.convert import as_graph\n"
        "as_graph(np.eye(3)); as_graph(pd.DataFrame({'u': [1], 'v': [2]}))\n"
        "assert not {'dgl', 'torch_geometric', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


rows = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.25, 1.0, 3.0])),
    min_size=1,
    max_size=25,
)


@given(rows, st.booleans())
def test_a_frame_is_the_matrix_of_its_rows(triples, directed):
    frame = pd.DataFrame(triples, columns=["source", "target", "weight"])
    features = np.zeros((7, 1))
    dense = np.zeros((7, 7))
    for u, v, w in triples:
        dense[u, v] += w
    graph = as_graph(frame, features, directed=directed)
    matrix = as_graph(sp.csr_array(dense), directed=directed)
    assert np.array_equal(graph.adjacency.toarray(), matrix.adjacency.toarray())
    assert graph.directed == matrix.directed


@given(rows, st.permutations(range(7)))
def test_names_of_nodes_only_rename(triples, order):
    names = np.array([f"n{i}" for i in order], dtype=object)
    frame = pd.DataFrame(triples, columns=["source", "target", "weight"])
    renamed = frame.assign(source=names[frame.source], target=names[frame.target])
    plain, named = as_graph(frame), as_graph(renamed)
    place = {name: i for i, name in enumerate(named.node_ids)}
    back = [place[names[i]] for i in plain.node_ids]
    assert np.array_equal(named.adjacency.toarray()[np.ix_(back, back)], plain.adjacency.toarray())
