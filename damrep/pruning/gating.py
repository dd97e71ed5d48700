"""Gates on channels, as parametrisations of the weights that read (or write) them.

A gate after normalisation and activation multiplies what the next layers read: W (g * x) is
(W * g) x, so that the gate goes on their weights, once a step and not once a pixel. A channel whose
gate is zero is one that no layer reads, and it can go exactly, whatever stands between the layer
that writes it and those that read it: normalisation, bias, an activation that is not zero at zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from damrep.masking.dam import DAM
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.layers import is_convolution

__all__ = [
    "WeightGate",
    "attach_gates",
    "channel_of_weight",
    "detach_gates",
    "fold_gates",
    "scale_readers",
]


class WeightGate(nn.Module):
    """Multiply a weight (or bias) by the gates of the channels its entries belong to.

    Parameters
    ----------
    masks
        The masks concerned; one may serve several layers.
    place
        int64, of a shape that broadcasts to the weight: for each entry its position among the
        gates of all masks, one after the other; one past the last for channels without a gate.
    """

    place: Tensor

    def __init__(self, masks: Sequence[DAM], place: Tensor) -> None:
        super().__init__()
        self.masks = nn.ModuleList(masks)
        self.total = sum(mask.num_features for mask in masks)
        self.whole = bool((place == self.total).any())
        direct = not self.whole and len(masks) == 1 and place.numel() == self.total
        self.direct = direct and bool((place.flatten() == torch.arange(self.total)).all())
        self.shape = tuple(place.shape)
        self.register_buffer("place", place.flatten(), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """The gated weight."""
        parts = [mask.training_gate() for mask in self.masks]  # type: ignore[operator]
        if self.whole:
            parts.append(parts[0].new_ones(1))
        gate = parts[0] if len(parts) == 1 else torch.cat(parts)
        if not self.direct:
            gate = gate.index_select(0, self.place)
        return weight * gate.view(self.shape).to(weight.dtype)


def channel_of_weight(module: nn.Module, side: str) -> Tensor:
    """The channel of a layer that each entry of its weight belongs to.

    Parameters
    ----------
    module
        A convolution or linear layer.
    side
        "in" or "out".

    Returns
    -------
    Tensor
        int64, of a shape that broadcasts to the weight's.

    Examples
    --------
    >>> channel_of_weight(nn.Conv1d(4, 2, 1, groups=2), "in").squeeze(-1).tolist()
    [[0, 1], [2, 3]]
    """
    weight: Any = module.weight
    rows, columns = weight.shape[:2]
    groups = getattr(module, "groups", 1)
    trailing = (1,) * (weight.dim() - 2)
    first = "in" if getattr(module, "transposed", False) else "out"
    if side == first:
        return torch.arange(rows).reshape(rows, 1, *trailing)
    if groups == 1:
        return torch.arange(columns).reshape(1, columns, *trailing)
    of_row = torch.arange(groups).repeat_interleave(rows // groups) * columns
    return (of_row[:, None] + torch.arange(columns)).reshape(rows, columns, *trailing)


def _places(
    layer: str, side: str, channels: int, groups: Iterable[ChannelGroup], masks: Mapping[str, DAM]
) -> tuple[list[DAM], Tensor]:
    """For each channel of a layer's side its position among the gates of the masks returned."""
    used: list[DAM] = []
    start = 0
    place = torch.full((channels,), -1)
    for group in groups:
        pairs = group.members.get((layer, side))
        if pairs:
            for channel, unit in pairs:
                place[channel] = start + unit
            used.append(masks[group.name])
            start += group.n_units
    place[place < 0] = start
    return used, place


def attach_gates(
    model: nn.Module, groups: Sequence[ChannelGroup], masks: Mapping[str, DAM], gate_order: str
) -> list[tuple[str, str]]:
    """Put the masks on the model's weights, in place.

    Parameters
    ----------
    model
        The model the groups were found in.
    groups, masks
        The groups, and the mask of each by name.
    gate_order
        "after_norm": on what the next layers read. "conv": on what the convolutions write, before
        their normalisation, as the reference implementation of arXiv 2110.00684 has it.

    Returns
    -------
    list of (layer, tensor name)
        What is parametrised now, for `detach_gates`.
    """
    modules = dict(model.named_modules())
    side = "in" if gate_order == "after_norm" else "out"
    layers: dict[str, list[ChannelGroup]] = {}
    for group in groups:
        for layer in group.readers if side == "in" else group.producers:
            layers.setdefault(layer, []).append(group)
    done: list[tuple[str, str]] = []
    for layer, mine in layers.items():
        module = modules[layer]
        weight: Tensor = module.weight
        channels = _channels(module, side)
        used, place = _places(layer, side, channels, mine, masks)
        gate = WeightGate(used, place[channel_of_weight(module, side)]).to(weight.device)
        parametrize.register_parametrization(module, "weight", gate, unsafe=True)
        done.append((layer, "weight"))
        if side == "out" and module.bias is not None:
            on_bias = WeightGate(used, place).to(weight.device)
            parametrize.register_parametrization(module, "bias", on_bias, unsafe=True)
            done.append((layer, "bias"))
    return done


def _channels(module: nn.Module, side: str) -> int:
    kind = "channels" if is_convolution(module) else "features"
    return int(getattr(module, f"{side}_{kind}"))


def scale_readers(
    model: nn.Module, groups: Iterable[ChannelGroup], values: Mapping[str, Tensor]
) -> None:
    """Multiply gate values into the weights that read the channels, in place.

    Parameters
    ----------
    model
        A model without gates on it.
    groups
        Channel groups.
    values
        By group name, shape (units,). Groups not named are left as they are.
    """
    modules = dict(model.named_modules())
    for group in groups:
        if group.name not in values:
            continue
        for layer in group.readers:
            module = modules[layer]
            weight: Tensor = module.weight
            scale = weight.new_ones(_channels(module, "in"))
            channels, units = zip(*group.members[layer, "in"], strict=True)
            scale[list(channels)] = values[group.name].to(weight)[list(units)]
            with torch.no_grad():
                weight.mul_(scale[channel_of_weight(module, "in").to(weight.device)])


def detach_gates(model: nn.Module, gated: Iterable[tuple[str, str]]) -> None:
    """Take the masks off again: the very parameters the model had before, in their old order."""
    _remove(model, gated, keep=False)


def fold_gates(model: nn.Module, gated: Iterable[tuple[str, str]]) -> None:
    """Multiply the gates into the weights for good, in place."""
    _remove(model, gated, keep=True)


def _remove(model: nn.Module, gated: Iterable[tuple[str, str]], keep: bool) -> None:
    # Not torch's remove_parametrizations: it takes the property off a class that the module shares
    # with its deep copies, which it breaks.
    modules = dict(model.named_modules())
    tensors: dict[str, list[str]] = {}
    for layer, tensor in gated:
        tensors.setdefault(layer, []).append(tensor)
    for layer, names in tensors.items():
        module = modules[layer]
        parameters: dict[str, nn.Parameter] = {}
        for name in names:
            held = module.parametrizations[name].original
            if keep:
                held = nn.Parameter(getattr(module, name).detach().clone(), held.requires_grad)
            parameters[name] = held
        del module._modules["parametrizations"]
        module.__class__ = type(module).__bases__[0]
        for name, parameter in parameters.items():
            module.register_parameter(name, parameter)
        # State dicts and optimisers go by this order.
        for name in ("weight", "bias"):
            if name in module._parameters:
                module._parameters[name] = module._parameters.pop(name)
