"""How much an embedding knows of edges: those held out, told from pairs that have none.

A cosine is the same both ways and cannot know an arc. Where the direction of arcs is used, an arc
u -> v held out says that u is like the others that point to v, and v like the others that u points
to: such pairs are told from others in the place of edges.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from damrep.graph.data.graph import Graph
from damrep.graph.encoding.arcs import companions
from damrep.graph.encoding.structure import neighbours
from damrep.masking.validation import InputError

__all__ = ["LinkSplit", "hold_out_links", "link_placements", "link_prediction", "split_links"]

# Edges a width is told from: of fewer than the first chance decides, of fewer than the last it is
# not tried, and more than the second take time and change nothing.
_TOLD_FROM, _MOST, _LEAST = 100, 10_000, 10


@dataclass(frozen=True)
class LinkSplit:
    """A graph with a part of its edges taken out to be predicted.

    Parameters
    ----------
    train
        The graph that is left, all nodes kept.
    val, test
        Node pairs (k, 2), edges first, then as many pairs that are no edge. Of a directed graph the
        first are nodes made alike by an arc held out and one that is not.
    """

    train: Graph
    val: np.ndarray
    test: np.ndarray


def split_links(graph: Graph, seed: int, shares: tuple[float, float] = (0.05, 0.10)) -> LinkSplit:
    """Take out edges for validation and test: 85 / 5 / 10.

    Of a directed graph, which stays one, an edge is an arc one way or both. Self-loops are never
    taken out.

    Parameters
    ----------
    graph
        Any; its features stay as they are.
    seed
        Of the edges taken out and of the pairs that are no edge.
    shares
        Of the edges that go into "val" and "test".

    Raises
    ------
    InputError
        If the graph has too few edges to hold one out for each part, or too few pairs without one.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> path = build_graph(np.eye(41, k=1) + np.eye(41, k=-1))
    >>> split = split_links(path, seed=0)
    >>> split.train.num_edges, len(split.val), len(split.test)
    (34, 4, 8)
    """
    whole, pairs = _without_loops(graph)
    count = len(pairs)
    val, test = int(shares[0] * count), int(shares[1] * count)
    if val < 1 or test < 1:
        raise InputError(f"graph: {count} edges are too few to hold some out for link prediction")
    rng = np.random.default_rng(seed)
    pairs = pairs[rng.permutation(count)]
    held, test_pairs = pairs[:val], pairs[val : val + test]
    absent = _non_edges(whole, val + test, rng)
    train = _without(graph, pairs[: val + test])
    return LinkSplit(
        train=train,
        val=_told(graph, train, held, absent[:val], rng),
        test=_told(graph, train, test_pairs, absent[val:], rng),
    )


def hold_out_links(graph: Graph, share: float, seed: int) -> tuple[Graph, np.ndarray | None]:
    """Take out edges to tell a width from, at least a hundred or a quarter of them.

    Parameters
    ----------
    graph
        Any.
    share
        Of the edges to take out; no more than 10,000 are.
    seed
        As for `split_links`.

    Returns
    -------
    Graph
        What is left, all nodes kept.
    ndarray, shape (k, 2), or None
        Pairs as in `LinkSplit`. None, and the whole graph, where the
        share is 0, the edges are too few, or the graph is too dense.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> ring = build_graph(np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), -1, axis=1))
    >>> train, pairs = hold_out_links(ring, 0.1, seed=0)
    >>> train.num_edges, len(pairs)
    (45, 30)
    """
    whole, edges = _without_loops(graph)
    held = max(int(share * len(edges)), min(_TOLD_FROM, len(edges) // 4)) if share else 0
    held = min(held, _MOST)
    if held < _LEAST:
        return graph, None
    rng = np.random.default_rng(seed)
    taken = edges[rng.permutation(len(edges))[:held]]
    try:
        others = _non_edges(whole, held, rng)
    except InputError:
        return graph, None
    train = _without(graph, taken)
    pairs = _told(graph, train, taken, others, rng)
    return (train, pairs) if len(pairs) >= 2 * _LEAST else (graph, None)


def link_prediction(embedding: np.ndarray, pairs: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and average precision of cosine similarity.

    Nothing is trained on the pairs: it is what nearest-neighbour search over the embedding sees.

    Parameters
    ----------
    embedding
        Shape (n, m), of the graph without the pairs' edges.
    pairs
        As in `LinkSplit`: first half edges, second half none.

    Examples
    --------
    >>> z = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0]])
    >>> link_prediction(z, np.array([[0, 1], [1, 2]]))
    (1.0, 1.0)
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = _cosines(embedding, pairs)
    truth = np.zeros(len(pairs), dtype=int)
    truth[: len(pairs) // 2] = 1
    return float(roc_auc_score(truth, scores)), float(average_precision_score(truth, scores))


def link_placements(embedding: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each edge the share of other pairs below it, for each of these the share of edges above.

    The mean of either is the area under the ROC curve; how they vary says how far it is chance
    (DeLong, DeLong and Clarke-Pearson, Biometrics 1988).

    Parameters
    ----------
    embedding, pairs
        As for `link_prediction`.

    Examples
    --------
    >>> z = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0]])
    >>> link_placements(z, np.array([[0, 1], [1, 2]]))
    (array([1.]), array([1.]))
    """
    scores = _cosines(embedding, pairs)
    edges, others = scores[: len(pairs) // 2], scores[len(pairs) // 2 :]
    return _share_below(edges, others), 1.0 - _share_below(others, edges)


def _share_below(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Of each value the share of `among` that is smaller; of what is equal half counts."""
    order = np.sort(among)
    below, up_to = (np.searchsorted(order, values, side=side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(among)))


def _without_loops(graph: Graph) -> tuple[Graph, np.ndarray]:
    """The graph made undirected, and its edges (m, 2) but for self-loops."""
    graph = graph.symmetrised()
    pairs = graph.edges()
    return graph, pairs[pairs[:, 0] != pairs[:, 1]]


def _without(graph: Graph, pairs: np.ndarray) -> Graph:
    """A graph without the arcs of some pairs, either way, and directed if it was."""
    rest = graph.without_edges(np.concatenate([pairs, pairs[:, ::-1]]))
    return dataclasses.replace(rest, directed=graph.directed)


def _told(
    graph: Graph, train: Graph, held: np.ndarray, others: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Pairs to be told from others, and as many of these."""
    if graph.directed:
        arcs = np.concatenate([held, held[:, ::-1]])
        there = np.asarray(graph.adjacency[arcs[:, 0], arcs[:, 1]]).ravel() > 0
        pairs = companions(neighbours(train, directed=True), arcs[there], rng)
        held = pairs[rng.permutation(len(pairs))[: len(held)]]
    return np.concatenate([held, others[: len(held)]])


def _cosines(embedding: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    z = np.asarray(embedding, dtype=np.float64)
    z = z - z.mean(axis=0)
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    z = z / np.where(norms > 0, norms, 1.0)
    return np.asarray(np.einsum("ij,ij->i", z[pairs[:, 0]], z[pairs[:, 1]]))


def _non_edges(graph: Graph, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pairs of different nodes without an edge, none twice."""
    n = graph.num_nodes
    arcs = graph.adjacency.tocoo()
    taken = np.unique(arcs.row.astype(np.int64) * n + arcs.col)
    edges = graph.edges()
    free = n * (n - 1) // 2 - int((edges[:, 0] != edges[:, 1]).sum())
    if free < count:
        raise InputError("graph: it is too dense to draw pairs without an edge")
    found = np.empty(0, dtype=np.int64)
    while len(found) < count:
        drawn = rng.integers(0, n, size=(2 * (count - len(found)) + 16, 2))
        u, v = drawn.min(axis=1), drawn.max(axis=1)
        keys = (u.astype(np.int64) * n + v)[u != v]
        keys = keys[~np.isin(keys, taken)]
        # In order of drawing: sorting would favour the first nodes when some are left over.
        _, first = np.unique(np.concatenate([found, keys]), return_index=True)
        found = np.concatenate([found, keys])[np.sort(first)]
    found = found[:count]
    return np.stack([found // n, found % n], axis=1)
