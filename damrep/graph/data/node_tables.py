"""Tables with one row of features or labels a node, and how their rows find their nodes."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.features import clean_features
from damrep.lazy_imports import postponed
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError
from damrep.reading.ids import clean_ids, match_kinds, require_unique, shown
from damrep.reading.names import is_id_name

with postponed("pandas"):
    import pandas as pd

__all__ = [
    "NodeTable",
    "align",
    "feature_table",
    "label_table",
    "plain_array",
    "take_features",
    "take_labels",
]


@dataclasses.dataclass(frozen=True, slots=True)
class NodeTable:
    """One row of features or labels a node.

    Attributes
    ----------
    values : ndarray or csr_array
        (n, d) features, or (n,) or (n, k) labels.
    ids : ndarray, shape (n,), or None
        None: row i belongs to node i.
    names : tuple of str, or None
        Of the columns.
    where : str
        What error messages call the table.
    notes : tuple of str
        What the reader of a file took for what.
    """

    values: Any
    ids: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    where: str = "features"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.values.shape[0])


def feature_table(features: Any, where: str = "features") -> NodeTable:
    """Features in any form as a `NodeTable`.

    Raises
    ------
    InputError
        If a column of a DataFrame holds something that is not a number, naming node and column.
    """
    if isinstance(features, NodeTable):
        return features
    if not isinstance(features, pd.DataFrame):
        return NodeTable(plain_array(features), where=where)
    ids, frame = _split_ids(features, where)
    columns = []
    for position, column in enumerate(frame.columns):
        series = frame.iloc[:, position]
        numbers = pd.to_numeric(series, errors="coerce")
        bad = (numbers.isna() & series.notna()).to_numpy()
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{where}: node {shown(ids[row])}, column {shown(str(column))} is "
                f"{shown(series.iloc[row])}; expected a number"
            )
        columns.append(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    values = np.stack(columns, axis=1) if columns else np.empty((len(ids), 0))
    return NodeTable(values, ids, tuple(str(c) for c in frame.columns), where)


def label_table(labels: Any, where: str = "labels") -> NodeTable:
    """Labels in any form as a `NodeTable`."""
    if isinstance(labels, NodeTable):
        return labels
    if isinstance(labels, dict):
        labels = pd.Series(list(labels.values()), index=list(labels.keys()), dtype=object)
    if isinstance(labels, pd.DataFrame):
        ids, frame = _split_ids(labels, where)
        values = frame.iloc[:, 0] if frame.shape[1] == 1 else frame
        return NodeTable(values.to_numpy(), ids, where=where)
    if isinstance(labels, pd.Series):
        return NodeTable(labels.to_numpy(dtype=object), clean_ids(labels.index, where), where=where)
    return NodeTable(np.asarray(plain_array(labels)), where=where)


def _split_ids(frame: pd.DataFrame, where: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Node ids and the other columns: the index, unless it only counts rows."""
    counts_rows = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    if counts_rows and frame.shape[1] > 1:
        first = frame.iloc[:, 0]
        if is_id_name(frame.columns[0]) or not pd.api.types.is_numeric_dtype(first.dtype):
            return clean_ids(first, where), frame.iloc[:, 1:]
    return clean_ids(pd.Series(frame.index), where), frame


def plain_array(value: Any) -> Any:
    """A tensor as NumPy or, if sparse, SciPy; sparse matrices stay, the rest becomes an array."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return value if sp.issparse(value) else np.asarray(value)
    value = value.detach().cpu()
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    if value.layout == torch.sparse_csr:
        parts = (value.values(), value.col_indices(), value.crow_indices())
        return sp.csr_array(tuple(part.numpy() for part in parts), shape=tuple(value.shape))
    if value.layout == torch.sparse_coo:
        value = value.coalesce()
        coords = tuple(value.indices().numpy())
        return sp.csr_array(
            sp.coo_array((value.values().numpy(), coords), shape=tuple(value.shape))
        )
    return value.numpy()


def align(table: NodeTable, node_ids: np.ndarray) -> np.ndarray:
    """Row of a node table for every node, -1 where it has none.

    Parameters
    ----------
    table : NodeTable
        With ids.
    node_ids : ndarray, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    InputError
        If an id comes twice in the table.

    Examples
    --------
    >>> table = NodeTable(np.array([5, 6]), ids=np.array(["b", "a"], dtype=object))
    >>> align(table, np.array(["a", "b", "c"], dtype=object)).tolist()
    [1, 0, -1]
    """
    assert table.ids is not None
    require_unique(table.ids, table.where)
    ours, wanted = match_kinds(table.ids, node_ids)
    return pd.Index(ours).get_indexer(wanted).astype(np.int64)


def take_labels(table: NodeTable, node_ids: np.ndarray) -> np.ndarray:
    """Labels in the order of the nodes; a node the table does not name has no label.

    Labels of ids that are not in the graph are passed over with a warning.

    Raises
    ------
    InputError
        If a table without ids is not as long as the graph has nodes, an id comes twice, or no id
        is in the graph.
    """
    if table.ids is None:
        if len(table) != len(node_ids):
            raise InputError(f"{table.where}: got {len(table)} labels for {len(node_ids)} nodes")
        return np.asarray(table.values)
    rows = align(table, node_ids)
    used = rows[rows >= 0]
    if len(used) == 0:
        raise InputError(
            f"{table.where}: none of its {len(table)} ids is a node of the graph, e.g. "
            f"{shown(table.ids[0])}"
            if len(table)
            else f"{table.where}: no labels"
        )
    if len(used) < len(table):
        extra = np.setdiff1d(np.arange(len(table)), used)
        warn_of(
            f"{table.where}: {len(extra)} of {len(table)} labelled ids are not in the graph, "
            f"e.g. {shown(table.ids[extra[0]])}; their labels are not used"
        )
    values = np.asarray(table.values)
    if values.ndim == 2 and values.shape[1] > 1:
        result = np.zeros((len(node_ids), values.shape[1]), dtype=bool)
    else:
        result = np.full((len(node_ids), *values.shape[1:]), None, dtype=object)
    result[rows >= 0] = values[used]
    return result


def take_features(
    table: NodeTable, node_ids: np.ndarray
) -> tuple[np.ndarray | sp.csr_array | None, tuple[str, ...] | None]:
    """Features in the order of nodes that are already known, checked to be finite.

    Raises
    ------
    InputError
        If a node has no features, a row belongs to no node, or a value is not finite.
    """
    if table.ids is None:
        return clean_features(table.values, node_ids, table.names, table.where)
    rows = align(table, node_ids)
    if (rows < 0).any():
        raise InputError(
            f"{table.where}: node {shown(node_ids[int(np.argmax(rows < 0))])} has no features"
        )
    if len(table) > len(node_ids):
        extra = int(np.setdiff1d(np.arange(len(table)), rows)[0])
        raise InputError(f"{table.where}: {shown(table.ids[extra])} is not a node of the graph")
    if np.array_equal(rows, np.arange(len(rows))):
        return clean_features(table.values, node_ids, table.names, table.where)
    return clean_features(table.values[rows], node_ids, table.names, table.where)
