"""Graphs, features and labels out of real files, and what is said of files that are no good."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data

from damrep.graph.data.files import read_features, read_graph, read_labels
from damrep.masking.validation import InputError

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "data" / "sample"
GRAPHS = ["csv", "tsv", "txt", "csv.gz", "parquet", "npz", "graphml", "pt"]


@pytest.fixture
def put(tmp_path):
    """Writes a file and returns its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("ending", GRAPHS)
@pytest.mark.parametrize("features", ["csv", "parquet", "npy", "npz"])
def test_the_sample_is_the_same_graph_in_every_format(ending, features):
    expected = sp.load_npz(SAMPLE / "graph.npz").toarray()
    graph = read_graph(
        SAMPLE / f"graph.{ending}", SAMPLE / f"features.{features}", SAMPLE / "labels.csv"
    )
    assert graph.node_ids.dtype == np.int64 and graph.node_ids.tolist() == list(range(60))
    assert np.array_equal(graph.adjacency.toarray(), expected)
    values = graph.features.toarray() if sp.issparse(graph.features) else graph.features
    assert np.array_equal(values, np.load(SAMPLE / "features.npy"))
    assert graph.label_names == ("group_0", "group_1", "group_2")
    assert graph.labels.tolist() == [node % 3 for node in range(60)]
    assert not graph.directed and graph.is_weighted and graph.name == "graph"


@pytest.mark.parametrize("ending", ["csv", "txt", "npy"])
def test_labels_in_every_format(ending):
    labels = SAMPLE / f"labels.{ending}"
    graph = read_graph(SAMPLE / "graph.npz", labels=labels)
    assert graph.labels.tolist() == [node % 3 for node in range(60)]


def test_graphml_and_pt_bring_their_own_labels():
    for ending in ("graphml", "pt"):
        graph = read_graph(SAMPLE / f"graph.{ending}")
        assert graph.labels.tolist() == [node % 3 for node in range(60)]
    assert read_graph(SAMPLE / "graph.pt").num_features == 6


def test_the_sample_is_what_its_script_writes(tmp_path):
    sys.path.insert(0, str(ROOT / "data"))
    try:
        import make_samples
    finally:
        sys.path.pop(0)
    make_samples.write(tmp_path)
    for name in ("graph.csv", "graph.txt", "features.csv", "labels.csv", "features.npy"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), name
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SAMPLE.iterdir()}


@pytest.mark.parametrize(
    ("name", "text", "ids", "edges"),
    [
        ("header.csv", "source,target\na,b\nb,c\n", ["a", "b", "c"], 2),
        ("plain.csv", "a,b\nb,c\n", ["a", "b", "c"], 2),
        ("other_header.csv", "citing paper,cited paper\n4,5\n5,6\n", [4, 5, 6], 2),
        ("ints.csv", "10,2\n2,3\n", [2, 3, 10], 2),
        ("zeros.csv", "007,2\n2,3\n", ["007", "2", "3"], 2),
        ("plus.csv", "+7,2\n", ["+7", "2"], 1),
        ("blanks.txt", "# a comment\n\n 1  2\n2\t3 \n", [1, 2, 3], 2),
        ("comments.csv", "# by hand\nsource,target\n1,2\n# more\n2,3\n", [1, 2, 3], 2),
        ("spaces.csv", "source, target\nann lee, bob\n", ["ann lee", "bob"], 1),
        ("semicolon.csv", "from;to\n1;2\n", [1, 2], 1),
        ("quotes.csv", '"Doe, J","Roe, R"\n', ["Doe, J", "Roe, R"], 1),
        ("windows.csv", "u,v\r\n1,2\r\n2,3\r\n", [1, 2, 3], 2),
        ("old_mac.csv", "u,v\r1,2\r2,3\r", [1, 2, 3], 2),
        ("bom.csv", b"\xef\xbb\xbfsource,target\n1,2\n", [1, 2], 1),
        ("umlaut.tsv", "src\tdst\nJürgen\tÅsa\n", ["Jürgen", "Åsa"], 1),
        ("no_newline.csv", "1,2", [1, 2], 1),
        ("CAPS.CSV", "SOURCE,TARGET\n1,2\n", [1, 2], 1),
        ("big.csv", "99999999999999999999,1\n", ["1", "99999999999999999999"], 1),
        ("far.csv", "-5,900000000000\n", [-5, 900000000000], 1),
    ],
)
def test_edge_lists(put, name, text, ids, edges):
    graph = read_graph(put(name, text))
    assert graph.node_ids.tolist() == ids
    assert graph.num_edges == edges and not graph.is_weighted
    assert graph.features is None and graph.labels is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "1,2,0.5\n2,3,4\n"),
        ("b.csv", "source,target,weight\n1,2,0.5\n2,3,4\n"),
        ("c.csv", "one,other,strong\n1,2,0.5\n2,3,4\n"),
        ("d.csv", "year,w,dst,src\n1990,0.5,2,1\n1991,+4,3,2\n"),
        ("e.txt", "1 2 .5\n3 2 4e0\n"),
    ],
)
def test_weights(put, name, text):
    if name == "c.csv":
        graph = read_graph(put(name, text), weight="strong")
    else:
        graph = read_graph(put(name, text))
    assert graph.adjacency.toarray().tolist() == [[0, 0.5, 0], [0.5, 0, 4], [0, 4, 0]]


