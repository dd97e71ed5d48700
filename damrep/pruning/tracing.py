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
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from damrep.masking.validation import InputError
from damrep.pruning.flow import Flow, tensors_in
from damrep.pruning.flows import Flows, LayerCall, Trace
from damrep.pruning.layers import is_convolution, is_followed, pass_layer
from damrep.pruning.operations import pass_operation

__all__ = ["Tracer", "trace"]

# A tensor's values read back into Python: what a branch on them comes down to.
_READS = ("aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")


class Tracer(TorchDispatchMode):
    """The pass itself: sees every operation, and has the rules say what becomes of channels."""

    def __init__(self, model: nn.Module, silent: Collection[str] = ()) -> None:
        super().__init__()
        self.flows = Flows(model, silent)
        self._within = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self._within and func.name().split(".")[0] in _READS:
            for arg in args:
                if isinstance(arg, Tensor) and self.flows.flow(arg) is not None:
                    raise InputError(
                        f"{self.flows.path[-1] or 'the model'} reads a number off a tensor that "
                        "depends on the input: a model whose control flow depends on data cannot "
                        "be pruned"
                    )
        out = func(*args, **kwargs)
        if not self._within:
            pass_operation(self.flows, func, args, kwargs, out)
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
            self.flows.path.append(name)
            first = _first_tensor(args, kwargs)
            if first is not None:
                self.flows.trace.input_shapes.setdefault(name, first.shape)
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
            self.flows.path.pop()

        return hook

    def _pass(self, name: str, module: nn.Module, x: Tensor, out: Tensor) -> None:
        flows, trace = self.flows, self.flows.trace
        flow = pass_layer(flows, name, module, x, out)
        if flow.constant:
            last = out.dim() < 3 or isinstance(module, nn.Linear)
            value = out.reshape(-1, out.shape[-1])[0] if last else out[0].flatten(1)[:, 0]
            trace.constant[name] = value.clone()  # what follows may write into it
        elif flows.flow(x) is not None:
            flows.need(x)
        flows.set_flow(out, flow, (name,))
        trace.output_shapes.setdefault(name, out.shape)
        trace.times[name] = trace.times.get(name, 0) + 1
        if is_convolution(module):
            grid = x if getattr(module, "transposed", False) else out
            positions = grid.shape[0] * grid[0, 0].numel()
        elif isinstance(module, nn.Linear):
            positions = out.numel() // out.shape[-1]
        else:
            return
        trace.calls.append(LayerCall(name, positions))


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
    flows = tracer.flows
    with torch.no_grad(), tracer.watching(model):
        for tensor in tensors_in(inputs):
            flows.set_flow(tensor, Flow.anything(tensor.dim()))
        outputs = model(*inputs)
        for tensor in tensors_in(outputs):
            flows.block(tensor, "an output of the model")
            flows.need(tensor)
    return flows.trace
