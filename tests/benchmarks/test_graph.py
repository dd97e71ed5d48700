from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import arguments, graph, graph_methods, graph_run
from benchmarks.graph_methods import Fits, seen_by
from benchmarks.graph_rows import (
    ALL,
    FULL,
    LABELS,
    LINKS,
    METHODS,
    PCA_ALL,
    SVD_ALL,
    SVD_LABELS,
    SVD_LINKS,
)
from benchmarks.peer_runs import PeerTooSlowError
from benchmarks.results import read_result
from damrep.datasets import load
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.masking.validation import InputError

QUICK = {"max_epochs": 2, "max_components": 24}
CURVE = {"dims": [1, 2], "accuracy": [0.25, 0.5], "auc": [0.5, 0.5]}
NUMBERS = {"dims": 8, "accuracy": 0.5, "auc": 0.5, "ap": 0.5, "cpu_s": 1.0, "link_dims": 7}


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
    seen = fits.graph.with_labels(None)
    model = DAMGraphEmbedding(**QUICK, purpose="all", random_state=3).fit(seen)
    assert np.array_equal(fits.embed(ALL).values, model.embedding_)
    assert np.array_equal(fits.embed(FULL["all"]).values, model.transform_full(seen))
    assert fits.width("all") == model.n_components_


@pytest.mark.parametrize(
    "label", [PCA_ALL, SVD_ALL, "ProNE, dims of --for all", "NetMF, dims of --for all"]
)
def test_rows_at_the_same_dims_have_them(fits: Fits, label: str) -> None:
    found = fits.embed(label)
    assert found.values.shape == (34, fits.width("all"))
    assert found.cpu_s > 0


def test_known_widths_need_no_fit() -> None:
    known = Fits(load("karate"), 0, widths={"all": 3, "links": 5}, changes=QUICK)
    assert known.embed("FastRP, dims of --for all").values.shape == (34, 3)
    assert not known._done
    assert known.embed(SVD_LINKS).values.shape == (34, 5)


def test_every_fit_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    def recorded(fn: Any, *given: Any) -> Any:
        made.append(fn.__self__.get_params())
        return measure(fn, *given)

    measure = graph_methods.measure
    monkeypatch.setattr(graph_methods, "measure", recorded)
    fits = Fits(load("karate"), 0, changes=QUICK)
    for label in (ALL, FULL["all"], PCA_ALL, ALL):
        fits.embed(label)
    assert len(made) == 1


def test_only_the_fit_for_labels_sees_labels_and_those_of_the_training_split() -> None:
    karate = load("karate")
    assert karate.labels is not None
    train = np.arange(34) % 3 == 0
    for purpose in ("all", "links"):
        assert seen_by(purpose, karate, train).labels is None
    seen = seen_by("labels", karate, train)
    assert seen.labels is not None and seen.splits is None
    assert np.array_equal(seen.labels[train], karate.labels[train])
    assert (seen.labels[~train] == -1).all()
    several = replace(karate, labels=np.ones((34, 2), dtype=bool), label_names=("a", "b"))
    shown = seen_by("labels", several, train).labels
    assert shown is not None and shown[train].all() and not shown[~train].any()
    with pytest.raises(InputError, match="there are no labels"):
        seen_by("labels", karate.with_labels(None), None)


