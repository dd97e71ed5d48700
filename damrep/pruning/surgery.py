"""Cutting channels out of layers: a record of what to keep, and its replay on any copy.

The record (`Cuts`) is plain data in the numbering of the uncut model, so that it can be looked at,
written to a file and replayed on a fresh model of the same architecture. The layers are cut by
torch-pruning's layer pruners; grouped convolutions, group and instance normalisations, whose groups
or statistics those do not keep right, are cut here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.schema import COUNT, TEXT, Entries, Items, Record
from damrep.masking.validation import InputError
from damrep.pruning.closing import ConstantOutput
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.layers import coupled_whole_groups, is_convolution

__all__ = ["CUTS", "Cuts", "apply_cuts", "kept_channels", "torch_pruning"]

# Attributes that say how many channels a layer has on a side.
_CHANNELS = {
    "in": ("in_channels", "in_features"),
    "out": ("out_channels", "out_features"),
    "norm": ("num_features", "num_channels", "num_parameters"),
}
_SIDES = (*_CHANNELS, "vector")
CUTS = Record(
    {
        "keep": Entries(Record({}, optional=dict.fromkeys(_SIDES, Items(COUNT)))),
        "constants": Entries(COUNT),
        "identities": Items(TEXT),
    }
)
"""What a record of cuts is as plain data."""


@dataclass
class Cuts:
    """What is left of a model, as plain data.

    Attributes
    ----------
    keep
        By layer path and side ("in", "out", "norm", "vector"): the channels that stay, ascending.
        Layers not named are untouched.
    constants
        Layers that became a `ConstantOutput`, with their number of channels; 0 for those whose
        output nothing reads.
    identities
        Modules that pass their input on, and became `torch.nn.Identity`.
    """

    keep: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    identities: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As nested dictionaries and lists, for JSON."""
        return {"keep": self.keep, "constants": self.constants, "identities": self.identities}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cuts:
        """From what `to_dict` gave.

        Raises
        ------
        InputError
            If it is not of that form.
        """
        try:
            CUTS.check(data, "cuts")
            for layer, sides in data["keep"].items():
                for side, kept in sides.items():
                    if any(after <= before for before, after in pairwise(kept)):
                        raise InputError(f"cuts.keep.{layer}.{side}: expected rising numbers")
        except InputError as error:
            raise InputError(f"the record of cuts is damaged: {error}") from None
        return cls(
            {layer: dict(sides) for layer, sides in data["keep"].items()},
            dict(data["constants"]),
            list(data["identities"]),
        )


def torch_pruning() -> Any:
    """The torch-pruning package.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import torch_pruning as tp
    except ImportError:
        raise InputError(
            "channel pruning needs torch-pruning: pip install 'damrep[pruning]'"
        ) from None
    return tp


def kept_channels(
    groups: Sequence[ChannelGroup],
    keep: Mapping[str, Tensor],
    sizes: Mapping[tuple[str, str], int],
) -> dict[str, dict[str, list[int]]]:
    """The channels that stay, for every layer that loses some.

    Parameters
    ----------
    groups
        Channel groups.
    keep
        By group name, bool of shape (units,): which units stay.
    sizes
        By (layer, side): channels of the uncut layer.
    """
    gone: dict[tuple[str, str], set[int]] = {}
    for group in groups:
        staying = keep[group.name].tolist()
        for key, pairs in group.members.items():
            lost = {channel for channel, unit in pairs if not staying[unit]}
            if lost:
                gone.setdefault(key, set()).update(lost)
    found: dict[str, dict[str, list[int]]] = {}
    for (layer, side), lost in gone.items():
        kept = [channel for channel in range(sizes[layer, side]) if channel not in lost]
        # A bare parameter in a branch that is gone altogether: nothing is left to shrink it to.
        found.setdefault(layer, {})[side] = kept or [0] if side == "vector" else kept
    return found


def apply_cuts(model: nn.Module, cuts: Cuts, values: Mapping[str, Tensor] | None = None) -> None:
    """Cut a model in place.

    Parameters
    ----------
    model
        A model of the architecture the record was made for, without gates.
    cuts
        What to keep.
    values
        The values of constant layers; zeros where it names none (to be loaded over).

    Raises
    ------
    InputError
        If the model has no such layer, or one of another kind or size; or torch-pruning is missing.
    """
    tp = torch_pruning()
    values = values or {}
    modules = dict(model.named_modules())
    parameters = dict(model.named_parameters())
    for layer, channels in cuts.constants.items():
        module = _find(modules, layer)
        _check_constant(layer, module, channels)
        like = next(iter(module.parameters()), torch.zeros(()))
        value = values.get(layer)
        held = torch.zeros(channels) if value is None else value
        constant = ConstantOutput(module, held.to(device=like.device, dtype=like.dtype))
        _replace(model, module, constant.train(module.training))
    for layer, sides in cuts.keep.items():
        if layer in cuts.constants:
            continue
        if "vector" in sides:
            if layer not in parameters:
                raise InputError(f"the model has no parameter {layer!r} to cut")
            _cut_vector(model, layer, parameters[layer], sides["vector"])
        else:
            _cut_layer(tp, layer, _find(modules, layer), sides)
    for name in cuts.identities:
        _replace(model, _find(modules, name), nn.Identity().train(modules[name].training))


def _find(modules: Mapping[str, nn.Module], layer: str) -> nn.Module:
    if layer not in modules:
        raise InputError(f"the model has no layer {layer!r} to cut: not the architecture recorded")
    return modules[layer]


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in another's place, wherever that is registered."""
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child is old:
                parent._modules[name] = new


