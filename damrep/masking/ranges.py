"""Which widths are as good as the one that was learned, as far as the rows held out can say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from damrep.masking.validation import InputError, check_price

__all__ = ["as_good"]


def as_good(
    losses: np.ndarray, widths: Sequence[int], price: float, chosen: int
) -> tuple[int, int]:
    """The narrowest and the widest width that is as good as the chosen one, and all between.

    As good is a width whose cost, loss and price, is not greater by more than a standard error of
    the difference, which is of the same rows at both widths.

    Parameters
    ----------
    losses
        Normalised loss of each row held out at each width, shape (rows, widths).
    widths
        In rising order.
    price
        Share of the normalised loss that a dimension must earn.
    chosen
        One of the widths.

    Raises
    ------
    InputError
        If the shapes do not fit, or the chosen width is not among the others.

    Examples
    --------
    Two rows want two dimensions, and two want three.

    >>> told = np.array([[0.5, 0.1, 0.1], [0.5, 0.1, 0.1], [0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    >>> as_good(told, [1, 2, 3], price=0.1, chosen=3)
    (2, 3)
    """
    told = np.asarray(losses, dtype=np.float64)
    if told.ndim != 2 or told.shape[1] != len(widths):
        raise InputError(
            f"losses must have shape (rows, {len(widths)}), one column a width, got {told.shape}"
        )
    if not len(told) or not np.isfinite(told).all():
        raise InputError("losses must be finite numbers of a row or more")
    if list(widths) != sorted(set(widths)):
        raise InputError(f"widths must rise, got {list(widths)}")
    if chosen not in widths:
        raise InputError(f"the chosen width must be one of those measured, got {chosen}")
    here = list(widths).index(chosen)
    more = told - told[:, [here]]
    cost = more.mean(axis=0) + check_price(price) * (np.asarray(widths) - chosen)
    error = more.std(axis=0, ddof=1) / math.sqrt(len(told)) if len(told) > 1 else 0 * cost
    good = cost <= error + 1e-12
    low = high = here
    while low > 0 and good[low - 1]:
        low -= 1
    while high + 1 < len(widths) and good[high + 1]:
        high += 1
    return int(widths[low]), int(widths[high])
