"""A network trained behind a mask, and two things it leaves to rows held out.

The width: see `damrep.masking.strategy`. And how far from linear the network is: one factor on the
decoder's first layer. It begins so small that the network is all but PCA, and grows only where
rows that nobody fits are told better for it. So a nearly flat table keeps its PCA, and a bent one
is bent within a few steps; with a fixed factor, or one learned from the rows fitted, one of them
loses.

A unit that was closed has learned nothing from the rows as they are told now. Before it is drawn it
is set to the best linear one for what the open ones leave over (reduced-rank regression, Izenman
1975), as PCA set it at the beginning.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.autoencoder.goal import Goal, Price
from damrep.autoencoder.masked_network import MaskedNetwork
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_errors, prefix_losses
from damrep.autoencoder.rows import Rows
from damrep.masking.moments import roots, second_moment, singular
from damrep.masking.ranges import as_good
from damrep.masking.rotation import rotate_
from damrep.masking.strategy import MaskStrategy
from damrep.training import History, TrainingOptions, torch_generator, train

__all__ = ["NetworkFit", "fit_masked", "learn_width"]

_MORE = 1.1  # of the epochs of one fit, all together
# The two ways to begin: the share of these in which each is tried, and of the loss that counts at
# its first price.
_FROM_PCA, _FROM_ONE = (0.1, 0.35), (0.2, 0.01)
_BEGINNINGS = "from PCA", "from one dimension"
_AS_GOOD = 1.2  # times the cost of the first way that the second may be on its way to
_HOPELESS = 2.0  # times that cost at 5/8 of the second way, and it is given up
_TOLD = 0.4  # of what counts as alike: where no more is lost, narrower widths are tried alone
_GAIN_RATE = 30.0  # of the one factor, in learning rates of the weights
_ASKED = 128  # rows held out that the factor is asked about in a step
_LOOKED_AT = 512  # rows held out that the widths are compared on while they are learned
_REGRESSED = 4000  # rows that closed units are fitted to
_HUGE = 1e30
_LOOKS = 40  # at the held-out loss once the width is known


@dataclass
class NetworkFit:
    """What a training leaves.

    Parameters
    ----------
    network
        Cut to its width.
    curve
        Pairs [dims, held-out loss], when the width was settled.
    loss
        Held-out loss of `network`.
    history
        Columns of the training history.
    steps
        Optimiser steps taken.
    gate
        Of the mask, strongest unit first; empty where the width was given.
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


class _Task:
    """Reconstruct rows; once the width is settled, remember the weights that do best."""

    def __init__(
        self,
        masked: MaskedNetwork,
        strategy: _Strategy,
        rows: Rows,
        held_out: Rows,
        batch_size: int,
        every: int,
    ) -> None:
        self.module, self._strategy = masked, strategy
        self._rows, self._held_out, self._size = rows, held_out, batch_size
        self._every = every
        self._best: tuple[float, dict[str, Tensor]] | None = None

    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self._rows.num_batches(self._size)

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        """Rows in random order."""
        return self._rows.batches(self._size, generator)

    def loss(self, batch: Tensor) -> Tensor:
        """Mean squared error, in units of the mean variance of a column."""
        return (self.module(batch) - batch).square().mean()

    def after_epoch(self, row: dict[str, Any]) -> None:
        """Look at the held-out loss now and then."""
        if self._strategy.settled and (row["epoch"] + 1) % self._every == 0:
            row["held_out_loss"] = loss = prefix_losses(
                self.module.fold(), self._held_out, [self.module.mask.n_active]
            )[0]
            if self._best is None or loss < self._best[0]:
                self._best = loss, copy.deepcopy(self.module.state_dict())

    def restore(self) -> None:
        """Put back the weights of the best look."""
        if self._best is not None:
            self.module.load_state_dict(self._best[1])


