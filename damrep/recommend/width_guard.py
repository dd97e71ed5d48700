"""Whether a narrow model ranks as well as the wide one, judged on held-out parts."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.recommend.entries import both_ways
from damrep.recommend.gate_solve import Contributions
from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.interaction_model import InteractionModel
from damrep.recommend.settings import FactorSettings
from damrep.training.history import History

__all__ = [
    "BETTER",
    "SquaresTraining",
    "WidthGuard",
    "next_wider",
    "ranks_as_well",
    "undecided",
]

BETTER = 1.003
"""What is tried has to be better by this factor: where all rank alike nothing is to run away."""
# Sweeps at least, those that have to do harm to be left out, those at most, unless asked otherwise,
# and those after a cut; standard errors beyond which there surely is harm.
_FIRST, _SWEEPS, _MOST_SWEEPS, _REFINING = 4, 8, 32, 3
_HARM = 2.0
# Share of the wide model's NDCG that may be lost, standard errors beyond which more surely is, and
# the step in width then. With fewer errors one table in ten of known width is found too wide.
_AS_WELL, CERTAIN, _WIDER = 0.005, 3.0, 1.25
# Held-out parts at most, and interactions they may have together.
_PARTS, _AFFORDED = 16, 2_000_000


class SquaresTraining:
    """Interactions, laid out both ways, and the training of models of them.

    Parameters
    ----------
    weights
        Users by items.
    settings
        Checked arguments.
    seed
        Seed of everything random.
    history
        A row a sweep is added to it.
    """

    def __init__(
        self, weights: sp.csr_matrix, settings: FactorSettings, seed: int, history: History
    ) -> None:
        self.layout = self.by_user, self.by_item, _ = both_ways(weights)
        self.settings, self.seed, self.history = settings, seed, history

    def train(self, width: int, unobserved: float, reg: float, sweeps: int) -> InteractionModel:
        """A model of one width from the start."""
        exponent = self.settings.unobserved_exponent
        model = InteractionModel(*self.layout, width, unobserved, reg, self.seed, exponent=exponent)
        if width:
            self.sweep(model, sweeps)
        return model

    def until_best(
        self,
        scores: HeldInteractions,
        width: int,
        unobserved: float,
        reg: float,
        most: int = _MOST_SWEEPS,
    ) -> tuple[InteractionModel, int, float]:
        """The same after 4, 8, 16, ... sweeps, as many as do what is held out good.

        A model starts from singular vectors of the interactions, and where these are few it may
        rank best not far from there: it stops short of eight sweeps where the rest does harm
        beyond doubt, and goes beyond them where that is better.

        Returns
        -------
        model : InteractionModel
        sweeps : int
            That it had, `most` or `max_sweeps` at most.
        ndcg : float
            Of the held-out interactions, mean over users.
        """
        most = min(most, self.settings.max_sweeps or most)
        first = min(_FIRST, most)
        model = self.train(width, unobserved, reg, first)
        last = model.cut(width), first, scores.ndcg(model.users, model.items)
        while last[1] < most:
            sweeps = min(2 * last[1], most)
            self.sweep(model, sweeps - last[1])
            now = model.cut(width), sweeps, scores.ndcg(model.users, model.items)
            if sweeps > _SWEEPS and now[2].mean() <= BETTER * last[2].mean():
                break
            lost, _, error = _lost(last[2], now[2])
            if lost > _HARM * error:
                break
            last = now
        return last[0], last[1], float(last[2].mean())

    def sweep(self, model: InteractionModel, sweeps: int) -> None:
        """Sweep and keep a record; the users are those of the last items.

        A sweep ends on items, and its users are a step behind, which rank as under a smaller or a
        larger penalty: what is judged has to be what a finished model gives.
        """
        for _ in range(sweeps):
            model.sweep()
            strength = float(model.strengths.sum())
            self.history.append({"width": model.width, "strength": strength})
        model.update_users(model.steps)

    def narrowed(self, full: InteractionModel, columns: int) -> InteractionModel:
        """The first columns of a wide model, refitted to do without the others."""
        model = full.cut(columns)
        if columns:
            self.sweep(model, _REFINING)
        return model


class WidthGuard:
    """Looks for the narrowest width that ranks as well as the widest.

    The squared loss may stop asking for columns before the ranking does: small values that put
    one item before another earn it little. Where a few users leave it open on one held-out part,
    others are drawn.

    Parameters
    ----------
    weights
        All interactions, users by items.
    training, scores, full
        What was fitted to a first part of them, its held-out interactions, the wide model.
    sweeps
        Of the wide model.
    """

    def __init__(
        self,
        weights: sp.csr_matrix,
        training: SquaresTraining,
        scores: HeldInteractions,
        full: InteractionModel,
        sweeps: int,
    ) -> None:
        self._weights, self._full, self._sweeps = weights, full, sweeps
        self._rounds = [(training, scores, full, scores.ndcg(full.users, full.items))]
        self._most = max(1, min(_PARTS, _AFFORDED // weights.nnz))
        self.contributions: dict[int, Contributions] = {}

    def from_width(self, columns: int) -> int:
        """The first width, from so many columns on, that ranks as well; the widest at the end.

        `contributions` then has those of every width looked at, on the first part.
        """
        while columns < self._full.width and not self._ranks_as_well(columns):
            columns = next_wider(columns, self._full.width)
        return columns

    def _ranks_as_well(self, columns: int) -> bool:
        at_full, at_columns = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
        for number in range(self._most):
            training, scores, full, ndcg = self._round(number)
            model = training.narrowed(full, columns)
            if not number:
                self.contributions[columns] = scores.contributions(model)
            at_full.append(ndcg)
            at_columns.append(scores.ndcg(model.users, model.items))
            pair = np.concatenate(at_full), np.concatenate(at_columns)
            if not undecided(*pair):
                break
        return ranks_as_well(*pair)

    def _round(
        self, number: int
    ) -> tuple[SquaresTraining, HeldInteractions, InteractionModel, NDArray[np.float64]]:
        if number == len(self._rounds):
            first, _, full, _ = self._rounds[0]
            settings, seed = first.settings, first.seed + number
            fitted, held = hold_out(self._weights, settings.validation_fraction, seed)
            training = SquaresTraining(fitted, settings, seed, History())
            model = training.train(full.width, full.unobserved, full.reg, self._sweeps)
            scores = HeldInteractions(fitted, held, seed)
            self._rounds.append((training, scores, model, scores.ndcg(model.users, model.items)))
        return self._rounds[number]


def ranks_as_well(
    full: NDArray[np.float64], narrow: NDArray[np.float64], errors: float = CERTAIN
) -> bool:
    """Whether a narrow model ranks as well as the wide one: within half a percent of its NDCG.

    Or within so many standard errors of the difference, where that is more.

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
    lost, allowed, error = _lost(full, narrow)
    return lost <= max(allowed, errors * error)


def undecided(full: NDArray[np.float64], narrow: NDArray[np.float64]) -> bool:
    """Whether what is lost is nearer than three standard errors to the half percent that may be.

    Examples
    --------
    >>> full = np.linspace(0.1, 0.9, 100)
    >>> undecided(full, 0.9 * full), undecided(full, full[::-1])
    (False, True)
    """
    lost, allowed, error = _lost(full, narrow)
    return abs(lost - allowed) < CERTAIN * error


def next_wider(columns: int, most: int) -> int:
    """The width to look at next where one ranks worse than the widest.

    Examples
    --------
    >>> next_wider(10, 128), next_wider(120, 128)
    (13, 128)
    """
    return min(most, math.ceil(columns * _WIDER))


def _lost(full: NDArray[np.float64], narrow: NDArray[np.float64]) -> tuple[float, float, float]:
    lost = full - narrow
    error = float(lost.std()) / math.sqrt(max(1, len(lost)))
    return float(lost.mean()), _AS_WELL * float(full.mean()), error
