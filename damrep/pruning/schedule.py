"""Closing a network's channels while it trains, step by step, down to a target or by a price.

One training in three stages. First the gates are held and the network learns (the paper's cold
start). Then units close, one after another, until the price or the target is met. Then the gates
stand still, at 0 or 1, and the rest of the schedule trains the network that is left. Nothing is
fine-tuned afterwards.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from damrep.masking.dam import DAM
from damrep.masking.validation import InputError, check_count, check_number
from damrep.pruning.budget import Allocation
from damrep.pruning.importance import UnitImportance, absorb_gates
from damrep.pruning.pruner import ChannelPruner

__all__ = ["EVERY", "MULTIPLE_OF", "PruningSchedule", "harden_gates", "open_only"]

MULTIPLE_OF = 8
"""What widths are brought to multiples of: CPU kernels compute blocks of eight channels."""

EVERY = 4
"""Steps between two looks at what may close."""

_FULLY_OPEN = {"relu_tanh": 30.0, "linear": 1.0, "piecewise_linear": 1.0}


@torch.no_grad()
def harden_gates(pruner: ChannelPruner) -> None:
    """Make every open gate exactly 1 and every closed one 0; the weights take the difference.

    A gate near zero slows the learning of its channel by its square: a channel that has survived
    would otherwise stay as small as it was when the gates came to rest.

    Parameters
    ----------
    pruner
        With its gates on the model.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    >>> pruner = ChannelPruner(model, torch.zeros(1, 3, 8, 8))
    >>> pruner.widths = {"0": 2}
    >>> harden_gates(pruner)
    >>> pruner.gates["0"].gate().tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    before = {name: mask.gate().clone() for name, mask in pruner.gates.items()}
    for mask in pruner.gates.values():
        open_only(mask, mask.active)
    absorb_gates(pruner, before)


@torch.no_grad()
def open_only(mask: DAM, units: Tensor) -> None:
    """Gates of 1 for these units, a bool tensor, and of 0 for all others."""
    steep = _FULLY_OPEN[mask.gate_name]
    mask.mu.copy_(torch.where(units, steep, -steep))
    mask.beta.zero_()


