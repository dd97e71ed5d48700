"""Where nodes stand in a graph: a factorisation of its structure.

Each node is described by the row of a matrix of association strengths to the nodes of the training
graph, projected on that matrix's leading right singular vectors. A node that joins later has such a
row too, as long as it has edges to nodes the model knows (the Nystrom extension of the SVD).

Of a directed graph there are two such matrices: of whom a node points to, and of who points to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.graph import Graph
from damrep.graph.encoding.spectral import truncated_svd
from damrep.masking.validation import InputError

__all__ = ["StructureBasis", "fit_structure_basis", "neighbours", "positions_among"]


def neighbours(graph: Graph, directed: bool = False) -> sp.csr_array:
    """Adjacency without self-loops, of a graph made undirected or as it is, shape (n, n).

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> neighbours(build_graph(np.array([[1.0, 1.0], [0.0, 0.0]]))).toarray().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    adjacency = graph.adjacency if directed else graph.symmetrised().adjacency
    loops = adjacency.diagonal()
    if loops.any():
        adjacency = sp.csr_array(adjacency - sp.diags_array(loops))
        adjacency.eliminate_zeros()
    return adjacency


@dataclass(frozen=True)
class StructureBasis:
    """What is needed to describe nodes by their edges to the nodes of the training graph.

    Parameters
    ----------
    node_ids
        Of the training graph, shape (n,).
    popularity
        Share of all edge ends at each of them, to the power 3/4, normalised, shape (n,); of a
        directed graph (n, 2): of the ends of arcs, and of their beginnings.
    axes
        Right singular vectors over the square root of their singular values, shape (n, rank); of a
        directed graph those of whom a node points to and of who points to it in turn.
    """

    node_ids: np.ndarray
    popularity: np.ndarray
    axes: np.ndarray

    def knows_any(self, graph: Graph) -> bool:
        """Whether any node of a graph was in the training graph."""
        return bool((positions_among(graph.node_ids, self.node_ids) >= 0).any())

    def transform(self, graph: Graph) -> np.ndarray:
        """Structural features of a graph's nodes, shape (number of nodes, rank), float32.

        All zero where no node of the graph was in the training graph.
        """
        columns = positions_among(graph.node_ids, self.node_ids)
        known = columns >= 0
        n, m = graph.num_nodes, len(self.node_ids)
        place = sp.csr_array(
            (np.ones(int(known.sum()), np.float32), (np.flatnonzero(known), columns[known])),
            shape=(n, m),
        )
        parts = _ways(graph, self.popularity.ndim > 1)
        out = np.empty((n, self.axes.shape[1]), np.float32)
        for way, (edges, popularity) in enumerate(
            zip(parts, np.atleast_2d(self.popularity.T), strict=True)
        ):
            axes = self.axes[:, way :: len(parts)]
            out[:, way :: len(parts)] = _association(edges @ place, edges, popularity) @ axes
        return out


def fit_structure_basis(graph: Graph, rank: int, seed: int) -> StructureBasis:
    """Factorise the structure of a graph.

    The matrix is log(p(v | u) / popularity(v)) on the edges u-v, nothing below zero: what
    skip-gram with negative sampling over edges factorises (Levy and Goldberg, NIPS 2014; the sparse
    first stage of ProNE, Zhang et al., IJCAI 2019).

    Parameters
    ----------
    graph
        With at least one edge; a directed one is factorised both ways.
    rank
        Features wanted; at most the number of nodes.
    seed
        Of the randomised decomposition.

    Raises
    ------
    InputError
        If the graph has no edge but self-loops.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> path = build_graph(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    >>> fit_structure_basis(path, rank=2, seed=0).transform(path).shape
    (3, 2)
    """
    ways = _ways(graph, graph.directed)
    if not ways[0].nnz:
        raise InputError("graph: it has neither features nor edges, so nothing tells nodes apart")
    found = [_factorised(edges, max(1, rank // len(ways)), seed) for edges in ways]
    kept = min(axes.shape[1] for _, axes in found)
    axes = np.stack([axes[:, :kept] for _, axes in found], axis=2).reshape(graph.num_nodes, -1)
    popularity = np.stack([popularity for popularity, _ in found], axis=1)
    return StructureBasis(
        graph.node_ids, popularity if len(ways) > 1 else popularity[:, 0], axes.astype(np.float32)
    )


def _ways(graph: Graph, directed: bool) -> list[sp.csr_array]:
    """The matrices whose rows say where a node leads to, and then where it is led to from."""
    edges = neighbours(graph, directed)
    return [edges, sp.csr_array(edges.T)] if directed else [edges]


def _factorised(adjacency: sp.csr_array, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Popularity (n,) and axes (n, rank) of one matrix."""
    degree = np.asarray(adjacency.sum(axis=0)).ravel()
    popularity = degree**0.75
    popularity /= popularity.sum()
    matrix = _association(adjacency, adjacency, popularity)
    transpose = sp.csr_array(matrix.T)
    _, values, right = truncated_svd(
        lambda b: matrix @ b, lambda b: transpose @ b, len(degree), min(rank, len(degree)), seed
    )
    keep = values > 1e-6 * values[0]
    keep[0] = True  # zeros, where every node leads to each other one as often as any does
    return popularity, (right / np.sqrt(np.maximum(values, 1e-12)))[:, keep]


def _association(
    edges: sp.csr_array, adjacency: sp.csr_array, popularity: np.ndarray
) -> sp.csr_array:
    """Positive log ratios of edge weights against popularity; `edges` may lack some columns."""
    coo = sp.coo_array(edges)
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    # One negative sample an edge, and popularity is measured in edges of an average node.
    with np.errstate(divide="ignore"):
        ratio = np.log(coo.data / degree[coo.row]) - np.log(popularity[coo.col])
    good = np.isfinite(ratio) & (ratio > 0)
    return sp.csr_array(
        (ratio[good].astype(np.float32), (coo.row[good], coo.col[good])), shape=coo.shape
    )


def positions_among(wanted: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Where each wanted id stands among the known ones; -1 where it does not.

    Examples
    --------
    >>> positions_among(np.array([7, 4]), np.array(["4", "5"], dtype=object)).tolist()
    [-1, 0]
    """
    if not len(known):
        return np.full(len(wanted), -1)
    if wanted.dtype.kind != known.dtype.kind:
        wanted, known = wanted.astype(str), known.astype(str)
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known, wanted, sorter=order).clip(max=len(known) - 1)
    found = order[place]
    return np.where(known[found] == wanted, found, -1)
