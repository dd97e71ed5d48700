"""Graphs that need no file of their own."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import symmetrise
from damrep.graph.data.graph import Graph, build_graph

__all__ = ["digits", "karate", "nearest_neighbour_graph"]


def karate() -> Graph:
    """Zachary's karate club: 34 members, 78 friendships, the club each joined after the split.

    The strength of the friendships is left out, as nearly everyone does.

    Examples
    --------
    >>> graph = karate()
    >>> graph.label_names, graph.node_ids[:3].tolist()
    (('Mr. Hi', 'Officer'), [0, 1, 2])
    """
    import networkx

    from damrep.graph.data.networkx_graphs import from_networkx

    club = networkx.karate_club_graph()
    graph = from_networkx(club, labels="club", name="karate")
    adjacency = graph.adjacency.copy()
    adjacency.data[:] = 1.0
    return dataclasses.replace(graph, adjacency=adjacency)


def digits(neighbours: int = 10) -> Graph:
    """The nearest-neighbour graph of scikit-learn's 1,797 handwritten digits of 8 x 8 pixels.

    Parameters
    ----------
    neighbours : int
        Each image is joined to this many others.

    Returns
    -------
    Graph
        Features are the 64 pixels (0 to 16), labels the ten digits.
    """
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    return build_graph(
        nearest_neighbour_graph(pixels, neighbours),
        pixels,
        feature_names=[f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
        labels=classes,
        label_names=[str(digit) for digit in range(10)],
        name="digits",
    )


def nearest_neighbour_graph(points: np.ndarray, neighbours: int) -> sp.csr_array:
    """Join every point to its nearest others, in Euclidean distance.

    All distances are computed, so this is for a few thousand points. Of points equally far away
    the first comes first, which makes the graph the same on every machine for whole numbers.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    neighbours : int
        Less than n.

    Returns
    -------
    csr_array, float32, shape (n, n)
        Symmetric: an edge where either is among the nearest of the other.

    Examples
    --------
    >>> import numpy as np
    >>> nearest_neighbour_graph(np.array([[0.0], [1.0], [3.0]]), 1).toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    points = np.asarray(points, dtype=np.float64)
    squares = (points**2).sum(axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * points @ points.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbours]
    n = len(points)
    rows = np.repeat(np.arange(n, dtype=np.int32), neighbours)
    ones = np.ones(n * neighbours, dtype=np.float32)
    arcs = sp.csr_array(sp.coo_array((ones, (rows, nearest.ravel().astype(np.int32))), (n, n)))
    arcs.sort_indices()
    return symmetrise(arcs)
