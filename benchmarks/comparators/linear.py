"""PCA as a comparator: to a given width, to Minka's, to that of parallel analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.comparators.model import Array, Model

__all__ = ["fit_parallel_analysis", "fit_pca", "fit_pca_mle"]


def _model(pca: PCA, details: dict[str, Any] | None = None) -> Model:
    def reconstruct(x: Array) -> Array:
        return np.asarray(pca.inverse_transform(pca.transform(x)))

    return Model(int(pca.n_components_), 0, pca.transform, reconstruct, details or {})


def fit_pca(train: Array, held_out: Array, dims: int, *, seed: int = 0) -> Model:
    """scikit-learn's PCA.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
        The held-out rows are not looked at.
    dims : int
    seed : int
        For the randomised solver, which it takes on large tables.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((40, 5))
    >>> fit_pca(x, x, 2).encode(x).shape
    (40, 2)
    """
    return _model(PCA(min(dims, *train.shape), random_state=seed).fit(train))


def fit_pca_mle(train: Array, held_out: Array) -> Model:
    """PCA to the width of Minka's evidence (NIPS 2000), by scikit-learn.

    Needs at least as many rows as columns, and computes in float64: on rows of an exact rank what
    is left over is the rounding.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
        The held-out rows are not looked at.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 10))
    >>> fit_pca_mle(x + 0.01 * rng.standard_normal(x.shape), x).dims
    3
    """
    rows = np.asarray(train, dtype=np.float64)
    return _model(PCA("mle", svd_solver="full").fit(rows))


def fit_parallel_analysis(
    train: Array,
    held_out: Array,
    *,
    repeats: int = 20,
    quantile: float = 0.95,
    seed: int = 0,
) -> Model:
    """PCA to the width of parallel analysis (Horn 1965; Buja and Eyuboglu 1992).

    Each column is shuffled on its own, which leaves chance correlations alone. Components count up
    to the first whose variance is not above the quantile of what the shuffled tables have there.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
        The held-out rows are not looked at.
    repeats : int
        Shuffled tables.
    quantile : float
    seed : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 10))
    >>> fit_parallel_analysis(x, x).dims
    3
    """
    rng = np.random.default_rng(seed)
    rows = np.asarray(train, dtype=np.float64)
    real = PCA(svd_solver="full").fit(rows)
    chance = [
        PCA(svd_solver="full").fit(rng.permuted(rows, axis=0)).explained_variance_
        for _ in range(repeats)
    ]
    above = real.explained_variance_ > np.quantile(chance, quantile, axis=0)
    found = len(above) if above.all() else int(np.argmin(above))
    return _model(PCA(max(1, found), random_state=seed).fit(rows), {"found": found})
