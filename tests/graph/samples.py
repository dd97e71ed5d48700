"""Small graphs that several tests of `damrep.graph` look at."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.graph import Graph, build_graph


def communities(
    n: int = 40, d: int = 12, seed: int = 0, *, classes: int = 2, ids: object = None
) -> Graph:
    """Communities with a few edges between them; binary features that lean towards the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    together = labels[:, None] == labels[None, :]
    upper = np.triu(rng.random((n, n)) < np.where(together, 0.3, 0.04), 1)
    likely = np.arange(d)[None, :] % classes == labels[:, None]
    features = (rng.random((n, d)) < np.where(likely, 0.5, 0.1)).astype(np.float32)
    return build_graph(upper | upper.T, features, labels=labels, node_ids=ids)


def without_features(graph: Graph) -> Graph:
    """The same graph, to be described by its structure."""
    return graph.with_features(None)


def random_adjacency(n: int, seed: int, *, directed: bool, weighted: bool) -> sp.csr_array:
    """Random arcs, some of them self-loops, and one isolated node at the end."""
    rng = np.random.default_rng(seed)
    dense = (rng.random((n, n)) < 0.3) * (rng.uniform(0.2, 3.0, (n, n)) if weighted else 1.0)
    if not directed:
        dense = np.triu(dense) + np.triu(dense, 1).T
    dense[-1] = dense[:, -1] = 0
    return sp.csr_array(dense.astype(np.float32))


def ring(n: int) -> sp.csr_array:
    """A cycle."""
    step = np.roll(np.eye(n, dtype=np.float32), 1, axis=1)
    return sp.csr_array(step + step.T)


def star(n: int) -> sp.csr_array:
    """Node 0 in the middle."""
    dense = np.zeros((n, n), dtype=np.float32)
    dense[0, 1:] = dense[1:, 0] = 1
    return sp.csr_array(dense)
