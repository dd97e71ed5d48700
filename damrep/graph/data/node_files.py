"""Features and labels of nodes from files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from damrep.graph.data.archives import FEATURE_KEYS, LABEL_KEYS
from damrep.graph.data.features import clean_features
from damrep.graph.data.node_tables import NodeTable
from damrep.masking.validation import InputError
from damrep.reading.arrays import ARRAY_ENDINGS, Arrays, open_npy
from damrep.reading.cells import as_labels, as_numbers
from damrep.reading.dialect import Dialect
from damrep.reading.files import TABLE_ENDINGS, require_file
from damrep.reading.headers import (
    counts_columns,
    decide_header,
    words_above_numbers,
)
from damrep.reading.ids import infer_integers, match_kinds, require_unique
from damrep.reading.names import is_id_name, plain_name
from damrep.reading.opening import open_table
from damrep.reading.tables import Table
from damrep.reading.totals import last_is_total
from damrep.reading.written_numbers import NumberMarks, is_number

__all__ = ["read_features", "read_labels"]

NODE_ENDINGS = (*TABLE_ENDINGS, *ARRAY_ENDINGS)
_LABEL_NAMES = ("label", "labels", "class", "classes", "y", "target", "category", "group")


def read_features(
    path: str | os.PathLike[str],
    dialect: Dialect | None = None,
    *,
    nodes: np.ndarray | None = None,
) -> NodeTable:
    """Read node features from a file and check that they are finite.

    Parameters
    ----------
    path : path
        - a table in text (.csv, .tsv, .txt, ...), .parquet, .feather, .arrow or .jsonl: the node id
          first, then one number a column. There are no ids, and row i is node i, if the first
          column holds fractions, or whole numbers that are not the nodes'. A column of ids alone
          says which nodes there are;
        - .npy: array (n, d), row i is node i;
        - .npz: `scipy.sparse.save_npz` matrix, or one array.
    dialect : Dialect, optional
        What is known of how a text file is written.
    nodes : ndarray, optional
        Ids that the edges name, to tell ids from features by.

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
    dialect = dialect or Dialect()
    ending = require_file(path, NODE_ENDINGS, "a feature file", as_text=bool(dialect.separator))
    where = str(path)
    if ending in ARRAY_ENDINGS:
        values = open_npy(path) if ending == ".npy" else _npz_features(path)
        if values.dtype.kind not in "buif":
            raise InputError(f"{path}: expected numbers, got dtype {values.dtype}")
        rows = np.arange(values.shape[0] if values.ndim else 0)
        clean, names = clean_features(values, rows, None, where)
        return NodeTable(clean, None, names, where)
    table = open_table(path, dialect)
    decide_header(table, _is_feature_header(table.rows, table.marks))
    order = _index_first(table)
    ids = _feature_ids(table, order, nodes)
    if ids is not None:
        require_unique(ids, where)
    columns = order if ids is None else order[1:]
    names = None if table.names is None else tuple(table.names[i] for i in columns)
    if not columns:
        assert ids is not None
        return NodeTable(np.empty((len(ids), 0), np.float32), ids, (), where, tuple(table.notes))
    shown_names = names or tuple(str(i + 1) for i in columns)
    if len(columns) == 1 and table.holds_vectors(columns[0]):
        values = table.vectors(columns[0])
        names, shown_names = None, tuple(str(i + 1) for i in range(values.shape[1]))
    else:
        values = table.numbers(columns, what="features", finite=False)
    total, said = last_is_total(ids, values)
    if total and ids is not None:
        values, ids = values[:-1], infer_integers(ids[:-1])
    known = np.arange(len(values)) if ids is None else ids
    clean, _ = clean_features(values, known, shown_names, where)
    id_note = "row i is node i" if ids is None else f"ids in {table.column_name(order[0])}"
    counted = f"{values.shape[1]} features of {len(values)} nodes, {id_note}"
    notes = (*table.notes, *said, counted)
    return NodeTable(clean, ids, names, where, notes)


