"""Matplotlib figures as SVG that can stand in an HTML page, several on one page.

Only matplotlib's object interface is used: no pyplot, no global figure, no screen.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "FONT",
    "GRID",
    "INK",
    "MUTED",
    "PALE",
    "PRICE",
    "clean_text",
    "new_axes",
    "to_svg",
]

INK, MUTED, PALE, GRID = "#1c2430", "#5a6675", "#c3cad3", "#e6e9ee"
ACCENT, PRICE = "#1f5fa8", "#c4570e"
FONT = 14  # of a figure, in its own pixels
_RASTER_DPI = 160
_STYLE: dict[Any, Any] = {
    # Text stays text: small, searchable, and in the font of the page.
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": FONT,
    "text.parse_math": False,  # a label may hold a dollar sign
    "axes.unicode_minus": True,
    "path.simplify": True,
}


def new_axes(width: int, height: int) -> tuple[Figure, Axes]:
    """A figure of a size in CSS pixels, with one plain pair of axes."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(PALE)
    axes.tick_params(colors=MUTED, labelcolor=MUTED, length=4, labelsize=FONT - 1)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=FONT)
    axes.set_axisbelow(True)
    return figure, axes


def to_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element without anything that depends on the day.

    Parameters
    ----------
    figure : Figure
    name : str
        Put before every id, so that two figures on a page do not share one.
    title : str
        What a screen reader says.

    Returns
    -------
    str
    """
    FigureCanvasSVG(figure)
    stream = io.BytesIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": "damrep"}), warnings.catch_warnings():
        # A letter that matplotlib's font lacks is drawn by the browser's.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        nothing: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(stream, format="svg", dpi=_RASTER_DPI, metadata=nothing)
    svg = stream.getvalue().decode("utf-8")
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    head, _, rest = svg.partition(">")
    # The size is the page's affair; the viewBox keeps the proportions.
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = html.escape(title, quote=True)
    return f'{head} role="img" aria-label="{label}">{rest}'


def clean_text(text: Any, longest: int = 40) -> str:
    """A name as one short line that XML can hold.

    Examples
    --------
    >>> clean_text("a\\nb\\x00"), clean_text("x" * 50, 5)
    ('a b�', 'xxxx…')
    """
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "\ufffd" for c in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"