class _Strategy:
    """The factor, and the width where it is to be learned."""

    def __init__(
        self, masked: MaskedNetwork, asked: Tensor, seed: int, width: MaskStrategy | None = None
    ) -> None:
        self.masked, self.width = masked, width
        self._asked, self._generator = asked, torch_generator(seed)
        self.hopeless: Callable[[], bool] | None = None
        self._given_up = False

    @property
    def settled(self) -> bool:
        """Whether the width is fixed, or of no interest any more."""
        return self._given_up or self.width is None or self.width.settled

    def parameter_groups(
        self, lr: float, weight_decay: float = 0.0, beta_lr: float | None = None
    ) -> list[dict[str, Any]]:
        """The weights, and the factor with a rate of its own."""
        gain = self.masked.log_gain
        held = {id(gain), id(self.masked.mask.beta)}
        weights = [p for p in self.masked.parameters() if id(p) not in held]
        groups: list[dict[str, Any]] = [{"params": weights, "lr": lr, "weight_decay": weight_decay}]
        if gain is not None:
            groups.append({"params": [gain], "lr": _GAIN_RATE * lr, "weight_decay": 0.0})
        return groups

    def start_epoch(self, epoch: int, cold_start_epochs: int = 0) -> None:
        """See `MaskStrategy`."""
        if self.width is not None:
            self.width.start_epoch(epoch, cold_start_epochs)

    def extra_loss(self) -> Tensor:
        """Nothing."""
        return self.masked.mask.beta.new_zeros(())

    def before_step(self) -> None:
        """Give the factor its gradient on rows held out, at widths drawn as for the others."""
        gain = self.masked.log_gain
        if gain is None:
            return
        places = torch.randint(
            len(self._asked), (min(_ASKED, len(self._asked)),), generator=self._generator
        )
        x = self._asked[places].to(gain)
        with torch.no_grad():
            codes = self.masked.codes(x)
        loss = (self.masked.decode(codes) - x).square().mean()
        (gain.grad,) = torch.autograd.grad(loss, gain)

    def after_step(self) -> None:
        """Keep the factor from making the network more linear than it began; see `MaskStrategy`."""
        if self.masked.log_gain is not None:
            # Below, its own gradient would vanish: it could not come back.
            self.masked.log_gain.data.clamp_(min=0.0)
        if self.width is not None:
            self.width.after_step()

    def end_epoch(self) -> dict[str, Any]:
        """See `MaskStrategy`; and the factor."""
        self._given_up = self.hopeless is not None and self.hopeless()
        row = {} if self.width is None else self.width.end_epoch()
        if self.masked.log_gain is not None:
            row["gain"] = float(self.masked.log_gain.detach().exp())
        return row


def learn_width(
    fresh: Callable[[], AutoencoderNetwork],
    rows: Rows,
    held_out: Rows,
    batch_size: int,
    goal: Goal,
    linear_cost: float | None,
    axes: Tensor,
    options: TrainingOptions,
    search: bool = False,
) -> NetworkFit:
    """Train a network, and learn how many of its codes are enough.

    Takes 1.1 times the epochs of `options`. Bent tables have solutions that are found only from one
    dimension on, with a price that falls; those that are nearly flat are soonest told from where
    PCA stands. So both ways are begun, and the one that is on its way to the smaller cost goes on;
    where the second is far behind when 5/8 of it are gone, the rest of its steps is saved.

    Parameters
    ----------
    fresh
        Makes the network at its full width; alike each time.
    rows, held_out
        Rows to train on, and to measure losses on.
    batch_size
        Rows a step.
    goal
        What is enough.
    linear_cost
        What PCA costs at its best width, if `fresh` begins as PCA; None if not: then there is one
        way only, from one dimension.
    axes
        Principal axes of the rows, (k, d); what a closed unit may be made of.
    options
        `max_epochs` is what a fit at one width would take.
    search
        Train all widths alike, and read the best one off their curve.
    """
    whole = max(2, math.floor(_MORE * options.max_epochs + 0.5))
    run = _Run(rows, held_out, batch_size, options, whole)

    batches = rows.num_batches(batch_size)

    def promise(width: MaskStrategy) -> float:
        """What the best width is on its way to cost."""
        ahead = width.outlook().tolist()
        return min(goal.cost(loss, m) for m, loss in enumerate(ahead, start=1))

    def begin(epochs: int, first_share: float) -> tuple[_Way, MaskStrategy]:
        masked = MaskedNetwork(fresh())
        width = MaskStrategy(
            masked,
            masked.mask,
            epochs * batches,
            lambda widths, last: run.losses(masked, widths, last),
            goal.costs,
            torch_generator(run.seed),
            lambda since: _renew(masked, since, rows, axes),
            goal.tolerated,
            first_share=first_share,
            even=search,
            narrower=_TOLD * goal.tolerated,
        )
        return _Way(masked, _Strategy(masked, run.asked, run.seed, width)), width

    details: dict[str, Any] = {}
    left, wholly = whole, replace(options, schedule="cosine")
    if linear_cost is None or search:
        way, width = begin(whole, _FROM_ONE[1])
    else:
        pca, one = (max(1, round(share * whole)) for share, _ in (_FROM_PCA, _FROM_ONE))
        left, short = max(1, whole - pca - one), replace(options, schedule="warmup")
        way, width = begin(pca + left, _FROM_PCA[1])
        run.stage(way, pca, short, _BEGINNINGS[0])
        least = min(promise(width), linear_cost)
        bent, narrow = begin(one + left, _FROM_ONE[1])
        bent.strategy.hopeless = lambda: (
            narrow.step == 5 * one // 8 * batches and promise(narrow) > _HOPELESS * least
        )
        run.stage(bent, one, short, _BEGINNINGS[1])
        bent.strategy.hopeless = None
        saved = one - narrow.step // batches
        if not saved and promise(narrow) <= _AS_GOOD * least:
            way, width = bent, narrow
        details["begins"] = _BEGINNINGS[way is bent]
        left += saved
        width.steps += saved * batches
    run.stage(way, left, wholly, "search" if search else "mask").restore()
    network = way.masked.fold()
    if isinstance(goal, Price) and run.last[0]:
        # Widths that were not looked at lie on the line between those beside them, as in the curve.
        looked, errors = run.last
        widths = sorted({*looked, network.width})
        between = np.stack([np.interp(widths, looked, row) for row in errors])
        details["as good"] = list(as_good([between], widths, goal.price, network.width))
    curve = width.curve() if width.settled_curve is None else width.settled_curve
    return NetworkFit(
        network.cpu(),
        # What tells less than nothing need not be used.
        [[m, min(1.0, float(x))] for m, x in enumerate(curve, start=1)],
        prefix_losses(network, held_out, [network.width])[0],
        run.history.to_dict(),
        run.steps,
        way.masked.mask.gate().detach().flip(0).tolist(),
        details,
    )


