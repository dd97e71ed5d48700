"""What is said of files that are no good: one line with the file and the place in it."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep.graph.data.files import read_features, read_graph, read_labels
from damrep.masking.validation import InputError

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"


@pytest.fixture
def put(tmp_path):
    """Writes a file and returns its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class Evil:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_file_runs_code(tmp_path):
    mark = tmp_path / "ran"
    torch.save({"edge_index": Evil(mark)}, tmp_path / "e.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Evil(mark)))
    evil = np.array([Evil(mark)], dtype=object)
    np.savez(tmp_path / "e.npz", edges=evil)
    np.save(tmp_path / "e.npy", evil)
    with pytest.raises(InputError, match="must not run code"):
        read_graph(tmp_path / "e.pt")
    for name in ("p.pt", "e.npz"):
        with pytest.raises(InputError):
            read_graph(tmp_path / name)
    with pytest.raises(InputError):
        read_features(tmp_path / "e.npy")
    assert not mark.exists()


GOOD = "source,target\na,b\nb,c\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", "", "the file is empty"),
        ("e.csv", "\n\n# nothing\n", "holds only comments"),
        ("e.csv", "source,target\n", "a header and no edges"),
        ("e.xlsx", "x", r"unknown ending '.xlsx' for a graph file; known are .csv, .tsv"),
        ("edges", "1,2", "unknown ending 'none'"),
        ("e.csv", "a,b\nb\n", "line 2 has 1 columns; the first row has 2"),
        ("e.csv", "# c\nsource,target\n\na,b\nb,c,d,e\n", "line 5 has 4 columns"),
        ("e.csv", "a\nb\n", "1 columns without a header"),
        ("e.csv", "a,b,1,2\n", "4 columns without a header"),
        ("e.csv", "source,target\na,\n", "line 2 has an empty node id"),
        ("e.csv", "u,v,weight\na,b,1\nb,c,heavy\n", "column 'weight', line 3 is 'heavy'"),
        ("e.csv", "u,v,weight\na,b,1\nb,c,\n", "column 'weight', line 3 is empty"),
        ("e.csv", "u,v,weight\na,b,1\nb,c,-2\n", "line 3 has weight -2"),
        ("e.csv", "u,v,weight\na,b,1\nb,c,nan\n", "line 3 has weight nan"),
        ("e.csv", b"a,b\n\xff\xfe,c\n", "not UTF-8 text"),
        ("e.csv.gz", b"not gzip", "not a readable gzip file"),
        ("e.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-12], "not a readable gzip file"),
        ("e.parquet", "PAR1 no", "not a readable parquet file"),
        ("e.npz", "PK no", "not a readable .npz file"),
        ("e.npz", b"\x93NUMPY", "holds a single array, not an .npz archive"),
        ("e.graphml", "<graphml><graph>", "not a readable GraphML file"),
        ("e.graphml", "<html></html>", "not a readable GraphML file"),
        ("e.pt", b"PK\x03\x04 no", "not a readable .pt file"),
        ("e.pt", b"\x80\x02}", "not a readable .pt file"),
    ],
)
def test_bad_graph_files(put, name, content, message):
    path = put(name, content)
    with pytest.raises(InputError, match=message) as caught:
        read_graph(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,age\na,1\nb,nan\nc,3\n", "node 'b', column 'age' is nan"),
        ("id,age\na,1\nb,inf\nc,3\n", "node 'b', column 'age' is inf"),
        ("a,1\nb,1e300\nc,3\n", "node 'b', column '2' is 1e[+]300"),
        ("id,age\na,1\nb,old\nc,3\n", "column 'age', line 3 is 'old'; expected a number"),
        ("id,age\na,1\nb,\nc,3\n", "column 'age', line 3 is empty"),
        ("id,age\na,1\nb,2\na,3\n", "node 'a' comes more than once"),
        ("id,age\na,1\nb,2\n", "line 3 names node 'c' without features: it has no row in"),
        ("id,age\na,1\nb,2\n,3\n", "line 4 has an empty node id"),
        ("id,age\n", "a header and no rows"),
        ("id,age\na,1\nb,2,3\nc,1\n", "line 3 has 3 columns"),
    ],
)
def test_bad_feature_tables(put, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_graph(put("e.csv", GOOD), put("features.csv", content))
    assert "features.csv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label\nx\ny\n", "got 2 labels for 3 nodes"),
        ("x\ny\nz\nx\n", "got 4 labels for 3 nodes"),
        ("id,label\na,x\na,y\n", "node 'a' comes more than once"),
        ("id,label\nq,x\n", "none of its 1 ids is a node of the graph, e.g. 'q'"),
        ("a,b,c\n1,2,3\n", "3 columns; expected one label a line"),
    ],
)
def test_bad_label_tables(put, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_graph(put("e.csv", GOOD), labels=put("labels.csv", content))
    assert "labels.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_bad_arrays(put, tmp_path):
    edges = put("e.csv", "0,1\n1,2\n")
    np.save(tmp_path / "few.npy", np.ones((2, 2)))
    with pytest.raises(InputError, match="line 2 names node 2 without features: .*few.npy has no"):
        read_graph(edges, tmp_path / "few.npy")
    np.save(tmp_path / "nan.npy", np.array([[1.0], [np.nan], [0]]))
    with pytest.raises(InputError, match="node 1, column 0 is nan"):
        read_graph(edges, tmp_path / "nan.npy")
    np.save(tmp_path / "flat.npy", np.ones(3))
    with pytest.raises(InputError, match="expected shape"):
        read_graph(edges, tmp_path / "flat.npy")
    np.save(tmp_path / "words.npy", np.array([["a"], ["b"], ["c"]]))
    with pytest.raises(InputError, match="expected numbers"):
        read_graph(edges, tmp_path / "words.npy")
    np.savez(tmp_path / "other.npz", a=[1], b=[2])
    with pytest.raises(InputError, match="no graph in it; .* got 'a', 'b'"):
        read_graph(tmp_path / "other.npz")
    sp.save_npz(tmp_path / "flat.npz", sp.csr_array(np.ones((2, 3))))
    with pytest.raises(InputError, match="square"):
        read_graph(tmp_path / "flat.npz")
    np.savez(tmp_path / "bad.npz", indptr=[0, 9], indices=[0], data=[1.0], shape=[1, 1])
    with pytest.raises(InputError, match="are no CSR matrix"):
        read_graph(tmp_path / "bad.npz")
    np.savez(tmp_path / "far.npz", edges=[[0, 9]], num_nodes=2)
    with pytest.raises(InputError, match="edge 0 names node 9"):
        read_graph(tmp_path / "far.npz")
    torch.save({"x": torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="a dict without edge_index; its keys are x"):
        read_graph(tmp_path / "x.pt")
    torch.save(torch.ones(2), tmp_path / "t.pt")
    with pytest.raises(InputError, match="holds a Tensor"):
        read_graph(tmp_path / "t.pt")


@pytest.mark.parametrize("name", ["graph.npz", "graph.parquet", "graph.pt", "graph.graphml"])
def test_truncated_files(tmp_path, name):
    content = (SAMPLE / name).read_bytes()
    for share in (0.2, 0.5, 0.9):
        path = tmp_path / name
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(InputError, match=name):
            read_graph(path)


def test_missing_files_and_directories(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="no such file"):
        read_graph(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a directory"):
        read_graph(tmp_path / "folder.csv")
    with pytest.raises(InputError, match="no such file"):
        read_graph(SAMPLE / "graph.csv", tmp_path / "none.csv")
    with pytest.raises(InputError, match="unknown ending '.pt' for a feature file"):
        read_features(SAMPLE / "graph.pt")
    with pytest.raises(InputError, match="not an edge table"):
        read_graph(SAMPLE / "graph.npz", source="a")


@pytest.mark.parametrize(
    "name", sorted(path.name for path in SAMPLE.iterdir() if path.stem != "ratings")
)
def test_damaged_files_never_fail_otherwise(tmp_path, name):
    read = {"g": read_graph, "f": read_features, "l": read_labels}[name[0]]
    rng = np.random.default_rng(0)
    content = np.frombuffer((SAMPLE / name).read_bytes(), dtype=np.uint8)
    path = tmp_path / name
    for _ in range(40):
        damaged = content.copy()
        damaged[rng.integers(len(damaged), size=5)] = rng.integers(256, size=5)
        path.write_bytes(damaged[: rng.integers(1, len(damaged) + 1)].tobytes())
        try:
            read(path)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 400 + len(str(path))


@pytest.mark.filterwarnings("error")
def test_a_nan_that_signals_is_refused_without_a_warning(tmp_path: Path) -> None:
    values = np.ones((2, 3))
    values.view(np.uint64)[1, 2] = 0x7FF0000000000001
    np.save(tmp_path / "features.npy", values)
    with pytest.raises(InputError, match="is nan"):
        read_features(tmp_path / "features.npy", nodes=np.arange(2))
