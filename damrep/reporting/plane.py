"""An embedding as a picture in the plane, coloured by class if there are classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from damrep.masking.moments import eigen, second_moment
from damrep.reporting.svg import ACCENT, FONT, INK, MUTED, clean_text, new_axes

__all__ = ["Groups", "Plane", "group_labels", "plane_figure", "project", "sample_rows"]

MOST_POINTS = 20_000
MOST_CLASSES = 12
_MOST_NAMED_POINTS = 60
_RASTER_FROM = 400
_SIZE = (660, 540)
_OTHER = "#c9ced6"
# After Paul Tol's schemes for colour-blind eyes; the first few differ the most.
_PALETTE = (
    "#332288", "#ee8866", "#44aa99", "#cc3377", "#ddaa33", "#3377cc",
    "#117733", "#aa4499", "#88ccee", "#882255", "#999933", "#663311",
)  # fmt: skip
_RAMP = LinearSegmentedColormap.from_list("damrep", ["#d9c27a", "#5f9f8f", "#2b3a78"])


@dataclasses.dataclass(frozen=True)
class Groups:
    """Classes of the points that are drawn.

    Attributes
    ----------
    codes : ndarray of int, shape (points,)
        Position in `names`; -1 for a point that is in none of them.
    names : tuple of str
    colours : tuple of str
    counts : tuple of int
        Of all items, not only those drawn.
    rest : str
        What the points in none of them are; empty if there are none.
    several : bool
        Whether an item may be in several classes.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    colours: tuple[str, ...]
    counts: tuple[int, ...]
    rest: str = ""
    several: bool = False


@dataclasses.dataclass(frozen=True)
class Plane:
    """Points in the plane and what they are.

    Attributes
    ----------
    points : ndarray, shape (points, k)
        k = 1 where the embedding has one dimension, else 2, or 3 with the one that colours.
    how : str
        "only", "both" or "pca".
    spread : float
        Share of the variance that the first two hold; 1 unless `how` is "pca".
    """

    points: np.ndarray
    how: str
    spread: float = 1.0


def sample_rows(n: int, most: int = MOST_POINTS, seed: int = 0) -> np.ndarray:
    """Positions of the rows to draw: all, or `most` of them drawn by a generator of its own.

    Examples
    --------
    >>> sample_rows(3).tolist(), len(sample_rows(10**6))
    ([0, 1, 2], 20000)
    """
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def project(embedding: np.ndarray) -> Plane:
    """The plane in which rows spread the most.

    Parameters
    ----------
    embedding : ndarray, shape (points, dims)

    Returns
    -------
    Plane
        The components themselves where there are one or two, else principal components.
    """
    values = np.nan_to_num(np.asarray(embedding, dtype=np.float64), posinf=0.0, neginf=0.0)
    if values.shape[1] <= 2:
        return Plane(values, "only" if values.shape[1] == 1 else "both")
    centred = values - values.mean(axis=0)
    found = eigen(second_moment(torch.from_numpy(centred)), of="the embedding")
    variances, axes = (part.numpy() for part in found)
    axes = axes[:, :3]
    # An axis has no sign of its own; this one is the same on every machine.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    total = float(variances.sum())
    spread = float(variances[:2].sum()) / total if total > 0 else 1.0
    return Plane(centred @ axes, "pca", spread)


def group_labels(
    labels: Any, names: Sequence[str] | None, rows: np.ndarray, most: int = MOST_CLASSES
) -> Groups | None:
    """The largest classes in colours, all others together.

    Parameters
    ----------
    labels : ndarray, or None
        (n,) int with -1 for unknown, or (n, k) bool, where the commonest of its classes stands for
        an item.
    names : sequence of str, optional
    rows : ndarray of int
        The rows that are drawn.

    Returns
    -------
    Groups, or None
        None if no item has a label.
    """
    if labels is None:
        return None
    codes = np.asarray(labels)
    several = codes.ndim == 2
    if several:
        by_size = np.argsort(-codes.sum(axis=0), kind="stable")
        codes = np.where(codes.any(axis=1), by_size[codes[:, by_size].argmax(axis=1)], -1)
    codes = codes.astype(np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=1)
    if counts.sum() == 0:
        return None
    present = np.flatnonzero(counts)
    shown = present
    if len(present) > most:
        shown = np.sort(present[np.argsort(-counts[present], kind="stable")[: most - 1]])
    place = np.full(len(counts) + 1, -1)  # the last entry is that of -1
    place[shown] = np.arange(len(shown))
    left, unknown = len(present) - len(shown), bool((codes < 0).any())
    rest = [f"{left} smaller classes"] if left else []
    rest += ["no label"] if unknown else []
    called = [names[i] if names is not None and i < len(names) else i for i in shown.tolist()]
    return Groups(
        codes=place[codes[rows]],
        names=tuple(clean_text(name) for name in called),
        colours=_PALETTE[: len(shown)],
        counts=tuple(int(count) for count in counts[shown]),
        rest=" or ".join(rest),
        several=several,
    )


