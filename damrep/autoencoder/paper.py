"""The paper's training as it stands there, to compare with: `paper_lambda`.

The squared error in the data's own units and lambda times beta, by Adam, weights and beta together
(Bu, Daw, Maruf, Karpatne, NeurIPS 2021, arXiv 2110.00684, eq. 3), with gates of the paper's
steepness and nothing drawn. Nothing is added, so what a lambda means hangs on the scale of the data
and on the width. In the end the open units are rotated into the order of what they carry, and those
that carry nothing are cut: an open gate may have nothing behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from damrep.autoencoder.masked import NetworkFit
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_losses
from damrep.autoencoder.rows import Rows
from damrep.masking.compaction import slice_linear
from damrep.masking.dam import DAM
from damrep.masking.gradient import GradientWidth
from damrep.masking.moments import second_moment
from damrep.masking.price import lambda_to_price
from damrep.masking.rotation import rotate_
from damrep.masking.validation import check_number
from damrep.training import TrainingOptions, train

__all__ = ["PAPER_OPTIONS", "train_as_in_the_paper"]

# What the paper's code trains with.
PAPER_OPTIONS: dict[str, Any] = {
    "lr": 1e-2,
    "beta_lr": None,
    "weight_decay": 1e-6,
    "schedule": "constant",
    "cold_start_epochs": 0,
}
_NOTHING = 1e-4  # of what all units carry: units below it are empty
_MEASURED = 4000  # rows that are looked at for it


def train_as_in_the_paper(
    network: AutoencoderNetwork,
    rows: Rows,
    held_out: Rows,
    batch_size: int,
    paper_lambda: float,
    variance: float,
    options: TrainingOptions,
) -> NetworkFit:
    """Train an autoencoder and its mask by the paper's loss, with the paper's settings.

    Parameters
    ----------
    network
        Without a linear path, at its full width; trained in place.
    rows, held_out
        Rows to train on, and to measure losses on.
    batch_size
        Rows a step.
    paper_lambda
        Weight of beta beside the loss.
    variance
        Mean variance of a column of the data in its own units: what a loss of 1 stands for.
    options
        How long, where and from which seed; the rest is `PAPER_OPTIONS`.

    Raises
    ------
    InputError
        If `paper_lambda` is negative or not finite.
    """
    lam = check_number("paper_lambda", paper_lambda, low=0.0)
    module = _Masked(network)
    task = _Reconstruction(module, rows, batch_size, variance)
    strategy = GradientWidth(module, lambda_to_price(lam, network.width))
    history = train(task, replace(options, **PAPER_OPTIONS), strategy).to_dict()
    history["loss"] = [loss / variance for loss in history["loss"]]
    gate = module.mask.gate().detach().flip(0).tolist()
    small = _carrying(module.cpu(), rows)
    loss = prefix_losses(small, held_out, [small.width])[0]
    steps = len(history["epoch"]) * task.num_batches()
    return NetworkFit(small, [[small.width, loss]], loss, history, steps, gate)


class _Masked(nn.Module):
    """An autoencoder with the paper's mask over its codes, the first code on the last gate."""

    def __init__(self, network: AutoencoderNetwork) -> None:
        super().__init__()
        self.network, self.mask = network, DAM(network.width)

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = self.mask(self.network.encode(x).flip(-1)).flip(-1)
        return self.network.decode(gated)


class _Reconstruction:
    """Mean squared error of rows in the data's own units."""

    def __init__(self, module: _Masked, rows: Rows, batch_size: int, variance: float) -> None:
        self.module = module
        self._rows, self._size, self._variance = rows, batch_size, variance

    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self._rows.num_batches(self._size)

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        """Rows in random order."""
        return self._rows.batches(self._size, generator)

    def loss(self, batch: Tensor) -> Tensor:
        """Of a batch."""
        return (self.module(batch) - batch).square().mean() * self._variance


@torch.no_grad()
def _carrying(module: _Masked, rows: Rows) -> AutoencoderNetwork:
    """The network of the open units that carry something, gates folded in, strongest first."""
    network = module.network.cut(max(1, module.mask.n_active))
    gate = module.mask.gate().detach().flip(0)[: network.width]
    into, out = network.encoder[-1], network.decoder[0]
    assert isinstance(into, nn.Linear) and isinstance(out, nn.Linear)
    into = slice_linear(into, rows=torch.arange(network.width), row_scale=gate)
    network.encoder[-1] = into
    codes = network.encode(rows.take(slice(0, _MEASURED)).to(into.weight))
    moment = second_moment(codes) / len(codes)
    carried = rotate_(into, out, moment, ascending=False, mean=codes.double().mean(dim=0))
    return network.cut(max(1, int((carried > _NOTHING * carried.sum()).sum())))