def test_columns_by_name_and_direction(put):
    path = put("t.csv", "when,buyer,seller,amount\n1,a,b,3\n2,b,c,5\n")
    graph = read_graph(path, directed=True, source="buyer", target="seller", weight="amount")
    assert graph.directed
    assert graph.adjacency.toarray().tolist() == [[0, 3, 0], [0, 0, 5], [0, 0, 0]]
    with pytest.raises(
        InputError, match="no column 'cost' for weight; the columns are 'when', 'buyer'"
    ):
        read_graph(path, weight="cost")


def test_parquet_ids_of_mixed_width_and_strings(tmp_path):
    frame = pd.DataFrame({"src": np.array([1, 2], "int32"), "dst": np.array([2, 3], "int64")})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_graph(tmp_path / "a.parquet").node_ids.tolist() == [1, 2, 3]
    words = pd.DataFrame({"a": ["x", "y"], "b": pd.Categorical(["y", "z"])})
    words.iloc[[1, 0]].to_parquet(tmp_path / "b.parquet")
    assert read_graph(tmp_path / "b.parquet").node_ids.tolist() == ["x", "y", "z"]


def test_features_by_id_of_any_order_keep_isolated_nodes(put, tmp_path):
    edges = put("e.csv", "a,b\nb,c\n")
    csv = put("f.csv", "id,f\nd,4\nc,3\nb,2\na,1\n")
    graph = read_graph(edges, csv)
    assert graph.node_ids.tolist() == ["d", "c", "b", "a"]
    assert graph.features.ravel().tolist() == [4, 3, 2, 1]
    assert graph.adjacency.toarray()[0].sum() == 0
    frame = pd.DataFrame({"f": [4.0, 3, 2, 1]}, index=pd.Index(list("dcba"), name="who"))
    frame.to_parquet(tmp_path / "f.parquet")
    assert read_graph(edges, tmp_path / "f.parquet").node_ids.tolist() == ["d", "c", "b", "a"]


def test_leading_zeros_on_one_side_make_all_ids_strings(put):
    edges = put("e.csv", "1,2\n")
    graph = read_graph(edges, put("f.csv", "id,f\n1,1\n2,2\n003,3\n"))
    assert graph.node_ids.tolist() == ["1", "2", "003"]


@pytest.mark.parametrize(
    ("text", "ids", "names", "values"),
    [
        ("id,a,b\n1,2,3\n4,5,6\n", [1, 4], ("a", "b"), [[2, 3], [5, 6]]),
        ("1,2,3\n4,5,6\n", [1, 4], None, [[2, 3], [5, 6]]),
        ("p,0.5\nq,1e2\n", ["p", "q"], None, [[0.5], [100]]),
        ("paper,x\np,0.5\n", ["p"], ("x",), [[0.5]]),
        ("node,0,1\np,2,3\n", ["p"], ("0", "1"), [[2, 3]]),
        ("0.5,2\n1.5,3\n", None, None, [[0.5, 2], [1.5, 3]]),
        ("size,age\n0.5,2\n1.5,3\n", None, ("size", "age"), [[0.5, 2], [1.5, 3]]),
        ("5\n6\n", None, None, [[5], [6]]),
    ],
)
def test_feature_tables(put, text, ids, names, values):
    table = read_features(put("f.csv", text))
    assert (None if table.ids is None else table.ids.tolist()) == ids
    assert table.names == names
    assert table.values.tolist() == values and table.values.dtype == np.float32


def test_wide_and_long_feature_table(put):
    # Wider than the block pyarrow reads by default.
    values = np.random.default_rng(0).random((2, 60_000))
    text = "\n".join(f"n{i}," + ",".join(map(str, row)) for i, row in enumerate(values))
    table = read_features(put("wide.csv", text))
    assert np.array_equal(table.values, values.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "text", "ids", "values"),
    [
        ("l.csv", "id,label\na,x\nb,y\n", ["a", "b"], ["x", "y"]),
        ("l.csv", "a,x\nb,y\n", ["a", "b"], ["x", "y"]),
        ("l.csv", "id,age,class\na,3,x\n", ["a"], ["x"]),
        ("l.csv", "Machine Learning\nData Bases\n", None, ["Machine Learning", "Data Bases"]),
        ("l.txt", "label\n1\n2\n", None, [1, 2]),
        ("l.txt", "1 x\n2 y\n", [1, 2], ["x", "y"]),
    ],
)
def test_label_tables(put, name, text, ids, values):
    table = read_labels(put(name, text))
    assert (None if table.ids is None else table.ids.tolist()) == ids
    assert list(table.values) == values


