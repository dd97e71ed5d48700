"""Accuracy against dimensions, one plot a data set, from its result.

    python -m benchmarks.graph_plot [NAME ...]

draws those that are named again, or all that have a result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    dimensions_axis,
    save_png,
)
from benchmarks.graph_rows import (
    CLEORA,
    CLEORA_NARROW,
    DAMREP,
    FULL,
    NODE2VEC,
    NODE2VEC_NARROW,
    SVD,
    TRAINED,
    UNROTATED,
    dataset_results,
)
from benchmarks.results import RESULTS, ResultError, read_result

__all__ = ["average_curve", "draw", "main", "point"]

# Shapes say the same as colours again.
_POINTS = {
    TRAINED: ("s", GREEN),
    UNROTATED: ("D", RED),
    CLEORA: ("^", PURPLE),
    CLEORA_NARROW: ("^", PURPLE),
    NODE2VEC: ("v", GREY),
    NODE2VEC_NARROW: ("v", GREY),
}
_CURVES = ((DAMREP, BLUE, "damrep, any width"), (SVD, ORANGE, "svd"))
_SAME_LABEL = {CLEORA_NARROW: CLEORA, NODE2VEC_NARROW: NODE2VEC}


def average_curve(
    curves: Sequence[Mapping[str, Sequence[float]]],
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Mean and standard deviation over seeds at the widths that every seed has.

    Parameters
    ----------
    curves : sequence of mapping
        "dims" and "accuracy" of one seed each.

    Returns
    -------
    dims, mean, std
        The standard deviation is of the sample; zeros for one seed.

    Examples
    --------
    >>> first = {"dims": [1, 2], "accuracy": [0.25, 0.5]}
    >>> dims, mean, std = average_curve([first, {"dims": [2, 3], "accuracy": [1.0, 1.0]}])
    >>> dims, mean.tolist()
    ([2], [0.75])
    """
    by_width = [dict(zip(c["dims"], c["accuracy"], strict=True)) for c in curves]
    dims = sorted(int(m) for m in set.intersection(*(set(c) for c in by_width)))
    values = np.array([[c[m] for m in dims] for c in by_width], dtype=float)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(len(dims))
    return dims, values.mean(axis=0), spread


def point(row: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Mean dims and accuracy of a row with their standard deviations; None without accuracy.

    Examples
    --------
    >>> point({"dims": 8, "accuracy": {"mean": 0.5, "std": 0.25, "n": 2, "values": []}})
    (8.0, 0.5, 0.0, 0.25)
    """
    if row.get("accuracy") is None:
        return None
    (x, x_std), (y, y_std) = _mean_std(row["dims"]), _mean_std(row["accuracy"])
    return x, y, x_std, y_std


def _mean_std(cell: Any) -> tuple[float, float]:
    if isinstance(cell, Mapping):
        return float(cell["mean"]), float(cell["std"] or 0.0)
    return float(cell), 0.0


def draw(result: Mapping[str, Any], path: Path) -> bool:
    """Draw a data set's result.

    Parameters
    ----------
    result : mapping
        From `read_result`.
    path : Path
        Of the PNG.

    Returns
    -------
    bool
        False, and nothing written, where no row has an accuracy.
    """
    rows = {row["method"]: row for row in result["rows"]}
    if all(point(row) is None for row in rows.values()):
        return False
    figure = Figure(figsize=(7.6, 4.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    # In the order of the legend; what lies on top is said by zorder.
    if DAMREP in rows:
        _draw_point(axes, rows[DAMREP], "o", BLUE, "damrep, learned width", size=11)
    for method, colour, label in _CURVES:
        if rows.get(method, {}).get("curves"):
            _draw_curve(axes, rows[method]["curves"], colour, label)
    if FULL in rows and (full := point(rows[FULL])) is not None:
        label = f"full width ({full[0]:.0f} dims)"
        axes.axhline(full[1], color="black", linestyle="--", linewidth=1, label=label)
    for method, (marker, colour) in _POINTS.items():
        if method in rows:
            shown = "_nolegend_" if _SAME_LABEL.get(method) in rows else method
            _draw_point(axes, rows[method], marker, colour, shown, size=7)
    _label(axes, result, rows)
    save_png(figure, path)
    return True


def _draw_curve(
    axes: Axes, curves: Sequence[Mapping[str, Sequence[float]]], colour: str, label: str
) -> None:
    dims, mean, std = average_curve(curves)
    axes.plot(dims, mean, color=colour, linewidth=1.8, label=label)
    axes.fill_between(dims, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)


def _draw_point(
    axes: Axes, row: Mapping[str, Any], marker: str, colour: str, label: str, size: float
) -> None:
    place = point(row)
    if place is None:
        return
    x, y, x_std, y_std = place
    axes.errorbar(
        x,
        y,
        xerr=x_std or None,
        yerr=y_std or None,
        fmt=marker,
        color=colour,
        markersize=size,
        markeredgecolor="white",
        elinewidth=1,
        label=label,
        zorder=3,
    )


def _label(axes: Axes, result: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> None:
    micro = any("micro-averaged F1" in note for note in result["notes"])
    places = [place for row in rows.values() if (place := point(row)) is not None]
    widest = max(place[0] for place in places)
    dimensions_axis(axes, widest)
    axes.set_ylabel("micro F1, linear probe" if micro else "accuracy, linear probe")
    axes.set_title(str(result["settings"]["dataset"]))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)


def main(arguments: list[str] | None = None) -> int:
    """Draw results again.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0, or 2 where a result is missing or damaged.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graph_plot", description=__doc__)
    parser.add_argument("names", nargs="*", help="data sets; all that have a result if none")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with the JSON files")
    options = parser.parse_args(arguments)
    try:
        found = dataset_results(options.results)
        for name in options.names or found:
            path = options.results / f"graph-{name}.png"
            result = found.get(name) or read_result(f"graph-{name}", options.results)
            print(path if draw(result, path) else f"{name}: no accuracy to draw")
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
