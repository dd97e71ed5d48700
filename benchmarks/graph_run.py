"""The work of `benchmarks.graph`: load a data set, measure every method, write row by row."""

from __future__ import annotations

import argparse
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checkpoint import Checkpoint
from benchmarks.comparators.graphs import TooLargeError
from benchmarks.graph_methods import PEER_LIMIT_S, QUICK, Fits
from benchmarks.graph_plot import draw
from benchmarks.graph_rows import (
    ALL,
    COLUMNS,
    METHODS,
    PUBLISHED,
    SVD_ALL,
    known_widths,
    over_runs,
    seed_notes,
)
from benchmarks.peer_runs import PeerTooSlowError, peer_installed
from benchmarks.progress import say
from benchmarks.results import read_result
from damrep.datasets import load
from damrep.graph.data.graph import Graph
from damrep.graph.links import link_prediction, split_links
from damrep.graph.probe import label_split, linear_probe
from damrep.masking.validation import InputError

__all__ = ["Task", "load_graph", "run_dataset", "warm_up"]

_STRUCTURE = "-structure"
_INSTALLED = {"cleora": "pycleora", "node2vec": "node2vec"}


def load_graph(name: str, data_root: Path | None) -> Graph:
    """A data set by name; NAME-structure is NAME without features.

    Raises
    ------
    InputError
        If the name is unknown or the files are not there.
    """
    if name.endswith(_STRUCTURE):
        return load(name.removesuffix(_STRUCTURE), data_root).with_features(None)
    return load(name, data_root)


class Task:
    """One graph under one seed: the fits for both measures, and the measures.

    Parameters
    ----------
    graph : Graph
    seed : int
    widths : mapping of str to pair of int
        By purpose, learned on the graph and on the one without held-out links, where known.
    changes : mapping
        See `Fits`.
    """

    def __init__(
        self,
        graph: Graph,
        seed: int,
        widths: Mapping[str, Sequence[int]],
        changes: Mapping[str, Any],
    ) -> None:
        self.graph = graph
        self.split = None if graph.labels is None else label_split(graph, seed)
        links = split_links(graph, seed)
        self.pairs = links.test
        train = None if self.split is None else self.split["train"]
        on_graph, on_links = ({p: pair[i] for p, pair in widths.items()} for i in (0, 1))
        self.fits = Fits(graph, seed, train, on_graph, changes)
        self.link_fits = Fits(links.train, seed, train, on_links, changes)
        self._probed: dict[bytes, float] = {}

    def accuracy(self, embedding: np.ndarray) -> float | None:
        """Of the linear probe; None without labels."""
        if self.split is None or self.graph.labels is None:
            return None
        # Fits for several purposes may share one wide representation, which takes long to probe.
        key = hashlib.blake2b(np.ascontiguousarray(embedding).tobytes()).digest()
        if key not in self._probed:
            probe = linear_probe(embedding, self.graph.labels, self.split)
            self._probed[key] = probe.accuracy
        return self._probed[key]

    def links(self, embedding: np.ndarray) -> tuple[float, float]:
        """Area under the curve and average precision of the held-out links."""
        return link_prediction(embedding, self.pairs)

    def run(self, label: str) -> dict[str, float | None]:
        """Every number of a method."""
        embedded = self.fits.embed(label)
        held_out = self.link_fits.embed(label).values
        auc, ap = self.links(held_out)
        return {
            "dims": embedded.values.shape[1],
            "accuracy": self.accuracy(embedded.values),
            "auc": auc,
            "ap": ap,
            "cpu_s": embedded.cpu_s,
            "link_dims": held_out.shape[1],
        }

    def curve(self, label: str) -> dict[str, list[Any]]:
        """Both measures of the first dimensions of an embedding, at powers of two and all."""
        whole, held_out = self.fits.embed(label).values, self.link_fits.embed(label).values
        most = min(whole.shape[1], held_out.shape[1])
        dims = [*(2**k for k in range(most.bit_length()) if 2**k < most), most]
        return {
            "dims": dims,
            "accuracy": [self.accuracy(whole[:, :q]) for q in dims],
            "auc": [self.links(held_out[:, :q])[0] for q in dims],
        }


def _numbers(run: Mapping[str, float | None]) -> str:
    return " ".join(f"{key} {value:.3g}" for key, value in run.items() if value is not None)


