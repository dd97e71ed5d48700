"""Channel groups: what shares one gate, and what is left whole and why."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn

from damrep.masking.validation import InputError
from damrep.pruning.coupling import Slot
from damrep.pruning.flows import Trace
from damrep.pruning.layers import CONVOLUTIONS, coupled_whole_groups

__all__ = ["ChannelGroup", "check_names", "find_groups", "uncuttable"]


@dataclass(frozen=True)
class ChannelGroup:
    """Units that run through the same layers; one gate, of one value a unit, decides over them.

    Parameters
    ----------
    name
        Path of the first layer that writes the channels.
    n_units
        Number of units.
    members
        For each (layer, side): pairs (channel, unit), in order of the channel. Sides are "out",
        "in", "norm" and "vector" (`damrep.pruning.coupling.Slot`).
    readers
        Layers whose reading of the channels is gated: the convolutions and linear layers that mix
        them.
    closable
        Whether all units may close: something runs past these layers.
    """

    name: str
    n_units: int
    members: Mapping[tuple[str, str], tuple[tuple[int, int], ...]]
    readers: tuple[str, ...]
    closable: bool = False

    @cached_property
    def producers(self) -> tuple[str, ...]:
        """Layers that write the channels, in the order they run."""
        return tuple(layer for layer, side in self.members if side == "out")

    @cached_property
    def norms(self) -> tuple[str, ...]:
        """Normalisations (and PReLUs) that the channels pass."""
        return tuple(layer for layer, side in self.members if side == "norm")


@dataclass
class Groups:
    """What was found: the groups, and the layers of which channels must stay, with the reason."""

    groups: list[ChannelGroup] = field(default_factory=list)
    left_whole: dict[str, str] = field(default_factory=dict)


def check_names(model: nn.Module, ignore: Collection[str]) -> None:
    """Check that every name in `ignore` is that of a module.

    Raises
    ------
    InputError
        If one is not; the message gives the nearest that is.
    """
    names = [name for name, _ in model.named_modules() if name]
    for name in ignore:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise InputError(f"ignore names {name!r}, which is no module of the model{hint}")


def uncuttable(model: nn.Module) -> dict[str, str]:
    """Layers whose tensors cannot be cut, by path, with the reason."""
    reasons: dict[str, str] = {}
    owner: dict[int, str] = {}
    for name, module in model.named_modules():
        if hasattr(module, "parametrizations"):
            reasons[name] = "its weight is parametrised already"
        elif hasattr(module, "weight_g") or hasattr(module, "weight_orig"):
            reasons[name] = "its weight is computed from others (weight_norm, spectral_norm, prune)"
        for parameter in module.parameters(recurse=False):
            first = owner.setdefault(id(parameter), name)
            if first != name:
                reasons[name] = f"it shares a parameter with {first}"
                reasons.setdefault(first, f"it shares a parameter with {name}")
    return reasons


def find_groups(model: nn.Module, trace: Trace, ignore: Collection[str] = ()) -> Groups:
    """Sort the units of a trace into groups.

    Parameters
    ----------
    model
        The model that was traced.
    trace
        From `damrep.pruning.tracing.trace`. Its slots get further blocks.
    ignore
        Module paths; layers at or below one write no channel that may go.
    """
    modules = dict(model.named_modules())
    for layer, reason in uncuttable(model).items():
        for side in ("out", "in", "norm"):
            _block_layer(trace, layer, side, reason)
    for name in ignore:
        for layer in modules:
            if layer == name or layer.startswith(name + "."):
                _block_layer(trace, layer, "out", "ignored, as asked")
    units, blocked = trace.slots.units()
    found = Groups()
    order = {layer: place for place, layer in enumerate(trace.output_shapes)}
    sets: dict[frozenset[tuple[str, str]], list[list[Slot]]] = {}
    for unit in units:
        sets.setdefault(frozenset((s.layer, s.side) for s in unit), []).append(unit)
    taken: dict[str, int] = {}
    for signature, members in sorted(sets.items(), key=lambda item: _first(item[0], order)):
        producers = [layer for layer, side in signature if side == "out"]
        # Where a layer writes each channel into its own (depthwise), the next one's reading counts.
        readers = tuple(
            layer for layer in order if (layer, "in") in signature and _mixes(modules[layer])
        )
        if not producers:
            continue
        reason = _unfit(len(members), readers)
        if reason:
            found.left_whole.update(dict.fromkeys(sorted(producers, key=order.__getitem__), reason))
            continue
        first = min(producers, key=order.__getitem__)
        taken[first] = taken.get(first, 0) + 1
        name = first if taken[first] == 1 else f"{first}#{taken[first]}"
        found.groups.append(ChannelGroup(name, len(members), _members(members, order), readers))
    free = {layer for group in found.groups for layer in group.producers}
    for slot, reason in blocked.items():
        if slot.side == "out" and slot.layer in order and slot.layer not in free:
            found.left_whole.setdefault(slot.layer, reason)
    for name, module in modules.items():
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)) and name not in order:
            found.left_whole.setdefault(name, "the example inputs do not reach it as a layer")
    found.left_whole = {
        name: reason for name, reason in found.left_whole.items() if name not in free
    }
    return found


def _block_layer(trace: Trace, layer: str, side: str, reason: str) -> None:
    index = 0
    while trace.slots.has(layer, side, index):
        trace.slots.block(trace.slots.label(layer, side, index), reason)
        index += 1


def _first(signature: frozenset[tuple[str, str]], order: Mapping[str, int]) -> tuple[int, str]:
    places = [order[layer] for layer, side in signature if side == "out" and layer in order]
    return min(places, default=len(order)), str(sorted(signature))


def _mixes(module: Any) -> bool:
    """Whether a layer reads channels into others, and not each into its own."""
    groups = getattr(module, "groups", 1)
    if groups == 1:
        return True
    return not coupled_whole_groups(groups, module.in_channels // groups)


def _unfit(n_units: int, readers: tuple[str, ...]) -> str:
    if not readers:
        return "no convolution or linear layer reads its channels"
    if n_units < 2:
        return "all its channels are coupled into one"
    return ""


def _members(
    units: list[list[Slot]], order: Mapping[str, int]
) -> dict[tuple[str, str], tuple[tuple[int, int], ...]]:
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for number, unit in enumerate(units):
        for slot in unit:
            found.setdefault((slot.layer, slot.side), []).append((slot.index, number))
    keys = sorted(found, key=lambda key: (order.get(key[0], len(order)), key))
    return {key: tuple(sorted(found[key])) for key in keys}
