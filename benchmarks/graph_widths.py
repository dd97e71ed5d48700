"""One fit, every width: its first dimensions beside a fit to just that width, PCA and svd.

    python -m benchmarks.graph_widths [--datasets cora,citeseer] [--again]

A fit is made at its largest order, 64 dimensions, and cut to 8, 16 and 32; beside each cut stand a
fit with ``n_components`` of that number, PCA of the full width, and the svd that trains nothing.
The result, ``graph-widths.json``, is written row by row; a run that was interrupted goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arguments import names_list
from benchmarks.checkpoint import Checkpoint
from benchmarks.graph import DATASETS
from benchmarks.graph_rows import over_runs
from benchmarks.graph_summary import tell
from benchmarks.harness import Column, ResultError, benchmark_parser, parse, say

if TYPE_CHECKING:
    from benchmarks.graph_methods import Fits
    from benchmarks.graph_run import Task

NAME = "graph-widths"
WIDTHS = (8, 16, 32, 64)
KINDS = {"cut": "cut", "fit": "a fit at it", "pca": "PCA of full", "svd": "svd"}
MEASURES = {"accuracy": "Accuracy", "auc": "AUC"}
COLUMNS = (
    Column("dataset", "Data set"),
    Column("dims", "Dims", 1),
    *(
        Column(f"{kind}_{measure}", f"{name}, {label}")
        for measure, name in MEASURES.items()
        for kind, label in KINDS.items()
    ),
)
NOTES = (
    "Cut: the first dimensions of one fit with n_components=64. A fit at it: one with n_components "
    "of that number. PCA: of the representation that the one fit has before its cut. Accuracy and "
    "AUC as in the table of all methods.",
)


def embeddings(fits: Fits, dims: int) -> dict[str, np.ndarray]:
    """The four embeddings of a graph at a width, (nodes, dims) each, by kind."""
    most = max(WIDTHS)
    return {
        "cut": fits.model(n_components=most).embedding_[:, :dims],
        "fit": fits.model(n_components=dims).embedding_,
        "pca": fits.pca(dims, n_components=most),
        "svd": fits.svd(dims).values,
    }


def row(name: str, dims: int, tasks: Mapping[int, Task]) -> dict[str, Any] | None:
    """A row of the table; None where the graph's largest order has fewer dimensions."""
    runs = []
    for seed, task in tasks.items():
        on_graph, on_links = embeddings(task.fits, dims), embeddings(task.link_fits, dims)
        if min(on_graph["cut"].shape[1], on_links["cut"].shape[1]) < dims:
            say(f"{name}, seed {seed}: no {dims} dimensions to cut to")
            return None
        run: dict[str, float | None] = {"dims": dims}
        for kind in KINDS:
            run[f"{kind}_accuracy"] = task.accuracy(on_graph[kind])
            run[f"{kind}_auc"] = task.links(on_links[kind])[0]
        told = " ".join(f"{k} {v:.3f}" for k, v in run.items() if v is not None and k != "dims")
        say(f"{name}, seed {seed}, {dims}: {told}")
        runs.append(run)
    return over_runs(name, runs, dataset=name, seeds=list(tasks))


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How often the cut is as good as each of the others, a sentence for each and each measure.

    Examples
    --------
    >>> rows = [{"dataset": "cora", "dims": 8, "cut_auc": 0.9, "fit_auc": 0.91}]
    >>> print(verdicts(rows)[0])
    AUC of the cut beside a fit at it, its worst and its best width: lower by .01 at most on 1 of 1,
    higher by .01 on 0.
    """
    found = []
    for kind, margin, higher in (("fit", 0.01, 0.01), ("pca", 0.005, 0.01), ("svd", 0.003, 0.005)):
        either: dict[str, list[float]] = {}
        for measure, name in MEASURES.items():
            differences: dict[str, list[float]] = {}
            for one in rows:
                ours, theirs = (_mean(one.get(f"{x}_{measure}")) for x in ("cut", kind))
                if ours is not None and theirs is not None:
                    differences.setdefault(one["dataset"], []).append(ours - theirs)
                    either.setdefault(one["dataset"], []).append(ours - theirs)
            what = f"{name} of the cut beside {KINDS[kind]}, its worst and its best width"
            found.append(tell(what, differences, margin, higher))
        what = f"Accuracy or AUC of the cut beside {KINDS[kind]}, the worst and the best of both"
        found.append(tell(what, either, margin, higher))
    return [sentence for sentence in found if sentence is not None]


def _mean(cell: Any) -> float | None:
    """Of a cell as it was measured, or as it was read."""
    found: float | None = cell["mean"] if isinstance(cell, Mapping) else getattr(cell, "mean", cell)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 1 where nothing could be measured; 2 where a result is damaged.
    """
    parser = benchmark_parser("One fit, every width.", "3")
    parser.add_argument("--datasets", type=names_list, help=f"default: {','.join(DATASETS)}")
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    if options.datasets is None:
        options.datasets = ["karate", "reed98"] if options.quick else list(DATASETS)

    from benchmarks.graph_methods import QUICK
    from benchmarks.graph_run import Task, load_graph, warm_up
    from damrep.masking.validation import InputError

    under = {"seeds": options.seeds, "threads": options.threads, "quick": options.quick}
    title = "One fit, every width: its first dimensions beside a fit to just that width"
    try:
        checkpoint = Checkpoint(NAME, title, COLUMNS, options.out, under, options.again)
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    order = [f"{name} {dims}" for name in DATASETS for dims in WIDTHS]
    warm_up()
    for name in options.datasets:
        left = [dims for dims in WIDTHS if not checkpoint.has(f"{name} {dims}")]
        if not left:
            say(f"{name}: finished, see {NAME}.json (--again measures it once more)")
            continue
        try:
            graph = load_graph(name, options.data_root)
        except InputError as error:
            say(f"{name}: left out: {error}")
            continue
        changes = QUICK if options.quick else {}
        tasks = {seed: Task(graph, seed, {}, changes) for seed in options.seeds}
        for dims in left:
            key = f"{name} {dims}"
            checkpoint.row(key, partial(_noted, checkpoint, key, name, dims, tasks), order)
    return 0 if checkpoint.rows else 1


def _noted(
    checkpoint: Checkpoint, key: str, name: str, dims: int, tasks: Mapping[int, Task]
) -> dict[str, Any] | None:
    """A row, and what holds of the table with it."""
    measured = row(name, dims, tasks)
    if measured is not None:
        rows = [*(other for other in checkpoint.rows if other["key"] != key), measured]
        checkpoint.notes = [*NOTES, *verdicts(rows)]
    return measured


if __name__ == "__main__":
    sys.exit(main())