def _select(tensor: Tensor | None, axis: int, kept: Sequence[int]) -> Any:
    """The entries along an axis; a parameter stays a parameter, trained or frozen as before."""
    if tensor is None:
        return None
    index = torch.tensor(list(kept), dtype=torch.long, device=tensor.device)
    chosen = tensor.detach().index_select(axis, index)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(chosen, requires_grad=tensor.requires_grad)
    return chosen


def _cut_vector(model: nn.Module, path: str, parameter: Tensor, kept: Sequence[int]) -> None:
    axis = max(range(parameter.dim()), key=lambda a: parameter.shape[a])
    _check(path, parameter.shape[axis], kept)
    owner, _, name = path.rpartition(".")
    model.get_submodule(owner)._parameters[name] = _select(parameter, axis, kept)


def _check(layer: str, size: int, kept: Sequence[int]) -> None:
    if not kept or kept[-1] >= size or kept[0] < 0:
        raise InputError(
            f"layer {layer!r} has {size} channels, the record keeps {len(kept)} of them up to "
            f"{kept[-1] if kept else -1}: not the architecture recorded"
        )


def _check_constant(layer: str, module: nn.Module, channels: int) -> None:
    """Refuse more channels than a layer can have, before there is memory for them."""
    told = [int(getattr(module, name, 0)) for name in sum(_CHANNELS.values(), ())]
    most = max(*told, *(tensor.numel() for tensor in module.state_dict().values()))
    if channels > most:
        raise InputError(
            f"layer {layer!r} has {most} channels at most, the record {channels}: not the "
            "architecture recorded"
        )


def _cut_layer(tp: Any, layer: str, module: nn.Module, sides: Mapping[str, Sequence[int]]) -> None:
    trained = {name: p.requires_grad for name, p in module.named_parameters(recurse=False)}
    for side, kept in sides.items():
        size = _channels(layer, module, side)
        _check(layer, size, kept)
        gone = sorted(set(range(size)) - set(kept))
        if is_convolution(module) and module.groups > 1:  # type: ignore[operator]
            continue
        if is_convolution(module):
            (tp.prune_conv_in_channels if side == "in" else tp.prune_conv_out_channels)(
                module, gone
            )
        elif isinstance(module, nn.Linear):
            prune = tp.prune_linear_in_channels if side == "in" else tp.prune_linear_out_channels
            prune(module, gone)
        elif isinstance(module, nn.PReLU):
            tp.prune_prelu_out_channels(module, gone)
        elif isinstance(module, nn.GroupNorm):
            _cut_group_norm(module, kept)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            tp.prune_batchnorm_out_channels(module, gone)
        else:
            _cut_instance_norm(module, kept)
    if is_convolution(module) and module.groups > 1:  # type: ignore[operator]
        _cut_grouped(module, sides)
    for name, parameter in module.named_parameters(recurse=False):
        parameter.requires_grad_(trained[name])


def _channels(layer: str, module: nn.Module, side: str) -> int:
    for name in _CHANNELS.get(side, ()):
        if hasattr(module, name):
            return int(getattr(module, name))
    raise InputError(
        f"layer {layer!r} is a {type(module).__name__}, which has no channels on its {side!r} side"
    )


def _cut_group_norm(module: nn.GroupNorm, kept: Sequence[int]) -> None:
    size = module.num_channels // module.num_groups
    module.num_channels = len(kept)
    module.num_groups = len(kept) // size
    module.weight, module.bias = _select(module.weight, 0, kept), _select(module.bias, 0, kept)


def _cut_instance_norm(module: Any, kept: Sequence[int]) -> None:
    module.num_features = len(kept)
    for name in ("weight", "bias", "running_mean", "running_var"):
        setattr(module, name, _select(getattr(module, name), 0, kept))


def _cut_grouped(conv: Any, sides: Mapping[str, Sequence[int]]) -> None:
    """Cut a grouped convolution, whole groups or the same places in every group."""
    own_in, own_out = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    ins = list(sides.get("in", range(conv.in_channels)))
    outs = list(sides.get("out", range(conv.out_channels)))
    rows, columns, own = (ins, outs, own_out) if conv.transposed else (outs, ins, own_in)
    weight = _select(conv.weight, 0, rows)
    if coupled_whole_groups(conv.groups, own_in):
        conv.groups = len(ins) // own_in
    else:
        weight = _select(weight, 1, [place for place in columns if place < own])
    conv.weight, conv.bias = weight, _select(conv.bias, 0, outs)
    conv.in_channels, conv.out_channels = len(ins), len(outs)
