"""The gradient strategy: the paper's single stage, weights and mask trained together.

Loss + price, by Adam, with the mask's one offset beta among the parameters (Bu, Daw, Maruf,
Karpatne, NeurIPS 2021, arXiv 2110.00684, eq. 3). The loss is a share of the columns' variance, so a
price means the same at any scale of the data and any width. Four things are not in the paper:

- a little L2 on the weights at the codes: without it they can make up for any gate, the pull on
  beta is nothing but noise, and beta goes where Adam's step size takes it;
- the codes are rotated once an epoch, so the weakest direction is always the next to be closed;
- a unit that earns several times its price by that measure is not closed. A closed unit gets no
  gradient, so one step of beta too far would lose it for good;
- units are counted by what they carry, not by open gates: the ramp of the gate leaves a few open
  that hold nothing. A unit behind a nearly closed gate also learns slowly, so those left open are
  trained for a while without gates and price before they are judged, and cut.

`paper_lambda` trains on the loss in its own units and with none of this: the original, scale
dependence included. Only units that carry nothing are cut there, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from damrep.autoencoder.gated import GatedNetwork
from damrep.masking import GradientWidth, InputError, beta_for_width, exact_width, lambda_to_price
from damrep.masking.validation import check_number
from damrep.training import TrainingOptions, resolve_seed, torch_generator, train

__all__ = ["PAPER_OPTIONS", "Batches", "GradientFit", "train_by_gradient"]

Batches = Callable[[torch.Generator], Iterable[Tensor]]

# What the paper's code trains with.
PAPER_OPTIONS: dict[str, Any] = {
    "lr": 1e-2,
    "beta_lr": None,
    "weight_decay": 1e-6,
    "schedule": "constant",
    "cold_start_epochs": 0,
}

_RIDGE = 0.1  # weight of the L2, as a share of the price
_GUARD = 2.0  # prices a unit has to earn to be kept open whatever beta's gradient says
_ALIGN_STEPS = 20  # between rotations, at least; n / 4 if that is more, for a rotation costs n^3
_READ_STEPS = 16  # between looks at which units are closed
_TRAVEL = 5.0  # how many times beta could cross the whole mask within its steps
_WAY = 6.0  # from where beta starts to where the last unit closes
_FASTEST = 0.03  # but no faster than this a step
_WIDE_OPEN = 50.0  # a beta at which every gate is 1
_COLD = 0.1  # share of the epochs before beta moves
_NOTHING = 1e-4  # of what all units carry: units below it are empty, whatever their price
_TRIAL = 0.15  # share of the epochs for the open units without gates, before they are judged
_FINISH = 0.15  # share of the epochs for the network that is left


@dataclass
class GradientFit:
    """What training by gradient leaves.

    Parameters
    ----------
    network
        Cut to the learned width, gates folded in, most important code first.
    width
        Number of codes learned.
    gate
        Gate values of all n units when the mask was last trained, most important first.
    curve
        Pairs [dims, held-out loss] when the open units were judged: up to as many as were open.
    loss
        Held-out loss of `network`; of the last batches where nothing was held out.
    history
        Columns of the training history.
    steps
        Optimiser steps taken.
    """

    network: Any
    width: int
    gate: list[float]
    curve: list[list[float]]
    loss: float
    history: dict[str, list[Any]]
    steps: int


def train_by_gradient(
    network: nn.Module,
    batches: Batches,
    num_batches: int,
    options: TrainingOptions,
    *,
    price: float | None = None,
    paper_lambda: float | None = None,
    reference_loss: float = 1.0,
    held_out: Tensor | None = None,
    narrow: bool = True,
) -> GradientFit:
    """Learn how many codes an autoencoder needs while it is trained.

    Parameters
    ----------
    network
        As for `GatedNetwork`, at its full width; it is left as it is.
    batches
        Given a generator, the batches of an epoch, (rows, d): centred, and over one number, such
        that the mean variance of a column is 1.
    num_batches
        Batches of an epoch.
    options
        `max_epochs` counts all there is; the mask is trained in the first 70 % of them. The
        schedule is a cosine, and beta has its own rate unless `beta_lr` is given.
    price
        Share of the variance a code must earn.
    paper_lambda
        The paper's weight on beta instead, beside the loss in its own units; trained with
        `PAPER_OPTIONS`, as long as `options` says, and with nothing added to the paper's method.
        Units that are open and carry nothing are not counted.
    reference_loss
        Mean variance of a column of the data in its own units: what a loss of 1 stands for. Only
        `paper_lambda` looks at it.
    held_out
        Rows to measure losses on; the last batches trained on if None.
    narrow
        False computes with closed units too: the same result, later.

    Returns
    -------
    GradientFit

    Raises
    ------
    InputError
        If not exactly one of `price` and `paper_lambda` is given, or one is out of range.

    Examples
    --------
    >>> from damrep.autoencoder.network import AutoencoderNetwork
    >>> draw = torch.Generator().manual_seed(0)
    >>> x = torch.randn(200, 2, generator=draw) @ torch.randn(2, 8, generator=draw)
    >>> x = (x - x.mean(0)) / x.var(0).mean().sqrt()
    >>> fit = train_by_gradient(
    ...     AutoencoderNetwork(8, (), 8),
    ...     lambda generator: [x],
    ...     1,
    ...     TrainingOptions(max_epochs=600, lr=1e-2, device="cpu", seed=0),
    ...     price=1e-3,
    ... )
    >>> fit.width, fit.loss < 1e-3
    (2, True)
    """
    if (price is None) == (paper_lambda is None):
        raise InputError("give either price or paper_lambda")
    seed = resolve_seed(options.seed)
    options = replace(options, seed=seed)
    gated = GatedNetwork(network, narrow)
    if paper_lambda is not None:
        lam = check_number("paper_lambda", paper_lambda, low=0.0)
        scale = check_number("reference_loss", reference_loss, low=0.0, low_open=True)
        task = _Reconstruction(gated, batches, num_batches, scale)
        strategy: GradientWidth = _Narrowing(gated, lambda_to_price(lam, gated.width))
        columns = train(task, replace(options, **PAPER_OPTIONS), strategy).to_dict()
        columns["loss"] = [loss / scale for loss in columns["loss"]]
        trial = task.sample if held_out is None else held_out
        gate = _gates(gated)
        shares = gated.align(task.sample, torch_generator(seed))
        width = max(1, int((shares > _NOTHING * shares.sum()).sum()))
        curve = _curve(gated, trial, [width])
        small = gated.to_network(width)
        steps = len(columns["epoch"]) * num_batches
        return GradientFit(small.cpu(), width, gate, curve, curve[-1][1], columns, steps)

    task = _Reconstruction(gated, batches, num_batches, 1.0)
    assert price is not None
    strategy = _Priced(gated, price, task, torch_generator(seed))
    tried, finish = (math.floor(share * options.max_epochs) for share in (_TRIAL, _FINISH))
    masked = _masked_options(options, num_batches, options.max_epochs - tried - finish)
    history = train(task, masked, strategy)
    strategy.align()
    gate = _gates(gated)

    # All gates of what is left at 1, and nobody to move them.
    gated = GatedNetwork(gated.to_network(gated.mask.n_active), narrow)
    gated.mask.beta.data.fill_(_WIDE_OPEN)
    task.module = gated
    plain = replace(options, schedule="cosine")
    if tried:
        rest = replace(plain, max_epochs=tried, description="open units")
        history.extend(train(task, rest))
    trial = task.sample if held_out is None else held_out
    gated.align(task.sample, torch_generator(seed))
    curve = _curve(gated, trial, range(1, gated.width + 1))
    width = exact_width([loss for _, loss in curve], price)
    small = gated.to_network(width)
    if finish:
        last = _Reconstruction(small, batches, num_batches, 1.0)
        rest = replace(plain, max_epochs=finish, description=f"{width} dimensions")
        history.extend(train(last, rest))
    steps = len(history) * num_batches
    small = small.cpu()
    loss = _loss(small, trial)
    return GradientFit(small, width, gate, curve, loss, history.to_dict(), steps)


def _masked_options(options: TrainingOptions, num_batches: int, epochs: int) -> TrainingOptions:
    fastest = min(_FASTEST, _TRAVEL * _WAY / (epochs * num_batches))
    return replace(
        options,
        max_epochs=epochs,
        schedule="cosine",
        beta_lr=fastest if options.beta_lr is None else options.beta_lr,
        cold_start_epochs=max(options.cold_start_epochs, math.floor(_COLD * epochs)),
    )


class _Reconstruction:
    """Mean squared error of rows, and the last rows seen."""

    def __init__(
        self, network: nn.Module, batches: Batches, num_batches: int, scale: float
    ) -> None:
        self.module: Any = network
        self._scale = scale
        self.batches, self._count = batches, num_batches
        self._recent: list[Tensor] = []
        self._wanted = 4 * network.width if isinstance(network, GatedNetwork) else 0

    def num_batches(self) -> int:
        """Batches of every epoch."""
        return self._count

    @property
    def sample(self) -> Tensor:
        """The last rows trained on, a few times as many as there are units."""
        return torch.cat(self._recent)

    def loss(self, batch: Tensor) -> Tensor:
        """Mean squared error, in the units of the loss that is trained on."""
        if self._wanted:
            self._recent.append(batch)
            while sum(map(len, self._recent[1:])) >= max(self._wanted, 1000):
                del self._recent[0]
        return (self.module(batch) - batch).square().mean() * self._scale


class _Narrowing(GradientWidth):
    """The paper's strategy, with closed units left out of the computation."""

    def __init__(self, gated: GatedNetwork, price: float) -> None:
        super().__init__(gated, price)
        self.gated = gated
        self.steps = 0

    def after_step(self) -> None:
        """Keep one unit open; look now and then which are closed."""
        super().after_step()
        self.steps += 1
        # Not every step: on a GPU it would have to be waited for.
        if self.steps % _READ_STEPS == 0:
            self.gated.narrow_down()

    def end_epoch(self) -> dict[str, Any]:
        """Look which units are closed, and record where the mask is."""
        self.gated.narrow_down()
        return super().end_epoch()


