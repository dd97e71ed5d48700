"""With labels: the masked classifier beside the same network without a mask, 64 wide.

    python -m benchmarks.graph_supervised [--datasets cora] [--encoders gcn] [--again]

Both are trained with the same options and the same seeds, on the split that comes with the data.
The result, ``graph-supervised.json``, is written row by row; a run that was interrupted goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arguments import names_list, refuse_unknown
from benchmarks.checkpoint import Checkpoint
from benchmarks.graph_objectives import mean, seen
from benchmarks.graph_rows import over_runs
from benchmarks.harness import Column, ResultError, benchmark_parser, parse, say

if TYPE_CHECKING:
    from damrep.graph.data.graph import Graph

NAME = "graph-supervised"
DATASETS = ("cora", "citeseer", "pubmed")
ENCODERS = ("gcn", "sage")
WIDE, MOST, MARGIN = 64, 16, 0.003
COLUMNS = (
    Column("dataset", "Data set"),
    Column("encoder", "Encoder"),
    Column("dims", "Dims", 1),
    Column("accuracy", "Accuracy"),
    Column("full_accuracy", f"Accuracy, no mask, {WIDE}"),
    Column("probe", "Probe"),
    Column("full_probe", f"Probe, no mask, {WIDE}"),
    Column("cpu_s", "CPU s", 1),
    Column("full_cpu_s", f"CPU s, no mask, {WIDE}", 1),
)
NOTES = (
    "Accuracy: the share of test nodes that the model's own classifier has right, on the split "
    "that comes with the data. Probe: of a linear probe on the embedding. Labels of the training "
    "nodes are learned from, those of the validation nodes stop the training and choose the width.",
    "Published, not ours: a GCN with as many labels has .815 on Cora, .703 on CiteSeer and .790 on "
    "PubMed (Kipf and Welling, ICLR 2017).",
)


def measured(
    graph: Graph, encoder: str, seed: int, changes: Mapping[str, Any]
) -> dict[str, float | None]:
    """Every number of an encoder under one seed."""
    from benchmarks.timing import measure
    from damrep.graph.estimator import DAMGraphEmbedding
    from damrep.graph.probe import linear_probe

    assert graph.labels is not None and graph.label_names is not None
    assert graph.splits is not None
    visible, test = seen(graph, "supervised"), graph.splits["test"]
    names = np.array(graph.label_names, dtype=str)[graph.labels[test]]
    run: dict[str, float | None] = {}
    for prefix, width in (("", None), ("full_", WIDE)):
        model = DAMGraphEmbedding(
            encoder=encoder,
            objective="supervised",
            n_components=width,
            random_state=seed,
            **changes,
        )
        done = measure(model.fit, visible)
        if width is None:
            run["dims"] = model.n_components_
        told = np.array(model.predict(visible), dtype=str)[test]
        run[f"{prefix}accuracy"] = float((told == names).mean())
        run[f"{prefix}probe"] = linear_probe(model.embedding_, graph.labels, graph.splits).accuracy
        run[f"{prefix}cpu_s"] = done.cpu_s
    return run


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """In how many rows the masked classifier is as good as the one without a mask.

    Examples
    --------
    >>> row = {"dataset": "cora", "encoder": "gcn", "dims": 6}
    >>> verdict([{**row, "accuracy": 0.81, "full_accuracy": 0.82}])
    'Not below the same network without a mask by more than .003, at 16 dims or fewer: 0 of 1.'
    """
    good = sum(
        mean(row["accuracy"]) >= mean(row["full_accuracy"]) - MARGIN and mean(row["dims"]) <= MOST
        for row in rows
    )
    return (
        f"Not below the same network without a mask by more than .003, at {MOST} dims or fewer: "
        f"{good} of {len(rows)}."
    )


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
    parser = benchmark_parser("With labels: a masked classifier beside the same unmasked.", "5")
    parser.add_argument("--datasets", type=names_list, help=f"default: {','.join(DATASETS)}")
    parser.add_argument(
        "--encoders",
        type=names_list,
        default=list(ENCODERS),
        help=f"default: {','.join(ENCODERS)}; autoencoder is another",
    )
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "encoders", options.encoders, (*ENCODERS, "autoencoder"))
    if options.datasets is None:
        options.datasets = ["cora"] if options.quick else list(DATASETS)

    from benchmarks.graph_methods import QUICK
    from benchmarks.graph_run import load_graph, warm_up
    from damrep.masking.validation import InputError

    under = {"seeds": list(options.seeds), "threads": options.threads, "quick": options.quick}
    title = "With labels: the masked classifier beside the same network without a mask"
    try:
        checkpoint = Checkpoint(NAME, title, COLUMNS, options.out, under, options.again)
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    changes = QUICK if options.quick else {}
    order = [f"{name} {encoder}" for name in DATASETS for encoder in ENCODERS]
    warm_up()
    for name in options.datasets:
        try:
            graph = load_graph(name, options.data_root)
        except InputError as error:
            say(f"{name}: left out: {error}")
            continue
        for encoder in options.encoders:
            key = f"{name} {encoder}"
            measure = partial(_row, checkpoint, key, graph, name, encoder, options.seeds, changes)
            checkpoint.row(key, measure, order)
    return 0 if checkpoint.rows else 1


def _row(
    checkpoint: Checkpoint,
    key: str,
    graph: Graph,
    name: str,
    encoder: str,
    seeds: Sequence[int],
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """A row, and what holds of the table with it."""
    runs = []
    for seed in seeds:
        runs.append(measured(graph, encoder, seed, changes))
        told = " ".join(f"{k} {v:.3g}" for k, v in runs[-1].items() if v is not None)
        say(f"{name}, {encoder}, seed {seed}: {told}")
    row = over_runs(key, runs, dataset=name, encoder=encoder, seeds=list(seeds))
    rows = [*(other for other in checkpoint.rows if other["key"] != key), row]
    checkpoint.notes = [*NOTES, verdict(rows)]
    return row


if __name__ == "__main__":
    sys.exit(main())