def fit_masked(
    network: AutoencoderNetwork,
    rows: Rows,
    held_out: Rows,
    batch_size: int,
    options: TrainingOptions,
) -> NetworkFit:
    """Train a network at the width it has."""
    masked = MaskedNetwork(network)
    run = _Run(rows, held_out, batch_size, options, options.max_epochs)
    way = _Way(masked, _Strategy(masked, run.asked, run.seed))
    options = replace(options, schedule="cosine")
    run.stage(way, options.max_epochs, options, f"{network.width} dimensions").restore()
    small = masked.fold().cpu()
    widths = range(1, small.width + 1)
    curve = [[m, x] for m, x in zip(widths, prefix_losses(small, held_out, widths), strict=True)]
    return NetworkFit(small, curve, curve[-1][1], run.history.to_dict(), run.steps)


@dataclass
class _Way:
    """A network in training, and what moves its factor and its mask."""

    masked: MaskedNetwork
    strategy: _Strategy


class _Run:
    """Stages of trainings in one history."""

    def __init__(
        self, rows: Rows, held_out: Rows, batch_size: int, options: TrainingOptions, epochs: int
    ) -> None:
        assert options.seed is not None
        self.seed = options.seed
        self._rows, self._held_out, self._size = rows, held_out, batch_size
        self._every = max(1, epochs // _LOOKS)
        self._few = held_out.part(_spread(len(held_out), _LOOKED_AT))
        self.asked = torch.cat(list(self._few.blocks()))
        self.history = History()
        self.steps = 0
        self.last: tuple[list[int], np.ndarray] = [], np.zeros((0, 0))

    def losses(self, masked: MaskedNetwork, widths: Sequence[int], last: bool) -> list[float]:
        """Held-out losses of the network with so many codes; the last ones are kept by row."""
        if not last:
            return prefix_losses(masked, self._few, widths)
        errors = prefix_errors(masked, self._held_out, widths)
        self.last = list(widths), errors
        found: list[float] = errors.mean(axis=0).tolist()
        return found

    def stage(self, way: _Way, epochs: int, options: TrainingOptions, name: str) -> _Task:
        """Train on."""
        # Any loss is good enough to stop for what is given up.
        target = None if way.strategy.hopeless is None else _HUGE
        options = replace(options, max_epochs=epochs, description=name, target_loss=target)
        task = _Task(way.masked, way.strategy, self._rows, self._held_out, self._size, self._every)
        rows = train(task, options, way.strategy)
        self.history.extend(rows, stage=name)
        self.steps += len(rows) * task.num_batches()
        return task


@torch.no_grad()
def _renew(masked: MaskedNetwork, since: int, rows: Rows, axes: Tensor) -> None:
    """Set the codes from `since` on to the best linear ones for what those before leave over.

    Between two linear maps alone, all codes are turned into the order of what they carry; in a
    network without a linear path nothing is done.
    """
    weight = next(masked.parameters())
    device = weight.device
    x = rows.take(_spread(len(rows), _REGRESSED)).to(weight)
    network = masked.network
    if not network.hidden:
        codes = network.encode(x).double()
        moment, mean = second_moment(codes).to(device) / len(codes), codes.mean(dim=0)
        rotate_(network.encoder[-1], network.decoder[0], moment, ascending=False, mean=mean)
    if network.linear_encoder is None:
        return
    left = (x - masked.decode(masked.network.encode(x, since))).double().cpu()
    along = x.double().cpu() @ axes.double().T
    inverse_root = roots(second_moment(along) / len(x), of="the rows")[1]
    told = (second_moment(left, along) / len(x)) @ inverse_root
    out, strength, back = singular(told, of="what the codes leave over")
    k = min(masked.network.width - since, len(strength))
    into = (strength[:k, None] * back[:k]) @ inverse_root @ axes.double()
    masked.network.set_linear(since, into, out[:, :k])


def _spread(count: int, most: int) -> np.ndarray:
    """Places of some rows, evenly over all of them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
