"""The mask strategy: a width that is learned while the weights are, with a price that falls.

Every row of a batch is trained at a width of its own, drawn from those whose held-out cost is near
the best (`DAM.jitter`). So a unit beyond the edge goes on learning, and what one more or less would
be worth is known from rows nobody fits. The mask's offset beta follows the best of these widths.

A network that may use many units settles in solutions that need many: narrow ones it only finds
while it has to make do with few. So the price starts at a hundred times what is asked for and falls
to it, which opens the units one after another, each after those before it were trained.

A width that loses next to nothing keeps the narrower ones from being drawn, though all that is left
to win is with them: `narrower` has them tried alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.price import masks_in, weights_beside
from damrep.masking.validation import InputError, check_count, check_number

__all__ = ["Costs", "MaskStrategy"]

# Shares of the steps: the first price is held, has fallen, the width is settled.
_HOLD, _FALLEN, _SETTLED = 0.1, 0.28, 0.7
# A width is drawn as often as (cost / best cost) to minus this, at first and when it is settled.
_SPREAD, _SPREAD_LAST = 12.0, 30.0
_ABOVE, _ABOVE_SHARE = 2, 0.1  # units beyond the best width that are drawn at most, and as a share
_LOOKS, _FEWEST_STEPS = 150, 5  # at the held-out loss in all; steps between two of them at least
_BEYOND = 0.002  # units that fewer of the rows are drawn with have not learned anything yet
_TRIED = 0.15  # share of the steps from which narrower widths may be tried alone
_HUGE = 1e30
_COARSE, _NEAR = 12, 0.2  # widths looked at over all; share of the width looked at on each side

Costs = Callable[[np.ndarray, float], np.ndarray]


@dataclass
class _Kept:
    """What is gone back to if no narrower width comes to cost as little."""

    width: int
    cost: float
    curve: np.ndarray
    state: dict[str, Any]


class MaskStrategy:
    """Learn how many units of a mask are worth their price, for `damrep.training.train`.

    Parameters
    ----------
    module
        What is trained; the mask is a part of it.
    mask
        Best with `alpha=step_alpha(n)`, so that a width drawn is one that can be cut to.
    steps
        Optimiser steps in all.
    losses
        Given widths m, the held-out loss with the m units open that stay open longest, normalised.
        The second argument says whether it is the last look, for which all rows there are should be
        used.
    costs
        Given the losses at 1 .. n and the share of them that counts, what is to be as small as
        possible at each width. With a price: ``share * losses + price * np.arange(1, n + 1)``.
    generator
        Of the draws.
    renew
        Given a width, fits anew whatever lies beyond it and was not trained yet, by a closed form
        say.
    slack
        Costs that differ by no more count as alike, and the narrower width is taken. Half a price
        will do: among several widths the widest is trained a little better than it would be alone.
    first_share
        Share of the loss that counts at the first price: of .01 a unit costs 100 times as much, of
        1 what it will cost. Nearer to 1 for weights that begin near the best ones. From random
        weights, .01 opened too few units for digits (24, 1 opened 35) and the ten of a linear table
        of rank ten, where 1 left 36 open (`benchmarks.paper --parts cold-start`).
    even
        Draw all widths alike until the width is settled, at the best point of their curve: a
        search, in which the mask only carries out what the curve says.
    every
        Steps between two looks; by default as many as make 150 looks in all, five at least.
    chances
        Given the costs at 1 .. n and which share of the way to the settled width is gone, how
        likely each width is drawn, 0 for those that are not. By default by the costs' ratios.
    narrower
        Once the best width costs no more than this above what it would cost if nothing were lost,
        its weights are kept aside and only narrower widths are drawn. If one of them comes to cost
        as little, it is the best, and may be followed by a narrower one; if none has when the width
        is settled, the kept weights are put back. 0: never. Takes memory for the weights once more.

    Attributes
    ----------
    step : int
        Steps taken.
    settled_curve : ndarray or None
        Held-out losses at 1 .. n when the width was settled.

    Raises
    ------
    InputError
        If the mask is not in the module, an argument is out of range, or what `losses`, `costs` or
        `chances` give is not one finite number a width (of the losses some may be none).

    Examples
    --------
    Four columns of which two are worth their price, in a loop of one's own:

    >>> from damrep.masking import step_alpha
    >>> draw = torch.Generator().manual_seed(0)
    >>> x = torch.randn(400, 4, generator=draw) * torch.tensor([0.01, 0.01, 1.0, 2.0])
    >>> mask = DAM(4, alpha=step_alpha(4))
    >>> model = nn.Sequential(mask, nn.Linear(4, 4))
    >>> def losses(widths, last):
    ...     with torch.no_grad():
    ...         told = [model[1](x * (torch.arange(4) >= 4 - m)) for m in widths]
    ...     return [float((t - x).square().mean() / x.square().mean()) for t in told]
    >>> def costs(losses, share):
    ...     return share * losses + 0.01 * np.arange(1, 5)
    >>> strategy = MaskStrategy(model, mask, 400, losses, costs, draw)
    >>> optimiser = torch.optim.Adam(strategy.parameter_groups(lr=0.02))
    >>> for _ in range(400):
    ...     strategy.start_epoch(0)
    ...     optimiser.zero_grad()
    ...     (model(x) - x).square().mean().backward()
    ...     optimiser.step()
    ...     strategy.after_step()
    >>> mask.n_active
    2
    """

    def __init__(
        self,
        module: nn.Module,
        mask: DAM,
        steps: int,
        losses: Callable[[Sequence[int], bool], Sequence[float]],
        costs: Costs,
        generator: torch.Generator,
        renew: Callable[[int], None] | None = None,
        slack: float = 0.0,
        first_share: float = 0.01,
        even: bool = False,
        every: int | None = None,
        chances: Callable[[np.ndarray, float], np.ndarray] | None = None,
        narrower: float = 0.0,
    ) -> None:
        if not any(part is mask for part in module.modules()):
            raise InputError("the mask is not a part of the module that is trained")
        self.module, self.mask = module, mask
        self.steps = check_count("steps", steps, minimum=1)
        self.step = 0
        self._losses, self._costs, self._renew = losses, costs, renew
        self._generator, self._slack = generator, check_number("slack", slack, low=0.0)
        self._first_share = check_number(
            "first_share", first_share, low=0.0, high=1.0, low_open=True
        )
        self._narrower = check_number("narrower", narrower, low=0.0)
        self._kept: _Kept | None = None
        self._even = even
        self._every = max(_FEWEST_STEPS, self.steps // _LOOKS)
        if every is not None:
            self._every = check_count("every", every, minimum=1)
        self._chances = _alike if even else chances or self._by_ratio
        self._window = (1, mask.num_features)
        self._share = 1.0
        self._drawing = False
        self._seen: list[tuple[int, np.ndarray]] = []
        self.settled_curve: np.ndarray | None = None

    @property
    def settled(self) -> bool:
        """Whether the width is fixed."""
        return self.step >= _SETTLED * self.steps

    def parameter_groups(
        self, lr: float, weight_decay: float = 0.0, beta_lr: float | None = None
    ) -> list[dict[str, Any]]:
        """The weights; no beta of any mask is moved by the optimiser, but by held-out losses."""
        weights = weights_beside(self.module, masks_in(self.module).values())
        return [{"params": weights, "lr": lr, "weight_decay": weight_decay}]

    def start_epoch(self, epoch: int, cold_start_epochs: int = 0) -> None:
        """Draw widths from the first step on."""
        if not self.settled and not self._drawing:
            self._look()

    def extra_loss(self) -> Tensor:
        """Nothing: the price is in where beta goes."""
        return self.mask.beta.new_zeros(())

    def before_step(self) -> None:
        """Nothing to do."""

    def after_step(self) -> None:
        """Look at the held-out losses now and then; settle the width when it is time."""
        before = self.settled
        self.step += 1
        if self.settled:
            if not before:
                self._put_back()
                self._look(last=True)
                self.mask.jitter(None)
        elif self.step % self._every == 0:
            self._look()

    def end_epoch(self) -> dict[str, Any]:
        """Where the mask is, which widths are drawn, and how many times its price a unit costs."""
        low, high = self._window
        return {
            "n_active": self.mask.n_active,
            "beta": float(self.mask.beta.detach()),
            "narrowest_drawn": self.mask.n_active if self.settled else low,
            "widest_drawn": self.mask.n_active if self.settled else high,
            "price_factor": 1 / self._share,
        }

    def curve(self, last: bool = True) -> np.ndarray:
        """Held-out losses at 1 .. n, never rising, and straight between those looked at."""
        n = self.mask.num_features
        near = self.mask.n_active
        around = range(max(1, int((1 - _NEAR) * near) - 3), min(n, int((1 + _NEAR) * near) + 3) + 1)
        coarse = np.unique(np.geomspace(1, n, _COARSE).round().astype(int))
        widths = sorted({*coarse.tolist(), *around})
        found = [float(loss) for loss in self._losses(widths, last)]
        if len(found) != len(widths) or not np.isfinite(found).any():
            raise InputError(
                f"losses must give a number for each of {len(widths)} widths, some of them finite, "
                f"got {found[:3]}: did the training diverge?"
            )
        # A loss that is no number, of units that blow up, is no argument for them.
        known = np.nan_to_num(np.array(found), nan=_HUGE, posinf=_HUGE)
        return np.minimum.accumulate(np.interp(np.arange(1, n + 1), widths, known))

    def outlook(self) -> np.ndarray:
        """Losses at 1 .. n when the price will have fallen, if those drawn go on as they do now."""
        self.renew()
        now = self.curve()
        past = max(1, self.step // 4)
        _, then = min(self._seen, key=lambda seen: abs(seen[0] - (self.step - past)))
        rate = np.minimum(now / np.maximum(then, 1e-12), 1.0)
        rate[self._window[1] :] = 1.0
        ahead = max(0.0, _FALLEN * self.steps - self.step) / past
        reached = np.asarray(now * rate**ahead)
        return reached if self._kept is None else np.minimum(reached, self._kept.curve)

    def renew(self) -> None:
        """Fit anew what lies beyond the widths that are drawn."""
        if self._renew is not None and self._window[1] < self.mask.num_features:
            self._renew(self._window[1])

    def _look(self, last: bool = False) -> None:
        if self._drawing and self.step % (4 * self._every) == 0:
            self.renew()
        done = self.step / self.steps
        fallen = min(1.0, max(0.0, (done - _HOLD) / (_FALLEN - _HOLD)))
        self._share = 1.0 if self._even else self._first_share ** (1 - fallen)
        curve = self.curve(last)
        self._seen.append((self.step, curve))
        if last:
            self.settled_curve = curve
        costs = _one_a_width("costs", self._costs(curve, self._share), len(curve))
        if self._narrower and not self._even and not last:
            costs = self._tried(curve, costs)
        best = self._best(costs)
        if last or not self._even:
            self.mask.set_width(max(best + 1, self.mask.min_active))
        chances = _one_a_width(
            "chances", self._chances(costs, min(1.0, done / _SETTLED)), len(curve)
        )
        self.mask.jitter(torch.from_numpy(chances), self._generator)
        shares = np.cumsum(chances) / chances.sum()
        low, high = np.searchsorted(shares, [_BEYOND, 1 - _BEYOND]) + 1
        self._window = (int(low), min(int(high), self.mask.num_features))
        self._drawing = True

    def _best(self, costs: np.ndarray) -> int:
        """Units beside the first of the narrowest width that is as good as the best."""
        return int(np.argmax(costs <= costs.min() + self._slack))

    def _tried(self, curve: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """The costs; while narrower widths are tried alone, those of the others are out of reach.

        Whether a width is good enough is judged at the price that is asked for, not at today's.
        """
        asked = self._costs(curve, 1.0)
        kept = self._kept
        if kept is not None and asked[: kept.width - 1].min() <= kept.cost + self._slack:
            self._kept = None
        if self._kept is None and self.step >= _TRIED * self.steps:
            best = self._best(costs)
            least = self._costs(np.zeros(len(curve)), 1.0)
            if best >= max(1, self.mask.min_active) and asked[best] - least[best] <= self._narrower:
                state = copy.deepcopy(self.module.state_dict())
                self._kept = _Kept(best + 1, float(asked[best]), curve, state)
        if self._kept is None:
            return costs
        return np.where(np.arange(1, len(costs) + 1) < self._kept.width, costs, _HUGE)

    def _put_back(self) -> None:
        """Go back to the weights that were kept, if no narrower width has come up to them."""
        if self._kept is not None:
            self._look()
        if self._kept is not None:
            # What an optimiser remembers is of the others: it forgets that within some steps.
            self.module.load_state_dict(self._kept.state)
            self.mask.set_width(self._kept.width)
            self._kept = None

    def _by_ratio(self, costs: np.ndarray, done: float) -> np.ndarray:
        """Chances that fall with a power of the costs, and none far beyond the best width."""
        spread = _SPREAD * (_SPREAD_LAST / _SPREAD) ** done
        least = max(float(costs.min()), 1e-12)
        chances: np.ndarray = np.exp(-spread * np.log(np.maximum(costs, least) / least))
        # Before, what lies beyond may be what the next price opens, or is hardly trained yet.
        if self.step >= _FALLEN * self.steps:
            best = self._best(costs)
            chances[best + 1 + max(_ABOVE, int(_ABOVE_SHARE * best)) :] = 0.0
        return chances


def _one_a_width(name: str, values: np.ndarray, n: int) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (n,) or not np.isfinite(found).all():
        raise InputError(
            f"{name} must give one finite number for each of {n} widths, got shape {found.shape}"
            + ("" if found.shape != (n,) else " with NaN or infinite ones")
        )
    return found


def _alike(costs: np.ndarray, done: float) -> np.ndarray:
    return np.ones(len(costs))
