"""What the graph estimator's defaults are chosen by, the public test nodes having no part in it.

    python -m benchmarks.graph_choices [--datasets cora] [--variants default,lr=0.01] [--links]

Every variant is fitted on the whole graph without labels. Its score is the accuracy of a linear
probe on random splits of the nodes outside the public test split, whose labels are taken out before
anything is fitted or drawn. The splits are the same for every variant and seed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.arguments import names_list, number_of, refuse_unknown
from benchmarks.graph_methods import QUICK, Fits
from benchmarks.graph_rows import over_runs
from benchmarks.graph_run import load_graph, warm_up
from benchmarks.harness import Column, ResultError, benchmark_parser, parse, say, write_result
from damrep.graph.data.graph import Graph
from damrep.graph.encoding.objectives import GroupDiscrimination
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.links import LinkSplit, link_prediction, split_links
from damrep.graph.probe import linear_probe
from damrep.masking.validation import InputError
from damrep.training import DivergedError

DATASETS = ("cora", "citeseer", "pubmed")
NAME = "graph-choices"
NARROW = 24
TRAIN_PER_CLASS, VALIDATION, SCORED = 20, 300, 4000


@contextmanager
def one_score() -> Iterator[None]:
    """Within it, group discrimination learns one score over all units instead of one a group."""
    before = GroupDiscrimination.head_width
    GroupDiscrimination.head_width = sys.maxsize
    try:
        yield
    finally:
        GroupDiscrimination.head_width = before


@dataclasses.dataclass(frozen=True)
class Variant:
    """A set of defaults that could have been.

    Attributes
    ----------
    parameters : mapping
        Of `DAMGraphEmbedding`, that are not its defaults.
    around : callable
        Gives a context to train in, for what is no parameter.
    """

    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    around: Callable[[], AbstractContextManager[None]] = nullcontext


SVD = "objective=svd"
VARIANTS: dict[str, Variant] = {
    "default": Variant(),
    "one_score": Variant(around=one_score),
    "feature_dropout=0.2": Variant({"feature_dropout": 0.2}),
    "spectral_weight=1": Variant({"spectral_weight": 1.0}),
    "spectral_weight=2": Variant({"spectral_weight": 2.0}),
    "smoothing=0": Variant({"smoothing": 0}),
    "smoothing=2": Variant({"smoothing": 2}),
    "lr=0.01": Variant({"lr": 1e-2}),
    "price=0.005": Variant({"price": 0.005}),
    "price=0.01": Variant({"price": 0.01}),
    "rotate=False": Variant({"rotate": False}),
    "objective=dgi": Variant({"objective": "dgi"}),
    SVD: Variant({"objective": "svd"}),
}


def without_test_labels(graph: Graph) -> Graph:
    """The graph with the labels of its public test nodes, and its splits, taken out.

    Parameters
    ----------
    graph : Graph
        Where it brings several splits, the nodes of every test part count.

    Raises
    ------
    InputError
        If nodes have no label or several, or there is no public test split.
    """
    if graph.labels is None or graph.multi_label:
        raise InputError("expected a graph with one label a node")
    if graph.splits is None or "test" not in graph.splits:
        raise InputError("it has no test split to stay out of")
    test = graph.splits["test"].reshape(graph.num_nodes, -1).any(axis=1)
    return dataclasses.replace(graph, labels=np.where(test, -1, graph.labels), splits=None)


def choice_splits(labels: np.ndarray, repeats: int) -> list[dict[str, np.ndarray]]:
    """Random splits of the labelled nodes: the same ones whenever asked.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        -1 where a node may not be used.
    repeats : int
        How many; fewer are the first of more.

    Returns
    -------
    list of dict of bool arrays, shape (n,)
        "train": 20 nodes a class. "val": 300 others. "test": the rest, at most 4,000.

    Raises
    ------
    InputError
        If there are too few nodes.
    """
    pool = np.flatnonzero(labels >= 0)
    classes, sizes = np.unique(labels[pool], return_counts=True)
    if len(classes) < 2 or sizes.min() < TRAIN_PER_CLASS:
        raise InputError(
            f"expected 2 classes or more with {TRAIN_PER_CLASS} nodes each outside the test split, "
            f"got sizes {sizes.tolist()}"
        )
    needed = TRAIN_PER_CLASS * len(classes) + VALIDATION + 1
    if len(pool) < needed:
        raise InputError(
            f"expected {needed} labelled nodes or more outside the test split, got {len(pool)}"
        )
    rng = np.random.default_rng(0)
    splits = []
    for _ in range(repeats):
        order = rng.permutation(pool)
        train = np.concatenate([order[labels[order] == c][:TRAIN_PER_CLASS] for c in classes])
        rest = order[~np.isin(order, train)]
        parts = {
            "train": train,
            "val": rest[:VALIDATION],
            "test": rest[VALIDATION : VALIDATION + SCORED],
        }
        splits.append({key: np.isin(np.arange(len(labels)), v) for key, v in parts.items()})
    return splits


class Measure:
    """What is measured of every variant on one graph.

    Parameters
    ----------
    graph : Graph
        From `without_test_labels`.
    repeats : int
        Splits.
    links : bool
        Whether to measure link prediction too, by another fit without the held-out edges.
    changes : mapping
        Parameters for every variant alike; for quick runs.

    Raises
    ------
    InputError
        If the labelled nodes are too few.
    """

    def __init__(self, graph: Graph, repeats: int, links: bool, changes: Mapping[str, Any]) -> None:
        if graph.labels is None:
            raise InputError("expected a graph with one label a node")
        self.graph, self.labels, self.links = graph, graph.labels, links
        self.splits = choice_splits(graph.labels, repeats)
        self.changes = dict(changes)

    def rows(self, names: Sequence[str], seeds: Sequence[int]) -> list[dict[str, Any]]:
        """A row a variant, in the order given."""
        runs: dict[str, list[dict[str, float | None]]] = {name: [] for name in names}
        for seed in seeds:
            held_out = split_links(self.graph, seed) if self.links else None
            for name in names:
                runs[name].append(run := self._run(VARIANTS[name], seed, held_out))
                numbers = " ".join(f"{k} {v:.3g}" for k, v in run.items() if v is not None)
                say(f"{self.graph.name}, seed {seed}: {name}: {numbers}")
        return [
            over_runs(
                name,
                runs[name],
                seeds=list(seeds),
                changes=dict(VARIANTS[name].parameters),
            )
            for name in names
        ]

    def _run(
        self, variant: Variant, seed: int, held_out: LinkSplit | None
    ) -> dict[str, float | None]:
        """Every number of a variant."""
        changes = {**self.changes, **variant.parameters}
        fits = Fits(self.graph, seed, changes=changes)
        with variant.around():
            done = fits.fit()
            narrow = fits.model(n_components=NARROW).embedding_
        learned = done.value.embedding_
        run: dict[str, float | None] = {
            "dims": learned.shape[1],
            "accuracy": self._accuracy(learned),
            "accuracy_narrow": self._accuracy(narrow) if narrow.shape[1] == NARROW else None,
            "epochs": len(done.value.report_.history.get("epoch", ())),
            "cpu_s": done.cpu_s,
        }
        if held_out is not None:
            with variant.around():
                on_links = Fits(held_out.train, seed, changes=changes).model().embedding_
            run["auc"] = link_prediction(on_links, held_out.val)[0]
        return run

    def _accuracy(self, embedding: np.ndarray) -> float:
        probes = (linear_probe(embedding, self.labels, split) for split in self.splits)
        return fmean(probe.accuracy for probe in probes)


def _columns(links: bool) -> list[Column]:
    return [
        Column("dataset", "Data set"),
        Column("method", "Variant"),
        Column("dims", "Dims", 1),
        Column("accuracy", "Accuracy"),
        Column("accuracy_narrow", f"Accuracy at {NARROW}"),
        *([Column("auc", "AUC, validation edges")] if links else []),
        Column("epochs", "Epochs", 1),
        Column("cpu_s", "CPU s", 1),
    ]


def _notes(options: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = [
        f"Accuracy: the share of nodes right by a linear probe, mean of {options.repeats} random "
        f"splits of the nodes outside the public test split: {TRAIN_PER_CLASS} a class to train, "
        f"{VALIDATION} to choose the penalty, at most {SCORED:,} of the rest scored; the same "
        "splits for every variant and seed. Labels of the public test nodes are not used."
    ]
    if options.links:
        notes.append(
            "AUC: cosine similarity on the validation part of an 85/5/10 split of the edges; every "
            "variant is fitted again on the edges left."
        )
    measured = {row["dataset"] for row in rows}
    if missing := [name for name in options.datasets if name not in measured]:
        notes.append(f"Not measured: {', '.join(missing)}.")
    return notes


def _write(options: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    keys = ("datasets", "variants", "seeds", "repeats", "links", "threads", "quick")
    settings = {key: getattr(options, key) for key in keys}
    write_result(
        NAME,
        rows,
        _columns(options.links),
        title="The graph estimator's defaults beside other choices, without the public test nodes",
        settings={**settings, "defaults": DAMGraphEmbedding().get_params(deep=False)},
        notes=_notes(options, rows),
        out=options.out,
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = benchmark_parser("What the graph estimator's defaults are chosen by.", seeds="3")
    parser.add_argument("--datasets", type=names_list, help=f"default: {','.join(DATASETS)}")
    parser.add_argument(
        "--variants",
        type=names_list,
        default=list(VARIANTS),
        help=f"of {','.join(VARIANTS)}; {SVD} is always among them; default: all",
    )
    parser.add_argument(
        "--repeats",
        type=number_of("splits"),
        default="8",
        help="splits a fit is scored on; default: 8",
    )
    parser.add_argument(
        "--links", action="store_true", help="the AUC on validation edges too: twice the work"
    )
    options = parse(parser, arguments)
    refuse_unknown(parser, "variants", options.variants, VARIANTS)
    options.variants = [name for name in VARIANTS if name in (*options.variants, SVD)]
    if options.datasets is None:
        options.datasets = ["cora"] if options.quick else list(DATASETS)
    if options.quick:
        options.repeats = min(options.repeats, 2)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 1 where no data set could be measured; 2 where the result could not be written.
    """
    options = _options(arguments)
    changes = QUICK if options.quick else {}
    warm_up()
    rows: list[dict[str, Any]] = []
    for name in options.datasets:
        try:
            graph = without_test_labels(load_graph(name, options.data_root))
            measure = Measure(graph, options.repeats, options.links, changes)
            rows += [
                {**row, "dataset": name} for row in measure.rows(options.variants, options.seeds)
            ]
        except (InputError, DivergedError) as error:
            say(f"{name}: left out: {error}")
            continue
        try:
            # After every data set, so that what an interrupted run had measured is kept.
            _write(options, rows)
        except ResultError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
