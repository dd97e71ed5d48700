"""Setting a part of the ratings aside, to choose on what is not fitted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.recommend.contributions import Contributions
from damrep.recommend.entries import stored_pairs
from damrep.training.seeding import numpy_generator

__all__ = ["HeldRatings", "hold_out"]

_FEWEST = 10
_LEAST_REFERENCE = 1e-12  # of the variance


def hold_out(
    matrix: sp.csr_matrix, fraction: float, seed: int
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Split the stored entries at random into those to fit and those held out.

    Parameters
    ----------
    matrix
        Users by items.
    fraction
        Share to hold out; with fewer than ten entries to hold out nothing is.
    seed
        Seed of the draw.

    Returns
    -------
    fitted, held : csr_matrix
        Of the matrix's shape; together they are the matrix.

    Examples
    --------
    >>> fitted, held = hold_out(sp.csr_matrix(np.ones((20, 10))), 0.1, seed=0)
    >>> fitted.nnz, held.nnz, int((fitted + held).sum())
    (180, 20, 200)
    """
    count = int(fraction * matrix.nnz)
    chosen = np.zeros(matrix.nnz, bool)
    if count >= _FEWEST:
        chosen[numpy_generator(seed).permutation(matrix.nnz)[:count]] = True
    return _part(matrix, ~chosen), _part(matrix, chosen)


def _part(matrix: sp.csr_matrix, chosen: np.ndarray) -> sp.csr_matrix:
    # Not by a product with the mask, which would drop ratings of 0.
    before = np.concatenate([[0], np.cumsum(chosen)])
    starts = before[matrix.indptr].astype(matrix.indptr.dtype)
    return sp.csr_matrix((matrix.data[chosen], matrix.indices[chosen], starts), matrix.shape)


class HeldRatings:
    """Ratings held out, in the unit of those fitted, and what factors tell of them.

    Parameters
    ----------
    held
        Users by items; one is stored at least.
    mean, scale
        Of the ratings that are fitted.
    user_bias, item_bias
        Of the model without factors, (users,) and (items,).

    Attributes
    ----------
    reference : float
        Mean squared error of biases alone.
    told : bool
        Biases tell the ratings to the last digit, so nothing is left for a dimension to earn.
    """

    def __init__(
        self,
        held: sp.csr_matrix,
        mean: float,
        scale: float,
        user_bias: Tensor,
        item_bias: Tensor,
    ) -> None:
        self._pairs = stored_pairs(held)
        values = (held.data.astype(np.float64) - mean) / scale
        self._values = torch.from_numpy(values.astype(np.float32))
        square = float(self._rest(user_bias, item_bias).double().square().mean())
        self.told = square <= _LEAST_REFERENCE
        self.reference = max(square, _LEAST_REFERENCE)

    def _rest(self, user_bias: Tensor, item_bias: Tensor) -> Tensor:
        users, items = self._pairs
        return self._values - user_bias[users] - item_bias[items]

    def contributions(
        self, users: Tensor, items: Tensor, user_bias: Tensor, item_bias: Tensor
    ) -> Contributions:
        """What each column of the factors adds to the predictions."""
        rest = self._rest(user_bias, item_bias)
        return Contributions.of_pairs(users, items, *self._pairs, rest)

    def errors(
        self, users: Tensor, items: Tensor, user_bias: Tensor, item_bias: Tensor
    ) -> Iterator[np.ndarray]:
        """Normalised loss of each rating with the first 0, 1, ... columns, in blocks of ratings."""
        rest = self._rest(user_bias, item_bias)
        for block in Contributions.prefix_errors(users, items, *self._pairs, rest):
            yield (block / self.reference).numpy()
