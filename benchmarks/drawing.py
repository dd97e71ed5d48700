"""What the plots of the benchmarks share: colours, an axis of dimensions, writing the file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PURPLE", "RED", "SKY", "dimensions_axis", "save_png"]

# Okabe and Ito's colours, told apart by colour-blind readers.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
RED, PURPLE, GREY, SKY = "#D55E00", "#CC79A7", "#666666", "#56B4E9"


def dimensions_axis(axes: Axes, widest: float) -> None:
    """Make the horizontal axis one of dimensions: powers of two up to the widest.

    Parameters
    ----------
    axes : Axes
    widest : float
    """
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([2.0**k for k in range(int(widest).bit_length())]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("dimensions")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def save_png(figure: Figure, path: Path) -> None:
    """Write a picture whole or not at all; the same figure gives the same file.

    Parameters
    ----------
    figure : Figure
    path : Path
        Its folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".png")
    os.close(handle)
    try:
        # Without the version of matplotlib in it.
        FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
