"""Which widths are as good as the one that was learned, as far as the rows held out can say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from damrep.masking.validation import InputError, check_price

__all__ = ["as_good"]


def as_good(
    losses: Iterable[np.ndarray], widths: Sequence[int], price: float, chosen: int
) -> tuple[int, int]:
    """The narrowest and the widest width that is as good as the chosen one, and all between.

    As good is a width whose cost, loss and price, is not greater by more than a standard error of
    the difference, which is of the same rows at both widths.

    Parameters
    ----------
    losses
        Blocks of rows held out: the normalised loss of each at each width, (rows, widths).
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
    >>> as_good([told], [1, 2, 3], price=0.1, chosen=3)
    (2, 3)
    """
    if list(widths) != sorted(set(widths)):
        raise InputError(f"widths must rise, got {list(widths)}")
    if chosen not in widths:
        raise InputError(f"the chosen width must be one of those measured, got {chosen}")
    here = list(widths).index(chosen)
    rows, total, squares = 0, np.zeros(len(widths)), np.zeros(len(widths))
    for block in losses:
        told = np.asarray(block, dtype=np.float64)
        if told.ndim != 2 or told.shape[1] != len(widths):
            raise InputError(
                f"losses must have shape (rows, {len(widths)}), one column a width, got "
                f"{told.shape}"
            )
        if not np.isfinite(told).all():
            raise InputError("losses must be finite numbers")
        more = told - told[:, [here]]
        rows, total, squares = rows + len(told), total + more.sum(0), squares + (more**2).sum(0)
    if not rows:
        raise InputError("losses must be of a row or more")
    mean = total / rows
    cost = mean + check_price(price) * (np.asarray(widths) - chosen)
    spread = np.maximum(squares / rows - mean**2, 0.0)
    error = np.sqrt(spread / max(rows - 1, 1))
    good = cost <= error + 1e-12
    low = high = here
    while low > 0 and good[low - 1]:
        low -= 1
    while high + 1 < len(widths) and good[high + 1]:
        high += 1
    return int(widths[low]), int(widths[high])
