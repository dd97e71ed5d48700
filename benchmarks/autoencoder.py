"""The autoencoder on real tables: quality at the learned dimensions, cost, neighbours, memory.

    python -m benchmarks.autoencoder [--parts tables,curve] [--datasets digits,mnist] [--again]

Each part is a result of its own, ``autoencoder-PART.json``. ``tables``, ``curve`` and
``neighbours`` are written row by row, so a run that was stopped goes on with the first row missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks.arguments import add_parts, names_list, number_of, refuse_unknown
from benchmarks.autoencoder_cost import cost_part, memory_part
from benchmarks.autoencoder_neighbours import neighbours_part
from benchmarks.autoencoder_tables import DATASETS, METHODS, curve_part, tables_part
from benchmarks.harness import Say, benchmark_parser, parse, run_parts

__all__ = ["PARTS", "main"]

PARTS: dict[str, Callable[[argparse.Namespace, Say], None]] = {
    "tables": tables_part,
    "curve": curve_part,
    "cost": cost_part,
    "neighbours": neighbours_part,
    "memory": memory_part,
}
"""Part -> what measures it and writes its result."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 2 where a result on disk cannot be used.
    """
    parser = benchmark_parser("The autoencoder on real tables, beside its comparators.")
    add_parts(parser, PARTS)
    parser.add_argument("--datasets", type=names_list, help=f"of {','.join(DATASETS)}")
    parser.add_argument(
        "--methods",
        type=lambda text: [name.strip() for name in text.split(";") if name.strip()],
        default=list(METHODS),
        help=f"with semicolons between: {';'.join(METHODS)}; damrep is always among them",
    )
    parser.add_argument(
        "--rows", type=number_of("rows"), help="most training rows of a table; default: all"
    )
    parser.add_argument(
        "--rounds", type=number_of("rounds"), default="3", help="of the part cost; default: 3"
    )
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    for what, given, known in (
        ("parts", options.parts, PARTS),
        ("datasets", options.datasets or [], DATASETS),
        ("methods", options.methods, METHODS),
    ):
        refuse_unknown(parser, what, given, known)
    if options.quick:
        options.rounds = 1
    return run_parts(PARTS, options.parts, options)


if __name__ == "__main__":
    sys.exit(main())
