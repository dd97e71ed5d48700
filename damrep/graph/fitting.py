"""Fitting without labels: train wide, rotate, mask, cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from damrep.graph.contrast import train_bottleneck
from damrep.graph.encoders import GraphEncoder, make_encoder
from damrep.graph.inputs import GraphInputs
from damrep.graph.objectives import OBJECTIVES, make_objective
from damrep.graph.propagation import SparseOperator
from damrep.graph.representation import CompactEmbedding, WideRepresentation
from damrep.graph.rows import strongest_features
from damrep.graph.settings import EmbeddingSettings
from damrep.graph.spectral import fit_spectral_basis
from damrep.graph.weighing import choose_spectral_weight
from damrep.masking.bottleneck import Bottleneck
from damrep.masking.dam import DAM
from damrep.masking.gradient import GradientWidth
from damrep.masking.moments import eigen, second_moment
from damrep.masking.ranges import as_good
from damrep.training import local_seed, train

__all__ = [
    "Fitted",
    "fit_unsupervised",
    "numerical_rank",
    "reduce_representation",
    "told_from",
    "train_encoder",
]

# The mask starts from so many times the units that the closed form keeps, and some more.
_MORE, _SOME = 1.25, 4
_LR = 1e-3
_ROUNDING = 1e-9
# A width told from fewer nodes hangs on which they are.
_HELD_OUT = 100


@dataclass
class Fitted:
    """What a fit leaves: the cut model, the wide one it was cut from, and what was learned.

    Parameters
    ----------
    compact
        The model that is kept.
    wide
        The representation before the cut; None where there is none to compare with.
    initial
        Dimensions before the cut.
    curve
        Pairs [dims, normalised loss].
    gate
        Gate values, most important first; empty where no mask acted.
    history
        Columns of the training history.
    loss
        Normalised loss at the learned width.
    classifier
        Linear classifier on the embedding, if there were labels.
    reference_loss
        What the loss 1 stands for, in its own units.
    details
        More for the report.
    strategy
        How the width was found.
    """

    compact: CompactEmbedding
    wide: WideRepresentation | None
    initial: int
    curve: list[list[float]]
    gate: list[float]
    history: dict[str, list[Any]]
    loss: float
    classifier: nn.Linear | None = None
    reference_loss: float = 1.0
    details: dict[str, Any] = field(default_factory=dict)
    strategy: str = "search"


def fit_unsupervised(settings: EmbeddingSettings, inputs: GraphInputs, seed: int) -> Fitted:
    """Train the encoder wide, join it with the spectral block, reduce, cut.

    The encoder's training does not depend on the price. The bottleneck behind it is trained with
    its mask on the graph's edges (`damrep.graph.contrast`), or taken in closed form ("search", and
    where nothing is trained): then the learned width never rises with the price.

    Parameters
    ----------
    settings
        Checked arguments.
    inputs
        Of the graph to fit.
    seed
        Of everything random.

    Raises
    ------
    InputError
        If all nodes look alike.
    DivergedError
        If the encoder's loss becomes NaN or infinite.
    """
    wide, history = _train_wide(settings, inputs, seed)
    z = wide.fit_scales(inputs)
    if (
        settings.spectral_weight == "auto"
        and wide.encoder is not None
        and wide.spectral is not None
    ):
        rank = wide.spectral.axes.shape[1]
        z = wide.reweigh(z, choose_spectral_weight(z, rank, inputs, seed))
    head, curve, good = reduce_representation(settings, z, inputs.matrix, seed, history)
    reduce = head.compact()
    width = head.mask.n_active
    acted = "mask.n_active" in history
    return Fitted(
        compact=wide.compact(reduce),
        wide=wide,
        initial=int(z.shape[1]),
        curve=curve,
        gate=head.mask.gate().detach().flip(0).tolist() if acted else [],
        history=history,
        loss=curve[width - 1][1],
        strategy=settings.resolved_strategy
        if acted or settings.resolved_strategy == "search"
        else "closed form",
        details={
            "hidden_widths": [] if wide.encoder is None else wide.encoder.widths[:-1],
            "width told from": told_from(_held_out(settings, len(z))),
            "spectral_weight": wide.spectral_weight,
            **good,
        },
    )


def _train_wide(
    settings: EmbeddingSettings, inputs: GraphInputs, seed: int
) -> tuple[WideRepresentation, dict[str, list[Any]]]:
    limit = min(inputs.num_nodes, inputs.num_features)
    only_spectral = settings.resolved_objective == "svd"
    spectral = None
    rank = 0
    if only_spectral or settings.spectral_weight != 0:
        share = min(max(1, settings.max_components // 4), settings.max_components - 1)
        if only_spectral:  # a budget is the rank of the decomposition, not a cut of a wider one
            share = settings.n_components or settings.max_components
        rank = min(share, limit)
    if rank:
        spectral = fit_spectral_basis(
            inputs.matrix, inputs.features, rank, settings.spectral_steps, seed
        )
    encoder: GraphEncoder | None = None
    history: dict[str, list[Any]] = {}
    if not only_spectral:
        encoder, history = train_encoder(settings, inputs, settings.max_components - rank, seed)
    # Both blocks count the same until they have been compared.
    weight = 1.0 if isinstance(settings.spectral_weight, str) else settings.spectral_weight
    return WideRepresentation(encoder, spectral, settings.smoothing, weight), history


def train_encoder(
    settings: EmbeddingSettings, inputs: GraphInputs, width: int, seed: int
) -> tuple[GraphEncoder, dict[str, list[Any]]]:
    """An encoder trained on the objective, its hidden masks (if any) learned and cut.

    Without hidden layers it is trained on rows propagated once, of the strongest directions of the
    features (`damrep.graph.rows`), if the objective can do with some of the nodes.

    Parameters
    ----------
    settings, inputs, seed
        As for `fit_unsupervised`.
    width
        Of the representation.

    Returns
    -------
    GraphEncoder
        On the CPU, float32, without masks.
    dict of list
        Columns of the training history.
    """
    hidden = list(settings.hidden)
    objective = settings.resolved_objective
    by_rows, axes = OBJECTIVES[objective].by_rows and not hidden, None
    if by_rows:
        inputs, axes = strongest_features(inputs, seed)
    with local_seed(seed):
        encoder = make_encoder(
            settings.encoder,
            inputs.num_features,
            [*hidden, width],
            masked=[settings.mask_hidden] * len(hidden) + [False],
        )
        task = make_objective(objective, encoder, inputs, settings.feature_dropout, by_rows)
    masked = any(isinstance(mask, DAM) for mask in encoder.masks)
    strategy = GradientWidth(task.module, settings.price) if masked else None
    options = settings.training_options(seed, target_loss=task.target_loss)
    history = train(task, settings.mask_training(options) if masked else options, strategy)
    encoder = encoder.cpu().float()
    if axes is not None:
        encoder = encoder.behind(axes)
    return encoder.compact() if masked else encoder, history.to_dict()


def reduce_representation(
    settings: EmbeddingSettings,
    z: Tensor,
    matrix: sp.csr_array,
    seed: int,
    history: dict[str, list[Any]],
) -> tuple[Bottleneck, list[list[float]], dict[str, Any]]:
    """Rotate a representation and choose how many units to keep.

    Parameters
    ----------
    settings
        Price or budget, strategy, share of nodes to hold out.
    z
        Wide representation (n, width).
    matrix
        Propagation matrix (n, n): says which nodes are neighbours.
    seed
        Of the nodes held out.
    history
        Gets the columns of the training of the mask, where one acts.

    Returns
    -------
    Bottleneck
        With its mask set.
    list of [dims, normalised loss]
        Measured on nodes held out: by default one of ten, or a hundred, or half of them.
    dict
        "as good": narrowest and widest such width; empty with a budget.
    """
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(len(z)))
    held = _held_out(settings, len(z))
    # What a node has in common with its neighbours is signal; the rest is noise of its own.
    neighbours = SparseOperator(matrix) @ (z - z.mean(dim=0))
    head = Bottleneck(z.shape[1])
    fit, trial = (rows[held:], rows[:held]) if held else (rows, rows)
    losses = head.fit_rotation(
        z[fit], z[trial], settings.rotate, neighbours[fit], neighbours[trial]
    )
    budget = settings.n_components
    if budget is not None:  # beyond the rank of the representation columns would be empty
        budget = min(budget, numerical_rank(z), len(losses))
    width = head.choose_width(losses, settings.price, budget)
    edges = _pairs_among(matrix, fit)
    told = (neighbours[fit] - neighbours[fit].mean(dim=0)).square().sum()
    something = len(edges) > 1 and bool(told > _ROUNDING * z[fit].square().sum())
    # Coordinates that are masked as they come are there to compare with.
    acts = settings.resolved_strategy == "mask" and settings.trains and settings.rotate
    acts = acts and something
    if acts:
        if budget is None:
            width = min(math.ceil(_MORE * width) + _SOME, len(losses), numerical_rank(z))
        head = head.strongest(width)
        options = settings.training_options(
            seed,
            lr=_LR,
            weight_decay=0.0,
            patience=None,
            schedule="cosine",
            precision="32-true",  # shares of the variance below a per mille: beyond half precision
            description="bottleneck",
        )
        price = settings.price if budget is None else None
        found = train_bottleneck(head, z, neighbours, fit, edges, price, options).to_dict()
        history.update({f"mask.{key}": values for key, values in found.items()})
        trained = head.left_over()  # past those units stands what the closed form would leave
        losses = trained + [min(loss, trained[-1]) for loss in losses[width:]]
        width = head.mask.n_active
    good = {}
    if budget is None:
        rows_left = head.rows_left_over(z[trial], neighbours[trial]).numpy()
        wide = range(1, rows_left.shape[1] + 1)
        good["as good"] = list(as_good([rows_left], wide, settings.price, width))
    if not acts:
        if held:
            head.fit_rotation(z, rotate=settings.rotate, partner=neighbours)
        head.mask.set_width(width)
        head.absorb_gates()
    return head, [[m + 1, loss] for m, loss in enumerate(losses)], good


def told_from(held: int) -> str:
    """Which nodes a width was told from, in words.

    Examples
    --------
    >>> told_from(270), told_from(0)
    ('270 nodes held out', 'the nodes fitted, none held out')
    """
    return f"{held:,} nodes held out" if held else "the nodes fitted, none held out"


def _held_out(settings: EmbeddingSettings, nodes: int) -> int:
    held = int(settings.validation_fraction * nodes)
    held = max(held, min(_HELD_OUT, nodes // 2)) if held else 0
    return held if held > 1 else 0  # one node does not vary


def _pairs_among(matrix: sp.csr_array, nodes: Tensor) -> Tensor:
    """Neighbours that are both among some nodes, (m, 2), each pair once."""
    arcs = matrix.tocoo()
    there = np.zeros(matrix.shape[0], dtype=bool)
    there[nodes.numpy()] = True
    kept = (arcs.row < arcs.col) & there[arcs.row] & there[arcs.col]
    return torch.from_numpy(np.stack([arcs.row[kept], arcs.col[kept]], axis=1).astype(np.int64))


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
