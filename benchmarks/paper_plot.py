"""Plots of the parts ``curve`` and ``stability`` of `benchmarks.paper`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.drawing import BLUE, GREEN, GREY, ORANGE, RED, save_png
from benchmarks.paper_training import PUBLISHED
from benchmarks.results import read_result

__all__ = ["draw_paper"]

_STYLES = {
    "damrep, n_components": ("o-", BLUE),
    "damrep, the mask": ("s-", GREEN),
    "the paper's training": ("v", RED),
    "PCA": ("^-", ORANGE),
}


def draw_paper(name: str, out: Path) -> Path:
    """Draw a result beside it.

    Parameters
    ----------
    name : str
        ``paper-curve``, error against dimensions, or ``paper-stability``, dimensions against
        lambda and price.
    out : Path
        Folder of the result.

    Returns
    -------
    Path
        Of the PNG.
    """
    rows = read_result(name, out)["rows"]
    path = Path(out) / f"{name}.png"
    figure = Figure(figsize=(7.6, 4.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    if name == "paper-curve":
        _curve(axes, rows)
    else:
        _stability(axes, rows)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    save_png(figure, path)
    return path


def _of(
    rows: Sequence[Mapping[str, Any]], method: str, x: str, y: str
) -> tuple[list[float], list[float]]:
    found = [(_mean(row[x]), _mean(row[y])) for row in rows if row["method"] == method]
    return [a for a, _ in sorted(found)], [b for _, b in sorted(found)]


def _mean(cell: Any) -> float:
    return float(cell["mean"] if isinstance(cell, Mapping) else cell)


def _curve(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    published = sorted(PUBLISHED.items())
    axes.plot(*zip(*published, strict=True), "k--", linewidth=1, label="published")
    for method, (style, colour) in _STYLES.items():
        dims, errors = _of(rows, method, "dims", "mse")
        if dims:
            axes.plot(dims, errors, style, color=colour, markersize=5, label=method)
    axes.set_xlabel("dimensions")
    axes.set_ylabel("test MSE, pixels from -1 to 1")


def _stability(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    for method in ("the paper's training", "damrep, the mask"):
        colour = _STYLES[method][1]
        at, dims = _of(rows, method, "value", "dims")
        what = "lambda" if method == "the paper's training" else "price"
        axes.plot(at, dims, "o-", color=colour, label=f"{method}: {what}")
    used = [row for row in rows if row.get("carrying") is not None]
    at, dims = _of(used, "the paper's training", "value", "carrying")
    axes.plot(at, dims, ":", color=GREY, label="of its open gates in use")
    axes.set_xscale("log")
    axes.set_xlabel("lambda or price")
    axes.set_ylabel("dimensions")