def read_labels(path: str | os.PathLike[str], dialect: Dialect | None = None) -> NodeTable:
    """Read node labels from a file.

    Parameters
    ----------
    path : path
        - a table as for `read_features`: columns id and label (nodes that are not named have no
          label), or one label a line in the order of the graph's nodes;
        - .npy: array (n,), or (n, k) of 0/1; .npz: the same under "labels" or as its one array.
    dialect : Dialect, optional
        What is known of how a text file is written.

    Returns
    -------
    NodeTable

    Raises
    ------
    InputError
        If the file cannot be read, or has more columns than those and no column "label".
    """
    path = Path(path)
    dialect = dialect or Dialect()
    ending = require_file(path, NODE_ENDINGS, "a label file", as_text=bool(dialect.separator))
    if ending == ".npy":
        return NodeTable(open_npy(path), where=str(path))
    if ending == ".npz":
        return NodeTable(_the_array(Arrays(path), LABEL_KEYS, "labels"), where=str(path))
    table = open_table(path, dialect)
    decide_header(table, _is_label_header(table.rows))
    place, identity = _label_columns(table)
    (column,) = table.columns([place])
    labels, said = as_labels(column, f"{path}: labels")
    ids = None if identity is None else table.ids(identity, "node id")
    notes = [*table.notes, *said]
    if ids is not None:
        notes.append(f"labels of {len(ids)} nodes in {table.column_name(place)}")
    return NodeTable(labels, ids, where=str(path), notes=tuple(notes))


def _label_columns(table: Table) -> tuple[int, int | None]:
    """The column of the labels, and that of the ids."""
    order = _index_first(table)
    if len(order) == 1:
        return order[0], None
    names = [plain_name(name) for name in table.names or ()]
    known = next((names.index(name) for name in _LABEL_NAMES if name in names), None)
    if known is None and len(order) > 2:
        raise InputError(
            f"{table.where}: {len(order)} columns; expected one label a line, or the two columns "
            "id and label"
        )
    place = order[1] if known is None else known
    others = [i for i in order if i != place]
    called = [i for i in others if names and table.index is None and is_id_name(names[i])]
    return place, (called or others)[0]


def _index_first(table: Table) -> list[int]:
    """Columns, the one first that the file itself says names the rows."""
    first = [] if table.index is None else [table.index]
    return [*first, *(i for i in range(table.width) if i not in first)]


def _feature_ids(table: Table, order: list[int], nodes: np.ndarray | None) -> np.ndarray | None:
    """The first column, if it names the nodes."""
    called = table.names is not None and is_id_name(table.names[order[0]])
    if len(order) == 1 and not called:
        return None
    if table.index is not None or called:
        return table.ids(order[0], "node id")
    if table.holds_vectors(order[0]):
        return None
    numbers, words = as_numbers(table.columns(order[:1])[0], table.marks)
    if not words.any() and (np.isfinite(numbers) & (numbers != np.floor(numbers))).any():
        return None
    ids = table.ids(order[0], "node id")
    if ids.dtype == object:
        return ids
    if not pd.Index(ids).is_unique:
        return None
    if nodes is not None and len(nodes):
        ours, theirs = match_kinds(ids, nodes)
        covers = bool((pd.Index(ours).get_indexer(theirs) >= 0).all())
        counts = theirs.dtype != object and theirs.min() >= 0 and theirs.max() < len(ids)
        if not covers and counts:
            return None
    return ids


def _is_feature_header(rows: list[list[str]], marks: NumberMarks) -> bool:
    if not rows:
        return False
    first = rows[0]
    if is_id_name(first[0]) or counts_columns(first) and not is_number(first[0]):
        return True
    words = not any(is_number(cell, marks) for cell in (first[1:] or first))
    return words or words_above_numbers(rows, marks)


def _is_label_header(rows: list[list[str]]) -> bool:
    if not rows:
        return False
    first = [plain_name(cell) for cell in rows[0]]
    if len(first) == 1:
        return first[0] in _LABEL_NAMES
    if first[0] and is_id_name(first[0]) or any(cell in _LABEL_NAMES for cell in first[1:]):
        return True
    if first[0] in _LABEL_NAMES and any(cell and is_id_name(cell) for cell in first[1:]):
        return True
    return words_above_numbers([row[:1] for row in rows])


def _npz_features(path: Path) -> np.ndarray | sp.csr_array:
    arrays = Arrays(path)
    matrix = arrays.matrix()
    if matrix is not None:
        return matrix
    if "attr_indptr" in arrays:
        return arrays.csr("attr_")
    return _the_array(arrays, FEATURE_KEYS, "features")


def _the_array(arrays: Arrays, keys: tuple[str, ...], what: str) -> np.ndarray:
    values = arrays.first(keys)
    if values is None and len(arrays.keys) == 1:
        values = arrays[arrays.keys[0]]
    if values is None:
        raise InputError(f"{arrays.path}: no array {what!r}, got {arrays.listed()}")
    return values
