"""Graph embeddings: damrep for every purpose beside its full width, PCA of it, svd and peers.

    python -m benchmarks.graph [--datasets cora,citeseer] [--methods damrep,svd] [--again]

Each data set has a result of its own, ``graph-NAME.json`` with a plot, written row by row, so that
a run that was interrupted goes on with the first row that is missing. Made anew from these:
``graph.json``, all rows of all of them, and ``graph-summary.json``, a line a data set and how often
what is claimed holds. ``NAME-structure`` is the data set NAME without its node features.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arguments import names_list, refuse_unknown
from benchmarks.graph_rows import COLUMNS, GROUPS, dataset_results, summary_rows
from benchmarks.graph_summary import SUMMARY_COLUMNS, one_line, verdicts
from benchmarks.harness import (
    Column,
    ResultError,
    benchmark_parser,
    parse,
    write_result,
)

DATASETS = (
    "cora",
    "citeseer",
    "pubmed",
    "amazon-computers",
    "coauthor-physics",
    "amherst41",
    "johnshopkins55",
    "reed98",
    "facebook-pages",
    "blogcatalog",
    "minesweeper",
    "chameleon-filtered",
    "squirrel-filtered",
)


def write_summary(out: Path, first: Sequence[str] = DATASETS) -> None:
    """The tables over every data set that has a result: all rows, and one line each.

    Parameters
    ----------
    out : Path
        Folder of the results.
    first : sequence of str
        The order of the data sets; others follow by name.
    """
    found = dataset_results(out)
    order = [*(name for name in first if name in found), *sorted(set(found) - set(first))]
    rows, notes = summary_rows({name: found[name] for name in order})
    missing = [name for name in first if name not in found]
    unmeasured = [f"Not measured: {', '.join(missing)}."] if missing else []
    columns = (Column("dataset", "Data set"), *COLUMNS)
    title = "Graph embeddings: accuracy and link prediction against dimensions"
    write_result("graph", rows, columns, title=title, notes=[*notes, *unmeasured], out=out)
    documents = {name: found[name] for name in order}
    write_result(
        "graph-summary",
        [one_line(name, document) for name, document in documents.items()],
        SUMMARY_COLUMNS,
        title="Graph embeddings for each purpose, a data set a line",
        notes=[
            "Means over seeds; AUC is at the width learned anew without the held-out links.",
            *verdicts(documents),
            *unmeasured,
        ],
        out=out,
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
        0; 1 where no data set could be measured.
    """
    parser = benchmark_parser("Graph embeddings beside their full width, baselines and peers.", "3")
    parser.add_argument("--datasets", type=names_list, help=f"default: {','.join(DATASETS)}")
    parser.add_argument(
        "--methods",
        type=names_list,
        default=list(GROUPS),
        help=f"of {','.join(GROUPS)}; default: all",
    )
    parser.add_argument("--again", action="store_true", help="measure finished ones once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "methods", options.methods, GROUPS)
    if options.datasets is None:
        options.datasets = ["karate", "cora"] if options.quick else list(DATASETS)
    # Not above: every peer's process imports this module, and torch takes many times as long to
    # import as most peers to run.
    from benchmarks.graph_run import run_dataset, warm_up

    warm_up()
    try:
        measured = [run_dataset(name, options) for name in options.datasets]
        if any(measured):
            write_summary(options.out)
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if any(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
