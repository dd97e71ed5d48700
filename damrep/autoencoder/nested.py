"""The search strategy: one training over all widths at once, then over fewer, then at one.

Every batch is reconstructed from the first m codes alone, with m drawn anew (nested dropout:
Rippel, Gelbart and Adams 2014). Codes come out in order, and the held-out loss at every width is
known from a single network. The width is looked for in two ways, for a network that may use more
codes settles in solutions that need them, and comes to the narrow ones only if it is held to few:

1. near: from PCA, where the network begins, m from two thirds of PCA's own width up to it;
2. far: m from all widths, then from half of the width that finds upwards;
3. where they find clearly two, each is trained a little at its own, which tells what it is worth;
4. the cheaper of the two is trained on, to 1.4 times the epochs of one fit in all, 1.5 after
   step 3. Its codes stay in order, any first few of them usable.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from damrep.autoencoder.goal import Goal
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.rows import Rows
from damrep.training import History, TrainingOptions, numpy_generator, train

__all__ = ["NestedFit", "PrefixTask", "fit_at_width", "prefix_losses", "search_nested"]

# Shares of the epochs a fit at one width would take.
_NEAR, _ALL, _FAR, _ONE = 0.35, 0.25, 0.2, 0.2
_ALL_ALIKE, _ALL_SETTLED = 1.4, 1.5  # all stages together
_LOOKS = 40  # at the held-out loss in the last stage
_ALIKE = 0.1  # share of a width by which two finds may differ and still be one
_ABOVE = 2  # widths beyond the one expected that belong to the range

Draw = Callable[[np.random.Generator], int]


class Ordered(Protocol):
    """A module whose first few codes can be used alone."""

    def encode(self, x: Tensor, width: int | None = None) -> Tensor:
        """The first `width` codes of rows."""

    def decode(self, codes: Tensor) -> Tensor:
        """Rows from the first few codes."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of the module."""


@dataclass
class NestedFit:
    """What a search leaves.

    Parameters
    ----------
    network
        Cut to the width found.
    curve
        Pairs [dims, held-out loss]: as measured about the width found, below that an estimate of
        what as much training there would come to.
    loss
        Held-out loss of `network`.
    history
        Columns of the training history.
    steps
        Optimiser steps taken.
    gate
        Of the mask, strongest unit first, where one was trained.
    details
        More for the report.
    """

    network: AutoencoderNetwork
    curve: list[list[float]]
    loss: float
    history: dict[str, list[Any]]
    steps: int
    gate: list[float] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class PrefixTask:
    """Reconstruct rows from their first codes, as many as are drawn for each batch.

    Parameters
    ----------
    network
        To be trained in place.
    rows
        Training rows.
    batch_size
        Rows a step.
    draw
        Gives the number of codes of a batch.
    held_out
        Rows to look at now and then: the weights that did best on them are put back by `restore`.
    every
        Epochs between looks.
    """

    def __init__(
        self,
        network: AutoencoderNetwork,
        rows: Rows,
        batch_size: int,
        draw: Draw,
        held_out: Rows | None = None,
        every: int = 1,
    ) -> None:
        self.module = network
        self._rows, self._size, self._draw = rows, batch_size, draw
        self._held_out, self._every = held_out, every
        self._best: tuple[float, dict[str, Tensor]] | None = None

    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self._rows.num_batches(self._size)

    def batches(self, generator: torch.Generator) -> Iterable[Any]:
        """Rows in random order, with the number of codes they are to be told from."""
        rng = numpy_generator(int(torch.randint(2**31, (1,), generator=generator)))
        for x in self._rows.batches(self._size, generator):
            yield x, self._draw(rng)

    def loss(self, batch: Any) -> Tensor:
        """Mean squared error, in units of the mean variance of a column."""
        x, width = batch
        return (self.module(x, width) - x).square().mean()

    def after_epoch(self, row: dict[str, Any]) -> None:
        """Look at the held-out loss now and then."""
        if self._held_out is not None and (row["epoch"] + 1) % self._every == 0:
            row["held_out_loss"] = self.look()

    def look(self) -> float:
        """The held-out loss; the weights are remembered if they are the best so far."""
        assert self._held_out is not None
        loss = prefix_losses(self.module, self._held_out, [self.module.width])[0]
        if self._best is None or loss < self._best[0]:
            self._best = loss, copy.deepcopy(self.module.state_dict())
        return loss

    def restore(self) -> None:
        """Put back the weights of the best look."""
        if self._best is not None:
            self.module.load_state_dict(self._best[1])


