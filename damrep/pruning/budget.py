"""Widths that fit a budget: which unit to close next, and how to end on the target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from damrep.masking.validation import InputError
from damrep.pruning.cost import CostModel

__all__ = ["Allocation", "TOLERANCE"]

TOLERANCE = 0.02
"""A target is met when the cost is within this share of it."""

# How bad it is to be off the target by a share of it: hardly up to the first of these, and beyond.
_NEAR, _WITHIN, _BEYOND = 0.01, 0.1, 10.0
# How bad a width is that is changed by a factor of e, and widths that take e times as long. At a
# given number of FLOPs no widths differ much in time; at one of parameters FLOPs are free to fall,
# and with a weight of 0.3 too many did (digits-net: from 0.34 of all to 0.28).
_CHANGED = 0.05
_SLOW = {"flops": 0.3, "params": 0.2}
# What it takes to write a number and to read it again, on its way through normalisation, activation
# and pooling, in FLOPs. Measured on one core of a CPU, small VGG, batch 32, as the time of those
# layers for a number over that of convolutions for a FLOP: 3.5 to 6 ns over 0.017 to 0.03.
_MOVED = 200.0
# What it takes more, as a share of that, where a block is not full: a runtime with kernels for
# whole blocks puts numbers in another order before and after. 15 channels for 16 in two layers of
# digits-net took PyTorch 44 FLOPs more for each number, ONNX Runtime 570.
_REORDERED = 0.25
_ROUNDS = 30
_CANDIDATES = 30
_FEW_GROUPS = 8  # up to so many, three groups are moved at a time, else two


class Allocation:
    """Widths of all groups, narrowed a unit at a time: the one worth least for what it costs.

    A unit's cost depends on how many others are open, so it is taken anew after every unit.

    Parameters
    ----------
    cost
        Of the model.
    kind
        "flops" or "params".
    least
        Fewest units of each group.
    order
        For each group the scores of its units in the order they close, shape (units,).

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from damrep.pruning import ChannelPruner
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 1, 1))
    >>> pruner = ChannelPruner(model, torch.zeros(1, 1, 2, 2))
    >>> scores = {"0": torch.tensor([1.0, 2.0, 3.0, 4.0]), "1": torch.tensor([0.0, 0.0, 9.0, 9.0])}
    >>> plan = Allocation(pruner.cost, "flops", {"0": 1, "1": 1}, scores)
    >>> plan.narrow({"0": 4, "1": 4}, share=0.6)
    {'0': 4, '1': 2}
    """

    def __init__(
        self,
        cost: CostModel,
        kind: str,
        least: Mapping[str, int],
        order: Mapping[str, Tensor],
    ) -> None:
        self.cost, self.kind = cost, kind
        self.least = dict(least)
        # A unit is worth no less than one that closes before it: what remains when it is next.
        self.worth = {
            name: scores.detach().double().cpu().cummax(dim=0).values
            for name, scores in order.items()
        }
        self.whole = float(cost.cost(kind, {}))

    def share(self, widths: Mapping[str, int]) -> float:
        """Cost at these widths as a share of the whole model's."""
        return float(self.cost.cost(self.kind, widths)) / self.whole

    def narrow(self, widths: Mapping[str, int], share: float) -> dict[str, int]:
        """Close units until the cost is no more than a share of the whole.

        Raises
        ------
        InputError
            If every group is at its least before that.
        """
        now = dict(widths)
        while self.share(now) > share:
            found = self._weakest(now)
            if found is None:
                raise InputError(
                    f"{share:g} of the {self.kind} cannot be reached: {self.share(now):.3g} is "
                    "left with every channel group at its least"
                )
            now[found] -= 1
        return now

    def fit(self, widths: Mapping[str, int], share: float, multiple: int = 1) -> dict[str, int]:
        """Widths near the given ones whose cost is near a share of the whole.

        Units are closed down to it. From there, and from there with each group at its own nearest
        multiple, up to three groups at a time give or get some, while that brings the cost nearer,
        or makes the network faster at that cost, without changing any width by much. The better end
        counts. It is faster with blocks that are full, and with fewer channels of large maps.

        Parameters
        ----------
        widths
            Open units by group.
        share
            Of the cost of the whole model.
        multiple
            Convolutions are computed in blocks of so many channels: one that is not full takes the
            time of one that is.
        """
        wanted = self.narrow(widths, share)
        fit = _Fit(wanted, {name: len(worth) for name, worth in self.worth.items()}, multiple)

        def bad(way: Mapping[str, int]) -> float:
            return (
                float(_missed(self.share(way) / share - 1))
                + sum(map(fit.bad, way, way.values()))
                + _SLOW[self.kind] * math.log(self._time(fit, way))
            )

        def searched(now: dict[str, int]) -> dict[str, int]:
            so_bad = bad(now)
            for _ in range(_ROUNDS):
                found = min(self._other(now, share, fit), key=bad)
                if (less_bad := bad(found)) >= so_bad:
                    break
                now, so_bad = found, less_bad
            return now

        alone = {name: fit.alone(name, least) for name, least in self.least.items()}
        return min(searched(wanted), searched(alone), key=bad)

    def priced(self, widths: Mapping[str, int], price: float) -> dict[str, int]:
        """Close every unit that is worth less than the price of what it costs.

        Parameters
        ----------
        widths
            Open units by group.
        price
            Of a unit of average cost, in the units of the scores.
        """
        now = dict(widths)
        full = self.cost.full
        mean = float((self.cost.unit_costs(self.kind) * full).sum() / full.sum())
        while (found := self._weakest(now)) is not None:
            unit = dict(
                zip(self.cost.names, self.cost.unit_costs(self.kind, now).tolist(), strict=True)
            )
            if self._edge(found, now[found]) >= price * unit[found] / mean:
                break
            now[found] -= 1
        return now

    def _time(self, fit: _Fit, widths: Mapping[str, int]) -> float:
        """What a network of these widths should take, in FLOPs: of whole blocks, and of moving."""
        blocks = float(self.cost.flops(fit.blocks(widths)))
        moved = {name: fit.moved(name, width) for name, width in widths.items()}
        return max(1.0, blocks + _MOVED * float(self.cost.outputs(moved)))

    def _weakest(self, widths: Mapping[str, int]) -> str | None:
        unit = self.cost.unit_costs(self.kind, widths).tolist()
        best: tuple[float, str] | None = None
        for name, cost in zip(self.cost.names, unit, strict=True):
            if widths[name] <= self.least[name] or cost <= 0:
                continue
            value = self._edge(name, widths[name]) / cost
            if best is None or value < best[0]:
                best = (value, name)
        return None if best is None else best[1]

    def _edge(self, name: str, width: int) -> float:
        """Worth of the unit that closes next."""
        worth = self.worth[name]
        return float(worth[len(worth) - width])

    def _other(self, widths: Mapping[str, int], share: float, fit: _Fit) -> list[dict[str, int]]:
        """Widths of up to three groups changed, the changes that should be the best.

        Should: by the costs of units at `widths`, which move with every unit, so several are given.
        """
        units = (self.cost.unit_costs(self.kind, widths) / self.whole / share).tolist()
        blocks = fit.blocks(widths)
        slow = _SLOW[self.kind] / self._time(fit, widths)
        computed = (slow * self.cost.unit_costs("flops", blocks)).tolist()
        moved = (slow * _MOVED * self.cost.unit_costs("outputs", widths)).tolist()
        few = len(units) <= _FEW_GROUPS
        moves = [(0, 0, 0.0, 0.0)]
        for place, (name, unit) in enumerate(zip(self.cost.names, units, strict=True)):
            now = widths[name]
            before = fit.bad(name, now)
            for width in fit.near(name, now, 4 if few else 2):
                if width >= self.least[name]:
                    worse = fit.bad(name, width) - before
                    worse += (fit.block(name, width) - blocks[name]) * computed[place]
                    worse += (fit.moved(name, width) - fit.moved(name, now)) * moved[place]
                    moves.append((place, width, (width - now) * unit, worse))
        change, bad = (np.array([move[at] for move in moves]) for at in (2, 3))
        cost, total = change[:, None] + change, bad[:, None] + bad
        if few:
            cost, total = cost[:, :, None] + change, total[:, :, None] + bad
        total = total + _missed(self.share(widths) / share - 1 + cost)
        best = np.argsort(total, axis=None)[: 12 * _CANDIDATES]  # each comes in several orders
        ways: dict[tuple[int, ...], dict[str, int]] = {}
        for chosen in zip(*np.unravel_index(best, total.shape), strict=True):
            found = dict(widths)
            for place, width, *_ in (moves[index] for index in chosen if index):
                found[self.cost.names[place]] = width
            ways.setdefault(tuple(found.values()), found)
        return list(ways.values())[:_CANDIDATES]


