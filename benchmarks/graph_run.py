"""The work of `benchmarks.graph`: load a data set, measure every method, write the result."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import provenance
from benchmarks.graph_methods import PEER_LIMIT_S, PEER_WIDTH, QUICK, Fits, curve_widths
from benchmarks.graph_plot import draw
from benchmarks.graph_rows import (
    COLUMNS,
    DAMREP,
    GROUPS,
    SVD,
    known_widths,
    merge_rows,
    over_runs,
    seed_notes,
    to_do,
)
from benchmarks.peer_runs import PeerTooSlowError, peer_installed
from benchmarks.progress import say
from benchmarks.results import read_result, write_result
from damrep.datasets import load
from damrep.graph.data import Graph
from damrep.graph.links import link_prediction, split_links
from damrep.graph.probe import label_split, linear_probe
from damrep.masking.validation import InputError

__all__ = ["Task", "load_graph", "measure_dataset", "run_dataset", "warm_up"]

_STRUCTURE = "-structure"
_PEERS = {"cleora": "pycleora", "node2vec": "node2vec"}


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
    widths : pair of int, optional
        Learned on the graph and on the one without held-out links, where known.
    changes : mapping
        See `Fits`.
    """

    def __init__(
        self,
        graph: Graph,
        seed: int,
        widths: tuple[int, int] | None,
        changes: Mapping[str, Any],
    ) -> None:
        self.graph = graph
        self.split = None if graph.labels is None else label_split(graph, seed)
        links = split_links(graph, seed)
        self.pairs = links.test
        on_graph, on_links = widths or (None, None)
        self.fits = Fits(graph, seed, on_graph, changes)
        self.link_fits = Fits(links.train, seed, on_links, changes)

    @property
    def widths(self) -> tuple[int, int]:
        """Learned on the graph and on the one without held-out links."""
        return self.fits.width, self.link_fits.width

    def accuracy(self, embedding: np.ndarray) -> float | None:
        """Of the linear probe; None without labels."""
        if self.split is None or self.graph.labels is None:
            return None
        return linear_probe(embedding, self.graph.labels, self.split).accuracy

    def run(self, method: str) -> dict[str, float | None]:
        """Every number of a method."""
        embedded = self.fits.embed(method)
        held_out = self.link_fits.embed(method).values
        auc, ap = link_prediction(held_out, self.pairs)
        return {
            "dims": embedded.values.shape[1],
            "accuracy": self.accuracy(embedded.values),
            "auc": auc,
            "ap": ap,
            "cpu_s": embedded.cpu_s,
            "link_dims": held_out.shape[1],
        }

    def curve(self, method: str) -> dict[str, Any] | None:
        """Accuracy over a grid of widths, for the two methods that have a cheap one."""
        if method not in (DAMREP, SVD) or self.split is None:
            return None
        widths = curve_widths(self.fits.full.shape[1])
        at = self.fits.learned_at if method == DAMREP else self.fits.svd_at
        embeddings = at(widths)
        # Two widths of the grid are one where there is no more to decompose.
        distinct = {e.shape[1]: e for e in embeddings}
        return {
            "dims": list(distinct),
            "accuracy": [self.accuracy(e) for e in distinct.values()],
        }


