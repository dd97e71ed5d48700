"""Fitting without labels: a wide representation, reduced and cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from damrep.graph.data.graph import Graph
from damrep.graph.data.labels import training_labels
from damrep.graph.encoding.encoders import make_encoder
from damrep.graph.encoding.inputs import FeaturePreparation, GraphInputs, fit_preparation
from damrep.graph.encoding.objectives import OBJECTIVES, make_objective
from damrep.graph.encoding.representation import (
    Block,
    CompactEmbedding,
    EncodedNodes,
    Positions,
    SmoothedFeatures,
    WideRepresentation,
)
from damrep.graph.encoding.rows import strongest_features
from damrep.graph.encoding.spectral import fit_spectral_basis
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.links import hold_out_links
from damrep.graph.purposes import PRICES, Held
from damrep.graph.reduction import held_out_nodes, reduce_representation
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.dam import DAM
from damrep.masking.gradient import GradientWidth
from damrep.masking.printing import counted
from damrep.training import local_seed, train

__all__ = [
    "Fitted",
    "fit_graph",
    "fit_unsupervised",
    "told_from",
    "train_encoder",
]

_ENCODER = 256
# Edges and features that are not zero, up to which a step on all of a graph costs little, and
# learns more: on Cora edges are told with .958 in place of .941.
_FULL_BATCH = 150_000
_SVD_STEPS = 8  # averaged over where nothing is trained (S2GC)
_STEPS, _RESTART = 20, 0.1  # of the personalised PageRank


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


def fit_graph(
    settings: EmbeddingSettings, graph: Graph, y: Any, seed: int
) -> tuple[FeaturePreparation, GraphInputs, Fitted]:
    """Fit without the edges held out, which are back when the nodes are embedded.

    Parameters
    ----------
    settings
        Checked arguments.
    graph
        To fit.
    y
        Labels for the purpose of that name, or None; see `training_labels`.
    seed
        Of everything random.

    Returns
    -------
    FeaturePreparation, GraphInputs, Fitted
        The inputs are those of the whole graph.
    """
    part, pairs, beside = graph, None, 0
    if settings.trains:
        part, pairs = hold_out_links(graph, settings.validation_fraction, seed)
        beside = settings.structure_rank
    preparation = fit_preparation(part, settings.structural_features, seed, beside)
    inputs = preparation.prepare(graph)
    fitted = fit_unsupervised(
        settings,
        inputs if part is graph else preparation.prepare(part),
        Held.of(pairs, training_labels(graph, y), seed, preparation.num_features > 0),
        seed,
    )
    return preparation, inputs, fitted


def fit_unsupervised(
    settings: EmbeddingSettings, inputs: GraphInputs, held: Held, seed: int
) -> Fitted:
    """Join what an encoder learned, the smoothed features and the structure; reduce; cut.

    The encoder's training does not depend on the price. Behind the three a bottleneck begins in
    closed form (`damrep.graph.encoding.canonical`) and is trained with its mask on the graph's
    edges (`damrep.graph.encoding.contrast`), or left as it is ("search", and where nothing is
    trained).

    Parameters
    ----------
    settings
        Checked arguments.
    inputs
        Of the graph to fit, without the edges held out.
    held
        Edges and labels to tell a width from.
    seed
        Of everything random.

    Raises
    ------
    InputError
        If all nodes look alike, or the purpose cannot be measured.
    DivergedError
        If the encoder's loss becomes NaN or infinite.
    """
    held.check(settings.purpose)
    wide, history = _train_wide(settings, inputs, seed)
    z = wide.fit_scales(inputs)
    found = reduce_representation(settings, wide, z, inputs, held, seed)
    history.update(found.history)
    head = found.head
    curve = found.curves[settings.purpose]
    width = head.mask.n_active
    acted = bool(found.history)
    decided = settings.purpose if settings.n_components is None else None
    encoder = wide.blocks.get("encoder")
    return Fitted(
        compact=wide.compact(head.compact()),
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
            "hidden_widths": encoder.encoder.widths[:-1]
            if isinstance(encoder, EncodedNodes)
            else [],
            "purpose": settings.purpose,
            "purposes": {
                name: {
                    "dims": width if name == decided else found.widths[name],
                    "price": settings.resolved_price if name == decided else PRICES[name],
                    "curve": points,
                }
                for name, points in found.curves.items()
            },
            "width told from": counted(len(held.labelled), "label")
            if held.labelled is not None and settings.purpose == "labels"
            else told_from(held_out_nodes(settings, len(z), held), held.pairs),
            "weights": dict(wide.weights),
            **({} if found.good is None else {"as good": list(found.good)}),
        },
    )


def _train_wide(
    settings: EmbeddingSettings, inputs: GraphInputs, seed: int
) -> tuple[WideRepresentation, dict[str, list[Any]]]:
    limit = min(inputs.num_nodes, inputs.num_features)
    widest = settings.max_components
    blocks: dict[str, Block] = {}
    if not settings.trains:  # a budget is the rank of the decomposition, not a cut of a wider one
        rank = min(settings.n_components or widest, limit)
        basis = fit_spectral_basis(
            inputs.ways, inputs.features, rank, settings.spectral_steps or _SVD_STEPS, seed
        )
        return WideRepresentation({"features": SmoothedFeatures(basis)}), {}
    rank = min(max(1, widest // 3), limit, widest - 1) if settings.spectral_weight else 0
    place = 0 if inputs.positions is None else inputs.positions.shape[1]
    place = min(place, settings.structure_rank)
    left = max(1, widest - rank - 2 * place)
    # Twice as wide as what is kept of it: units that say the same fall together.
    encoder, history = train_encoder(settings, inputs, max(left, min(2 * left, _ENCODER)), seed)
    blocks["encoder"] = EncodedNodes(encoder, settings.smoothing).narrowed(inputs, left)
    if rank:
        steps = settings.spectral_steps or _STEPS
        basis = fit_spectral_basis(
            inputs.ways, inputs.features, rank, steps, seed, restart=_RESTART
        )
        blocks["features"] = SmoothedFeatures(basis)
    if place:
        blocks["structure"] = Positions(place, smoothed=False)
        blocks["smoothed structure"] = Positions(place, smoothed=True)
    return WideRepresentation(blocks, {"features": settings.spectral_weight}), history


def train_encoder(
    settings: EmbeddingSettings, inputs: GraphInputs, width: int, seed: int
) -> tuple[GraphEncoder, dict[str, list[Any]]]:
    """An encoder trained on the objective, its hidden masks (if any) learned and cut.

    Without hidden layers it is trained on rows propagated once, of the strongest directions of the
    features (`damrep.graph.encoding.rows`), if the objective can do with some of the nodes and the
    graph is not so small that all of it costs no more.

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
    axes = None
    by_rows = OBJECTIVES[objective].by_rows and not hidden and inputs.entries > _FULL_BATCH
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
    strategy = GradientWidth(task.module, settings.resolved_price) if masked else None
    options = settings.training_options(seed, target_loss=task.target_loss)
    history = train(task, settings.mask_training(options) if masked else options, strategy)
    encoder = encoder.cpu().float()
    if axes is not None:
        encoder = encoder.behind(axes)
    return encoder.compact() if masked else encoder, history.to_dict()


def told_from(held: int, pairs: Tensor | None = None) -> str:
    """Which nodes and edges a width was told from, in words.

    Examples
    --------
    >>> told_from(270), told_from(0)
    ('270 nodes held out', 'the nodes fitted, none held out')
    >>> from torch import zeros
    >>> told_from(270, zeros(80, 2))
    '270 nodes and 40 edges held out'
    """
    edges = 0 if pairs is None else len(pairs) // 2
    if held and edges:
        return f"{counted(held, 'node')} and {counted(edges, 'edge')} held out"
    if edges:
        return f"{counted(edges, 'edge')} held out, and the nodes fitted"
    return f"{counted(held, 'node')} held out" if held else "the nodes fitted, none held out"
