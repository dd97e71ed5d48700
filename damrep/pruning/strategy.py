"""Channels pruned in the shared training loop: by the mask, by search, or as in the paper."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from damrep.masking.validation import InputError, check_choice
from damrep.pruning.loader_task import LoaderTask
from damrep.pruning.masked import MaskSchedule
from damrep.pruning.pruner import ChannelPruner
from damrep.pruning.schedule import EVERY, MULTIPLE_OF, PruningSchedule

__all__ = ["ORDERS", "STAGES", "STRATEGIES", "GradientSchedule", "PruningStrategy", "chosen"]

STRATEGIES = ("mask", "search", "gradient")
"""Ways to find the widths; the first is the default."""

ORDERS = {"mask": ("worth", "index"), "search": ("worth",), "gradient": ("index",)}
"""What the channels of a layer close by, by strategy; the first is the default."""

STAGES = {"mask": (0.1, 0.3), "search": (0.1, 0.3), "gradient": (0.2, 0.6)}
"""Shares of the training between which units close, by strategy.

What is worth least shows early, and the sooner the network is the one that stays, the longer that
is trained; beta needs time to travel."""

_CLOSINGS = {"worth": ("search", "worth"), "gradient": ("gradient", "index")}


def chosen(strategy: str | None, order: str | None, closing: str | None) -> tuple[str, str]:
    """Strategy and order, from what is given of them.

    Parameters
    ----------
    strategy, order
        Of `STRATEGIES` and `ORDERS`; None for the first.
    closing
        One word for both that was used before: "worth" for a search by worth, "gradient".

    Raises
    ------
    InputError
        If there is no such word, or the two do not go together.

    Examples
    --------
    >>> chosen(None, None, None), chosen(None, None, "worth")
    (('mask', 'worth'), ('search', 'worth'))
    """
    if closing is not None:
        if strategy is not None or order is not None:
            raise InputError("closing is what strategy and order were in one word; give these only")
        return _CLOSINGS[check_choice("closing", closing, tuple(_CLOSINGS))]
    found = check_choice("strategy", STRATEGIES[0] if strategy is None else strategy, STRATEGIES)
    orders = ORDERS[found]
    if order is not None and order not in orders:
        raise InputError(
            f"order must be {' or '.join(orders)} with strategy={found!r}, got {order!r}"
        )
    return found, order or orders[0]


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

    widths_by = "the gates, closed by the gradient of their penalty as in the paper"
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
        Shares of the training at which the closing stage begins and ends; by default those of
        `STAGES`.
    strategy
        "mask", see `MaskSchedule`, "search", see `PruningSchedule`, or "gradient", see
        `GradientSchedule`.
    order
        Of the channels of a layer, see `MaskSchedule`.
    closing
        See `chosen`.
    seed
        Of what the mask draws.
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
        strategy: str | None = None,
        order: str | None = None,
        closing: str | None = None,
        multiple_of: int = MULTIPLE_OF,
        seed: int = 0,
    ) -> None:
        found, order = chosen(strategy, order, closing)
        self.pruner, self.task = pruner, task
        self.optimizer, self.scheduler = optimizer, scheduler
        asked: dict[str, Any] = {
            "batch_size": task.batch_size,
            "cold": STAGES[found][0] if cold is None else cold,
            "closed": STAGES[found][1] if closed is None else closed,
            "multiple_of": multiple_of,
        }
        self.schedule: PruningSchedule
        if found == "mask":
            self.schedule = MaskSchedule(pruner, steps, **asked, order=order, random_state=seed)
        else:
            kind = PruningSchedule if found == "search" else GradientSchedule
            self.schedule = kind(pruner, steps, **asked)

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
        """The penalty by gradient; else zero, as the price enters where units are weighed.

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
        row.update(self.schedule.trajectory())
        return row
