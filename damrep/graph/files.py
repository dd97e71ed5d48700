"""Graphs, features and labels from files.

How a text or parquet table is understood:

- An edge list has a header if the first row names its columns (source/target, src/dst, from/to,
  u/v, ...), holds no number where the next row has a weight, or holds words where all other rows
  hold integers. Without a header the columns are source, target and perhaps weight.
- The first column of a feature table is the node id, unless it holds fractions: then there is no
  id column, and row i is node i. A header is a first row that starts with "id", "node" or the like,
  or has no number after its first cell.
- A label table holds id and label, or one label a line in the order of the nodes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from damrep.graph.archives import (
    FEATURE_KEYS,
    LABEL_KEYS,
    Arrays,
    matrix_in,
    open_npy,
    read_graphml,
    read_npz_graph,
    read_pt,
)
from damrep.graph.assembly import assemble
from damrep.graph.convert import as_graph
from damrep.graph.data import Graph
from damrep.graph.edges import END_NAMES, EdgeList, choose_edge_columns, graph_from_edges
from damrep.graph.features import clean_features
from damrep.graph.networkx_graphs import from_networkx
from damrep.graph.node_tables import ID_NAMES, NodeTable, feature_table, label_table
from damrep.graph.tables import TABLE_ENDINGS, Table, is_number, open_table
from damrep.masking.validation import InputError
from damrep.training.input_files import require_file

__all__ = ["GRAPH_ENDINGS", "read_features", "read_graph", "read_labels"]

GRAPH_ENDINGS = (*TABLE_ENDINGS, ".npz", ".graphml", ".pt")
NODE_ENDINGS = (*TABLE_ENDINGS, ".npy", ".npz")
LABEL_NAMES = ("label", "labels", "class", "classes", "y", "target", "category", "group")
_INTEGER = r"^-?[0-9]+$"


def read_graph(
    path: str | os.PathLike[str],
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
    name: str | None = None,
) -> Graph:
    """Read a graph from a file.

    Parameters
    ----------
    path : path
        - .csv, .tsv, .txt (perhaps .gz), .parquet: an edge list with arbitrary string or integer
          ids and perhaps a weight column; see the head of this module;
        - .npz: a `scipy.sparse.save_npz` matrix, or one of the layouts of
          `damrep.graph.archives.read_npz_graph`;
        - .graphml: node ids, edge attribute "weight", node attribute "y" as label;
        - .pt: torch_geometric Data, or a dict with edge_index, x, y, ...; never unpickled.
    features, labels : path or any form `as_graph` takes, optional
        Read with `read_features` and `read_labels`; they come before what the file itself holds.
    directed : bool, optional
        True: a row u, v of an edge list is one arc. False: every arc becomes an edge. None: edge
        lists are undirected, a matrix or Data is directed if it is not symmetric, GraphML knows.
    source, target, weight : str, optional
        Column names of an edge list, where they are not the usual ones.
    name : str, optional
        The file's name without its endings, if not given.

    Returns
    -------
    Graph
        Nodes of an edge list in the order of the features' ids, or sorted where there are none.

    Raises
    ------
    InputError
        One line naming the file and, where there is one, the line, node and column at fault.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "friends.csv"
    ...     _ = path.write_text("source,target\\nann,bob\\nbob,cy\\n")
    ...     read_graph(path)
    Graph('friends': 3 nodes, 2 edges, no features)
    """
    path = Path(path)
    ending = require_file(path, GRAPH_ENDINGS, "a graph file")
    name = name or path.name.split(".")[0] or "graph"
    if ending not in TABLE_ENDINGS and any(part is not None for part in (source, target, weight)):
        raise InputError(f"{path}: column names were given, but the file is not an edge table")
    feature_rows = None if features is None else _features_from(features)
    label_rows = None if labels is None else _labels_from(labels)
    if ending in TABLE_ENDINGS:
        edges = _read_edges(path, source, target, weight)
        return graph_from_edges(
            edges,
            feature_rows,
            label_rows,
            directed=bool(directed),
            infer=True,
            name=name,
        )
    if ending == ".npz":
        matrix, own = read_npz_graph(path, directed)
        return assemble(matrix, None, own, feature_rows, label_rows, directed, name)
    if ending == ".graphml":
        graph = read_graphml(path)
        return from_networkx(graph, feature_rows, label_rows, directed, name, infer=True)
    return as_graph(read_pt(path), feature_rows, label_rows, directed, name)


def read_features(path: str | os.PathLike[str]) -> NodeTable:
    """Read node features from a file and check that they are finite.

    Parameters
    ----------
    path : path
        - .csv, .tsv, .txt (perhaps .gz), .parquet: node id first, then one number a column; a
          table whose first column holds fractions has no ids, and row i is node i;
        - .npy: array (n, d), row i is node i;
        - .npz: `scipy.sparse.save_npz` matrix, or one array.

    Returns
    -------
    NodeTable
        Values float32, dense or CSR.

    Raises
    ------
    InputError
        If a cell is empty, not a number, NaN or infinite (naming node and column), an id comes
        twice, or the file cannot be read.
    """
    path = Path(path)
    ending = require_file(path, NODE_ENDINGS, "a feature file")
    where = str(path)
    if ending not in TABLE_ENDINGS:
        values = open_npy(path) if ending == ".npy" else _npz_features(path)
        if values.dtype.kind not in "buif":
            raise InputError(f"{path}: expected numbers, got dtype {values.dtype}")
        ids = np.arange(values.shape[0] if values.ndim else 0)
        clean, names = clean_features(values, ids, None, where)
        return NodeTable(clean, None, names, where)
    table = open_table(path, index_first=True)
    if table.names is None and _is_feature_header(table.first_row()):
        table = table.with_header()
    if len(table) == 0:
        raise InputError(f"{path}: a header and no rows")
    width = len(table.columns)
    has_ids = width > 1 and not _holds_fractions(table)
    if width == 1 and table.names is not None and table.names[0].strip().lower() in ID_NAMES:
        raise InputError(f"{path}: node ids but no feature columns")
    columns = range(1 if has_ids else 0, width)
    ids = table.ids(0) if has_ids else np.arange(len(table))
    names = None if table.names is None else tuple(table.names[i] for i in columns)
    values = np.empty((len(table), len(columns)), dtype=np.float64)
    for place, column in enumerate(columns):
        values[:, place] = table.numbers(column, "features")
    shown_names = names or tuple(str(column + 1) for column in columns)
    clean, _ = clean_features(values, ids, shown_names, where)
    return NodeTable(clean, ids if has_ids else None, names, where)


def read_labels(path: str | os.PathLike[str]) -> NodeTable:
    """Read node labels from a file.

    Parameters
    ----------
    path : path
        - .csv, .tsv, .txt (perhaps .gz), .parquet: columns id and label (nodes that are not named
          have no label), or one label a line in the order of the graph's nodes;
        - .npy: array (n,), or (n, k) of 0/1; .npz: the same under "labels" or as its one array.

    Returns
    -------
    NodeTable

    Raises
    ------
    InputError
        If the file cannot be read, or has more columns than those and no column "label".
    """
    path = Path(path)
    ending = require_file(path, NODE_ENDINGS, "a label file")
    if ending == ".npy":
        return NodeTable(open_npy(path), where=str(path))
    if ending == ".npz":
        arrays = Arrays(path)
        values = arrays.first(LABEL_KEYS)
        if values is None and len(arrays.keys) == 1:
            values = arrays[arrays.keys[0]]
        if values is None:
            raise InputError(f"{path}: no array 'labels', got {arrays.listed()}")
        return NodeTable(values, where=str(path))
    table = open_table(path, index_first=True)
    if table.names is None and _is_label_header(table):
        table = table.with_header()
    if len(table) == 0:
        raise InputError(f"{path}: a header and no rows")
    width = len(table.columns)
    if width == 1:
        return NodeTable(_cells(table.columns[0]), where=str(path))
    column = 1
    if width > 2:
        names = [name.strip().lower() for name in table.names or ()]
        known = next((name for name in LABEL_NAMES if name in names), None)
        if known is None:
            raise InputError(
                f"{path}: {width} columns; expected one label a line, or the two columns id and "
                "label"
            )
        column = names.index(known)
    return NodeTable(_cells(table.columns[column]), table.ids(0), where=str(path))


def _features_from(features: Any) -> NodeTable:
    if isinstance(features, (str, os.PathLike)):
        return read_features(features)
    return feature_table(features)


def _labels_from(labels: Any) -> NodeTable:
    return read_labels(labels) if isinstance(labels, (str, os.PathLike)) else label_table(labels)


def _cells(column: pa.ChunkedArray) -> np.ndarray:
    return np.array(column.to_pylist(), dtype=object)


def _npz_features(path: Path) -> np.ndarray | sp.csr_array:
    arrays = Arrays(path)
    matrix = matrix_in(arrays)
    if matrix is not None:
        return matrix
    if "attr_indptr" in arrays:
        return arrays.csr("attr_")
    values = arrays.first(FEATURE_KEYS)
    if values is None and len(arrays.keys) == 1:
        values = arrays[arrays.keys[0]]
    if values is None:
        raise InputError(f"{path}: no array 'features', got {arrays.listed()}")
    return values


def _read_edges(path: Path, source: str | None, target: str | None, weight: str | None) -> EdgeList:
    table = open_table(path)
    asked = any(part is not None for part in (source, target, weight))
    if table.names is None and (asked or _is_edge_header(table)):
        table = table.with_header()
    if len(table) == 0:
        raise InputError(f"{path}: a header and no edges")
    first, second, heavy = choose_edge_columns(
        table.names, len(table.columns), str(path), source, target, weight
    )
    weights = None if heavy is None else table.numbers(heavy, "weight")
    left, right, ids = table.factorised(first, second)
    return EdgeList(left, right, ids, weights, str(path), table.row_name)


def _is_edge_header(table: Table) -> bool:
    first = table.first_row()
    lower = [cell.strip().lower() for cell in first]
    if any(a in lower and b in lower for a, b in END_NAMES):
        return True
    if len(table) < 2 or len(first) < 2:
        return False
    if len(first) == 3 and not is_number(first[2]) and is_number(table.columns[2][1].as_py()):
        return True
    if any(is_number(cell) for cell in first[:2]):
        return False
    rest = (column.slice(1) for column in table.columns[:2])
    return all(pc.all(pc.match_substring_regex(column, _INTEGER)).as_py() for column in rest)


def _is_feature_header(first: list[str]) -> bool:
    if first[0].strip().lower() in ID_NAMES:
        return True
    return not any(is_number(cell) for cell in (first[1:] or first))


def _is_label_header(table: Table) -> bool:
    first = [cell.strip().lower() for cell in table.first_row()]
    if len(first) == 1:
        return first[0] in LABEL_NAMES
    if first[0] in ID_NAMES and first[0] or any(cell in LABEL_NAMES for cell in first[1:]):
        return True
    if len(table) < 2 or is_number(first[0]):
        return False
    rest = table.columns[0].slice(1)
    return bool(pc.all(pc.match_substring_regex(rest, _INTEGER)).as_py())


def _holds_fractions(table: Table) -> bool:
    """Whether the first column is numbers that are not all whole, so no ids."""
    if table.names is not None and table.names[0].strip().lower() in ID_NAMES:
        return False
    column = table.columns[0]
    if not pa.types.is_floating(column.type):
        try:
            column = pc.cast(column, pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return False
    numbers = column.to_numpy()
    return bool((np.isfinite(numbers) & (numbers != np.floor(numbers))).any())
