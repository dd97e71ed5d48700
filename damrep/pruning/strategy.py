"""The pruning of channels in the shared training loop: by worth, or by gradient as in the paper."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from damrep.masking.validation import check_choice
from damrep.pruning.loader_task import LoaderTask
from damrep.pruning.pruner import ChannelPruner
from damrep.pruning.schedule import EVERY, MULTIPLE_OF, PruningSchedule

__all__ = ["CLOSINGS", "STAGES", "GradientSchedule", "PruningStrategy"]

CLOSINGS = ("worth", "gradient")
"""Ways to close units; the first is the default."""

STAGES = {"worth": (0.1, 0.3), "gradient": (0.2, 0.6)}
"""Shares of the training between which units close, by the way they do.

What is worth least shows early, and the sooner the network is the one that stays, the longer that
is trained; beta needs time to travel."""

# Both by the length of the closing stage, so that a short training does in its steps what a long
# one does in its own.
_TRAVEL = 8.0  # how far Adam can take beta over the stage; closing all is 6 (start 1, span 5)
_DUAL = 5.0  # rise of the price over a stage whose cost stays 1 above the line, see _set_price

_LAST = 40  # steps whose gradients say how to round the widths to a target


class GradientSchedule(PruningSchedule):
    """Units close by the penalty's gradient, in the order of their index: the paper's way.

    Beta is moved by an optimiser against the pruner's penalty. The price of the penalty is the one
    given, rising over the stage, or, with a target, raised while the cost is above the line (dual
    ascent). The last step rounds the widths to the target.
    """

    _dual = 0.0

    @property
    def rate(self) -> float:
        """Learning rate for the betas, with which Adam gets them far enough in the stage."""
        return _TRAVEL / (self._end - self._begin)

    def _prepare(self) -> None:
        """Nothing: the gates are soft until the end."""

    def _begin_to_close(self) -> None:
        self.pruner.hold(False)

    @property
    def _weighing(self) -> bool:
        """Units are weighed only to round the widths in the end."""
        return not self.settled and self._step >= self._end - _LAST

    def _go_on(self, share_of_stage: float) -> None:
        self.pruner.step()
        if self._step % EVERY == 0:
            self._set_price(share_of_stage)

    def _settle(self) -> None:
        if self.pruner.target is not None:
            self._fit()

    def _closing_order(self, name: str, scores: Tensor) -> Tensor:
        return scores[torch.argsort(self.pruner.gates[name].mu, stable=True)]

    def _set(self, widths: dict[str, int]) -> None:
        now = self.pruner.widths
        self.pruner.widths = {name: new for name, new in widths.items() if new != now[name]}

    def _set_price(self, share_of_stage: float) -> None:
        pruner = self.pruner
        if pruner.target is None:
            pruner.price = self._price * share_of_stage
            return
        widths = pruner.widths
        whole = float(pruner.cost.cost(self.kind, {}))
        excess = float(pruner.cost.cost(self.kind, widths)) / whole - self._line(share_of_stage)
        self._dual = max(0.0, self._dual + EVERY * _DUAL / (self._end - self._begin) * excess)
        full, unit = pruner.cost.full, pruner.cost.unit_costs(self.kind)
        mean = float((unit * full).sum() / full.sum())
        # On the line or below nothing has to close, whatever the price has come to.
        pruner.price = self._dual * mean / whole if excess > 0 else 0.0


class PruningStrategy:
    """Closes channels of a network while `damrep.training.train` trains it.

    Parameters
    ----------
    pruner
        With its gates on the model, and a price or a target.
    task
        What is trained; tells the size of batches and the reference loss.
    optimizer
        Of the weights. It is stepped here: the loop's own optimiser has the betas only.
    scheduler
        Stepped after every batch, or None.
    steps
        Batches of the whole training.
    cold, closed
        Shares of the training at which the closing stage begins and ends; by default 0.1 and 0.3 by
        worth, 0.2 and 0.6 by gradient.
    closing
        "worth", see `PruningSchedule`, or "gradient", see `GradientSchedule`.
    multiple_of
        With a target, widths end on multiples of this where that changes them little.
    """

    def __init__(
        self,
        pruner: ChannelPruner,
        task: LoaderTask,
        optimizer: torch.optim.Optimizer,
        scheduler: Any = None,
        *,
        steps: int,
        cold: float | None = None,
        closed: float | None = None,
        closing: str = CLOSINGS[0],
        multiple_of: int = MULTIPLE_OF,
    ) -> None:
        usual = STAGES[check_choice("closing", closing, CLOSINGS)]
        self.pruner, self.task = pruner, task
        self.optimizer, self.scheduler = optimizer, scheduler
        kind = PruningSchedule if closing == "worth" else GradientSchedule
        self.schedule = kind(
            pruner,
            steps,
            batch_size=task.batch_size,
            cold=usual[0] if cold is None else cold,
            closed=usual[1] if closed is None else closed,
            multiple_of=multiple_of,
        )

    @property
    def settled(self) -> bool:
        """Whether no unit closes any more."""
        return self.schedule.settled

    def parameter_groups(
        self, lr: float, weight_decay: float, beta_lr: float | None
    ) -> list[dict[str, Any]]:
        """The betas; the weights are those of the optimiser that was handed in."""
        betas = [mask.beta for mask in self.pruner.gates.values()]
        rate = self.schedule.rate if isinstance(self.schedule, GradientSchedule) else 0.0
        return [{"params": betas, "lr": rate, "weight_decay": 0.0}]

    def start_epoch(self, epoch: int, cold_start_epochs: int) -> None:
        """Nothing: the stages go by steps."""

    def extra_loss(self) -> Tensor:
        """The penalty by gradient; zero by worth, where the price enters as units are weighed.

        The gradients of the last step go here, before the next pass backward, and not after their
        step: freed there, they leave the heap's end free, which the system takes back and has to
        hand out again in every step, at 3 % of its time.
        """
        self.optimizer.zero_grad()
        return self.pruner.penalty()  # zero while the gates are held

    def before_step(self) -> None:
        """Weigh the units by their gradients, then step the weights."""
        self.schedule.weigh(self.task.batch_size * self.task.reference_loss)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()

    def after_step(self) -> None:
        """Go on to the next stage where it is time; close what has to close."""
        self.schedule.advance()

    def end_epoch(self) -> dict[str, Any]:
        """The epoch's widths and cost."""
        widths = self.pruner.widths
        cost = self.pruner.cost
        row: dict[str, Any] = {
            "stage": self.schedule.stage,
            "n_active": sum(widths.values()),
            "flops": float(cost.flops(widths) / cost.flops({})),
            "params": float(cost.params(widths) / cost.params({})),
        }
        row.update({f"n_active.{name}": width for name, width in widths.items()})
        return row
