from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks import arguments
from benchmarks.graph_cleora import citations, main, scored
from benchmarks.results import read_result
from damrep.graph.data.graph import build_graph


def test_every_edge_is_a_line_once() -> None:
    assert citations(sp.csr_matrix([[1, 2, 0], [2, 0, 0], [0, 3, 0]])) == ["0 1", "1 2"]


def test_two_groups_are_told_apart_under_every_seed() -> None:
    pytest.importorskip("pycleora", reason="pycleora needs the extra: pip install 'damrep[bench]'")
    group = np.arange(40) % 2
    dense = (group[:, None] == group[None]).astype(float)
    dense[0, 1] = dense[1, 0] = 1.0
    labels = {str(node): int(side) for node, side in enumerate(group)}
    found = scored(citations(dense), labels, (0, 1))
    assert len(found["accuracy"].values) == 2 and min(found["accuracy"].values) > 0.5


def test_the_loader_s_graph_stands_beside_the_citations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pycleora", reason="pycleora needs the extra: pip install 'damrep[bench]'")
    from benchmarks import graph_run
    from damrep.masking.validation import InputError

    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    ring = np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), -1, axis=1)
    made = build_graph(ring, labels=np.arange(60) // 30)
    monkeypatch.setattr(graph_run, "load_graph", lambda name, root: made)
    assert main(["--quick", "--out", str(tmp_path)]) == 0
    rows = read_result("graph-cleora", tmp_path)["rows"]
    assert [row["graph"] for row in rows] == ["the package's loader", "the citations"]
    assert all(0.5 < row["accuracy"]["mean"] <= 1 for row in rows)

    def missing(name: str, root: Path | None) -> None:
        raise InputError("no such data")

    monkeypatch.setattr(graph_run, "load_graph", missing)
    assert main(["--quick", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("error: no such data\n")
