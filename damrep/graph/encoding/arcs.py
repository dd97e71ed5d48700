"""Directed graphs: what nodes have in common that point, or are pointed to, alike.

The ends of an arc need not be alike: buyers point to sellers, pages to what they cite. Who points
to the same nodes plays the same part, and so does who is pointed to by the same ones
(bibliographic coupling and co-citation). So an arc is followed and another one taken back.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from damrep.graph.encoding.propagation import SparseOperator, as_csr, with_loops

__all__ = ["RoundTrips", "arc_matrix", "companions"]


def arc_matrix(adjacency: sp.csr_array) -> sp.csr_array:
    """What a node hears from those it points to; its transpose, from those that point to it.

    D_out^-1/2 (A + I)' D_in^-1/2, self-loops as in `gcn_matrix`, which this is of an undirected
    graph.

    Parameters
    ----------
    adjacency
        csr_array (n, n), entry [u, v] the weight of the arc u -> v.

    Returns
    -------
    csr_array, float32, shape (n, n)

    Examples
    --------
    >>> arc_matrix(sp.csr_array(np.array([[0.0, 3.0], [0.0, 0.0]]))).toarray()
    array([[0.5 , 0.75],
           [0.  , 0.5 ]], dtype=float32)
    """
    looped = with_loops(adjacency)
    to, since = (
        sp.diags_array(1.0 / np.sqrt(np.asarray(looped.sum(axis=axis)).ravel())) for axis in (1, 0)
    )
    return as_csr(to @ looped @ since)


class RoundTrips:
    """Along an arc and back along another: means over nodes that point, or are pointed to, alike.

    Parameters
    ----------
    arcs
        From `arc_matrix`, S: this is (S S' + S' S) / 2, where an undirected graph has S alone.

    Examples
    --------
    >>> import torch
    >>> both = RoundTrips(arc_matrix(sp.csr_array(np.array([[0.0, 3.0], [0.0, 0.0]]))))
    >>> both @ torch.eye(2)
    tensor([[0.5312, 0.3750],
            [0.3750, 0.5312]])
    """

    def __init__(self, arcs: sp.csr_array) -> None:
        self._there, self._back = SparseOperator(arcs), SparseOperator(arcs.T)

    def __matmul__(self, dense: Tensor) -> Tensor:
        there, back = self._there, self._back
        return (there @ (back @ dense) + back @ (there @ dense)) / 2


def companions(adjacency: sp.csr_array, arcs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pairs of nodes that play the same part.

    Parameters
    ----------
    adjacency
        csr_array (n, n), entry [u, v] for the arc u -> v, without self-loops.
    arcs
        Pairs u, v, (m, 2), of the graph or beside it.
    rng
        Draws for each of them a node that points to v as u does, and one that u points to as to v.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        At most two pairs an arc, those of u first; none where there is no such other node.

    Examples
    --------
    >>> arcs = np.array([[0, 2], [1, 2]])
    >>> fork = sp.csr_array((np.ones(2), arcs.T), shape=(3, 3))
    >>> companions(fork, arcs[:1], np.random.default_rng(0)).tolist() in ([[0, 1]], [])
    True
    >>> companions(fork, np.array([[0, 1], [2, 1]]), np.random.default_rng(0)).tolist()
    [[1, 2]]
    """
    found = []
    for matrix, own, by in ((sp.csr_array(adjacency.T), 0, 1), (adjacency, 1, 0)):
        degree = np.diff(matrix.indptr)[arcs[:, by]]
        some = arcs[degree > 0]
        place = matrix.indptr[some[:, by]] + rng.integers(0, degree[degree > 0])
        found.append(np.stack([some[:, own], matrix.indices[place]], axis=1))
    pairs = np.concatenate(found).astype(np.int64)
    return pairs[pairs[:, 0] != pairs[:, 1]]
