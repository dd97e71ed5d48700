"""What a comparator gives back, and the measure all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Array", "Model", "normalised_loss"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Model:
    """A fitted comparator.

    Attributes
    ----------
    dims : int
        Dimensions it was given or found.
    steps : int
        Training steps taken; 0 where there is no training.
    encode : callable
        Rows (n, columns) to codes (n, dims).
    reconstruct : callable
        Rows (n, columns) to rows (n, columns), through the codes.
    details : mapping
        What else there is to say, by name.
    """

    dims: int
    steps: int
    encode: Callable[[Array], Array]
    reconstruct: Callable[[Array], Array]
    details: Mapping[str, Any] = field(default_factory=dict)


def normalised_loss(x: Array, reconstruction: Array, mean: Array) -> float:
    """Share of the squared distance to the mean that a reconstruction leaves: 1 = nothing learned.

    Parameters
    ----------
    x : ndarray, shape (n, columns)
        Rows to be scored.
    reconstruction : ndarray, shape (n, columns)
    mean : ndarray, shape (columns,)
        Column means of the rows that were learned from; what is best without any dimension.

    Examples
    --------
    >>> x = np.array([[2.0, 0.0], [-2.0, 0.0]])
    >>> normalised_loss(x, x / 2, np.zeros(2))
    0.25
    """
    rows = np.asarray(x, dtype=np.float64)
    left = np.square(rows - np.asarray(reconstruction, dtype=np.float64)).sum()
    return float(left / np.square(rows - np.asarray(mean, dtype=np.float64)).sum())