@torch.no_grad()
def prefix_losses(network: Ordered, rows: Rows, widths: Iterable[int]) -> list[float]:
    """Share of the rows' squares that is not reconstructed from the first m codes.

    Parameters
    ----------
    network, rows
        On any device, and read block by block.
    widths
        Numbers of codes m.

    Returns
    -------
    list of float
        One a width; 0 where there is nothing to reconstruct.
    """
    wanted = list(widths)
    device = next(network.parameters()).device
    left = torch.zeros(len(wanted), dtype=torch.float64)
    total = 0.0
    for block in rows.blocks():
        x = block.to(device)
        codes = network.encode(x, max(wanted))
        for place, m in enumerate(wanted):
            left[place] += float((network.decode(codes[:, :m]) - x).double().square().sum())
        total += float(block.double().square().sum())
    return [float(loss) for loss in left / total] if total > 0 else [0.0] * len(wanted)


def search_nested(
    network: AutoencoderNetwork,
    rows: Rows,
    held_out: Rows,
    batch_size: int,
    goal: Goal,
    linear_width: int,
    options: TrainingOptions,
) -> NestedFit:
    """Train a network, and find how many of its codes are enough.

    Takes at most 1.5 times the epochs of `options`, the choice of the width included.

    Parameters
    ----------
    network
        At its full width; trained in place.
    rows, held_out
        Rows to train on, and to measure losses on.
    batch_size
        Rows a step.
    goal
        What is enough.
    linear_width
        Codes that are enough in a linear autoencoder.
    options
        `max_epochs` is what a fit at one width would take.
    """
    n, epochs = network.width, options.max_epochs
    run = _Run(rows, held_out, batch_size, options)
    # Near: how far below the width of PCA a network can go that goes on from there.
    low, high = max(1, 2 * linear_width // 3), min(n, linear_width + _ABOVE)
    branches = [run.branch(network, low, high, goal, _share(_NEAR, epochs))]
    # Far: whether as much can be said in far fewer codes.
    losses = run.range(network, 1, n, _share(_ALL, epochs))
    curve = dict(enumerate(losses, start=1))
    rough = goal.width(losses)
    low, high = max(1, rough // 2), min(n, rough + _ABOVE)
    branches.append(run.branch(network, low, high, goal, _share(_FAR, epochs)))
    narrow, wide = sorted(branch.width for branch in branches)
    alike = wide - narrow <= _ALIKE * wide
    if not alike:
        for branch in branches:
            run.settle(branch, _share(_ONE, epochs))
    best = min(branches, key=lambda branch: goal.cost(branch.loss, branch.width))
    curve = _as_far_trained(curve, best.losses)
    network = best.network.cut(best.width)
    whole = math.floor((_ALL_ALIKE if alike else _ALL_SETTLED) * epochs)
    left = whole - len(run.history)
    loss = run.last_stage(network, max(1, left))
    # A wider network can do at least what a narrower one does.
    pairs = [[m, least] for m, least in zip(curve, accumulate(curve.values(), min), strict=True)]
    return NestedFit(network.cpu(), pairs, loss, run.history.to_dict(), run.steps)


def fit_at_width(
    network: AutoencoderNetwork,
    rows: Rows,
    held_out: Rows,
    batch_size: int,
    options: TrainingOptions,
) -> NestedFit:
    """Train a network at the width it has."""
    run = _Run(rows, held_out, batch_size, options)
    loss = run.last_stage(network, options.max_epochs)
    network = network.cpu()
    widths = range(1, network.width + 1)
    curve = [[m, x] for m, x in zip(widths, prefix_losses(network, held_out, widths), strict=True)]
    return NestedFit(network, curve, loss, run.history.to_dict(), run.steps)


def _as_far_trained(early: dict[int, float], late: dict[int, float]) -> dict[int, float]:
    """The late losses, and the early ones of narrower widths brought down towards them.

    What training on took away at the edge of the range it is taken to take away below it too, the
    less so the nearer to one code, where there is hardly anything but PCA to be found. Otherwise
    the first code of the range would seem to earn what the training did.
    """
    low = min(late)
    ratio = min(1.0, late[low] / max(early[low], 1e-12))
    below = {m: early[m] * ratio ** ((m - 1) / max(1, low - 1)) for m in range(1, low)}
    return {**early, **below, **late}


def _share(share: float, epochs: int) -> int:
    return max(1, math.floor(share * epochs + 0.5))


@dataclass
class _Branch:
    """A network trained on a range of widths, and the bargain in it."""

    network: AutoencoderNetwork
    losses: dict[int, float]
    width: int
    loss: float


class _Run:
    """Stages of training in one history."""

    def __init__(
        self, rows: Rows, held_out: Rows, batch_size: int, options: TrainingOptions
    ) -> None:
        self._rows, self._held_out = rows, held_out
        self._size, self._options = batch_size, options
        self.history = History()
        self.steps = 0

    def stage(
        self,
        network: AutoencoderNetwork,
        draw: Draw,
        epochs: int,
        name: str,
        held_out: Rows | None = None,
    ) -> PrefixTask:
        options = replace(self._options, max_epochs=epochs, schedule="cosine", description=name)
        every = max(1, epochs // _LOOKS)
        task = PrefixTask(network, self._rows, self._size, draw, held_out, every)
        if held_out is not None:
            task.look()  # training on may also make it worse
        rows = train(task, options)
        self.history.extend(rows, stage=name)
        self.steps += len(rows) * task.num_batches()
        return task

    def range(self, network: AutoencoderNetwork, low: int, high: int, epochs: int) -> list[float]:
        """Train on widths from low to high, in place; the held-out loss at each."""
        self.stage(
            network,
            lambda rng: int(rng.integers(low, high + 1)),
            epochs,
            f"{low} to {high} dimensions",
        )
        return prefix_losses(network, self._held_out, range(low, high + 1))

    def branch(
        self, network: AutoencoderNetwork, low: int, high: int, goal: Goal, epochs: int
    ) -> _Branch:
        """The same on a copy, and the narrowest width that is about as good as the best.

        Trained on a range, a network gets a little from a code that it does not need when it is
        trained at one width.
        """
        copied = network.cut(high)
        losses = self.range(copied, low, high, epochs)
        costs = [goal.cost(loss, m) for m, loss in enumerate(losses, start=low)]
        good = min(costs) + goal.tolerated
        width = low + next(i for i, cost in enumerate(costs) if cost <= good)
        return _Branch(copied, dict(enumerate(losses, start=low)), width, losses[width - low])

    def settle(self, branch: _Branch, epochs: int) -> None:
        """Train a branch at its width alone: what it is worth there, ranges aside."""
        branch.network = branch.network.cut(branch.width)
        branch.loss = self.last_stage(branch.network, epochs)

    def last_stage(self, network: AutoencoderNetwork, epochs: int) -> float:
        """Train at the width there is, keep the best weights; the held-out loss."""
        width = network.width
        name = f"{width} dimensions"
        self.stage(network, lambda rng: width, epochs, name, self._held_out).restore()
        return prefix_losses(network, self._held_out, [width])[0]
