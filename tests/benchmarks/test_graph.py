from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import arguments, graph, graph_run
from benchmarks.graph_methods import Fits, curve_widths
from benchmarks.graph_rows import (
    DAMREP,
    FULL,
    GROUPS,
    METHODS,
    PCA_OF_FULL,
    SVD,
    TRAINED,
    UNROTATED,
    UNROTATED_NARROW,
)
from benchmarks.peer_runs import PeerTooSlowError
from benchmarks.results import read_result
from damrep.datasets import load
from damrep.graph.estimator import DAMGraphEmbedding

QUICK = {"max_epochs": 2, "max_components": 24}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread counts set, no warm-up, and no peers, which take processes of their own."""
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(graph_run, "warm_up", lambda: None)
    monkeypatch.setattr(graph_run, "peer_installed", lambda name: False)


@pytest.fixture(scope="module")
def fits() -> Fits:
    return Fits(load("karate"), 3, changes=QUICK)


def test_the_learned_row_is_what_the_estimator_gives(fits: Fits) -> None:
    model = DAMGraphEmbedding(**QUICK, random_state=3).fit(fits.graph)
    assert np.array_equal(fits.embed(DAMREP).values, model.embedding_)
    assert np.array_equal(fits.embed(FULL).values, model.transform_full(fits.graph))
    assert fits.width == model.n_components_


@pytest.mark.parametrize("method", [TRAINED, UNROTATED_NARROW, SVD, PCA_OF_FULL])
def test_rows_at_the_same_dims_have_them(fits: Fits, method: str) -> None:
    assert fits.embed(method).values.shape == (34, fits.width)


def test_masking_again_is_what_another_fit_would_give(fits: Fits) -> None:
    model = DAMGraphEmbedding(**QUICK, rotate=False, random_state=3).fit(fits.graph)
    again = fits.embed(UNROTATED).values
    assert again.shape == model.embedding_.shape
    assert again == pytest.approx(model.embedding_, rel=1e-4, abs=1e-4)


def test_the_curve_is_that_of_fits_at_each_width(fits: Fits) -> None:
    for m, embedding in zip((1, 5), fits.learned_at((1, 5)), strict=True):
        model = DAMGraphEmbedding(**QUICK, n_components=m, random_state=3).fit(fits.graph)
        assert embedding == pytest.approx(model.embedding_, rel=1e-4, abs=1e-4)
    assert [z.shape[1] for z in fits.svd_at((1, 5))] == [1, 5]


def test_curve_widths_end_with_the_full_one() -> None:
    assert curve_widths(8) == [1, 2, 4, 8]
    assert curve_widths(1) == [1]


def test_structure_is_the_same_graph_without_features() -> None:
    with_features, without = (graph_run.load_graph(n, None) for n in ("digits", "digits-structure"))
    assert without.features is None and with_features.features is not None
    assert (without.adjacency != with_features.adjacency).nnz == 0
    assert np.array_equal(without.labels, with_features.labels)


class Recorder:
    """Stands for the measuring: made-up rows, and a list of what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], tuple[int, ...], dict[int, tuple[int, int]]]] = []

    def __call__(
        self,
        graph: Any,
        methods: Sequence[str],
        seeds: Sequence[int],
        widths: Mapping[int, tuple[int, int]],
        changes: Mapping[str, Any],
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        self.asked.append((graph.name, list(methods), tuple(seeds), dict(widths)))
        rows = [
            {"method": m, "dims": 4, "accuracy": 0.5, "seeds": list(seeds), "commit": None}
            for m in methods
        ]
        if methods[0] == DAMREP:
            rows[0]["widths"] = [(seed + 4, seed + 5) for seed in seeds]
        return rows, {}


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(graph_run, "measure_dataset", made)
    return made


OURS = [m for m in METHODS if m not in GROUPS["cleora"] + GROUPS["node2vec"]]


def test_a_finished_data_set_is_not_measured_again(tmp_path: Path, recorder: Recorder) -> None:
    words = ["--seeds", "2", "--out", str(tmp_path), "--datasets"]
    assert graph.main([*words, "karate"]) == 0
    assert graph.main([*words, "karate,digits"]) == 0
    assert [name for name, *_ in recorder.asked] == ["karate", "digits"]
    assert graph.main([*words, "karate", "--again"]) == 0
    assert [name for name, *_ in recorder.asked] == ["karate", "digits", "karate"]
    assert all(methods == OURS for _, methods, *_ in recorder.asked)
    rows = read_result("graph", tmp_path)["rows"]
    assert [(row["dataset"], row["method"]) for row in rows] == [
        (name, method) for name in ("digits", "karate") for method in OURS
    ]
    assert (tmp_path / "graph-karate.png").exists()


def test_methods_added_later_join_the_others_and_know_the_widths(
    tmp_path: Path, recorder: Recorder
) -> None:
    words = ["--datasets", "karate", "--out", str(tmp_path)]
    assert graph.main([*words, "--seeds", "2", "--methods", "pca,damrep"]) == 0
    assert graph.main([*words, "--seeds", "1,", "--methods", "svd,pca"]) == 0
    assert recorder.asked == [
        ("karate", [DAMREP, PCA_OF_FULL], (0, 1), {}),
        ("karate", [SVD, PCA_OF_FULL], (1,), {1: (5, 6)}),
    ]
    result = read_result("graph-karate", tmp_path)
    assert [(row["method"], row["seeds"]) for row in result["rows"]] == [
        (DAMREP, [0, 1]),
        (SVD, [1]),
        (PCA_OF_FULL, [1]),
    ]
    assert "svd, same dims: 1 seed." in result["notes"]


def test_missing_data_is_said_and_the_rest_goes_on(
    tmp_path: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--out", str(tmp_path), "--seeds", "1", "--datasets"]
    assert graph.main([*words, "nothing"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert graph.main([*words, "nothing,karate"]) == 0
    assert "nothing: left out: unknown data set 'nothing'" in capsys.readouterr().err
    assert any(n.startswith("Not measured: cora,") for n in read_result("graph", tmp_path)["notes"])


def test_a_slow_peer_is_left_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(self: Any, method: str) -> dict[str, float | None]:
        asked.append(method)
        if method == "node2vec":
            raise PeerTooSlowError("node2vec took too long.")
        return {"dims": 8, "accuracy": 0.5, "auc": 0.5, "ap": 0.5, "cpu_s": 1.0, "link_dims": 8}

    monkeypatch.setattr(graph_run.Task, "run", run)
    monkeypatch.setattr(graph_run, "peer_installed", lambda name: True)
    words = ["--datasets", "karate", "--methods", "node2vec", "--seeds", "3", "--out"]
    for _ in range(2):
        assert graph.main([*words, str(tmp_path)]) == 0
    # Once too slow, no further seed and no further run tries it.
    assert asked == ["node2vec", *["node2vec, same dims"] * 3]
    result = read_result("graph-karate", tmp_path)
    assert [row["method"] for row in result["rows"]] == ["node2vec, same dims"]
    assert result["settings"]["too_slow"] == {"node2vec": "node2vec took too long."}
    assert "node2vec took too long." in result["notes"]


def test_unknown_methods_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        graph.main(["--methods", "damrep,magic"])
    assert ended.value.code == 2
    assert "unknown methods magic" in capsys.readouterr().err


def test_a_whole_quick_run_on_karate(tmp_path: Path) -> None:
    words = ["--quick", "--datasets", "karate", "--methods", "damrep,full,svd", "--out"]
    assert graph.main([*words, str(tmp_path)]) == 0
    rows = {row["method"]: row for row in read_result("graph-karate", tmp_path)["rows"]}
    assert list(rows) == [DAMREP, FULL, SVD]
    assert rows[DAMREP]["dims"] == rows[SVD]["dims"] < rows[FULL]["dims"]
    for row in rows.values():
        assert row["cpu_s"]["mean"] > 0
        assert all(0 <= row[key]["mean"] <= 1 for key in ("accuracy", "auc", "ap"))
    curve = rows[DAMREP]["curves"][0]
    # Of a small graph the rank ends the curve: columns beyond it would be empty.
    assert rows[DAMREP]["dims"] < curve["dims"][-1] <= rows[FULL]["dims"]
    assert len(curve["accuracy"]) == len(curve["dims"])
