"""Follow every channel through one forward pass, to see which layers hold the same one.

The model is run once on the example inputs, as it is; what its layers and the operations between
them do to channels is done to integer labels alongside (`damrep.pruning.coupling`). Layers are
followed as modules, what happens between them as the aten operations it comes down to
(`damrep.pruning.operations`), so that reshapes, concatenations, shuffles and sums need no special
case and an operation that is not known blocks the channels it touches and no others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary, WeakTensorKeyDictionary

from damrep.masking.validation import InputError
from damrep.pruning.coupling import Slots
from damrep.pruning.flow import Flow, tensors_in
from damrep.pruning.layers import is_convolution, is_followed, pass_layer
from damrep.pruning.operations import pass_operation

__all__ = ["LayerCall", "Trace", "Tracer", "trace"]

# A tensor's values read back into Python: what a branch on them comes down to.
_READS = ("aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")


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


class Tracer(TorchDispatchMode):
    """The pass itself: sees every operation, keeps a `Flow` for every tensor made of the input."""

    def __init__(self, model: nn.Module, silent: Collection[str] = ()) -> None:
        super().__init__()
        self.trace = Trace()
        self.silent = frozenset(silent)
        self.slots = self.trace.slots
        self._flows: Any = WeakTensorKeyDictionary()
        self._sources: Any = WeakTensorKeyDictionary()
        self._path: list[str] = []
        self._within = 0
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
        return f"{operation} in {self._path[-1] or 'the model'}" if self._path else operation

    def block(self, tensor: Tensor, reason: str) -> None:
        """Say that all channels in the tensor must stay."""
        flow = self.flow(tensor)
        if flow is not None:
            for label in flow.labels.unique().tolist():
                self.slots.block(label, reason)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self._within and func.name().split(".")[0] in _READS:
            for arg in args:
                if isinstance(arg, Tensor) and self.flow(arg) is not None:
                    raise InputError(
                        f"{self._path[-1] or 'the model'} reads a number off a tensor that depends "
                        "on the input: a model whose control flow depends on data cannot be pruned"
                    )
        out = func(*args, **kwargs)
        if not self._within:
            pass_operation(self, func, args, kwargs, out)
        return out

    @contextlib.contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Hooks on every module of the model while the block runs."""
        handles = []
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(self._enter(name), with_kwargs=True))
            handles.append(module.register_forward_hook(self._leave(name), with_kwargs=True))
        try:
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._path.append(name)
            first = _first_tensor(args, kwargs)
            if first is not None:
                self.trace.input_shapes.setdefault(name, first.shape)
            self._within += is_followed(module)

        return hook

    def _leave(self, name: str) -> Callable[..., None]:
        def hook(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
        ) -> None:
            if is_followed(module):
                try:
                    x = _first_tensor(args, kwargs)
                    if self._within == 1 and x is not None and isinstance(out, Tensor):
                        self._pass(name, module, x, out)
                finally:
                    self._within -= 1
            self._path.pop()

        return hook

    def _pass(self, name: str, module: nn.Module, x: Tensor, out: Tensor) -> None:
        flow = pass_layer(self, name, module, x, out)
        if flow.constant:
            last = out.dim() < 3 or isinstance(module, nn.Linear)
            value = out.reshape(-1, out.shape[-1])[0] if last else out[0].flatten(1)[:, 0]
            self.trace.constant[name] = value.clone()  # what follows may write into it
        elif self.flow(x) is not None:
            self.need(x)
        self.set_flow(out, flow, (name,))
        self.trace.output_shapes.setdefault(name, out.shape)
        self.trace.times[name] = self.trace.times.get(name, 0) + 1
        if is_convolution(module):
            grid = x if getattr(module, "transposed", False) else out
            positions = grid.shape[0] * grid[0, 0].numel()
        elif isinstance(module, nn.Linear):
            positions = out.numel() // out.shape[-1]
        else:
            return
        self.trace.calls.append(LayerCall(name, positions))


def _first_tensor(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    return next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)


def trace(model: nn.Module, inputs: tuple[Any, ...], silent: Collection[str] = ()) -> Trace:
    """Run the model once, in the mode it is in, and follow every channel.

    Parameters
    ----------
    model
        A module in eval mode.
    inputs
        What it is called with.
    silent
        Convolutions and linear layers none of whose inputs counts (every weight is zero): their
        output is constant, and so may be what follows from it.

    Raises
    ------
    InputError
        If the model reads a number off its data on the way.
    """
    tracer = Tracer(model, silent)
    with torch.no_grad(), tracer.watching(model):
        for tensor in tensors_in(inputs):
            tracer.set_flow(tensor, Flow.anything(tensor.dim()))
        outputs = model(*inputs)
        for tensor in tensors_in(outputs):
            tracer.block(tensor, "an output of the model")
            tracer.need(tensor)
    return tracer.trace