def test_nodes_without_label_are_unknown(put):
    graph = read_graph(put("e.csv", "1,2\n2,3\n"), labels=put("l.csv", "id,label\n3,x\n1,\n"))
    assert graph.labels.tolist() == [-1, -1, 0]


def test_layouts_of_npz(tmp_path):
    ends = np.array([[0, 1], [1, 2], [1, 0]])
    features = sp.csr_array(np.array([[0, 2.0], [1, 0], [0, 0]]))
    split = np.array([[True, False, False], [False, True, False]])
    np.savez(
        tmp_path / "edges.npz",
        edges=ends,
        attr_indices=features.indices,
        attr_indptr=features.indptr,
        attr_data=features.data,
        attr_shape=features.shape,
        attr_names=np.array(["p", "q"]),
        labels=np.array([1, 0, 1]),
        class_names=np.array(["no", "yes"]),
        train_masks=split,
    )
    graph = read_graph(tmp_path / "edges.npz")
    assert graph.edges().tolist() == [[0, 1], [1, 2]] and not graph.is_weighted
    assert np.array_equal(graph.features.toarray(), features.toarray())
    assert graph.feature_names == ("p", "q") and graph.label_names == ("no", "yes")
    assert np.array_equal(graph.splits["train"], split.T)
    assert read_graph(tmp_path / "edges.npz", directed=True).num_edges == 3

    arcs = sp.csr_array(np.array([[0, 1.0], [0, 0]]))
    np.savez(
        tmp_path / "adj.npz",
        adj_data=arcs.data,
        adj_indices=arcs.indices,
        adj_indptr=arcs.indptr,
        adj_shape=arcs.shape,
        labels=np.array([0, 1]),
    )
    assert read_graph(tmp_path / "adj.npz").directed
    assert not read_graph(tmp_path / "adj.npz", directed=False).directed

    np.savez(
        tmp_path / "groups.npz",
        edges=ends,
        label_node=[0, 0, 2],
        label_group=[0, 1, 1],
        num_nodes=4,
        num_groups=2,
    )
    graph = read_graph(tmp_path / "groups.npz")
    assert graph.multi_label and graph.labels.tolist() == [[1, 1], [0, 0], [0, 1], [0, 0]]
    for kind in ("coo", "csc"):
        sp.save_npz(tmp_path / "m.npz", getattr(arcs, f"to{kind}")())
        assert np.array_equal(read_graph(tmp_path / "m.npz").adjacency.toarray(), arcs.toarray())


def test_pt_of_tensors_and_of_a_dataset(tmp_path):
    index = torch.tensor([[0, 1], [1, 0]])
    torch.save({"x": torch.ones(3, 2), "edge_index": index}, tmp_path / "dict.pt")
    assert read_graph(tmp_path / "dict.pt").num_nodes == 3
    data = Data(x=torch.ones(2, 2), edge_index=index)
    torch.save((data.to_dict(), None, Data), tmp_path / "set.pt")
    assert read_graph(tmp_path / "set.pt").num_edges == 1
    slices = {"x": torch.tensor([0, 1, 2])}
    torch.save((data.to_dict(), slices, Data), tmp_path / "sets.pt")
    with pytest.raises(InputError, match="several graphs"):
        read_graph(tmp_path / "sets.pt")


def test_graphml_keeps_direction_and_string_ids(tmp_path):
    nx.write_graphml(nx.DiGraph([("b", "a")]), tmp_path / "g.graphml")
    graph = read_graph(tmp_path / "g.graphml")
    assert graph.directed and graph.node_ids.tolist() == ["b", "a"]


def test_input_files_are_not_changed(tmp_path):
    for path in SAMPLE.iterdir():
        shutil.copy(path, tmp_path / path.name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for ending in GRAPHS:
        read_graph(tmp_path / f"graph.{ending}", tmp_path / "features.csv")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


words = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=6)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=15), st.sampled_from([",", "\t"]))
def test_any_words_are_ids(tmp_path_factory, rows, mark):
    path = tmp_path_factory.mktemp("ids") / ("e.csv" if mark == "," else "e.tsv")
    frame = pd.DataFrame(rows, columns=["source", "target"])
    frame.to_csv(path, index=False, sep=mark)
    graph = read_graph(path)
    assert sorted(map(str, graph.node_ids)) == sorted(set(frame.source) | set(frame.target))
    place = {str(node): i for i, node in enumerate(graph.node_ids)}
    dense = np.zeros((len(place), len(place)))
    for u, v in rows:
        dense[place[u], place[v]] = dense[place[v], place[u]] = 1
    assert np.array_equal(graph.adjacency.toarray(), dense)