class _Priced(_Narrowing):
    """With L2 at the codes, rotation, and a floor under what is earned."""

    def __init__(
        self, gated: GatedNetwork, price: float, task: _Reconstruction, generator: torch.Generator
    ) -> None:
        super().__init__(gated, price)
        self._task, self._generator = task, generator
        self._floor = beta_for_width(1, gated.width, gated.mask.span)
        self._aligned_at = 0

    def extra_loss(self) -> Tensor:
        """The priced penalty and the L2."""
        return super().extra_loss() + 0.5 * _RIDGE * self.price * self.gated.squares()

    def after_step(self) -> None:
        """Keep the units open that earn their price."""
        with torch.no_grad():
            self.gated.mask.beta.clamp_(min=self._floor)
        super().after_step()

    def end_epoch(self) -> dict[str, Any]:
        """Rotate, if there were some steps since the last time."""
        if self.steps - self._aligned_at >= max(_ALIGN_STEPS, self.gated.width // 4):
            self._aligned_at = self.steps
            self.align()
        return super().end_epoch()

    def align(self) -> None:
        """Put the units in order, and the floor under those that earn their price."""
        shares = self.gated.align(self._task.sample, self._generator)
        earning = max(1, int((shares > _GUARD * self.price).sum()))
        mask = self.gated.mask
        self._floor = beta_for_width(earning, mask.num_features, mask.span)


def _gates(gated: GatedNetwork) -> list[float]:
    values: list[float] = gated.mask.gate().detach().flip(0).tolist()
    return values


@torch.no_grad()
def _curve(gated: GatedNetwork, x: Tensor, widths: Iterable[int]) -> list[list[float]]:
    x = x.to(gated.out_bias)
    gated.narrow_down()
    codes = gated.codes(x) * gated.mask.gate()[gated.first :].to(x.dtype)
    total = float(x.double().square().sum())
    curve = []
    for width in widths:
        kept = codes.clone()
        kept[:, : codes.shape[1] - width] = 0.0
        left = float((gated.decode(kept) - x).double().square().sum())
        curve.append([width, left / total if total > 0 else 0.0])
    return curve


@torch.no_grad()
def _loss(network: nn.Module, x: Tensor) -> float:
    x = x.to(next(network.parameters()))
    total = float(x.double().square().sum())
    return float((network(x) - x).double().square().sum()) / total if total > 0 else 0.0
