"""The mask over the readout while it is trained: the paper's penalty, made well-posed.

As for the autoencoder, a few things are not in the paper (arXiv 2110.00684). A little L2 on the
weights either side of the mask: without it they make up for any gate, and nothing but noise holds
beta where it is. Now and then the columns change gates, so that those that carry least are the
next to be closed; a column is scaled by what its gate takes away or gives, so the function stays.
And the columns that earn more than their price by that measure are not closed: a closed unit gets
no gradient, so one step of beta too far would lose it for good.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from damrep.masking import GradientWidth, beta_for_width
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.readout import Elimination, eliminate

__all__ = ["AdjacentRatings", "PaperReadout", "PricedReadout", "weighed_columns"]

_ALIGNMENTS = 20  # times the columns change gates while the mask is trained,
_APART = 10  # with so many steps between them, at least
_COLD = 0.1  # share of the steps before beta moves
_RIDGE = 0.1  # weight of the L2, as a share of the price
_GUARD = 2.0  # prices a column has to earn to be kept open whatever beta's gradient says
# A column is scaled up by what its gate takes away, but not beyond this: the weights of one about
# to close would become so large that the next step of beta moves the loss by leaps.
_LEAST_GATE = 0.05


def weighed_columns(
    network: IGMCNetwork, pairs: Pairs, targets: Tensor, held_out: Pairs, held_out_targets: Tensor
) -> Elimination:
    """What the gated columns of the readout are worth, without dropout of edges."""
    training = network.training
    network.eval()
    gates = network.gates().detach().cpu()
    columns = pairs.values("columns", network) * gates
    trial = columns if held_out is pairs else held_out.values("columns", network) * gates
    network.train(training)
    return eliminate(columns, targets, trial, held_out_targets)


class AdjacentRatings:
    """Training without a mask: adjacent rating regularisation alone.

    Parameters
    ----------
    network
        What is trained.
    smoothness
        Weight of the regularisation, beside the normalised loss.
    """

    settled = True

    def __init__(self, network: IGMCNetwork, smoothness: float) -> None:
        self._network, self._smoothness = network, smoothness

    def parameter_groups(
        self, lr: float, weight_decay: float, beta_lr: float | None
    ) -> list[dict[str, Any]]:
        """All weights in one group."""
        parameters = list(self._network.parameters())
        return [{"params": parameters, "lr": lr, "weight_decay": weight_decay}]

    def start_epoch(self, epoch: int, cold_start_epochs: int) -> None:
        """Nothing to do."""

    def extra_loss(self) -> Tensor:
        """The regularisation."""
        return self._smoothness * self._network.rating_difference()

    def before_step(self) -> None:
        """Nothing to do."""

    def after_step(self) -> None:
        """Nothing to do."""

    def end_epoch(self) -> dict[str, Any]:
        """Nothing to tell."""
        return {}


class PaperReadout(GradientWidth):
    """The paper's strategy with adjacent rating regularisation, and nothing else.

    Parameters
    ----------
    network
        With a mask.
    price
        Share of the loss a column must earn.
    smoothness
        See `AdjacentRatings`.
    """

    def __init__(self, network: IGMCNetwork, price: float, smoothness: float) -> None:
        super().__init__(network, price)
        self.network, self._smoothness = network, smoothness

    def extra_loss(self) -> Tensor:
        """The priced penalty and the regularisation."""
        return super().extra_loss() + self._smoothness * self.network.rating_difference()


class PricedReadout(PaperReadout):
    """With L2 at the readout, columns put in order, and a floor under what is earned.

    Parameters
    ----------
    network, price, smoothness
        See `PaperReadout`.
    pairs, targets
        Some of the pairs that are trained on, to weigh the columns by.
    steps
        Training steps there will be.
    """

    def __init__(
        self,
        network: IGMCNetwork,
        price: float,
        smoothness: float,
        pairs: Pairs,
        targets: Tensor,
        steps: int,
    ) -> None:
        super().__init__(network, price, smoothness)
        self._pairs, self._targets = pairs, targets
        self._floor = beta_for_width(1, network.width)
        self._every = max(_APART, steps // _ALIGNMENTS)
        self._hold, self._steps = int(_COLD * steps), 0

    def extra_loss(self) -> Tensor:
        """The priced penalty, the regularisation and the L2."""
        squares = self.network.into.weight.square().sum() + self.network.out.weight.square().sum()
        return super().extra_loss() + 0.5 * _RIDGE * self.price * squares

    def before_step(self) -> None:
        """Hold beta in the first steps; optimisers skip a parameter without a gradient."""
        super().before_step()
        if self._steps < self._hold:
            for mask in self.masks.values():
                mask.beta.grad = None

    def after_step(self) -> None:
        """Keep the columns open that earn their price; put them in order now and then."""
        self._steps += 1
        # Not by epochs, of which large data have few: beta would be far by the end of the first.
        if self._steps >= self._hold and self._steps % self._every == 0:
            self.align()
        for mask in self.masks.values():
            with torch.no_grad():
                mask.beta.clamp_(min=self._floor)
        super().after_step()

    def align(self) -> None:
        """Put the columns in order, and the floor under those that earn their price."""
        network = self.network
        worth = weighed_columns(network, self._pairs, self._targets, self._pairs, self._targets)
        assert network.mask is not None
        earning = max(1, int((worth.earned > _GUARD * self.price).sum()))
        self._floor = beta_for_width(earning, network.width, network.mask.span)
        with torch.no_grad():
            before = network.gates()
            carrying = worth.order.flip(0).to(before.device)
            empty = torch.ones_like(before, dtype=torch.bool)
            empty[carrying] = False
            # Gates are in order of index; those that carry nothing come first, as they were.
            line = torch.cat([torch.nonzero(empty).flatten(), carrying])
            network.place[line] = torch.arange(len(line), device=line.device)
            change = before / network.gates().clamp(min=_LEAST_GATE)
            network.out.weight[:, carrying] *= change[carrying]
