"""Which directions of a representation come first, and how much the structure counts in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from damrep.graph.encoding.canonical import EdgeMoments, class_moment
from damrep.graph.losses import label_losses, link_losses, losses_elsewhere
from damrep.graph.purposes import WIDEST, Held

__all__ = ["Directions", "by_labels", "by_links"]

RIDGES = (0.3, 1.0, 3.0, 10.0)
# Of the blocks of the structure, beside 1 for features and encoder.
WEIGHTS = (0.0, 0.25, 0.5, 1.0)
# Pairs. Of fewer, chance decides what the structure counts: on the karate club a probe has .906 in
# place of .959, mean of ten seeds.
_DECISIVE = 100
# Where labels choose: how much they count beside the edges, the ridges, and the parts each of which
# is told from the others. The structure's weight is chosen at `_FIRST`.
_SAYS = (0.0, 0.5, 0.8)
_LABEL_RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
_FIRST = (1.0, 0.5)
_WIDTHS = (8, 16, 32, 64)
_PARTS = 3
_BEYOND_CHANCE = 2.0  # standard errors: the best of many is ahead by chance too


@dataclass
class Directions:
    """What was chosen.

    Parameters
    ----------
    weight
        Of the structure, one of `WEIGHTS`; 1 where there is none, or nothing beside it.
    ridge
        See `EdgeMoments.axes`.
    axes
        Rows t, strongest first, for the representation weighed so, (n, n) float64; None for the
        principal directions of what nodes share with their neighbours.
    more_of_labels
        See `damrep.graph.purposes.Trials`; None where labels had no say.
    """

    weight: float
    ridge: float
    axes: Tensor | None
    more_of_labels: Tensor | None = None


def by_links(moments: EdgeMoments, z: Tensor, held: Held, columns: Sequence[slice]) -> Directions:
    """The directions, by how well edges held out are told.

    Parameters
    ----------
    moments
        Of the representation, the structure as heavy as the other blocks.
    z
        Representation of all nodes, (k, n).
    held
        With pairs; of fewer than a hundred, the structure counts half, at the middle ridge.
    columns
        Where the blocks of the structure stand in the representation; none if there are none.
    """
    weights, inside = _weights(z, columns)
    if held.pairs is None or len(held.pairs) < _DECISIVE:
        weight = weights[len(weights) // 2]
        middle = RIDGES[len(RIDGES) // 2]
        return Directions(weight, middle, moments.scaled(_scale(inside, weight)).axes(middle))
    best: tuple[float, Directions] | None = None
    pairs = held.some_pairs()
    ends = [(z[pairs[:, end]] - z.mean(dim=0)).double() for end in (0, 1)]
    linked = torch.arange(len(pairs)) < len(pairs) // 2
    for weight in weights:
        scale = _scale(inside, weight)
        for ridge, axes in zip(RIDGES, moments.scaled(scale).paths(RIDGES), strict=True):
            seen = (axes[:WIDEST] * scale).T
            cost = float(_at_widths(link_losses(ends[0] @ seen, ends[1] @ seen, linked)).mean())
            if best is None or cost < best[0]:
                best = cost, Directions(weight, ridge, axes)
    assert best is not None
    return best[1]


def by_labels(
    moments: EdgeMoments, z: Tensor, held: Held, columns: Sequence[slice], seed: int
) -> Directions:
    """The directions, by how well labels are told from other nodes' labels.

    Pairs of nodes of one class count beside the edges. How much, at which ridge, and how much the
    structure counts, is what tells each third of the labels best from the others. Where that is
    no better than the choice of `by_links` beyond chance, as with few labels, or no better than the
    class frequencies, it is the latter.

    Parameters
    ----------
    moments, z, columns
        As for `by_links`.
    held
        With labels.
    seed
        Of the thirds.
    """
    assert held.labelled is not None and held.classes is not None
    classes = held.classes
    weights, inside = _weights(z, columns)
    x = (z[held.labelled] - z.mean(dim=0)).double()
    parts = _parts(classes, seed)

    @cache
    def alike(weight: float, part: int) -> Tensor:
        """What nodes of one class have in common without those of a third."""
        kept = parts != part
        return class_moment((x * _scale(inside, weight))[kept], classes[kept])

    def trial(weight: float, ridge: float, say: float) -> Tensor:
        """Losses of all labels, each third told from the others, (l, widths)."""
        scale = _scale(inside, weight)
        weighed, rows = moments.scaled(scale), x * scale
        losses = torch.zeros(len(x), min(WIDEST, x.shape[1]), dtype=torch.float64)
        for part in range(_PARTS):
            out = parts == part
            codes = rows @ weighed.hearing(alike(weight, part), say).axes(ridge)[:WIDEST].T
            losses[out] = losses_elsewhere(codes[~out], classes[~out], codes[out], classes[out])
        return losses

    def cost(losses: Tensor) -> float:
        return float(_at_widths(losses).mean())

    weight = min(weights, key=lambda some: cost(trial(some, *_FIRST)))
    told, ridge, say = min(
        ((trial(weight, ridge, say), ridge, say) for ridge in _LABEL_RIDGES for say in _SAYS),
        key=lambda some: cost(some[0]),
    )
    plain = by_links(moments, z, held, columns)
    gain = _at_widths(trial(plain.weight, plain.ridge, 0.0)) - _at_widths(told)
    by_chance = _BEYOND_CHANCE * float(gain.std()) / len(gain) ** 0.5
    if float(gain.mean()) <= by_chance or cost(told) >= 1.0:
        return plain
    scale = _scale(inside, weight)
    rows = x * scale
    axes = moments.scaled(scale).hearing(class_moment(rows, classes), say).axes(ridge)
    found = label_losses(rows @ axes[:WIDEST].T, classes).mean(dim=0)
    return Directions(weight, ridge, axes, told.mean(dim=0) - found)


def _weights(z: Tensor, columns: Sequence[slice]) -> tuple[tuple[float, ...], Tensor]:
    """Weights to try, and which columns are the structure's."""
    inside = torch.zeros(z.shape[1], dtype=torch.bool)
    for some in columns:
        inside[some] = True
    return (WEIGHTS if inside.any() and not inside.all() else (1.0,)), inside


def _scale(inside: Tensor, weight: float) -> Tensor:
    return torch.where(inside, weight, 1.0).double()


def _at_widths(losses: Tensor) -> Tensor:
    """Each row's mean over widths that people use: the least of a curve hangs on chance."""
    return losses[:, [min(width, losses.shape[1]) - 1 for width in _WIDTHS]].mean(dim=1)


def _parts(classes: Tensor, seed: int) -> Tensor:
    """Which part each node is in, (l,): of every class as many in each as can be."""
    drawn = np.random.default_rng(seed).random(len(classes))
    order = np.lexsort((drawn, classes.int().argmax(dim=1).numpy()))
    parts = np.empty(len(classes), dtype=np.int64)
    parts[order] = np.arange(len(classes)) % _PARTS
    return torch.from_numpy(parts)
