"""Fitting with labels: a DAM-masked classifier whose last representation is the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from damrep.graph.data.graph import Graph
from damrep.graph.data.labels import encode_labels
from damrep.graph.encoding.encoders import make_encoder
from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.objectives import GraphTask
from damrep.graph.encoding.propagation import smooth
from damrep.graph.encoding.representation import CompactEmbedding
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.fitting import Fitted, told_from
from damrep.graph.settings import EmbeddingSettings
from damrep.masking.compaction import slice_linear
from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.gradient import GradientWidth
from damrep.masking.moments import second_moment
from damrep.masking.ranges import as_good
from damrep.masking.rotation import rotate_latent
from damrep.masking.search import exact_width
from damrep.masking.strategy import MaskStrategy
from damrep.masking.validation import InputError
from damrep.training import Strategy, local_seed, torch_generator, train

__all__ = ["fit_supervised", "supervision"]

_DROPOUT = 0.5
_PATIENCE = 50
# A wide classifier overfits before it has learned unless its steps shrink with its width: on the
# validation nodes of Cora 512 units reach .79 this way and .75 at the rate that suits 16 units.
_WIDTH_OF_LR = 32
_WIDEST = 64  # that a mask begins with


class Classification(GraphTask):
    """Cross-entropy of the training labels, as a share of that of their class frequencies."""

    def __init__(
        self,
        encoder: GraphEncoder,
        inputs: GraphInputs,
        feature_dropout: float,
        labels: np.ndarray,
        rows: np.ndarray,
        held_out: np.ndarray,
        smoothing: int,
        masked: bool = False,
    ) -> None:
        self.masked = masked
        self.classes = int(labels.max()) + 1
        self.smoothing = smoothing
        super().__init__(encoder, inputs, feature_dropout)
        self.smoother = inputs.operator("gcn")
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.rows, self.held_out = torch.from_numpy(rows), torch.from_numpy(held_out)
        shares = np.bincount(labels[rows], minlength=self.classes) / len(rows)
        self.reference = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The mask, if there is one, and the linear classifier behind it."""
        self.mask = DAM(width, alpha=step_alpha(width))
        mask = {"mask": self.mask} if self.masked else {}
        return {**mask, "classifier": nn.Linear(width, self.classes)}

    def place(self, device: torch.device) -> None:
        """Move the labels too."""
        super().place(device)
        self.labels = self.labels.to(device)
        self.smoother = self.smoother.to(device)
        self.rows, self.held_out = self.rows.to(device), self.held_out.to(device)

    def represent(self, keep: Tensor | None) -> Tensor:
        """Representation of all nodes, smoothed."""
        first = self.encoder.layers[0].project_features(self.x, keep)
        hidden = self.encoder.forward_projected(first, self.operator)
        smoothed: Tensor = smooth(self.smoother, hidden, self.smoothing)
        return smoothed

    def classify(self, z: Tensor) -> Tensor:
        """Scores of some nodes, each at a width of its own while widths are drawn."""
        scores: Tensor = self.module["classifier"](self.mask(z) if self.masked else z)
        return scores

    def cross_entropies(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Normalised cross-entropy of the scores of each of some nodes."""
        return F.cross_entropy(logits, self.labels[rows], reduction="none") / self.reference

    def cross_entropy(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Its mean."""
        return self.cross_entropies(logits, rows).mean()

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Loss of the training labels, units dropped at random before the classifier."""
        z = F.dropout(self.represent(batch["keep"])[self.rows], _DROPOUT, self.module.training)
        return self.cross_entropy(self.classify(z), self.rows)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss of the held-out labels."""
        logits = self.classify(self.represent(None)[self.held_out])
        return float(self.cross_entropy(logits, self.held_out))

    @torch.no_grad()
    def rows_lose(self, widths: Sequence[int]) -> Tensor:
        """Loss of each held-out label, (rows, widths), told from the units open longest."""
        z = self.represent(None)[self.held_out]
        classifier: Any = self.module["classifier"]
        told = [z[:, -m:] @ classifier.weight[:, -m:].T + classifier.bias for m in widths]
        return torch.stack([self.cross_entropies(each, self.held_out) for each in told], dim=1)

    def losses(self, widths: Sequence[int], last: bool = True) -> list[float]:
        """Their means."""
        return self.rows_lose(widths).mean(dim=0).tolist()


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

    "mask": a mask stands before the classifier, each labelled node is trained at a width drawn for
    it, and the labels held out decide how many units stay open. "search", and where the hidden
    layers have masks: trained wide, the representation is rotated against the classifier and cut
    where another unit no longer lowers the held-out cross-entropy by its price; what a linear
    classifier can use is at most one dimension a class. A budget is trained directly at that width.

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
    budget = settings.n_components
    masked = settings.resolved_strategy == "mask" and budget is None and not settings.mask_hidden
    width = settings.max_components if budget is None else budget
    if masked:
        # More a linear classifier has no use for, and a wider network learns too slowly.
        width = min(width, max(_WIDEST, 2 * int(labels.max() + 1)))
    widths = [*settings.hidden, width]
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
            masked,
        )
    options = settings.training_options(
        seed,
        patience=settings.patience or _PATIENCE,
        lr=settings.lr * min(1.0, _WIDTH_OF_LR / widths[-1]),
    )
    strategy: Strategy | None = None
    if settings.mask_hidden:
        strategy, options = (
            GradientWidth(task.module, settings.resolved_price),
            settings.mask_training(options),
        )
    elif masked:
        wide = range(1, widths[-1] + 1)
        strategy = MaskStrategy(
            task.module,
            task.mask,
            options.max_epochs,
            task.losses,
            lambda losses, share: share * losses + settings.resolved_price * np.array(wide),
            torch_generator(seed),
            slack=settings.resolved_price / 2,
        )
    history = train(task, options, strategy)
    task.module.cpu().float()
    task.place(torch.device("cpu"))
    gate: list[float] = []
    rows_lose: Tensor | None = None
    if masked:
        rows_lose = task.rows_lose(wide)
        encoder.masks[-1] = mask = task.mask
        order = torch.nonzero(mask.active).flatten()
        gate = mask.gate().detach().flip(0).tolist()
        task.module["classifier"] = slice_linear(task.module["classifier"], cols=order)
    if masked or settings.mask_hidden:
        task.encoder, task.masked = encoder.compact(), False
    with torch.no_grad():
        z = task.represent(None)
    if masked or budget is not None:
        # Open units in mask order, the last first; without a mask they are in no order.
        reduce = torch.eye(z.shape[1]).flip(0)
        trained: Any = task.module["classifier"]
        weight, bias = trained.weight.detach().flip(1), trained.bias.detach()
    else:
        reduce, weight, bias, rows_lose = _cut(settings, task, z)
    if rows_lose is None:
        loss = task.validation_loss()
        good, curve = {}, [[z.shape[1], loss]]
    else:
        wide = range(1, rows_lose.shape[1] + 1)
        good = {
            "as good": list(
                as_good([rows_lose.numpy()], wide, settings.resolved_price, len(reduce))
            )
        }
        curve = [[m, mean] for m, mean in enumerate(rows_lose.mean(dim=0).tolist(), start=1)]
        loss = task.validation_loss() if masked else curve[len(reduce) - 1][1]
    # Uninitialised, since drawing initial weights would advance the global random state.
    classifier: nn.Linear = nn.utils.skip_init(nn.Linear, len(reduce), task.classes)
    with torch.no_grad():
        classifier.weight.copy_(weight)
        classifier.bias.copy_(bias)
    return Fitted(
        compact=CompactEmbedding(
            task.encoder, reduce.contiguous(), None, torch.zeros(len(reduce)), settings.smoothing, 0
        ),
        wide=None,
        initial=widths[-1] if masked else settings.max_components,
        curve=curve,
        gate=gate,
        history=history.to_dict(),
        loss=loss,
        classifier=classifier,
        reference_loss=task.reference,
        details={
            "hidden_widths": task.encoder.widths[:-1],
            "width told from": told_from(int((~np.isin(held_out, train_rows)).sum())),
            **good,
        },
        strategy="mask" if masked else "search",
    )


def _cut(
    settings: EmbeddingSettings, task: Classification, z: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rotate the representation against the classifier; keep what earns its price."""
    classifier: Any = task.module["classifier"]
    mean = z.mean(dim=0)
    moment = second_moment(z.double() - mean) / len(z)
    found = rotate_latent(classifier.weight.detach().double(), moment, ascending=False)
    useful = min(task.classes, z.shape[1])
    transform = found.transform[:useful].float()
    weight = found.decoder_weight[:, :useful].float()
    bias = classifier.bias.detach()
    codes = z @ transform.T
    centre = transform @ mean
    held = task.held_out
    rows_lose = torch.stack(
        [
            task.cross_entropies(
                codes[held, :m] @ weight[:, :m].T + bias + weight[:, m:] @ centre[m:], held
            )
            for m in range(1, useful + 1)
        ],
        dim=1,
    )
    losses = rows_lose.mean(dim=0).tolist()
    width = exact_width(losses, settings.resolved_price)
    # A unit cut away is replaced by its mean.
    bias = bias + weight[:, width:] @ centre[width:]
    return transform[:width], weight[:, :width], bias, rows_lose


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
