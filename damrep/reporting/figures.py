"""The figures of a fit: what each width costs, and the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from damrep.masking.printing import counted
from damrep.reporting.svg import ACCENT, FONT, GRID, INK, MUTED, PALE, PRICE, clean_text, new_axes

__all__ = ["curve_figure", "gate_figure", "way_figure"]

_SIZE = (480, 340)
# Wider than this, equal steps of a log axis tell more: most of the loss goes with the first ones.
_LOG_FROM = 40


def curve_figure(
    curve: Sequence[Sequence[float | None]],
    chosen: int,
    price: float | None,
    others: Mapping[str, Sequence[Sequence[float | None]]] | None = None,
) -> Figure | None:
    """Loss against dimensions, with the width that was chosen and the line of the price through it.

    Along the line one dimension more takes away exactly the price, so a width whose loss lies above
    it is a worse bargain than the chosen one.

    Parameters
    ----------
    curve : sequence of [dims, normalised loss]
    chosen : int
        Dimensions learned.
    price : float, or None
        Share of the loss one dimension must earn; None: no line.
    others : mapping of str to sequence of [dims, normalised loss]
        Further curves by name, drawn in grey.

    Returns
    -------
    Figure, or None
        None if there are fewer than two points.
    """
    points = sorted((int(m or 0), float(loss)) for m, loss in curve if loss is not None)
    points = [(m, loss) for m, loss in points if np.isfinite(loss)]
    if len(points) < 2:
        return None
    dims = np.array([m for m, _ in points])
    losses = np.array([loss for _, loss in points])
    log = bool(dims[-1] > _LOG_FROM and dims[0] >= 1)
    figure, axes = new_axes(*_SIZE)
    axes.grid(axis="y", color=GRID, linewidth=1)
    low, high = min(0.0, float(losses.min())), float(losses.max())
    axes.set_ylim(low, low + (high - low or 1.0) * 1.16)
    for nth, (name, other) in enumerate((others or {}).items()):
        along = np.array([(m, loss) for m, loss in other if m and loss is not None], dtype=float)
        if len(along):
            axes.plot(along[:, 0], along[:, 1], color=MUTED, linewidth=1, zorder=2)
            axes.annotate(
                clean_text(name, 20),
                along[min(len(along) - 1, 1 + 2 * nth)],  # one below the other
                xytext=(3, 3),
                textcoords="offset points",
                color=MUTED,
                fontsize=FONT,
            )
            high = max(high, float(along[:, 1].max()))
    axes.set_ylim(low, low + (high - low or 1.0) * 1.16)
    few = len(points) <= 30
    here = int(np.argmin(abs(dims - chosen)))
    if price is not None:
        across = np.geomspace(max(dims[0], 1), dims[-1], 400) if log else dims[[0, -1]]
        line = losses[here] - price * (across - dims[here])
        axes.plot(across, line, color=PRICE, linewidth=1.6, dashes=(4, 3), zorder=2)
    axes.plot(
        dims, losses, color=ACCENT, linewidth=2.2, marker="o" if few else "", markersize=4, zorder=3
    )
    axes.axvline(dims[here], color=PALE, linewidth=1, zorder=1)
    axes.plot(
        [dims[here]],
        [losses[here]],
        "o",
        color=INK,
        markersize=9,
        markeredgecolor="white",
        zorder=4,
    )
    # Beside the top of its line, where a falling curve leaves room.
    first, last = (np.log(dims[0]), np.log(dims[-1])) if log else (dims[0], dims[-1])
    place = np.log(dims[here]) if log else dims[here]
    to_the_left = place > first + 0.55 * (last - first)
    axes.annotate(
        f"{counted(int(dims[here]), 'dimension')}: {losses[here]:.3f}",
        (dims[here], 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-7 if to_the_left else 7, -2),
        textcoords="offset points",
        ha="right" if to_the_left else "left",
        va="top",
        color=INK,
        weight="bold",
        fontsize=FONT,
    )
    if log:
        axes.set_xscale("log")
        ticks = [float(m) for m in 2 ** np.arange(0, 24) if dims[0] <= m <= dims[-1]]
        step = -(-len(ticks) // 8)
        axes.xaxis.set_major_locator(FixedLocator(ticks[::step]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("dimensions" + (" (log scale)" if log else ""))
    axes.set_ylabel("share of the loss left")
    return figure


def gate_figure(gate: Sequence[float | None], learned: int) -> Figure | None:
    """The gate of each dimension, open ones in colour; closed ones far out are left away.

    Parameters
    ----------
    gate : sequence of float
        Most important dimension first.
    learned : int
        Dimensions learned.

    Returns
    -------
    Figure, or None
        None if there is no gate.
    """
    if not gate:
        return None
    values = np.array([np.nan if value is None else value for value in gate], dtype=float)
    shown = values[: shown_gates(len(values), learned)]
    figure, axes = new_axes(*_SIZE)
    axes.grid(axis="y", color=GRID, linewidth=1)
    place = np.arange(1, len(shown) + 1)
    kept = place <= learned
    width = 0.78 if len(shown) <= 80 else 1.0
    axes.bar(place[kept], shown[kept], width=width, color=ACCENT, linewidth=0)
    # A closed gate is 0 and would not be seen.
    axes.plot(place[~kept], np.nan_to_num(shown[~kept]), "o", color=PALE, markersize=3.5)
    axes.axvline(learned + 0.5, color=MUTED, linewidth=1, dashes=(2, 2))
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    axes.set_ylim(-0.02 * max(top, 1e-9), max(top, 1e-9) * 1.12)
    axes.set_xlim(0.25, len(shown) + 0.75)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("dimension, most important first")
    axes.set_ylabel("gate")
    return figure


def way_figure(history: Mapping[str, Sequence[Any]], begins: str | None = None) -> Figure | None:
    """Where a mask stood while it was trained, and which widths were drawn about it.

    Parameters
    ----------
    history : mapping of str to sequence
        Columns, of one of the two names that they have: ``n_active`` and ``mask.n_active``,
        likewise ``narrowest_drawn`` and ``widest_drawn``.
    begins : str, optional
        Of a training that tried several ways to begin, the stage that was gone on with.

    Returns
    -------
    Figure, or None
        None if no widths were drawn.
    """
    for prefix in ("mask.", ""):
        names = [f"{prefix}{name}" for name in ("n_active", "narrowest_drawn", "widest_drawn")]
        if all(name in history for name in names):
            break
    else:
        return None
    stages = history.get("stage") or [None] * len(history[names[0]])
    taken = (None, "mask") if begins is None else (begins, "mask")
    rows = [
        drawn
        for stage, *drawn in zip(stages, *(history[name] for name in names), strict=True)
        if stage in taken and None not in drawn
    ]
    if len(rows) < 2:
        return None
    stands, narrowest, widest = np.array(rows, dtype=float).T
    done = np.arange(1, len(rows) + 1) / len(rows)
    figure, axes = new_axes(*_SIZE)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.fill_between(done, narrowest, widest, color=PALE, linewidth=0, step="mid")
    axes.step(done, stands, color=ACCENT, linewidth=2.2, where="mid")
    if widest.max() > _LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, widest.max() * 1.06)
        axes.yaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the mask's training")
    axes.set_ylabel("dimensions")
    return figure


def shown_gates(width: int, learned: int) -> int:
    """How many gates the figure shows: those kept, and some of the closed ones after them.

    Examples
    --------
    >>> shown_gates(512, 14), shown_gates(16, 14), shown_gates(512, 512)
    (24, 16, 512)
    """
    return min(width, learned + max(10, learned // 3))
