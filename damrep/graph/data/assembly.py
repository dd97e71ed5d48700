"""The last step of reading: a matrix, what came with it and what was given beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import symmetrise
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.data.node_tables import feature_table, label_table, take_features, take_labels

__all__ = ["assemble"]


def assemble(
    adjacency: sp.csr_array,
    node_ids: np.ndarray | None,
    own: dict[str, Any],
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    name: str | None = None,
) -> Graph:
    """A graph of a known matrix and whatever came with it.

    Parameters
    ----------
    adjacency : csr_array, shape (n, n)
        In canonical form.
    node_ids : ndarray, shape (n,), or None
        None: 0 .. n - 1.
    own : dict
        What the object itself brought, under "features", "feature_names", "labels",
        "label_names", "splits" and "name".
    features, labels, directed, name
        As for `as_graph`; they come before what is in `own`.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If the parts do not fit each other.
    """
    n = adjacency.shape[0]
    ids = np.arange(n, dtype=np.int64) if node_ids is None else node_ids
    values, names = own.get("features"), own.get("feature_names")
    if features is not None:
        values, names = take_features(feature_table(features), ids)
    classes, class_names = own.get("labels"), own.get("label_names")
    if labels is not None:
        classes, class_names = take_labels(label_table(labels), ids), None
    return build_graph(
        symmetrise(adjacency) if directed is False else adjacency,
        values,
        node_ids=ids,
        feature_names=names,
        labels=classes,
        label_names=class_names,
        splits=own.get("splits"),
        name=name or own.get("name") or "graph",
    )
