"""Recommenders: quality at the dimensions found, ranks that are known, speed, memory, growth.

    python -m benchmarks.recommenders --task explicit --datasets ml-100k [--seeds 5] [--again]

Each task is a result of its own, ``recommenders-TASK.json``, written row by row, so a run that was
stopped goes on with the first row missing; another --budget of the task implicit has a result of
its own, ``recommenders-implicit-BUDGET.json``. The other libraries come with the extra ``bench``;
those that are not installed are left out, and said to be. lenskit asks for pandas 2 but works with
pandas 3, so it is installed last: ``pip install --no-deps lenskit==2025.8.1``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks.arguments import names_list, number_of, refuse_unknown
from benchmarks.harness import Say, benchmark_parser, parse, run_parts
from benchmarks.recommender_data import EXPLICIT, IMPLICIT
from benchmarks.recommender_quality import (
    BUDGET,
    explicit_task,
    igmc_task,
    implicit_methods,
    implicit_task,
    rank_task,
)
from benchmarks.recommender_speed import growth_task, memory_task, speed_task

__all__ = ["TASKS", "main"]

TASKS: dict[str, Callable[[argparse.Namespace, Say], None]] = {
    "explicit": explicit_task,
    "implicit": implicit_task,
    "igmc": igmc_task,
    "rank": rank_task,
    "speed": speed_task,
    "memory": memory_task,
    "growth": growth_task,
}
"""Task -> what measures it and writes its result."""


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
    parser = benchmark_parser("Recommenders, beside other libraries.", seeds="3")
    parser.add_argument(
        "--task",
        type=names_list,
        default=list(TASKS),
        help=f"of {','.join(TASKS)}; default: all",
    )
    names = (*EXPLICIT, *IMPLICIT)
    parser.add_argument(
        "--datasets", "--dataset", type=names_list, help=f"of {','.join(names)}; default: all"
    )
    parser.add_argument(
        "--methods",
        type=lambda text: [name.strip() for name in text.split(";") if name.strip()],
        help="of the task implicit, with semicolons between; default: all",
    )
    parser.add_argument(
        "--budget", type=number_of("dimensions"), default=str(BUDGET),
        help=f"of the task implicit: dimensions that a method may have; default: {BUDGET}",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=number_of("rounds"), default="5", help="of the task speed; default: 5"
    )
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "tasks", options.task, TASKS)
    refuse_unknown(parser, "methods", options.methods or [], implicit_methods(options.budget))
    refuse_unknown(parser, "datasets", options.datasets or [], names)
    if options.quick:
        options.rounds = 1
    return run_parts(TASKS, options.task, options)


if __name__ == "__main__":
    sys.exit(main())
