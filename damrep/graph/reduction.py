"""From the wide representation to the few dimensions that are kept: directions, mask, cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.graph.directions import Directions, by_labels, by_links
from damrep.graph.encoding.canonical import EdgeMoments
from damrep.graph.encoding.contrast import train_bottleneck
from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.representation import WideRepresentation
from damrep.graph.purposes import PRICES, WIDEST, Held, Trials
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.bottleneck import Bottleneck
from damrep.masking.moments import eigen, second_moment
from damrep.masking.ranges import as_good
from damrep.masking.search import exact_width
from damrep.masking.validation import InputError

__all__ = [
    "STRUCTURE",
    "Reduced",
    "held_out_nodes",
    "numerical_rank",
    "reduce_representation",
]

# The mask starts from so many times the units that the closed form keeps, and some more.
_MORE, _SOME = 1.25, 4
_LR = 3e-4
_ROUNDING = 1e-9
# A width told from fewer nodes hangs on which they are.
_HELD_OUT = 100
STRUCTURE = ("structure", "smoothed structure")


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


def reduce_representation(
    settings: EmbeddingSettings,
    wide: WideRepresentation,
    z: Tensor,
    inputs: GraphInputs,
    held: Held,
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
    held
        What is held out beside nodes.
    seed
        Of the nodes held out.
    """
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(len(z)))
    out = held_out_nodes(settings, len(z), held)
    fit, nodes = (rows[out:], rows[:out]) if out else (rows, rows)
    operator = inputs.alike
    edges = _pairs_among(inputs.pairs(seed), fit, len(z))
    by_edges = settings.trains and settings.rotate
    neighbours = operator @ (z - z.mean(dim=0))
    told = (neighbours[fit] - neighbours[fit].mean(dim=0)).square().sum()
    acts = (
        by_edges
        and settings.resolved_strategy == "mask"
        and len(edges) > 1
        and bool(told > _ROUNDING * z[fit].square().sum())
    )
    axes = more_of_labels = None
    if by_edges:
        found = _directions(settings, wide, EdgeMoments.of(z, operator, fit, edges), z, held, seed)
        axes, more_of_labels = found.axes, found.more_of_labels
        for name in _structure(wide):
            z = wide.reweigh(z, name, found.weight)
        neighbours = operator @ (z - z.mean(dim=0))
    trials = Trials(z, z[nodes], neighbours[nodes], held, more_of_labels)
    head = Bottleneck(z.shape[1])
    head.fit_rotation(z[fit], z[nodes], settings.rotate, neighbours[fit], neighbours[nodes])
    if axes is not None:
        head.take_axes(axes, z.mean(dim=0))
    curves = _falling(trials.curves(head, quick=True))
    width = _width(settings, curves, z)
    history: dict[str, list[Any]] = {}
    if acts:
        head = head.strongest(_to_begin_with(settings, curves, z, width))
        history = _train(settings, head, trials, neighbours, fit, edges, seed)
        for name, trained in _falling(trials.curves(head)).items():
            # Past the units trained stands what the closed form would leave.
            past = curves[name][len(trained) :]
            curves[name] = trained + [min(loss, trained[-1]) for loss in past]
        width = head.mask.n_active
    else:
        if out and axes is None:
            head.fit_rotation(z, rotate=settings.rotate, partner=neighbours)
        head.mask.set_width(width)
        head.absorb_gates()
    return Reduced(
        head,
        {name: [[m + 1, loss] for m, loss in enumerate(curve)] for name, curve in curves.items()},
        {name: exact_width(curve, PRICES[name]) for name, curve in curves.items()},
        None if settings.n_components is not None else _as_good(settings, trials, head, width),
        history,
    )


def _structure(wide: WideRepresentation) -> list[str]:
    return [name for name in STRUCTURE if name in wide.blocks]


def _directions(
    settings: EmbeddingSettings,
    wide: WideRepresentation,
    moments: EdgeMoments,
    z: Tensor,
    held: Held,
    seed: int,
) -> Directions:
    columns = [wide.columns_of(name) for name in _structure(wide)]
    if settings.purpose == "labels":
        return by_labels(moments, z, held, columns, seed)
    found = by_links(moments, z, held, columns)
    # What is shared with neighbours is lost least by its own principal directions.
    return replace(found, axes=None) if settings.purpose == "features" else found


def _width(settings: EmbeddingSettings, curves: dict[str, list[float]], z: Tensor) -> int:
    if settings.n_components is None:
        return exact_width(curves[settings.purpose], settings.resolved_price)
    # Beyond the rank of the representation columns would be empty.
    return min(settings.n_components, numerical_rank(z), len(curves["all"]))


def _to_begin_with(
    settings: EmbeddingSettings, curves: dict[str, list[float]], z: Tensor, width: int
) -> int:
    """Units the mask starts from: some more than the closed form would keep."""
    if settings.n_components is not None:
        return width
    # Labels have no say where they were not asked for.
    asked = [name for name in curves if name != "labels" or settings.purpose == name]
    widest = max(exact_width(curves[name], PRICES[name]) for name in asked)
    widest = math.ceil(_MORE * max(width, min(widest, WIDEST))) + _SOME
    return min(widest, len(curves["all"]), numerical_rank(z))


def _as_good(
    settings: EmbeddingSettings, trials: Trials, head: Bottleneck, width: int
) -> tuple[int, int]:
    blocks = trials.by_row(head, settings.purpose)
    units = range(1, blocks[0].shape[1] + 1)
    return as_good([block.numpy() for block in blocks], units, settings.resolved_price, width)


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


def held_out_nodes(settings: EmbeddingSettings, nodes: int, held: Held) -> int:
    """How many nodes are held out to tell a width from.

    None where they have no features and edges are held out: these are enough, and a small graph
    cannot do without half of its nodes.

    Raises
    ------
    InputError
        If fewer than two would be left to fit.
    """
    if held.pairs is not None and not held.featured:
        return 0
    out = int(settings.validation_fraction * nodes)
    out = max(out, min(_HELD_OUT, nodes // 2)) if out else 0
    if nodes - out < 2:
        raise InputError(
            f"validation_fraction={settings.validation_fraction:g} leaves {nodes - out} of "
            f"{nodes:,} nodes to fit; expected at least 2"
        )
    return out if out > 1 else 0  # one node does not vary


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
