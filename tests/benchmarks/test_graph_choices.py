from __future__ import annotations

import dataclasses
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from benchmarks import arguments, graph_choices
from benchmarks.graph_choices import (
    NAME,
    NARROW,
    SVD,
    VARIANTS,
    Measure,
    choice_splits,
    main,
    one_score,
    without_test_labels,
)
from benchmarks.graph_rows import dataset_results
from benchmarks.results import RESULTS, read_result
from benchmarks.tables import replace_tables
from damrep.datasets import load
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.encoders import make_encoder
from damrep.graph.encoding.inputs import fit_preparation
from damrep.graph.encoding.objectives import GroupDiscrimination, make_objective
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.probe import linear_probe
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.validation import InputError

SMALL = {"max_epochs": 2, "max_components": 40}
DEFAULTS = DAMGraphEmbedding().get_params(deep=False)


def made_graph(columns: int = 60) -> Graph:
    """500 nodes of 3 classes, every fifth a public test node."""
    n = 500
    features, labels = make_blobs(n, columns, centers=3, cluster_std=9.0, random_state=0)
    rng = np.random.default_rng(0)
    same = labels[:, None] == labels[None]
    upper = np.triu(rng.random((n, n)) < np.where(same, 0.015, 0.003), 1)
    where = np.arange(n) % 5
    splits = {"train": where == 1, "val": where == 2, "test": where == 0}
    edges = (upper | upper.T).astype(float)
    return build_graph(edges, features, labels=labels, splits=splits, name="made")


@pytest.fixture(scope="module")
def graph() -> Graph:
    return made_graph()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, graph: Graph) -> None:
    """No thread counts set, no warm-up, and the graph made here under the name "made"."""

    def load_graph(name: str, data_root: Path | None) -> Graph:
        return graph if name == "made" else load(name, data_root)

    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(graph_choices, "warm_up", lambda: None)
    monkeypatch.setattr(graph_choices, "load_graph", load_graph)


def with_test(graph: Graph, test: np.ndarray) -> Graph:
    return dataclasses.replace(graph, splits={"test": test})


def test_labels_of_public_test_nodes_are_gone(graph: Graph) -> None:
    assert graph.labels is not None and graph.splits is not None
    test = graph.splits["test"]
    before = graph.labels.copy()
    hidden = without_test_labels(graph)
    assert hidden.labels is not None and hidden.splits is None
    assert set(hidden.labels[test]) == {-1}
    assert np.array_equal(hidden.labels[~test], before[~test])
    assert np.array_equal(graph.labels, before)


def test_a_test_node_of_any_of_several_splits_is_one(graph: Graph) -> None:
    several = np.zeros((500, 2), dtype=bool)
    several[3, 0] = several[7, 1] = True
    hidden = without_test_labels(with_test(graph, several))
    assert hidden.labels is not None
    assert np.flatnonzero(hidden.labels == -1).tolist() == [3, 7]


def test_parts_of_a_split() -> None:
    labels = np.arange(6000) % 3
    labels[::4] = -1
    for split in choice_splits(labels, 2):
        assert {key: int(mask.sum()) for key, mask in split.items()} == {
            "train": 60,
            "val": 300,
            "test": 4000,
        }
        assert np.bincount(labels[split["train"]]).tolist() == [20, 20, 20]
        together = sum(mask.astype(int) for mask in split.values())
        assert together.max() == 1 and not together[labels == -1].any()


def test_where_nodes_are_few_all_the_rest_is_scored() -> None:
    (split,) = choice_splits(np.arange(350) % 2, 1)
    assert int(split["test"].sum()) == 350 - 40 - 300


def test_splits_are_always_the_same_and_differ_from_each_other() -> None:
    labels = np.arange(500) % 2
    first, again = choice_splits(labels, 2), choice_splits(labels, 3)
    for a, b in zip(first, again[:2], strict=True):
        assert all(np.array_equal(a[key], b[key]) for key in a)
    assert not np.array_equal(again[0]["train"], again[2]["train"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(500, dtype=int), r"got sizes \[500\]"),
        ((np.arange(500) < 19).astype(int), r"20 nodes each .* got sizes \[481, 19\]"),
        (np.arange(340) % 2, "expected 341 labelled nodes or more outside the test split, got 340"),
        (np.full(500, -1), r"got sizes \[\]"),
    ],
)
def test_too_few_nodes_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choice_splits(labels, 1)


def test_graphs_that_cannot_be_scored_are_refused(graph: Graph) -> None:
    with pytest.raises(InputError, match="one label a node"):
        without_test_labels(graph.with_labels(None))
    with pytest.raises(InputError, match="one label a node"):
        without_test_labels(graph.with_labels(np.eye(500, 3)))
    with pytest.raises(InputError, match="no test split"):
        without_test_labels(dataclasses.replace(graph, splits=None))


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "default"])
def test_a_variant_is_something_else_than_the_defaults(name: str) -> None:
    variant = VARIANTS[name]
    changes = variant.parameters
    EmbeddingSettings(**{**DEFAULTS, **changes})
    assert all(DEFAULTS[key] != value for key, value in changes.items())
    assert changes or variant.around is one_score


def test_one_score_is_one_and_only_for_the_while(graph: Graph) -> None:
    inputs = fit_preparation(graph, rank=1, seed=0).prepare(graph)
    encoder = make_encoder("gcn", inputs.num_features, [512])

    def scores() -> int:
        return len(make_objective("ggd", encoder, inputs, 0.5).module["score"].bias)

    before = scores()
    assert before > 1
    with pytest.raises(KeyError), one_score():
        assert scores() == 1
        raise KeyError
    assert scores() == before


