"""What one forward pass shows of channels, and what is known of every tensor on the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary, WeakTensorKeyDictionary

from damrep.pruning.coupling import Slots
from damrep.pruning.flow import Flow

__all__ = ["Flows", "LayerCall", "Trace"]


@dataclass(frozen=True)
class LayerCall:
    """One call of a convolution or linear layer.

    Parameters
    ----------
    layer
        Module path.
    positions
        How often an entry of the weight is used, over the whole batch.
    """

    layer: str
    positions: int


@dataclass
class Trace:
    """What one pass showed.

    Attributes
    ----------
    slots
        Every channel met, joined and blocked.
    calls
        The convolutions and linear layers in the order they ran.
    input_shapes
        Of each module, by path: the shape of its first input at its first call.
    output_shapes
        Of each followed layer, by path, in the order they ran: the shape of its first output.
    times
        How often each followed layer ran.
    still_if
        Of each convolution and linear layer whose output is a constant if its input is one: the
        layers that must give constants for its input to be.
    constant
        The followed layers whose output was constant, and a value of it by channel.
    needed
        Those of them whose output something that is not constant reads.
    """

    slots: Slots = field(default_factory=Slots)
    calls: list[LayerCall] = field(default_factory=list)
    input_shapes: dict[str, torch.Size] = field(default_factory=dict)
    output_shapes: dict[str, torch.Size] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    still_if: dict[str, frozenset[str]] = field(default_factory=dict)
    constant: dict[str, Tensor] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)


class Flows:
    """A `Flow` for every tensor made of the input, and the record that the rules write.

    Parameters
    ----------
    model
        Names the parameters and buffers.
    silent
        Layers none of whose inputs counts.

    Attributes
    ----------
    trace : Trace
    slots : Slots
        Those of the trace.
    path : list of str
        The modules that run now, the innermost last.
    """

    def __init__(self, model: nn.Module, silent: Collection[str] = ()) -> None:
        self.trace = Trace()
        self.slots = self.trace.slots
        self.silent = frozenset(silent)
        self.path: list[str] = []
        self._flows: Any = WeakTensorKeyDictionary()
        self._sources: Any = WeakTensorKeyDictionary()
        self._named: Any = WeakIdKeyDictionary()
        for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
            self._named[parameter] = name

    def flow(self, tensor: Tensor) -> Flow | None:
        """What is known of a tensor; None for one that is not made of the input."""
        return self._flows.get(tensor)

    def name_of(self, tensor: Tensor) -> str | None:
        """The path of a parameter or buffer of the model."""
        return self._named.get(tensor)

    def is_parameter(self, tensor: Tensor) -> bool:
        """Whether the tensor is one of the model's parameters."""
        return isinstance(tensor, nn.Parameter) and tensor in self._named

    def set_flow(self, tensor: Tensor, flow: Flow, sources: Collection[str] = ()) -> None:
        """Note what is known of a tensor, and which constant layers it is made from."""
        self._flows[tensor] = flow
        self._sources[tensor] = frozenset(sources) if flow.constant else frozenset()

    def sources(self, tensor: Tensor) -> frozenset[str]:
        """The constant layers a constant tensor comes from without another between."""
        return self._sources.get(tensor, frozenset())

    def need(self, tensor: Tensor) -> None:
        """Say that something which is not constant reads the tensor."""
        self.trace.needed |= self.sources(tensor)

    def where(self, operation: str) -> str:
        """A phrase that names an operation and the module it runs in."""
        return f"{operation} in {self.path[-1] or 'the model'}" if self.path else operation

    def block(self, tensor: Tensor, reason: str) -> None:
        """Say that all channels in the tensor must stay."""
        flow = self.flow(tensor)
        if flow is not None:
            for label in flow.labels.unique().tolist():
                self.slots.block(label, reason)
