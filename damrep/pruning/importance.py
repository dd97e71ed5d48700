"""What closing each channel would cost, estimated from the gradients of training.

Closing a unit takes its gate g to 0. To second order, and at a stationary point, the loss then
rises by g^2 / 2 times its curvature in g, which the Fisher information estimates: the mean over
examples of (g dL/dg)^2 / 2 (Theis, Korshunova, Tejani, Huszar 2018, "Faster gaze prediction with
dense networks and Fisher pruning", arXiv 1801.05787, eq. 7; Molchanov et al. 2019, arXiv
1906.10771). A gate multiplies weights, so g dL/dg is the sum of w dL/dw over the weights w that it
multiplies, and needs nothing beside the gradients that training has computed anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from damrep.pruning.gating import WeightGate
from damrep.pruning.pruner import ChannelPruner

__all__ = ["UnitImportance", "absorb_gates", "gated_weights"]


def gated_weights(model: nn.Module) -> Iterator[tuple[nn.Parameter, WeightGate]]:
    """The weights of a model that gates multiply, as they are before that, each with its gates.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
    >>> _ = ChannelPruner(model, torch.zeros(1, 3, 8, 8))
    >>> [tuple(weight.shape) for weight, _ in gated_weights(model)]
    [(2, 8, 3, 3)]
    """
    for module in model.modules():
        lists = getattr(module, "parametrizations", None)
        if not isinstance(lists, nn.ModuleDict):
            continue
        for parametrizations in lists.values():
            for gate in parametrizations.children():
                if isinstance(gate, WeightGate):
                    yield parametrizations.original, gate  # type: ignore[misc]


def _sum_by_unit(values: Tensor, gate: WeightGate) -> Tensor:
    """Entries of a gated weight's shape, summed by the gate that multiplies them."""
    shape = [1] * (values.dim() - len(gate.shape)) + list(gate.shape)
    aside = [axis for axis, size in enumerate(shape) if size == 1 and values.shape[axis] != 1]
    summed = (values.sum(dim=aside) if aside else values).reshape(-1)
    if gate.direct:
        return summed
    total = summed.new_zeros(gate.total + 1)  # the last is for channels without a gate
    return total.index_add_(0, gate.place, summed)[: gate.total]


class UnitImportance:
    """A running estimate of how much the loss would rise if a unit were closed.

    Parameters
    ----------
    pruner
        With its gates on the model.
    memory
        Batches the running mean reaches back over.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    >>> pruner = ChannelPruner(model, torch.zeros(1, 3, 8, 8))
    >>> importance = UnitImportance(pruner)
    >>> model(torch.ones(5, 3, 8, 8)).square().mean().backward()
    >>> importance.observe(batch_size=5)
    True
    >>> importance.scores()["0"].shape
    torch.Size([4])
    """

    def __init__(self, pruner: ChannelPruner, memory: int = 20) -> None:
        self.names = list(pruner.gates)
        self._masks = [pruner.gates[name] for name in self.names]
        sizes = [mask.num_features for mask in self._masks]
        first = dict(
            zip(map(id, self._masks), torch.tensor([0, *sizes]).cumsum(0).tolist(), strict=False)
        )
        size_of = dict(zip(map(id, self._masks), sizes, strict=True))
        self._sites: list[tuple[nn.Parameter, WeightGate, list[tuple[int, int]]]] = []
        for weight, gate in gated_weights(pruner.model):
            places = [(first[id(mask)], size_of[id(mask)]) for mask in gate.masks]
            self._sites.append((weight, gate, places))
        self._sizes = sizes
        self._mean: Tensor | None = None
        self._keep = 1.0 - 1.0 / memory

    @torch.no_grad()
    def observe(self, batch_size: float) -> bool:
        """Take the gradients of one backward pass of a loss that is a mean over the batch.

        Parameters
        ----------
        batch_size
            Examples in the batch: the square of a mean of n independent terms is 1 / n of the mean
            of their squares.

        Returns
        -------
        bool
            Whether there were gradients.
        """
        pull: Tensor | None = None
        for weight, gate, places in self._sites:
            if weight.grad is None:
                continue
            if pull is None:
                pull = weight.new_zeros(sum(self._sizes), dtype=torch.float32)
            by_unit = _sum_by_unit((weight * weight.grad).float(), gate)
            start = 0
            for first, count in places:
                pull[first : first + count] += by_unit[start : start + count]
                start += count
        if pull is None:
            return False
        rise = pull.square() * (batch_size / 2)
        if self._mean is None:
            self._mean = rise
        else:
            self._mean = self._mean.to(rise.device) * self._keep + rise * (1 - self._keep)
        return True

    def resume(self, scores: Mapping[str, Tensor] | None) -> None:
        """Go on from what `scores` once gave, all groups of it; None to begin anew."""
        found = None if scores is None else torch.cat([scores[name] for name in self.names])
        self._mean = found

    @property
    def observed(self) -> bool:
        """Whether there is anything to go by yet."""
        return self._mean is not None

    def scores(self) -> dict[str, Tensor]:
        """Estimated rise of the loss by closing each unit, by group; zeros at first."""
        if self._mean is None:
            return {
                name: torch.zeros(size) for name, size in zip(self.names, self._sizes, strict=True)
            }
        parts = self._mean.split(self._sizes)
        return dict(zip(self.names, parts, strict=True))


@torch.no_grad()
def absorb_gates(pruner: ChannelPruner, before: dict[str, Tensor]) -> None:
    """Give the weights what the gates lost: the model computes what it did under gates `before`.

    Where a gate is zero now, or was, the weights are left as they are.

    Parameters
    ----------
    pruner
        With its gates on the model.
    before
        Values of the gates by group, shape (units,), before they were changed.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    >>> pruner = ChannelPruner(model, torch.zeros(1, 3, 8, 8))
    >>> x = torch.ones(1, 3, 8, 8)
    >>> y, before = model(x), {name: mask.gate() for name, mask in pruner.gates.items()}
    >>> pruner.order_units({"0": torch.tensor([3.0, 2.0, 1.0, 0.0])})
    >>> absorb_gates(pruner, before)
    >>> bool(torch.allclose(model(x), y, atol=1e-5))
    True
    """
    ratio: dict[int, Tensor] = {}
    for name, mask in pruner.gates.items():
        old, new = before[name].detach(), mask.gate()
        both = (old > 0) & (new > 0)
        ratio[id(mask)] = torch.where(both, old / torch.where(both, new, 1.0), 1.0)
    for weight, gate in gated_weights(pruner.model):
        factors = torch.cat([*(ratio[id(mask)] for mask in gate.masks), weight.new_ones(1)])
        spread = factors[: gate.total] if gate.direct else factors.index_select(0, gate.place)
        weight.mul_(spread.view(gate.shape).to(weight.dtype))
