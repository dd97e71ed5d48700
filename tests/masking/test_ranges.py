"""Widths that are as good as the learned one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.ranges import as_good
from damrep.masking.validation import InputError


def test_worked_by_hand() -> None:
    """Differences to width 2 of four rows: .1, .1, -.1, -.1: none in the mean, +- .058."""
    losses = np.array([[0.6, 0.3, 0.2], [0.6, 0.3, 0.2], [0.6, 0.3, 0.4], [0.6, 0.3, 0.4]])
    assert as_good([losses], [1, 2, 3], price=0.05, chosen=2) == (2, 3)
    assert as_good([losses], [1, 2, 3], price=0.06, chosen=2) == (2, 2)


def test_where_all_rows_agree_there_is_one() -> None:
    losses = np.tile([0.9, 0.5, 0.1, 0.1], (20, 1))
    assert as_good([losses], [1, 2, 3, 4], price=0.01, chosen=3) == (3, 3)


def test_a_width_beyond_a_worse_one_does_not_count() -> None:
    losses = np.tile([0.1, 0.5, 0.1], (20, 1))
    assert as_good([losses], [1, 2, 3], price=0.0, chosen=3) == (3, 3)


@given(st.integers(0, 10**6), st.floats(0, 0.1))
def test_it_holds_the_chosen_one_and_grows_with_the_noise(seed: int, price: float) -> None:
    rng = np.random.default_rng(seed)
    losses = np.sort(rng.random(6))[::-1] + 0.01 * rng.normal(size=(50, 6))
    best = int(np.argmin(losses.mean(axis=0) + price * np.arange(6))) + 1
    noise = rng.normal(size=(50, 6))
    noise -= noise.mean(axis=0)
    low, high = as_good([losses], range(1, 7), price, best)
    wide = as_good([losses + 100 * noise], range(1, 7), price, best)
    assert wide[0] <= low <= best <= high <= wide[1]


def test_rows_may_come_in_blocks() -> None:
    losses = np.random.default_rng(0).random((90, 5)) + [1, 0.6, 0.02, 0.01, 0]
    whole = as_good([losses], range(1, 6), 0.01, 3)
    assert whole == as_good(np.split(losses, [10, 40, 89]), range(1, 6), 0.01, 3)
    assert whole[0] <= 3 < whole[1]


@pytest.mark.parametrize("losses", [[], [np.zeros((0, 3))], [np.full((4, 3), np.nan)], [[1.0]]])
def test_losses_that_are_none_are_refused(losses: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="losses must"):
        as_good(losses, [1, 2, 3], 0.1, 2)


@pytest.mark.parametrize(("widths", "chosen"), [([1, 2], 1), ([1, 2, 3], 4), ([3, 1, 2], 1)])
def test_what_does_not_fit_is_refused(widths: list[int], chosen: int) -> None:
    with pytest.raises(InputError):
        as_good([np.zeros((4, 3))], widths, 0.1, chosen)
