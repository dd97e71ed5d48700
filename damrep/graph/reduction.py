"""From the wide representation to the few dimensions that are kept: directions, mask, cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.graph.encoding.canonical import EdgeMoments
from damrep.graph.encoding.contrast import train_bottleneck
from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.representation import WideRepresentation
from damrep.graph.purposes import PRICES, WIDEST, Trials, link_losses
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.bottleneck import Bottleneck
from damrep.masking.moments import eigen, second_moment
from damrep.masking.ranges import as_good
from damrep.masking.search import exact_width
from damrep.masking.validation import InputError

__all__ = [
    "STRUCTURE",
    "Held",
    "Reduced",
    "choose_axes",
    "held_out_nodes",
    "numerical_rank",
    "reduce_representation",
]

RIDGES = (0.3, 1.0, 3.0, 10.0)
# Of the blocks of the structure, beside 1 for features and encoder.
WEIGHTS = (0.0, 0.25, 0.5, 1.0)
# The mask starts from so many times the units that the closed form keeps, and some more.
_MORE, _SOME = 1.25, 4
_LR = 3e-4
_ROUNDING = 1e-9
# A width told from fewer nodes hangs on which they are.
_HELD_OUT = 100
# Pairs. Of fewer, chance decides what the structure counts: on the karate club a probe has .906 in
# place of .959, mean of ten seeds.
_DECISIVE = 100
_MOST_LABELS = 10_000  # looked at: more take time and change nothing
STRUCTURE = ("structure", "smoothed structure")


@dataclass
class Held:
    """What a width is told from beside nodes held out.

    Parameters
    ----------
    pairs
        Edges held out and as many others behind them, (k, 2); None if there are none.
    labelled, classes
        Nodes whose labels may be looked at, (l,), and their memberships, (l, c); or None.
    featured
        Whether nodes have features of their own.
    """

    pairs: Tensor | None = None
    labelled: Tensor | None = None
    classes: Tensor | None = None
    featured: bool = True

    @classmethod
    def of(
        cls,
        pairs: np.ndarray | None,
        labels: tuple[np.ndarray, np.ndarray] | None,
        seed: int,
        featured: bool,
    ) -> Held:
        """From `hold_out_links` and `training_labels`."""
        held = cls(None if pairs is None else torch.from_numpy(pairs), featured=featured)
        if labels is not None:
            some = np.random.default_rng(seed).permutation(len(labels[0]))[:_MOST_LABELS]
            held.labelled, held.classes = (torch.from_numpy(part[some]) for part in labels)
        return held


@dataclass
class Reduced:
    """What the reduction learned.

    Parameters
    ----------
    head
        The bottleneck, its mask set.
    curves
        By purpose that can be measured, pairs [dims, normalised loss].
    widths
        By purpose, the dimensions its own price would pay for.
    good
        Narrowest and widest width as good as the one kept; None with a budget.
    history
        Columns of the training of the mask, where one acted.
    """

    head: Bottleneck
    curves: dict[str, list[list[float]]]
    widths: dict[str, int]
    good: tuple[int, int] | None
    history: dict[str, list[Any]] = field(default_factory=dict)


def choose_axes(
    moments: EdgeMoments, trials: Trials, columns: list[slice], price: float
) -> tuple[float, Tensor]:
    """How much the structure counts, and the directions, by how well edges held out are told.

    Parameters
    ----------
    moments
        Of the representation, the structure as heavy as the other blocks.
    trials
        With pairs held out; with fewer than a hundred the structure counts half, at the middle
        ridge.
    columns
        Where the blocks of the structure stand in the representation; none if there are none.
    price
        Of a dimension, in the loss of links.

    Returns
    -------
    float
        One of `WEIGHTS`; 1 where there is no structure, or nothing beside it.
    Tensor
        Rows t, strongest first, for the representation weighed so, (n, n) float64.
    """
    n = moments.spread[0].shape[0]
    inside = torch.zeros(n, dtype=torch.bool)
    for some in columns:
        inside[some] = True
    weights = WEIGHTS if inside.any() and not inside.all() else (1.0,)
    if trials.pairs is None or len(trials.pairs) < _DECISIVE:
        weight = weights[len(weights) // 2]
        scale = torch.where(inside, weight, 1.0).double()
        return weight, moments.scaled(scale).axes(RIDGES[len(RIDGES) // 2])
    best: tuple[float, float, Tensor] | None = None
    centre = trials.z.mean(dim=0)
    pairs = trials.some()
    ends = [(trials.z[pairs[:, end]] - centre).double() for end in (0, 1)]
    linked = torch.arange(len(pairs)) < len(pairs) // 2
    for weight in weights:
        scale = torch.where(inside, weight, 1.0).double()
        for axes in moments.scaled(scale).paths(RIDGES):
            seen = (axes[:WIDEST] * scale).T
            loss = link_losses(ends[0] @ seen, ends[1] @ seen, linked).mean(dim=0)
            cost = float((loss + price * torch.arange(1, len(loss) + 1)).min())
            if best is None or cost < best[0]:
                best = cost, weight, axes
    assert best is not None
    return best[1], best[2]


def reduce_representation(
    settings: EmbeddingSettings,
    wide: WideRepresentation,
    z: Tensor,
    inputs: GraphInputs,
    trial: Held,
    seed: int,
) -> Reduced:
    """Choose directions and how many of them to keep.

    Parameters
    ----------
    settings
        Purpose, price or budget, strategy, share of nodes to hold out.
    wide
        What `z` came from; its structure is weighed anew.
    z
        Wide representation (n, width).
    inputs
        Of the graph: says which nodes are neighbours.
    trial
        What is held out beside nodes.
    seed
        Of the nodes held out.
    """
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(len(z)))
    held = held_out_nodes(settings, len(z), trial)
    fit, nodes = (rows[held:], rows[:held]) if held else (rows, rows)
    operator = inputs.alike
    edges = _pairs_among(inputs.pairs(seed), fit, len(z))
    by_edges = settings.trains and settings.rotate
    neighbours = operator @ (z - z.mean(dim=0))
    trials = Trials(
        z, trial.pairs, z[nodes], neighbours[nodes], trial.labelled, trial.classes, trial.featured
    )
    trials.check(settings.purpose)
    told = (neighbours[fit] - neighbours[fit].mean(dim=0)).square().sum()
    something = len(edges) > 1 and bool(told > _ROUNDING * z[fit].square().sum())
    axes = None
    if by_edges:
        names = [name for name in STRUCTURE if name in wide.blocks]
        moments = EdgeMoments.of(z, operator, fit, edges)
        columns = [wide.columns_of(name) for name in names]
        weight, axes = choose_axes(moments, trials, columns, PRICES["links"])
        for name in names:
            z = wide.reweigh(z, name, weight)
        neighbours = operator @ (z - z.mean(dim=0))
        trials = replace(trials, z=z, nodes=z[nodes], neighbours=neighbours[nodes])
    head = Bottleneck(z.shape[1])
    head.fit_rotation(z[fit], z[nodes], settings.rotate, neighbours[fit], neighbours[nodes])
    if axes is not None:
        head.take_axes(axes, z.mean(dim=0))
    curves = _falling(trials.curves(head, quick=True))
    width = _width(settings, curves, z)
    history: dict[str, list[Any]] = {}
    acts = by_edges and something and settings.resolved_strategy == "mask"
    if acts:
        if settings.n_components is None:
            # Labels have no say where they were not asked for.
            asked = [name for name in curves if name != "labels" or settings.purpose == name]
            widest = max(exact_width(curves[name], PRICES[name]) for name in asked)
            widest = math.ceil(_MORE * max(width, min(widest, WIDEST))) + _SOME
            width = min(widest, len(curves["all"]), numerical_rank(z))
        head = head.strongest(width)
        history = _train(settings, head, trials, neighbours, fit, edges, seed)
        for name, trained in _falling(trials.curves(head)).items():
            # Past the units trained stands what the closed form would leave.
            curves[name] = trained + [min(loss, trained[-1]) for loss in curves[name][width:]]
        width = head.mask.n_active
    else:
        if held and axes is None:
            head.fit_rotation(z, rotate=settings.rotate, partner=neighbours)
        head.mask.set_width(width)
        head.absorb_gates()
    good = None
    if settings.n_components is None:
        blocks = trials.by_row(head, settings.purpose)
        units = range(1, blocks[0].shape[1] + 1)
        price = settings.resolved_price
        good = as_good([block.numpy() for block in blocks], units, price, width)
    return Reduced(
        head,
        {name: [[m + 1, loss] for m, loss in enumerate(curve)] for name, curve in curves.items()},
        {name: exact_width(curve, PRICES[name]) for name, curve in curves.items()},
        good,
        history,
    )


def _width(settings: EmbeddingSettings, curves: dict[str, list[float]], z: Tensor) -> int:
    if settings.n_components is None:
        return exact_width(curves[settings.purpose], settings.resolved_price)
    # Beyond the rank of the representation columns would be empty.
    return min(settings.n_components, numerical_rank(z), len(curves["all"]))


def _train(
    settings: EmbeddingSettings,
    head: Bottleneck,
    trials: Trials,
    neighbours: Tensor,
    fit: Tensor,
    edges: Tensor,
    seed: int,
) -> dict[str, list[Any]]:
    options = settings.training_options(
        seed,
        lr=_LR,
        weight_decay=0.0,
        patience=None,
        schedule="cosine",
        precision="32-true",  # shares of the variance below a per mille: beyond half precision
        description="bottleneck",
    )
    price = settings.resolved_price if settings.n_components is None else None

    def curve(last: bool) -> np.ndarray:
        return trials.losses(head, settings.purpose, quick=not last)

    found = train_bottleneck(head, trials.z, neighbours, fit, edges, curve, price, options)
    return {f"mask.{key}": values for key, values in found.to_dict().items()}


def _falling(curves: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Where a wider one loses more, the narrower one's loss."""
    return {name: np.minimum.accumulate(curve).tolist() for name, curve in curves.items()}


