"""What pruning took and left: the plan before the cut, the report after it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from damrep.masking.plain import to_plain
from damrep.masking.printing import text_table
from damrep.pruning.budget import TOLERANCE
from damrep.pruning.surgery import Cuts

__all__ = ["LayerReport", "PruningPlan", "PruningReport", "layer_reports"]


@dataclass(frozen=True)
class LayerReport:
    """One convolution or linear layer, before and after.

    Parameters
    ----------
    name
        Module path.
    channels, kept
        Output channels, and those left; 0 for a layer that is gone.
    parameters, parameters_kept
        Weights and biases.
    macs, macs_kept
        Multiplications with addition for one example.
    """

    name: str
    channels: int
    kept: int
    parameters: int
    parameters_kept: int
    macs: int
    macs_kept: int


@dataclass(frozen=True)
class PruningPlan:
    """What would go: nothing has been cut yet. Prints as a short table.

    Parameters
    ----------
    layers
        Every convolution and linear layer.
    left_whole
        Layers that keep all their channels whatever the gates say, and why.
    closed
        Layers that are gone altogether: constant, or read by nothing.
    bypassed
        Blocks that only pass their input on and become `torch.nn.Identity`.
    parameters, parameters_kept
        Of the whole model.
    flops, flops_kept
        Of the whole model for one example, by `torch.utils.flop_counter` (two a multiplication).
    cuts
        The record itself, replayable on any copy (`damrep.pruning.surgery.apply_cuts`).
    values
        What the constant layers give.
    """

    layers: tuple[LayerReport, ...]
    left_whole: Mapping[str, str]
    closed: tuple[str, ...]
    bypassed: tuple[str, ...]
    parameters: int
    parameters_kept: int
    flops: int
    flops_kept: int
    cuts: Cuts = field(repr=False)
    values: Mapping[str, Tensor] = field(repr=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the record of cuts."""
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "left_whole": dict(self.left_whole),
            "closed": list(self.closed),
            "bypassed": list(self.bypassed),
            "parameters": self.parameters,
            "parameters_kept": self.parameters_kept,
            "flops": self.flops,
            "flops_kept": self.flops_kept,
        }

    def __str__(self) -> str:
        head = ("layer", "channels", "kept", "parameters", "kept", "MACs", "kept")
        rows: list[tuple[str, ...]] = [head]
        for layer in self.layers:
            rows.append((layer.name, *(f"{v:,}" for v in list(asdict(layer).values())[1:])))
        rows.append(
            (
                "all",
                "",
                "",
                f"{self.parameters:,}",
                f"{self.parameters_kept:,}",
                f"{self.flops // 2:,}",
                f"{self.flops_kept // 2:,}",
            )
        )
        lines = [text_table(rows)]
        if self.bypassed:
            lines.append(f"blocks that became their shortcut: {', '.join(self.bypassed)}")
        if self.left_whole:
            lines.append("left whole:")
            lines += [f"  {name}: {reason}" for name, reason in self.left_whole.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class PruningReport:
    """What was cut, and what it brought. Prints as a short table.

    Parameters
    ----------
    plan
        What went.
    price, target
        What the pruner was asked for.
    gate_order
        Where the gates stood.
    difference
        Largest difference between outputs with gates and after the cut, on the example inputs in
        eval mode, as a share of the largest output.
    latency, latency_kept
        Milliseconds for a batch of `batch` examples, before and after; NaN where not measured.
    batch
        Examples in that batch.
    widths_by
        What decided how many channels are left; None where no schedule closed them.
    """

    plan: PruningPlan
    price: float
    target: Mapping[str, float] | None
    gate_order: str
    difference: float
    latency: float = math.nan
    latency_kept: float = math.nan
    batch: int = 0
    widths_by: str | None = None

    @property
    def flops_ratio(self) -> float:
        """How many times fewer FLOPs there are."""
        return self.plan.flops / max(self.plan.flops_kept, 1)

    @property
    def parameters_ratio(self) -> float:
        """How many times fewer parameters there are."""
        return self.plan.parameters / max(self.plan.parameters_kept, 1)

    @property
    def missed(self) -> str | None:
        """What to say of a target that has not been reached; None where there is none, or it is."""
        for kind, share in (self.target or {}).items():
            left = 1 / (self.flops_ratio if kind == "flops" else self.parameters_ratio)
            if left > (1 + TOLERANCE) * share:
                return (
                    f"target[{kind!r}] = {share:g} is not reached: {left:.3g} of the whole is left "
                    "open; in a training loop of your own MaskSchedule closes channels down"
                )
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that strict JSON can hold."""
        return to_plain(
            {
                **self.plan.to_dict(),
                "price": self.price,
                "target": None if self.target is None else dict(self.target),
                "gate_order": self.gate_order,
                "difference": self.difference,
                "latency_ms": self.latency,
                "latency_kept_ms": self.latency_kept,
                "latency_batch": self.batch,
                "widths_by": self.widths_by,
            }
        )

    def to_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [
            str(self.plan),
            f"FLOPs {self.plan.flops:,} -> {self.plan.flops_kept:,} ({self.flops_ratio:.2f}x), "
            f"parameters {self.plan.parameters:,} -> {self.plan.parameters_kept:,} "
            f"({self.parameters_ratio:.2f}x)",
        ]
        if not math.isnan(self.latency):
            lines.append(
                f"latency at batch {self.batch}: {self.latency:.2f} -> {self.latency_kept:.2f} ms "
                f"({self.latency / self.latency_kept:.2f}x)"
            )
        if self.widths_by is not None:
            lines.append(f"widths by {self.widths_by}")
        lines.append(f"outputs differ by {self.difference:.1e} of the largest")
        if self.missed is not None:
            lines.append(self.missed)
        return "\n".join(lines)


def layer_reports(
    before: nn.Module, after: nn.Module, positions: Sequence[tuple[str, float]]
) -> tuple[LayerReport, ...]:
    """A row for every convolution and linear layer.

    Parameters
    ----------
    before, after
        The uncut and the cut model.
    positions
        Layer paths, with how often an entry of the weight is used for one example.
    """
    old, new = dict(before.named_modules()), dict(after.named_modules())
    rows = []
    for name, times in positions:
        was: Any = old[name]
        now: Any = new.get(name)
        rows.append(
            LayerReport(
                name,
                _channels(was),
                _channels(now),
                _parameters(was),
                _parameters(now),
                round(times * was.weight.numel()),
                round(times * now.weight.numel()) if _channels(now) else 0,
            )
        )
    return tuple(rows)


def _channels(module: nn.Module | None) -> int:
    return int(getattr(module, "out_channels", getattr(module, "out_features", 0)) or 0)


def _parameters(module: nn.Module | None) -> int:
    return 0 if module is None else sum(p.numel() for p in module.parameters())