def plane_figure(
    plane: Plane, groups: Groups | None, point_names: Sequence[Any] | None = None
) -> tuple[Figure, int]:
    """Draw the points; a histogram where there is one dimension.

    Parameters
    ----------
    plane : Plane
    groups : Groups, or None
        None: coloured by the third component if there is one.
    point_names : sequence, optional
        Written beside the points where there are few.

    Returns
    -------
    figure : Figure
    outside : int
        Points so far out that the picture leaves them away.
    """
    figure, axes = new_axes(*_SIZE)
    if plane.points.shape[1] == 1:
        _histogram(axes, plane.points[:, 0], groups)
        return figure, 0
    flat = plane.points[:, :2]
    inside = _limits(axes, flat)
    # In a drawn order of its own, so that no class lies on top of all others.
    order = np.random.default_rng(0).permutation(len(flat))
    if groups is not None:
        table = np.array([*groups.colours, _OTHER], dtype=object)
        colour: Any = {"c": list(table[groups.codes[order]])}
    elif plane.points.shape[1] == 3:
        third = plane.points[:, 2]
        low, high = np.quantile(third, [0.02, 0.98])
        colour = {"c": third[order], "cmap": _RAMP, "vmin": low, "vmax": max(high, low + 1e-12)}
    else:
        colour = {"color": ACCENT}
    size, alpha = _dots(len(flat))
    axes.scatter(
        flat[order, 0],
        flat[order, 1],
        s=size,
        alpha=alpha,
        linewidths=0.5 if size > 20 else 0,
        edgecolors="white" if size > 20 else None,
        rasterized=len(flat) > _RASTER_FROM,
        **colour,
    )
    words = {"both": "component", "pca": "principal component"}[plane.how]
    axes.set_xlabel(f"{words} 1")
    axes.set_ylabel(f"{words} 2")
    if plane.how == "pca":
        # Where the origin of a principal component lies means nothing.
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        axes.locator_params(nbins=6)
    if point_names is not None and len(flat) <= _MOST_NAMED_POINTS:
        for (x, y), name in zip(flat, point_names, strict=True):
            axes.annotate(
                clean_text(name, 16), (x, y), xytext=(5, 4), textcoords="offset points",
                fontsize=10, color=MUTED, parse_math=False,
            )  # fmt: skip
    elif groups is not None:
        _name_classes(axes, flat, groups)
    return figure, int((~inside).sum())


def _dots(count: int) -> tuple[float, float]:
    """Size (square points) and opacity of a dot."""
    if count <= 200:
        return 60.0, 0.9
    if count <= 3000:
        return 14.0, 0.8
    return (8.0, 0.7) if count <= 8000 else (5.0, 0.6)


def _limits(axes: Any, points: np.ndarray) -> np.ndarray:
    """Fit the axes to all but a few far outliers; whether each point is inside."""
    inside = np.ones(len(points), dtype=bool)
    for axis, values in enumerate(points.T):
        low, high = float(values.min()), float(values.max())
        if len(values) >= 200:
            inner_low, inner_high = np.quantile(values, [0.005, 0.995])
            room = 0.3 * (inner_high - inner_low)
            low, high = max(low, inner_low - room), min(high, inner_high + room)
        inside &= (values >= low) & (values <= high)
        margin = 0.04 * (high - low) or 1.0
        (axes.set_ylim if axis else axes.set_xlim)(low - margin, high + margin)
    return inside


def _name_classes(axes: Any, points: np.ndarray, groups: Groups) -> None:
    """Write each class's name at its middle, unless one would be in another's way."""
    written: list[dict[str, Any]] = []
    taken: list[tuple[float, float, float, float]] = []
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for code in range(len(groups.names)):
        mine = points[groups.codes == code]
        if len(mine) == 0:
            continue
        x, y = np.median(mine, axis=0)
        name = clean_text(groups.names[code], 22)
        # Half the width and height of the text, as shares of the axes.
        wide, high = (4.4 * len(name) + 5) / _SIZE[0], 13 / _SIZE[1]
        u, v = (x - left) / (right - left), (y - bottom) / (top - bottom)
        box = (u - wide, v - high, u + wide, v + high)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            return
        taken.append(box)
        border = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": groups.colours[code]}
        written.append({"x": x, "y": y, "s": name, "bbox": {**border, "alpha": 0.85, "lw": 1.5}})
    for text in written:
        axes.text(
            **text, ha="center", va="center", fontsize=FONT - 1, weight="bold", color=INK,
            parse_math=False, clip_on=True,
        )  # fmt: skip


def _histogram(axes: Any, values: np.ndarray, groups: Groups | None) -> None:
    edges = np.histogram_bin_edges(values, bins=min(60, max(8, int(len(values) ** 0.5))))
    parts, colours = [values], [ACCENT]
    if groups is not None:
        codes = [*range(len(groups.names)), -1]
        parts = [values[groups.codes == code] for code in codes]
        colours = [*groups.colours, _OTHER]
    axes.hist(parts, bins=edges, stacked=True, color=colours, linewidth=0)
    axes.set_xlabel("component 1")
    axes.set_ylabel("how many")
