"""Check on a copy, with numbers, that what shall be cut can be cut.

Each group's removal is tried on a float64 copy of the model whose parameters and statistics were
made uneven, so that nothing vanishes by luck: the outputs with closed gates and those of the cut
copy must agree. All groups are tried at once; only where that fails are they told apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from damrep.pruning.examples import analysis_copy, mapped
from damrep.pruning.flow import tensors_in
from damrep.pruning.flows import Trace
from damrep.pruning.gating import scale_readers
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.planning import plan_cuts
from damrep.pruning.surgery import apply_cuts
from damrep.training.seeding import local_seed, torch_generator

__all__ = [
    "Trial",
    "largest_passing",
    "outputs_of",
    "relative_difference",
    "verified",
    "with_closable",
]

# Of the largest output; what float64 rounding makes of a deep network is a thousandth of it.
_TOLERANCE = 1e-9
Item = TypeVar("Item")


def largest_passing(
    items: Sequence[Item], passes: Callable[[list[Item]], bool]
) -> tuple[list[Item], list[Item]]:
    """Split items into some that pass together and those that fail when added to these.

    One call of `passes` if all do; else a bisection.

    Examples
    --------
    >>> largest_passing([1, 2, 3, 4], lambda chosen: 3 not in chosen)
    ([1, 2, 4], [3])
    """
    passing: list[Item] = []
    failing: list[Item] = []

    def add(some: Sequence[Item]) -> None:
        if not some:
            return
        if passes([*passing, *some]):
            passing.extend(some)
        elif len(some) == 1:
            failing.extend(some)
        else:
            add(some[: len(some) // 2])
            add(some[len(some) // 2 :])

    add(items)
    return passing, failing


class Trial:
    """A float64 copy of a model made uneven, to try cuts on.

    Parameters
    ----------
    model
        Not changed.
    inputs
        Example inputs, on the CPU.
    trace
        Of the model on these.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...], trace: Trace) -> None:
        self.model = analysis_copy(model, torch.float64)
        self.generator = torch_generator(0)
        _unsettle(self.model, self.generator)
        self.inputs = tuple(mapped(inputs, lambda t: t.double() if t.is_floating_point() else t))
        self.probe = tuple(mapped(self.inputs, self._noise))
        self.others = list(tensors_in(self.probe))
        self.sizes = trace.slots.sizes()
        self.times = trace.times

    def _noise(self, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        drawn = torch.randn(tensor.shape, generator=self.generator, dtype=torch.float64)
        return tensor + drawn * (1 + tensor.std(correction=0))

    def draw(self, group: ChannelGroup, closed: float) -> Tensor:
        """Gate values, about this share of them zero and at least one not."""
        values = torch.rand(group.n_units, generator=self.generator, dtype=torch.float64)
        values = torch.where(values < closed, 0.0, 0.3 + 0.7 * values)
        if not bool(values.any()):
            values[0] = 0.7
        return values

    def difference(self, groups: Sequence[ChannelGroup], values: dict[str, Tensor]) -> str | None:
        """What is wrong with cutting the units whose value is zero; None if nothing."""
        folded = analysis_copy(self.model)
        scale_readers(folded, groups, values)
        wanted = outputs_of(folded, self.probe)
        keep = {name: value > 0 for name, value in values.items()}
        try:
            planned = plan_cuts(folded, self.probe, groups, keep, self.sizes)
            apply_cuts(folded, planned.cuts, planned.values)
            got = outputs_of(folded, self.probe)
        except Exception as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            return f"without some of its channels the model does not run ({said})"
        if len(got) != len(wanted) or any(
            a.shape != b.shape for a, b in zip(got, wanted, strict=True)
        ):
            return "without some of its channels the outputs have another shape"
        worst = relative_difference(got, wanted)
        if worst > _TOLERANCE or worst != worst:
            return f"removing its channels changes the outputs (by {worst:.1e} of the largest)"
        return None

    def dependence(self, closed: Sequence[ChannelGroup] = ()) -> list[list[bool]]:
        """For each input: which outputs change when it does, with these groups closed."""
        modules = dict(self.model.named_modules())
        readers = {layer for group in closed for layer in group.readers}
        held = {layer: modules[layer].weight.detach().clone() for layer in readers}
        scale_readers(self.model, closed, {g.name: torch.zeros(g.n_units) for g in closed})
        base = outputs_of(self.model, self.inputs)
        found: list[list[bool]] = []
        for place, tensor in enumerate(tensors_in(self.inputs)):
            # Indices must stay valid: these are only put in another order.
            other = self.others[place] if tensor.is_floating_point() else _turned(tensor)
            out = outputs_of(self.model, _with(self.inputs, place, other))
            found.append([not torch.equal(a, b) for a, b in zip(out, base, strict=True)])
        with torch.no_grad():
            for layer, weight in held.items():
                modules[layer].weight.copy_(weight)
        return found


def _turned(tensor: Tensor) -> Tensor:
    return tensor.flatten().roll(1).reshape(tensor.shape)


def _with(inputs: tuple[Any, ...], place: int, other: Tensor) -> tuple[Any, ...]:
    """The inputs with the tensor at this place replaced."""
    count = itertools.count()
    return tuple(mapped(inputs, lambda tensor: other if next(count) == place else tensor))


def _relative(got: Tensor, wanted: Tensor) -> float:
    if not wanted.is_floating_point() or not wanted.numel():
        return float(not torch.equal(got, wanted))
    largest = max(float(wanted.abs().max()), 1e-30)
    return float((got - wanted).abs().max()) / largest


def relative_difference(got: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The largest difference between output tensors, as a share of the largest entry of each."""
    return max(_relative(a, b) for a, b in zip(got, wanted, strict=True))


def outputs_of(model: nn.Module, inputs: tuple[Any, ...]) -> list[Tensor]:
    """The model's output tensors, in order; copies, and nothing random moves the global state."""
    with torch.no_grad(), local_seed(0):
        return [t.clone() for t in tensors_in(model(*mapped(inputs, Tensor.clone)))]


def _unsettle(model: nn.Module, generator: torch.Generator) -> None:
    """Make parameters that are all alike, and running statistics, uneven."""

    def draw(tensor: Tensor) -> Tensor:
        return torch.rand(tensor.shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point() and parameter.numel() > 0:
                alike = bool((parameter == parameter.flatten()[0]).all())
                if alike or parameter.dim() == 1:
                    parameter.add_(draw(parameter) * 0.5)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(draw(buffer) - 0.5)
            elif name.endswith("running_var"):
                buffer.copy_(buffer * (0.5 + draw(buffer)))


def verified(
    trial: Trial, groups: Sequence[ChannelGroup]
) -> tuple[list[ChannelGroup], dict[str, str]]:
    """The groups that can go exactly, and for the others what happened when they were tried."""
    # Few closed, so that what goes wrong is seen at the end; many, so that every kind goes.
    draws = [{group.name: trial.draw(group, share) for group in groups} for share in (0.3, 0.6)]
    reasons: dict[str, str] = {}

    def passes(some: list[ChannelGroup]) -> bool:
        for values in draws:
            wrong = trial.difference(some, {group.name: values[group.name] for group in some})
            if wrong is not None:
                reasons[some[-1].name] = wrong
                return False
        return True

    good, bad = largest_passing(groups, passes)
    return good, {group.name: reasons[group.name] for group in bad}


def with_closable(trial: Trial, groups: Sequence[ChannelGroup]) -> list[ChannelGroup]:
    """The groups, those marked that may close altogether.

    They may if every output still depends on every input it depended on, all of them closed
    together, and if what is left after cutting computes the same.
    """
    wanted = trial.dependence()
    if not any(any(row) for row in wanted):  # nothing to tell by
        return list(groups)
    # A layer called twice would have to be a constant in one place and not in the other.
    fit = [
        group
        for group in groups
        if all(trial.times.get(layer, 0) == 1 for layer in (*group.producers, *group.readers))
    ]
    # Streams first: they are read in many places, and it is they that cannot close.
    fit.sort(key=lambda group: -len(group.readers))

    candidates, _ = largest_passing(fit, lambda some: trial.dependence(some) == wanted)
    values = {group.name: trial.draw(group, 0.0) for group in groups}

    def passes(some: list[ChannelGroup]) -> bool:
        names = {group.name for group in some}
        tried = [replace(group, closable=group.name in names) for group in groups]
        gone = {name: torch.zeros_like(values[name]) for name in names}
        return trial.difference(tried, {**values, **gone}) is None

    closable, _ = largest_passing(candidates, passes)
    names = {group.name for group in closable}
    return [replace(group, closable=group.name in names) for group in groups]
