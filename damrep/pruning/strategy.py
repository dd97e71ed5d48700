"""What happens to the gates while a network is trained: cold start, closing, settled.

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
from damrep.masking.validation import InputError, check_choice, check_count, check_number
from damrep.pruning.budget import Allocation
from damrep.pruning.importance import UnitImportance, absorb_gates
from damrep.pruning.loader_task import LoaderTask
from damrep.pruning.pruner import ChannelPruner

__all__ = ["CLOSINGS", "MULTIPLE_OF", "STAGES", "PruningStrategy", "harden_gates"]

MULTIPLE_OF = 8
"""What widths are brought to multiples of: CPU kernels compute blocks of eight channels."""

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

_EVERY = 4  # steps between two looks at what may close
_LAST = 40  # steps whose gradients say how to round the widths to a target
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
        _open_only(mask, mask.active)
    absorb_gates(pruner, before)


@torch.no_grad()
def _open_only(mask: DAM, units: Tensor) -> None:
    """Gates of 1 for these units, a bool tensor, and of 0 for all others."""
    steep = _FULLY_OPEN[mask.gate_name]
    mask.mu.copy_(torch.where(units, steep, -steep))
    mask.beta.zero_()


class PruningStrategy:
    """Closes channels of a network while `damrep.training.train` trains it.

    By worth, the default: the unit goes next that is worth least for what it costs, as
    `UnitImportance` estimates it, in an order learned and not that of the index. Gates are steep, 0
    or 1: on the slope of a soft gate a channel does less and so seems worth less, and a layer that
    has begun to close would close for that reason alone. With a target, the cost follows a straight
    line that ends on the target with the stage; with a price, a unit closes where it is worth less
    than the price of its cost.

    By gradient, the paper's way: beta is moved by Adam against the pruner's penalty, units in the
    order of their index. The price of the penalty is the one given, rising over the stage, or, with
    a target, raised while the cost is above the same line (dual ascent). Its last step rounds the
    widths to the target.

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
        "worth" or "gradient".
    multiple_of
        With a target, widths end on multiples of this where that changes them little.

    Attributes
    ----------
    stage : str
        "cold", "closing" or "settled".
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
        self.multiple_of = check_count("multiple_of", multiple_of, minimum=1)
        self.closing = check_choice("closing", closing, CLOSINGS)
        usual = STAGES[self.closing]
        cold = check_number("cold", usual[0] if cold is None else cold, low=0.0, high=1.0)
        closed = check_number("closed", usual[1] if closed is None else closed, low=0.0, high=1.0)
        if closed < cold:
            raise InputError(f"closed must be no less than cold, got {closed:g} < {cold:g}")
        self.pruner, self.task = pruner, task
        self.optimizer, self.scheduler = optimizer, scheduler
        self.importance = UnitImportance(pruner)
        self._begin = min(int(cold * steps), steps - 1)
        self._end = max(self._begin + 1, int(closed * steps))
        self._step = 0
        self._dual = 0.0
        self.stage = "cold"
        self.kind, self.share = next(iter((pruner.target or {"flops": 0.0}).items()))
        self._price = float(pruner.price) if pruner.target is None else 0.0
        pruner.hold()
        self._closed_at = {name: torch.zeros(m.num_features) for name, m in pruner.gates.items()}
        if self.closing == "worth":
            for mask in pruner.gates.values():
                _open_only(mask, mask.active)

    @property
    def steps_until_settled(self) -> int:
        """Batches from the start of the training until no unit closes any more."""
        return self._end

    # --- the loop's protocol --------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether no unit closes any more."""
        return self.stage == "settled"

    def parameter_groups(
        self, lr: float, weight_decay: float, beta_lr: float | None
    ) -> list[dict[str, Any]]:
        """The betas; the weights are those of the optimiser that was handed in."""
        betas = [mask.beta for mask in self.pruner.gates.values()]
        return [{"params": betas, "lr": _TRAVEL / (self._end - self._begin), "weight_decay": 0.0}]

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
        if self.stage != "settled" and self._weighing:
            self.importance.observe(self.task.batch_size * self.task.reference_loss)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()

    def after_step(self) -> None:
        """Go on to the next stage where it is time; close what has to close."""
        self._step += 1
        if self.stage == "cold" and self._step >= self._begin:
            self.pruner.hold(self.closing == "worth")
            self.stage = "closing"
        if self.stage != "closing":
            return
        share_of_stage = min(1.0, (self._step - self._begin) / (self._end - self._begin))
        last = self._step >= self._end
        if self.closing == "gradient":
            self.pruner.step()
            if self._step % _EVERY == 0:
                self._set_price(share_of_stage)
        elif self._step % _EVERY == 0:
            self._close(share_of_stage)
        if last:
            self._settle()

    @property
    def _weighing(self) -> bool:
        """Whether units are weighed now: by gradient only to round the widths in the end."""
        return self.closing == "worth" or self._step >= self._end - _LAST

    def end_epoch(self) -> dict[str, Any]:
        """The epoch's widths and cost."""
        widths = self.pruner.widths
        cost = self.pruner.cost
        row: dict[str, Any] = {
            "stage": self.stage,
            "n_active": sum(widths.values()),
            "flops": float(cost.flops(widths) / cost.flops({})),
            "params": float(cost.params(widths) / cost.params({})),
        }
        row.update({f"n_active.{name}": width for name, width in widths.items()})
        return row

    # --- closing --------------------------------------------------------------------------------

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
        if self.closing == "worth":
            return scores.sort().values
        return scores[torch.argsort(self.pruner.gates[name].mu, stable=True)]

    def _line(self, share_of_stage: float) -> float:
        """Share of the cost that should be left."""
        return 1 - (1 - self.share) * share_of_stage

    def _close(self, share_of_stage: float) -> None:
        now = self.pruner.widths
        if self.pruner.target is None:
            found = self._allocation().priced(now, self._price * share_of_stage)
        else:
            found = self._allocation().narrow(now, self._line(share_of_stage))
        self._set(found)

    def _set(self, widths: dict[str, int]) -> None:
        now = self.pruner.widths
        changed = {name: width for name, width in widths.items() if width != now[name]}
        if self.closing == "gradient":
            self.pruner.widths = changed
            return
        scores = self._scores()
        for name, width in changed.items():
            mask = self.pruner.gates[name]
            keep = torch.zeros_like(mask.active)
            keep[scores[name].argsort(stable=True)[mask.num_features - width :]] = True
            self._closed_at[name][(mask.active & ~keep).cpu()] = self._step - 0.5
            _open_only(mask, keep)

    def _set_price(self, share_of_stage: float) -> None:
        pruner = self.pruner
        if pruner.target is None:
            pruner.price = self._price * share_of_stage
            return
        widths = pruner.widths
        whole = float(pruner.cost.cost(self.kind, {}))
        excess = float(pruner.cost.cost(self.kind, widths)) / whole - self._line(share_of_stage)
        self._dual = max(0.0, self._dual + _EVERY * _DUAL / (self._end - self._begin) * excess)
        full, unit = pruner.cost.full, pruner.cost.unit_costs(self.kind)
        mean = float((unit * full).sum() / full.sum())
        # On the line or below nothing has to close, whatever the price has come to.
        pruner.price = self._dual * mean / whole if excess > 0 else 0.0

    def _settle(self) -> None:
        pruner = self.pruner
        if pruner.target is not None:
            fitted = self._allocation().fit(pruner.widths, self.share, self.multiple_of)
            self._set(fitted)
        elif self.closing == "worth":
            self._close(1.0)
        pruner.hold()
        harden_gates(pruner)  # by gradient the gates are soft until here
        self.stage = "settled"
