"""When a loss has stopped getting better."""

from __future__ import annotations

import math

from damrep.masking.validation import check_count, check_number

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Say when a loss has not improved for a number of updates.

    Parameters
    ----------
    patience
        Updates without improvement before `update` returns True; None never stops.
    min_delta
        What counts as an improvement, in the units of the loss.

    Examples
    --------
    >>> stopper = EarlyStopping(patience=2)
    >>> [stopper.update(loss) for loss in (1.0, 0.5, 0.6, 0.5)]
    [False, False, False, True]
    """

    def __init__(self, patience: int | None, min_delta: float = 0.0) -> None:
        self.patience = None if patience is None else check_count("patience", patience, minimum=1)
        self.min_delta = check_number("min_delta", min_delta, low=0.0)
        self.best = math.inf
        self.waited = 0

    def update(self, loss: float) -> bool:
        """Take the loss of one more epoch; True if it is time to stop."""
        if loss < self.best - self.min_delta:
            self.best = loss
            self.waited = 0
        else:
            self.waited += 1
        return self.patience is not None and self.waited >= self.patience

    def restart(self) -> None:
        """Forget the best loss, for when the losses before and after cannot be compared."""
        self.best = math.inf
        self.waited = 0
