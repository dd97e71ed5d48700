"""A fitted model beside what it has to be held against: its full width, PCA of that, and SVD."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA

from damrep.graph.data.graph import Graph
from damrep.graph.data.labels import training_labels
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.links import link_placements, link_prediction, split_links
from damrep.graph.probe import label_split, label_splits, linear_probe, why_no_classes
from damrep.graph.spread import Sample
from damrep.masking.notes import noted, warn_of
from damrep.masking.validation import InputError, check_choice
from damrep.training import losing_note

__all__ = ["EVALUATIONS", "evaluate_embedding", "split_for_labels"]

EVALUATIONS = ("auto", "probe", "links", "both", "none")

LEARNED, FULL = "learned", "full width"
SVD, PCA_OF_FULL = "svd", "pca of full"
NOT_PROBED = "the labels were not probed"
NOT_MEASURED = "its quality was not measured"
CHOSEN = "the width was chosen"
SEEN = f"{CHOSEN} by all labels, those that the probe tests among them"
TAUGHT = "the embedding was learned from all labels, those that the probe tests among them"

Row = dict[str, Any]
Measure = Callable[[np.ndarray], tuple[Row, dict[str, Sample]]]


@dataclass
class _Measured:
    """Rows by name, and by measure and name what each is the mean of."""

    rows: dict[str, Row] = field(default_factory=dict)
    samples: dict[str, dict[str, Sample]] = field(default_factory=dict)

    def add(self, name: str, dims: int, values: Row, samples: dict[str, Sample]) -> None:
        """Another measure of a row."""
        row = self.rows.setdefault(name, {"name": name, "dims": dims})
        for measure in ("accuracy", "auc", "ap"):
            row.setdefault(measure, None)
        row.update(values)
        for measure, sample in samples.items():
            self.samples.setdefault(measure, {})[name] = sample
            if sample.spread is not None:
                row[f"{measure}_spread"] = sample.spread

    def differences(self) -> dict[str, dict[str, Row]]:
        """By measure and row: how much more the learned embedding has, and the spread of that."""
        found: dict[str, dict[str, Row]] = {}
        for measure, samples in self.samples.items():
            for name, sample in samples.items():
                if name != LEARNED and LEARNED in samples:
                    less = samples[LEARNED].less(sample)
                    told = {"difference": less.value, "spread": less.spread}
                    found.setdefault(measure, {})[name] = told
        return found


def split_for_labels(graph: Graph, seed: int) -> Graph | None:
    """A graph with a random split, so that labels choose a width that others can be tested at.

    Only those of its "train" part are looked at by a fit with ``purpose="labels"``. To fit each of
    several splits anew would take as many times as long, so there is one.

    Parameters
    ----------
    graph
        Any.
    seed
        Of the split, which is the first of `label_splits`.

    Returns
    -------
    Graph or None
        None where it brings a split, has no classes, or too few labels are in that part.

    Examples
    --------
    >>> from damrep import datasets
    >>> split = split_for_labels(datasets.load("digits"), seed=0)
    >>> {name: int(part.sum()) for name, part in split.splits.items()}
    {'train': 179, 'val': 179, 'test': 1439}
    """
    if graph.labels is None or graph.splits is not None or why_no_classes(graph) is not None:
        return None
    split = dataclasses.replace(graph, splits=label_split(graph, seed))
    return None if training_labels(split) is None else split


def evaluate_embedding(
    model: DAMGraphEmbedding,
    graph: Graph,
    *,
    evaluation: str = "auto",
    seed: int = 0,
    drawn: bool = False,
) -> list[dict[str, Any]]:
    """Measure a model just fitted on a graph, and what it is compared with.

    Writes to the model's report: the rows as `measures`, how they came about and what chance may
    decide under `details["evaluation"]`, and a warning for every comparison it clearly loses.

    Parameters
    ----------
    model
        Fitted on `graph`.
    graph
        With labels, for the probe.
    evaluation
        "probe": a linear probe on the labels, of small graphs on several splits. "links": the
        model is fitted again without 15 % of the edges and has to find the 10 % of the test part.
        "both". "auto": the probe where there are labels enough, else links where there are edges
        enough. "none".
    seed
        Of the splits.
    drawn
        Whether the graph's split was not given with it but is from `split_for_labels`.

    Returns
    -------
    list of dict
        Rows "name", "dims", "accuracy", "auc", "ap"; None where not measured. "accuracy_spread" is
        the standard deviation over the splits, or of one split the standard error, as
        "auc_spread" is.

    Raises
    ------
    InputError
        If the labels or edges are too few for the evaluation asked for, or the labels no classes.

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
    measured = _Measured()
    about: dict[str, Any] = {}
    notes: list[str] = []
    if evaluation in ("probe", "both", "auto"):
        try:
            about["probe"] = _probe(model, graph, seed, measured, drawn)
            taught = report.objective == "supervised"
            by_labels = taught or report.details.get("purpose") == "labels"
            if drawn and by_labels:
                parts = about["probe"]
                notes.append(
                    f"{CHOSEN} by the {parts['train']:,} labels that the probe learns from, a "
                    "random tenth, and not by those that it tests (--evaluate none: by all)"
                )
            elif by_labels and about["probe"]["split"] != "given":
                notes.append(TAUGHT if taught else SEEN)
        except InputError as error:
            if evaluation != "auto":
                raise
            if graph.labels is not None:
                notes.append(f"{NOT_PROBED}: {error}")
    if evaluation in ("links", "both") or (evaluation == "auto" and not measured.rows):
        try:
            about["links"] = _links(model, graph, seed, measured)
        except InputError as error:
            if evaluation != "auto":
                raise
            without = "" if graph.labels is not None else "no labels to probe, "
            notes.append(f"{NOT_MEASURED}: {without}{error}")
    differences = measured.differences()
    if differences:
        about["differences"] = differences
    report.measures = list(measured.rows.values())
    report.details["evaluation"] = about
    # What an earlier evaluation warned of goes with its measures.
    earlier = (
        *(f"{name} (" for name in (SVD, PCA_OF_FULL, FULL)),
        NOT_PROBED,
        NOT_MEASURED,
        CHOSEN,
        TAUGHT,
    )
    notes = [*_losses(measured.rows, differences), *notes]
    report.warnings = [w for w in report.warnings if not w.startswith(earlier)] + notes
    warn_of(*notes)
    return report.measures


