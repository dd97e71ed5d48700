"""The masks of a network's channel groups, in training: what they cost, how wide they are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from damrep.masking.dam import DAM
from damrep.masking.gate import offsets
from damrep.masking.validation import InputError
from damrep.pruning.cost import CostModel

__all__ = ["ChannelGates"]


class ChannelGates:
    """One mask a channel group, and the cost of the network as a function of them.

    Parameters
    ----------
    gates
        The masks by group name, in the order of `cost.names`.
    cost
        The cost model.
    price
        Share of the reference loss that one channel of average cost must earn.
    kind
        What a channel costs: "flops" or "params".
    reference_loss
        What the penalty is scaled by.

    Attributes
    ----------
    widths_by : str or None
        What decides how many units are open, in words; a schedule says it.
    """

    def __init__(
        self,
        gates: dict[str, DAM],
        cost: CostModel,
        price: float,
        kind: str = "flops",
        reference_loss: float = 1.0,
    ) -> None:
        self.gates = gates
        self.cost = cost
        self.kind = kind
        self.price: float | Tensor = price
        self.reference_loss = reference_loss
        self.widths_by: str | None = None
        self._held = False
        self._weights: Tensor | None = None

    def penalty(self) -> Tensor:
        """What the open channels cost: a scalar to add to the loss of every batch.

        The sum over groups of price * reference_loss * (cost of one unit / mean cost of one) *
        n / span * clamp(beta, min=-span): closing one unit of average cost saves `price` of the
        reference loss.
        """
        masks = list(self.gates.values())
        if not masks:
            return torch.zeros(())
        if self._held:
            return masks[0].beta.new_zeros(())
        betas = torch.stack([mask.beta for mask in masks])
        if self._weights is None or self._weights.device != betas.device:
            self._weights = self.penalty_weights().to(betas)
        spans = masks[0].span
        return self.price * (self._weights * betas.clamp(min=-spans)).sum()

    def penalty_weights(self, widths: Mapping[str, float] | Tensor | None = None) -> Tensor:
        """The weight of each group's beta in the penalty at price 1, shape (groups,), float64.

        Parameters
        ----------
        widths
            At which a unit's cost is taken; whole by default.
        """
        unit = self.cost.unit_costs(self.kind, widths)
        full = self.cost.full
        mean = (unit * full).sum() / full.sum()
        span = next(iter(self.gates.values())).span
        return self.reference_loss * (unit / mean) * full / span

    def reweigh(self, widths: Mapping[str, float] | Tensor | None = None) -> None:
        """Take the costs of units anew, at `widths` (default: as open now), for the penalty."""
        self._weights = self.penalty_weights(self.widths if widths is None else widths)
        self._weights = self._weights.to(next(iter(self.gates.values())).beta)

    def hold(self, held: bool = True) -> None:
        """Keep all betas where they are, and the penalty at zero (the paper's cold start)."""
        self._held = held
        for mask in self.gates.values():
            mask.beta.requires_grad_(not held)

    def start_epoch(self, epoch: int, cold_start_epochs: int = 0) -> None:
        """Hold the gates during the first `cold_start_epochs` epochs."""
        self.hold(epoch < cold_start_epochs)

    def step(self) -> None:
        """After every optimiser step: no group below its least number of open units."""
        for mask in self.gates.values():
            mask.keep_minimum()

    def order_units(self, scores: Mapping[str, Tensor]) -> None:
        """Let the units of the highest score stay open longest, in place of the last index.

        Parameters
        ----------
        scores
            By group name, shape (units,): for instance the size of the weights at the end of the
            cold start. Groups not named keep their order.
        """
        for name, score in scores.items():
            mask = self.mask(name)
            if tuple(score.shape) != (mask.num_features,):
                raise InputError(
                    f"scores of {name!r} must have shape ({mask.num_features},), got "
                    f"{tuple(score.shape)}"
                )
            rank = score.detach().to(mask.mu.device).argsort(stable=True).argsort()
            spread = offsets(mask.num_features, mask.span).to(mask.mu)
            mask.mu.copy_(spread[rank])

    @property
    def widths(self) -> dict[str, int]:
        """Open units of each group; may be set, by name."""
        return {name: mask.n_active for name, mask in self.gates.items()}

    @widths.setter
    def widths(self, widths: Mapping[str, int]) -> None:
        for name, width in widths.items():
            self.mask(name).set_width(width)

    def soft_widths(self) -> Tensor:
        """Open units of each group as a continuous function of beta: n (1 + beta / span) - 1/2.

        Bounded below by the least and above by n; a whole number at the betas that `DAM.set_width`
        sets.

        Returns
        -------
        Tensor
            float64, shape (groups,), in the order of `cost.names`; differentiable in the betas.
        """
        masks = list(self.gates.values())
        betas = torch.stack([mask.beta for mask in masks]).double()
        n = self.cost.full.to(betas.device)
        least = torch.tensor([float(m.min_active) for m in masks], dtype=torch.float64)
        soft = n * (1 + betas / masks[0].span) - 0.5
        return torch.minimum(torch.maximum(soft, least.to(betas.device)), n)

    def expected_cost(self, kind: str = "flops") -> Tensor:
        """Expected share of the whole model's FLOPs or parameters, differentiable in the betas."""
        return self.cost.cost(kind, self.soft_widths()) / float(self.cost.cost(kind, {}))

    def mask(self, name: str) -> DAM:
        """The mask of a group.

        Raises
        ------
        InputError
            If there is no such group.
        """
        if name not in self.gates:
            known = ", ".join(list(self.gates)[:5])
            raise InputError(f"{name!r} is no channel group; there are {known}, ...")
        return self.gates[name]

    def keep(self) -> dict[str, Tensor]:
        """The open units of each group, bool tensors of shape (units,), on the CPU."""
        return {name: mask.active.cpu() for name, mask in self.gates.items()}
