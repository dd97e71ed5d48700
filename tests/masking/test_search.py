from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.search import exact_width, search_width
from damrep.masking.validation import InputError

curves = st.lists(st.floats(-10, 10), min_size=1, max_size=60)
prices = st.floats(0, 5)


def test_exact_width_by_hand() -> None:
    losses = [0.5, 0.2, 0.15, 0.149]
    # J at .04: .54 .28 .27 .309; at .06: .56 .32 .33; at 1: the first
    assert [exact_width(losses, price) for price in (0.0, 0.04, 0.06, 1.0)] == [4, 3, 2, 1]


def test_ties_go_to_the_smaller_width() -> None:
    assert exact_width([1.0, 0.75, 0.5], price=0.25) == 1
    assert exact_width([0.5, 0.5, 0.5], price=0.0) == 1


@given(curves, prices, prices)
def test_exact_width_never_increases_with_the_price_on_any_curve(
    losses: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert exact_width(losses, high) <= exact_width(losses, low)


@given(curves, st.integers(0, 59))
def test_nor_does_it_where_rounding_is_closest(losses: list[float], step: int) -> None:
    # Prices next to a break of the curve, one rounding apart.
    m = min(step, len(losses) - 1)
    price = abs(losses[m] - losses[0]) / max(m, 1)
    assert exact_width(losses, math.nextafter(price, math.inf)) <= exact_width(losses, price)


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=400), prices)
def test_search_is_exact_on_curves_with_falling_gains(drops: list[float], price: float) -> None:
    # Convex: each further dimension earns no more than the one before.
    loss, losses = 0.0, []
    for drop in sorted(drops, reverse=True):
        losses.append(loss)
        loss -= drop
    found = search_width(lambda m: losses[m - 1], len(losses), price)
    j = [value + price * m for m, value in enumerate(losses, start=1)]
    assert j[found.width - 1] == pytest.approx(min(j), abs=1e-9)
    assert len(found.evaluations) <= 8 + 1.45 * math.log2(max(len(losses), 2))


@given(curves, prices)
def test_search_evaluates_a_width_once_and_returns_the_best_of_them(
    losses: list[float], price: float
) -> None:
    asked: list[int] = []

    def evaluate(m: int) -> float:
        asked.append(m)
        return losses[m - 1]

    found = search_width(evaluate, len(losses), price)
    assert len(set(asked)) == len(asked)
    assert found.evaluations == tuple(asked)
    assert asked[0] == len(losses)  # the widest first: narrower ones start from it
    assert sorted(found.curve) == sorted(asked) == sorted(found.curve)
    cost = {m: loss + price * m for m, loss in found.curve.items()}
    assert cost[found.width] <= min(cost.values()) + 1e-9
    for neighbour in (found.width - 1, found.width + 1):
        assert neighbour in found.curve or not 1 <= neighbour <= len(losses)


def test_known_losses_are_not_evaluated_again() -> None:
    curve = {m: max(0.0, 1 - 0.1 * m) for m in range(1, 65)}
    first = search_width(curve.__getitem__, 64, 0.01)
    again = search_width(lambda m: pytest.fail("known"), 64, 0.01, evaluated=first.curve)
    assert first.width == again.width == 10
    assert again.evaluations == ()
    assert again.curve == first.curve


def test_the_range_is_kept() -> None:
    asked: list[int] = []

    def evaluate(m: int) -> float:
        asked.append(m)
        return 1 / m

    assert search_width(evaluate, 20, price=1.0, min_width=6).width == 6
    assert min(asked) == 6
    assert search_width(lambda m: 0.0, 1, price=0.0).width == 1


def test_losses_and_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="width 2 must be finite"):
        exact_width([1.0, math.nan], 0.1)
    with pytest.raises(InputError, match="at least one"):
        exact_width([], 0.1)
    with pytest.raises(InputError, match="width 8 must be finite, got inf"):
        search_width(lambda m: math.inf, 8, 0.1)
    with pytest.raises(InputError, match="price"):
        search_width(lambda m: 1.0, 8, -0.1)
    with pytest.raises(InputError, match="min_width must be between 1 and 8"):
        search_width(lambda m: 1.0, 8, 0.1, min_width=9)
    with pytest.raises(InputError, match="evaluated width"):
        search_width(lambda m: 1.0, 8, 0.1, evaluated={9: 1.0})
