"""The columns of the readout behind the mask: how many are worth their price.

Every pair of a batch is told by as many columns as the mask draws for it. What ratings held out
lose with each number of columns takes one look at them, for the readout is a sum over its columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from damrep.masking import MaskStrategy
from damrep.masking.moments import second_moment
from damrep.masking.ranges import as_good
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.settings import IGMCSettings
from damrep.training import torch_generator

__all__ = ["Readout"]

_LOOKED_AT = 1000  # pairs that the widths are compared on while they are learned


class Readout:
    """What ratings that are not trained on lose by the number of columns.

    Parameters
    ----------
    network
        With a mask.
    pairs, targets
        Ratings to judge by.
    settings
        Of the price, or of a number of columns that is wanted.

    Attributes
    ----------
    judged : ndarray, shape (pairs, n + 1)
        Squared errors with 0, 1, ..., n columns, when their number was settled.
    """

    def __init__(
        self, network: IGMCNetwork, pairs: Pairs, targets: torch.Tensor, settings: IGMCSettings
    ) -> None:
        assert network.mask is not None
        self.network, self.mask = network, network.mask
        self._pairs, self._targets, self._settings = pairs, targets, settings
        self._few = np.linspace(0, len(pairs) - 1, min(len(pairs), _LOOKED_AT)).astype(np.int64)
        self.judged = np.zeros((0, 0))

    def strategy(self, steps: int, seed: int) -> MaskStrategy:
        """What learns the number of columns in so many steps."""
        price, even = self._settings.price, self._settings.strategy == "search"
        budget = self._settings.n_components is not None
        units = np.arange(1, self.mask.num_features + 1)

        def losses(widths: Sequence[int], last: bool) -> list[float]:
            found = self.errors(None if last else self._few)
            if last:
                self.judged = found
            return [float(found[:, m].mean()) for m in widths]

        def costs(losses: np.ndarray, share: float) -> np.ndarray:
            # So many as are asked for are the best by far; a search of their order is all.
            return np.asarray(1.0 / units if budget else share * losses + price * units)

        return MaskStrategy(
            self.network,
            self.mask,
            steps,
            losses,
            costs,
            torch_generator(seed),
            renew=self._renew,
            slack=0.0 if budget else price / 2,
            even=even or budget,
        )

    def _renew(self, since: int) -> None:
        """Put the columns in the order in which they can best be spared."""
        parts = self._pairs.some(self._few).values("parts", self.network)
        rest = self.network.out.bias.detach().cpu() - self._targets[self._few]
        moment, line = second_moment(parts), []
        own = moment.diagonal().clone()
        slope = second_moment(parts, (rest + parts.sum(dim=1))[:, None]).flatten()
        for _ in range(len(own)):
            # Without column j what is left over is greater by own - 2 slope.
            line.append(int((own - 2 * slope).argmin()))
            slope -= moment[:, line[-1]]
            own[line[-1]] = torch.inf
        self.network.order.copy_(self.network.order[line])

    def errors(self, some: np.ndarray | None = None) -> np.ndarray:
        """Squared errors of some pairs, or all, with 0, 1, ..., n columns, (pairs, n + 1)."""
        pairs = self._pairs if some is None else self._pairs.some(some)
        targets = self._targets if some is None else self._targets[some]
        # Closed ones as if they were open.
        gate = self.mask.gate().detach().cpu()
        parts = pairs.values("parts", self.network) * torch.where(gate > 0, gate, 1.0)
        told = parts.flip(1).cumsum(dim=1) + self.network.out.bias.detach().cpu()
        told = torch.cat([torch.zeros(len(told), 1), told], dim=1)
        return (told - targets[:, None]).square().double().numpy()

    def range(self) -> tuple[int, int] | None:
        """Widths that are as good as the one that is open.

        None if no column earns its price, neither beside biases alone, whose loss is 1, nor beside
        the mean: columns that have not been trained for long may do the latter only.
        """
        units, price = range(1, self.mask.num_features + 1), self._settings.price
        losses = self.judged.mean(axis=0)
        if (losses[1:] + price * np.array(units)).min() >= max(1.0, losses[0]):
            return None
        return as_good([self.judged[:, 1:]], units, price, self.mask.n_active)
