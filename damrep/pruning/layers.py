"""What each kind of layer does to the channels that pass through it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from damrep.pruning.coupling import ANYTHING
from damrep.pruning.flow import Flow
from damrep.pruning.flows import Flows

__all__ = [
    "CONVOLUTIONS",
    "coupled_whole_groups",
    "is_convolution",
    "is_followed",
    "pass_layer",
]

CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_FOLLOWED = (*CONVOLUTIONS, nn.Linear, *_BATCH_NORMS, *_INSTANCE_NORMS, nn.GroupNorm, nn.PReLU)


def _is_one_of(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    # A subclass with a forward of its own does something else to its channels.
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)


def is_convolution(module: nn.Module) -> bool:
    """Whether this is one of torch's convolutions, transposed ones among them."""
    return _is_one_of(module, CONVOLUTIONS)


def is_followed(module: nn.Module) -> bool:
    """Whether this is a layer whose channels are followed one by one."""
    return _is_one_of(module, _FOLLOWED)


def coupled_whole_groups(groups: int, in_per_group: int) -> bool:
    """Whether a grouped convolution loses whole groups, rather than the same place in every group.

    Either keeps the groups equal; the choice is the finer of the two. A depthwise convolution, one
    channel a group, always loses whole groups.
    """
    return groups >= in_per_group


def pass_layer(flows: Flows, name: str, module: nn.Module, x: Tensor, out: Tensor) -> Flow:
    """Join the channels of the layer with those of its input; the flow of its output."""
    flow = flows.flow(x)
    if flow is None:  # made of parameters alone
        flow = Flow.anything(x.dim())
    if any(size > 1 for place, size in enumerate(flow.labels.shape) if place != 1):
        # Its channels are not on axis 1, so that a constant in it is none for this layer.
        flow = Flow(flow.labels)
    constant = flow.constant
    if is_convolution(module) or isinstance(module, nn.Linear):
        return _pass_weighted(flows, name, module, x, flow, out)
    if isinstance(module, nn.PReLU) and module.num_parameters == 1:
        return Flow(flow.labels, constant, flow.still_if)
    channels = x.shape[1] if x.dim() > 1 else 0
    labels = _norm_labels(flows, name, module, channels)
    _join_axis(flows, flow.labels, 1, labels, x, f"{name} normalises over it with others")
    still = isinstance(module, nn.PReLU) or (
        isinstance(module, _BATCH_NORMS) and module.running_mean is not None
    )
    shape = [1] * x.dim()
    if x.dim() > 1:
        shape[1] = channels
    return Flow(
        torch.tensor(labels).reshape(shape), constant and still, flow.still_if if still else None
    )


def _norm_labels(flows: Flows, name: str, module: nn.Module, channels: int) -> list[int]:
    slots, known = flows.slots, flows.slots.has(name, "norm")
    labels = [slots.label(name, "norm", i) for i in range(channels)]
    if isinstance(module, nn.GroupNorm) and not known:
        # The statistics are shared within a group, and within it only.
        size = channels // module.num_groups
        for i in range(channels):
            slots.join(labels[i], labels[i - i % size], "")
    return labels


def _pass_weighted(
    flows: Flows, name: str, module: nn.Module, x: Tensor, flow: Flow, out: Tensor
) -> Flow:
    conv = is_convolution(module)
    axis = 1 if conv else x.dim() - 1
    weight: Any = module.weight
    if conv and x.dim() != weight.dim():
        flows.block(x, f"{name} reads it without a batch axis")
        return Flow.anything(out.dim())
    known = flows.slots.has(name, "out")
    n_in, n_out = x.shape[axis], out.shape[axis]
    ins = [flows.slots.label(name, "in", i) for i in range(n_in)]
    outs = [flows.slots.label(name, "out", i) for i in range(n_out)]
    if not known:
        _couple_groups(flows, getattr(module, "groups", 1), ins, outs)
    _join_axis(flows, flow.labels, axis, ins, x, f"{name} reads it mixed with others")
    shape = [1] * out.dim()
    shape[axis] = n_out
    layer: Any = module
    padded = conv and (layer.transposed or isinstance(layer.padding, str) or any(layer.padding))
    plain = not padded and axis == 1
    if plain and flow.still_if is not None:
        flows.trace.still_if[name] = flow.still_if
    constant = name in flows.silent or (flow.constant and plain)
    return Flow(torch.tensor(outs).reshape(shape), constant, frozenset({name}))


def _couple_groups(flows: Flows, groups: int, ins: list[int], outs: list[int]) -> None:
    """Join channels of a grouped convolution so that whatever goes leaves its groups equal."""
    if groups == 1:
        return
    n_in, n_out = len(ins) // groups, len(outs) // groups
    if coupled_whole_groups(groups, n_in):
        for i, label in enumerate(ins):
            flows.slots.join(label, ins[i - i % n_in], "")
        for o, label in enumerate(outs):
            flows.slots.join(label, ins[o // n_out * n_in], "")
    else:
        for i, label in enumerate(ins):
            flows.slots.join(label, ins[i % n_in], "")
        for o, label in enumerate(outs):
            flows.slots.join(label, outs[o % n_out], "")


def _join_axis(
    flows: Flows, labels: Tensor, axis: int, own: list[int], x: Tensor, reason: str
) -> None:
    """Join a layer's channels with the labels along one axis of its input."""
    if x.dim() <= axis or any(size > 1 for place, size in enumerate(labels.shape) if place != axis):
        flows.block(x, reason)
        for label in own:
            flows.slots.block(label, reason)
        return
    theirs = labels.expand(*labels.shape[:axis], len(own), *labels.shape[axis + 1 :])
    for label, other in zip(own, theirs.flatten().tolist(), strict=True):
        why = "it comes from the model's input" if other == ANYTHING else ""
        flows.slots.join(label, other, why)
