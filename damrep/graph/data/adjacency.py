"""From arcs and matrices to the one adjacency form the package works on.

An adjacency is a `scipy.sparse.csr_array` of float32 with sorted column indices, no duplicates and
no stored zeros; entry ``[u, v]`` is the weight of the arc from u to v.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.arrays import require_sane_shape

__all__ = [
    "adjacency_from_edges",
    "canonical_adjacency",
    "exact_symmetry",
    "is_symmetric",
    "symmetrise",
]

# Relative difference below which the two directions of an edge count as the same weight: products
# such as D^-1/2 A D^-1/2 come out asymmetric in the last bit.
_SAME_WEIGHT = 1e-6


def canonical_adjacency(matrix: Any, where: str = "adjacency") -> sp.csr_array:
    """Check a square matrix and bring it into the canonical adjacency form.

    Parameters
    ----------
    matrix : scipy sparse matrix or array, or ndarray, shape (n, n)
        Entry ``[u, v]`` is the weight of the arc u -> v. Entries that a COO matrix holds twice are
        summed, as everywhere in SciPy; stored zeros are no arcs.
    where : str
        What error messages call the matrix.

    Returns
    -------
    scipy.sparse.csr_array, float32, shape (n, n)

    Raises
    ------
    InputError
        If the matrix is not square, has no rows, or holds a negative, NaN or infinite weight.

    Examples
    --------
    >>> import numpy as np
    >>> canonical_adjacency(np.array([[0, 2], [0, 0]])).nnz
    1
    """
    if not sp.issparse(matrix):
        matrix = np.asarray(matrix)
        if matrix.dtype.kind not in "buif":
            raise TypeError(f"{where}: expected numbers, got dtype {matrix.dtype}")
    elif matrix.dtype.kind not in "buif":
        raise TypeError(f"{where}: expected numbers, got dtype {matrix.dtype}")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"{where}: expected a square matrix, got shape {tuple(matrix.shape)}")
    if matrix.shape[0] == 0:
        raise InputError(f"{where}: the graph has no nodes; expected at least 1")
    if matrix.dtype.kind != "f":  # sums of small integers and of booleans must not wrap around
        matrix = matrix.astype(np.float64)
    csr = sp.csr_array(matrix, copy=True)
    csr.sum_duplicates()
    with np.errstate(over="ignore"):
        data = csr.data.astype(np.float32)
    bad = ~(np.isfinite(data) & (data >= 0))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        row = int(np.searchsorted(csr.indptr, first, side="right")) - 1
        raise InputError(
            f"{where}: the edge from node {row} to node {int(csr.indices[first])} has weight "
            f"{csr.data[first]:g}; expected a finite number >= 0 that fits float32"
        )
    small = max(csr.shape[0], csr.nnz) < 2**31 - 1
    index = np.int32 if small else np.int64
    result = sp.csr_array(
        (data, csr.indices.astype(index), csr.indptr.astype(index)), shape=csr.shape
    )
    result.eliminate_zeros()
    result.sort_indices()
    return result


def adjacency_from_edges(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    num_nodes: int,
    *,
    where: str = "edges",
) -> sp.csr_array:
    """Adjacency of a list of arcs between node positions.

    Parameters
    ----------
    source, target : ndarray of int, shape (m,)
        Positions 0 .. num_nodes - 1.
    weight : ndarray of float, shape (m,), optional
        Weights of parallel arcs are summed. Without weights parallel arcs are one arc of weight 1.
    num_nodes : int
    where : str
        What error messages call the arcs.

    Returns
    -------
    scipy.sparse.csr_array, float32, shape (num_nodes, num_nodes)

    Raises
    ------
    InputError
        If an arc names a position outside the graph, or a weight is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> u, v = np.array([0, 0, 1]), np.array([1, 1, 2])
    >>> adjacency_from_edges(u, v, None, 3).toarray()[0].tolist()
    [0.0, 1.0, 0.0]
    >>> adjacency_from_edges(u, v, np.array([1.0, 2.0, 1.0]), 3).toarray()[0].tolist()
    [0.0, 3.0, 0.0]
    """
    if num_nodes < 1:
        raise InputError(f"{where}: the graph has no nodes; expected at least 1")
    require_sane_shape((num_nodes, num_nodes), len(source), where)
    for end in (source, target):
        if len(end) and (end.min() < 0 or end.max() >= num_nodes):
            row = int(np.flatnonzero((end < 0) | (end >= num_nodes))[0])
            raise InputError(
                f"{where}: edge {row} names node {int(end[row])}, but the nodes are "
                f"0 .. {num_nodes - 1}"
            )
    data = np.ones(len(source)) if weight is None else np.asarray(weight, dtype=np.float64)
    bad = ~(np.isfinite(data) & (data >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{where}: edge {row} has weight {data[row]:g}; expected a finite number >= 0"
        )
    index = np.int32 if max(num_nodes, len(source)) < 2**31 - 1 else np.int64
    coords = (np.asarray(source, dtype=index), np.asarray(target, dtype=index))
    matrix = sp.csr_array(sp.coo_array((data, coords), shape=(num_nodes, num_nodes)))
    if weight is None:
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
    return canonical_adjacency(matrix, where)


def is_symmetric(adjacency: sp.csr_array) -> bool:
    """Whether every arc has its reverse of the same weight (to one part in a million).

    Examples
    --------
    >>> import numpy as np
    >>> is_symmetric(canonical_adjacency(np.array([[0, 1], [0, 0]])))
    False
    """
    return exact_symmetry(adjacency) is not None


def exact_symmetry(adjacency: sp.csr_array) -> sp.csr_array | None:
    """The matrix with both directions of each edge made equal to the last bit.

    Parameters
    ----------
    adjacency : csr_array, shape (n, n)
        In canonical form.

    Returns
    -------
    csr_array or None
        None if an arc has no reverse, or one of another weight.
    """
    other = adjacency.T.tocsr()
    if not np.array_equal(adjacency.indptr, other.indptr):
        return None
    other.sort_indices()
    if not np.array_equal(adjacency.indices, other.indices):
        return None
    if np.array_equal(adjacency.data, other.data):
        return adjacency
    if not np.allclose(adjacency.data, other.data, rtol=_SAME_WEIGHT, atol=0.0):
        return None
    mean = (adjacency.data.astype(np.float64) + other.data) / 2
    return sp.csr_array(
        (mean.astype(np.float32), adjacency.indices, adjacency.indptr), shape=adjacency.shape
    )


def symmetrise(adjacency: sp.csr_array, *, edges_once: bool = False) -> sp.csr_array:
    """The undirected graph that a matrix of arcs stands for.

    An unweighted matrix (all weights 1) stays unweighted. In a weighted one the two directions of
    an edge are summed, and loops are counted once; but a matrix that is symmetric already, an edge
    list that names every edge in both directions, is returned as it is.

    Parameters
    ----------
    adjacency : csr_array, shape (n, n)
        In canonical form.
    edges_once : bool
        The caller knows that every edge was named once, so opposite arcs are parallel edges even
        where the matrix happens to be symmetric.

    Returns
    -------
    csr_array, float32, shape (n, n), symmetric

    Examples
    --------
    >>> import numpy as np
    >>> a = canonical_adjacency(np.array([[3.0, 2.0], [4.0, 0.0]]))
    >>> symmetrise(a).toarray().tolist()
    [[3.0, 6.0], [6.0, 0.0]]
    """
    unweighted = bool((adjacency.data == 1).all())
    if unweighted or not edges_once:
        exact = exact_symmetry(adjacency)
        if exact is not None:
            return exact
    both = sp.csr_array(adjacency + adjacency.T)
    if unweighted:
        both.data[:] = 1.0
    else:
        loops = adjacency.diagonal()
        if loops.any():
            both = sp.csr_array(both - sp.diags_array(loops, dtype=np.float32))
    return canonical_adjacency(both)
