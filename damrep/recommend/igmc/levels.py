"""Ratings as levels: the relations of the graph."""

from __future__ import annotations

import numpy as np

__all__ = ["MOST_LEVELS", "nearest_level", "rating_levels"]

# A level has matrices of its own in every layer, and a row in every table of messages.
MOST_LEVELS = 20


def rating_levels(values: np.ndarray, most: int = MOST_LEVELS) -> np.ndarray:
    """The levels ratings come in: their values, or about equally full bins of them.

    Parameters
    ----------
    values
        Ratings, shape (ratings,).
    most
        With more different values than this, they are put into so many bins, by quantiles. (IGMC
        as published has a level for every value.)

    Returns
    -------
    ndarray, float32, shape (levels,)
        Rising; of a bin, the mean.

    Examples
    --------
    >>> rating_levels(np.array([5, 1, 3, 3]))
    array([1., 3., 5.], dtype=float32)
    >>> rating_levels(np.arange(100), most=4)
    array([12., 37., 62., 87.], dtype=float32)
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= most:
        return distinct.astype(np.float32)
    middle = np.cumsum(counts) - counts / 2
    at = np.minimum((middle / counts.sum() * most).astype(np.int64), most - 1)
    total = np.bincount(at, weights=distinct * counts, minlength=most)
    filled = np.bincount(at, weights=counts, minlength=most)
    return (total[filled > 0] / filled[filled > 0]).astype(np.float32)


def nearest_level(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Number of the level next to each rating.

    Examples
    --------
    >>> nearest_level(np.array([1.0, 4.9]), np.array([1.0, 3.0, 5.0])).tolist()
    [0, 2]
    """
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, values, side="right")
