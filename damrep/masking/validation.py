"""Checks of what a user hands in, shared by the whole package.

Every message is one line and says what was wrong, in which argument, what was got and what was
expected.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection
from typing import Any

__all__ = [
    "InputError",
    "check_choice",
    "check_count",
    "check_number",
    "check_price",
    "check_width",
]


class InputError(ValueError):
    """Input that cannot be used; the message is one line meant for the person who gave it."""


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
) -> float:
    """Return `value` as a float after checking that it is finite and lies in a range.

    Parameters
    ----------
    name
        Name of the argument, for the message.
    value
        Anything `float` accepts, except a bool or a string.
    low, high
        Bounds, both inclusive; `low_open` excludes `low` itself.

    Raises
    ------
    TypeError
        If `value` is not a number.
    InputError
        If it is not finite or out of range.

    Examples
    --------
    >>> check_number("lr", 1e-3, low=0, low_open=True)
    0.001
    """
    if isinstance(value, (bool, str, bytes)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}") from None
    too_low = number <= low if low_open else number < low
    if not math.isfinite(number) or too_low or number > high:
        wanted = "a finite number"
        if low > -math.inf:
            wanted += f" {'>' if low_open else '>='} {low:g}"
        if high < math.inf:
            wanted += f"{' and' if low > -math.inf else ''} <= {high:g}"
        raise InputError(f"{name} must be {wanted}, got {value!r}")
    return number


def check_count(name: str, value: Any, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Return `value` as an int after checking that it is a whole number in a range.

    Raises
    ------
    TypeError
        If `value` is not an integer (a float is not, even 3.0).
    InputError
        If it is out of range.

    Examples
    --------
    >>> check_count("max_epochs", 10, minimum=1)
    10
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if count < minimum or (maximum is not None and count > maximum):
        wanted = f">= {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise InputError(f"{name} must be {wanted}, got {count}")
    return count


def check_price(price: Any) -> float:
    """Return the price of a dimension as a float: a finite number, 0 or more.

    The price is the share of the normalised loss that one dimension must earn to be kept.

    Raises
    ------
    TypeError
        If `price` is not a number.
    InputError
        If it is negative, infinite or NaN.

    Examples
    --------
    >>> check_price(0.01)
    0.01
    >>> check_price(-1)
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: price must be a finite number >= 0, got -1
    """
    return check_number("price", price, low=0.0)


def check_width(m: Any, n: int, name: str = "width", *, minimum: int = 1) -> int:
    """Return a number of open units as an int: between `minimum` and the `n` units there are.

    Raises
    ------
    TypeError
        If `m` is not an integer.
    InputError
        If it is out of range.

    Examples
    --------
    >>> check_width(3, 8)
    3
    >>> check_width(9, 8, "n_components")
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: n_components must be between 1 and 8, got 9
    """
    return check_count(name, m, minimum=minimum, maximum=n)


def check_choice(name: str, value: Any, allowed: Collection[str]) -> str:
    """Return `value` after checking that it is one of the names in `allowed`.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> check_choice("gate", "linear", ["linear", "relu_tanh"])
    'linear'
    >>> check_choice("gate", "relu", ["linear", "relu_tanh"])
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: gate must be one of linear, relu_tanh, got 'relu'
    """
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value
