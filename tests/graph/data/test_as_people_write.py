"""Graphs as people have them: every way to write one graph is that graph, and it is said how.

The graph is 90 nodes in three groups with 492 edges.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import mmwrite
from torch_geometric.data import Data

from damrep.graph.data.files import read_features, read_graph
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect

EDGES = list(nx.planted_partition_graph(3, 30, 0.35, 0.02, seed=1).edges)
Ends = Callable[[Any, Any], tuple[Any, ...]]


def plain(u: int, v: int) -> tuple[int, int]:
    return u, v


def named(u: int, v: int) -> tuple[str, str]:
    return f"user_{u:03d}", f"user_{v:03d}"


def worded(u: int, v: int) -> tuple[str, str]:
    one, two = (f"n{chr(97 + w // 26)}{chr(97 + w % 26)}" for w in (u, v))
    return one, two


def text(ends: Ends = plain, mark: str = ",", head: str = "") -> str:
    rows = [mark.join(map(str, ends(u, v))) for u, v in EDGES]
    return "\n".join([*([head] if head else []), *rows]) + "\n"


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, content: str) -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


def is_the_graph(graph: Any) -> bool:
    return graph.num_nodes == 90 and graph.num_edges == 492 and not graph.is_weighted


@pytest.mark.parametrize(
    "head", ["follower,followee", "from product,to product", "Source ID,target id"]
)
@pytest.mark.parametrize("ends", [plain, named, worded])
def test_a_header_is_no_edge(put: Any, head: str, ends: Ends) -> None:
    graph = read_graph(put("e.csv", text(ends, head=head)))
    assert is_the_graph(graph)
    one, two = head.split(",")
    assert graph.notes[-1:] == (
        f"line 1 names the columns: {one!r} and {two!r} are the ends of an edge",
    )


@pytest.mark.parametrize("ends", [plain, named, worded])
def test_an_edge_is_no_header(put: Any, ends: Ends) -> None:
    graph = read_graph(put("e.csv", text(ends)))
    assert is_the_graph(graph)
    assert graph.notes[-1:] == ("no row names the columns: the first two are the ends of an edge",)
    told = read_graph(put("e.csv", text(ends)), dialect=Dialect(header=True))
    assert told.num_edges == 491
    assert (
        read_graph(put("e.csv", text(ends, head="a,b")), dialect=Dialect(header=False)).num_nodes
        == 92
    )


def test_a_first_row_without_features_is_a_header(put: Any) -> None:
    rows = "".join(f"user_{u:03d},{u},{2 * u}\n" for u in range(90))
    features = put("f.csv", "id,age,height\n" + rows)
    for head in ("from product,to product", "a1,b1"):
        graph = read_graph(put("e.csv", text(named, head=head)), features)
        assert is_the_graph(graph) and graph.feature_names == ("age", "height")
    with pytest.raises(InputError, match="line 1 names node 'user_x' without features"):
        read_graph(put("e.csv", "user_x,user_001\n" + text(named)), features)


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        ("date,caller,callee", lambda u, v: ("2024-01-01", u, v)),
        ("id,payer,payee", lambda u, v: (90 * u + v, u, v)),
        ("when,payer,payee", lambda u, v: (u + v, u, v)),
    ],
)
def test_of_more_than_two_unknown_columns_none_is_guessed(put: Any, head: str, ends: Ends) -> None:
    path = put("e.csv", text(ends, head=head))
    names = head.split(",")
    with pytest.raises(InputError, match=f"{', '.join(map(repr, names))}; name them with --source"):
        read_graph(path)
    with pytest.raises(InputError, match="source was named but not target; name both, or neither"):
        read_graph(path, source=names[1])
    graph = read_graph(path, source=names[1], target=names[2])
    assert is_the_graph(graph) and f"not used: {names[0]!r}" in graph.notes
    frame = pd.read_csv(path)
    from damrep.graph.data.convert import as_graph

    with pytest.raises(InputError, match="source="):
        as_graph(frame)


def test_users_and_items_of_one_number(put: Any) -> None:
    path = put("r.csv", text(lambda u, v: (u, v, 3, 9), head="user,item,rating,timestamp"))
    graph = read_graph(path)
    assert graph.num_nodes == 90
    assert any("--bipartite" in note for note in graph.notes)
    assert "'rating' was taken for weights, 3 to 3" in graph.notes
    assert "not used: 'timestamp'" in graph.notes
    apart = read_graph(path, bipartite=True)
    assert apart.num_nodes == len({u for u, _ in EDGES}) + len({v for _, v in EDGES})
    assert {str(node).split(":")[0] for node in apart.node_ids} == {"user", "item"}
    assert not any("--bipartite" in note for note in apart.notes)


def test_a_relation_is_not_dropped_without_a_word(put: Any) -> None:
    path = put("k.csv", text(lambda u, v: (u, "knows", v), head="head,relation,tail"))
    assert "not used: 'relation'" in read_graph(path).notes


def test_a_third_column_is_said_to_be_weights(put: Any) -> None:
    path = put("t.txt", text(lambda u, v: (u, v, 1_500_000_000 + u), mark=" "))
    graph = read_graph(path)
    assert graph.is_weighted
    assert "taken for weights, 1500000000 to 1500000088 (they look like times" in graph.notes[1]
    assert is_the_graph(read_graph(path, weighted=False))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.csv", text(mark=" ")),
        ("e.csv", text(mark="|")),
        ("e.csv", text(mark=";")),
        ("e.txt", text(mark="  ")),
        ("e.dat", text(mark="::")),
        ("e.edges", text(mark="\t")),
        ("e.csv", "sep=;\n" + text(mark=";")),
        ("e.csv", "// by hand\n" + text()),
        ("e.txt", "% asym unweighted\n" + text(mark=" ")),
        ("e.txt", "# Directed graph\n# FromNodeId\tToNodeId\n" + text(mark="\t")),
        ("e.csv", "#Nodes: 90 Edges: 492\n" + text() + "# the end\n"),
        ("e.csv", text(lambda u, v: (f"#tag{u}", f"#tag{v}"))),
        ("e.csv", text().replace("\n", "\n  \n", 3)),
        ("w.edgelist", text(lambda u, v: (u, v, "{}"), mark=" ")),
        ("w.csv", text(lambda u, v: (u, v, "{'a': 1, 'b': 2}"), mark=" ")),
    ],
)
def test_text_as_programs_write_it(put: Any, name: str, content: str) -> None:
    graph = read_graph(put(name, content))
    assert is_the_graph(graph)
    marked = [line for line in content.splitlines() if line.startswith(("# ", "//", "%", "#N"))]
    said = [note for note in graph.notes if "passed over as comments" in note]
    assert said == ([] if not marked else [
        f"{len(marked)} line{'s were' if len(marked) > 1 else ' was'} passed over as comments"
    ])  # fmt: skip


def test_a_comment_that_is_not_known_for_one_is_named(put: Any) -> None:
    path = put("e.csv", "1,2\n!skip this\n2,3\n")
    with pytest.raises(InputError, match="line 2 has 1 columns"):
        read_graph(path)
    assert read_graph(path, dialect=Dialect(comment="!")).num_edges == 2
    with pytest.raises(InputError, match="holds only comments"):
        read_graph(put("e.csv", "# 1,2\n# 2,3\n"))


def test_graphs_of_other_programs(tmp_path: Path) -> None:
    network = nx.Graph(EDGES)
    nx.write_gml(network, tmp_path / "g.gml")
    nx.write_gexf(network, tmp_path / "g.gexf")
    nx.write_graphml(network, tmp_path / "g.graphml")
    mmwrite(tmp_path / "g.mtx", nx.to_scipy_sparse_array(network))
    for key in ("edges", "links"):
        content = json.dumps(nx.node_link_data(network, edges=key))
        (tmp_path / f"{key}.json").write_text(content)
    frame = pd.DataFrame(EDGES, columns=["src", "dst"])
    frame.to_feather(tmp_path / "g.feather")
    frame.to_json(tmp_path / "g.jsonl", orient="records", lines=True)
    torch.save(
        [Data(edge_index=torch.tensor(EDGES + [e[::-1] for e in EDGES]).t())], tmp_path / "g.pt"
    )
    for path in tmp_path.iterdir():
        graph = read_graph(path)
        assert is_the_graph(graph), path.name
        assert sorted(graph.node_ids.tolist()) == list(range(90)), path.name


def test_weights_of_an_edge_list_with_attributes(tmp_path: Path) -> None:
    network = nx.Graph()
    network.add_edge("a b".replace(" ", "_"), "c", weight=2.5, color="red")
    nx.write_edgelist(network, tmp_path / "w.edgelist")
    graph = read_graph(tmp_path / "w.edgelist")
    assert graph.is_weighted and graph.adjacency.toarray().tolist() == [[0, 2.5], [2.5, 0]]


def test_whole_numbers_are_features_where_they_are_not_the_nodes(put: Any) -> None:
    edges = put("e.csv", text())
    for head in ("", "age,height\n"):
        for shift in (0, 5):
            rows = [f"{u % 7 if shift == 0 else u + shift},{2 * u}" for u in range(90)]
            graph = read_graph(edges, put("f.csv", head + "\n".join(rows)))
            assert graph.num_features == 2, (head, shift)
            assert any("row i is node i" in note for note in graph.notes)
    order = np.random.default_rng(0).permutation(90)
    graph = read_graph(edges, put("f.csv", "\n".join(f"{u},{2 * u}" for u in order)))
    assert graph.num_features == 1 and graph.node_ids.tolist() == order.tolist()


def test_a_file_of_ids_names_nodes_without_edges(put: Any) -> None:
    ids = put("ids.csv", "id\n" + "\n".join(map(str, range(95))))
    graph = read_graph(put("e.csv", text()), ids)
    assert graph.num_nodes == 95 and graph.features is None and graph.num_edges == 492


def test_features_with_a_decimal_comma(put: Any) -> None:
    table = read_features(put("f.csv", "id;x\na;0,5\nb;1,25\n"))
    assert table.values.tolist() == [[0.5], [1.25]]
    with pytest.raises(InputError, match="a thousand or a decimal comma"):
        read_features(put("f.csv", "id;x\na;1,500\nb;2,250\n"))
    thousand = read_features(put("f.csv", "id;x\na;1,500\n"), Dialect(decimal=","))
    assert thousand.values.tolist() == [[1.5]]


def test_repeated_edges_are_counted(put: Any) -> None:
    graph = read_graph(put("e.csv", text() + text()))
    assert is_the_graph(graph) and "492 rows repeat an edge and count once" in graph.notes


def test_features_and_labels_may_have_the_encoding_of_the_edges(tmp_path: Path) -> None:
    for name, content in (
        ("e.csv", "source,target\nZoë,Jürgen\nJürgen,Ann\n"),
        ("f.csv", "id;x\nZoë;1,500\nJürgen;2,500\nAnn;3,500\n"),
        ("l.csv", "id,label\nZoë,é\nAnn,à\n"),
    ):
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        (tmp_path / f"utf8_{name}").write_text(content, encoding="utf-8")
    told = Dialect(encoding="latin-1", decimal=",")
    for beside in ("", "utf8_"):
        features, labels = (tmp_path / f"{beside}{name}" for name in ("f.csv", "l.csv"))
        graph = read_graph(tmp_path / "e.csv", features, labels, dialect=told)
        assert graph.node_ids.tolist() == ["Zoë", "Jürgen", "Ann"]
        assert graph.features.ravel().tolist() == [1.5, 2.5, 3.5]
        assert graph.label_names == ("à", "é")


def test_names_in_both_columns_of_a_bipartite_graph(put: Any) -> None:
    path = put("r.csv", "user,item\nann,bob\nbob,tea\nann,tea\n")
    graph = read_graph(path, bipartite=True)
    assert sorted(graph.node_ids) == ["item:bob", "item:tea", "user:ann", "user:bob"]
    (said,) = [note for note in graph.notes if "both" in note]
    assert said.startswith("1 name in both 'user' and 'item': a node on either side")
    apart = read_graph(put("q.csv", "user,item\nann,tea\nbob,tea\n"), bipartite=True)
    assert not [note for note in apart.notes if "both" in note]


def test_types_of_edges_in_a_networkx_graph_are_not_dropped_without_a_word() -> None:
    import networkx

    from damrep.graph.data.convert import as_graph

    graph = networkx.MultiDiGraph()
    for i in range(6):
        graph.add_edge(i, i + 1, key="likes" if i % 2 else "knows", since=f"day {i}")
    with pytest.warns(UserWarning, match="^edges: 'key': types of edges are not used"):
        as_graph(graph)
    plain = networkx.Graph()
    for i in range(6):
        plain.add_edge(i, i + 1, relation="ab"[i % 2], weight=2.0)
    with pytest.warns(UserWarning, match="^edges: 'relation': types of edges are not used"):
        as_graph(plain)
    # All of one type, and a name of its own for each, are no types.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_graph(networkx.path_graph(5))
        for one in (lambda i: "knows", lambda i: f"e{i}"):
            same = networkx.MultiGraph()
            same.add_edges_from((i, i + 1, one(i)) for i in range(5))
            as_graph(same)
