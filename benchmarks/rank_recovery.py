"""Tables of known dimensions: does the autoencoder find how many there are, do others?

    python -m benchmarks.rank_recovery [--parts linear,quadratic] [--seeds 10] [--again]

The generators are the paper's: k latent columns, 100 observed, 5,000 rows, a bottleneck of 50. The
table of every part is ``rank-recovery-PART.json``, written row by row, so a run that was stopped
goes on with the first row that is missing; ``rank-recovery.json`` is made from all of them and
leaves out the single rows of the long parts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.arguments import add_parts, refuse_unknown
from benchmarks.checkpoint import Checkpoint
from benchmarks.harness import Column, Say, benchmark_parser, parse, run_parts, say, write_result
from benchmarks.rank_cases import PARTS, STEPS, Case, cases, counts, measure_case

__all__ = ["main", "summary"]

NAME = "rank-recovery"
COLUMNS = (
    Column("part", "Part"),
    Column("setting", "Table"),
    Column("method", "Method"),
    Column("true", "True dims"),
    Column("found", "Found"),
    Column("exact", "Exact"),
    Column("within_one", "Within 1"),
    Column("steps", "Steps"),
    Column("cpu_s", "CPU s", 1),
)
NOTES = (
    "Found: dimensions, with the number of seeds where they differ. Steps: optimiser steps of the "
    "longest run, the choice of the width included; 0 is a closed form. CPU s: mean of a run.",
    f"Comparators get a bottleneck of 50 and {STEPS:,} steps of damrep's batches; on linear tables "
    "they are linear. Peers see float64: in a table without noise that was rounded to float32, "
    "PCA's MLE counts the rounding.",
)


def checkpoint(part: str, options: argparse.Namespace) -> Checkpoint:
    """The result of a part, as far as it goes."""
    return Checkpoint(
        f"{NAME}-{part.replace('_', '-')}",
        f"Rank recovery: {part.replace('_', ' ')}",
        COLUMNS,
        options.out,
        {"seeds": list(options.seeds), "quick": options.quick},
        options.again,
        NOTES,
    )


def measured_part(part: str, options: argparse.Namespace) -> None:
    """Measure what a part's result does not hold yet."""
    wanted = cases([part])
    if options.quick:
        wanted = [case for index, case in enumerate(wanted) if _in_quick(case, index)]
    done = checkpoint(part, options)
    order = [case.key for case in wanted]
    for case in wanted:
        if done.has(case.key):
            continue

        def run(case: Case = case) -> dict[str, Any] | None:
            return measure_case(case, options.seeds, options.quick)

        row = done.row(case.key, run, order)
        if row is None:
            say(f"{case.key}: left out: its library is not installed (extra: bench)")
            continue
        say(f"{case.key}: {row['found']}, exact {row['exact']}, {row['cpu_s']:.1f} CPU s a run")


def _in_quick(case: Case, index: int) -> bool:
    return index < 2 or (case.part == "peers" and case.setting.startswith("linear, 10 of 100"))


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one table over all parts: those of a part that only differ in scale as one.

    Parameters
    ----------
    rows : sequence of mapping
        Of the parts' results.

    Returns
    -------
    list of dict
        ``found`` and the counts over all runs of a group; steps the most, CPU seconds the mean.
    """
    groups: dict[tuple[str, str, str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        part, setting = str(row["part"]), str(row["setting"])
        if part in ("linear", "linear_auto", "trained"):
            setting = setting.partition(", x")[0]
            setting += ", x 0.1, 1 and 10"
        elif part == "settings":
            kind = setting.partition(",")[0]
            setting = f"{kind}, lr 0.001 to 0.03, width 15 to 256"
        key = part, setting, str(row["method"]), int(row["true"])
        groups.setdefault(key, []).append(row)
    made = []
    for (part, setting, method, true), members in groups.items():
        found = [dims for row in members for dims in row["found_list"]]
        n = len(found)
        made.append(
            {
                "part": part,
                "setting": setting,
                "method": method,
                "true": true,
                "found": counts(found),
                "exact": f"{sum(dims == true for dims in found)}/{n}",
                "within_one": f"{sum(abs(dims - true) <= 1 for dims in found)}/{n}",
                "steps": max(row["steps"] for row in members),
                "cpu_s": fmean(row["cpu_s"] for row in members),
            }
        )
    return made


def write_summary(out: Path, quick: bool = False) -> None:
    """``rank-recovery.json`` from the parts there are.

    Parameters
    ----------
    out : Path
        Folder of the results.
    quick : bool
        Kept in the settings.
    """
    options = argparse.Namespace(out=out, seeds=(), quick=quick, again=False)
    parts = {part: checkpoint(part, options).rows for part in PARTS}
    rows = summary([row for part in PARTS for row in parts[part]])
    missing = [part for part, found in parts.items() if not found]
    notes = [*NOTES, f"Not measured: {', '.join(missing)}."] if missing else list(NOTES)
    write_result(
        NAME,
        rows,
        COLUMNS,
        title="Rank recovery: dimensions found in tables of known dimensions",
        settings={"quick": quick},
        notes=notes,
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
        0; 2 where a result on disk cannot be used.
    """
    parser = benchmark_parser("Does the autoencoder find the rank?", seeds="10")
    add_parts(parser, PARTS)
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "parts", options.parts, PARTS)

    def part_of(name: str) -> Callable[[argparse.Namespace, Say], None]:
        def run(options: argparse.Namespace, say: Say) -> None:
            measured_part(name, options)
            write_summary(options.out, options.quick)

        return run

    return run_parts({name: part_of(name) for name in PARTS}, options.parts, options)


if __name__ == "__main__":
    sys.exit(main())
