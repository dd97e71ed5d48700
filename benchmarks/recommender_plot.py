"""Test quality of recommenders against their dimensions, a panel for each data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from benchmarks.results import RESULTS, read_result

__all__ = ["AT_WIDTH", "draw_recommenders", "width_curve"]

AT_WIDTH = "at_width_"
"""Begins the fields with the quality of damrep without a mask at other widths."""

_QUALITIES = {"rmse": "test RMSE (lower is better)", "ndcg": "test NDCG@20 (higher is better)"}
_DAMREP = "damrep"
_OURS = {
    _DAMREP: (BLUE, "o", "damrep, learned width"),
    "damrep, softmax": (SKY, "o", "damrep, softmax, learned width"),
}
# Panels in a row.
_BESIDE = 3
_PEERS = ((ORANGE, "s"), (GREEN, "^"), (PURPLE, "v"), (RED, "D"), (GREY, "P"))


def width_curve(row: Mapping[str, Any]) -> list[tuple[int, float]]:
    """Widths and mean quality a row has beside its own.

    Parameters
    ----------
    row : mapping
        Of a result.

    Examples
    --------
    >>> width_curve({"at_width_16": {"mean": 0.5}, "at_width_8": {"mean": 0.25}, "dims": 16})
    [(8, 0.25), (16, 0.5)]
    """
    found = [
        (int(name.removeprefix(AT_WIDTH)), float(cell["mean"]))
        for name, cell in row.items()
        if name.startswith(AT_WIDTH)
    ]
    return sorted(found)


def draw_recommenders(name: str, out: Path = RESULTS) -> Path | None:
    """Draw ``out/NAME.json`` into ``out/NAME.png``.

    Parameters
    ----------
    name : str
        Of the result, explicit or implicit.
    out : Path

    Returns
    -------
    Path, or None
        The picture; None where there is no such result yet.

    Raises
    ------
    ResultError
        If the result is damaged.
    """
    if not (Path(out) / f"{name}.json").exists():
        return None
    rows = read_result(name, out)["rows"]
    datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    quality = next(key for key in _QUALITIES if key in rows[0])
    across = min(_BESIDE, len(datasets))
    down = -(-len(datasets) // across)
    figure = Figure(figsize=(4.2 * across, 3.4 * down + 0.6), dpi=110, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    colours: dict[str, tuple[str, str]] = {}
    for axes, dataset in zip(panels, datasets, strict=False):
        _panel(axes, [row for row in rows if row["dataset"] == dataset], quality, colours)
        axes.set_title(dataset)
        axes.set_ylabel(_QUALITIES[quality])
    for axes in panels[len(datasets) :]:
        axes.set_axis_off()
    labelled = dict[str, Any]()
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labelled.setdefault(label, handle)
    figure.legend(
        labelled.values(), labelled.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    path = Path(out) / f"{name}.png"
    save_png(figure, path)
    return path


def _panel(axes: Axes, rows: list[Any], quality: str, colours: dict[str, tuple[str, str]]) -> None:
    widest = 1.0
    for row in rows:
        method, level = str(row["method"]), float(row[quality]["mean"])
        curve = width_curve(row)
        if curve:
            at, values = zip(*curve, strict=True)
            axes.plot(at, values, color=BLUE, linewidth=1.6, label="damrep, without a mask")
            widest = max(widest, *at)
            continue
        if method in _OURS:
            colour, marker, label = _OURS[method]
        elif method.startswith(_DAMREP):
            continue
        else:
            colour, marker = colours.setdefault(method, _PEERS[len(colours) % len(_PEERS)])
            label = method
        if row.get("dims") is None:
            axes.axhline(level, color=colour, linestyle=":", label=f"{method} (no dimensions)")
            continue
        place = float(row["dims"]["mean"])
        widest = max(widest, place)
        size = 11 if method in _OURS else 7
        spread = row[quality].get("std")
        axes.errorbar(
            place,
            level,
            yerr=spread or None,
            fmt=marker,
            color=colour,
            markersize=size,
            markeredgecolor="white",
            label=label,
            zorder=3,
        )
    dimensions_axis(axes, widest)
