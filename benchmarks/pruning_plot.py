"""Accuracy of every way to prune, without and with fine-tuning, from a result of the benchmark.

python -m benchmarks.pruning_plot pruning-digits [...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.drawing import BLUE, GREEN, GREY, ORANGE, save_png
from benchmarks.results import RESULTS, ResultError, read_result

__all__ = ["main", "plot_pruning"]


def _colour(method: str) -> str:
    if method.startswith("damrep"):
        return BLUE
    if method == "unpruned":
        return GREY
    return GREEN if method.endswith("fine-tuned") else ORANGE


def _figure(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    figure = Figure(figsize=(6.4, 0.42 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    usual = max(float(row["accuracy"]["mean"]) for row in rows)
    for place, row in enumerate(reversed(rows)):
        cell = row["accuracy"]
        colour = _colour(str(row["method"]))
        if cell["mean"] < usual / 2:
            # A network cut and not trained on is worth little; an axis down to it would leave the
            # others on one line. Drawn at the edge, with the number.
            edge, label = axes.get_yaxis_transform(), f"{cell['mean']:.2f}"
            axes.plot(0.02, place, "<", color=colour, ms=7, transform=edge)
            axes.text(0.05, place, label, color=colour, transform=edge, va="center", fontsize=8)
            continue
        axes.plot(cell["values"], [place] * cell["n"], "o", color=colour, alpha=0.35, ms=5)
        axes.plot(cell["mean"], place, "D", color=colour, ms=7)
        if row["method"] == "unpruned":
            axes.axvline(cell["mean"], color=GREY, lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [str(row["method"]) for row in reversed(rows)])
    axes.locator_params(axis="x", nbins=6)  # more labels of four decimals run into each other
    axes.set_xlabel("test accuracy (dots: seeds; arrow: far below)")
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def plot_pruning(name: str, out: Path = RESULTS) -> Path:
    """Draw ``out/NAME.json`` into ``out/NAME.png``.

    Parameters
    ----------
    name : str
        Of the result.
    out : Path

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    ResultError
        If there is no such result.
    """
    result = read_result(name, out)
    figure = _figure(result["rows"], result["title"])
    path = Path(out) / f"{name}.png"
    save_png(figure, path)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Draw the results that are named.

    Returns
    -------
    int
        0; 2 if one is missing.
    """
    parser = argparse.ArgumentParser(description="Plots of the pruning benchmark.")
    parser.add_argument("names", nargs="+", help="results, for instance pruning-digits")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    try:
        for name in options.names:
            print(plot_pruning(name, options.out))
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
