from __future__ import annotations

import math

import numpy as np
import pytest

from damrep.masking.validation import (
    InputError,
    check_choice,
    check_count,
    check_number,
    check_price,
    check_width,
)


@pytest.mark.parametrize("price", [0, 0.5, np.float32(0.25), 3])
def test_a_price_of_zero_or_more_comes_back_as_a_float(price: float) -> None:
    assert check_price(price) == float(price)
    assert type(check_price(price)) is float


@pytest.mark.parametrize("price", [-1e-9, math.inf, -math.inf, math.nan])
def test_a_negative_or_infinite_price_is_refused_in_one_line(price: float) -> None:
    with pytest.raises(InputError, match=r"price must be .* got") as caught:
        check_price(price)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("price", ["0.1", None, True, [0.1, 0.2]])
def test_what_is_not_a_number_is_a_type_error(price: object) -> None:
    with pytest.raises(TypeError, match="price"):
        check_price(price)


def test_width_names_the_argument_the_value_and_the_range() -> None:
    assert check_width(np.int64(4), 4, "dims") == 4
    with pytest.raises(InputError, match="dims must be between 1 and 4, got 5"):
        check_width(5, 4, "dims")
    with pytest.raises(InputError, match="got 0"):
        check_width(0, 4)
    with pytest.raises(TypeError, match="integer"):
        check_width(2.0, 4)


def test_choice_lists_what_is_allowed() -> None:
    with pytest.raises(InputError, match="gate must be one of a, b, got 'c'"):
        check_choice("gate", "c", ["a", "b"])
    with pytest.raises(InputError):
        check_choice("gate", 3, ["a", "b"])


def test_bounds_are_inclusive_unless_open() -> None:
    assert check_number("x", 0, low=0) == 0.0
    with pytest.raises(InputError, match="> 0"):
        check_number("x", 0, low=0, low_open=True)
    with pytest.raises(InputError, match=">= 0 and <= 1"):
        check_number("x", 2, low=0, high=1)
    with pytest.raises(InputError, match=">= 1, got 0"):
        check_count("k", 0, minimum=1)
    with pytest.raises(TypeError):
        check_count("k", True)
