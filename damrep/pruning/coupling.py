"""Which channels of a network can only go together: labels, joined as the data flows.

Every channel of every layer is a slot. Where two slots hold the same channel (a residual sum, a
normalisation behind a convolution, the input of the layer that reads it) they are joined; what is
joined in the end is one unit, removed or kept as a whole. A slot whose channel something else needs
in its place (the output of the model, an operation that mixes channels) is blocked, and with it the
whole unit.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANYTHING", "Slot", "Slots"]

# The label of data that no layer's channels can be named for: the model's input, constants.
ANYTHING = 0


@dataclass(frozen=True, order=True)
class Slot:
    """One channel of one layer.

    Parameters
    ----------
    layer
        Module path, or the path of a parameter that the model uses without a layer.
    side
        "out" (a channel a layer writes), "in" (one it reads), "norm" (one it scales in passing), or
        "vector" (an entry of a bare parameter).
    index
        Position of the channel.
    """

    layer: str
    side: str
    index: int


class Slots:
    """Disjoint sets of slots, with the reasons why some must stay.

    A label is a positive integer, one for each slot, in the order in which they were asked for;
    `ANYTHING` is the label of what has no slot.

    Examples
    --------
    >>> slots = Slots()
    >>> first, second = slots.label("conv", "out", 0), slots.label("next", "in", 0)
    >>> slots.join(first, second, "")
    >>> slots.root(first) == slots.root(second)
    True
    """

    def __init__(self) -> None:
        self._labels: dict[Slot, int] = {}
        self._slots: list[Slot | None] = [None]
        self._parent: list[int] = [0]
        self._blocked: dict[int, str] = {}

    def label(self, layer: str, side: str, index: int) -> int:
        """The label of a slot, a new one at the first call."""
        slot = Slot(layer, side, index)
        if slot not in self._labels:
            self._labels[slot] = len(self._slots)
            self._parent.append(len(self._slots))
            self._slots.append(slot)
        return self._labels[slot]

    def has(self, layer: str, side: str, index: int = 0) -> bool:
        """Whether the slot has been given a label."""
        return Slot(layer, side, index) in self._labels

    def sizes(self) -> dict[tuple[str, str], int]:
        """Number of channels of every (layer, side) met."""
        found: dict[tuple[str, str], int] = {}
        for slot in self._labels:
            found[slot.layer, slot.side] = found.get((slot.layer, slot.side), 0) + 1
        return found

    def root(self, label: int) -> int:
        """The label that stands for all those joined with this one."""
        while self._parent[label] != label:
            self._parent[label] = self._parent[self._parent[label]]
            label = self._parent[label]
        return label

    def join(self, first: int, second: int, reason: str) -> None:
        """Say that two labels are one channel; with `ANYTHING`, that the other is blocked."""
        if first == ANYTHING or second == ANYTHING:
            self.block(first or second, reason)
            return
        first, second = self.root(first), self.root(second)
        # The older label stays the root: units are named and sorted by their first slot.
        self._parent[max(first, second)] = min(first, second)

    def block(self, label: int, reason: str) -> None:
        """Say that the channel must stay; the first reason given is kept."""
        if label != ANYTHING:
            self._blocked.setdefault(label, reason)

    def units(self) -> tuple[list[list[Slot]], dict[Slot, str]]:
        """The sets that may go, in order of their first slot; for other slots, why not."""
        sets: dict[int, list[int]] = {}
        for label in range(1, len(self._slots)):
            sets.setdefault(self.root(label), []).append(label)
        reasons: dict[int, str] = {}
        for label, reason in self._blocked.items():
            reasons.setdefault(self.root(label), reason)
        free: list[list[Slot]] = []
        blocked: dict[Slot, str] = {}
        for root, labels in sets.items():
            slots = [slot for label in labels if (slot := self._slots[label]) is not None]
            if root in reasons:
                blocked.update(dict.fromkeys(slots, reasons[root]))
            else:
                free.append(slots)
        return free, blocked
