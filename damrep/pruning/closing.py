"""Branches with no channel left: what they still add up to, and what can go with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from damrep.pruning.flows import Trace
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.layers import is_convolution

__all__ = ["ClosedLayers", "ConstantOutput", "closed_layers", "silent_layers"]


class ConstantOutput(nn.Module):
    """Stands for a layer whose output depends on no input: one value a channel, at every place.

    It computes nothing; from its input it takes the batch size, the positions and nothing else.
    With no channels at all it stands for a layer whose output nothing reads.

    Parameters
    ----------
    replaced
        The layer: a convolution, linear layer or normalisation.
    value
        Shape (channels,).

    Examples
    --------
    >>> import torch
    >>> constant = ConstantOutput(nn.Conv2d(3, 2, 3, stride=2), torch.zeros(2))
    >>> constant(torch.zeros(1, 3, 9, 9)).shape
    torch.Size([1, 2, 4, 4])
    """

    value: Tensor

    def __init__(self, replaced: nn.Module, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value.detach().clone())
        self.last = isinstance(replaced, nn.Linear)
        self.window: tuple[tuple[int, ...], ...] | None = None
        self.transposed = False
        if is_convolution(replaced):
            conv: Any = replaced
            self.transposed = bool(conv.transposed)
            padding = conv.padding
            if isinstance(padding, str):
                full = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
                padding = full if padding == "same" else [0] * len(full)
            else:
                padding = [2 * p for p in padding]
            self.window = tuple(
                zip(
                    conv.kernel_size,
                    conv.stride,
                    padding,
                    conv.dilation,
                    conv.output_padding,
                    strict=True,
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """The value at every position that the layer's output would have."""
        if self.last:
            return self.value.expand(*x.shape[:-1], -1).clone()
        places: Sequence[int] = x.shape[2:]
        if self.window is not None:
            places = [
                (size - 1) * stride - both + dilation * (kernel - 1) + extra + 1
                if self.transposed
                else (size + both - dilation * (kernel - 1) - 1) // stride + 1
                for size, (kernel, stride, both, dilation, extra) in zip(
                    places, self.window, strict=True
                )
            ]
        value = self.value.view(1, -1, *(1,) * len(places))
        # Cloned: what follows may write in place.
        return value.expand(x.shape[0], -1, *places).clone()

    def extra_repr(self) -> str:
        """Number of channels, for `repr`."""
        return f"{self.value.numel()}"


@dataclass
class ClosedLayers:
    """What closing whole groups does to layers.

    Attributes
    ----------
    groups
        Groups without any unit left: those that closed, and those that only closed ones read.
    constants
        Layers that become a `ConstantOutput`, with the value of each of their channels.
    unread
        Layers whose output nothing reads any more: convolutions, linear layers, normalisations.
    """

    groups: set[str] = field(default_factory=set)
    constants: dict[str, Tensor] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)


def silent_layers(
    modules: Mapping[str, nn.Module], groups: Collection[ChannelGroup]
) -> frozenset[str]:
    """Convolutions and linear layers all of whose inputs belong to one of the groups."""
    read: dict[str, int] = {}
    for group in groups:
        for layer in group.readers:
            read[layer] = read.get(layer, 0) + len(group.members[layer, "in"])
    return frozenset(layer for layer, n in read.items() if n == _inputs(modules[layer]))


def _inputs(module: nn.Module) -> int:
    return int(module.in_channels if is_convolution(module) else module.in_features)  # type: ignore[arg-type]


def closed_layers(
    groups: Sequence[ChannelGroup], closed: Collection[str], trace: Trace
) -> ClosedLayers:
    """Work out which layers go, and which stay as a constant.

    Parameters
    ----------
    groups
        All channel groups of the model.
    closed
        Names of those without an open unit.
    trace
        Of the model with the gates folded in, its silent layers named.
    """
    result = ClosedLayers(set(closed))
    gone = set(trace.constant)
    while True:
        for layer, side in _covered(groups, result.groups, trace):
            if side in ("out", "norm"):
                gone.add(layer)
                result.unread.add(layer)
        # A group that only constant or unread layers read has no use either, open or not.
        idle = {
            group.name
            for group in groups
            if group.name not in result.groups and all(layer in gone for layer in group.readers)
        }
        if not idle:
            break
        result.groups |= idle
    for layer, value in trace.constant.items():
        if layer in trace.needed and layer not in result.unread:
            result.constants[layer] = value
        else:
            result.unread.add(layer)
    return result


def _covered(
    groups: Sequence[ChannelGroup], closed: Collection[str], trace: Trace
) -> list[tuple[str, str]]:
    """The (layer, side) pairs of which every channel is in a closed group."""
    held: dict[tuple[str, str], int] = {}
    for group in groups:
        if group.name in closed:
            for key, pairs in group.members.items():
                held[key] = held.get(key, 0) + len(pairs)
    return [
        (layer, side)
        for (layer, side), n in held.items()
        if side != "vector" and not trace.slots.has(layer, side, n)
    ]