@pytest.mark.parametrize("links", [False, True])
def test_every_training_of_one_score_has_one(
    graph: Graph, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fit = DAMGraphEmbedding.fit

    def recorded(self: DAMGraphEmbedding, graph: Any, y: Any = None) -> DAMGraphEmbedding:
        seen.append(GroupDiscrimination.head_width)
        return fit(self, graph, y)

    monkeypatch.setattr(DAMGraphEmbedding, "fit", recorded)
    usual = GroupDiscrimination.head_width
    measure = Measure(without_test_labels(graph), 1, links, SMALL)
    measure.rows(["one_score", "default"], [0])
    # At the learned width, at the narrow one, and without the held-out links.
    times = 3 if links else 2
    assert [width == usual for width in seen] == [False] * times + [True] * times


def test_rows_are_what_fits_of_their_own_would_give(graph: Graph) -> None:
    hidden = without_test_labels(graph)
    assert hidden.labels is not None
    splits = choice_splits(hidden.labels, 2)

    def accuracy(**changes: Any) -> tuple[int, float]:
        model = DAMGraphEmbedding(**{**SMALL, **changes}, random_state=3).fit(
            graph.with_labels(None)
        )
        probes = [linear_probe(model.embedding_, hidden.labels, split) for split in splits]
        return model.n_components_, fmean(probe.accuracy for probe in probes)

    names = ["default", "smoothing=2", "price=0.01", "rotate=False", SVD]
    for row in Measure(hidden, 2, False, SMALL).rows(names, [3]):
        changes = row["changes"]
        dims, expected = accuracy(**changes)
        assert (row["dims"], row["seeds"]) == (dims, [3])
        assert row["accuracy"].mean == pytest.approx(expected)
        narrow = accuracy(**changes, n_components=NARROW)
        assert narrow == (NARROW, pytest.approx(row["accuracy_narrow"].mean))
        assert row["epochs"] == (0 if row["method"] == SVD else 2)
        assert row["cpu_s"].mean > 0


def test_labels_of_test_nodes_change_nothing(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert graph.labels is not None and graph.splits is not None
    other = np.where(graph.splits["test"], (graph.labels + 1) % 3, graph.labels)
    found = []
    for each in (graph, dataclasses.replace(graph, labels=other)):
        monkeypatch.setattr(graph_choices, "load_graph", lambda name, root, each=each: each)
        words = ["--quick", "--datasets", "made", "--variants", "default", "--links", "--out"]
        assert main([*words, str(tmp_path)]) == 0
        rows = read_result(NAME, tmp_path)["rows"]
        keys = ("dims", "accuracy", "accuracy_narrow", "auc")
        found.append([[row[key] for key in keys] for row in rows])
    assert found[0] == found[1]


def test_fewer_dims_than_asked_for_are_not_passed_off_as_them() -> None:
    (row,) = Measure(without_test_labels(made_graph(10)), 1, False, SMALL).rows([SVD], [0])
    assert row["accuracy_narrow"] is None and row["accuracy"].mean > 0


def test_a_whole_quick_run(tmp_path: Path) -> None:
    words = ["--quick", "--datasets", "made", "--variants", "price=0.01,default", "--links"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    result = read_result(NAME, tmp_path)
    # In the order of the table, and the baseline though nobody asked for it.
    assert [(row["dataset"], row["method"]) for row in result["rows"]] == [
        ("made", name) for name in ("default", "price=0.01", SVD)
    ]
    for row in result["rows"]:
        assert all(0 <= row[key]["mean"] <= 1 for key in ("accuracy", "accuracy_narrow", "auc"))
    assert [row["epochs"] for row in result["rows"]] == [2, 2, 0]
    assert result["settings"]["defaults"]["price"] == DEFAULTS["price"]
    # `benchmarks.graph` must not take it for the result of a data set.
    assert dataset_results(tmp_path) == {}
    text = replace_tables(f"<!-- results:{NAME} -->\n<!-- /results -->\n", tmp_path)
    assert "| Data set | Variant | Dims | Accuracy | Accuracy at 24 | AUC, validation" in text


def test_data_sets_that_cannot_be_measured_are_said_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--quick", "--variants", SVD, "--out", str(tmp_path), "--datasets"]
    assert main([*words, "karate,nothing"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([*words, "karate,made,nothing"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "karate: left out: it has no test split to stay out of" in lines
    assert any(line.startswith("nothing: left out: unknown data set") for line in lines)
    result = read_result(NAME, tmp_path)
    assert [row["dataset"] for row in result["rows"]] == ["made"]
    assert "Not measured: karate, nothing." in result["notes"]
    assert "auc" not in [column["key"] for column in result["columns"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variants", "default,magic"], "unknown variants magic; known are default, one_score"),
        (["--repeats", "0"], "'0' is not a number of splits >= 1"),
        (["--repeats", "some"], "'some' is not a number of splits >= 1"),
    ],
)
def test_bad_options_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_the_table_of_the_benchmarks_readme_is_that_of_the_result(project_root: Path) -> None:
    text = (project_root / "benchmarks" / "README.md").read_text(encoding="utf-8")
    opening = f"<!-- results:{NAME} -->\n"
    assert text.count(opening) == 1
    if (RESULTS / f"{NAME}.json").exists():
        assert replace_tables(text) == text
    else:
        assert text.partition(opening)[2].startswith("<!-- /results -->")
