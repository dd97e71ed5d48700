from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import arguments, graph_objectives, graph_run, graph_supervised
from benchmarks.results import read_result
from damrep.graph.data.graph import Graph, build_graph
from tests.graph.samples import communities


def split_graph() -> Graph:
    graph = communities(n=90, d=20, classes=3)
    part = np.random.default_rng(0).permutation(90) % 3
    splits = {key: part == i for i, key in enumerate(("train", "val", "test"))}
    return build_graph(graph.adjacency, graph.features, labels=graph.labels, splits=splits)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread counts set, no warm-up, and a small graph in place of each data set."""
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(graph_run, "warm_up", lambda: None)
    monkeypatch.setattr(graph_run, "load_graph", lambda name, root: split_graph())


def test_labels_of_the_test_nodes_are_not_seen() -> None:
    graph = split_graph()
    labels = graph_objectives.seen(graph, "supervised").labels
    assert ((labels == -1) == graph.splits["test"]).all()
    assert graph_objectives.seen(graph, "dgi").labels is None


def test_every_pair_has_a_row_beside_its_full_width(tmp_path: Path) -> None:
    words = ["--quick", "--encoders", "gcn", "--objectives", "dgi,supervised"]
    assert graph_objectives.main([*words, "--out", str(tmp_path)]) == 0
    result = read_result(graph_objectives.NAME, tmp_path)
    assert [row["objective"] for row in result["rows"]] == ["dgi", "supervised"]
    for row in result["rows"]:
        assert 1 <= row["dims"] <= row["full_dims"]
        assert 0 <= row["accuracy"]["mean"] <= 1 and 0 <= row["auc"]["mean"] <= 1
    assert any("Not below its full width" in note for note in result["notes"])


def test_the_masked_classifier_stands_beside_the_unmasked(tmp_path: Path) -> None:
    words = ["--quick", "--datasets", "cora", "--encoders", "sage", "--out", str(tmp_path)]
    assert graph_supervised.main(words) == 0
    (row,) = read_result(graph_supervised.NAME, tmp_path)["rows"]
    assert row["dims"] in (1, 2)
    assert {"accuracy", "full_accuracy", "probe", "full_probe"} <= set(row)
