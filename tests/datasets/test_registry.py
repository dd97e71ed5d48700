"""Named data sets: found, read in place, and refused in one line."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from damrep import datasets
from damrep.datasets import download
from damrep.datasets.embedded import nearest_neighbour_graph
from damrep.masking.notes import DamrepWarning
from damrep.masking.validation import InputError

# name: nodes, edges, features, classes, isolated nodes, as the data sets' authors count them
REAL = {
    "cora": (2708, 5278, 1433, 7, 0),
    "citeseer": (3327, 4552, 3703, 6, 48),
    "pubmed": (19717, 44324, 500, 3, 0),
    "amazon-computers": (13752, 245861, 767, 10, 281),
    "coauthor-physics": (34493, 247962, 8415, 5, 0),
    "facebook-pages": (22470, 170823, 4714, 4, 0),
    "blogcatalog": (10312, 333983, 0, 39, 0),
    "minesweeper": (10000, 39402, 7, 2, 0),
    "chameleon-filtered": (890, 8854, 2325, 5, 0),
    "squirrel-filtered": (2223, 46998, 2089, 5, 0),
    "reed98": (962, 18812, 745, 2, 0),
    "amherst41": (2235, 90954, 1193, 2, 0),
    "johnshopkins55": (5180, 186586, 2406, 2, 0),
    "osm-roads": (1094325, 1238098, 2, 5, 0),
    "cnr-2000": (325557, 3216152, 0, None, 78056),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DAMREP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _load(name, data_root):
    entry = datasets.describe(name)
    if not all((data_root / entry.folder / file).is_file() for file in entry.files):
        pytest.skip(f"{name} is not under {data_root}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would mean another file than the known one
        return datasets.load(name, data_root)


@pytest.mark.parametrize("name", REAL)
def test_real_data_sets(name, data_root):
    graph = _load(name, data_root)
    nodes, edges, features, classes, isolated = REAL[name]
    assert (graph.num_nodes, graph.num_edges, graph.num_features) == (nodes, edges, features)
    assert (None if graph.label_names is None else len(graph.label_names)) == classes
    assert int((np.diff(graph.adjacency.indptr) == 0).sum()) == isolated
    assert graph.name == name
    assert graph.directed == (name == "cnr-2000") and not graph.is_weighted


def test_public_splits(data_root):
    for name, train in {"cora": 140, "citeseer": 120, "pubmed": 60}.items():
        graph = _load(name, data_root)
        assert [int(graph.splits[key].sum()) for key in ("train", "val", "test")] == [
            train,
            500,
            1000,
        ]
        known = graph.labels[graph.splits["train"]]
        assert np.bincount(known).tolist() == [20] * len(graph.label_names)
    assert _load("minesweeper", data_root).splits["train"].shape == (10000, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [
        ("cora", "Planetoid", "Cora"),
        ("citeseer", "Planetoid", "CiteSeer"),
        ("amazon-computers", "Amazon", "Computers"),
        ("reed98", "LINKXDataset", "reed98"),
        ("minesweeper", "HeterophilousGraphDataset", "Minesweeper"),
    ],
)
def test_the_same_as_torch_geometric(name, kind, title, data_root, data_copy):
    import torch_geometric.datasets

    from damrep.graph.data.convert import as_graph

    ours = _load(name, data_root)
    folder = data_copy(str(Path(datasets.describe(name).folder).parent))
    theirs = as_graph(getattr(torch_geometric.datasets, kind)(str(folder.parent), title)[0])
    assert (ours.adjacency != theirs.adjacency).nnz == 0
    dense = ours.features.toarray() if sp.issparse(ours.features) else ours.features
    assert np.array_equal(dense, theirs.features)
    named = ours.labels >= 0  # nodes without any file entry are class 0 over there
    assert np.array_equal(ours.labels[named], theirs.labels[named])


def test_unlabelled_nodes(data_root):
    assert int((_load("reed98", data_root).labels == -1).sum()) == 97
    assert int((_load("citeseer", data_root).labels == -1).sum()) == 15
    assert int(_load("blogcatalog", data_root).labels.sum()) == 14476


def test_karate():
    graph = datasets.load("karate")
    assert (graph.num_nodes, graph.num_edges) == (34, 78)
    assert graph.features is None and not graph.is_weighted
    assert graph.label_names == ("Mr. Hi", "Officer")
    assert np.bincount(graph.labels).tolist() == [17, 17]


def test_digits():
    graph = datasets.load("digits")
    assert (graph.num_nodes, graph.num_features, len(graph.label_names)) == (1797, 64, 10)
    degree = np.diff(graph.adjacency.indptr)
    assert degree.min() >= 10 and not graph.directed and not graph.has_self_loops
    # Neighbours of a digit mostly show the same digit.
    u, v = graph.edges().T
    assert (graph.labels[u] == graph.labels[v]).mean() > 0.9


def test_nearest_neighbours_of_a_line():
    graph = nearest_neighbour_graph(np.array([[0.0], [1.0], [3.0], [3.5]]), 1)
    assert graph.toarray().tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]


def test_names():
    assert datasets.names()[:2] == ("karate", "digits")
    assert set(REAL) < set(datasets.names())
    assert datasets.describe("Amazon_Computers").name == "amazon-computers"
    for name in datasets.names():
        entry = datasets.describe(name)
        assert entry.summary and entry.source and entry.licence


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coar", "unknown data set 'coar'; did you mean 'cora'?"),
        ("amazon-computer", "did you mean 'amazon-computers'?"),
        ("zzz", "unknown data set 'zzz'; known are karate, digits, cora"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        datasets.load(name)


@pytest.fixture
def offline(monkeypatch):
    """Downloads that fail as they do without a network, and remember that they were tried."""
    tried = []

    class Planetoid:
        def __init__(self, root, name):
            tried.append(name)
            (Path(root) / name / "raw").mkdir(parents=True)
            raise OSError("Name or service not known")

    class Module:
        pass

    Module.Planetoid = Planetoid
    monkeypatch.setattr(download.importlib, "import_module", lambda name: Module)
    monkeypatch.delenv("DAMREP_DATA", raising=False)
    return tried


def test_offline_says_what_to_do_and_leaves_nothing(offline, own_cache, tmp_path):
    with pytest.raises(InputError, match="download failed .*DAMREP_DATA") as caught:
        datasets.load("cora", tmp_path)
    message = str(caught.value)
    assert "\n" not in message and offline == ["Cora"]
    assert "https://github.com/kimiyoung/planetoid" in message
    assert "<root>/planetoid/Cora/raw" in message
    assert list(own_cache.iterdir()) == []


def test_without_a_download_the_message_says_so(tmp_path):
    with pytest.raises(InputError, match="there is no download for it; get it from"):
        datasets.load("facebook-pages", tmp_path)


def test_data_root_must_be_a_folder(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="data_root: .*nowhere is not a folder"):
        datasets.load("cora", tmp_path / "nowhere")
    monkeypatch.setenv("DAMREP_DATA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="DAMREP_DATA: .*gone is not a folder"):
        datasets.load("cora")


def test_download_goes_into_the_cache_once(data_root, own_cache, monkeypatch):
    source = data_root / "planetoid" / "Cora" / "raw"
    if not source.is_dir():
        pytest.skip(f"cora is not under {data_root}")
    import torch_geometric.datasets

    monkeypatch.setattr(torch_geometric.datasets.Planetoid, "url", str(source))
    monkeypatch.delenv("DAMREP_DATA", raising=False)
    assert datasets.load("cora").num_edges == 5278
    monkeypatch.setattr(torch_geometric.datasets.Planetoid, "url", "nowhere")
    assert datasets.load("cora").num_edges == 5278
    found = {str(path.relative_to(own_cache)) for path in own_cache.rglob("*") if path.is_file()}
    assert found == {f"planetoid/Cora/raw/{name}" for name in datasets.describe("cora").files}


def test_another_file_under_the_name_is_said(data_copy):
    folder = data_copy("heterophilous/minesweeper")
    content = dict(np.load(folder / "raw" / "minesweeper.npz"))
    content["node_labels"][:] = 0
    np.savez(folder / "raw" / "minesweeper.npz", **content)
    with pytest.warns(DamrepWarning, match="is not the file"):
        datasets.load("minesweeper", folder.parents[1])


@pytest.mark.parametrize("part", ["x", "allx", "graph", "test.index", "ty"])
def test_damaged_planetoid_files(part, data_copy):
    from damrep.datasets.planetoid import read_planetoid

    folder = data_copy("planetoid/Cora") / "raw"
    path = folder / f"ind.cora.{part}"
    path.write_bytes(path.read_bytes()[:200] if part != "test.index" else b"what\n")
    if part == "x":  # a subset of allx that is not needed
        assert read_planetoid(folder, "cora").num_edges == 5278
        return
    with pytest.raises(InputError, match="raw file") as caught:
        read_planetoid(folder, "cora")
    assert "\n" not in str(caught.value)


def test_planetoid_files_cannot_run_code(tmp_path):
    from damrep.datasets.planetoid import read_planetoid

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "ind.cora.y").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(InputError, match="asks for __builtin__.getattr"):
        read_planetoid(tmp_path, "cora")
    assert not (tmp_path / "ran").exists()


def test_the_data_root_is_only_read(data_root):
    entry = datasets.describe("cora")
    folder = data_root / entry.folder
    if not folder.is_dir():
        pytest.skip(f"cora is not under {data_root}")
    before = sorted(path.name for path in folder.parent.rglob("*"))
    datasets.load("cora", data_root)
    assert sorted(path.name for path in folder.parent.rglob("*")) == before
