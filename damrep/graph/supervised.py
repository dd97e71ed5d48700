"""Fitting with labels: a classifier, and a mask on what it reads, which is the embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from damrep.graph.classification import Classification, Distillation
from damrep.graph.data.graph import Graph
from damrep.graph.data.labels import encode_labels
from damrep.graph.encoding.encoders import make_encoder
from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.representation import CompactEmbedding, EncodedNodes
from damrep.graph.fitting import Fitted, told_from
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.gradient import GradientWidth
from damrep.masking.ranges import as_good
from damrep.masking.search import exact_width
from damrep.masking.strategy import MaskStrategy
from damrep.masking.validation import InputError
from damrep.training import local_seed, torch_generator, train

__all__ = ["fit_supervised", "supervision"]

_PATIENCE = 50
_LR = 2.5  # times the learning rate of the encoders without labels
_WIDE = 64  # or twice the classes: wider ones are not better
# Of the mask: steps, and what they are made with.
_STEPS, _MASK_LR = 300, 0.01
_BELOW = 0.1  # widths below a budget are drawn as if they cost up to so much more


def supervision(
    graph: Graph, y: Any
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, np.ndarray | None]:
    """What a classifier learns from: class numbers and names, and which nodes.

    Parameters
    ----------
    graph
        Its own labels are taken where `y` is None, and then only those of its "train" split to
        learn from and of its "val" split to hold out, where it has them.
    y
        Labels, shape (n,), or None.

    Returns
    -------
    labels
        Class of each node, (n,), -1 where unknown.
    names
        Of the classes.
    rows, held_out
        Node positions; None where nothing is held out yet.

    Raises
    ------
    InputError
        If there are no labels, several a node, or one of its own for each node.
    """
    rows, held_out = np.arange(graph.num_nodes), None
    names: tuple[str, ...] | None
    if y is not None:
        labels, names = encode_labels(y, graph.num_nodes, where="y")
    elif graph.labels is not None:
        labels, names = graph.labels, graph.label_names
        if graph.splits is not None and "train" in graph.splits:
            rows = np.flatnonzero(_first_split(graph.splits["train"]))
            if "val" in graph.splits:
                held_out = np.flatnonzero(_first_split(graph.splits["val"]))
    else:
        raise InputError('objective "supervised" needs labels: y is None and the graph has none')
    if labels.ndim == 2:
        raise InputError('objective "supervised" needs one label a node, got several')
    known = int((labels >= 0).sum())
    if names is not None and len(names) == known > 2:
        raise InputError(
            f"y: each of the {known:,} labelled nodes has a label of its own; expected classes "
            "that several nodes share"
        )
    return labels, tuple(names or map(str, range(int(labels.max()) + 1))), rows, held_out


def fit_supervised(
    settings: EmbeddingSettings,
    inputs: GraphInputs,
    labels: np.ndarray,
    train_rows: np.ndarray,
    held_out: np.ndarray | None,
    seed: int,
) -> Fitted:
    """Train encoder and classifier, learn the width of what stands between them, cut.

    The classifier is trained without a mask, and stopped by the labels held out. Then "mask": what
    it reads is rotated and learns behind a mask to say the same with fewer dimensions, of which the
    labels held out decide how many. "search": the rotation alone, cut where another unit no longer
    lowers their cross-entropy by its price. A budget of as many dimensions as there are classes, or
    more, is trained directly at that width.

    Parameters
    ----------
    settings, inputs, seed
        As for `fit_unsupervised`.
    labels
        Class of each node, (n,), -1 where unknown.
    train_rows, held_out
        Node positions to learn from and to hold out; None takes a share of the former.

    Raises
    ------
    InputError
        If the labels to learn from are of fewer than two classes.
    """
    train_rows, held_out = _split(settings, labels, train_rows, held_out, seed)
    classes, budget = int(labels.max()) + 1, settings.n_components
    direct = budget is not None and budget >= classes
    widest = min(settings.max_components, max(_WIDE, 2 * classes))
    widths = [*settings.hidden, budget if budget is not None and direct else widest]
    with local_seed(seed):
        encoder = make_encoder(
            settings.encoder,
            inputs.num_features,
            widths,
            masked=[settings.mask_hidden] * (len(widths) - 1) + [False],
        )
        task = Classification(
            encoder,
            inputs,
            settings.feature_dropout,
            labels,
            train_rows,
            held_out,
            settings.smoothing,
        )
    options = settings.training_options(
        seed, patience=settings.patience or _PATIENCE, lr=_LR * settings.lr
    )
    if settings.mask_hidden:
        strategy = GradientWidth(task.module, settings.resolved_price)
        history = train(task, settings.mask_training(options), strategy).to_dict()
    else:
        history = train(task, options).to_dict()
    classifier = task.finish(restore=not settings.mask_hidden)
    block = EncodedNodes(encoder.compact() if settings.mask_hidden else encoder, settings.smoothing)
    z = block.transform(inputs)
    gate: list[float] = []
    good: tuple[int, int] | None = None
    if direct:
        back, bias = torch.eye(z.shape[1]), torch.zeros(z.shape[1])
        with torch.no_grad():
            scores, told = classifier(z)[held_out], torch.from_numpy(labels[held_out]).long()
            loss = float(nn.functional.cross_entropy(scores, told)) / task.reference
        curve = [[z.shape[1], loss]]
    else:
        head = Distillation(z, classifier, budget, labels, held_out, task.reference)
        masked = settings.resolved_strategy == "mask"
        if masked:
            found = _train_mask(settings, head, seed)
            history.update({f"mask.{key}": values for key, values in found.items()})
            gate = head.mask.gate().detach().flip(0).tolist()
        units = range(1, head.mask.num_features + 1)
        rows_lose = head.rows_lose(units)
        losses = rows_lose.mean(dim=0).tolist()
        if not masked:
            cheapest = exact_width(losses, settings.resolved_price)
            head.mask.set_width(cheapest if budget is None else len(units))
        width = head.mask.n_active
        if budget is None:
            good = as_good([rows_lose.numpy()], units, settings.resolved_price, width)
        curve, loss = [[m, told] for m, told in zip(units, losses, strict=True)], losses[width - 1]
        back, classifier = head.cut()
        bias = -(back @ head.mean)
    model = CompactEmbedding(None, None, None, bias, 0, 0)
    return Fitted(
        compact=block.fold(model, back.double()),
        wide=None,
        initial=z.shape[1],
        curve=curve,
        gate=gate,
        history=history,
        loss=loss,
        classifier=classifier,
        reference_loss=task.reference,
        details={
            "hidden_widths": block.encoder.widths[:-1],
            "width told from": told_from(int((~np.isin(held_out, train_rows)).sum())),
            **({} if good is None else {"as good": list(good)}),
        },
        strategy="mask" if gate else "search",
    )


def _train_mask(settings: EmbeddingSettings, head: Distillation, seed: int) -> dict[str, list[Any]]:
    """Train the codes behind their mask, which leaves open what is worth its price."""
    price = settings.resolved_price
    wide = np.arange(1, head.mask.num_features + 1)

    def costs(losses: np.ndarray, share: float) -> np.ndarray:
        if settings.n_components is None:
            return np.asarray(share * losses + price * wide)
        return 1 + _BELOW * (1 - wide / len(wide))

    strategy = MaskStrategy(
        head.module,
        head.mask,
        _STEPS,
        head.losses,
        costs,
        torch_generator(seed),
        slack=0.0 if settings.n_components is not None else price / 2,
        first_share=1.0,  # the rotation is near
    )
    options = settings.training_options(
        seed,
        max_epochs=_STEPS,
        lr=_MASK_LR,
        weight_decay=0.0,
        patience=None,
        schedule="cosine",
        precision="32-true",
        description="mask",
    )
    return train(head, options, strategy).to_dict()


def _split(
    settings: EmbeddingSettings,
    labels: np.ndarray,
    rows: np.ndarray,
    held_out: np.ndarray | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    rows = rows[labels[rows] >= 0]
    if len(np.unique(labels[rows])) < 2:
        raise InputError("y: expected at least two classes among the labelled nodes")
    if held_out is not None and (labels[held_out] >= 0).any():
        return rows, held_out[labels[held_out] >= 0]
    order = np.random.default_rng(seed).permutation(rows)
    count = max(1, int(settings.validation_fraction * len(rows)))
    # One node of each class stays in training whatever the draw.
    firsts = {int(labels[node]): node for node in order[::-1]}
    free = order[~np.isin(order, list(firsts.values()))]
    held = free[:count]
    if len(held) == 0:
        held = order
    kept = rows if len(held) == len(order) else rows[~np.isin(rows, held)]
    return kept, held


def _first_split(mask: np.ndarray) -> np.ndarray:
    return mask if mask.ndim == 1 else mask[:, 0]
