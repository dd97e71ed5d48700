"""What fitting a factor model gives: the factors, the biases, and how the width was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["FactorFit", "as_array"]

Floats = NDArray[np.float32]


def as_array(values: Tensor) -> Floats:
    """A copy, or the same where it is one already, row after row in single precision."""
    return np.ascontiguousarray(values.detach().float().numpy())


@dataclass
class FactorFit:
    """A fitted factor model as plain arrays, in the unit of the ratings, gates folded in.

    The score of user u for item i is
    ``mean + user_bias[u] + item_bias[i] + user_factors[u] @ item_factors[i]``.

    Attributes
    ----------
    user_factors : ndarray of shape (users, m), float32
        Columns strongest first.
    item_factors : ndarray of shape (items, m), float32
    user_bias : ndarray of shape (users,), float32
        Zeros for implicit feedback.
    item_bias : ndarray of shape (items,), float32
        Zeros for implicit feedback, except where m = 0: popularity.
    mean : float
        Mean rating; 0 for implicit feedback.
    initial : int
        Width at the start.
    open_gates : int
        Gates above zero where the width was chosen, whether or not their factors carry anything.
    gates : list of float
        `initial` gate values, strongest first, where a mask acted.
    curve : list of [int, float]
        Held-out normalised loss at each width looked at; width 0 is the reference, 1 by
        definition, `initial` the model without a mask.
    loss : float
        Normalised loss (held-out where it was measured) of what was chosen.
    reference_loss : float
        Loss of the trivial model, in the unit of the loss.
    history : dict of list
        A row a sweep, as columns.
    candidates : dict of dict
        "trivial", "unmasked" and "masked": dimensions, and held-out normalised loss.
    warnings : list of str
        What the user should know.
    details : dict
        Settings that were chosen (reg, unobserved_weight, noise, ...), plain values.
    penalty : dict of ndarray
        What `fold_in_explicit` and `fold_in_implicit` need beside the factors; to be saved with
        the model.
    """

    user_factors: Floats
    item_factors: Floats
    user_bias: Floats
    item_bias: Floats
    mean: float
    initial: int = 0
    open_gates: int = 0
    gates: list[float] = field(default_factory=list)
    curve: list[list[float]] = field(default_factory=list)
    loss: float = 1.0
    reference_loss: float = 1.0
    history: dict[str, list[Any]] = field(default_factory=dict)
    candidates: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    penalty: dict[str, Floats] = field(default_factory=dict)

    @property
    def n_components(self) -> int:
        """Number of factor columns, each of which carries something."""
        return self.user_factors.shape[1]

    def without_the_silent(self, ratings: sp.csr_matrix) -> FactorFit:
        """The fit in which users and items without ratings are nothing but the usual one.

        What a solver leaves in their rows is rounding, noise of the start, or what it makes of
        having no ratings at all; nothing is known of them.

        Parameters
        ----------
        ratings
            What was fitted, users by items.
        """
        rows = np.diff(ratings.indptr) > 0
        columns = np.bincount(ratings.indices, minlength=ratings.shape[1]) > 0
        return replace(
            self,
            user_factors=self.user_factors * rows[:, None],
            item_factors=self.item_factors * columns[:, None],
            user_bias=self.user_bias * rows,
            item_bias=self.item_bias * columns,
        )
