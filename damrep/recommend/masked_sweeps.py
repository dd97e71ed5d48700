"""Sweeps behind a mask: how many columns a model of ratings needs.

Every sweep is run at a width of its own, which the mask draws from those whose held-out cost is
near the best (`MaskStrategy`): users have the columns that are open alone, and items are regressed
on these. So all widths that come into question are trained, and a column beyond the best width goes
on learning, as it is open now and then. The price does not fall: uncertain factors that begin
narrow are driven out, and where it fell from ten times, six of ten columns were never found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.strategy import MaskStrategy
from damrep.recommend.contributions import Contributions
from damrep.recommend.rating_model import RatingModel
from damrep.training.history import History

__all__ = ["MaskedSweeps"]

# Sweeps with all columns before widths are drawn; sweeps before the priors are learned.
_COLD, _FIRST = 2, 3
# Share of the losses seen before in those that count: of two looks one may be lucky.
_STEADY = 0.7
# A cost so many units' prices above the best is drawn a third as often, at first and when the width
# is settled; as many times the best width, or this many.
_SPREAD, _SPREAD_LAST, _FEW = 30.0, 1.0, 8
# Columns beyond the best width that are open now and then: as many again, or this many.
_ABOVE = 12
_RARE, _LEAST_PRICE = 1e-3, 1e-6
# Costs that differ by so many units' prices count as alike.
_ALIKE = 2.0


class MaskedSweeps:
    """Learn the width of a model of ratings while it is swept.

    Parameters
    ----------
    model
        With as many columns as there may be.
    contributions
        What each column of a model adds to the predictions of ratings held out.
    reference
        Held-out loss of the biases alone.
    price
        Share of it a dimension must earn.
    steps
        Sweeps in all; the width is settled in seven of ten.
    generator
        Of the draws.

    Attributes
    ----------
    mask : DAM
        Its open units are the width that was learned.
    widths : list of int
        Of each sweep.
    curve, whole
        Held-out normalised losses with 0, 1, ... columns, up to the widest that was drawn last; and
        that of all columns before widths were drawn.
    """

    def __init__(
        self,
        model: RatingModel,
        contributions: Callable[[RatingModel], Contributions],
        reference: float,
        price: float,
        steps: int,
        generator: torch.Generator,
    ) -> None:
        n = model.width
        self.mask = DAM(n, alpha=step_alpha(n), min_active=0)
        self.mask.set_width(n)
        self.widths: list[int] = []
        self.curve, self.whole = np.ones(n + 1), 1.0
        self._model, self._contributions, self._reference = model, contributions, reference
        self._price, self._units = price, np.arange(1, n + 1)
        self._widest, self._looks, self._least = n, 0, np.inf
        self._strategy = MaskStrategy(
            self.mask,
            self.mask,
            steps,
            self._losses,
            self._costs,
            generator,
            slack=_ALIKE * price,
            every=1,
            chances=self._chances,
            first_share=1.0,
        )

    def run(self, history: History) -> None:
        """Sweep until the width is settled; the mask then stands there."""
        for _ in range(_COLD):
            self._sweep(history)
        while not self._strategy.settled:
            self._strategy.start_epoch(len(self.widths))
            self._sweep(history)
            self._strategy.after_step()
        if self._least >= 1:  # no look found a dimension that earns its price
            self.mask.set_width(0)
        self.curve = self.curve[: self._widest + 1]

    def _sweep(self, history: History) -> None:
        gates = self.mask(torch.ones(1, self.mask.num_features))
        width = int((gates > 0).sum())
        with self._model.only(width):
            error = self._model.sweep(learn_prior=len(self.widths) >= _FIRST)
        self.widths.append(width)
        told = {"width": width, "loss": error, "noise": self._model.noise}
        history.append({**told, **self._strategy.end_epoch()})

    def _losses(self, widths: Sequence[int], last: bool) -> list[float]:
        """Of the users regressed on all columns that may be open, cut at each of these widths."""
        model = self._model
        with model.only(self._widest):
            model.settle(model.steps)
            found = (self._contributions(model).prefixes() / self._reference).numpy()
        found = np.pad(found, (0, len(self.curve) - len(found)), mode="edge")
        steady = _STEADY if self._looks else 0.0
        self.curve = steady * self.curve + (1 - steady) * found
        if not self._looks:
            self.whole = float(found[-1])
        self._looks += 1
        return [float(self.curve[m]) for m in widths]

    def _costs(self, losses: np.ndarray, share: float) -> np.ndarray:
        costs: np.ndarray = share * losses + self._price * self._units
        self._least = min(self._least, float(costs.min()))
        return costs

    def _chances(self, costs: np.ndarray, done: float) -> np.ndarray:
        best = int(costs.argmin()) + 1
        spread = _SPREAD * (_SPREAD_LAST / _SPREAD) ** done
        unit = max(self._price, _LEAST_PRICE) * max(_FEW, best) * spread
        chances: np.ndarray = np.exp((costs.min() - costs) / unit)
        chances[best + max(_ABOVE, best) :] = 0.0
        chances[chances < _RARE] = 0.0
        self._widest = int(chances.nonzero()[0].max()) + 1
        return chances
