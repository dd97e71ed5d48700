"""Learned dimensions over a grid of prices: never more for a higher price, and never none.

    python -m benchmarks.graph_price [--datasets cora,citeseer] [--strategies search,gradient]

Every price is a fit of its own, so a few graphs serve.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.arguments import names_list
from benchmarks.harness import Column, Spread, benchmark_parser, parse, say, write_result

DATASETS = ("cora", "citeseer", "amherst41", "minesweeper")
PRICES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def never_increasing(widths: Sequence[int]) -> bool:
    """Whether no width is above the one before it.

    Examples
    --------
    >>> never_increasing([9, 4, 4, 1]), never_increasing([4, 5])
    (True, False)
    """
    return all(above >= below for above, below in pairwise(widths))


def price_row(widths: Mapping[int, Sequence[int]], **cells: Any) -> dict[str, Any]:
    """A row of the table out of the widths at every price, by seed.

    Parameters
    ----------
    widths : mapping of int to sequence of int
        Under each seed, one width a price of `PRICES`.
    **cells
        Further cells.

    Examples
    --------
    >>> row = price_row({0: [512, 90, 40, 20, 9, 4, 2, 1]}, dataset="cora")
    >>> row["price_0.01"].mean, row["never_increasing"], row["least"]
    (20.0, True, 1)
    """
    columns = list(zip(*widths.values(), strict=True))
    if len(columns) != len(PRICES):
        raise ValueError(f"expected {len(PRICES)} widths a seed, got {len(columns)}")
    return {
        **cells,
        **{
            f"price_{price:g}": Spread(tuple(float(width) for width in column))
            for price, column in zip(PRICES, columns, strict=True)
        },
        "never_increasing": all(map(never_increasing, widths.values())),
        "least": min(map(min, widths.values())),
        "seeds": list(widths),
    }


def broken(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What does not hold, one sentence a row.

    Examples
    --------
    >>> broken([{"dataset": "cora", "strategy": "search", "never_increasing": True, "least": 0}])
    ['cora, search: a width below 1']
    """
    found = []
    for row in rows:
        name = f"{row['dataset']}, {row['strategy']}"
        if not row["never_increasing"]:
            found.append(f"{name}: a higher price gave more dimensions")
        if row["least"] < 1:
            found.append(f"{name}: a width below 1")
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
        0; 1 where a claim does not hold or nothing could be measured. The result is written all
        the same.
    """
    parser = benchmark_parser("Learned dimensions against the price of a dimension.", "3")
    parser.add_argument("--datasets", type=names_list, help=f"default: {','.join(DATASETS)}")
    parser.add_argument("--strategies", type=names_list, default=["auto"], help="default: auto")
    options = parse(parser, arguments)
    if options.datasets is None:
        options.datasets = ["karate", "cora"] if options.quick else list(DATASETS)

    from benchmarks.graph_methods import QUICK, Fits
    from benchmarks.graph_run import load_graph
    from damrep.masking.validation import InputError

    rows = []
    for name in options.datasets:
        try:
            graph = load_graph(name, options.data_root)
        except InputError as error:
            say(f"{name}: left out: {error}")
            continue
        widths: dict[str, dict[int, list[int]]] = {strategy: {} for strategy in options.strategies}
        for seed in options.seeds:
            fits = Fits(graph, seed, changes=QUICK if options.quick else {})
            for strategy, by_seed in widths.items():
                models = (fits.model(price=price, strategy=strategy) for price in PRICES)
                by_seed[seed] = [model.n_components_ for model in models]
                say(f"{name}, seed {seed}, {strategy}: {by_seed[seed]}")
        rows += [price_row(found, dataset=name, strategy=s) for s, found in widths.items()]
    if not rows:
        return 1
    columns = [
        Column("dataset", "Data set"),
        Column("strategy", "Strategy"),
        *(Column(f"price_{price:g}", f"{price:g}", 1) for price in PRICES),
        Column("never_increasing", "Never more"),
        Column("least", "Least"),
    ]
    write_result(
        "graph-price",
        rows,
        columns,
        title="Learned dimensions against the price of a dimension",
        settings={"seeds": options.seeds, "threads": options.threads, "quick": options.quick},
        notes=["Mean over seeds; whether it never rises is looked at seed by seed."],
        out=options.out,
    )
    for sentence in (wrong := broken(rows)):
        say(f"does not hold: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
