"""Ratings from how generous a user and how liked an item is, and nothing else: the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

__all__ = ["Biases", "fit_biases"]

_SHRINK = 5.0  # ratings that pull a bias to 0
_SWEEPS = 10


@dataclass(frozen=True)
class Biases:
    """Mean, and what users and items add to it.

    Attributes
    ----------
    mean : float
    user, item : ndarray
        Shapes (users,) and (items,); 0 for those without ratings.
    """

    mean: float
    user: np.ndarray
    item: np.ndarray

    def predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Ratings of pairs, shape (pairs,); -1 stands for one of whom nothing is known."""
        of_users, of_items = np.append(self.user, 0), np.append(self.item, 0)
        return self.mean + of_users[users] + of_items[items]


def fit_biases(ratings: sp.csr_matrix) -> Biases:
    """Biases by alternating ridge regressions (Koren, "Factor in the neighbors", TKDD 2010, 2.1).

    Parameters
    ----------
    ratings
        (users, items); stored entries are the ratings.

    Examples
    --------
    >>> found = fit_biases(sp.csr_matrix(np.array([[4.0, 5.0], [1.0, 2.0]])))
    >>> found.mean, bool(found.user[0] > found.user[1])
    (3.0, True)
    """
    entries = ratings.tocoo()
    rows, columns, values = entries.row, entries.col, entries.data.astype(np.float64)
    mean = float(values.mean())
    of_user = np.bincount(rows, minlength=ratings.shape[0]) + _SHRINK
    of_item = np.bincount(columns, minlength=ratings.shape[1]) + _SHRINK
    user, item = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
    for _ in range(_SWEEPS):
        left = values - mean - user[rows]
        item = np.bincount(columns, weights=left, minlength=len(item)) / of_item
        left = values - mean - item[columns]
        user = np.bincount(rows, weights=left, minlength=len(user)) / of_user
    return Biases(mean, user.astype(np.float32), item.astype(np.float32))
