"""Penalties of a model of implicit feedback, chosen by how it ranks what is held out."""

from __future__ import annotations

from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out_parts import BETTER
from damrep.recommend.interaction_model import Penalties
from damrep.recommend.width_guard import SquaresTraining

__all__ = ["chosen_penalties"]

# Trials are run at this width: fewer columns would ask for heavier weights.
_WIDTH, _SWEEPS, _TRIALS = 128, 4, 9
# Where the search starts: weight, its product with the penalty, exponent.
_UNOBSERVED, _STRENGTH, _EXPONENT = 0.03, 1e-4, 0.5
# One step along weight or penalty, as a factor, and along the exponent.
_FACTOR, _STEP = 3.0, 0.125
# A trial is refused where its scores are below this share of another's: next to nothing is left of
# its factors, and though they may still rank, no width can be told from them.
_SHRUNK = 0.1

Place = tuple[int, int, int]
"""Steps from the usual product of weight and penalty, weight, and exponent."""


def chosen_penalties(
    part: SquaresTraining, scores: HeldInteractions, width: int
) -> tuple[Penalties, list[dict[str, float]]]:
    """Weight of pairs without interaction, its exponent and the L2 penalty.

    What shrinks the factors is about the product of weight and penalty, times the number of
    columns: so the search goes along the product, the weight and the exponent, downhill from a
    usual place, nine trials at most.

    Parameters
    ----------
    part
        Its settings give what is not to be chosen.
    scores
        Of what `part` does not have.
    width
        Columns there may be; trials have 128 of them at most.

    Returns
    -------
    penalties : Penalties
    trials : list of dict
        The settings and the NDCG of each.
    """
    search = _Search(part, scores, min(width, _WIDTH))
    return search.downhill(), search.trials


class _Search:
    def __init__(self, part: SquaresTraining, scores: HeldInteractions, width: int) -> None:
        self.trials: list[dict[str, float]] = []
        self._part, self._scores, self._width = part, scores, width
        self._sweeps = min(_SWEEPS, part.settings.max_sweeps or _SWEEPS)
        self._seen: dict[Place, float] = {}
        self._strongest = 0.0

    def downhill(self) -> Penalties:
        settings = self._part.settings
        given = settings.reg, settings.unobserved_weight, settings.unobserved_exponent
        axes = [axis for axis, value in enumerate(given) if value is None]
        best: Place = (0, 0, 0)
        moved = bool(axes)
        while moved and len(self._seen) < _TRIALS:
            moved = False
            for axis in axes:
                for sign in (-1, 1):
                    while len(self._seen) < _TRIALS:
                        place = _stepped(best, axis, sign)
                        if self._ndcg(place) <= BETTER * self._ndcg(best):
                            break
                        best, moved = place, True
        return self._at(best)

    def _at(self, place: Place) -> Penalties:
        settings, (product, weight, exponent) = self._part.settings, place
        unobserved, reg = settings.unobserved_weight, settings.reg
        if unobserved is None:
            unobserved = _UNOBSERVED * _FACTOR**weight
        if reg is None:
            reg = _STRENGTH * _FACTOR**product / max(unobserved, 1e-3)
        power = settings.unobserved_exponent
        if power is None:
            power = _EXPONENT + _STEP * exponent
        return Penalties(unobserved, reg, power)

    def _ndcg(self, place: Place) -> float:
        if place not in self._seen:
            asked = self._at(place)
            settings = self._part.settings
            # A pair without interaction is not to outweigh one with.
            heavy = settings.unobserved_weight is None and asked.unobserved > 1
            if heavy or not 0 <= asked.exponent <= 1:
                return 0.0
            model = self._part.train(self._width, asked, self._sweeps)
            ndcg = float(self._scores.ndcg(model.users, model.items).mean())
            self.trials.append(
                {
                    "unobserved_weight": asked.unobserved,
                    "reg": asked.reg,
                    "unobserved_exponent": asked.exponent,
                    "ndcg": ndcg,
                }
            )
            score = self._scores.mean_score(model)
            self._strongest = max(self._strongest, score)
            self._seen[place] = ndcg if score >= _SHRUNK * self._strongest else 0.0
        return self._seen[place]


def _stepped(place: Place, axis: int, sign: int) -> Place:
    product, weight, exponent = (
        steps + sign * (number == axis) for number, steps in enumerate(place)
    )
    return product, weight, exponent
