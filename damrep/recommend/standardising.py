"""Ratings in a unit of their own, so that nothing hangs on the one they come in."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

__all__ = ["standardised"]

# Ratings are kept in single precision; a spread below this share of the largest is its rounding.
_ROUNDING = 1e-7


def standardised(ratings: sp.csr_matrix) -> tuple[sp.csr_matrix, float, float]:
    """Ratings less their mean, over their standard deviation.

    Parameters
    ----------
    ratings
        Users by items; at least one entry is stored.

    Returns
    -------
    matrix : csr_matrix, float32
        The same entries, of mean 0 and variance 1; 0 where all ratings are the same.
    mean, scale : float
        Of a rating; the scale is 1 where all are the same.

    Examples
    --------
    >>> matrix, mean, scale = standardised(sp.csr_matrix([[2.0, 6.0]]))
    >>> matrix.toarray().tolist(), mean, scale
    ([[-1.0, 1.0]], 4.0, 2.0)
    """
    values = ratings.data.astype(np.float64)
    mean, scale = float(values.mean()), float(values.std())
    if scale <= _ROUNDING * float(np.abs(values).max()):
        values, mean, scale = np.full_like(values, values[0]), float(values[0]), 1.0
    data = ((values - mean) / scale).astype(np.float32)
    return sp.csr_matrix((data, ratings.indices, ratings.indptr), ratings.shape), mean, scale
