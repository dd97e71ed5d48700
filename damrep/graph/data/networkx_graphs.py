"""Graphs of networkx, whose nodes and edges carry attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from damrep.graph.data.adjacency import adjacency_from_edges, symmetrise
from damrep.graph.data.assembly import assemble
from damrep.graph.data.graph import Graph
from damrep.graph.data.node_tables import plain_array
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError
from damrep.reading.ids import clean_ids, infer_integers, listed, shown

__all__ = ["are_attribute_names", "from_networkx"]

FEATURE_ATTRIBUTES = ("x", "feature", "features", "feat")


def from_networkx(
    graph: Any,
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    name: str | None = None,
    *,
    infer: bool = False,
) -> Graph:
    """Read a networkx graph; see `as_graph`.

    Parameters
    ----------
    graph : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
        Weights of parallel edges are summed; without weights they are one edge.
    features, labels, directed, name
        As for `as_graph`.
    infer : bool
        Whether string ids that all look like integers become integers (ids read from a file).

    Returns
    -------
    Graph
        Nodes in the order of ``graph.nodes``.

    Raises
    ------
    InputError
        If the graph has no nodes, a weight is no number, or a node lacks an attribute asked for.
    """
    nodes = list(graph.nodes)
    if not nodes:
        raise InputError("graph: the graph has no nodes; expected at least 1")
    place = {node: i for i, node in enumerate(nodes)}
    arcs = list(graph.edges(data="weight"))
    source = np.fromiter((place[u] for u, _, _ in arcs), dtype=np.int64, count=len(arcs))
    target = np.fromiter((place[v] for _, v, _ in arcs), dtype=np.int64, count=len(arcs))
    weight = None
    if any(w is not None for _, _, w in arcs):
        weight = np.empty(len(arcs))
        for i, (u, v, w) in enumerate(arcs):
            try:
                weight[i] = 1.0 if w is None else float(w)
            except (TypeError, ValueError, OverflowError):
                raise InputError(
                    f"graph: edge {shown(u)}, {shown(v)} has weight {shown(w)}; expected a number"
                ) from None
    _tell_types(graph)
    matrix = adjacency_from_edges(source, target, weight, len(nodes))
    if not graph.is_directed():
        matrix = symmetrise(matrix, edges_once=True)
    own: dict[str, Any] = {"name": graph.name or None}
    if features is None or are_attribute_names(features):
        own["features"], own["feature_names"] = _node_attributes(graph, nodes, features)
        features = None
    key = labels if isinstance(labels, str) else "y"
    if labels is None or isinstance(labels, str):
        values = [graph.nodes[node].get(key) for node in nodes]
        if any(value is not None for value in values):
            own["labels"] = np.array(values, dtype=object)
        elif labels is not None:
            raise InputError(f"labels: no node has an attribute {shown(labels)}")
        labels = None
    ids = _networkx_ids(nodes)
    if infer:
        ids = infer_integers(ids)
    return assemble(matrix, ids, own, features, labels, directed, name)


def _tell_types(graph: Any) -> None:
    """Warn of types of edges, which are not used: words or keys that several edges share."""
    found: dict[str, list[str]] = {}
    for *_, attributes in graph.edges(data=True):
        for name, value in attributes.items():
            if isinstance(value, str) and name != "weight":
                found.setdefault(str(name), []).append(value)
    if graph.is_multigraph():
        found["key"] = [key for *_, key in graph.edges(keys=True) if isinstance(key, str)]
    types = [name for name, values in found.items() if 1 < len(set(values)) < len(values)]
    if types:
        warn_of(f"edges: {listed(sorted(types))}: types of edges are not used; all count alike")


def are_attribute_names(features: Any) -> bool:
    """Whether features are named, by one node attribute or a list of them, and not given.

    Examples
    --------
    >>> are_attribute_names("age"), are_attribute_names(["age", "size"]), are_attribute_names([[1]])
    (True, True, False)
    """
    return isinstance(features, str) or (
        isinstance(features, list)
        and len(features) > 0
        and all(isinstance(item, str) for item in features)
    )


def _networkx_ids(nodes: list[Any]) -> np.ndarray:
    ids = np.empty(len(nodes), dtype=object)
    ids[:] = nodes
    return clean_ids(ids, "graph", "node")


def _node_attributes(
    graph: Any, nodes: list[Any], wanted: str | list[str] | None
) -> tuple[np.ndarray | None, list[str] | None]:
    """Features out of node attributes: those asked for, or a vector under a usual name.

    Their names are those of the attributes, where each is one number.
    """
    if wanted is None:
        first = graph.nodes[nodes[0]]
        key = next((k for k in FEATURE_ATTRIBUTES if np.ndim(first.get(k)) == 1), None)
        if key is None:
            return None, None
        wanted = key
    keys = [wanted] if isinstance(wanted, str) else wanted
    rows = []
    for node in nodes:
        attributes = graph.nodes[node]
        lacking = next((key for key in keys if attributes.get(key) is None), None)
        if lacking is not None:
            raise InputError(f"features: node {shown(node)} has no attribute {shown(lacking)}")
        try:
            row = [
                np.asarray(plain_array(attributes[key]), dtype=np.float64).ravel() for key in keys
            ]
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"features: node {shown(node)}, attribute {listed(keys)}: expected numbers"
            ) from None
        rows.append(np.concatenate(row))
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"features: node {shown(node)} has {len(rows[-1])} values, "
                f"node {shown(nodes[0])} has {len(rows[0])}"
            )
    return np.stack(rows), keys if len(rows[0]) == len(keys) else None
