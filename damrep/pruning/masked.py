"""Closing channels by the mask: the offset of each layer goes where a unit is worth its price."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from damrep.masking.offset import Offsets, edge_alpha
from damrep.masking.validation import check_choice
from damrep.pruning.importance import absorb_gates
from damrep.pruning.pruner import ChannelPruner
from damrep.pruning.schedule import EVERY, MULTIPLE_OF, PruningSchedule, open_only

__all__ = ["ORDERS", "MaskSchedule"]

ORDERS = ("worth", "index")
"""What stays open longest: channels that are worth most, or the last ones, as in the paper."""

_TRAVEL = 3.0  # times its units an offset can go in the stage
_WINDOW = 0.25  # of a layer's units it reaches up and down at first, falling
_NARROWED = 0.8  # of the stage, from where on it is one unit
_ARRIVED = 0.95  # of the stage, from where on the cost is to be the target
# The widths the mask ends with are rounded to the target from so near; from further off the mask
# has not decided for it, and what it decided stands.
_ROUNDED = 0.15
# The price that the line asks is between two powers of 2, in shares of the loss for the whole cost.
_RANGE, _HALVINGS = 40.0, 24


class MaskSchedule(PruningSchedule):
    """Closes the channels of a `ChannelPruner` by what its masks learn: they decide the widths.

    While channels close, each layer's offset is drawn anew for every batch, from a window around
    its beta; the gradient of beta is then, in the mean, what channels at the edge are worth on the
    batches trained on, and beta moves by that over their price. A channel that was closed within
    the window is drawn open now and then, so it goes on learning, and comes back where it is worth
    it. The price is the one given, or the one at which the cost follows a straight line down to the
    target. In the end widths are rounded to the target, and to whole blocks, as in
    `PruningSchedule`, and the gates that are open become 1.

    Parameters
    ----------
    pruner, steps, batch_size, multiple_of
        See `PruningSchedule`.
    cold, closed
        Shares of the training between which the offsets move.
    order
        Which channels of a layer stay open longest: "worth", those worth most by `UnitImportance`,
        as they begin to close, the weights taking up what that changes; from there on channels
        learn to be in that order. Or "index", the last, as in the paper.
    random_state
        Of the offsets drawn.

    Attributes
    ----------
    offsets : Offsets
        Where each layer's offset is, in channels.

    Examples
    --------
    >>> from torch import nn
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
    >>> x = torch.randn(16, 1, 8, 8)
    >>> pruner = ChannelPruner(model, x[:1], target={"flops": 0.5})
    >>> schedule = MaskSchedule(pruner, steps=40)
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
        "the masks: the offset of each layer moved by what the next channel is worth over its price"
    )

    def __init__(
        self,
        pruner: ChannelPruner,
        steps: int,
        *,
        batch_size: float | None = None,
        cold: float = 0.1,
        closed: float = 0.3,
        multiple_of: int = MULTIPLE_OF,
        order: str = ORDERS[0],
        random_state: int = 0,
    ) -> None:
        self.order = check_choice("order", order, ORDERS)
        self._generator = torch.Generator().manual_seed(random_state)
        self._before_draw = self._generator.get_state()
        super().__init__(
            pruner,
            steps,
            batch_size=batch_size,
            cold=cold,
            closed=closed,
            multiple_of=multiple_of,
        )
        self._end = max(self._end, self._begin + 1, 2)  # with a batch at least to listen to

    def _prepare(self) -> None:
        masks = list(self.pruner.gates.values())
        for mask in masks:
            mask.alpha = edge_alpha(mask.num_features, mask.span)
        self.offsets = Offsets(masks, self._generator)
        self.offsets.open()

    def _begin_to_close(self) -> None:
        for mask in self.pruner.gates.values():
            mask.beta.requires_grad_(True)
        if self.order == "worth":
            self._order_by_worth()
        self._draw()

    def weigh(self, examples: float) -> bool:
        """Weigh the units, and hear what those at the edges are worth; see `PruningSchedule`."""
        if self.settled:
            return True
        heard = self.offsets.listen()
        return super().weigh(examples) and (heard or self.stage == "cold")

    def _go_on(self, share_of_stage: float) -> None:
        if share_of_stage == 1.0:
            return
        self.offsets.set()
        if self._step % EVERY == 0:
            self.offsets.move(self._moves(share_of_stage))
        self._draw()

    def _draw(self) -> None:
        """Draw offsets for the next batch, from windows that narrow to one unit."""
        self._before_draw = self._generator.get_state()
        done = (self._step - self._begin) / (self._end - self._begin)
        self.offsets.draw(_WINDOW * max(0.0, 1 - done / _NARROWED) ** 2)

    def _moves(self, share_of_stage: float) -> Tensor:
        """How far the offsets move, in channels, at the price given or that the line asks."""
        offsets, cost = self.offsets, self.pruner.cost
        unit = cost.unit_costs(self.kind, offsets.soft_widths())
        fastest = EVERY * _TRAVEL * offsets.sizes / (self._end - self._begin)
        if self.pruner.target is None:
            full = cost.full
            mean = float((cost.unit_costs(self.kind) * full).sum() / full.sum())
            price = self._price * self.pruner.reference_loss / mean
            return fastest * offsets.pull(price * unit)
        whole = float(cost.cost(self.kind, {}))
        line = whole * self._line(min(1.0, share_of_stage / _ARRIVED))
        low, high = -2 * _RANGE, 2 * _RANGE
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            moves = fastest * offsets.pull(_price(middle) / whole * unit)
            if float(cost.cost(self.kind, offsets.soft_widths(moves))) > line:
                low = middle
            else:
                high = middle
        return fastest * offsets.pull(_price(high) / whole * unit)

    def _order_by_worth(self) -> None:
        """Let open channels close in the order of their worth, after those that are closed."""
        gates = self._gates()
        scores = self.importance.scores()
        order = {}
        for name, mask in self.pruner.gates.items():
            # Closed ones stay in their order: they have no worth yet that could be compared.
            order[name] = torch.where(
                mask.active, scores[name].to(mask.mu), mask.mu - 2 * mask.span
            )
        self.pruner.order_units(order)
        absorb_gates(self.pruner, gates)

    def _settle(self) -> None:
        """Round the widths to the target where the mask has come near it; gates become 0 or 1."""
        pruner = self.pruner
        self.offsets.move(self._moves(1.0))
        self.offsets.rest()
        gates = self._gates()
        learned = pruner.widths
        widths = {name: max(m, pruner.gates[name].min_active) for name, m in learned.items()}
        if pruner.target is not None:
            allocation = self._allocation()
            if abs(allocation.share(widths) / self.share - 1) <= _ROUNDED:
                widths = allocation.fit(widths, self.share, self.multiple_of)
        for name, mask in pruner.gates.items():
            rank = mask.mu.argsort().argsort()
            open_only(mask, rank >= mask.num_features - widths[name])
        absorb_gates(pruner, gates)
        changed = max((abs(widths[name] - m) for name, m in learned.items()), default=0)
        if changed:
            pruner.widths_by = (
                f"{self.widths_by}; then rounded to the target and to whole blocks, by {changed} "
                "channels of a layer at most"
            )

    def trajectory(self) -> dict[str, float]:
        """Where each layer's offset is, and how wide the window it is drawn from, in channels."""
        row = {}
        where = zip(self.offsets.places.tolist(), self.offsets.windows, strict=True)
        for name, (place, wide) in zip(self.pruner.gates, where, strict=True):
            row[f"offset.{name}"], row[f"window.{name}"] = place, wide
        return row

    def _gates(self) -> dict[str, Tensor]:
        return {name: mask.gate().detach() for name, mask in self.pruner.gates.items()}

    def _closing_order(self, name: str, scores: Tensor) -> Tensor:
        return scores[torch.argsort(self.pruner.gates[name].mu, stable=True)]

    def state_dict(self) -> dict[str, Any]:
        """See `PruningSchedule`; and where the offsets are."""
        return {
            **super().state_dict(),
            "offsets": self.offsets.state_dict(),
            "draw": self._before_draw,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `PruningSchedule`."""
        super().load_state_dict(state)
        self.offsets.load_state_dict(state["offsets"])
        self._generator.set_state(state["draw"])
        if self.stage == "closing":
            for mask in self.pruner.gates.values():
                mask.beta.requires_grad_(True)
            self._draw()


def _price(at: float) -> float:
    """Prices that rise with `at`, evenly in their logarithm: below zero channels are paid for.

    They are where too many have closed, and those at the edges are worth nothing on some batches.
    """
    return math.copysign(2.0 ** (abs(at) - _RANGE), at)
