"""A fitted model beside its full width, PCA of that, and SVD."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from damrep.graph import comparison
from damrep.graph.comparison import EVALUATIONS, evaluate_embedding
from damrep.graph.data import Graph, build_graph
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.evaluate import label_split, linear_probe, link_prediction, split_links
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
    assert all(list(row) == ["name", "dims", "accuracy", "auc", "ap"] for row in rows)
    assert all(row["auc"] is None and row["ap"] is None for row in rows)

    split = label_split(GRAPH, 3)
    full = model.transform_full(GRAPH)
    svd = fit(objective="svd", n_components=4)
    expected = {
        "learned": model.embedding_,
        "full width": full,
        "svd": svd.embedding_,
        "pca of full": PCA(4).fit_transform(full),
    }
    for row in rows:
        accuracy = linear_probe(expected[row["name"]], GRAPH.labels, split).accuracy
        assert row["accuracy"] == pytest.approx(accuracy, abs=0.03), row["name"]
    assert model.report_.measures == rows
    assert model.report_.details["evaluation"] == {
        "probe": {"split": "random 10/10/80", "seed": 3, "train": 6, "val": 6, "test": 48}
    }


def test_rows_of_links_are_of_a_model_that_never_saw_the_edges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = fit(n_components=4)
    fits: list[Graph] = []
    plain = DAMGraphEmbedding.fit

    def watched(self: DAMGraphEmbedding, graph: Any, y: Any = None) -> DAMGraphEmbedding:
        fits.append(graph)
        return plain(self, graph, y)

    monkeypatch.setattr(DAMGraphEmbedding, "fit", watched)
    rows = evaluate_embedding(model, GRAPH, evaluation="links", seed=2)
    split = split_links(GRAPH, 2)
    for graph in fits:
        np.testing.assert_array_equal(graph.adjacency.toarray(), split.train.adjacency.toarray())
    assert len(fits) == 2, "the model and the SVD"
    again = fit(split.train, n_components=4)
    auc, ap = link_prediction(again.embedding_, split.test)
    assert rows[0] == {"name": "learned", "dims": 4, "accuracy": None, "auc": auc, "ap": ap}
    assert [row["name"] for row in rows] == NAMES
    assert model.report_.details["evaluation"] == {
        "links": {"split": "85/5/10 of the edges", "seed": 2}
    }
    assert model.n_components_ == 4 and model.embedding_.shape == (60, 4)


def test_both_are_in_the_same_rows() -> None:
    model = fit(n_components=3)
    rows = evaluate_embedding(model, GRAPH, evaluation="both", seed=0)
    assert [row["name"] for row in rows] == NAMES
    assert all(0 <= row[key] <= 1 for row in rows for key in ("accuracy", "auc", "ap"))
    assert set(model.report_.details["evaluation"]) == {"probe", "links"}
    printed = str(model.report_)
    assert all(name in printed for name in NAMES)


def test_auto_takes_the_probe_where_it_can_else_links_else_nothing() -> None:
    labelled = fit()
    evaluate_embedding(labelled, GRAPH)
    assert set(labelled.report_.details["evaluation"]) == {"probe"}

    bare = GRAPH.with_labels(None)
    unlabelled = fit(bare)
    evaluate_embedding(unlabelled, bare)
    assert set(unlabelled.report_.details["evaluation"]) == {"links"}

    lonely = build_graph(np.eye(60, k=1)[:, :60] * (np.arange(60) < 5)[:, None], GRAPH.features)
    neither = fit(lonely)
    assert evaluate_embedding(neither, lonely) == []
    assert neither.report_.details["evaluation"] == {}
    assert evaluate_embedding(neither, lonely, evaluation="none") == []


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
    found = comparison._losses(accuracies(**values))
    assert [sentence.split(" (")[0] for sentence in found] == warned
    for sentence in found:
        assert "accuracy" in sentence and f"{values['ours']:.3f}" in sentence


def test_each_measure_is_looked_at_by_itself() -> None:
    rows = accuracies(ours=0.9, svd=0.5)
    rows[NAMES[0]]["auc"], rows[NAMES[2]]["auc"] = 0.6, 0.7
    (sentence,) = comparison._losses(rows)
    assert "auc 0.700" in sentence and "0.600" in sentence


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
