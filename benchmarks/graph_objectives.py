"""Every encoder with every objective: its masked fit beside its own full width.

    python -m benchmarks.graph_objectives [--dataset cora] [--encoders gcn] [--objectives ggd,dgi]

Each pair is fitted with the defaults, at the dimensions it learns, and probed beside the
representation it was cut from; with labels, beside the same network without a mask. The result,
``graph-objectives.json``, is written row by row; a run that was interrupted goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arguments import names_list, refuse_unknown
from benchmarks.checkpoint import Checkpoint
from benchmarks.graph_rows import over_runs
from benchmarks.harness import Column, ResultError, benchmark_parser, parse, say

if TYPE_CHECKING:
    from benchmarks.graph_run import Task
    from damrep.graph.data.graph import Graph

NAME = "graph-objectives"
ENCODERS = ("gcn", "sage", "autoencoder")
OBJECTIVES = ("ggd", "dgi", "gae", "masked", "supervised")
OTHERS = ("reconstruction",)  # the autoencoder's own; measured when asked for
MARGIN = 0.005
COLUMNS = (
    Column("encoder", "Encoder"),
    Column("objective", "Objective"),
    Column("dims", "Dims", 1),
    Column("accuracy", "Accuracy"),
    Column("full_dims", "Full width", 0),
    Column("full_accuracy", "Accuracy, full width"),
    Column("auc", "AUC"),
    Column("cpu_s", "CPU s", 1),
)
NOTES = (
    "Accuracy: the share of test nodes right by a linear probe on the split that comes with the "
    "data. AUC: cosine similarity on the test part of an 85/5/10 split of the edges, from another "
    "fit on the edges left. CPU s: of the masked fit. Supervised fits see the labels of the "
    "training and the validation nodes, the others none; their full width is the same network "
    "trained without a mask.",
)


def seen(graph: Graph, objective: str) -> Graph:
    """The graph as a fit may see it: without labels, or with those outside the test split."""
    if objective != "supervised":
        return replace(graph, labels=None, label_names=None, splits=None)
    assert graph.labels is not None and graph.splits is not None
    test = graph.splits["test"].reshape(graph.num_nodes, -1)[:, 0]
    return replace(graph, labels=np.where(test, -1, graph.labels))


def measured(
    task: Task, encoder: str, objective: str, seed: int, changes: Mapping[str, Any]
) -> dict[str, float | None]:
    """Every number of a pair under one seed."""
    from benchmarks.timing import measure
    from damrep.graph.estimator import DAMGraphEmbedding

    settings = {**changes, "encoder": encoder, "objective": objective, "random_state": seed}
    graph, on_links = (seen(fits.graph, objective) for fits in (task.fits, task.link_fits))
    done = measure(DAMGraphEmbedding(**settings).fit, graph)
    model = done.value
    if objective == "supervised":
        wide = model.report_.initial_dims
        full = DAMGraphEmbedding(**settings, n_components=wide).fit(graph).embedding_
    else:
        full = model.transform_full(graph)
    held_out = DAMGraphEmbedding(**settings).fit(on_links).embedding_
    return {
        "dims": model.n_components_,
        "accuracy": task.accuracy(model.embedding_),
        "full_dims": full.shape[1],
        "full_accuracy": task.accuracy(full),
        "auc": task.links(held_out)[0],
        "cpu_s": done.cpu_s,
    }


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How often a fit is as good as its full width, and which pair to choose.

    Examples
    --------
    >>> row = {"encoder": "gcn", "objective": "dgi", "accuracy": 0.84, "full_accuracy": 0.84}
    >>> verdicts([{**row, "auc": 0.9}])[0]
    'Not below its full width by more than .005: 1 of 1.'
    """
    pairs = {
        f"{row['encoder']} with {row['objective']}": tuple(
            mean(row[key]) for key in ("accuracy", "full_accuracy", "auc")
        )
        for row in rows
    }
    behind = [name for name, (own, full, _) in pairs.items() if own < full - MARGIN]
    of = f"{len(pairs) - len(behind)} of {len(pairs)}"
    below = f"; below: {', '.join(behind)}" if behind else ""
    sentences = [f"Not below its full width by more than .005: {of}{below}."]
    free = [name for name in pairs if not name.endswith("supervised")]
    if free:
        labels = max(free, key=lambda name: pairs[name][0])
        links = max(free, key=lambda name: pairs[name][2])
        sentences.append(f"Without labels, most accurate: {labels}; best at links: {links}.")
    return sentences


def mean(cell: Any) -> float:
    """Of a cell as it was measured, or as it was read.

    Examples
    --------
    >>> mean(0.5), mean({"mean": 0.75, "std": None, "n": 1, "values": [0.75]})
    (0.5, 0.75)
    """
    values = cell["values"] if isinstance(cell, Mapping) else getattr(cell, "values", (cell,))
    return fmean(values)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 1 where the data set is not there; 2 where a result is damaged.
    """
    parser = benchmark_parser("Every encoder with every objective, beside its full width.", "3")
    parser.add_argument("--dataset", default="cora", help="with a split; default: cora")
    for what, known in (("encoders", ENCODERS), ("objectives", OBJECTIVES)):
        parser.add_argument(
            f"--{what}", type=names_list, default=list(known), help=f"default: {','.join(known)}"
        )
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "encoders", options.encoders, ENCODERS)
    refuse_unknown(parser, "objectives", options.objectives, (*OBJECTIVES, *OTHERS))

    from benchmarks.graph_methods import QUICK
    from benchmarks.graph_run import Task, load_graph, warm_up
    from damrep.masking.validation import InputError

    under = {
        "dataset": options.dataset,
        "seeds": list(options.seeds),
        "threads": options.threads,
        "quick": options.quick,
    }
    title = f"Every encoder with every objective on {options.dataset}"
    try:
        checkpoint = Checkpoint(NAME, title, COLUMNS, options.out, under, options.again)
        graph = load_graph(options.dataset, options.data_root)
    except (ResultError, InputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ResultError) else 1
    changes = QUICK if options.quick else {}
    tasks = {seed: Task(graph, seed, {}, changes) for seed in options.seeds}
    warm_up()
    order = [
        f"{encoder} {objective}" for encoder in ENCODERS for objective in (*OBJECTIVES, *OTHERS)
    ]
    for encoder in options.encoders:
        for objective in options.objectives:
            key = f"{encoder} {objective}"
            measure = partial(_row, checkpoint, key, tasks, encoder, objective, changes)
            checkpoint.row(key, measure, order)
    return 0


def _row(
    checkpoint: Checkpoint,
    key: str,
    tasks: Mapping[int, Task],
    encoder: str,
    objective: str,
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """A row, and what holds of the table with it."""
    runs = []
    for seed, task in tasks.items():
        runs.append(measured(task, encoder, objective, seed, changes))
        told = " ".join(f"{k} {v:.3g}" for k, v in runs[-1].items() if v is not None)
        say(f"{encoder}, {objective}, seed {seed}: {told}")
    row = over_runs(key, runs, encoder=encoder, objective=objective, seeds=list(tasks))
    rows = [*(other for other in checkpoint.rows if other["key"] != key), row]
    checkpoint.notes = [*NOTES, *verdicts(rows)]
    return row


if __name__ == "__main__":
    sys.exit(main())
