"""Offsets moved by what the unit at the edge is worth: the mask itself decides, many masks at once.

At weights that are stationary for a gate, the pull on its offset vanishes, and a closed unit gets
no gradient. Both go away where the offset is drawn from a window while training (`DAM.shift`): the
mean gradient of beta is then what units at the edge are worth. Beta rests where that is their
price, and a closed unit within the window is opened now and then, so that it learns and can return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.price import masks_in, weights_beside
from damrep.masking.validation import InputError, check_count, check_number, check_price

__all__ = ["OffsetStrategy", "Offsets", "edge_alpha"]

COLD, SETTLED = 0.2, 0.67
"""Shares of the steps in which all widths are drawn, and at which the offsets come to rest."""

_REACH = 0.35  # of the steps in which an offset goes over all units, at its fastest
_MOST = 3.0  # of worth / price - 1 that a batch counts with, either way
_MEMORY = 20  # batches that the mean reaches back over
_NARROW = 0.5  # units up and down: the worth of one unit in the end, more would be one of several
_LOWEST = 0.25  # units that an offset keeps
_NARROWED = 0.6  # share of the way of the offsets at which it is


def edge_alpha(n: int, span: float = 5.0) -> float:
    """The steepness at which a gate opens over about one unit, and has a slope on the way.

    At half of it the gates of three units are between 0.2 and 0.9, and a mask rests half a unit too
    far; at twice of it single draws of an offset are too different for a mean over few of them.

    Examples
    --------
    >>> edge_alpha(10)
    4.0
    """
    return 2.0 * check_count("n", n, minimum=1) / check_number("span", span, low=0, low_open=True)


class Offsets:
    """The offsets of several masks, in units, and what moves them.

    Parameters
    ----------
    masks
        Best with `alpha=edge_alpha(n)`.
    by_row
        See `DAM.shift`.
    generator
        Of the draws.

    Attributes
    ----------
    places : Tensor
        float64, shape (masks,): open units of each, as a real number; a half is where the next one
        opens.
    windows : list of float
        Units between the lowest and the highest offset that are drawn.
    """

    def __init__(
        self, masks: Sequence[DAM], generator: torch.Generator, by_row: bool = False
    ) -> None:
        self.masks = list(masks)
        self.sizes = torch.tensor([float(mask.num_features) for mask in masks]).double()
        self._spans = torch.tensor([mask.span for mask in masks]).double()
        # Where all may close, the strongest is still drawn now and then, so that it can come back.
        least = [max(float(mask.min_active), _LOWEST) for mask in masks]
        self._least = torch.tensor(least).double()
        self._generator, self._by_row = generator, by_row
        self._recent: list[Tensor] = []
        self.windows = [0.0] * len(self.masks)
        betas = torch.tensor([float(mask.beta.detach()) for mask in masks]).double()
        self.places = self.sizes * (1 + betas / self._spans) - 0.5

    @property
    def widths(self) -> list[int]:
        """Open units of each."""
        return [mask.n_active for mask in self.masks]

    def soft_widths(self, by: Tensor | float = 0.0) -> Tensor:
        """`places`, moved by so many units, no fewer than the least and no more than there are."""
        return torch.minimum(torch.maximum(self.places + by, self._least), self.sizes)

    def open(self) -> None:
        """Open all, so far that the last ones are whole."""
        self.places = self.sizes + 1.0
        self.set()

    def draw(self, share: float | None) -> None:
        """Draw offsets for the next batch.

        Parameters
        ----------
        share
            Units that the window reaches up and down, as a share of all, and no fewer than a half;
            None for all widths alike, wherever beta is.
        """
        for at, (place, mask) in enumerate(zip(self.places.tolist(), self.masks, strict=True)):
            n = mask.num_features
            low, high = 0.5 - place, n + 0.5 - place
            if share is not None:
                half = max(_NARROW, share * n)
                low, high = max(-half, min(low, -_NARROW)), min(half, max(high, _NARROW))
            mask.shift((low, high), self._generator, self._by_row)
            self.windows[at] = high - low

    def listen(self) -> bool:
        """Take from the gradients of a batch what a unit more is worth; False if there are none.

        The gradients are taken away, so that no optimiser moves beta.

        Raises
        ------
        InputError
            If one is not finite.
        """
        found = [mask.beta.grad for mask in self.masks]
        for mask in self.masks:
            mask.beta.grad = None
        if all(gradient is None for gradient in found):
            return False
        per_beta = torch.tensor([0.0 if g is None else float(g) for g in found]).double()
        if not bool(torch.isfinite(per_beta).all()):
            raise InputError(
                "the loss, or its gradient, is not finite at an offset that was drawn: lower the "
                "learning rate"
            )
        self._recent = [*self._recent[1 - _MEMORY :], -per_beta * self._spans / self.sizes]
        return True

    def pull(self, prices: Tensor) -> Tensor:
        """Whether units are worth their price, from -1 to 1: worth / price - 1 over some batches.

        Each counts within +-3. Where units are free, nothing closes.

        Parameters
        ----------
        prices
            Of a unit of each mask, float64, shape (masks,); below zero a unit is paid for.
        """
        if not self._recent:
            return torch.zeros_like(prices)
        above = (torch.stack(self._recent) - prices) / prices.abs().clamp(min=1e-30)
        pull = above.clamp(-_MOST, _MOST).mean(dim=0).clamp(-1.0, 1.0)
        return torch.where(prices == 0, pull.clamp(min=0.0), pull)

    def move(self, by: Tensor) -> None:
        """Move the offsets by so many units, within the mask."""
        self.places = torch.minimum(torch.maximum(self.places + by, self._least), self.sizes + 1.0)
        self.set()

    @torch.no_grad()
    def set(self) -> None:
        """Put the betas where the offsets are, whatever an optimiser has done to them."""
        betas = self._spans * ((self.places + 0.5) / self.sizes - 1)
        for beta, mask in zip(betas.tolist(), self.masks, strict=True):
            mask.beta.fill_(beta)

    def rest(self) -> None:
        """Draw no more."""
        for mask in self.masks:
            mask.shift(None)
        self.windows = [0.0] * len(self.masks)

    def state_dict(self) -> dict[str, Any]:
        """What it takes to go on, beside the generator's state."""
        return {"places": self.places, "recent": list(self._recent)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.places, self._recent = state["places"].clone(), list(state["recent"])
        self.set()


class OffsetStrategy:
    """Learn how many units of every mask in a model are open, from what the next is worth.

    Three stages: all widths are drawn alike; then each offset moves by what a unit is worth over
    its price, while its window narrows; then the width stands, and what is open is trained.

    The hooks are those of `damrep.training.train`, or of a loop of your own.

    Parameters
    ----------
    model
        A module with at least one `DAM` in it, best with `alpha=edge_alpha(n)`.
    price
        Share of the normalised loss that one unit must earn: one number, or one by mask, as
        `masks_in` names them.
    steps
        Optimiser steps in all.
    generator
        Of the draws.
    by_row
        Whether every row of a batch is given an offset of its own (see `DAM.shift`): better where
        the mask sees rows along axis 0.
    held_out
        A loss on rows held out; the offsets listen to it and not to the rows that are fitted.
    cold, settled
        Shares of the steps.

    Raises
    ------
    InputError
        If the model has no mask, a price is missing, or a number is out of range.

    Examples
    --------
    Four columns of which two are worth their price:

    >>> draw = torch.Generator().manual_seed(0)
    >>> x = torch.randn(400, 4, generator=draw) * torch.tensor([0.01, 0.01, 1.0, 2.0])
    >>> model = nn.Sequential(DAM(4, alpha=edge_alpha(4)), nn.Linear(4, 4))
    >>> strategy = OffsetStrategy(model, 0.01, 400, draw, by_row=True)
    >>> optimiser = torch.optim.Adam(strategy.parameter_groups(lr=0.02))
    >>> strategy.start_epoch(0)
    >>> for _ in range(400):
    ...     optimiser.zero_grad()
    ...     ((model(x) - x).square().mean() / x.square().mean()).backward()
    ...     strategy.before_step()
    ...     optimiser.step()
    ...     strategy.after_step()
    >>> model[0].n_active
    2
    """

    def __init__(
        self,
        model: nn.Module,
        price: float | Mapping[str, float],
        steps: int,
        generator: torch.Generator,
        by_row: bool = False,
        held_out: Callable[[], Tensor] | None = None,
        cold: float = COLD,
        settled: float = SETTLED,
    ) -> None:
        self.model, self.masks = model, masks_in(model)
        if not self.masks:
            raise InputError(
                f"the model ({type(model).__name__}) has no DAM in it, nothing to learn"
            )
        prices = price if isinstance(price, Mapping) else dict.fromkeys(self.masks, price)
        if set(prices) != set(self.masks):
            raise InputError(f"price must name the masks {', '.join(self.masks)}")
        self.prices = torch.tensor([check_price(prices[name]) for name in self.masks]).double()
        self.steps = check_count("steps", steps, minimum=1)
        cold = check_number("cold", cold, low=0.0, high=1.0)
        settled = check_number("settled", settled, low=cold, high=1.0)
        self._begin, self._end = int(cold * steps), max(int(cold * steps) + 1, int(settled * steps))
        self.step = 0
        self._offsets = Offsets(list(self.masks.values()), generator, by_row)
        self._held_out = held_out

    @property
    def settled(self) -> bool:
        """Whether the widths are fixed."""
        return self.step >= self._end

    def parameter_groups(
        self, lr: float, weight_decay: float = 0.0, beta_lr: float | None = None
    ) -> list[dict[str, Any]]:
        """The weights; the betas are moved here and not by the optimiser."""
        weights = weights_beside(self.model, self.masks.values())
        return [{"params": weights, "lr": lr, "weight_decay": weight_decay}]

    def start_epoch(self, epoch: int, cold_start_epochs: int = 0) -> None:
        """Draw from the first step on."""
        if self.step == 0:
            self._draw()

    def extra_loss(self) -> Tensor:
        """Nothing: the price is in where beta goes."""
        return next(iter(self.masks.values())).beta.new_zeros(())

    def before_step(self) -> None:
        """Take what the batch says of the units at the edge."""
        if self._held_out is not None and self._begin <= self.step < self._end:
            betas = [mask.beta for mask in self.masks.values()]
            found = torch.autograd.grad(self._held_out(), betas, allow_unused=True)
            for beta, gradient in zip(betas, found, strict=True):
                beta.grad = gradient
        if not self._offsets.listen() and not self.settled:
            raise InputError(
                "no mask has a gradient: call before_step after backward and before zero_grad"
            )

    def after_step(self) -> None:
        """Move the offsets, draw for the next batch; settle the widths when it is time."""
        self.step += 1
        if self._begin < self.step < self._end:
            done = (self.step - self._begin) / (self._end - self._begin)
            fastest = self._offsets.sizes / (_REACH * (self._end - self._begin)) * (1 - done)
            self._offsets.move(fastest * self._offsets.pull(self.prices))
        if self.step < self._end:
            self._draw()
        elif self.step == self._end:
            self._offsets.rest()
            for mask in self.masks.values():
                mask.set_width(max(mask.n_active, mask.min_active))

    def end_epoch(self) -> dict[str, Any]:
        """Where the masks are, and how many units wide the windows that offsets are drawn from."""
        row: dict[str, Any] = {"n_active": sum(self._offsets.widths)}
        for name, mask in self.masks.items():
            row[f"beta.{name}"] = float(mask.beta.detach())
            row[f"n_active.{name}"] = mask.n_active
        for name, wide in zip(self.masks, self._offsets.windows, strict=True):
            row[f"window.{name}"] = wide
        return row

    def _draw(self) -> None:
        done = (self.step - self._begin) / (self._end - self._begin)
        self._offsets.draw(None if self.step < self._begin else window(done))


def window(done: float) -> float:
    """How far widths are drawn, up and down, as a share of all: half of them at first, falling."""
    return 0.5 * max(0.0, 1 - done / _NARROWED) ** 2
