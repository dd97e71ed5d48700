"""Whether a narrow model ranks as well as the wide one, judged on held-out parts."""

from __future__ import annotations

from collections.abc import Callable

import scipy.sparse as sp

from damrep.recommend.contributions import Contributions
from damrep.recommend.entries import both_ways
from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.held_out_parts import (
    BETTER,
    HeldOutParts,
    Ndcg,
    NdcgAtWidth,
    lost,
    next_wider,
)
from damrep.recommend.interaction_model import InteractionModel, Penalties
from damrep.recommend.settings import FactorSettings
from damrep.training.history import History

__all__ = ["SquaresTraining", "WidthGuard"]

# Sweeps at least, those that have to do harm to be left out, those at most, unless asked otherwise,
# and those after a cut; standard errors beyond which there surely is harm.
_FIRST, _SWEEPS, _MOST_SWEEPS, _REFINING = 2, 8, 32, 3
_HARM = 2.0
# Columns that the search for what narrow models are measured by starts from.
_USUAL = 128
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

    def train(self, width: int, penalties: Penalties, sweeps: int) -> InteractionModel:
        """A model of one width from the start."""
        model = InteractionModel(*self.layout, width, penalties, self.seed)
        if width:
            self.sweep(model, sweeps)
        return model

    def until_best(
        self, scores: HeldInteractions, width: int, penalties: Penalties
    ) -> tuple[InteractionModel, int, Ndcg]:
        """The same after 2, 4, 8, 16, ... sweeps, as many as do what is held out good.

        A model starts from singular vectors of the interactions, and where these are few it may
        rank best not far from there: it stops short of eight sweeps where the rest does harm
        beyond doubt, and goes beyond them where that is better.

        Returns
        -------
        model : InteractionModel
        sweeps : int
            That it had, 32 or `max_sweeps` at most.
        ndcg : ndarray
            Of the held-out interactions, one number a user.
        """
        most = min(_MOST_SWEEPS, self.settings.max_sweeps or _MOST_SWEEPS)
        first = min(_FIRST, most)
        model = self.train(width, penalties, first)
        last = model.cut(width), first, scores.ndcg(model.users, model.items)
        while last[1] < most:
            sweeps = min(2 * last[1], most)
            self.sweep(model, sweeps - last[1])
            now = model.cut(width), sweeps, scores.ndcg(model.users, model.items)
            if sweeps > _SWEEPS and now[2].mean() <= BETTER * last[2].mean():
                break
            harm, error = lost(last[2], now[2])
            if harm > _HARM * error:
                break
            last = now
        return last

    def widest(
        self, scores: HeldInteractions, width: int, penalties: Penalties
    ) -> tuple[InteractionModel, int, Ndcg]:
        """What narrow models are to rank as well as, with what `until_best` says of it.

        Too many columns may do harm, and a narrow model is not to be measured by it. So of a model
        and one of half as many columns it is the wider, unless the other surely ranks better; from
        as many columns as are usual up to all, or down.
        """
        best = self.until_best(scores, min(width, _USUAL), penalties)
        first = best[0].width
        while best[0].width < width:
            wider = self.until_best(scores, min(2 * best[0].width, width), penalties)
            if _surely_better(best[2], wider[2]):
                break
            best = wider
        while 1 < best[0].width <= first:
            half = self.until_best(scores, best[0].width // 2, penalties)
            if not _surely_better(half[2], best[2]):
                break
            best = half
        return best

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

    def narrowed(
        self, full: Callable[[], InteractionModel], columns: int, penalties: Penalties, sweeps: int
    ) -> InteractionModel:
        """A narrow model of what a wide one was trained on with so many sweeps.

        Its first columns, refitted to do without the others; but where that would be more sweeps
        than the wide model itself ranks best after, a model from the start. The wide one is asked
        for only where it is cut.
        """
        if not columns or sweeps < _REFINING:
            return self.train(columns, penalties, sweeps)
        model = full().cut(columns)
        self.sweep(model, _REFINING)
        return model


def _surely_better(one: Ndcg, other: Ndcg) -> bool:
    gain, error = lost(one, other)
    return gain > error


class WidthGuard:
    """Looks for the narrowest width that ranks as well as the widest.

    The squared loss may stop asking for columns before the ranking does: small values that put
    one item before another earn it little. Where a few users leave it open on one held-out part,
    others are drawn.

    Parameters
    ----------
    weights
        All interactions, users by items.
    training, scores
        Of all but a first part of them, and that part, which is held out.
    wide
        The wide model, as `SquaresTraining.widest` gives it.
    """

    def __init__(
        self,
        weights: sp.csr_matrix,
        training: SquaresTraining,
        scores: HeldInteractions,
        wide: tuple[InteractionModel, int, Ndcg],
    ) -> None:
        self._weights, self._training, self._scores = weights, training, scores
        self._full, self._sweeps, self._ranking = wide
        # With fewer standard errors one table in ten of known width is found too wide.
        self._parts = HeldOutParts(self._draw, max(1, min(_PARTS, _AFFORDED // weights.nnz)))
        self.contributions: dict[int, Contributions] = {}

    def from_width(self, columns: int) -> int:
        """The first width, from so many columns on, that ranks as well; the widest at the end.

        That is the one at which all columns carry something: under a heavy penalty the others are
        empty, and where a model goes on shrinking the narrow one, swept a little more, ranks worse
        for that alone. `contributions` then has those of every width looked at, on the first part.
        """
        most = self._full.carrying
        while columns < most and not self._parts.rank_as_well(columns):
            columns = next_wider(columns, most)
        return columns

    def _draw(self, number: int) -> tuple[Ndcg, NdcgAtWidth]:
        training, scores, full = self._training, self._scores, self._full
        ranking = self._ranking
        if number:
            settings, seed = training.settings, training.seed + number
            fitted, held = hold_out(self._weights, settings.validation_fraction, seed)
            scores = HeldInteractions(fitted, held, seed)
            training = SquaresTraining(fitted, settings, seed, History())
            full = training.train(full.width, full.penalties, self._sweeps)
            ranking = scores.ndcg(full.users, full.items)

        def narrow(columns: int) -> Ndcg:
            model = training.narrowed(lambda: full, columns, full.penalties, self._sweeps)
            if not number:
                self.contributions[columns] = scores.contributions(model)
            return scores.ndcg(model.users, model.items)

        return ranking, narrow
