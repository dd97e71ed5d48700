"""The masked bottleneck, trained to tell a node's neighbours from other nodes.

It begins as the linear bottleneck in closed form (`damrep.graph.encoding.canonical`) and learns
from edges: the codes of two neighbours are to be nearer to each other than to those of the other
pairs of the batch (InfoNCE, van den Oord et al., arXiv 1807.03748), and the codes of a node are to
say what its neighbours are like. Every pair and every node has a width of its own, drawn by the
mask, so one training makes all widths good. Edges and nodes held out decide how many
units stay open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from damrep.masking.bottleneck import Bottleneck
from damrep.masking.moments import inverse, second_moment
from damrep.masking.strategy import MaskStrategy
from damrep.training import History, TrainingOptions, torch_generator, train

__all__ = ["NeighbourContrast", "train_bottleneck"]

_BATCH = 512
_PASSES = 8  # over the edges: more of them spoil small graphs
_FEWEST, _MOST = 40, 200  # steps
_TEMPERATURE = 0.2
_DROPPED = 0.2  # of the columns in a step
# Widths below a budget are drawn as if they cost up to so much more.
_BELOW = 0.1


class NeighbourContrast:
    """Trains a bottleneck on pairs of neighbours, for `damrep.training`.

    Parameters
    ----------
    head
        Without bias, its mask in training mode where widths are drawn.
    z, partner
        Representation of the nodes and of their neighbours, about the mean, (n, width).
    rows
        Nodes to learn from, (k,).
    pairs
        Neighbours among them, (m, 2), two pairs at least.

    Examples
    --------
    >>> z = torch.eye(4)
    >>> task = NeighbourContrast(Bottleneck(4), z, z, torch.arange(4), torch.tensor([[0, 1]] * 2))
    >>> batch = task.batches(torch.Generator().manual_seed(0))[0]
    >>> task.loss(batch).shape
    torch.Size([])
    """

    def __init__(
        self, head: Bottleneck, z: Tensor, partner: Tensor, rows: Tensor, pairs: Tensor
    ) -> None:
        self.module = head
        self.z, self.partner, self.rows, self.pairs = z, partner, rows, pairs
        self.reference = float(partner[rows].square().sum(dim=1).mean())

    def place(self, device: torch.device) -> None:
        """Move the representations too."""
        self.z, self.partner = self.z.to(device), self.partner.to(device)

    def num_batches(self) -> int:
        """One step an epoch."""
        return 1

    def batches(self, generator: torch.Generator) -> list[dict[str, Tensor]]:
        """Random pairs, random nodes, and the columns that are kept."""

        def some(of: Tensor) -> Tensor:
            return of[torch.randint(len(of), (min(_BATCH, len(of)),), generator=generator)]

        kept = torch.rand(self.z.shape[1], generator=generator) >= _DROPPED
        return [{"pairs": some(self.pairs), "rows": some(self.rows), "keep": kept}]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean of both losses, each a share of that of codes that tell nothing."""
        keep = batch["keep"] / (1 - _DROPPED)
        codes = self.module(self.z[batch["pairs"]] * keep)  # a pair is masked as one row
        one, other = F.normalize(codes, dim=-1).unbind(dim=1)
        alike = one @ other.T / _TEMPERATURE
        own = torch.arange(len(alike), device=alike.device)
        told = (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)) / 2
        rows = batch["rows"]
        left = self.module.reconstruct(self.z[rows] * keep) - self.partner[rows]
        left_over = left.square().sum(dim=1).mean() / self.reference
        return (told / math.log(len(own)) + left_over) / 2


def train_bottleneck(
    head: Bottleneck,
    z: Tensor,
    partner: Tensor,
    fit: Tensor,
    edges: Tensor,
    curve: Callable[[bool], np.ndarray],
    price: float | None,
    options: TrainingOptions,
) -> History:
    """Train a bottleneck in place behind its mask, and leave open what is worth its price.

    Parameters
    ----------
    head
        From `Bottleneck.strongest`, after a `fit_rotation` on the nodes of `fit`.
    z, partner
        Representation of all nodes and of their neighbours, (n, width).
    fit
        Nodes to learn from; the others decide the width.
    edges
        Pairs of neighbours, (m, 2), each once, two of them at least among the nodes of `fit`.
    curve
        Gives the held-out losses at every width; is told whether it is the last look.
    price
        Share of that loss a unit must earn; None keeps all units and puts them in order.
    options
        Of the training; how long it takes goes by the number of edges.
    """
    assert options.seed is not None
    mean = z[fit].mean(dim=0)
    z, partner = z - mean, partner - partner[fit].mean(dim=0)
    n = head.mask.num_features
    with torch.no_grad():
        head.encoder.bias.zero_()
        # Adam's steps are of one size whatever the weights are; the size of codes is free.
        head.encoder.weight.div_(head.encoder.weight.square().mean().sqrt() * z.shape[1] ** 0.5)
        codes = head.encoder(z[fit]).double()
        told = second_moment(partner[fit].double(), codes)
        head.decoder.weight.copy_(told @ inverse(second_moment(codes), of="the codes"))
        head.decoder.bias.zero_()
    steps = int(min(_MOST, max(_FEWEST, _PASSES * len(edges) / _BATCH)))
    task = NeighbourContrast(head, z, partner, fit, edges)

    def losses(widths: Sequence[int], last: bool) -> list[float]:
        found = curve(last)
        return [float(found[m - 1]) for m in widths]

    def costs(left: np.ndarray, share: float) -> np.ndarray:
        wide = np.arange(1, n + 1)
        if price is None:
            return np.asarray(1 + _BELOW * (n - wide) / n)
        return share * left + price * wide

    strategy = MaskStrategy(
        head,
        head.mask,
        steps,
        losses,
        costs,
        torch_generator(options.seed),
        slack=0.0 if price is None else price / 2,
        first_share=1.0,  # the closed form is near
    )
    history = train(task, replace(options, max_epochs=steps), strategy)
    head.cpu()
    with torch.no_grad():
        head.encoder.bias.sub_(head.encoder.weight @ mean)
        head.decoder.bias.copy_(mean)
    head.refit_decoder()  # it told what the neighbours are like
    return history
