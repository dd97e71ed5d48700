"""Make the first few codes of a trained autoencoder tell as much as they can.

The autoencoder stays what it is: nothing about all of its codes changes. But a rotation of the
codes, undone by the decoder, is free, and keeps the distances between rows. It is learned together
with a `Completion`, which guesses the codes that a prefix lacks, by what the autoencoder
reconstructs from prefixes of every length.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor, nn

from damrep.autoencoder.completion import Completion
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_losses
from damrep.autoencoder.rows import Rows
from damrep.training import TrainingOptions, local_seed, torch_generator, train

__all__ = ["complete_prefixes"]

_STEPS = 750  # at most
_RATE = 2.5  # learning rates of the autoencoder
_LENGTHS = 16  # of prefixes in a step
_MEASURED = 4000  # rows, about, that the spread of codes is measured on


class _Turned(nn.Module):
    """A rotation of codes, and the completion of the rotated ones."""

    def __init__(self, completion: Completion) -> None:
        super().__init__()
        self.completion = completion
        n = len(completion.mean)
        self.skew = nn.Parameter(torch.zeros(n, n))

    def rotation(self) -> Tensor:
        """Any rotation near none, by Cayley's transform."""
        skew = (self.skew - self.skew.T).to(torch.promote_types(self.skew.dtype, torch.float32))
        none = torch.eye(len(skew)).to(skew)
        return torch.linalg.solve(none - skew, none + skew).to(self.skew.dtype)


class _Task:
    """Reconstruct rows from prefixes of all lengths, relative to what is lost at each."""

    def __init__(
        self, turned: _Turned, network: AutoencoderNetwork, rows: Rows, size: int, seed: int
    ) -> None:
        self.module, self._network = turned, network
        self._rows, self._size, self._generator = rows, size, torch_generator(seed)

    def place(self, device: torch.device) -> None:
        """The autoencoder is held, and no part of the module."""
        self._network.to(device)

    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self._rows.num_batches(self._size)

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        """Rows in random order."""
        return self._rows.batches(self._size, generator)

    def loss(self, batch: Tensor) -> Tensor:
        """Root of the mean squared error at a length, and its mean over some lengths."""
        n, lengths = self._network.width, min(_LENGTHS, len(batch))
        drawn = torch.randint(1, n, (lengths,), generator=self._generator).to(batch.device)
        group = torch.arange(len(batch), device=batch.device) % lengths
        rotation = self.module.rotation()
        given = (torch.arange(n, device=batch.device) < drawn[group, None]).to(rotation)
        x = batch.to(next(self._network.parameters()))
        with torch.no_grad():
            codes = self._network.encode(x).to(rotation)
        guessed = self.module.completion.guess(codes @ rotation.T, given) @ rotation
        errors = (self._network.decode(guessed.to(x)) - x).square().mean(dim=1)
        sums = errors.new_zeros(lengths).index_add(0, group, errors)
        # Squared, the shortest prefixes, which lose most, would have most of the gradient. The
        # smallest number keeps the root's slope finite where nothing is lost.
        return (sums / torch.bincount(group) + torch.finfo(sums.dtype).tiny).sqrt().mean()


def complete_prefixes(
    network: AutoencoderNetwork,
    rows: Rows,
    held_out: Rows,
    batch_size: int,
    options: TrainingOptions,
) -> int:
    """Give a network its `completion`, and rotate its codes so that there is little to complete.

    Nothing is done where there is one code.

    Parameters
    ----------
    network
        Trained, with hidden layers; changed in place.
    rows, held_out
        Rows to train on, and to find out on which lengths are worth completing: what is short of
        all codes never loses more on them than what is shorter, or than the mean row. All codes
        are decoded as before, and may lose more than a prefix where they were trained too little.
    batch_size
        Rows a step.
    options
        Of the fit at one width. At most 750 steps are taken, and no more than such a fit has.

    Returns
    -------
    int
        Steps taken.
    """
    if network.width == 1:
        return 0
    assert options.seed is not None
    weight = next(network.parameters())
    held = copy.deepcopy(network).to(rows.dtype).requires_grad_(False)
    with local_seed(options.seed):
        turned = _Turned(Completion(network.width, network.hidden)).to(rows.dtype)
    some = rows.batches(batch_size, torch_generator(options.seed))
    codes = torch.cat([held.encode(x) for x in islice(some, max(1, _MEASURED // batch_size))])
    spread = codes.std(dim=0, correction=0)
    turned.completion.mean.copy_(codes.mean(dim=0))
    turned.completion.scale.copy_(spread.clamp(min=1e-3 * float(spread.max()) or 1.0))
    task = _Task(turned, held, rows, batch_size, options.seed)
    epochs = min(options.max_epochs, math.ceil(_STEPS / task.num_batches()))
    train(
        task,
        replace(
            options,
            max_epochs=epochs,
            lr=_RATE * options.lr,
            schedule="cosine",
            description="prefixes",
        ),
    )
    turned = turned.to(weight)
    network.rotate(turned.rotation().detach())
    network.completion = turned.completion.requires_grad_(True)
    best, told = 1.0, [0]
    for m, loss in enumerate(prefix_losses(network, held_out, range(1, network.width)), start=1):
        told.append(m if loss < best else told[-1])
        best = min(best, loss)
    network.completion.told = told[1:]
    return epochs * task.num_batches()
