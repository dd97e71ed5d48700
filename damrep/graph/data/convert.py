"""Any graph a Python program may hold, as a `Graph`.

Nothing is imported to recognise an object: it is looked at for what its library gives it, so
reading a DGL graph needs no DGL here, and a scipy matrix needs no torch.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Set
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import canonical_adjacency
from damrep.graph.data.assembly import assemble
from damrep.graph.data.edge_columns import choose_edge_columns
from damrep.graph.data.edges import EdgeList, graph_from_edges
from damrep.graph.data.frames import feature_rows, label_rows
from damrep.graph.data.graph import Graph
from damrep.graph.data.networkx_graphs import are_attribute_names, from_networkx
from damrep.graph.data.node_tables import NodeTable, take_features, take_labels
from damrep.graph.data.pairs import edges_of_pairs, is_pair
from damrep.graph.data.torch_graphs import from_dgl, from_pyg, is_heterogeneous
from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError
from damrep.reading.frames import is_frame, to_pandas
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
    *,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
) -> Graph:
    """Read a graph from the object of another library.

    Parameters
    ----------
    obj : object
        One of

        - `Graph`: returned as it is, or with the features and labels given;
        - `torch_geometric.data.Data`: x (dense or sparse), edge_index (or adj_t), edge_weight or
          one-dimensional edge_attr, y, train_mask / val_mask / test_mask; a HeteroData of one node
          type and one edge type likewise;
        - scipy sparse matrix or array, or a square ndarray: the adjacency;
        - networkx graph: edge attribute "weight"; node attribute "x", "feature", "features" or
          "feat" if it is a vector; node attribute "y" as label;
        - data frame (pandas, polars, Arrow, or another that narwhals knows): one edge a row, in
          the columns source/target, src/dst, from/to, ... or the only two, and a weight in the
          column "weight" or the like;
        - list, tuple or set of pairs (u, v) or of triples (u, v, weight);
        - homogeneous DGLGraph: ndata "feat" or "x", "label" or "y", the masks, edata "weight".
    features : optional
        Node features, in place of those of `obj`: array, tensor or scipy sparse matrix of shape
        (n, d) in the order of the nodes, or a data frame with the node ids in its first column, if
        that is called "id", "node", "node_id", ... or holds strings, or (pandas) as its index. For
        a networkx graph also the name of a node attribute, or a list of names of numeric ones.
    labels : optional
        Node labels, in place of those of `obj`: array (n,) or (n, k), a Series or dict by node id,
        a data frame of ids and labels; for a networkx graph also the name of a node attribute.
    directed : bool, optional
        True: arcs as they are. False: every arc becomes an edge. None: a matrix is directed if it
        is not symmetric, a networkx graph knows, a frame or list is undirected.
    name : str, optional
    source, target, weight : str, optional
        Columns of a frame of edges, where they are not the usual ones.

    Returns
    -------
    Graph
        Nodes in the order of `obj`; for a frame or list of edges in the order of the features'
        ids, or sorted by id where there are no features.

    Raises
    ------
    InputError
        If the parts do not fit each other, an edge names a node without features, a weight is
        negative, a value is not finite, or a frame does not say which of its columns are the ends.
    TypeError
        If `obj` is of no known kind.

    Examples
    --------
    >>> as_graph([("ann", "bob"), ("bob", "cy")])
    Graph('graph': 3 nodes, 2 edges, no features)
    >>> frame = pd.DataFrame({"from": ["ann", "bob"], "to": ["bob", "cy"], "weight": [1.0, 2.0]})
    >>> as_graph(frame).adjacency.toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    columns = {"source": source, "target": target, "weight": weight}
    if isinstance(obj, (list, tuple)) and len(obj) == 1 and not is_pair(obj[0]):
        obj = obj[0]  # as PyG keeps a data set of one graph
    networkx = sys.modules.get("networkx")
    if networkx is not None and isinstance(obj, networkx.Graph):
        _no_columns(columns, obj)
        if not are_attribute_names(features):
            features = None if features is None else feature_rows(features)
        if not isinstance(labels, str):
            labels = None if labels is None else label_rows(labels)
        return from_networkx(obj, features, labels, directed, name)
    for argument, value in (("features", features), ("labels", labels)):
        if isinstance(value, str):
            raise InputError(
                f"{argument}: {value!r} would name a node attribute, which is for networkx graphs"
            )
    rows = None if features is None else feature_rows(features)
    classes = None if labels is None else label_rows(labels)
    given = (rows, classes, directed, name)
    if isinstance(obj, (list, tuple, Set)) and (not obj or any(map(is_pair, obj))):
        _no_columns(columns, obj)
        return _from_edges(edges_of_pairs(obj), *given)
    read = _reader(obj)
    if read is not None:
        _no_columns(columns, obj)
        return read(obj, *given)
    if isinstance(obj, pd.DataFrame) or is_frame(obj):
        frame = obj if isinstance(obj, pd.DataFrame) else to_pandas(obj)
        return _from_edges(_edges_of_frame(frame, columns), *given)
    raise TypeError(
        f"graph: cannot read {_kind(obj)}; expected a Graph, torch_geometric Data, scipy sparse "
        "matrix, square ndarray, networkx graph, data frame or list of edges, or homogeneous "
        "DGLGraph"
    )


