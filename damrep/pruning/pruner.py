"""Gates on a network's channels, and the smaller network they lead to."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.notes import warn_of
from damrep.masking.price import weights_beside
from damrep.masking.validation import (
    InputError,
    check_choice,
    check_count,
    check_number,
    check_price,
)
from damrep.pruning.analysis import analyse, count_flops
from damrep.pruning.cost import CostModel
from damrep.pruning.examples import analysis_copy, evaluating, example_count, mapped
from damrep.pruning.gates import ChannelGates
from damrep.pruning.gating import attach_gates, detach_gates, fold_gates
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.latency import measure_latency, repeated
from damrep.pruning.planning import PlannedCuts, plan_cuts
from damrep.pruning.report import PruningPlan, PruningReport, layer_reports
from damrep.pruning.storage import CUTS_ATTRIBUTE
from damrep.pruning.surgery import Cuts, apply_cuts, kept_channels
from damrep.pruning.verification import outputs_of, relative_difference
from damrep.training.seeding import local_seed

__all__ = ["DEFAULT_PRICE", "ChannelPruner"]

DEFAULT_PRICE = 1e-3
_ORDERS = ("after_norm", "conv")
_TARGETS = ("flops", "params")


class ChannelPruner(ChannelGates):
    """Learn which channels of a convolutional network are needed, and cut away the others.

    Every group of channels that can only go together gets one mask (`damrep.masking.DAM`) with one
    learned number; closing units costs what they are worth and saves what they cost. `compact`
    then gives a plain network without the closed channels, whose outputs equal those of the gated
    one. Source: Bu, Daw, Maruf, Karpatne, NeurIPS 2021, arXiv 2110.00684; with the gate after
    normalisation and activation, where removal is exact.

    In a training loop of your own, with an optimiser of your own::

        pruner = ChannelPruner(model, example_inputs, target={"flops": 0.5})
        schedule = MaskSchedule(pruner, steps=epochs * len(loader))
        ...
        loss_fn(model(x), y).backward()                  # every batch
        optimizer.step(); schedule.step()
        ...
        small = pruner.compact()

    Or as in the paper, the gates learned by the gradient of a penalty, at a price::

        pruner = ChannelPruner(model, example_inputs, price=1e-3)
        optimizer = torch.optim.SGD(pruner.parameter_groups(lr=0.1, weight_decay=5e-4), ...)
        ...
        loss = loss_fn(model(x), y) + pruner.penalty()   # every batch
        loss.backward(); optimizer.step(); pruner.step()
        ...
        small = pruner.compact()

    Parameters
    ----------
    model
        The network, gated in place; `detach` gives it back as it was.
    example_inputs
        What the model is called with: a tensor, or a tuple of arguments. One or two examples do.
    price
        Share of the reference loss that one channel of average cost must earn to be kept. Default
        1e-3 if there is no target either.
    target
        Instead of a price: {"flops": share} or {"params": share} of the whole to be left. `prune`
        reaches it while it trains, in a loop of your own `MaskSchedule` or `PruningSchedule`.
    gate_order
        "after_norm", or "conv" (before normalisation, as in the reference implementation; for
        reproduction, removal is not exact then).
    ignore
        Module paths whose convolutions keep all their channels.
    reference_loss
        Loss of the trivial predictor, in the units of your loss, which the penalty is scaled by;
        1 for a loss that is normalised already.
    gate, span
        Shape of the gate and spread of its offsets, see `damrep.masking.DAM`.
    attach
        Whether to put the gates on now.
    verify
        Whether to check every group's removal on a copy with random statistics before; a group
        that is not exact is left whole.

    Attributes
    ----------
    gates : dict of str to DAM
        The mask of each channel group, by the path of the first layer that writes its channels.
    groups : dict of str to ChannelGroup
        What each mask decides over.
    cost : CostModel
        FLOPs and parameters at any widths.
    left_whole : dict of str to str
        Convolutions and linear layers that keep all channels, and why.
    price : float or Tensor
        May be set anew at any time; a controller does.
    report_ : PruningReport or None
        What the last `compact` took and left.

    Raises
    ------
    InputError
        If the model has no convolution, does not run on the inputs or decides by its data, a name
        in `ignore` is no module, both price and target are given, or the target is impossible.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 3))
    >>> pruner = ChannelPruner(model, torch.zeros(1, 3, 8, 8), price=1e-3)
    >>> {name: gate.num_features for name, gate in pruner.gates.items()}
    {'0': 8}
    >>> pruner.widths = {"0": 3}
    >>> [tuple(p.shape) for p in pruner.compact().parameters()][0]
    (3, 3, 3, 3)
    """

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Any,
        *,
        price: float | None = None,
        target: Mapping[str, float] | None = None,
        gate_order: str = "after_norm",
        ignore: Collection[str] = (),
        reference_loss: float = 1.0,
        gate: str = "relu_tanh",
        span: float = 5.0,
        attach: bool = True,
        verify: bool = True,
    ) -> None:
        if price is not None and target is not None:
            raise InputError("give price or target, not both: a target sets the price itself")
        self.gate_order = check_choice("gate_order", gate_order, _ORDERS)
        check_number("reference_loss", reference_loss, low=0, low_open=True)
        price = check_price(DEFAULT_PRICE if price is None and target is None else price or 0.0)
        self.model = model
        with local_seed(0):
            found = analyse(model, example_inputs, ignore, self.gate_order, verify)
        self.example_inputs = found.inputs
        self._dtype = next(model.parameters()).dtype
        self.groups: dict[str, ChannelGroup] = {group.name: group for group in found.groups}
        self.left_whole: dict[str, str] = found.left_whole
        self._sizes = found.sizes
        self.flops_before: int = found.flops
        self.target = self._checked_target(found.cost, target)
        like = next(model.parameters())
        masks = {
            group.name: DAM(
                group.n_units, gate=gate, span=span, min_active=0 if group.closable else 1
            ).to(like.device)
            for group in found.groups
        }
        kind = "flops" if self.target is None else next(iter(self.target))
        super().__init__(masks, found.cost, price, kind, reference_loss)
        self.report_: PruningReport | None = None
        self._gated: list[tuple[str, str]] = []
        if attach:
            self.attach()

    # --- on and off -----------------------------------------------------------------------------

    @property
    def attached(self) -> bool:
        """Whether the gates are on the model."""
        return bool(self._gated)

    def attach(self) -> ChannelPruner:
        """Put the gates on the model, in place; nothing happens if they are on it."""
        if not self._gated and self.groups:
            self._gated = attach_gates(
                self.model, list(self.groups.values()), self.gates, self.gate_order
            )
        return self

    def detach(self) -> nn.Module:
        """Take the gates off: the model has the very parameters again that it had before.

        They have been trained under the gates, and are not multiplied by them; `compact` is what
        does that. The masks keep their state, `attach` puts them on again.
        """
        detach_gates(self.model, self._gated)
        self._gated = []
        return self.model

    def __enter__(self) -> ChannelPruner:
        return self.attach()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.detach()

    # --- in training ----------------------------------------------------------------------------

    def parameter_groups(
        self, lr: float, weight_decay: float = 0.0, beta_lr: float | None = None
    ) -> list[dict[str, Any]]:
        """Optimiser groups: the weights, and the betas with a rate of their own and no decay.

        Weight decay on beta would rest it where the decay says and not the price. The last group
        is that of the betas; options the optimiser needs beside (momentum) go to it directly.
        """
        betas = [mask.beta for mask in self.gates.values()]
        weights = weights_beside(self.model, self.gates.values())
        groups: list[dict[str, Any]] = [{"params": weights, "lr": lr, "weight_decay": weight_decay}]
        if betas:
            rate = lr if beta_lr is None else beta_lr
            groups.append({"params": betas, "lr": rate, "weight_decay": 0.0})
        return groups

    def _checked_target(
        self, cost: CostModel, target: Mapping[str, float] | None
    ) -> dict[str, float] | None:
        if target is None:
            return None
        if not isinstance(target, Mapping) or len(target) != 1:
            raise InputError(
                f"target must be {{'flops': share}} or {{'params': share}}, got {target!r}"
            )
        (kind, share), *_ = target.items()
        check_choice("target", kind, _TARGETS)
        share = check_number(f"target[{kind!r}]", share, low=0.0, high=1.0, low_open=True)
        least = {name: 0.0 if g.closable else 1.0 for name, g in self.groups.items()}
        lowest = float(cost.cost(kind, least) / cost.cost(kind, {}))
        if share < lowest:
            raise InputError(
                f"target[{kind!r}] = {share:g} cannot be reached: with every group at its least "
                f"{lowest:.3g} of the whole is left, so between {lowest:.3g} and 1"
            )
        return {kind: share}

    # --- after training -------------------------------------------------------------------------

    def plan(self) -> PruningPlan:
        """What `compact` would take and leave, with the exact FLOPs of the result."""
        return self._cut(analysis_copy(self._folded()))[1]

    def compact(self, *, latency: bool = True, batch: int | None = None) -> nn.Module:
        """A plain network without the closed channels; the model is left as it is.

        Its outputs in eval mode are those of the gated model, to rounding (not with
        gate_order="conv"). `report_` says what went. Warns where a target has not been reached.

        Parameters
        ----------
        latency
            Whether to measure the time of a forward pass before and after, for the report.
        batch
            Examples in the batch it is measured with, the example inputs repeated; by default the
            example inputs as they are, two at most.

        Returns
        -------
        Module
            Of the model's own class, on its device and in its mode, with nothing of damrep in it
            (but for a constant in place of a branch that closed and does not add up to zero).
        """
        folded = self._folded()
        inputs = tuple(mapped(self._inputs(), lambda t: t.to(self._device())))
        whole = copy.deepcopy(folded)
        planned, plan = self._cut(analysis_copy(folded))
        apply_cuts(folded, planned.cuts, planned.values)
        setattr(folded, CUTS_ATTRIBUTE, planned.cuts.to_dict())
        with evaluating(whole, folded):
            difference = relative_difference(outputs_of(folded, inputs), outputs_of(whole, inputs))
        before, after = math.nan, math.nan
        size = example_count(inputs) if batch is None else check_count("batch", batch, minimum=1)
        if latency:
            with local_seed(0):
                before, after = measure_latency([whole, folded], repeated(inputs, size))
        self.report_ = PruningReport(
            plan,
            float(self.price),
            self.target,
            self.gate_order,
            difference,
            before,
            after,
            size if latency else 0,
            self.widths_by,
        )
        if (missed := self.report_.missed) is not None:
            warn_of(missed)
        return folded

    def cut(self, keep: Mapping[str, Tensor]) -> nn.Module:
        """The model cut to any choice of units, gates or not: for comparison, not exact.

        Parameters
        ----------
        keep
            By group name, bool of shape (units,). Groups not named stay whole; one without any
            unit keeps its last.
        """
        groups = list(self.groups.values())
        chosen = {g.name: torch.ones(g.n_units, dtype=torch.bool) for g in groups}
        for name, units in keep.items():
            if tuple(units.shape) != (self.mask(name).num_features,):
                raise InputError(
                    f"keep[{name!r}] must have shape ({self.mask(name).num_features},), got "
                    f"{tuple(units.shape)}"
                )
            chosen[name] = units.detach().cpu().bool()
        for units in chosen.values():
            units[-1] |= not bool(units.any())
        small = copy.deepcopy(self.model)
        detach_gates(small, self._gated)
        cuts = Cuts(kept_channels(groups, chosen, self._sizes))
        apply_cuts(small, cuts)
        setattr(small, CUTS_ATTRIBUTE, cuts.to_dict())
        return small

    def _cut(self, folded: nn.Module) -> tuple[PlannedCuts, PruningPlan]:
        groups = list(self.groups.values())
        inputs = self._inputs()
        small = copy.deepcopy(folded)
        with local_seed(0):  # for models that draw in eval mode as well
            planned = plan_cuts(folded, inputs, groups, self.keep(), self._sizes)
            apply_cuts(small, planned.cuts, planned.values)
            flops = count_flops(small, inputs)
        plan = PruningPlan(
            layer_reports(folded, small, self.cost.positions),
            dict(self.left_whole),
            tuple(planned.cuts.constants),
            tuple(planned.cuts.identities),
            sum(p.numel() for p in folded.parameters()),
            sum(p.numel() for p in small.parameters()),
            self.flops_before,
            flops,
            planned.cuts,
            planned.values,
        )
        return planned, plan

    def _inputs(self) -> tuple[Any, ...]:
        """The example inputs in the precision the model has by now."""
        now = next(self.model.parameters()).dtype
        return tuple(
            mapped(self.example_inputs, lambda t: t.to(now) if t.dtype == self._dtype else t)
        )

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _folded(self) -> nn.Module:
        folded = copy.deepcopy(self.model)
        gated = self._gated
        if not gated:
            masks = copy.deepcopy(self.gates)
            gated = attach_gates(folded, list(self.groups.values()), masks, self.gate_order)
        with evaluating(folded):  # at the offsets themselves, not at those drawn for a batch
            fold_gates(folded, gated)
        return folded
