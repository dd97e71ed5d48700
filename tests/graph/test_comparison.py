"""A fitted model beside its full width, PCA of that, and SVD."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from damrep.graph import comparison
from damrep.graph.comparison import EVALUATIONS, evaluate_embedding, split_for_labels
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.links import link_placements, link_prediction, split_links
from damrep.graph.probe import label_splits, linear_probe
from damrep.graph.spread import Sample
from damrep.masking.validation import InputError
from tests.graph.samples import communities, without_features

NAMES = ["learned", "full width", "svd", "pca of full"]
GRAPH = communities(n=60, d=20, classes=3)


def fit(graph: Graph = GRAPH, **changes: Any) -> DAMGraphEmbedding:
    arguments = {"max_components": 16, "max_epochs": 5, "random_state": 0, "device": "cpu"}
    return DAMGraphEmbedding(**{**arguments, **changes}).fit(graph)


def test_rows_of_a_probe() -> None:
    model = fit(n_components=4)
    rows = evaluate_embedding(model, GRAPH, evaluation="probe", seed=3)
    assert [row["name"] for row in rows] == NAMES
    assert [row["dims"] for row in rows] == [4, 16, 4, 4]
    columns = ["name", "dims", "accuracy", "auc", "ap", "accuracy_spread"]
    assert all(list(row) == columns for row in rows)
    assert all(row["auc"] is None and row["ap"] is None for row in rows)

    splits = label_splits(GRAPH, 3)
    assert len(splits) == 10
    full = model.transform_full(GRAPH)
    svd = fit(objective="svd", n_components=4)
    expected = {
        "learned": model.embedding_,
        "full width": full,
        "svd": svd.embedding_,
        "pca of full": PCA(4).fit_transform(full),
    }
    for row in rows:
        each = [linear_probe(expected[row["name"]], GRAPH.labels, one).accuracy for one in splits]
        assert row["accuracy"] == pytest.approx(np.mean(each), abs=0.03), row["name"]
        assert row["accuracy_spread"] == pytest.approx(np.std(each, ddof=1), abs=0.03)
    assert model.report_.measures == rows
    about = model.report_.details["evaluation"]
    assert about["probe"] == {
        "split": "random 10/10/80", "splits": 10, "seed": 3, "train": 6, "val": 6, "test": 48,
        "how": "accuracy is of a linear probe, mean ± standard deviation over 10 random splits: "
        "6 nodes to learn from, 6 to choose the penalty on, 48 to be told",
    }  # fmt: skip
    assert list(about["differences"]) == ["accuracy"]
    for row in rows[1:]:
        told = about["differences"]["accuracy"][row["name"]]
        assert told["difference"] == pytest.approx(rows[0]["accuracy"] - row["accuracy"])
        assert told["spread"] > 0


def test_rows_of_links_are_of_a_model_that_never_saw_the_edges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = fit(n_components=4)
    fits: list[Graph] = []
    plain = DAMGraphEmbedding.fit

    def watched(self: DAMGraphEmbedding, graph: Any, **more: Any) -> DAMGraphEmbedding:
        fits.append(graph)
        return plain(self, graph, **more)

    monkeypatch.setattr(DAMGraphEmbedding, "fit", watched)
    rows = evaluate_embedding(model, GRAPH, evaluation="links", seed=2)
    split = split_links(GRAPH, 2)
    for graph in fits:
        np.testing.assert_array_equal(graph.adjacency.toarray(), split.train.adjacency.toarray())
    assert len(fits) == 2, "the model and the SVD"
    again = fit(split.train, n_components=4)
    auc, ap = link_prediction(again.embedding_, split.test)
    sample = Sample(link_placements(again.embedding_, split.test), over_splits=False)
    assert rows[0] == {
        "name": "learned", "dims": 4, "accuracy": None, "auc": auc, "ap": ap,
        "auc_spread": sample.spread,
    }  # fmt: skip
    assert [row["name"] for row in rows] == NAMES
    about = model.report_.details["evaluation"]
    edges = len(split.test) // 2
    assert about["links"] == {
        "split": "85/5/10 of the edges", "seed": 2, "test edges": edges,
        "how": f"AUC and AP are of {edges} edges held out, told by cosine from as many pairs "
        "without one, ± standard error",
    }  # fmt: skip
    assert set(about["differences"]["auc"]) == set(NAMES[1:])
    assert model.n_components_ == 4 and model.embedding_.shape == (60, 4)


def test_both_are_in_the_same_rows() -> None:
    model = fit(n_components=3)
    rows = evaluate_embedding(model, GRAPH, evaluation="both", seed=0)
    assert [row["name"] for row in rows] == NAMES
    assert all(0 <= row[key] <= 1 for row in rows for key in ("accuracy", "auc", "ap"))
    assert set(model.report_.details["evaluation"]) == {"probe", "links", "differences"}
    printed = str(model.report_)
    assert all(name in printed for name in NAMES)


def test_auto_takes_the_probe_where_it_can_else_links_else_nothing() -> None:
    labelled = fit()
    evaluate_embedding(labelled, GRAPH)
    assert set(labelled.report_.details["evaluation"]) == {"probe", "differences"}

    bare = GRAPH.with_labels(None)
    unlabelled = fit(bare)
    evaluate_embedding(unlabelled, bare)
    assert set(unlabelled.report_.details["evaluation"]) == {"links", "differences"}

    lonely = build_graph(np.eye(60, k=1)[:, :60] * (np.arange(60) < 5)[:, None], GRAPH.features)
    neither = fit(lonely)
    assert evaluate_embedding(neither, lonely) == []
    assert neither.report_.details["evaluation"] == {}
    (note,) = [text for text in neither.report_.warnings if "not measured" in text]
    assert note.startswith("its quality was not measured: no labels to probe, graph: ")
    assert evaluate_embedding(neither, lonely, evaluation="none") == []
    assert not [text for text in neither.report_.warnings if "not measured" in text]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["a"] * 60, "all 60 labelled nodes are of one class, 'a'"),
        ([f"n{i}" for i in range(60)], "each of the 60 labelled nodes has a label of its own"),
        ([str(i / 7) for i in range(60)], "they are 60 different numbers of 60 nodes, a quantity"),
        (["a", "b"] + [None] * 58, "each of the 2 labelled nodes has a label of its own"),
        (["a", "b", "a", "b"] + [None] * 56, "probe: no labelled node in the 'test' part"),
    ],
    ids=["one class", "all different", "floats", "two nodes", "four nodes"],
)
def test_why_labels_were_not_probed_is_said_once(labels: list[Any], reason: str) -> None:
    graph = GRAPH.with_labels(labels)
    model = fit(graph)
    for _ in range(2):
        evaluate_embedding(model, graph)
    assert list(model.report_.details["evaluation"])[0] == "links"
    (note,) = [text for text in model.report_.warnings if "probed" in text]
    assert note.startswith(f"the labels were not probed: {reason}")
    with pytest.raises(InputError, match=reason):
        evaluate_embedding(model, graph, evaluation="probe")


def test_what_is_asked_for_and_cannot_be_is_an_error() -> None:
    bare = GRAPH.with_labels(None)
    model = fit(bare)
    with pytest.raises(InputError, match="no labels"):
        evaluate_embedding(model, bare, evaluation="probe")
    with pytest.raises(InputError, match="evaluation must be one of"):
        evaluate_embedding(model, bare, evaluation="vibes")
    assert "probe" in EVALUATIONS


def test_a_given_split_is_said_to_be_given() -> None:
    part = np.arange(60) // 3 % 3
    splits = {key: part == i for i, key in enumerate(("train", "val", "test"))}
    graph = build_graph(GRAPH.adjacency, GRAPH.features, labels=GRAPH.labels, splits=splits)
    model = fit(graph)
    evaluate_embedding(model, graph, evaluation="probe")
    probe = model.report_.details["evaluation"]["probe"]
    assert (probe["split"], probe["train"], probe["test"]) == ("given", 21, 18)


def test_svd_is_not_compared_with_itself() -> None:
    rows = evaluate_embedding(fit(objective="svd", n_components=3), GRAPH, evaluation="probe")
    assert [row["name"] for row in rows] == [NAMES[0], NAMES[1], NAMES[3]]


def test_supervised_has_no_full_width_to_be_held_against() -> None:
    rows = evaluate_embedding(fit(objective="supervised"), GRAPH, evaluation="both")
    assert [row["name"] for row in rows] == [NAMES[0], NAMES[2]]
    assert all(row["accuracy"] is not None and row["auc"] is not None for row in rows)


def test_the_svd_of_a_graph_without_features_is_as_wide_as_it_is_called() -> None:
    graph = without_features(GRAPH)
    rows = evaluate_embedding(fit(graph, n_components=6), graph, evaluation="probe")
    assert {row["name"]: row["dims"] for row in rows}["svd"] == 6


def accuracies(**values: float) -> dict[str, dict[str, Any]]:
    names = dict(zip(("ours", "full", "svd", "pca"), NAMES, strict=True))
    return {
        names[key]: {"dims": 64 if key == "full" else 5, "accuracy": value, "auc": None}
        for key, value in values.items()
    }


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({"ours": 0.8, "full": 0.8, "svd": 0.8, "pca": 0.8}, []),
        ({"ours": 0.8, "full": 0.81, "svd": 0.79, "pca": 0.7}, []),
        ({"ours": 0.8, "full": 0.82, "svd": 0.79, "pca": 0.7}, ["full width"]),
        ({"ours": 0.8, "full": 0.7, "svd": 0.801, "pca": 0.8}, ["svd"]),
        ({"ours": 0.8, "full": 0.7, "svd": 0.7, "pca": 0.801}, ["pca of full"]),
        (
            {"ours": 0.1, "full": 0.4, "svd": 0.2, "pca": 0.3},
            ["svd", "pca of full", "full width"],
        ),
        ({"ours": 0.8004, "full": 0.7, "svd": 0.8001, "pca": 0.8}, []),
        ({"ours": 0.80001, "full": 0.81001, "svd": 0.80004, "pca": 0.8}, []),
        ({"ours": 0.8}, []),
    ],
)
def test_a_lost_comparison_is_said_and_no_other(
    values: dict[str, float], warned: list[str]
) -> None:
    found = comparison._losses(accuracies(**values), {})
    assert [sentence.split(" (")[0] for sentence in found] == warned
    for sentence in found:
        assert "accuracy" in sentence and f"{values['ours']:.3f}" in sentence


def test_each_measure_is_looked_at_by_itself() -> None:
    rows = accuracies(ours=0.9, svd=0.5)
    rows[NAMES[0]]["auc"], rows[NAMES[2]]["auc"] = 0.6, 0.7
    (sentence,) = comparison._losses(rows, {})
    assert "auc 0.700" in sentence and "0.600" in sentence


@pytest.mark.parametrize(("spread", "said"), [(0.0, True), (0.04, True), (0.06, False)])
def test_where_chance_decides_nothing_is_said(spread: float, said: bool) -> None:
    rows = accuracies(ours=0.85, svd=0.9)
    told = {"accuracy": {NAMES[2]: {"difference": -0.05, "spread": spread}}}
    assert bool(comparison._losses(rows, told)) == said


@pytest.mark.parametrize("better", [False, True])
def test_warnings_reach_the_report(better: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit(n_components=1)
    worse = np.random.default_rng(0).normal(size=(60, 1))
    monkeypatch.setattr(comparison, "_svd", lambda *_: GRAPH_TRUTH if better else worse)
    evaluate_embedding(model, GRAPH, evaluation="probe")
    about_svd = [text for text in model.report_.warnings if text.startswith("svd")]
    assert bool(about_svd) == better
    assert all(f"Note: {text}" in str(model.report_) for text in model.report_.warnings)


GRAPH_TRUTH = np.eye(3)[GRAPH.labels][:, :2].astype(np.float32)


def test_measuring_again_replaces_what_was_said() -> None:
    model = fit(n_components=1)
    model.report_.warnings.append("the fit itself had something to say")
    for seed in (0, 1):
        evaluate_embedding(model, GRAPH, evaluation="probe", seed=seed)
    assert model.report_.warnings.pop(0).startswith("the fit itself")
    once = fit(n_components=1)
    evaluate_embedding(once, GRAPH, evaluation="probe", seed=1)
    assert model.report_.measures == once.report_.measures
    assert model.report_.warnings == once.report_.warnings != []


def test_evaluation_is_seeded_and_leaves_the_generators_alone(global_rng_untouched: None) -> None:
    first, again = (
        evaluate_embedding(fit(n_components=3), GRAPH, evaluation="both", seed=4) for _ in range(2)
    )
    assert first == again


def test_labels_that_choose_the_width_are_not_those_it_is_tested_on() -> None:
    graph = communities(80, 20)
    split = split_for_labels(graph, seed=3)
    assert split is not None and split.splits is not None
    train, test = (split.splits[name] for name in ("train", "test"))
    # Labels of the other parts change nothing.
    assert graph.labels is not None
    labels = np.where(train, graph.labels, 0)
    arguments = {"purpose": "labels", "max_components": 24, "max_epochs": 5, "random_state": 0}
    model = DAMGraphEmbedding(**arguments).fit(split)
    other = DAMGraphEmbedding(**arguments).fit(dataclasses.replace(split, labels=labels))
    assert model.n_components_ == other.n_components_
    np.testing.assert_array_equal(model.embedding_, other.embedding_)
    evaluate_embedding(model, split, evaluation="probe", drawn=True)
    probe = model.report_.details["evaluation"]["probe"]
    assert (probe["train"], probe["test"], probe["splits"]) == (train.sum(), test.sum(), 1)
    assert probe["split"] == "random 10/10/80" and "one random split" in probe["how"]
    (said,) = [note for note in model.report_.warnings if "width was chosen" in note]
    assert said.startswith(
        f"the width was chosen by the {train.sum()} labels that the probe learns"
    )


def test_where_there_is_nothing_to_split() -> None:
    assert split_for_labels(communities(40).with_labels(None), 0) is None
    assert split_for_labels(communities(40).with_labels(np.zeros(40, dtype=int)), 0) is None
    few = np.full(40, -1)
    few[:4] = [0, 0, 1, 1]  # one of each class to learn from tells nothing
    assert split_for_labels(communities(40).with_labels(few), 0) is None
    split = split_for_labels(communities(80, 20), 0)
    assert split is not None and split_for_labels(split, 0) is None


def test_labels_that_chose_the_width_and_are_tested_are_said_to_be() -> None:
    graph = communities(80, 20)
    arguments = {"max_components": 24, "max_epochs": 5, "random_state": 0}
    for purpose, said in (("labels", True), ("all", False)):
        model = DAMGraphEmbedding(purpose=purpose, **arguments).fit(graph)
        evaluate_embedding(model, graph, evaluation="probe")
        assert ("chosen by all labels" in " ".join(model.report_.warnings)) == said


def test_labels_that_taught_the_embedding_are_told_of() -> None:
    model = fit(objective="supervised")
    evaluate_embedding(model, GRAPH)
    assert comparison.TAUGHT in model.report_.warnings
    split = split_for_labels(GRAPH, seed=0)
    assert split is not None
    evaluate_embedding(model.fit(split), split)
    assert comparison.TAUGHT not in model.report_.warnings
