"""Graphs of the libraries on torch: torch_geometric's Data and HeteroData, and DGLGraph."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from damrep.graph.data.adjacency import adjacency_from_edges, canonical_adjacency
from damrep.graph.data.assembly import assemble
from damrep.graph.data.graph import Graph
from damrep.graph.data.node_tables import plain_array
from damrep.graph.data.splits import SPLITS
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError

__all__ = ["from_dgl", "from_pyg", "is_heterogeneous"]


def is_heterogeneous(data: Any) -> bool:
    """Whether an object is torch_geometric's HeteroData, with types of nodes and of edges."""
    return all(isinstance(getattr(data, key, None), list) for key in ("node_types", "edge_types"))


def from_pyg(
    data: Any,
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    name: str | None = None,
) -> Graph:
    """Read a torch_geometric Data, or a HeteroData of one type of nodes and one of edges.

    Parameters
    ----------
    data : Data, HeteroData, or anything with the attribute edge_index
    features, labels, directed, name
        As for `as_graph`.

    Returns
    -------
    Graph
        Nodes 0 .. n - 1.

    Raises
    ------
    InputError
        If there are several types, no edges, or parts that do not fit each other.
    """
    if is_heterogeneous(data):
        data = _only_type(data)
    x, adj_t, edge_index = (getattr(data, key, None) for key in ("x", "adj_t", "edge_index"))
    x = None if x is None else plain_array(x)
    if x is not None and x.ndim == 1:
        x = x[:, None]
    if edge_index is None:
        if adj_t is None:
            raise InputError("graph: the Data has neither edge_index nor adj_t")
        matrix = canonical_adjacency(plain_array(adj_t).T, "adj_t")
    else:
        index = np.asarray(plain_array(edge_index))
        if index.ndim != 2 or index.shape[0] != 2 or index.dtype.kind not in "iu":
            raise InputError(
                f"edge_index: expected integers of shape (2, edges), got {index.dtype} of shape "
                f"{tuple(index.shape)}"
            )
        weight = _edge_weight(data, index.shape[1])
        declared = getattr(data, "num_nodes", None)
        if declared is None:
            declared = index.max(initial=-1) + 1 if x is None else x.shape[0]
        count = int(declared)
        matrix = adjacency_from_edges(index[0], index[1], weight, count, where="edge_index")
    own: dict[str, Any] = {
        "features": x,
        "splits": _splits(lambda key: getattr(data, key), matrix.shape[0]),
    }
    y = getattr(data, "y", None)
    if y is not None and labels is None:
        own["labels"] = _own_labels(plain_array(y), matrix.shape[0])
    return assemble(matrix, None, own, features, labels, directed, name)


def from_dgl(
    graph: Any,
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    name: str | None = None,
) -> Graph:
    """Read a homogeneous DGLGraph.

    Parameters
    ----------
    graph : DGLGraph
    features, labels, directed, name
        As for `as_graph`.

    Returns
    -------
    Graph
        Nodes 0 .. n - 1.

    Raises
    ------
    InputError
        If it has several types of nodes or edges, or parts that do not fit each other.
    """
    if not getattr(graph, "is_homogeneous", True):
        raise InputError("graph: the DGLGraph has several node or edge types; expected one of each")
    n = int(graph.num_nodes())
    source, target = (np.asarray(plain_array(end)) for end in graph.edges())
    edata = getattr(graph, "edata", {})
    heavy = next((edata[key] for key in ("weight", "w", "edge_weight") if key in edata), None)
    weight = None if heavy is None else np.asarray(plain_array(heavy), dtype=np.float64).reshape(-1)
    matrix = adjacency_from_edges(source, target, weight, n)
    ndata = graph.ndata
    own: dict[str, Any] = {"splits": _splits(lambda key: ndata[key], n)}
    x = next((ndata[key] for key in ("feat", "x", "feature", "features") if key in ndata), None)
    y = next((ndata[key] for key in ("label", "y", "labels") if key in ndata), None)
    if x is not None:
        plain = plain_array(x)
        own["features"] = plain[:, None] if plain.ndim == 1 else plain
    if y is not None:
        own["labels"] = plain_array(y)
    return assemble(matrix, None, own, features, labels, directed, name)


def _only_type(data: Any) -> types.SimpleNamespace:
    """What a HeteroData of one type of nodes and one of edges holds."""
    if len(data.node_types) != 1 or len(data.edge_types) != 1:
        edges = ["-".join(map(str, kind)) for kind in data.edge_types]
        raise InputError(
            f"graph: the HeteroData has node types {_listed(data.node_types)} and edge types "
            f"{_listed(edges)}; expected one of each (data.to_homogeneous() makes one of them all)"
        )
    nodes, arcs = data[data.node_types[0]], data[data.edge_types[0]]
    held = {**arcs.to_dict(), **nodes.to_dict(), "num_nodes": nodes.num_nodes}
    return types.SimpleNamespace(**held)


def _listed(names: list[Any]) -> str:
    shown = ", ".join(map(str, names[:6])) or "none"
    return shown if len(names) <= 6 else f"{shown}, ... ({len(names)} in all)"


def _own_labels(y: Any, n: int) -> Any:
    """The y that a Data brings; None where it is a quantity to predict and no class."""
    if len(y) != n:
        raise InputError(
            f"y: got {len(y)} labels for {n} nodes; remove y if it belongs to the whole graph"
        )
    values = np.asarray(y)
    if values.dtype.kind != "f" or not (values[np.isfinite(values)] % 1).any():
        return y
    warn_of("y: it holds fractions, a quantity to predict and no classes; it is not used")
    return None


def _edge_weight(data: Any, num_edges: int) -> np.ndarray | None:
    """edge_weight, or edge_attr where it is one number an edge; wider attributes are no weights."""
    if getattr(data, "edge_type", None) is not None:
        warn_of("edge_type: types of edges are not used; all edges count alike")
    weight = getattr(data, "edge_weight", None)
    key = "edge_weight"
    if weight is None:
        weight, key = getattr(data, "edge_attr", None), "edge_attr"
    if weight is None:
        return None
    values = np.asarray(plain_array(weight))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        warn_of(f"{key}: shape {values.shape} is more than one weight an edge; it is not used")
        return None
    if len(values) != num_edges:
        raise InputError(f"{key}: got {len(values)} weights for {num_edges} edges")
    return values.astype(np.float64)


def _splits(get: Callable[[str], Any], n: int) -> dict[str, np.ndarray] | None:
    """The masks among the attributes or keys that `get` reads."""
    found: dict[str, np.ndarray] = {}
    for key in SPLITS:
        try:
            mask = get(f"{key}_mask")
        except (AttributeError, KeyError):
            continue
        if mask is not None and np.ndim(plain_array(mask)) and len(mask) == n:
            found[key] = np.asarray(plain_array(mask)).astype(bool)
    return found or None
