"""The shapes of the gate, the offsets of the units, the beta that opens a number of them.

Unit j of n has the fixed offset mu_j = span * j / n; its gate is a function of mu_j + beta that is
zero wherever the sum is zero or less (Bu, Daw, Maruf, Karpatne, NeurIPS 2021, arXiv 2110.00684,
eq. 1). One number, beta, so decides how many units are open, and the last index stays open longest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from damrep.masking.validation import check_count, check_number, check_width

__all__ = ["GATES", "GateShape", "beta_for_width", "offsets", "step_alpha"]


@dataclass(frozen=True)
class GateShape:
    """A gate function and the beta it starts from.

    Parameters
    ----------
    function
        Elementwise, non-decreasing, zero at and below zero, positive above.
    start
        Value of beta in a fresh mask.
    """

    function: Callable[[Tensor], Tensor]
    start: float


def _relu_tanh(shifted: Tensor) -> Tensor:
    return torch.relu(torch.tanh(shifted))


def _piecewise_linear(shifted: Tensor) -> Tensor:
    return torch.clamp(shifted, min=0.0, max=1.0)


GATES: dict[str, GateShape] = {
    "relu_tanh": GateShape(_relu_tanh, 1.0),
    "linear": GateShape(torch.relu, 0.1),
    "piecewise_linear": GateShape(_piecewise_linear, 0.1),
}


def offsets(n: int, span: float = 5.0) -> Tensor:
    """Fixed offsets mu_j = span * j / n of the n units, a float32 tensor of shape (n,).

    Raises
    ------
    InputError
        If n < 1 or span <= 0.

    Examples
    --------
    >>> offsets(5).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    n = check_count("n", n, minimum=1)
    span = check_number("span", span, low=0.0, low_open=True)
    # In float64 first, so that every offset is the float32 nearest to its true value.
    return (torch.arange(n, dtype=torch.float64) * (span / n)).float()


def beta_for_width(m: int, n: int, span: float = 5.0) -> float:
    """The beta that opens exactly m of n units.

    Unit j opens as beta passes -span * j / n, so m units are open over an interval of beta of
    length span / n. The middle of it is returned, which leaves rounding the most room on both
    sides: exact in float32 up to n = 4096 and beyond.

    Parameters
    ----------
    m
        Number of units to open, 0 to n.
    n
        Number of units.
    span
        Spread of the offsets.

    Raises
    ------
    InputError
        If m is not between 0 and n.

    Examples
    --------
    >>> beta_for_width(2, 5), beta_for_width(5, 5)
    (-2.5, 0.5)
    """
    n = check_count("n", n, minimum=1)
    m = check_width(m, n, minimum=0)
    span = check_number("span", span, low=0.0, low_open=True)
    return -span * (n - m - 0.5) / n


def step_alpha(n: int, span: float = 5.0) -> float:
    """The steepness at which every gate is 0 or 1 in single precision, at `beta_for_width`.

    Half a unit from the edge the default gate is tanh(8), which is 1 but for 2e-7.

    Examples
    --------
    >>> step_alpha(10)
    32.0
    """
    return (
        16.0 * check_count("n", n, minimum=1) / check_number("span", span, low=0.0, low_open=True)
    )
