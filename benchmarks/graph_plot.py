"""Accuracy and link prediction against dimensions, one plot a data set, from its result.

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
    SKY,
    dimensions_axis,
    save_png,
)
from benchmarks.graph_rows import ALL, FULL, LABELS, LINKS, SVD_ALL, dataset_results
from benchmarks.results import RESULTS, ResultError, read_result

__all__ = ["average_curve", "draw", "main", "point"]

# Shapes say the same as colours again.
_OURS = {ALL: ("o", BLUE), LINKS: ("s", SKY), LABELS: ("D", GREEN)}
_PEERS = {
    "Cleora": ("^", PURPLE),
    "node2vec": ("v", GREY),
    "ProNE": ("P", RED),
    "NetMF": ("X", "black"),
    "FastRP": ("h", ORANGE),
}
_CURVES = ((ALL, BLUE, "--for all, first dims"), (SVD_ALL, ORANGE, "svd, first dims"))
_MEASURES = (("accuracy", "dims"), ("auc", "link_dims"))


def average_curve(
    curves: Sequence[Mapping[str, Sequence[float]]], measure: str = "accuracy"
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Mean and standard deviation over seeds at the widths that every seed has.

    Parameters
    ----------
    curves : sequence of mapping
        "dims" and the measure of one seed each.
    measure : str

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
    by_width = [dict(zip(c["dims"], c[measure], strict=True)) for c in curves]
    dims = sorted(int(m) for m in set.intersection(*(set(c) for c in by_width)))
    values = np.array([[c[m] for m in dims] for c in by_width], dtype=float)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(len(dims))
    return dims, values.mean(axis=0), spread


def point(
    row: Mapping[str, Any], measure: str = "accuracy", dims: str = "dims"
) -> tuple[float, float, float, float] | None:
    """Mean dims and measure of a row with their standard deviations; None where not measured.

    Examples
    --------
    >>> point({"dims": 8, "accuracy": {"mean": 0.5, "std": 0.25, "n": 2, "values": []}})
    (8.0, 0.5, 0.0, 0.25)
    """
    if row.get(measure) is None:
        return None
    (x, x_std), (y, y_std) = _mean_std(row[dims]), _mean_std(row[measure])
    return x, y, x_std, y_std


def _mean_std(cell: Any) -> tuple[float, float]:
    if isinstance(cell, Mapping):
        return float(cell["mean"]), float(cell["std"] or 0.0)
    return float(cell), 0.0


def draw(result: Mapping[str, Any], path: Path) -> bool:
    """Draw a data set's result: accuracy, where there are labels, and AUC of links.

    Parameters
    ----------
    result : mapping
        From `read_result`.
    path : Path
        Of the PNG.

    Returns
    -------
    bool
        False, and nothing written, where no row has a number.
    """
    rows = {row["method"]: row for row in result["rows"]}
    shown = [pair for pair in _MEASURES if any(point(row, *pair) for row in rows.values())]
    if not shown:
        return False
    figure = Figure(figsize=(2.6 + 4.4 * len(shown), 4.0), dpi=90, layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (measure, dims) in zip(panels, shown, strict=True):
        _draw_panel(axes, rows, measure, dims)
    micro = any("micro-averaged F1" in note for note in result["notes"])
    names = {"accuracy": "micro F1" if micro else "accuracy", "auc": "AUC"}
    asked = {"accuracy": "linear probe", "auc": "held-out links by cosine"}
    for axes, (measure, _) in zip(panels, shown, strict=True):
        axes.set_ylabel(f"{names[measure]}, {asked[measure]}")
    figure.suptitle(str(result["settings"]["dataset"]), fontsize=11)
    handles, labels = max(
        (axes.get_legend_handles_labels() for axes in panels), key=lambda pair: len(pair[0])
    )
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8)
    save_png(figure, path)
    return True


def _draw_panel(axes: Axes, rows: Mapping[str, Mapping[str, Any]], measure: str, dims: str) -> None:
    # In the order of the legend; what lies on top is said by zorder.
    for label, (marker, colour) in _OURS.items():
        _draw_point(axes, rows.get(label, {}), measure, dims, marker, colour, label, size=9)
    for label, colour, name in _CURVES:
        if rows.get(label, {}).get("curves"):
            _draw_curve(axes, rows[label]["curves"], measure, colour, name)
    full = point(rows.get(FULL["all"], {}), measure, dims)
    if full is not None:
        name = f"full width ({full[0]:.0f} dims)"
        axes.axhline(full[1], color="black", linestyle="--", linewidth=1, label=name)
    for peer, (marker, colour) in _PEERS.items():
        name = peer
        for label, row in rows.items():
            if label.startswith(f"{peer},"):
                drawn = _draw_point(axes, row, measure, dims, marker, colour, name, size=7)
                name = "_nolegend_" if drawn else name
    places = [place for row in rows.values() if (place := point(row, measure, dims)) is not None]
    dimensions_axis(axes, max(place[0] for place in places))


def _draw_curve(
    axes: Axes,
    curves: Sequence[Mapping[str, Sequence[float]]],
    measure: str,
    colour: str,
    label: str,
) -> None:
    if any(value is None for curve in curves for value in curve[measure]):
        return
    dims, mean, std = average_curve(curves, measure)
    axes.plot(dims, mean, color=colour, linewidth=1.8, label=label)
    axes.fill_between(dims, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)


def _draw_point(
    axes: Axes,
    row: Mapping[str, Any],
    measure: str,
    dims: str,
    marker: str,
    colour: str,
    label: str,
    size: float,
) -> bool:
    place = point(row, measure, dims)
    if place is None:
        return False
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
    return True


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
            print(path if draw(result, path) else f"{name}: nothing to draw")
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
