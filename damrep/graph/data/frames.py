"""Features and labels in data frames of any library, as tables of a row a node."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.node_tables import NodeTable, feature_table, label_table
from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError
from damrep.reading.frames import (
    is_frame,
    is_series,
    to_pandas,
    vector_columns,
    vector_matrix,
)
from damrep.reading.ids import clean_ids

with postponed("pandas"):
    import pandas as pd

__all__ = ["feature_rows", "label_rows"]


def feature_rows(features: Any) -> NodeTable:
    """Features in any form as a table of a row a node.

    Columns have names where a frame's are all strings, as in scikit-learn.

    Parameters
    ----------
    features : array-like, tensor, scipy sparse matrix, frame or series

    Raises
    ------
    InputError
        If a column of a frame holds something that is not a number, naming node and column.

    Examples
    --------
    >>> feature_rows(pd.DataFrame({"age": [3.0]}, index=["ann"])).names
    ('age',)
    >>> feature_rows(pd.DataFrame([[3.0, 4.0]])).names is None
    True
    """
    features = _of_pandas(features)
    if isinstance(features, pd.Series):
        features = features.to_frame()
    lists = vector_columns(features) if isinstance(features, pd.DataFrame) else []
    if lists:
        return _vectors(features, lists)
    table = feature_table(features)
    if isinstance(features, pd.DataFrame) and table.names is not None:
        values = features.columns[len(features.columns) - len(table.names) :]
        if not all(isinstance(name, str) for name in values):
            return NodeTable(table.values, table.ids, None, table.where)
    return table


def _vectors(frame: pd.DataFrame, lists: Sequence[Hashable]) -> NodeTable:
    """Features of a frame that holds them as one column of vectors."""
    where = f"features: column {lists[0]!r}"
    others = [name for name in frame.columns if name != lists[0]]
    if len(others) > 1:
        raise InputError(
            f"{where} holds vectors, beside {len(others)} other columns; expected the ids of the "
            "nodes and the vectors alone"
        )
    ids = frame[others[0]] if others else pd.Series(frame.index)
    return NodeTable(vector_matrix(frame, lists[0], where), clean_ids(ids, "features"))


def label_rows(labels: Any) -> NodeTable:
    """Labels in any form as a table of a row a node.

    Parameters
    ----------
    labels : array-like, tensor, dict, frame or series

    Examples
    --------
    >>> label_rows({"ann": "a"}).ids.tolist()
    ['ann']
    """
    return label_table(_of_pandas(labels))


def _of_pandas(value: Any) -> Any:
    """A frame as one of pandas, a series of another library as an array; the rest unchanged."""
    plain = (pd.DataFrame, pd.Series, np.ndarray, NodeTable, list, dict)
    if isinstance(value, plain) or sp.issparse(value):
        return value
    if is_frame(value):
        return to_pandas(value)
    # Only those of pandas have an index, which names their rows.
    return to_pandas(value).to_numpy() if is_series(value) else value
