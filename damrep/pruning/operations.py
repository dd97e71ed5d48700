"""What the operations between layers do to the channels that pass through them.

Operations are told by what they do, not one by one: those on single elements join the channels they
bring together; those that only move data are done to the labels as well; those that work along axes
are harmless where the labels do not change along these. Any other keeps the channels it reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from damrep.pruning.coupling import ANYTHING
from damrep.pruning.flow import Flow, tensors_in
from damrep.pruning.flows import Flows
from damrep.pruning.places import keep_places

__all__ = ["pass_operation"]

_MOVES = frozenset(
    "view _unsafe_view reshape permute transpose t unsqueeze squeeze expand slice select split "
    "split_with_sizes unbind cat stack alias roll flip pixel_shuffle pixel_unshuffle repeat "
    "channel_shuffle constant_pad_nd clone detach contiguous lift_fresh index_select numpy_T "
    "view_as_real unfold movedim swapaxes unsafe_split unsafe_chunk chunk narrow flatten "
    "native_channel_shuffle _reshape_alias view_copy slice_copy unsafe_split_with_sizes".split()
)
_ELEMENTS = frozenset(
    "_to_copy copy_ native_dropout dropout hardtanh hardtanh_ relu6 softplus threshold "
    "threshold_ log_sigmoid_forward gelu mish mish_ elu elu_ celu celu_ fill_ zero_ bernoulli_ "
    "_prelu_kernel silu silu_ hardswish hardswish_ hardsigmoid hardsigmoid_ leaky_relu "
    "leaky_relu_ zeros_like ones_like empty_like full_like rand_like randn_like".split()
)
_REDUCTIONS = frozenset(
    "mean sum amax amin max min var std var_mean std_mean prod logsumexp argmax argmin any all "
    "linalg_vector_norm norm".split()
)
_ALONG = frozenset("_softmax _log_softmax cumsum cumprod sort".split())
_WINDOWS = re.compile(
    r"(_?adaptive_)?(avg|max)_pool\d?d?(_with_indices)?|_?upsample_\w+|"
    r"(reflection|replication)_pad\d?d?|fractional_max_pool\d?d?|lp_pool\d?d?"
)


def pass_operation(
    flows: Flows, func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> None:
    """Do to the labels what an aten operation did to its tensors."""
    read = list(tensors_in((list(args), kwargs)))
    made = list(tensors_in(out))
    if not made or not any(flows.flow(t) is not None for t in read):
        return
    name = func.name().removeprefix("aten::").split(".")[0]
    constant, still_if = _still(flows, func, name, read)
    flow: Flow | list[Flow] | None
    if name in _MOVES:
        flow = _move(flows, func, args, kwargs, out)
    elif name in _ELEMENTS or torch.Tag.pointwise in func.tags:
        flow = _join_elements(flows, name, read, made[0], constant)
    elif name in _REDUCTIONS:
        flow = _reduce(flows, args, kwargs, made[0])
    elif name in _ALONG:
        flow = _along(flows, args)
    elif _WINDOWS.fullmatch(name):
        flow = _window(flows, name, args)
    else:
        flow = None
    if flow is None:
        reason = f"{flows.where(name)} mixes it with others or is not known here"
        for tensor in read:
            flows.block(tensor, reason)
        flow = [Flow.anything(t.dim()) for t in made]
    if not constant:
        for tensor in read:
            flows.need(tensor)
    sources = frozenset[str]().union(*(flows.sources(t) for t in read))
    for tensor, one in zip(
        made, flow if isinstance(flow, list) else [flow] * len(made), strict=False
    ):
        flows.set_flow(tensor, replace(one, still_if=still_if), sources)


def _still(
    flows: Flows, func: Any, name: str, read: Sequence[Tensor]
) -> tuple[bool, frozenset[str] | None]:
    """Whether an operation gives a constant, and which layers must give one for it to do so."""
    if not (name in _ELEMENTS or torch.Tag.pointwise in func.tags or name in ("clone", "detach")):
        return False, None
    known = [flow for t in read if (flow := flows.flow(t)) is not None]
    if any(t.numel() > 1 for t in read if flows.flow(t) is None):
        return False, None
    layers: frozenset[str] | None = frozenset()
    for flow in known:
        layers = None if layers is None or flow.still_if is None else layers | flow.still_if
    return all(flow.constant for flow in known), layers


def _full(flows: Flows, tensor: Tensor) -> Tensor:
    flow = flows.flow(tensor)
    if flow is None:
        return _parameter_labels(flows, tensor)
    return flow.labels.expand(tensor.shape)


def _parameter_labels(flows: Flows, tensor: Tensor) -> Tensor:
    """Labels of what is not made of the input: a bare parameter of one long axis has some."""
    axes = [axis for axis, size in enumerate(tensor.shape) if size > 1]
    name = flows.name_of(tensor)
    if name is None or len(axes) != 1 or not flows.is_parameter(tensor):
        return torch.full(tuple(tensor.shape), ANYTHING)
    labels = [flows.slots.label(name, "vector", i) for i in range(tensor.shape[axes[0]])]
    return torch.tensor(labels).reshape(tensor.shape)


def _compact(labels: Tensor) -> Tensor:
    """Narrow every axis along which the labels are equal to size 1."""
    for axis in range(labels.dim()):
        first = labels.narrow(axis, 0, 1)
        if labels.shape[axis] > 1 and bool((labels == first).all()):
            labels = first
    return labels.contiguous()


def _move(
    flows: Flows, func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> list[Flow] | None:
    """Do a move of data to the labels as well."""
    name = func.name().removeprefix("aten::").split(".")[0]

    def labels(value: Any) -> Any:
        if isinstance(value, Tensor):
            full = _full(flows, value).contiguous()
            # What has just been joined counts as one, where it comes to lie side by side.
            return full.clone().apply_(flows.slots.root) if name == "pixel_shuffle" else full
        if isinstance(value, (list, tuple)):
            return [labels(item) for item in value]
        return value

    if not keep_places(flows.slots, name, func, args, kwargs, out, _labels_of(flows, args)):
        return None
    given = [a if name == "index_select" and at == 2 else labels(a) for at, a in enumerate(args)]
    if name == "constant_pad_nd":
        given = [given[0], given[1], ANYTHING]
    if any(isinstance(v, Tensor) for v in kwargs.values()):
        return None
    options = {k: v for k, v in kwargs.items() if k not in ("dtype", "memory_format")}
    try:
        moved = list(tensors_in(func(*given, **options)))
    except (RuntimeError, TypeError, NotImplementedError):
        return None
    constant = name in ("clone", "detach") and all(
        flow.constant for t in tensors_in(list(args)) if (flow := flows.flow(t)) is not None
    )
    return [Flow(_compact(m), constant) for m in moved]


def _labels_of(flows: Flows, args: Sequence[Any]) -> Tensor | None:
    flow = flows.flow(args[0]) if args and isinstance(args[0], Tensor) else None
    return None if flow is None else flow.labels


def _join_elements(
    flows: Flows, name: str, read: Sequence[Tensor], made: Tensor, constant: bool
) -> Flow:
    """Join, element by element, the channels of the tensors an operation brings together."""
    ndim = made.dim()
    given: list[tuple[Tensor, Tensor, tuple[int, ...]]] = []
    for tensor in read:
        if tensor.dim() > ndim:
            continue
        flow = flows.flow(tensor)
        labels = flow.labels if flow is not None else _compact(_parameter_labels(flows, tensor))
        lead = (1,) * (ndim - tensor.dim())
        given.append((tensor, labels.reshape(lead + labels.shape), lead + tuple(tensor.shape)))
    varying = [max(labels.shape[axis] for _, labels, _ in given) > 1 for axis in range(ndim)]
    result: Tensor | None = None
    for tensor, labels, shape in given:
        if any(varying[axis] and shape[axis] == 1 for axis in range(ndim)) and made.numel() > 1:
            # One value spread over many channels is no channel of theirs.
            flows.block(tensor, f"{flows.where(name)} spreads it over several channels")
            continue
        if tensor.numel() == 1 and flows.flow(tensor) is None:
            continue
        if result is None:
            result = labels
            continue
        first, second = torch.broadcast_tensors(result, labels)
        pairs = torch.stack([first.flatten(), second.flatten()], dim=1).unique(dim=0)
        reason = f"{flows.where(name)} combines it with something that is not pruned"
        for one, other in pairs.tolist():
            flows.slots.join(one, other, reason)
        # The label of what may go, where the other stands for nothing in particular.
        result = torch.where(first == ANYTHING, second, first)
    if result is None:
        result = torch.full((1,) * ndim, ANYTHING)
    return Flow(_compact(result), constant)


def _axes(value: Any, ndim: int) -> list[int]:
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return list(range(ndim))
    axes = value if isinstance(value, (list, tuple)) else [value]
    return [int(axis) % ndim for axis in axes] if ndim else []


def _reduce(flows: Flows, args: Sequence[Any], kwargs: dict[str, Any], made: Tensor) -> Flow | None:
    flow = flows.flow(args[0])
    if flow is None or any(isinstance(a, Tensor) for a in args[1:]):
        return None
    at = (
        2
        if len(args) > 2 and isinstance(args[1], (int, float)) and isinstance(args[2], list)
        else 1
    )
    axes = _axes(kwargs.get("dim", args[at] if len(args) > at else None), args[0].dim())
    if any(flow.labels.shape[axis] > 1 for axis in axes):
        return None
    labels = flow.labels
    if made.dim() != labels.dim():
        keep = [size for axis, size in enumerate(labels.shape) if axis not in axes]
        labels = labels.reshape(keep)
    return Flow(labels) if labels.dim() == made.dim() else None


def _along(flows: Flows, args: Sequence[Any]) -> Flow | None:
    flow = flows.flow(args[0])
    if flow is None or flow.labels.shape[_axes(args[1], args[0].dim())[0]] > 1:
        return None
    return Flow(flow.labels)


def _window(flows: Flows, name: str, args: Sequence[Any]) -> Flow | None:
    flow = flows.flow(args[0])
    found = re.search(r"(\d)d", name)
    if flow is None or found is None:
        return None
    spatial = int(found.group(1))
    if any(size > 1 for size in flow.labels.shape[flow.labels.dim() - spatial :]):
        return None
    return Flow(flow.labels)
