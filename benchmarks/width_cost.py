"""What the learned width costs, beside every width trained on its own.

    python -m benchmarks.width_cost [--tables bent,digits] [--seeds 5] [--again]

Cost: share of the variance of rows left aside that is lost, and a price of .001 for each dimension.
The mask strategy, the search and fixed widths are fitted to the same rows. A fixed width is trained
as the mask trains, with as many steps as the mask takes. The best fixed width is the one that is
best on the rows left aside, so it is a bound and no method. Written row by row, the fixed widths to
``width-cost-fixed``: a run that was stopped goes on with the first row that is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_swiss_roll

from benchmarks.arguments import names_list, refuse_unknown
from benchmarks.checkpoint import Checkpoint
from benchmarks.comparators.model import Array
from benchmarks.generators import make_table
from benchmarks.harness import Column, Say, benchmark_parser, parse, run_parts
from benchmarks.rank_cases import counts
from benchmarks.table_data import load_table, split_table
from benchmarks.timing import measure
from damrep import DAMAutoencoder

__all__ = ["TABLES", "main"]

NAME, PRICE = "width-cost", 1e-3
MASK, SEARCH, FIXED, BEST = "mask", "search", "fixed", "best fixed"
COLUMNS = (
    Column("table", "Table"),
    Column("method", "Method"),
    Column("seeds", "Seeds"),
    Column("found", "Dims"),
    Column("cost", "Cost", 5),
    Column("steps", "Steps"),
    Column("cpu_s", "CPU s", 1),
)
NOTES = (
    "Dims: with the number of seeds where they differ. Cost: mean over seeds, on rows left aside, "
    "at a price of .001. Best fixed: the width that is best on those very rows. The constants of "
    "the mask were chosen on these tables, on other splits of the rows but for digits, two of "
    "whose splits are the same; not on Isolet and COIL-20.",
)


Split = Callable[[int, Path | None], tuple[Array, Array]]


@dataclass(frozen=True)
class Table:
    """Rows to learn from and rows left aside, by seed, and the widths to train on their own."""

    split: Split
    widths: Sequence[int]


def _cut(rows: Array, train: int, seed: int) -> tuple[Array, Array]:
    mixed = rows[np.random.default_rng(seed).permutation(len(rows))]
    return mixed[:train], mixed[train:]


def _bent(seed: int, root: Path | None) -> tuple[Array, Array]:
    """A curve, one dimension bent through 20 columns."""
    t = np.random.default_rng(0).uniform(-1, 1, 2000)
    return _cut(np.stack([np.cos(k * t + k) for k in range(1, 21)], axis=1), 1500, seed)


def _tanh(seed: int, root: Path | None) -> tuple[Array, Array]:
    """Three dimensions through a layer of tanh."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2500, 3))
    rows = np.tanh(z @ rng.normal(size=(3, 64))) @ rng.normal(size=(64, 50)) / 8
    return _cut(rows, 2000, seed)


def _helix(seed: int, root: Path | None) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 4 * np.pi, 2500)
    rows = np.stack([np.cos(t), np.sin(t), t / 4], axis=1) @ rng.normal(size=(3, 10))
    return _cut(rows, 2000, seed)


def _swiss(seed: int, root: Path | None) -> tuple[Array, Array]:
    return _cut(make_swiss_roll(2500, random_state=0)[0], 2000, seed)


def _digits(seed: int, root: Path | None) -> tuple[Array, Array]:
    return _cut(load_digits().data, 1437, seed)


def _made(kind: str) -> Split:
    return lambda seed, root: _cut(make_table(kind, 20, 0, rows=6000), 5000, seed)


def _read(name: str) -> Split:
    def split(seed: int, root: Path | None) -> tuple[Array, Array]:
        parts = split_table(load_table(name, root), seed)
        return parts.x_train, parts.x_test

    return split


