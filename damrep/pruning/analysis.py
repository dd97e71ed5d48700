"""From a model and example inputs to its channel groups, each checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from damrep.masking.validation import InputError
from damrep.pruning.cost import CostModel
from damrep.pruning.examples import (
    analysis_copy,
    as_arguments,
    check_runs,
    example_count,
    mapped,
    shorten,
)
from damrep.pruning.gating import WeightGate
from damrep.pruning.groups import ChannelGroup, check_names, find_groups
from damrep.pruning.layers import CONVOLUTIONS
from damrep.pruning.surgery import torch_pruning
from damrep.pruning.tracing import trace
from damrep.pruning.verification import Trial, verified, with_closable

__all__ = ["Analysis", "analyse", "count_flops"]


@dataclass(frozen=True)
class Analysis:
    """What was found in a model.

    Parameters
    ----------
    inputs
        The example inputs on the CPU, cut to two examples where that goes.
    groups
        Channel groups with a gate each, in the order they run.
    sizes
        Channels of every (layer, side).
    left_whole
        Layers that keep all channels, with the reason.
    cost
        Cost at any widths.
    flops
        Of the whole model, for one example.
    """

    inputs: tuple[Any, ...]
    groups: list[ChannelGroup]
    sizes: dict[tuple[str, str], int]
    left_whole: dict[str, str]
    cost: CostModel
    flops: int


def count_flops(model: nn.Module, inputs: tuple[Any, ...]) -> int:
    """FLOPs of one pass, for one example, two a multiplication (`torch.utils.flop_counter`)."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*inputs)
    return counter.get_total_flops() // max(example_count(inputs), 1)


def analyse(
    model: nn.Module,
    example_inputs: Any,
    ignore: Collection[str],
    gate_order: str,
    verify: bool,
) -> Analysis:
    """Find the channel groups of a model; neither it nor any global state is changed.

    Raises
    ------
    InputError
        See `damrep.pruning.ChannelPruner`.
    """
    if not any(isinstance(module, CONVOLUTIONS) for module in model.modules()):
        raise InputError(f"the model ({type(model).__name__}) has no convolution, nothing to prune")
    torch_pruning()
    if any(isinstance(module, WeightGate) for module in model.modules()):
        raise InputError(
            f"the model ({type(model).__name__}) carries the gates of another pruner; detach that "
            "one first"
        )
    check_names(model, ignore)
    inputs = as_arguments(example_inputs)
    inputs = tuple(mapped(inputs, lambda t: t.detach().cpu()))
    twin = analysis_copy(model)
    check_runs(twin, inputs)
    inputs = shorten(twin, inputs)
    seen = trace(twin, inputs)
    found = find_groups(twin, seen, ignore)
    groups = found.groups
    if verify:
        trial = Trial(twin, inputs, seen)
        groups, wrong = verified(trial, groups)
        for group in found.groups:
            if group.name in wrong:
                found.left_whole.update(dict.fromkeys(group.producers, wrong[group.name]))
        if gate_order == "after_norm":
            groups = with_closable(trial, groups)
    cost = CostModel(twin, seen, groups, example_count(inputs))
    flops = count_flops(twin, inputs)
    return Analysis(inputs, groups, seen.slots.sizes(), found.left_whole, cost, flops)
