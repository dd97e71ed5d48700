"""What is trained where there are labels: the classifier, then the mask on what it reads.

The classifier is trained as wide as is good for it. What it reads is then rotated into the few
directions that its scores hang on, and a mask learns how many of these are needed: every node is
told what the classifier says of it from a width of its own, drawn by the mask (distillation,
Hinton et al., arXiv 1503.02531). So all nodes teach the mask, not the few that have labels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.propagation import smooth
from damrep.graph.encoding.rows import BATCH, draw_rows
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.encoding.tasks import GraphTask
from damrep.masking.compaction import slice_linear
from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.moments import second_moment
from damrep.masking.rotation import rotate_latent

__all__ = ["Classification", "Distillation"]

# Kipf and Welling's (arXiv 1609.02907): of hidden units, and of the first layer's weights.
_DROPOUT, _DECAY = 0.5, 5e-4
# The decay means nothing where weights are small because features are large. Rows of this share of
# their usual length are about those of the paper: on Cora .81 in place of .79.
_SHORTER = 0.05
_ROUNDING = 1e-6  # of the strongest direction's scores


class Classification(GraphTask):
    """Cross-entropy of the training labels, as a share of that of their class frequencies.

    Parameters
    ----------
    encoder, inputs, feature_dropout
        As for `GraphTask`.
    labels
        Class of each node, (n,), -1 where unknown.
    rows, held_out
        Nodes to learn from, and to stop by.
    smoothing
        Propagation steps behind the encoder.
    """

    def __init__(
        self,
        encoder: GraphEncoder,
        inputs: GraphInputs,
        feature_dropout: float,
        labels: np.ndarray,
        rows: np.ndarray,
        held_out: np.ndarray,
        smoothing: int,
    ) -> None:
        self.classes = int(labels.max()) + 1
        self.smoothing = smoothing
        short = replace(inputs, features=inputs.features * np.float32(_SHORTER))
        super().__init__(encoder, short, feature_dropout)
        self.smoother = inputs.operator("gcn")
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.rows, self.held_out = torch.from_numpy(rows), torch.from_numpy(held_out)
        shares = np.bincount(labels[rows], minlength=self.classes) / len(rows)
        self.reference = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
        self.best: tuple[float, dict[str, Any]] = math.inf, {}
        with torch.no_grad():
            for activation in encoder.activations:  # ReLU is a little better here
                activation.weight.requires_grad_(False).zero_()

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The linear classifier."""
        classifier = nn.Linear(width, self.classes)
        nn.init.xavier_uniform_(classifier.weight)
        return {"classifier": classifier}

    def place(self, device: torch.device) -> None:
        """Move the labels too."""
        super().place(device)
        self.labels = self.labels.to(device)
        self.smoother = self.smoother.to(device)
        self.rows, self.held_out = self.rows.to(device), self.held_out.to(device)

    def represent(self, keep: Tensor | None) -> Tensor:
        """Representation of all nodes, smoothed."""
        first = self.encoder.layers[0].project_features(self.x, keep)
        if keep is not None:
            first = first / (1 - self.feature_dropout)
        hidden = self.encoder.forward_projected(first, self.operator)
        smoothed: Tensor = smooth(self.smoother, hidden, self.smoothing)
        return smoothed

    def cross_entropy(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Normalised cross-entropy of the scores of some nodes."""
        return F.cross_entropy(logits, self.labels[rows]) / self.reference

    def decay(self) -> Tensor:
        """What the first layer's weights cost; Adam's own decay is not this one."""
        weights = [w for w in self.encoder.layers[0].parameters() if w.dim() == 2]
        squares = torch.stack([weight.square().sum() for weight in weights]).sum()
        return _DECAY / 2 * squares / self.reference

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Loss of the training labels, units dropped at random before the classifier."""
        z = F.dropout(self.represent(batch["keep"])[self.rows], _DROPOUT, self.module.training)
        return self.cross_entropy(self.module["classifier"](z), self.rows) + self.decay()

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss of the held-out labels."""
        z = self.represent(None)[self.held_out]
        return float(self.cross_entropy(self.module["classifier"](z), self.held_out))

    def after_epoch(self, row: dict[str, Any]) -> None:
        """Remember the weights that told the held-out labels best."""
        if row["validation_loss"] < self.best[0]:
            self.best = row["validation_loss"], copy.deepcopy(self.module.state_dict())

    def finish(self, restore: bool) -> nn.Linear:
        """Let the encoder read features of their usual length; give the classifier.

        Parameters
        ----------
        restore
            Whether to go back to the best weights.
        """
        if restore:
            self.module.load_state_dict(self.best[1])
        self.module.cpu().float()
        with torch.no_grad():
            for weight in self.encoder.layers[0].parameters():
                if weight.dim() == 2:
                    weight.mul_(_SHORTER)
        classifier: Any = self.module["classifier"]
        return classifier


class Distillation:
    """A mask on what a classifier reads, that learns to say the same with fewer dimensions.

    The directions its scores hang on are one fewer than there are classes at most, as only
    differences between scores count. They are the codes to begin with, each of unit variance and
    the strongest last.

    Parameters
    ----------
    z
        What the classifier reads, of all nodes, (n, width).
    classifier
        Of width -> classes.
    most
        Dimensions at most; None for no limit.
    labels
        Class of each node, (n,).
    held_out
        Nodes whose labels decide.
    reference
        Cross-entropy that the loss 1 stands for.

    Examples
    --------
    >>> z, classifier = torch.randn(50, 8), nn.Linear(8, 3)
    >>> labels = classifier(z).argmax(dim=1).numpy()
    >>> head = Distillation(z, classifier, None, labels, np.arange(50), 1.1)
    >>> head.mask.num_features, float(head.loss(torch.arange(50)).detach()) < 1e-6
    (2, True)
    """

    def __init__(
        self,
        z: Tensor,
        classifier: nn.Linear,
        most: int | None,
        labels: np.ndarray,
        held_out: np.ndarray,
        reference: float,
    ) -> None:
        self.mean = z.mean(dim=0)
        centred = z - self.mean
        weight = classifier.weight.detach().double()
        weight = weight - weight.mean(dim=0)
        moment = second_moment(centred.double()) / len(z)
        found = rotate_latent(weight, moment)
        there = int((found.variance > _ROUNDING * found.variance.max()).sum())
        width = max(1, min(there, len(weight) - 1, most or there))
        self.transform, decoder = found.transform[-width:], found.decoder_weight[:, -width:]
        size = (self.transform @ moment * self.transform).sum(dim=1).sqrt()
        size = torch.where(size > 0, size, 1.0)
        self.transform = (self.transform / size[:, None]).float()
        self.codes = centred @ self.transform.T
        with torch.no_grad():
            scores = classifier(z)
            self.target = torch.softmax(scores, dim=1)
        self.mask = DAM(width, alpha=step_alpha(width))
        # Uninitialised, since drawing weights would advance the global random state.
        turn = nn.utils.skip_init(nn.Linear, width, width, bias=False)
        last = nn.utils.skip_init(nn.Linear, width, len(weight))
        with torch.no_grad():
            turn.weight.copy_(torch.eye(width))
            last.weight.copy_(decoder * size)
            last.bias.copy_(scores.mean(dim=0))
        self.module = nn.ModuleDict({"turn": turn, "mask": self.mask, "classifier": last})
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.held_out, self.reference = torch.from_numpy(held_out), reference
        mean = self.target.mean(dim=0).expand_as(self.target).clamp(min=1e-12).log()
        self.spread = max(float(self.apart(mean, torch.arange(len(z)))), 1e-12)

    def place(self, device: torch.device) -> None:
        """Move the codes, and what is said of them."""
        self.codes, self.target = self.codes.to(device), self.target.to(device)
        self.labels, self.held_out = self.labels.to(device), self.held_out.to(device)

    def num_batches(self) -> int:
        """One step an epoch."""
        return 1

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        """Random nodes."""
        return [draw_rows(len(self.codes), BATCH, generator)]

    def apart(self, told: Tensor, rows: Tensor) -> Tensor:
        """Divergence of log-probabilities (k, classes) from what the classifier says."""
        return F.kl_div(told, self.target[rows], reduction="batchmean")

    def loss(self, rows: Tensor) -> Tensor:
        """Divergence as a share of that of the mean."""
        codes = self.mask(self.module["turn"](self.codes[rows]))
        told = torch.log_softmax(self.module["classifier"](codes), dim=1)
        return self.apart(told, rows) / self.spread

    @torch.no_grad()
    def rows_lose(self, widths: Sequence[int]) -> Tensor:
        """Loss of each held-out label, (rows, widths), told from the units open longest."""
        last: Any = self.module["classifier"]
        codes, labels = self.module["turn"](self.codes[self.held_out]), self.labels[self.held_out]
        told = [codes[:, -m:] @ last.weight[:, -m:].T + last.bias for m in widths]
        losses = [F.cross_entropy(scores, labels, reduction="none") for scores in told]
        return torch.stack(losses, dim=1).cpu() / self.reference

    def losses(self, widths: Sequence[int], last: bool = True) -> list[float]:
        """Their means."""
        return self.rows_lose(widths).mean(dim=0).tolist()

    @torch.no_grad()
    def cut(self) -> tuple[Tensor, nn.Linear]:
        """The open units, strongest first, from z about its mean, (m, width); their classifier."""
        self.module.cpu().float()
        kept = torch.nonzero(self.mask.active).flatten().flip(0)
        turn: Any = self.module["turn"]
        last: Any = self.module["classifier"]
        # As long as what they do to the scores: what says little is not to look as far apart.
        size = last.weight[:, kept].norm(dim=0).clamp(min=_ROUNDING)
        classifier = slice_linear(last, cols=kept)
        classifier.weight.div_(size)
        return size[:, None] * (turn.weight[kept] @ self.transform), classifier
