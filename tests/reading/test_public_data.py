"""Files as public collections have them: their first lines, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from damrep.graph.data.files import read_graph
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.recommend.files import read_ratings

MTX = "%%MatrixMarket matrix coordinate "


@pytest.fixture
def put(tmp_path: Path) -> Any:
    def write(name: str, content: str) -> Path:
        (tmp_path / name).write_bytes(content.encode())
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("name", "text", "ids", "weights"),
    [
        ("zachary.txt", "% sym unweighted\n% 2 3 3\n1 2\n2 3\n", [1, 2, 3], False),  # KONECT
        ("web.txt", "# Directed graph\n# Nodes: 3 Edges: 2\n# From\tTo\n0\t1\n1\t2\n",
         [0, 1, 2], False),  # SNAP
        ("soc.edges", "% asym\n1,2\n2,3\n", [1, 2, 3], False),  # Network Repository
        ("soc.edges", MTX + "pattern symmetric\n3 3 2\n2 1\n3 2\n", [0, 1, 2], False),
        ("soc.edges", MTX + "real symmetric\n3 3 2\n2 1 1.5\n3 2 2\n", [0, 1, 2], True),
        ("soc.mtx", MTX + "integer general\n% by hand\n3 3 2\n2 1 5\n3 2 2\n", [0, 1, 2], True),
        ("g.csv", "Source,Target,Type,Id,Label,timeset,Weight\na,b,Directed,0,,,1.5\n"
         "b,c,Directed,1,,,2\n", ["a", "b", "c"], True),  # Gephi
        ("d3.json", '{"nodes": [{"name": "x"}, {"name": "y"}, {"name": "z"}], "links": '
         '[{"source": 0, "target": 1}, {"source": 1, "target": 2}]}', ["x", "y", "z"], False),
        ("p.csv", ",follower,followee\n0,a,b\n1,b,c\n", ["a", "b", "c"], False),  # pandas
        ("f.csv", "source,target\n1.0,2\n2.0,3\n", [1, 2, 3], False),
    ],
)  # fmt: skip
def test_graphs(put: Any, name: str, text: str, ids: list[Any], weights: bool) -> None:
    graph = read_graph(put(name, text))
    assert graph.node_ids.tolist() == ids and graph.is_weighted == weights
    # A directed matrix of two arcs, or two edges.
    assert graph.num_edges == 2 and graph.adjacency.sum() > 0


def test_edges_with_a_weight_and_a_time(put: Any) -> None:
    """Of KONECT, and the bitcoin ones of SNAP: by number, as the columns have no names."""
    path = put("out.txt", "% asym weighted\n6 2 4 1289241911\n6 5 2 1289241941\n1 2 3 9\n")
    with pytest.raises(InputError, match="4 columns without a header; .*--source 1 --target 2"):
        read_graph(path)
    graph = read_graph(path, source="1", target="2", weight="3")
    assert graph.node_ids.tolist() == [1, 2, 5, 6] and graph.num_edges == 3
    assert sorted(graph.adjacency.data.tolist()) == [2, 2, 3, 3, 4, 4]
    assert "no row names the columns: columns 1 and 2 are the ends of an edge" in graph.notes


def test_numbers_name_columns_only_where_no_row_does(put: Any) -> None:
    graph = read_graph(put("c.csv", "1,2,3\na,b,5\nb,c,6\n"), source="1", target="2")
    assert graph.num_edges == 3  # the row "1,2,3" too: nothing says that it names columns
    told = Dialect(header=True)
    graph = read_graph(put("c.csv", "1,2,3\na,b,5\nb,c,6\n"), source="1", target="2", dialect=told)
    assert graph.node_ids.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "g.net",
            '*Vertices 2\n1 "a"\n2 "b"\n*Edges\n1 2 1\n',
            "a Pajek file; networkx.read",
        ),
        (
            "g.txt",
            '*Vertices 2\n1 "a"\n2 "b"\n*Edges\n1 2 1\n',
            "a Pajek file; networkx.read",
        ),
        ("k.tsv", "a\tlikes\tb\nb\tknows\tc\n", "'b'; expected a number; .*--source 1 --target 3"),
        ("a.txt", "a -> b\nb -> c\n", "--source 1 --target 3"),
        ("m.csv", ";A;B;C\nA;0;1;0\nB;1;0;1\nC;0;1;0\n", "which columns are the ends of an edge"),
        ("l.json", "[[1, 2], [2, 3]]", "expected a JSON object with nodes and edges"),
        ("n.json", '{"nodes": ["a"], "edges": [["a", "a"]]}', "each an object"),
        ("o.json", '{"source": 1}\n{"source": 2}\n', "an edge a line is read as .jsonl"),
        ("c.csv", "source,target\na,b\nsource,target\nb,c\n", "line 3 is the row of names again"),
        ("n.csv", "a,b\nc,\n", "line 2 has an empty node id in column 2"),
        ("m.mtx", MTX + "complex general\n1 1 1\n1 1 1 1\n", "line 1 says '%%MatrixMarket"),
        ("m.mtx", MTX + "real general\n2 2 2\n1 1 1\n", "announces 2 entries, the file holds 1"),
        (
            "m.mtx",
            MTX + "real general\n2 2 1\n3 1 1\n",
            "in row 3, column 1; the matrix has 2 r",
        ),
        ("m.mtx", MTX + "real general\n2 2 1\n1 1 x\n", "not a readable Matrix Market file .*'x'"),
        ("m.mtx", MTX + "real general\nfew\n", "line 2 is 'few'; expected the numbers of rows"),
        ("m.mtx", "1 2\n2 3\n", "its first line is '1 2', expected %%MatrixMarket"),
        ("m.mtx", MTX + "real general\n2 3 1\n1 1 1\n", "square"),
    ],
)
def test_what_is_no_graph_here(put: Any, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_graph(put(name, text))
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("kind", ["array", "coordinate"])
@pytest.mark.parametrize("symmetry", ["general", "symmetric", "skew-symmetric"])
@pytest.mark.parametrize("packing", ["", ".gz", ".xz"])
def test_matrix_market_as_scipy_writes_it(
    tmp_path: Path, kind: str, symmetry: str, packing: str
) -> None:
    import gzip
    import io
    import lzma

    import numpy as np
    import scipy.io
    import scipy.sparse as sp

    from damrep.reading.matrix_market import read_matrix_market

    matrix = np.random.default_rng(0).normal(size=(6, 6)).round(3)
    matrix[matrix < -1] = 0
    matrix = {"general": matrix, "symmetric": matrix + matrix.T}.get(symmetry, matrix - matrix.T)
    stream = io.BytesIO()
    given = matrix if kind == "array" else sp.coo_array(matrix)
    scipy.io.mmwrite(stream, given, comment="by hand\nin two lines", symmetry=symmetry)
    pack: Any = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packing]
    (tmp_path / f"m.mtx{packing}").write_bytes(pack(stream.getvalue()))
    read = read_matrix_market(tmp_path / f"m.mtx{packing}")
    np.testing.assert_array_equal(read.toarray(), matrix)


def test_what_looks_like_a_slip_is_noted(put: Any) -> None:
    rows = "".join(f"{i},{i + 1}\n" for i in range(50))
    graph = read_graph(put("e.csv", "source,target\n(id),(id)\n" + rows))
    assert "1 of 52 ids is no whole number: '(id)'; so all of them are strings" in graph.notes
    graph = read_graph(put("e.csv", "source,target\nann,NULL\nbob,NULL\ncy,ann\n"))
    assert "'NULL' was read as a name, not as a gap" in graph.notes
    graph = read_graph(put("e.csv", "".join(f"{i},{i + 5},{i + 7}\n" for i in range(9))))
    assert any("the first column counts the rows" in note for note in graph.notes)
    graph = read_graph(put("e.csv", "source,target\n1.23E+11,a\nb,a\n"))
    assert "'1.23E+11' looks like a number that a spreadsheet cut" in graph.notes
    graph = read_graph(put("e.csv", "source,target,weight\na,b,0\nb,c,1\n"))
    assert "1 row has weight 0 and is no edge" in graph.notes
    graph = read_graph(put("e.csv", "source,target\n1.0,2.0\n2.0,3.0\n"))
    assert "'1.0' and other ids were read as whole numbers" in graph.notes


@pytest.mark.parametrize("written", ["{}", "{}.0", '"{}"', "{:.18e}"])
def test_whole_numbers_match_however_they_are_written(put: Any, written: str) -> None:
    edges = "".join(f"{u},{v}\n" for u, v in [(10, 11), (11, 12), (12, 10)])
    ids = "".join(f"{written.format(u)},{u / 4}\n" for u in (12, 10, 11))
    graph = read_graph(put("e.csv", edges), put("f.csv", "id,x\n" + ids))
    assert graph.node_ids.tolist() == [12, 10, 11]
    turned = "".join(f"{written.format(u)},{written.format(v)}\n" for u, v in [(10, 11), (11, 12)])
    assert read_graph(put("e.csv", turned)).node_ids.tolist() == [10, 11, 12]


IDS = [
    "Ann Lee", "a" * 5000, "😀", "👩\u200d👩\u200d👧", "-7x", "0x1f", "1e5", "NaN", "None", "NA",
    "12345678901234567890", "O'Neil", "#tag", "a;b|c", "%", "1_000", "ﬁn", "é", "e\u0301",
]  # fmt: skip


def test_ids_of_any_kind_stay_as_they_are(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"source": IDS, "target": IDS[1:] + IDS[:1]})
    frame.to_csv(tmp_path / "e.csv", index=False)
    pd.DataFrame({"id": IDS, "x": range(len(IDS))}).to_csv(tmp_path / "f.csv", index=False)
    graph = read_graph(tmp_path / "e.csv", tmp_path / "f.csv")
    assert graph.node_ids.tolist() == IDS and graph.num_edges == len(IDS)


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,126\n1,1029,3.0,127\n",
         [[1, 31, 2.5], [1, 1029, 3]]),  # MovieLens
        ("ratings.dat", "1::122::5::838985046\n1::185::4.5::838983525\n",
         [[1, 122, 5], [1, 185, 4.5]]),
        ("u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
         [[196, 242, 3], [186, 302, 3]]),
        ("user_artists.dat", "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n",
         [[2, 51, 13883], [2, 52, 11690]]),  # Last.fm
        ("BX-Book-Ratings.csv", '"User-ID";"ISBN";"Book-Rating"\r\n"276725";"034545104X";"0"\r\n'
         '"276726";"0155061224";"5"\r\n', [[276725, "034545104X", 0], [276726, "0155061224", 5]]),
        ("Books.csv", "A1KLRMWW2FWPL4,0887400027,5.0,1297468800\nA2L5UXUQ1SYVHD,0887400027,4,1\n",
         [["A1KLRMWW2FWPL4", "0887400027", 5], ["A2L5UXUQ1SYVHD", "0887400027", 4]]),  # Amazon
        ("Books.jsonl", '{"reviewerID": "A1", "asin": "B1", "overall": 5.0, "style": {}}\n'
         '{"reviewerID": "A2", "asin": "B1", "overall": 4}\n', [["A1", "B1", 5], ["A2", "B1", 4]]),
        ("p.csv", ",user,item,rating\n0,a,x,4\n1,b,y,5\n", [["a", "x", 4], ["b", "y", 5]]),
        ("c.csv", 'user,item,rating\na,x,"4,5"\nb,y,"3,0"\n', [["a", "x", 4.5], ["b", "y", 3]]),
    ],
)  # fmt: skip
def test_ratings(put: Any, name: str, text: str, rows: list[Any]) -> None:
    assert read_ratings(put(name, text)).table.to_numpy().tolist() == rows


def test_plays_with_titles_that_hold_quotation_marks(put: Any) -> None:
    """usersha1-artmbid-artname-plays.tsv of Last.fm."""
    path = put("plays.tsv", 'u1\tm1\t"betty blowtorch\t2137\nu2\tm2\tdie "Ärzte"\t1099\n')
    with pytest.raises(InputError, match="expected a number; name columns with --user 1 --item 2"):
        read_ratings(path)
    read = read_ratings(path, user="1", item="3", rating="4")
    assert read.table.to_numpy().tolist() == [
        ["u1", '"betty blowtorch', 2137], ["u2", 'die "Ärzte"', 1099],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",".join(["5", *["99", "1.2"] * 10]) + "\n", "21 columns without a header; expected user"),
        ("user,item,rating\na,x,4\nTotal,,9\n", "line 3 has an empty item in column 'item'"),
        ("user,item,rating\na,x,4/5\n", "column 'rating', line 2 is '4/5'"),
        ("user,item,rating\na,x,\n", "column 'rating', line 2 is empty"),
    ],
)
def test_what_are_no_ratings(put: Any, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_ratings(put("r.csv", text))


def test_ratings_that_stand_for_none_are_noted(put: Any) -> None:
    read = read_ratings(put("rating.csv", "user_id,anime_id,rating\n1,20,-1\n1,24,8\n2,20,-1\n"))
    assert any(
        note.startswith("2 ratings are -1 and all others not below 0") for note in read.notes
    )
