"""Whether a narrow model ranks as well as the wide one, on as many held-out parts as it takes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["BETTER", "HeldOutParts", "Ndcg", "NdcgAtWidth", "lost", "next_wider", "ranks_as_well"]

BETTER = 1.003
"""What is tried has to be better by this factor: where all rank alike nothing is to run away."""
# Share of the wide model's NDCG that may be lost, and the step in width where more is.
_AS_WELL, _WIDER = 0.005, 1.25
# Share of it that narrow models lose, as a deviation around none. With a share of .005 one of ten
# tables of 16 groups came out at 32.
_SPREAD = 0.004
# Standard errors beyond which a difference surely is one.
_CERTAIN = 3.0

Ndcg = NDArray[np.float64]
"""One number a user."""
NdcgAtWidth = Callable[[int], Ndcg]
"""Given a number of columns: NDCG of such a model, one number a user."""


class HeldOutParts:
    """Rankings of a wide model and of narrow ones; where a few users leave it open, of others too.

    Parameters
    ----------
    draw
        Given the number of a part, 0, 1, ...: NDCG of the wide model, one number a user, and what
        gives that of narrow ones. Asked for once a part, when it is needed.
    most
        Parts at most.
    errors
        Standard errors that may be lost after all of them.

    Examples
    --------
    >>> wide = np.linspace(0.1, 0.9, 100)
    >>> parts = HeldOutParts(lambda number: (wide, lambda columns: wide * columns / 10), most=3)
    >>> parts.rank_as_well(9), parts.rank_as_well(10)
    (False, True)
    """

    def __init__(
        self, draw: Callable[[int], tuple[Ndcg, NdcgAtWidth]], most: int, errors: float = _CERTAIN
    ) -> None:
        self._draw, self._most, self._errors = draw, most, errors
        self._drawn: list[tuple[Ndcg, NdcgAtWidth]] = []

    def rank_as_well(self, columns: int) -> bool:
        """Whether models of so many columns rank as well as the wide ones."""
        of_wide, of_narrow = list[Ndcg](), list[Ndcg]()
        for number in range(self._most):
            if number == len(self._drawn):
                self._drawn.append(self._draw(number))
            wide, narrow = self._drawn[number]
            of_wide.append(wide)
            of_narrow.append(narrow(columns))
            pair = np.concatenate(of_wide), np.concatenate(of_narrow)
            if not _undecided(*pair):
                break
        return ranks_as_well(*pair, self._errors)


def ranks_as_well(full: Ndcg, narrow: Ndcg, errors: float = _CERTAIN) -> bool:
    """Whether a narrow model ranks as well as the wide one: within half a percent of its NDCG.

    Or within so many standard errors of the difference, where that is more; but what is lost is
    taken for chance no further than it may be. Of widths that are looked at `_SPREAD` is lost,
    more or less: the loss to be expected is the one seen, shrunk by the square of that over itself
    plus the square of the error, and has to be within the half percent.

    Parameters
    ----------
    full, narrow
        NDCG of each user, of `HeldInteractions.ndcg`.
    errors
        Standard errors.

    Examples
    --------
    >>> full = np.linspace(0.1, 0.9, 100)
    >>> ranks_as_well(full, 0.997 * full), ranks_as_well(full, 0.9 * full)
    (True, False)
    """
    difference, error = lost(full, narrow)
    allowed, spread = _allowed(full), _SPREAD * float(full.mean())
    unshrunk = allowed * (1 + (error / max(spread, 1e-12)) ** 2)
    return difference <= max(allowed, min(errors * error, unshrunk))


def _undecided(full: Ndcg, narrow: Ndcg) -> bool:
    """Whether what is lost is nearer than three standard errors to the half percent that may be."""
    difference, error = lost(full, narrow)
    return abs(difference - _allowed(full)) < _CERTAIN * error


def _allowed(full: Ndcg) -> float:
    return _AS_WELL * float(full.mean())


def lost(full: Ndcg, narrow: Ndcg) -> tuple[float, float]:
    """Mean NDCG that one ranking has more than the other, and its standard error.

    Examples
    --------
    >>> lost(np.array([0.5, 0.75]), np.array([0.5, 0.5]))
    (0.125, 0.088...)
    """
    difference = full - narrow
    error = float(difference.std()) / math.sqrt(max(1, len(difference)))
    return float(difference.mean()), error


def next_wider(columns: int, most: int) -> int:
    """The width to look at next where one ranks worse than the widest.

    Examples
    --------
    >>> next_wider(10, 128), next_wider(120, 128)
    (13, 128)
    """
    return min(most, math.ceil(columns * _WIDER))
