"""Embeddings of a graph's structure by factorising it, written out from their papers.

The libraries that have them (nodevectors, karateclub) are not kept. Each function takes a sparse
adjacency matrix, a width and a seed, as those of `benchmarks.peers` do, and returns one float32 row
a node; nodes without an edge get a row of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import iv
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

from benchmarks.peers import Embedding, undirected

__all__ = [
    "FACTORISED",
    "NETMF_LARGEST",
    "TooLargeError",
    "fastrp_embedding",
    "netmf_embedding",
    "netmf_matrix",
    "prone_embedding",
]

NETMF_LARGEST = 10_000


class TooLargeError(RuntimeError):
    """A graph is too large for a comparator; the message can stand in a table's notes."""


def _factor(matrix: Any, dims: int, seed: int, rounds: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors and singular values, the largest first."""
    wanted = min(dims, min(matrix.shape))
    u, s, _ = randomized_svd(matrix, wanted, n_iter=rounds, random_state=seed)
    return u, s


def _padded(rows: np.ndarray, dims: int, known: np.ndarray) -> Embedding:
    """As many columns as were asked for, and nothing where a node has no edge."""
    full = np.zeros((rows.shape[0], dims), dtype=np.float32)
    full[known, : rows.shape[1]] = rows[known]
    return full


def prone_embedding(
    adjacency: Any,
    dims: int,
    seed: int,
    *,
    steps: int = 10,
    theta: float = 0.5,
    mu: float = 0.2,
) -> Embedding:
    """ProNE (Zhang, Dong, Wang, Tang and Ding, IJCAI 2019) with the defaults of its authors.

    Equation 4: a truncated SVD of log(p_ij) - log(q_j) on the edges, p the random walk and q the
    share of its columns to the power .75. Equations 7 to 9: the rows are filtered by a Gaussian of
    the normalised Laplacian, as a Chebyshev series with Bessel coefficients, and a dense SVD makes
    them orthogonal again.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    dims, seed : int
    steps : int
        Terms of the series.
    theta, mu : float
        Width and centre of the filter.

    Examples
    --------
    >>> prone_embedding(sp.csr_matrix(np.ones((6, 6))), 2, 0).shape
    (6, 2)
    """
    graph = undirected(adjacency).astype(np.float64)
    known = np.asarray(graph.sum(axis=1)).ravel() > 0
    if not known.any():
        return np.zeros((graph.shape[0], dims), dtype=np.float32)
    walk = normalize(graph, "l1")
    null = np.asarray(walk.sum(axis=0)).ravel() ** 0.75
    # As in the authors' code, the null distribution is weighted by the edge.
    expected = sp.csr_matrix(graph @ sp.diags(null / null.sum()))
    walk.sort_indices()
    expected.sort_indices()
    target = sp.csr_matrix(
        (np.log(walk.data) - np.log(expected.data), walk.indices, walk.indptr), shape=walk.shape
    )
    u, s = _factor(target, dims, seed)
    rows = normalize(u * np.sqrt(s), "l2")
    rows = _filtered(graph, rows, steps, theta, mu)
    u, s, _ = np.linalg.svd(rows, full_matrices=False)
    return _padded(normalize(u * np.sqrt(s), "l2"), dims, known)


def _filtered(
    graph: sp.csr_matrix, rows: np.ndarray, steps: int, theta: float, mu: float
) -> np.ndarray:
    eye = sp.identity(graph.shape[0], format="csr")
    looped = eye + graph
    shifted = (1.0 - mu) * eye - normalize(looped, "l1")
    before, now = rows, 0.5 * (shifted @ (shifted @ rows)) - rows
    series = iv(0, theta) * before - 2 * iv(1, theta) * now
    for term in range(2, steps):
        before, now = now, shifted @ (shifted @ now) - 2 * now - before
        series += (2 if term % 2 == 0 else -2) * iv(term, theta) * now
    return np.asarray(looped @ (rows - series))


def netmf_matrix(adjacency: Any, window: int = 10, negative: float = 1.0) -> np.ndarray:
    """What NetMF factorises: log of the DeepWalk matrix, cut off below 0. Dense.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    window : int
        Longest walk.
    negative : float
        Negative samples of the skip-gram it stands for.

    Raises
    ------
    TooLargeError
        Above `NETMF_LARGEST` nodes.
    """
    graph = undirected(adjacency)
    n = graph.shape[0]
    if n > NETMF_LARGEST:
        raise TooLargeError(
            f"NetMF is exact up to {NETMF_LARGEST:,} nodes only: its matrix of {n:,} is dense."
        )
    degree = np.asarray(graph.sum(axis=1), dtype=np.float32).ravel()
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    walk = sp.csr_matrix(sp.diags(inverse) @ graph, dtype=np.float32)
    power = np.asarray(walk.toarray(), dtype=np.float32)
    total = power.copy()
    for _ in range(window - 1):
        power = walk @ power
        total += power
    total *= (degree.sum() / (negative * window)) * inverse
    np.maximum(total, 1.0, out=total)
    return np.asarray(np.log(total, out=total))


def netmf_embedding(adjacency: Any, dims: int, seed: int) -> Embedding:
    """NetMF for a small window (Qiu, Dong, Ma, Li, Wang and Tang, WSDM 2018), exact.

    Algorithm 3: M = vol(G) / (b T) (sum of P^r, r = 1..T) D^-1 with T = 10 and b = 1, and the
    rank-d factorisation of log(max(M, 1)): U_d times the root of the singular values.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    dims, seed : int
        The seed is that of the randomised SVD.

    Raises
    ------
    TooLargeError
        Above `NETMF_LARGEST` nodes.
    """
    u, s = _factor(netmf_matrix(adjacency), dims, seed)
    known = np.asarray(undirected(adjacency).sum(axis=1)).ravel() > 0
    return _padded(u * np.sqrt(s), dims, known)


def fastrp_embedding(
    adjacency: Any,
    dims: int,
    seed: int,
    *,
    weights: Sequence[float] = (1.0, 1.0, 7.81, 45.28),
    strength: float = -0.628,
) -> Embedding:
    """FastRP (Chen, Sultan, Tian, Chen and Skiena, CIKM 2019): random projection of walks.

    Equation 5 and algorithm 1: N = (a_1 P + a_2 P^2 + ...) L R with P the random walk, L the
    degrees, as a share of all, to a power, and R very sparse random signs (Achlioptas 2003: a third
    of them not zero). Weights and power are those of the authors' example; their code standardises
    the columns at the end.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    dims, seed : int
    weights : sequence of float
        Of the powers of the walk, from the first.
    strength : float
        Power of the degrees.
    """
    graph = undirected(adjacency)
    degree = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    known = degree > 0
    if not known.any():
        return np.zeros((graph.shape[0], dims), dtype=np.float32)
    scaled = np.zeros_like(degree)
    scaled[known] = (degree[known] / degree.sum()) ** strength
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 0.0, 1.0), size=(len(degree), dims), p=(1 / 6, 2 / 3, 1 / 6))
    walk = normalize(graph.astype(np.float64), "l1")
    rows = scaled[:, None] * signs * np.sqrt(3.0)
    total = np.zeros_like(rows)
    for weight in weights:
        rows = walk @ rows
        total += weight * rows
    total -= total.mean(axis=0)
    spread = total.std(axis=0)
    return _padded(np.divide(total, spread, out=total, where=spread > 0), dims, known)


FACTORISED: dict[str, Callable[[Any, int, int], Embedding]] = {
    "prone": prone_embedding,
    "netmf": netmf_embedding,
    "fastrp": fastrp_embedding,
}
"""Name in `benchmarks.graph_rows` -> function."""
