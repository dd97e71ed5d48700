"""Choosing the width on a held-out part: models of falling width, each cut at every column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from damrep.recommend.contributions import Contributions
from damrep.recommend.factors import FactorFit
from damrep.recommend.settings import FactorSettings

__all__ = ["Choice", "WidthPath"]

# Below this many columns another start cannot help: a cut of this one does as well.
_NARROWEST = 4
_AT_LEAST = 16
_WORSE = 1.1  # times the loss of no factors at all is told of


@dataclass(frozen=True)
class Choice:
    """A width: `columns` kept of a model grown with `start`."""

    start: int
    columns: int
    loss: float


class WidthPath:
    """Held-out losses along a path of widths.

    A wide model is trained and every cut of it measured; then models started
    ever narrower, about where the best cut was. A narrow start does better than a cut where the
    signal is weak: the columns it does not need take nothing from the others.

    Parameters
    ----------
    price
        Share of the normalised loss a dimension must earn.
    reference
        Held-out loss of the trivial model.
    initial
        Widest start.
    """

    def __init__(self, price: float, reference: float, initial: int) -> None:
        self.price, self.reference, self.initial = price, reference, initial
        self._losses: dict[int, tuple[float, int]] = {0: (1.0, 0)}
        self._unmasked: dict[int, float] = {}

    def starts(self, only: int | None = None) -> Iterator[int]:
        """Widths to start a model with, each after the one before was added."""
        if only is not None:
            yield only
            return
        width = self.initial
        while True:
            yield width
            best = self._best()
            narrower = min(width // 2, max(2 * best, _AT_LEAST))
            if narrower < max(_NARROWEST, best):
                return
            width = narrower

    def add(self, start: int, contributions: Contributions) -> None:
        """Take the held-out contributions of a model started with so many columns."""
        self.add_losses(start, (contributions.prefixes() / self.reference).tolist())

    def add_losses(self, start: int, losses: list[float], whole: float | None = None) -> None:
        """Take the held-out normalised losses of such a model cut at 0, 1, ... columns.

        And that of the whole, where it isn't the last of them.
        """
        self._unmasked[start] = losses[-1] if whole is None else whole
        # Losses without any factor differ from 1 where biases were fitted beside factors.
        for columns, loss in enumerate(losses[1:], start=1):
            if loss < self._losses.get(columns, (float("inf"), 0))[0]:
                self._losses[columns] = (loss, start)

    def choose(self, wanted: int | None = None) -> Choice:
        """The width with the smallest loss plus price, or the `wanted` one."""
        columns = self._best() if wanted is None else min(wanted, self.initial)
        known = max((c for c in self._losses if c <= columns), default=0)
        loss, start = self._losses[known]
        return Choice(start if wanted is None else columns, columns, loss)

    def tell(self, fit: FactorFit, choice: Choice, settings: FactorSettings) -> None:
        """Write on a fit how its width was chosen, and what the user should know of it."""
        fit.initial, fit.open_gates = self.initial, choice.columns
        fit.loss, fit.reference_loss = choice.loss, self.reference
        fit.curve = [[columns, self._losses[columns][0]] for columns in sorted(self._losses)]
        widest = max(self._unmasked)
        fit.candidates = {
            "trivial": {"dimensions": 0, "loss": 1.0},
            "unmasked": {
                "dimensions": widest,
                "loss": self._unmasked[widest],
                "widths": {str(start): loss for start, loss in self._unmasked.items()},
            },
            "masked": {"dimensions": choice.columns, "loss": choice.loss},
        }
        if choice.loss > _WORSE:
            fit.warnings.append(
                f"without factors the held-out loss is 1, with these {choice.loss:.3g}: the model "
                "is worse than the trivial one"
            )
        if settings.n_components is not None:
            return
        if not choice.columns:
            fit.warnings.append(
                f"no dimension earns the price of {self.price:g} of the held-out loss: the model "
                "is the trivial one, without factors; lower the price, or accept that there is "
                "nothing to learn"
            )
        elif choice.columns >= settings.max_components:
            fit.warnings.append(
                f"all {choice.columns} dimensions earn their price: raise max_components to see "
                "whether more would"
            )

    def _best(self) -> int:
        return min(self._losses, key=lambda m: (self._losses[m][0] + self.price * m, m))
