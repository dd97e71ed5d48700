"""Columns brought to one scale before a fit, and a word where that may be wanted.

A column counts by its variance. Where columns have units of their own (an income, an age) that is
decided by the units, unless each is divided by its standard deviation first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler

__all__ = ["range_note", "standardize"]

# Ranges that differ by less are no reason for a word.
_TOLERATED = 100.0
_BLOCK = 1 << 22  # numbers looked at together


def standardize(X: Any) -> tuple[StandardScaler, Any]:
    """A scaler to unit variance, and the table scaled with it, in memory.

    A sparse matrix stays sparse: its columns are divided, not centred, as the fit centres them.

    Parameters
    ----------
    X : array or sparse matrix, shape (n, d)

    Returns
    -------
    scaler : StandardScaler
    values : array or sparse matrix, shape (n, d)

    Examples
    --------
    >>> scaler, values = standardize(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> values.tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    scaler = StandardScaler(with_mean=not sp.issparse(X)).fit(X)
    return scaler, scaler.transform(X)


def range_note(X: Any, names: Sequence[str] | None = None) -> str | None:
    """A sentence if columns have very different ranges, so that a few decide nearly alone.

    Ranges and not standard deviations: a pixel that is seldom lit varies little in the same unit.

    Parameters
    ----------
    X : array, sparse matrix or memmap, shape (n, d)
    names : sequence of str, optional
        Of the columns, else they are counted from 1.

    Examples
    --------
    >>> print(range_note(np.array([[20.0, 1000.0], [70.0, 90000.0]]), ["age", "income"]))
    columns differ in scale: the range of 'income' is 1,780 times that of 'age' and counts for more
    >>> range_note(np.eye(3)) is None
    True
    """
    low, high = _extremes(X)
    spread = high.astype(np.float64) - low
    varying = np.flatnonzero(spread > 0)
    if len(varying) < 2:
        return None
    least = varying[int(np.argmin(spread[varying]))]
    most = varying[int(np.argmax(spread[varying]))]
    ratio = spread[most] / spread[least]
    if not ratio > _TOLERATED:
        return None
    first, second = (
        repr(names[place]) if names is not None and len(names) == len(spread) else str(place + 1)
        for place in (most, least)
    )
    times = f"{float(f'{ratio:.3g}'):,.0f}"
    return (
        f"columns differ in scale: the range of {first} is {times} times that of {second} and "
        "counts for more"
    )


def _extremes(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest value of each column; a memory map is read in parts."""
    if sp.issparse(X):
        return X.min(axis=0).toarray().ravel(), X.max(axis=0).toarray().ravel()
    low, high = np.array(X[0]), np.array(X[0])
    step = max(1, _BLOCK // X.shape[1])
    for start in range(0, len(X), step):
        block = np.asarray(X[start : start + step])
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
    return low, high
