"""Setting a part of the ratings aside, to choose on what is not fitted."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from damrep.training.seeding import numpy_generator

__all__ = ["hold_out"]

_FEWEST = 10


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
