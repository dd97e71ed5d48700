"""The search strategy: find the width at which one more dimension no longer earns its price.

Both functions minimise J(m) = loss(m) + price * m over the number of open units m, where loss is a
normalised (preferably held-out) loss. A budget, a width that is asked for, needs no search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from damrep.masking.validation import InputError, check_count, check_price, check_width

__all__ = ["WidthSearch", "exact_width", "search_width"]


def exact_width(losses: Sequence[float], price: float) -> int:
    """The width that minimises loss + price * width, given the loss at every width.

    Ties go to the smaller width. The result never increases when the price does, whatever the
    curve.

    Parameters
    ----------
    losses
        Normalised losses at widths 1, 2, ..., n.
    price
        Share of the loss one dimension must earn, >= 0.

    Returns
    -------
    int
        A width between 1 and n.

    Raises
    ------
    InputError
        If there are no losses, one is not finite, or the price is negative or not finite.

    Examples
    --------
    >>> exact_width([0.5, 0.2, 0.15, 0.149], price=0.04)
    3
    """
    curve = {m: float(loss) for m, loss in enumerate(losses, start=1)}
    if not curve:
        raise InputError("losses must hold at least one width, got none")
    for m, loss in curve.items():
        _check_loss(loss, m)
    return _cheapest(curve, check_price(price))


@dataclass(frozen=True)
class WidthSearch:
    """Result of a search.

    Parameters
    ----------
    width
        The width found.
    curve
        Loss by width, for every width whose loss is known, by rising width.
    evaluations
        Widths that were evaluated, in order; those known beforehand are not among them.
    """

    width: int
    curve: dict[int, float] = field(default_factory=dict)
    evaluations: tuple[int, ...] = ()


def search_width(
    evaluate: Callable[[int], float],
    max_width: int,
    price: float,
    min_width: int = 1,
    evaluated: Mapping[int, float] | None = None,
) -> WidthSearch:
    """Golden-section search for the cheapest width, for losses that are dear to evaluate.

    The widest is evaluated first, so that every narrower one can start from a wider model. Where
    the curve of J has one valley the minimum is found exactly, in about 1.44 log2(n) evaluations.
    On any other, the result is the best of all widths evaluated, and no worse than the widths next
    to it.

    Parameters
    ----------
    evaluate
        Normalised loss at a width; called at most once a width.
    max_width, min_width
        Ends of the search, inclusive.
    price
        Share of the loss one dimension must earn, >= 0.
    evaluated
        Losses known already, by width; taken as they are.

    Returns
    -------
    WidthSearch
        The width, the curve, and the order of evaluations.

    Raises
    ------
    InputError
        If an argument is out of range or a loss is not finite.

    Examples
    --------
    >>> found = search_width(lambda m: max(0.0, 1 - 0.1 * m), max_width=64, price=0.01)
    >>> found.width, len(found.evaluations) < 15
    (10, True)
    """
    max_width = check_count("max_width", max_width, minimum=1)
    min_width = check_width(min_width, max_width, "min_width")
    price = check_price(price)
    curve = {
        check_width(m, max_width, "evaluated width", minimum=min_width): float(loss)
        for m, loss in (evaluated or {}).items()
    }
    for m, loss in curve.items():
        _check_loss(loss, m)
    order: list[int] = []

    def cost(m: int) -> Fraction:
        if m not in curve:
            loss = float(evaluate(m))
            _check_loss(loss, m)
            curve[m] = loss
            order.append(m)
        return _cost(curve[m], price, m)

    cost(max_width)
    _golden_section(cost, min_width, max_width)
    while True:  # walk until neither neighbour is better
        best = _cheapest(curve, price)
        for m in (best - 1, best + 1):
            if min_width <= m <= max_width:
                cost(m)
        if _cheapest(curve, price) == best:
            return WidthSearch(best, dict(sorted(curve.items())), tuple(order))


def _golden_section(cost: Callable[[int], Fraction], low: int, high: int) -> None:
    """Narrow [low, high] around the valley of `cost`, ties to the left; evaluate what is left."""
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 3:
        step = round((high - low) * ratio)
        left, right = high - step, low + step
        if left >= right:  # rounding, on short intervals
            left = (low + high) // 2
            right = left + 1
        if cost(right) < cost(left):
            low = left + 1
        else:
            high = right - 1 if cost(left) < cost(right) else right
    for m in range(high, low - 1, -1):
        cost(m)


def _check_loss(loss: float, m: int) -> None:
    if not math.isfinite(loss):
        raise InputError(f"the loss at width {m} must be finite, got {loss}")


def _cost(loss: float, price: float, m: int) -> Fraction:
    # Exact: in floating point, rounding near a tie could make a higher price pick a wider model.
    return Fraction(loss) + Fraction(price) * m


def _cheapest(curve: Mapping[int, float], price: float) -> int:
    return min(curve, key=lambda m: (_cost(curve[m], price, m), m))