def _probe(
    model: DAMGraphEmbedding, graph: Graph, seed: int, measured: _Measured, drawn: bool
) -> dict[str, Any]:
    reason = why_no_classes(graph)
    if reason is not None:
        raise InputError(reason)
    splits = label_splits(graph, seed)
    labels = graph.labels
    assert labels is not None

    def probe(embedding: np.ndarray) -> tuple[Row, dict[str, Sample]]:
        found = [linear_probe(embedding, labels, split) for split in splits]
        each = np.array([one.accuracy for one in found])
        right = found[0].right
        if len(found) == 1 and right is not None:
            sample = Sample((right,), over_splits=False)
        else:
            sample = Sample((each,), over_splits=True)
        return {"accuracy": float(each.mean())}, {"accuracy": sample}

    _compare(model, graph, probe, measured)
    parts = {key: int(mask.sum()) for key, mask in splits[0].items()}
    given = graph.splits is not None and set(parts) <= set(graph.splits) and not drawn
    nodes = (
        f"{parts['train']:,} nodes to learn from, {parts['val']:,} to choose the penalty on, "
        f"{parts['test']:,} to be told"
    )
    how = (
        f"mean ± standard deviation over {len(splits)} random splits: {nodes}"
        if len(splits) > 1
        else f"{'the split given' if given else 'one random split'}, ± standard error: {nodes}"
    )
    return {
        "split": "given" if given else "random 10/10/80",
        "splits": len(splits),
        "seed": seed,
        **parts,
        "how": f"accuracy is of a linear probe, {how}",
    }


def _links(
    model: DAMGraphEmbedding, graph: Graph, seed: int, measured: _Measured
) -> dict[str, Any]:
    parts = split_links(graph if model.directed else graph.symmetrised(), seed)
    # At the width already learned: the question is what that width is worth.
    again = clone(model).set_params(random_state=model.report_.seed)
    again.set_params(n_components=model.n_components_)
    with noted():
        again.fit(parts.train)

    def ranks(embedding: np.ndarray) -> tuple[Row, dict[str, Sample]]:
        auc, ap = link_prediction(embedding, parts.test)
        sample = Sample(link_placements(embedding, parts.test), over_splits=False)
        return {"auc": auc, "ap": ap}, {"auc": sample}

    _compare(again, parts.train, ranks, measured)
    edges = len(parts.test) // 2
    return {
        "split": "85/5/10 of the edges",
        "seed": seed,
        "test edges": edges,
        "how": f"AUC and AP are of {edges:,} edges held out, told by cosine from as many pairs "
        "without one, ± standard error",
    }


def _compare(model: DAMGraphEmbedding, graph: Graph, measure: Measure, measured: _Measured) -> None:
    """Measure the model, its full width, SVD and PCA at the model's width."""
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
        measured.add(name, embedding.shape[1], *measure(embedding))


def _svd(model: DAMGraphEmbedding, graph: Graph, dims: int) -> np.ndarray:
    baseline = DAMGraphEmbedding(
        objective="svd",
        n_components=dims,
        # As wide as the model: that is the width of the features standing in for missing ones.
        max_components=model.max_components,
        spectral_steps=model.spectral_steps,
        directed=model.directed,
        random_state=model.report_.seed,
    )
    with noted():
        return baseline.fit(graph).embedding_


def _losses(rows: Mapping[str, Row], differences: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """A sentence for each measure on which a baseline is better, and not by chance."""
    ours = rows.get(LEARNED, {})
    notes = [
        losing_note(
            ours, {"name": name, **rows.get(name, {})}, measure, "the learned embedding's",
            allowed=allowed, spread=differences.get(measure, {}).get(name, {}).get("spread"),
        )
        for name, allowed in ((SVD, 0.0), (PCA_OF_FULL, 0.0), (FULL, 0.01))
        for measure in ("accuracy", "auc")
    ]  # fmt: skip
    return [note for note in notes if note is not None]
