"""A fitted model beside what it has to be held against: its full width, PCA of that, and SVD."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA

from damrep.graph.data import Graph
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.evaluate import label_split, linear_probe, link_prediction, split_links
from damrep.masking.notes import noted, warn_of
from damrep.masking.validation import InputError, check_choice
from damrep.training import losing_note

__all__ = ["EVALUATIONS", "evaluate_embedding"]

EVALUATIONS = ("auto", "probe", "links", "both", "none")

LEARNED, FULL = "learned", "full width"
SVD, PCA_OF_FULL = "svd", "pca of full"
NOT_MEASURED = "its quality was not measured: no labels to probe, too few edges to hold some out"

Measure = Callable[[np.ndarray], dict[str, Any]]


def evaluate_embedding(
    model: DAMGraphEmbedding, graph: Graph, *, evaluation: str = "auto", seed: int = 0
) -> list[dict[str, Any]]:
    """Measure a model just fitted on a graph, and what it is compared with.

    Writes to the model's report: the rows as `measures`, how they came about under
    `details["evaluation"]`, and a warning for every comparison it loses.

    Parameters
    ----------
    model
        Fitted on `graph`.
    graph
        With labels, for the probe.
    evaluation
        "probe": a linear probe on the labels. "links": the model is fitted again without 15 % of
        the edges and has to find the 10 % of the test part. "both". "auto": the probe where there
        are labels enough, else links where there are edges enough. "none".
    seed
        Of the splits.

    Returns
    -------
    list of dict
        Rows "name", "dims", "accuracy", "auc", "ap"; None where not measured.

    Raises
    ------
    InputError
        If the labels or edges are too few for the evaluation asked for.

    Examples
    --------
    >>> from damrep import datasets
    >>> graph = datasets.load("karate")
    >>> model = DAMGraphEmbedding(n_components=4, max_components=16, max_epochs=5, random_state=0)
    >>> rows = evaluate_embedding(model.fit(graph), graph)
    >>> [(row["name"], row["dims"]) for row in rows]
    [('learned', 4), ('full width', 16), ('svd', 4), ('pca of full', 4)]
    """
    check_choice("evaluation", evaluation, EVALUATIONS)
    report = model.report_
    rows: dict[str, dict[str, Any]] = {}
    about: dict[str, Any] = {}
    if evaluation in ("probe", "both", "auto"):
        try:
            split = label_split(graph, seed)
            rows = _probe(model, graph, split, rows)
            about["probe"] = {
                "split": "given" if graph.splits else "random 10/10/80",
                "seed": seed,
                **{key: int(mask.sum()) for key, mask in split.items()},
            }
        except InputError:
            if evaluation != "auto":
                raise
    if evaluation in ("links", "both") or (evaluation == "auto" and not rows):
        try:
            rows = _links(model, graph, seed, rows)
            about["links"] = {"split": "85/5/10 of the edges", "seed": seed}
        except InputError:
            if evaluation != "auto":
                raise
    report.measures = list(rows.values())
    report.details["evaluation"] = about
    # What an earlier evaluation warned of goes with its measures.
    earlier = (*(f"{name} (" for name in (SVD, PCA_OF_FULL, FULL)), NOT_MEASURED)
    notes = _losses(rows) if rows or evaluation == "none" else [NOT_MEASURED]
    report.warnings = [w for w in report.warnings if not w.startswith(earlier)] + notes
    warn_of(*notes)
    return report.measures


def _probe(
    model: DAMGraphEmbedding,
    graph: Graph,
    split: dict[str, np.ndarray],
    rows: dict[str, dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    labels = graph.labels
    assert labels is not None

    def accuracy(embedding: np.ndarray) -> dict[str, Any]:
        return {"accuracy": linear_probe(embedding, labels, split).accuracy}

    return _compare(model, graph, accuracy, rows)


def _links(
    model: DAMGraphEmbedding, graph: Graph, seed: int, rows: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    parts = split_links(graph, seed)
    # At the width already learned: the question is what that width is worth.
    again = clone(model).set_params(random_state=model.report_.seed)
    again.set_params(n_components=model.n_components_)
    with noted():
        again.fit(parts.train)

    def ranks(embedding: np.ndarray) -> dict[str, Any]:
        auc, ap = link_prediction(embedding, parts.test)
        return {"auc": auc, "ap": ap}

    return _compare(again, parts.train, ranks, rows)


def _compare(
    model: DAMGraphEmbedding, graph: Graph, measure: Measure, rows: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Measure the model, its full width, SVD and PCA at the model's width; merge into rows."""
    dims = model.n_components_
    candidates = {LEARNED: model.embedding_}
    if model.report_.objective != "supervised":
        full = model.transform_full(graph)
        candidates[FULL] = full
        if model.report_.objective != "svd":
            candidates[SVD] = _svd(model, graph, dims)
        pca = PCA(min(dims, *full.shape), random_state=0)
        candidates[PCA_OF_FULL] = pca.fit_transform(full)
    else:
        candidates[SVD] = _svd(model, graph, dims)
    for name, embedding in candidates.items():
        width = embedding.shape[1]
        empty = {"name": name, "dims": width, "accuracy": None, "auc": None, "ap": None}
        rows[name] = {**rows.get(name, empty), **measure(embedding)}
    return rows


def _svd(model: DAMGraphEmbedding, graph: Graph, dims: int) -> np.ndarray:
    baseline = DAMGraphEmbedding(
        objective="svd",
        n_components=dims,
        # As wide as the model: that is the width of the features standing in for missing ones.
        max_components=model.max_components,
        spectral_steps=model.spectral_steps,
        random_state=model.report_.seed,
    )
    with noted():
        return baseline.fit(graph).embedding_


def _losses(rows: dict[str, dict[str, Any]]) -> list[str]:
    """A sentence for each measure on which a baseline beats the learned embedding."""
    ours = rows.get(LEARNED, {})
    notes = [
        losing_note(
            ours, {"name": name, **rows.get(name, {})}, measure, "the learned embedding's",
            allowed=allowed,
        )
        for name, allowed in ((SVD, 0.0), (PCA_OF_FULL, 0.0), (FULL, 0.01))
        for measure in ("accuracy", "auc")
    ]  # fmt: skip
    return [note for note in notes if note is not None]