class PruningSchedule:
    """Closes the channels of a `ChannelPruner` in a training loop of your own.

    The unit goes next that is worth least for what it costs, as `UnitImportance` estimates it from
    the gradients of training, in an order learned and not that of the index. Gates are steep, 0 or
    1: on the slope of a soft gate a channel does less and so seems worth less, and a layer that has
    begun to close would close for that reason alone. With a target, the cost follows a straight
    line that ends on the target with the stage; with a price, a unit closes where it is worth less
    than the price of its cost. The gates have no gradient, so the optimiser may be that of the
    model's parameters, whichever it is.

    Parameters
    ----------
    pruner
        With its gates on the model, and a price or a target.
    steps
        Optimiser steps of the whole training.
    batch_size
        Examples in a batch of a loss that is a mean over it; needed where there is a price, which
        is a share of the pruner's `reference_loss`.
    cold, closed
        Shares of the training before the first unit closes, and after which none does. What is
        worth least shows early, and the sooner the network is the one that stays, the longer that
        is trained.
    multiple_of
        With a target, widths end on multiples of this where that changes them little; 1 for any.

    Attributes
    ----------
    stage : str
        "cold", "closing" or "settled".

    Raises
    ------
    InputError
        If the shares make no sense, or a price is to be weighed without a batch size.

    Examples
    --------
    >>> from torch import nn
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
    >>> x = torch.randn(16, 1, 8, 8)
    >>> pruner = ChannelPruner(model, x[:1], target={"flops": 0.5})
    >>> schedule = PruningSchedule(pruner, steps=40)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> for _ in range(40):
    ...     optimizer.zero_grad()
    ...     (model(x).mean(dim=(2, 3)) - x.mean(dim=(2, 3))).square().mean().backward()
    ...     optimizer.step()
    ...     schedule.step()
    >>> pruner.compact()[0].out_channels
    4
    """

    widths_by = (
        "a search that closed one channel after another, by what it is worth over what it costs; "
        "the gates only carried that out"
    )
    """What decides the widths, for the report."""

    def __init__(
        self,
        pruner: ChannelPruner,
        steps: int,
        *,
        batch_size: float | None = None,
        cold: float = 0.1,
        closed: float = 0.3,
        multiple_of: int = MULTIPLE_OF,
    ) -> None:
        steps = check_count("steps", steps, minimum=1)
        cold = check_number("cold", cold, low=0.0, high=1.0)
        closed = check_number("closed", closed, low=0.0, high=1.0)
        if closed < cold:
            raise InputError(f"closed must be no less than cold, got {closed:g} < {cold:g}")
        if batch_size is not None:
            check_number("batch_size", batch_size, low=0, low_open=True)
        elif pruner.target is None:
            raise InputError(
                "batch_size is needed to weigh channels against a price; a target does without"
            )
        self.multiple_of = check_count("multiple_of", multiple_of, minimum=1)
        self.pruner = pruner
        self.importance = UnitImportance(pruner)
        self.kind, self.share = next(iter((pruner.target or {"flops": 0.0}).items()))
        self.stage = "cold"
        self._examples = (batch_size or 1.0) / pruner.reference_loss
        self._price = float(pruner.price) if pruner.target is None else 0.0
        self._begin = min(int(cold * steps), steps - 1)
        self._end = max(self._begin + 1, int(closed * steps))
        self._step = 0
        self._closed_at = {name: torch.zeros(m.num_features) for name, m in pruner.gates.items()}
        pruner.widths_by = self.widths_by
        pruner.hold()
        self._prepare()

    @property
    def steps_until_settled(self) -> int:
        """Steps from the start of the training until no unit closes any more."""
        return self._end

    @property
    def settled(self) -> bool:
        """Whether no unit closes any more."""
        return self.stage == "settled"

    def step(self) -> None:
        """After every step of the optimiser, with the gradients it has used still there.

        Raises
        ------
        InputError
            If there are none.
        """
        if not self.weigh(self._examples):
            raise InputError(
                "no gated weight has a gradient: call PruningSchedule.step() after "
                "optimizer.step() and before zero_grad(), with the gates on the model"
            )
        self.advance()

    def weigh(self, examples: float) -> bool:
        """Weigh the units by the gradients of a batch; False if they are wanted and not there.

        Parameters
        ----------
        examples
            In the batch, over the reference loss in units of the loss that was differentiated.
        """
        return not self._weighing or self.importance.observe(examples)

    def advance(self) -> None:
        """Go on to the next stage where it is time; close what has to close."""
        self._step += 1
        if self.stage == "cold" and self._step >= self._begin:
            self.stage = "closing"
            self._begin_to_close()
        if self.stage != "closing":
            return
        self._go_on(min(1.0, (self._step - self._begin) / (self._end - self._begin)))
        if self._step >= self._end:
            self._settle()
            self.pruner.hold()
            harden_gates(self.pruner)
            self.stage = "settled"

    def trajectory(self) -> dict[str, float]:
        """Where the gates are that decide, for a row of the history; nothing where none does."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What it takes to go on with a training that was stopped, beside the model's own state."""
        return {
            "step": self._step,
            "stage": self.stage,
            "closed_at": {name: at.clone() for name, at in self._closed_at.items()},
            # Which units are open: not in the model's state, which has the betas only.
            "order": {name: mask.mu.clone() for name, mask in self.pruner.gates.items()},
            "worth": self.importance.scores() if self.importance.observed else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there.

        Raises
        ------
        InputError
            If the state is that of another network's.
        """
        sizes = {name: len(at) for name, at in state["closed_at"].items()}
        if sizes != {name: len(at) for name, at in self._closed_at.items()}:
            raise InputError("the state is that of a schedule for other channel groups")
        self._step, self.stage = state["step"], state["stage"]
        self._closed_at = {name: at.clone() for name, at in state["closed_at"].items()}
        for name, mask in self.pruner.gates.items():
            mask.mu.copy_(state["order"][name])
        self.importance.resume(state["worth"])

    # --- closing by worth -----------------------------------------------------------------------

    def _prepare(self) -> None:
        for mask in self.pruner.gates.values():
            open_only(mask, mask.active)

    def _begin_to_close(self) -> None:
        """Nothing: the gates are set, not learned, and stay held."""

    @property
    def _weighing(self) -> bool:
        return not self.settled

    def _line(self, share_of_stage: float) -> float:
        """Share of the cost that should be left."""
        return 1 - (1 - self.share) * share_of_stage

    def _go_on(self, share_of_stage: float) -> None:
        if self._step % EVERY == 0:
            self._close(share_of_stage)

    def _close(self, share_of_stage: float) -> None:
        now = self.pruner.widths
        if self.pruner.target is None:
            self._set(self._allocation().priced(now, self._price * share_of_stage))
        else:
            self._set(self._allocation().narrow(now, self._line(share_of_stage)))

    def _settle(self) -> None:
        if self.pruner.target is None:
            self._close(1.0)
        else:
            self._fit()

    def _fit(self) -> None:
        """Round the widths to the target."""
        self._set(self._allocation().fit(self.pruner.widths, self.share, self.multiple_of))

    def _scores(self) -> dict[str, Tensor]:
        """Worth of every unit; closed ones below all others, the last that was closed on top."""
        scores = self.importance.scores()
        return {
            name: torch.where(
                mask.active, scores[name].to(mask.mu), self._closed_at[name].to(mask.mu) - self._end
            )
            for name, mask in self.pruner.gates.items()
        }

    def _allocation(self) -> Allocation:
        masks = self.pruner.gates
        order = {name: self._closing_order(name, score) for name, score in self._scores().items()}
        least = {name: mask.min_active for name, mask in masks.items()}
        return Allocation(self.pruner.cost, self.kind, least, order)

    def _closing_order(self, name: str, scores: Tensor) -> Tensor:
        """Scores of a group in the order in which its units close."""
        return scores.sort().values

    def _set(self, widths: dict[str, int]) -> None:
        now, scores = self.pruner.widths, self._scores()
        for name, width in widths.items():
            if width == now[name]:
                continue
            mask = self.pruner.gates[name]
            keep = torch.zeros_like(mask.active)
            keep[scores[name].argsort(stable=True)[mask.num_features - width :]] = True
            self._closed_at[name][(mask.active & ~keep).cpu()] = self._step - 0.5
            open_only(mask, keep)
