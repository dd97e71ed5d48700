"""From open and closed units to a record of cuts: what goes exactly, and what must stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from damrep.pruning.closing import closed_layers, silent_layers
from damrep.pruning.examples import analysis_copy
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.surgery import Cuts, apply_cuts, kept_channels
from damrep.pruning.tracing import trace
from damrep.training.seeding import torch_generator

__all__ = ["PlannedCuts", "at_least_one", "plan_cuts"]


@dataclass(frozen=True)
class PlannedCuts:
    """A record of cuts, and what it needs besides.

    Parameters
    ----------
    cuts
        The record.
    values
        Values of the layers that become constant.
    keep
        By group name, the units that stay; none for groups whose layers go altogether.
    """

    cuts: Cuts
    values: dict[str, Tensor]
    keep: dict[str, Tensor]


def at_least_one(groups: Sequence[ChannelGroup], keep: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The units to keep, with one closed unit more where a group needs some and has none open."""
    result: dict[str, Tensor] = {}
    for group in groups:
        staying = keep[group.name].clone()
        if not group.closable and not bool(staying.any()):
            staying[-1] = True
        result[group.name] = staying
    return result


def plan_cuts(
    folded: nn.Module,
    inputs: tuple[Any, ...],
    groups: Sequence[ChannelGroup],
    keep: Mapping[str, Tensor],
    sizes: Mapping[tuple[str, str], int],
) -> PlannedCuts:
    """Decide what to cut so that the outputs of the folded model stay what they are.

    Parameters
    ----------
    folded
        The model with its gates multiplied in: no layer reads a closed unit. Not changed.
    inputs
        Example inputs, on the CPU.
    groups
        Its channel groups.
    keep
        By group name, bool of shape (units,): which are open.
    sizes
        Channels of every (layer, side).
    """
    staying = at_least_one(groups, keep)
    closed = [g for g in groups if not bool(staying[g.name].any())]
    if not closed:
        return PlannedCuts(Cuts(kept_channels(groups, staying, sizes)), {}, staying)
    twin = analysis_copy(folded)
    silent = silent_layers(dict(twin.named_modules()), closed)
    seen = trace(twin, inputs, silent)
    ending = closed_layers(groups, [g.name for g in closed], seen)
    for name in ending.groups:
        staying[name] = torch.zeros_like(staying[name])
    kept = kept_channels(groups, staying, sizes)
    values: dict[str, Tensor] = {}
    for layer, value in ending.constants.items():
        sides = kept.get(layer, {})
        channels = sides.get("out", sides.get("norm"))
        values[layer] = value if channels is None else value[channels]
    constants = {layer: value.numel() for layer, value in values.items()}
    constants.update(dict.fromkeys(sorted(ending.unread), 0))
    for layer in constants:
        kept.pop(layer, None)
    cuts = Cuts(kept, constants)
    apply_cuts(twin, cuts, values)
    zero = [layer for layer, value in values.items() if not bool(value.any())]
    cuts.identities = _identities(twin, inputs, zero)
    return PlannedCuts(cuts, values, staying)


def _identities(model: nn.Module, inputs: tuple[Any, ...], layers: Sequence[str]) -> list[str]:
    """Modules around the layers that now pass their input on, the outermost of them."""
    modules = dict(model.named_modules())
    around = {
        ".".join(layer.split(".")[:depth])
        for layer in layers
        for depth in range(1, layer.count(".") + 1)
    }
    if not around:
        return []
    seen: dict[str, Tensor] = {}
    handles = [modules[name].register_forward_pre_hook(_remember(seen, name)) for name in around]
    with torch.no_grad():
        model(*inputs)
    for handle in handles:
        handle.remove()
    found: list[str] = []
    for name in sorted(around, key=lambda n: (n.count("."), n)):
        inside = any(name.startswith(outer + ".") for outer in found)
        if not inside and name in seen and _passes_on(modules[name], seen[name]):
            found.append(name)
    return found


def _remember(seen: dict[str, Tensor], name: str) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        if len(args) == 1 and isinstance(args[0], Tensor) and args[0].is_floating_point():
            seen.setdefault(name, args[0])

    return hook


def _passes_on(module: nn.Module, x: Tensor) -> bool:
    """Whether the module gives back what it gets, whatever its size and sign."""
    generator = torch_generator(0)
    for scale in (1e-3, 1.0, 1e3):
        # Drawn in float32: the generator's values must not depend on the dtype of the model.
        probe = (torch.randn(x.shape, generator=generator) * scale).to(x.dtype)
        with torch.no_grad():
            out = module(probe.clone())
        if not isinstance(out, Tensor) or out.shape != probe.shape or not torch.equal(out, probe):
            return False
    return True
