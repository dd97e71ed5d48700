"""What decides how many dimensions are enough: a price for each, or a share of the variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from damrep.masking.search import exact_width

__all__ = ["Goal", "Price", "Share"]

# Any width that does not reach a share costs more than any that does.
_UNREACHED = 1e9


@dataclass(frozen=True)
class Price:
    """The width at which another dimension no longer earns its price.

    Parameters
    ----------
    price
        Share of the loss a dimension must take away.
    """

    price: float

    @property
    def tolerated(self) -> float:
        """By how much a width may cost more than the best and still be taken for as good."""
        return self.price / 2

    def cost(self, loss: float, width: int) -> float:
        """What is to be as small as possible."""
        return loss + self.price * width

    def width(self, losses: Sequence[float]) -> int:
        """The best width, by the losses at 1, 2, ... dimensions."""
        return exact_width(losses, self.price)

    def costs(self, losses: np.ndarray, share: float) -> np.ndarray:
        """`cost` at 1, 2, ... dimensions; a share of .1 of the loss is a price 10 times as high."""
        return np.asarray(share * losses + self.price * np.arange(1, len(losses) + 1))


@dataclass(frozen=True)
class Share:
    """The fewest dimensions that explain a share of the variance.

    Parameters
    ----------
    share
        Between 0 and 1.

    Examples
    --------
    >>> Share(0.9).width([0.5, 0.1, 0.05]), Share(0.99).width([0.5, 0.1, 0.05])
    (2, 3)
    """

    share: float
    tolerated = 0.0

    def reached(self, loss: float) -> bool:
        """Whether so much is explained where a loss is left."""
        return 1 - loss >= self.share

    def cost(self, loss: float, width: int) -> float:
        """What is to be as small as possible: the width, or the loss where it is too large."""
        return width if self.reached(loss) else _UNREACHED * (1 + loss)

    def width(self, losses: Sequence[float]) -> int:
        """The best width, by the losses at 1, 2, ... dimensions."""
        costs = [self.cost(loss, m) for m, loss in enumerate(losses, start=1)]
        return 1 + costs.index(min(costs))

    def costs(self, losses: np.ndarray, share: float) -> np.ndarray:
        """What is to be as small as possible at 1, 2, ... dimensions, of a share of the loss.

        Smoother than `cost`, and least at the same width: the loss counts down to what is asked
        for, and then each dimension a little.
        """
        asked = 1 - self.share
        each = asked / len(losses)
        return np.asarray(
            np.maximum(share * losses - asked, 0) * len(losses)
            + each * np.arange(1, len(losses) + 1)
        )


Goal = Price | Share