@dataclass(frozen=True)
class _Fit:
    """How far widths are from those wanted, and the blocks they are computed in."""

    wanted: Mapping[str, int]
    full: Mapping[str, int]
    multiple: int

    def bad(self, name: str, width: int) -> float:
        """Of one group that is changed; in shares of the target's cost."""
        return _CHANGED * math.log(max(width, 0.5) / max(self.wanted[name], 0.5)) ** 2

    def alone(self, name: str, least: int) -> int:
        """The nearest multiple, or whole, where the cost of all does not matter."""
        full = self.full[name]
        blocks = {*range(0, full, self.multiple), full}
        return min((w for w in blocks if w >= least), key=lambda width: self.bad(name, width))

    def near(self, name: str, width: int, far: int) -> set[int]:
        """Other widths to look at: a few units more and less, and the multiples next to it."""
        few = {width + step for step in range(-far, far + 1)}
        above = self._block(width)
        blocks = {above - 2 * self.multiple, above - self.multiple, above, above + self.multiple}
        return {found for found in few | blocks if 0 <= found <= self.full[name]} - {width}

    def block(self, name: str, width: int) -> int:
        """The width that takes as long to compute: the next multiple, or whole."""
        return min(self._block(width), self.full[name])

    def moved(self, name: str, width: int) -> float:
        """The width that takes as long to move."""
        return width if width == self.block(name, width) else (1 + _REORDERED) * width

    def blocks(self, widths: Mapping[str, int]) -> dict[str, int]:
        """The widths of all groups that take as long to compute."""
        return {name: self.block(name, width) for name, width in widths.items()}

    def _block(self, width: int) -> int:
        return -(-width // self.multiple) * self.multiple


def _missed(off: Any) -> Any:
    """How bad it is to be off a target by a share of it; an array, or a number."""
    off = np.abs(off)
    return _WITHIN * off + _BEYOND * np.maximum(0, off - _NEAR)