def measure_dataset(
    graph: Graph,
    methods: Sequence[str],
    seeds: Sequence[int],
    widths: Mapping[int, tuple[int, int]],
    changes: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of some methods, and the ones left out as too slow with the reason."""
    runs: dict[str, list[dict[str, float | None]]] = {method: [] for method in methods}
    curves: dict[str, list[dict[str, Any]]] = {method: [] for method in methods}
    learned: list[tuple[int, int]] = []
    too_slow: dict[str, str] = {}
    for seed in seeds:
        task = Task(graph, seed, widths.get(seed), changes)
        for method in methods:
            if method in too_slow:
                continue
            try:
                runs[method].append(task.run(method))
            except PeerTooSlowError as error:
                too_slow[method] = str(error)
                continue
            if (curve := task.curve(method)) is not None:
                curves[method].append(curve)
            say(f"{graph.name}, seed {seed}: {method}: {_numbers(runs[method][-1])}")
        if DAMREP in methods:
            learned.append(task.widths)
    commit = provenance()["commit"]
    rows = []
    for method in methods:
        if method in too_slow:
            continue
        row = over_runs(method, runs[method], seeds=list(seeds), commit=commit)
        if method == DAMREP:
            row["widths"] = learned
        if curves[method]:
            row["curves"] = curves[method]
        rows.append(row)
    return rows, too_slow


def _numbers(run: Mapping[str, float | None]) -> str:
    return " ".join(f"{key} {value:.3g}" for key, value in run.items() if value is not None)


def _notes(
    graph: Graph, rows: Sequence[Mapping[str, Any]], too_slow: Mapping[str, str]
) -> list[str]:
    measure = "micro-averaged F1" if graph.multi_label else "the share of test nodes right"
    split = "the split that comes with the data" if graph.splits else "random splits of 10/10/80"
    notes = [
        f"Accuracy: {measure}, by a linear probe on {split}."
        if graph.labels is not None
        else "Accuracy: there are no labels.",
        "AUC and AP: cosine similarity on the test part of an 85/5/10 split of the edges; every "
        "method is fitted again on the edges left, damrep learning its width anew.",
        "Rows made out of damrep's own wide training carry its CPU seconds.",
        f"Cleora and node2vec see no features; {PEER_WIDTH} dims are what their users take.",
    ]
    return [*notes, *seed_notes(rows), *dict.fromkeys(too_slow.values())]


def _existing(name: str, out: Path) -> dict[str, Any] | None:
    if not (out / f"{name}.json").exists():
        return None
    return read_result(name, out)


def _wanted(groups: Sequence[str]) -> tuple[list[str], list[str]]:
    """Methods of the groups whose library is there, and a note for each other one."""
    methods: list[str] = []
    notes = []
    for group in groups:
        if group in _PEERS and not peer_installed(_PEERS[group]):
            notes.append(f"{group} is left out: it is not installed (extra: bench).")
            continue
        methods += GROUPS[group]
    return methods, notes


def run_dataset(name: str, options: argparse.Namespace) -> bool:
    """Measure what a data set's result does not hold yet, write it and draw it.

    Returns
    -------
    bool
        Whether there is a result now.
    """
    result_name = f"graph-{name}"
    old = _existing(result_name, options.out)
    methods, missing = _wanted(options.methods)
    for note in missing:
        say(f"{name}: {note}")
    left = methods if options.again else to_do(old, methods, options.seeds)
    if not left:
        if old is not None:
            say(f"{name}: finished, see {result_name}.json (--again measures it once more)")
        return old is not None
    try:
        graph = load_graph(name, options.data_root)
    except InputError as error:
        say(f"{name}: left out: {error}")
        return old is not None
    widths = {} if DAMREP in left else known_widths(old, options.seeds)
    changes = QUICK if options.quick else {}
    rows, too_slow = measure_dataset(graph, left, options.seeds, widths, changes)
    kept = [] if old is None else old["rows"]
    slow_before = {} if old is None else old["settings"].get("too_slow", {})
    slow = {k: v for k, v in slow_before.items() if k not in left} | too_slow
    merged = merge_rows([row for row in kept if row["method"] not in too_slow], rows)
    if not merged:
        return False
    settings = {
        "dataset": name,
        "seeds": options.seeds,
        "threads": options.threads,
        "quick": options.quick,
        "peer_limit_s": PEER_LIMIT_S,
        "too_slow": slow,
    }
    write_result(
        result_name,
        merged,
        COLUMNS,
        title=f"{graph!r}",
        settings=settings,
        notes=_notes(graph, merged, slow),
        out=options.out,
    )
    draw(read_result(result_name, options.out), options.out / f"{result_name}.png")
    return True


def warm_up() -> None:
    """A small fit first: what is loaded on first use would count for the first method otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Fits(load("karate"), 0, changes=QUICK).embed(DAMREP)