def held_out_nodes(settings: EmbeddingSettings, nodes: int, trial: Held) -> int:
    """How many nodes are held out to tell a width from.

    None where they have no features and edges are held out: these are enough, and a small graph
    cannot do without half of its nodes.

    Raises
    ------
    InputError
        If fewer than two would be left to fit.
    """
    if trial.pairs is not None and not trial.featured:
        return 0
    held = int(settings.validation_fraction * nodes)
    held = max(held, min(_HELD_OUT, nodes // 2)) if held else 0
    if nodes - held < 2:
        raise InputError(
            f"validation_fraction={settings.validation_fraction:g} leaves {nodes - held} of "
            f"{nodes:,} nodes to fit; expected at least 2"
        )
    return held if held > 1 else 0  # one node does not vary


def _pairs_among(pairs: np.ndarray, nodes: Tensor, count: int) -> Tensor:
    """Those of some pairs whose nodes are both among some of `count` nodes, (m, 2)."""
    there = np.zeros(count, dtype=bool)
    there[nodes.numpy()] = True
    return torch.from_numpy(pairs[there[pairs].all(axis=1)])


def numerical_rank(z: Tensor) -> int:
    """Directions in which the rows differ by more than rounding; at least 1.

    Parameters
    ----------
    z
        Representation (n, width), float32.

    Examples
    --------
    >>> import torch
    >>> numerical_rank(torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 1.0], [3.0, 6.0, 1.0]]))
    1
    """
    centred = (z - z.mean(dim=0)).double()
    values, _ = eigen(second_moment(centred if len(z) >= z.shape[1] else centred.T))
    return max(1, int((values > 0).sum()))
