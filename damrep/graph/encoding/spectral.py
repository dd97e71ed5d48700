"""Spectral embeddings: no training, the baseline every run is compared with.

The singular vectors of features averaged over neighbourhoods of growing size (the smoothing of
S2GC, Zhu and Koniusz, ICLR 2021), computed without ever forming the smoothed feature matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from damrep.graph.encoding.propagation import restarted, smooth
from damrep.masking.moments import singular

__all__ = ["SpectralBasis", "averaged", "fit_spectral_basis", "projected", "truncated_svd"]

Block = Callable[[np.ndarray], np.ndarray]


def truncated_svd(
    times: Block, transposed: Block, columns: int, rank: int, seed: int, iterations: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leading singular triplets of a matrix known only by its products, by subspace iteration.

    scikit-learn's `randomized_svd` needs the matrix itself and scipy's `svds` multiplies one vector
    at a time; here the matrix is a product of sparse ones, and blocks are what makes it fast.
    Halko, Martinsson and Tropp, SIAM Review 2011, algorithms 4.4 and 5.1.

    Parameters
    ----------
    times, transposed
        M @ block and M.T @ block.
    columns
        Number of columns of M.
    rank
        Triplets wanted.
    seed
        Of the random start.
    iterations
        Rounds of subspace iteration.

    Returns
    -------
    left (rows, rank), values (rank,), right (columns, rank)

    Examples
    --------
    >>> M = np.diag([3.0, 2.0, 1.0])
    >>> _, values, _ = truncated_svd(lambda b: M @ b, lambda b: M.T @ b, 3, 2, seed=0)
    >>> values.round(6).tolist()
    [3.0, 2.0]
    """
    oversampled = min(rank + 10, columns)
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((columns, oversampled)).astype(np.float32)
    for _ in range(iterations):  # QR only makes columns orthonormal, of any rank
        basis = np.linalg.qr(transposed(np.linalg.qr(times(basis))[0]))[0]
    image = torch.from_numpy(np.ascontiguousarray(times(basis)))
    left, values, right = (part.numpy() for part in singular(image, of="the graph"))
    return left[:, :rank], values[:rank], basis @ right[:rank].T


@dataclass(frozen=True)
class SpectralBasis:
    """Principal axes of the smoothed features of a graph; applies to any graph with such features.

    Parameters
    ----------
    axes
        Feature directions, shape (d, rank), strongest last: the order in which a mask closes them.
        Of features smoothed in two ways (2 d, rank): those of the first, then of the second.
    mean
        Mean of the smoothed features along them, shape (rank,).
    steps
        Propagation steps.
    restart
        Of the personalised PageRank; 0 for the mean over 1 .. steps.
    """

    axes: np.ndarray
    mean: np.ndarray
    steps: int
    restart: float = 0.0

    def transform(self, ways: Sequence[sp.csr_array], features: Any) -> np.ndarray:
        """Coordinates of a graph's nodes along the axes.

        Parameters
        ----------
        ways
            Propagation matrices (n, n) of the graph, as many as it was fitted with.
        features
            Dense or sparse (n, d), scaled as those fitted on.

        Returns
        -------
        ndarray, float32, shape (n, rank)
            About the mean of the graph fitted on.
        """
        return projected(ways, features, self.axes, self.steps, self.restart) - self.mean


def projected(
    ways: Sequence[sp.csr_array], features: Any, axes: np.ndarray, steps: int, restart: float
) -> np.ndarray:
    """Features smoothed in each of some ways, side by side, along axes: (n, rank), float32.

    Parameters
    ----------
    ways
        Propagation matrices, (n, n).
    features
        Dense or sparse (n, d).
    axes
        Shape (ways * d, rank).
    steps, restart
        As for `averaged`.

    Examples
    --------
    >>> shift = sp.csr_array(np.eye(3, k=1))
    >>> projected((shift, shift.T), np.array([[1.0], [2.0], [3.0]]), np.eye(2), 1, 0.0).tolist()
    [[2.0, 0.0], [3.0, 1.0], [0.0, 2.0]]
    """
    # Propagation and the linear map commute: the narrow side is propagated.
    parts = [
        averaged(matrix, np.asarray(features @ part, dtype=np.float32), steps, restart)
        for matrix, part in zip(ways, np.split(axes, len(ways)), strict=True)
    ]
    return np.asarray(sum(parts[1:], start=parts[0]))


def averaged(matrix: Any, signal: Any, steps: int, restart: float) -> Any:
    """A signal over growing neighbourhoods: `restarted`, or without a restart the mean.

    Parameters
    ----------
    matrix, signal, steps, restart
        As for `restarted`; with restart 0 the mean of 1 .. steps (`smooth`).
    """
    if restart:
        return restarted(matrix, signal, steps, restart)
    return smooth(matrix, signal, steps, average=True)


def fit_spectral_basis(
    ways: Sequence[sp.csr_array],
    features: Any,
    rank: int,
    steps: int,
    seed: int,
    restart: float = 0.0,
) -> SpectralBasis:
    """Principal component analysis of the smoothed features.

    Parameters
    ----------
    ways
        Propagation matrices (n, n), see `gcn_matrix`: the features as each of them smooths them
        stand side by side.
    features
        Dense or sparse (n, d), scaled.
    rank
        Axes wanted; at most min(n, d).
    steps
        Propagation steps to average over.
    seed
        Of the randomised decomposition.
    restart
        As for `SpectralBasis`.

    Examples
    --------
    >>> from damrep.graph.encoding.propagation import gcn_matrix
    >>> A = gcn_matrix(sp.csr_array(np.eye(3)))
    >>> basis = fit_spectral_basis((A,), np.diag([4.0, 1.0, 0.0]).astype("f4"), 2, steps=2, seed=0)
    >>> basis.axes.shape
    (3, 2)
    """
    n, d = features.shape
    columns = d * len(ways)
    transposes = [sp.csr_array(matrix.T) for matrix in ways]

    def back(block: np.ndarray) -> np.ndarray:
        found = [features.T @ averaged(matrix, block, steps, restart) for matrix in transposes]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in found])

    mean = back(np.full((n, 1), 1.0 / n, dtype=np.float32)).ravel()

    def times(block: np.ndarray) -> np.ndarray:
        block = block.astype(np.float32)
        return projected(ways, features, block, steps, restart) - mean @ block

    def transposed(block: np.ndarray) -> np.ndarray:
        block = block.astype(np.float32)
        return back(block) - np.outer(mean, block.sum(axis=0))

    _, _, axes = truncated_svd(times, transposed, columns, min(rank, n, columns), seed)
    axes = np.array(axes[:, ::-1], dtype=np.float32, order="C")
    return SpectralBasis(axes, mean @ axes, steps, restart)