def _row(tasks: Mapping[int, Task], label: str, name: str) -> dict[str, Any]:
    """A method's row; without numbers, and with the reason, where it cannot be measured."""
    runs, curves = [], []
    for seed, task in tasks.items():
        try:
            runs.append(task.run(label))
        except (PeerTooSlowError, TooLargeError, InputError) as error:
            say(f"{name}, seed {seed}: {label}: {error}")
            return {"method": label, "seeds": list(tasks), "reason": f"{label}: {error}"}
        if label in (ALL, SVD_ALL):
            curves.append(task.curve(label))
        say(f"{name}, seed {seed}: {label}: {_numbers(runs[-1])}")
    row = over_runs(label, runs, seeds=list(tasks))
    if curves:
        row["curves"] = curves
    if METHODS[label].kind == "damrep":
        row["widths"] = [[run["dims"], run["link_dims"]] for run in runs]
    return row


def _notes(name: str, graph: Graph) -> list[str]:
    score = "micro-averaged F1" if graph.multi_label else "the share of test nodes right"
    split = "the split that comes with the data" if graph.splits else "random splits of 10/10/80"
    notes = [
        f"Accuracy: {score}, by a linear probe on {split}."
        if graph.labels is not None
        else "Accuracy: there are no labels.",
        "AUC and AP: cosine similarity on the test part of an 85/5/10 split of the edges; every "
        "method is fitted again on the edges left, damrep learning its width anew.",
        "Only the fit for labels sees labels, those of the training split.",
        "CPU s: the whole fit; rows made out of a wide fit carry its seconds.",
        "Cleora, node2vec, ProNE, NetMF and FastRP see no features. Cleora's own settings are 256 "
        "dims, 40 iterations, whitening; the rows at other dims change nothing else.",
    ]
    return [*notes, PUBLISHED[name]] if name in PUBLISHED else notes


def _wanted(groups: Sequence[str], name: str) -> list[str]:
    """Rows of the groups whose library is there."""
    missing = [g for g in groups if g in _INSTALLED and not peer_installed(_INSTALLED[g])]
    for group in missing:
        say(f"{name}: {group} is left out: it is not installed (extra: bench).")
    return [
        label
        for label, method in METHODS.items()
        if method.group in groups and method.group not in missing
    ]


def run_dataset(name: str, options: argparse.Namespace) -> bool:
    """Measure what a data set's result does not hold yet, a row at a time, and draw it.

    Returns
    -------
    bool
        Whether there is a result now.
    """
    result = f"graph-{name}"
    under = {
        "dataset": name,
        "seeds": list(options.seeds),
        "threads": options.threads,
        "quick": options.quick,
        "peer_limit_s": PEER_LIMIT_S,
    }
    checkpoint = Checkpoint(result, name, COLUMNS, options.out, under, options.again)
    wanted = _wanted(options.methods, name)
    left = [label for label in wanted if not checkpoint.has(label)]
    if not left:
        if checkpoint.rows:
            say(f"{name}: finished, see {result}.json (--again measures it once more)")
        return bool(checkpoint.rows)
    try:
        graph = load_graph(name, options.data_root)
    except InputError as error:
        say(f"{name}: left out: {error}")
        return bool(checkpoint.rows)
    checkpoint.title = f"{graph!r}"
    widths = known_widths({"rows": [] if options.again else checkpoint.rows}, options.seeds)
    changes = QUICK if options.quick else {}
    tasks = {seed: Task(graph, seed, widths[seed], changes) for seed in options.seeds}
    for label in left:
        measure = partial(_noted, checkpoint, tasks, label, name, graph)
        checkpoint.row(label, measure, list(METHODS))
    draw(read_result(result, options.out), options.out / f"{result}.png")
    return True


def _noted(
    checkpoint: Checkpoint, tasks: Mapping[int, Task], label: str, name: str, graph: Graph
) -> dict[str, Any]:
    """A row, and the notes of the table with it."""
    row = _row(tasks, label, name)
    rows = [*(other for other in checkpoint.rows if other["method"] != label), row]
    reasons = [str(other["reason"]) for other in rows if "reason" in other]
    checkpoint.notes = [*_notes(name, graph), *seed_notes(rows), *reasons]
    return row


def warm_up() -> None:
    """A small fit first: what is loaded on first use would count for the first method otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Fits(load("karate"), 0, changes=QUICK).embed(ALL)
