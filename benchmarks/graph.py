"""Graph embeddings: damrep beside its full width, its own parts left out, SVD, PCA and peers.

    python -m benchmarks.graph [--datasets cora,citeseer] [--methods damrep,svd] [--again]

Each data set ends in a result of its own, ``graph-NAME.json`` with a plot, and the table over all
of them, ``graph.json``, is made anew from those; a run that was interrupted goes on with the first
data set that has no result yet. ``NAME-structure`` is the data set NAME without its node features.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arguments import names_list, refuse_unknown
from benchmarks.graph_rows import COLUMNS, GROUPS, dataset_results, summary_rows
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
    "facebook-pages",
    "minesweeper",
    "facebook-pages-structure",
    "blogcatalog",
)


def write_summary(out: Path, first: Sequence[str] = DATASETS) -> None:
    """One table over every data set that has a result.

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
    if missing:
        notes.append(f"Not measured: {', '.join(missing)}.")
    columns = (Column("dataset", "Data set"), *COLUMNS)
    title = "Graph embeddings: accuracy and link prediction against dimensions"
    write_result("graph", rows, columns, title=title, notes=notes, out=out)


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
    parser = benchmark_parser("Graph embeddings beside their full width, baselines and peers.")
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
    options.methods = [group for group in GROUPS if group in options.methods]
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
