"""From lists of edges between named nodes, and tables of nodes, to a graph.

Order of the nodes: where features come with ids, the order of the features (a node without edges
stays, isolated); where features come without ids, row i is node i; otherwise the sorted ids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from damrep.graph.data.adjacency import adjacency_from_edges, symmetrise
from damrep.graph.data.features import clean_features
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.data.node_tables import NodeTable, take_labels
from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError
from damrep.reading.ids import infer_integers, match_kinds, require_unique, shown

with postponed("pandas"):
    import pandas as pd

__all__ = ["EdgeList", "graph_from_edges"]


@dataclasses.dataclass(frozen=True, slots=True)
class EdgeList:
    """Edges between nodes known by position in a list of ids.

    Attributes
    ----------
    source, target : ndarray of int, shape (m,)
        Positions in `ids`.
    ids : ndarray, shape (k,)
        The different ids, in any order.
    weight : ndarray of float, shape (m,), or None
    where : str
        What error messages call the list.
    row_name : callable
        Says where row i of the list is, e.g. "line 12".
    """

    source: np.ndarray
    target: np.ndarray
    ids: np.ndarray
    weight: np.ndarray | None
    where: str
    row_name: Callable[[int], str]

    @staticmethod
    def from_ids(
        source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, where: str
    ) -> EdgeList:
        """An edge list of two columns of ids of the same kind."""
        source, target = match_kinds(source, target)
        codes, ids = pd.factorize(np.concatenate([source, target]))
        m = len(source)
        return EdgeList(codes[:m], codes[m:], ids, weight, where, lambda row: f"row {row + 1}")


def graph_from_edges(
    edges: EdgeList,
    features: NodeTable | None = None,
    labels: NodeTable | None = None,
    *,
    directed: bool = False,
    infer: bool = False,
    name: str = "graph",
) -> Graph:
    """Build the graph of an edge list and tables of its nodes.

    Parameters
    ----------
    edges : EdgeList
    features, labels : NodeTable, optional
    directed : bool
        Whether a row u, v is the arc u -> v only, or an edge in both directions.
    infer : bool
        Whether ids that all look like integers become integers (ids read from text).
    name : str

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If an edge names a node without features (with its id and row), and for all that
        `build_graph` refuses.

    Examples
    --------
    >>> a = np.array(["x", "y"], dtype=object)
    >>> b = np.array(["y", "z"], dtype=object)
    >>> graph = graph_from_edges(EdgeList.from_ids(a, b, None, "edges"))
    >>> graph.node_ids.tolist(), graph.edges().tolist()
    (['x', 'y', 'z'], [[0, 1], [1, 2]])
    """
    ids = edges.ids
    if infer:
        ids = infer_integers(ids)
    clean, names = None, None
    if features is None:
        if len(ids) == 0:
            raise InputError(f"{edges.where}: no edges and no features, so no nodes")
        order = np.argsort(ids, kind="stable")
        node_ids = ids[order]
        position = np.empty(len(ids), dtype=np.int64)
        position[order] = np.arange(len(ids))
    else:
        node_ids, position = _places_in_features(edges, ids, features, infer)
        if features.values.shape[1]:  # else it only says which nodes there are
            clean, names = clean_features(features.values, node_ids, features.names, features.where)
    weight = edges.weight
    if weight is not None and len(weight):
        bad = ~(np.isfinite(weight) & (weight >= 0))
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{edges.where}: {edges.row_name(row)} has weight {weight[row]:g}; expected a "
                "finite number >= 0"
            )
    source, target = position[edges.source], position[edges.target]
    matrix = adjacency_from_edges(source, target, weight, len(node_ids), where=edges.where)
    notes = _counts(len(source) - matrix.nnz if weight is None else 0, weight)
    if not directed:
        matrix = symmetrise(matrix)
    graph = build_graph(
        matrix,
        clean,
        node_ids=node_ids,
        feature_names=names,
        labels=None if labels is None else take_labels(labels, node_ids),
        name=name,
    )
    return dataclasses.replace(graph, notes=notes) if notes else graph


def _counts(again: int, weight: np.ndarray | None) -> tuple[str, ...]:
    """Notes on rows that are no edge of their own."""
    notes = []
    if again:
        what = "1 row repeats an edge and counts once"
        notes.append(what if again == 1 else f"{again:,} rows repeat an edge and count once")
    nothing = 0 if weight is None else int((weight == 0).sum())
    if nothing:
        what = "1 row has weight 0 and is no edge"
        notes.append(what if nothing == 1 else f"{nothing:,} rows have weight 0 and are no edges")
    return tuple(notes)


def _places_in_features(
    edges: EdgeList, ids: np.ndarray, features: NodeTable, infer: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Node ids of the features, and the position among them of every id of the edges."""
    n = len(features)
    if features.ids is None:
        node_ids = np.arange(n, dtype=np.int64)
        whole = infer_integers(ids) if len(ids) else np.empty(0, dtype=np.int64)
        if whole.dtype == object:
            position = np.full(len(ids), -1, dtype=np.int64)
        else:
            position = np.where((whole >= 0) & (whole < n), whole, -1)
        rule = f"{features.where} has no ids, so nodes are 0 .. {n - 1}"
    else:
        require_unique(features.ids, features.where)
        node_ids = infer_integers(features.ids) if infer else features.ids
        node_ids, wanted = match_kinds(node_ids, ids) if len(ids) else (node_ids, node_ids[:0])
        position = pd.Index(node_ids).get_indexer(wanted).astype(np.int64)
        rule = f"it has no row in {features.where}"
    lost = position < 0
    if lost.any():
        row = int(np.argmax(lost[edges.source] | lost[edges.target]))
        end = edges.source[row] if lost[edges.source[row]] else edges.target[row]
        raise InputError(
            f"{edges.where}: {edges.row_name(row)} names node {shown(ids[end])} without "
            f"features: {rule}"
        )
    return node_ids, position
