"""Data frames of any library (polars, Arrow, DuckDB, ...), as the pandas ones graphs are read from.

narwhals says what is a frame; what is none comes back as it was.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from damrep.graph.node_tables import NodeTable, feature_table, label_table

__all__ = ["as_pandas", "feature_rows", "label_rows"]


def as_pandas(value: Any) -> Any:
    """A frame of any library as a pandas one; a series as an array; anything else unchanged.

    Parameters
    ----------
    value : object
        A lazy frame is collected. A pandas series stays, since its index names its rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> as_pandas(pa.table({"from": ["ann"], "to": ["bob"]})).columns.tolist()
    ['from', 'to']
    >>> as_pandas(3)
    3
    """
    if isinstance(value, (pd.DataFrame, pd.Series, np.ndarray, NodeTable)) or sp.issparse(value):
        return value
    import narwhals as nw

    known = nw.from_native(value, allow_series=True, pass_through=True)
    if isinstance(known, nw.LazyFrame):
        known = known.collect()
    if isinstance(known, nw.DataFrame):
        return known.to_pandas()
    return known.to_numpy() if isinstance(known, nw.Series) else value


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
    features = as_pandas(features)
    if isinstance(features, pd.Series):
        features = features.to_frame()
    table = feature_table(features)
    if isinstance(features, pd.DataFrame) and table.names is not None:
        values = features.columns[len(features.columns) - len(table.names) :]
        if not all(isinstance(name, str) for name in values):
            return NodeTable(table.values, table.ids, None, table.where)
    return table


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
    return label_table(as_pandas(labels))
