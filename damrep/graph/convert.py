"""Any graph a Python program may hold, as a `Graph`.

Nothing is imported to recognise an object: it is looked at for what its library gives it, so
reading a DGL graph needs no DGL here, and a scipy matrix needs no torch.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.adjacency import adjacency_from_edges, canonical_adjacency
from damrep.graph.assembly import assemble
from damrep.graph.data import SPLITS, Graph
from damrep.graph.edge_columns import choose_edge_columns
from damrep.graph.edges import EdgeList, graph_from_edges
from damrep.graph.networkx_graphs import from_networkx
from damrep.graph.node_tables import (
    feature_table,
    label_table,
    plain_array,
    take_features,
    take_labels,
)
from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError
from damrep.reading.ids import clean_ids

with postponed("pandas"):
    import pandas as pd

__all__ = ["as_graph"]


def as_graph(
    obj: Any,
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    name: str | None = None,
) -> Graph:
    """Read a graph from the object of another library.

    Parameters
    ----------
    obj : object
        One of

        - `Graph`: returned as it is, or with the features and labels given;
        - `torch_geometric.data.Data`: x (dense or sparse), edge_index (or adj_t), edge_weight or
          one-dimensional edge_attr, y, train_mask / val_mask / test_mask;
        - scipy sparse matrix or array, or a square ndarray: the adjacency;
        - networkx graph: edge attribute "weight"; node attribute "x", "feature", "features" or
          "feat" if it is a vector; node attribute "y" as label;
        - pandas DataFrame: one edge a row, in the columns source/target, src/dst, from/to, ... or
          the first two, and a weight in the column "weight" or the like;
        - homogeneous DGLGraph: ndata "feat" or "x", "label" or "y", the masks, edata "weight".
    features : optional
        Node features, in place of those of `obj`: array, tensor or scipy sparse matrix of shape
        (n, d) in the order of the nodes, or a DataFrame with the node ids as its index (or in its
        first column, if that is called "id", "node", "node_id", ... or holds strings). For a
        networkx graph also the name of a node attribute, or a list of names of numeric ones.
    labels : optional
        Node labels, in place of those of `obj`: array (n,) or (n, k), a Series or dict by node id,
        a DataFrame of ids and labels; for a networkx graph also the name of a node attribute.
    directed : bool, optional
        True: arcs as they are. False: every arc becomes an edge. None: a matrix is directed if it
        is not symmetric, a networkx graph knows, a DataFrame is undirected.
    name : str, optional

    Returns
    -------
    Graph
        Nodes in the order of `obj`; for a DataFrame of edges in the order of the features' ids,
        or sorted by id where there are no features.

    Raises
    ------
    InputError
        If the parts do not fit each other, an edge names a node without features, a weight is
        negative, or a value is not finite.
    TypeError
        If `obj` is of no known kind.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"from": ["ann", "bob"], "to": ["bob", "cy"], "weight": [1.0, 2.0]})
    >>> as_graph(frame).adjacency.toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    if isinstance(obj, Graph):
        return _changed(obj, features, labels, directed, name)
    if isinstance(obj, pd.DataFrame):
        return _from_frame(obj, features, labels, directed, name)
    if sp.issparse(obj) or isinstance(obj, np.ndarray):
        return assemble(canonical_adjacency(obj), None, {}, features, labels, directed, name)
    networkx = sys.modules.get("networkx")
    if networkx is not None and isinstance(obj, networkx.Graph):
        return from_networkx(obj, features, labels, directed, name)
    if callable(getattr(obj, "num_nodes", None)) and callable(getattr(obj, "edges", None)):
        return _from_dgl(obj, features, labels, directed, name)
    if hasattr(obj, "edge_index"):
        return _from_pyg(obj, features, labels, directed, name)
    raise TypeError(
        f"graph: cannot read {type(obj).__module__}.{type(obj).__name__}; expected a Graph, "
        "torch_geometric Data, scipy sparse matrix, square ndarray, networkx graph, pandas "
        "DataFrame of edges or homogeneous DGLGraph"
    )


def _changed(
    graph: Graph, features: Any, labels: Any, directed: bool | None, name: str | None
) -> Graph:
    if directed is False:
        graph = graph.symmetrised()
    if features is not None:
        values, names = take_features(feature_table(features), graph.node_ids)
        graph = dataclasses.replace(graph, features=values, feature_names=names)
    if labels is not None:
        graph = graph.with_labels(take_labels(label_table(labels), graph.node_ids))
    return graph if name is None else dataclasses.replace(graph, name=name)


def _from_frame(
    frame: pd.DataFrame, features: Any, labels: Any, directed: bool | None, name: str | None
) -> Graph:
    where = "edges"
    unnamed = all(isinstance(column, (int, np.integer)) for column in frame.columns)
    names = None if unnamed else [str(column) for column in frame.columns]
    source, target, weight = choose_edge_columns(names, frame.shape[1], where)
    heavy = None
    if weight is not None:
        series = frame.iloc[:, weight]
        numbers = pd.to_numeric(series, errors="coerce")
        if numbers.isna().any():
            row = int(np.argmax(numbers.isna().to_numpy()))
            raise InputError(
                f"{where}: row {row + 1}: weight is {series.iloc[row]!r}; expected a number"
            )
        heavy = numbers.to_numpy(dtype=np.float64)
    edges = EdgeList.from_ids(
        clean_ids(frame.iloc[:, source], where), clean_ids(frame.iloc[:, target], where), heavy,
        where,
    )  # fmt: skip
    return graph_from_edges(
        edges,
        None if features is None else feature_table(features),
        None if labels is None else label_table(labels),
        directed=bool(directed),
        name=name or "graph",
    )


def _from_pyg(
    data: Any, features: Any, labels: Any, directed: bool | None, name: str | None
) -> Graph:
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
        own["labels"] = plain_array(y)
        if len(own["labels"]) != matrix.shape[0]:
            raise InputError(
                f"y: got {len(own['labels'])} labels for {matrix.shape[0]} nodes; remove y if it "
                "belongs to the whole graph"
            )
    return assemble(matrix, None, own, features, labels, directed, name)


def _edge_weight(data: Any, num_edges: int) -> np.ndarray | None:
    """edge_weight, or edge_attr where it is one number an edge; wider attributes are no weights."""
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
        return None
    if len(values) != num_edges:
        raise InputError(f"{key}: got {len(values)} weights for {num_edges} edges")
    return values.astype(np.float64)


def _splits(get: Any, n: int) -> dict[str, np.ndarray] | None:
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


def _from_dgl(
    graph: Any, features: Any, labels: Any, directed: bool | None, name: str | None
) -> Graph:
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