def test_structure_is_the_same_graph_without_features() -> None:
    with_features, without = (graph_run.load_graph(n, None) for n in ("digits", "digits-structure"))
    assert without.features is None and with_features.features is not None
    assert (without.adjacency != with_features.adjacency).nnz == 0
    assert np.array_equal(without.labels, with_features.labels)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stands for the measuring: made-up numbers, and a list of what was asked for."""
    made: list[tuple[str, str]] = []

    def run(self: Any, label: str) -> dict[str, float | None]:
        made.append((self.graph.name, label))
        return dict(NUMBERS)

    monkeypatch.setattr(graph_run.Task, "run", run)
    monkeypatch.setattr(graph_run.Task, "curve", lambda self, label: CURVE)
    return made


OURS = [label for label, m in METHODS.items() if m.group not in ("cleora", "node2vec")]


def test_a_finished_data_set_is_not_measured_again(
    tmp_path: Path, asked: list[tuple[str, str]]
) -> None:
    words = ["--seeds", "1", "--out", str(tmp_path), "--datasets"]
    assert graph.main([*words, "karate"]) == 0
    assert graph.main([*words, "karate,digits"]) == 0
    assert asked == [(name, label) for name in ("karate", "digits") for label in OURS]
    assert graph.main([*words, "karate", "--again"]) == 0
    assert asked[2 * len(OURS) :] == [("karate", label) for label in OURS]
    rows = read_result("graph", tmp_path)["rows"]
    assert [(row["dataset"], row["method"]) for row in rows] == [
        (name, label) for name in ("digits", "karate") for label in OURS
    ]
    assert (tmp_path / "graph-karate.png").exists()
    summary = read_result("graph-summary", tmp_path)
    assert [row["dataset"] for row in summary["rows"]] == ["digits", "karate"]
    assert any(note.startswith("Not measured: cora,") for note in summary["notes"])


def test_a_stop_loses_one_row(
    tmp_path: Path, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--seeds", "1", "--out", str(tmp_path), "--datasets", "karate"]
    words += ["--methods", "damrep,svd"]
    run = graph_run.Task.run

    def stopped(self: Any, label: str) -> dict[str, float | None]:
        if label == SVD_ALL:
            raise KeyboardInterrupt
        return run(self, label)

    monkeypatch.setattr(graph_run.Task, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        graph.main(words)
    before = read_result("graph-karate", tmp_path)["rows"]
    assert [row["method"] for row in before] == [ALL, LINKS, LABELS]
    assert before[0]["widths"] == [[8, 7]]
    monkeypatch.setattr(graph_run.Task, "run", run)
    assert graph.main(words) == 0
    assert [label for _, label in asked] == [ALL, LINKS, LABELS, SVD_ALL, SVD_LINKS, SVD_LABELS]


def test_methods_added_later_join_the_others_and_know_the_widths(
    tmp_path: Path, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[Any] = []
    task = graph_run.Task

    def recorded(g: Any, seed: int, widths: Any, changes: Any) -> Any:
        known.append((seed, widths))
        return task(g, seed, widths, changes)

    monkeypatch.setattr(graph_run, "Task", recorded)
    words = ["--datasets", "karate", "--out", str(tmp_path), "--seeds", "2", "--methods"]
    assert graph.main([*words, "damrep"]) == 0
    assert graph.main([*words, "prone"]) == 0
    pair = {"all": [8, 7], "links": [8, 7], "labels": [8, 7]}
    assert known == [(0, {}), (1, {}), (0, pair), (1, pair)]
    rows = read_result("graph-karate", tmp_path)["rows"]
    assert [row["method"] for row in rows][:3] == [ALL, LINKS, LABELS]
    assert all(row["seeds"] == [0, 1] for row in rows)


def test_missing_data_is_said_and_the_rest_goes_on(
    tmp_path: Path, asked: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
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

    def run(self: Any, label: str) -> dict[str, float | None]:
        asked.append(label)
        if label == "ProNE, 128":
            raise PeerTooSlowError("it took too long.")
        return dict(NUMBERS)

    monkeypatch.setattr(graph_run.Task, "run", run)
    words = ["--datasets", "karate", "--methods", "prone", "--seeds", "3", "--out"]
    for _ in range(2):
        assert graph.main([*words, str(tmp_path)]) == 0
    # Once too slow, no further seed and no further run tries it.
    assert asked == [*["ProNE, dims of --for all"] * 3, "ProNE, 128"]
    result = read_result("graph-karate", tmp_path)
    assert [row.get("auc") is None for row in result["rows"]] == [False, True]
    assert "ProNE, 128: it took too long." in result["notes"]


def test_unknown_methods_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        graph.main(["--methods", "damrep,magic"])
    assert ended.value.code == 2
    assert "unknown methods magic" in capsys.readouterr().err


def test_a_whole_quick_run_on_karate(tmp_path: Path) -> None:
    words = ["--quick", "--datasets", "karate", "--methods", "damrep,full,svd", "--out"]
    assert graph.main([*words, str(tmp_path)]) == 0
    rows = {row["method"]: row for row in read_result("graph-karate", tmp_path)["rows"]}
    assert list(rows) == [label for label, m in METHODS.items() if m.kind in words[4].split(",")]
    assert rows[ALL]["dims"] == rows[SVD_ALL]["dims"] < rows[FULL["all"]]["dims"]
    for row in rows.values():
        assert row["cpu_s"]["mean"] > 0
        assert all(0 <= row[key]["mean"] <= 1 for key in ("accuracy", "auc", "ap"))
    curve = rows[ALL]["curves"][0]
    assert curve["dims"][-1] == min(rows[ALL]["widths"][0])
    assert len(curve["accuracy"]) == len(curve["auc"]) == len(curve["dims"])
    if curve["dims"][-1] == rows[ALL]["dims"]:
        assert curve["accuracy"][-1] == rows[ALL]["accuracy"]["mean"]