def _reader(obj: Any) -> Callable[..., Graph] | None:
    """What reads an object that holds a graph as such."""
    if isinstance(obj, Graph):
        return _changed
    if sp.issparse(obj) or isinstance(obj, np.ndarray):
        return _from_matrix
    if callable(getattr(obj, "num_nodes", None)) and callable(getattr(obj, "edges", None)):
        return from_dgl
    if is_heterogeneous(obj) or hasattr(obj, "edge_index"):
        return from_pyg
    return None


def _kind(obj: Any) -> str:
    return f"{type(obj).__module__}.{type(obj).__name__}"


def _no_columns(columns: dict[str, str | None], obj: Any) -> None:
    asked = next((argument for argument, value in columns.items() if value is not None), None)
    if asked is not None:
        raise InputError(f"{asked}: names a column of a frame of edges, got {_kind(obj)}")


def _changed(
    graph: Graph,
    features: NodeTable | None,
    labels: NodeTable | None,
    directed: bool | None,
    name: str | None,
) -> Graph:
    if directed is False:
        graph = graph.symmetrised()
    if features is not None:
        values, names = take_features(features, graph.node_ids)
        graph = dataclasses.replace(graph, features=values, feature_names=names)
    if labels is not None:
        graph = graph.with_labels(take_labels(labels, graph.node_ids))
    return graph if name is None else dataclasses.replace(graph, name=name)


def _from_matrix(matrix: Any, *given: Any) -> Graph:
    if matrix.ndim == 2 and matrix.shape[1] == 2 != matrix.shape[0]:
        raise InputError(
            f"graph: an array of shape {matrix.shape} is no adjacency; edges come as a list of "
            "pairs, [(u, v), ...], or as a frame"
        )
    return assemble(canonical_adjacency(matrix), None, {}, *given)


def _from_edges(
    edges: EdgeList,
    features: NodeTable | None,
    labels: NodeTable | None,
    directed: bool | None,
    name: str | None,
) -> Graph:
    return graph_from_edges(edges, features, labels, directed=bool(directed), name=name or "graph")


def _edges_of_frame(frame: pd.DataFrame, asked: dict[str, str | None]) -> EdgeList:
    where = "edges"
    unnamed = all(isinstance(column, (int, np.integer)) for column in frame.columns)
    named = any(column is not None for column in asked.values())
    names = None if unnamed and not named else [str(column) for column in frame.columns]
    wanted = {role: None if column is None else str(column) for role, column in asked.items()}
    source, target, weight = choose_edge_columns(names, frame.shape[1], where, **wanted)
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
    start, end = (clean_ids(frame.iloc[:, column], where) for column in (source, target))
    return EdgeList.from_ids(start, end, heavy, where)
