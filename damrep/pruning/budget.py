"""Widths that fit a budget: which unit to close next, and how to end on the target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from damrep.masking.validation import InputError
from damrep.pruning.cost import CostModel

__all__ = ["Allocation", "TOLERANCE"]

TOLERANCE = 0.02
"""A target is met when the cost is within this share of it."""

_CLOSE_ENOUGH = 0.005
_ROUNDS = 8
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
        """Widths near the given ones whose cost is as near to a share of the whole as it gets.

        Units are closed down to it; then up to three groups give or get a few units where that
        brings the cost nearer.

        Parameters
        ----------
        widths
            Open units by group.
        share
            Of the cost of the whole model.
        multiple
            Bring widths to multiples of this first, as far as the target allows: convolutions are
            computed in blocks of channels, and a block that is not full takes the time of one
            that is.
        """
        now = self.narrow(widths, share)
        if multiple > 1:
            now = {name: self._rounded(name, width, multiple) for name, width in now.items()}
            now = self._approach(now, share, multiple)
        return self._approach(now, share, 1)

    def _rounded(self, name: str, width: int, multiple: int) -> int:
        full = len(self.worth[name])
        if width == 0 or full < 2 * multiple:
            return width
        return min(max(multiple, round(width / multiple) * multiple), full)

    def _approach(self, widths: Mapping[str, int], share: float, multiple: int) -> dict[str, int]:
        now = dict(widths)
        for _ in range(_ROUNDS):
            gap = self.share(now) - share
            if abs(gap) <= _CLOSE_ENOUGH * share:
                break
            ways = self._nearer(now, gap, multiple)
            found = min(ways, key=lambda way: abs(self.share(way) - share))
            if abs(self.share(found) - share) >= abs(gap):
                break
            now = found
        return now

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

    def _nearer(
        self, widths: Mapping[str, int], gap: float, multiple: int = 1
    ) -> list[dict[str, int]]:
        """Ways to open or close a few units that should take a gap in the cost away.

        Should: by the costs of units at `widths`, which move with every unit, so several are given.
        """
        units = (self.cost.unit_costs(self.kind, widths) / self.whole).tolist()
        few = len(units) <= _FEW_GROUPS
        far = 4 if few else 2
        steps = [(0, 0, 0.0)]
        for place, (name, unit) in enumerate(zip(self.cost.names, units, strict=True)):
            low, high = max(self.least[name], int(multiple > 1)), len(self.worth[name])
            for sign in (multiple * step for step in range(-far, far + 1) if step):
                if low <= widths[name] + sign <= high:
                    steps.append((place, sign, sign * unit))
        change = np.array([step[2] for step in steps])
        left = np.abs(gap + change[:, None] + change[None, :])
        if few:
            left = np.abs(gap + change[:, None, None] + change[None, :, None] + change)
        # Every unit that is moved counts a little, so that of two ways the smaller one is taken.
        size = np.array([abs(step[1]) for step in steps]) * 1e-3 * abs(gap)
        left += (
            size[:, None] + size[None, :]
            if left.ndim == 2
            else (size[:, None, None] + size[None, :, None] + size)
        )
        best = np.argsort(left, axis=None)[: 12 * _CANDIDATES]  # each comes in several orders
        ways: dict[tuple[int, ...], dict[str, int]] = {}
        for places in zip(*np.unravel_index(best, left.shape), strict=True):
            found = dict(widths)
            for place, sign, _ in (steps[index] for index in places):
                name = self.cost.names[place]
                found[name] = min(max(found[name] + sign, self.least[name]), len(self.worth[name]))
            ways.setdefault(tuple(found.values()), found)
        return list(ways.values())[:_CANDIDATES]