TABLES = {
    "bent curve": Table(_bent, range(3, 7)),
    "tanh of 3": Table(_tanh, range(2, 6)),
    "helix": Table(_helix, range(1, 4)),
    "swiss roll": Table(_swiss, range(1, 4)),
    "digits": Table(_digits, range(36, 47, 2)),
    "quadratic of 20": Table(_made("quadratic"), range(19, 22)),
    "mlp of 20": Table(_made("mlp"), range(19, 22)),
    "isolet": Table(_read("isolet"), range(75, 106, 10)),
    "coil20": Table(_read("coil20"), range(20, 41, 5)),
}
"""Name -> rows and widths; the last two had no part in choosing the constants of the mask."""


def _fitted(
    table: Table, seed: int, root: Path | None, quick: bool, **arguments: Any
) -> tuple[int, float, int, float]:
    """Dimensions, cost, steps and processor seconds of one fit."""
    train, test = table.split(seed, root)
    if quick:
        train, arguments = train[:200], {**arguments, "max_epochs": 3}
    model = DAMAutoencoder(price=PRICE, random_state=seed, device="cpu", **arguments)
    spent = measure(lambda: model.fit(train))
    dims = model.n_components_
    steps = int(model.report_.details.get("steps", 0))
    return dims, 1 - model.score(test) + PRICE * dims, steps, spent.cpu_s


def _row(name: str, method: str, runs: Sequence[tuple[int, float, int, float]]) -> dict[str, Any]:
    return {
        "table": name,
        "method": method,
        "seeds": len(runs),
        "found": counts([dims for dims, *_ in runs]),
        "found_list": [dims for dims, *_ in runs],
        "cost": fmean(cost for _, cost, *_ in runs),
        "cost_list": [cost for _, cost, *_ in runs],
        "steps": max(steps for *_, steps, _ in runs),
        "cpu_s": fmean(cpu for *_, cpu in runs),
    }


def measured_table(name: str, options: argparse.Namespace, say: Say) -> None:
    """Measure what the result does not hold yet of a table.

    Parameters
    ----------
    name : str
        Of `TABLES`.
    options : argparse.Namespace
        Seeds, folder, whether it is a quick run.
    say : callable
        Gets a line a row.
    """
    table = TABLES[name]
    widths = list(table.widths)[:2] if options.quick else list(table.widths)
    under = {"seeds": list(options.seeds), "quick": options.quick}

    def result(name: str, title: str) -> Checkpoint:
        return Checkpoint(name, title, COLUMNS, options.out, under, options.again, NOTES)

    learned = result(NAME, "What the learned width costs")
    alone = result(f"{NAME}-fixed", "What every width costs, trained on its own")
    order = [f"{one}/{method}" for one in TABLES for method in (MASK, SEARCH, BEST)]

    def take(done: Checkpoint, method: str, **arguments: Any) -> Mapping[str, Any]:
        def run() -> dict[str, Any]:
            runs = [
                _fitted(table, seed, options.data_root, options.quick, **arguments)
                for seed in options.seeds
            ]
            return _row(name, method, runs)

        row = done.row(f"{name}/{method}", run, order)
        assert row is not None
        say(f"{name}, {method}: {row['found']} dims, cost {row['cost']:.5f}")
        return row

    mask = take(learned, MASK, strategy="mask")
    take(learned, SEARCH, strategy="search")
    batches = max(1, int(0.9 * len(table.split(0, options.data_root)[0])) // 256)
    epochs = max(1, round(mask["steps"] / batches))  # as many steps as the mask took
    fixed = [
        take(alone, f"{FIXED} {m}", strategy="mask", n_components=m, max_epochs=epochs)
        for m in widths
    ]
    best = min(fixed, key=lambda row: float(row["cost"]))
    learned.row(f"{name}/{BEST}", lambda: {**best, "method": BEST}, order)


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
    parser = benchmark_parser("What does the learned width cost?", seeds="5")
    parser.add_argument(
        "--tables", type=names_list, default=list(TABLES), help=f"of {','.join(TABLES)}"
    )
    parser.add_argument("--again", action="store_true", help="measure finished rows once more")
    options = parse(parser, arguments)
    refuse_unknown(parser, "tables", options.tables, TABLES)

    def part_of(name: str) -> Callable[[argparse.Namespace, Say], None]:
        return lambda options, say: measured_table(name, options, say)

    return run_parts({name: part_of(name) for name in TABLES}, options.tables, options)


if __name__ == "__main__":
    sys.exit(main())
