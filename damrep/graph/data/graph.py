"""The graph everything in `damrep.graph` works on, whatever it was read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import (
    canonical_adjacency,
    exact_symmetry,
    is_symmetric,
    symmetrise,
)
from damrep.graph.data.features import clean_features
from damrep.graph.data.labels import encode_labels
from damrep.graph.data.splits import checked_splits
from damrep.masking.printing import counted
from damrep.masking.validation import InputError
from damrep.reading.ids import clean_ids, require_unique

__all__ = ["Graph", "build_graph"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph in memory: adjacency, node features, ids and labels, checked once.

    Make one with `build_graph`, `damrep.graph.data.convert.as_graph` or
    `damrep.graph.data.files.read_graph`; the constructor itself checks nothing.

    Attributes
    ----------
    adjacency : scipy.sparse.csr_array, float32, shape (n, n)
        Entry ``[u, v]`` is the weight of the arc u -> v; sorted, without duplicates or zeros.
    features : ndarray or csr_array, float32, shape (n, d), or None
        Node features; sparse ones stay sparse.
    node_ids : ndarray, shape (n,)
        What the nodes were called: int64, or strings in an object array.
    labels : ndarray, (n,) int64 or (n, k) bool, or None
        Class numbers with -1 for unknown, or memberships where a node may have several labels.
    label_names : tuple of str, or None
        The name of each class.
    splits : dict or None
        Boolean masks under "train", "val", "test": (n,), or (n, s) for s different splits.
    directed : bool
        True if and only if the adjacency is not symmetric.
    feature_names : tuple of str, or None
        The name of each feature column, where the source had names.
    name : str
        Shown in reports.
    notes : tuple of str
        What the reader of a file took for what.

    Examples
    --------
    >>> import numpy as np
    >>> graph = build_graph(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), np.eye(3))
    >>> graph
    Graph('graph': 3 nodes, 2 edges, 3 features)
    >>> graph.directed, graph.is_weighted, graph.edges().tolist()
    (False, False, [[0, 1], [1, 2]])
    """

    adjacency: sp.csr_array
    features: np.ndarray | sp.csr_array | None
    node_ids: np.ndarray
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] | None = None
    splits: Mapping[str, np.ndarray] | None = None
    directed: bool = False
    feature_names: tuple[str, ...] | None = None
    name: str = "graph"
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Graph({self.name!r}: {self.described()})"

    def described(self) -> str:
        """Numbers of nodes, edges, features and classes, in words."""
        parts = [
            counted(self.num_nodes, "node", ""),
            counted(self.num_edges, "arc" if self.directed else "edge", ""),
            "no features" if self.features is None else counted(self.num_features, "feature", ""),
        ]
        if self.label_names is not None:
            noun = "label" if self.multi_label else "class"
            parts.append(counted(len(self.label_names), noun, ""))
        return ", ".join(parts)

    @property
    def num_nodes(self) -> int:
        """Number of nodes n, isolated ones included."""
        return int(self.adjacency.shape[0])

    @property
    def num_edges(self) -> int:
        """Arcs of a directed graph; edges of an undirected one, each counted once."""
        if self.directed:
            return int(self.adjacency.nnz)
        loops = int(np.count_nonzero(self.adjacency.diagonal()))
        return (int(self.adjacency.nnz) + loops) // 2

    @property
    def num_features(self) -> int:
        """Width d of the features; 0 without features."""
        return 0 if self.features is None else int(self.features.shape[1])

    @property
    def is_weighted(self) -> bool:
        """Whether any edge has a weight other than 1."""
        return bool((self.adjacency.data != 1).any())

    @property
    def has_self_loops(self) -> bool:
        """Whether an edge joins a node to itself."""
        return bool(self.adjacency.diagonal().any())

    @property
    def multi_label(self) -> bool:
        """Whether a node may have several labels at once."""
        return self.labels is not None and self.labels.ndim == 2

    def edges(self) -> np.ndarray:
        """Node positions of every edge.

        Returns
        -------
        ndarray of int64, shape (num_edges, 2)
            Every arc u, v of a directed graph; of an undirected one each edge once, u <= v. Sorted
            by u, then v.
        """
        arcs = self.adjacency.tocoo()
        pairs = np.stack([arcs.row, arcs.col], axis=1).astype(np.int64)
        return pairs if self.directed else pairs[pairs[:, 0] <= pairs[:, 1]]

    def symmetrised(self) -> Graph:
        """The same nodes with every arc made an undirected edge.

        Weights of opposite arcs are summed; an unweighted graph stays unweighted.
        """
        if not self.directed:
            return self
        return dataclasses.replace(self, adjacency=symmetrise(self.adjacency), directed=False)

    def with_features(self, features: Any, feature_names: Sequence[str] | None = None) -> Graph:
        """The same graph with other features.

        Parameters
        ----------
        features : array-like or scipy sparse, shape (n, d), or None
        feature_names : sequence of d str, optional

        Raises
        ------
        InputError
            If the shape does not fit or a value is not finite.
        """
        clean, names = clean_features(features, self.node_ids, feature_names)
        return dataclasses.replace(self, features=clean, feature_names=names)

    def with_labels(self, labels: Any, label_names: Sequence[str] | None = None) -> Graph:
        """The same graph with other labels.

        Parameters
        ----------
        labels : array-like, shape (n,) or (n, k), or None
            See `damrep.graph.data.labels.encode_labels`.
        label_names : sequence of str, optional

        Raises
        ------
        InputError
            If the number of labels is not the number of nodes, or they cannot be classes.
        """
        codes, names = None, None
        if labels is not None:
            codes, names = encode_labels(labels, self.num_nodes, label_names)
        return dataclasses.replace(self, labels=codes, label_names=names)

    def with_adjacency(self, adjacency: Any) -> Graph:
        """The same nodes joined by other edges.

        Parameters
        ----------
        adjacency : scipy sparse or ndarray, shape (n, n)

        Raises
        ------
        InputError
            If the shape does not fit or a weight is negative or not finite.
        """
        clean, directed = _checked_adjacency(adjacency)
        if clean.shape[0] != self.num_nodes:
            raise InputError(
                f"adjacency: got shape {clean.shape} for a graph of {self.num_nodes} nodes"
            )
        return dataclasses.replace(self, adjacency=clean, directed=directed)

    def without_edges(self, pairs: np.ndarray) -> Graph:
        """The same nodes without some of the edges.

        Parameters
        ----------
        pairs : ndarray of int, shape (m, 2)
            Node positions u, v as in `edges`. In an undirected graph both directions go; pairs
            that are no edge are passed over.

        Raises
        ------
        InputError
            If the shape is not (m, 2) or a position is not in the graph.

        Examples
        --------
        >>> import numpy as np
        >>> graph = build_graph(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
        >>> graph.without_edges(np.array([[2, 1]])).edges().tolist()
        [[0, 1]]
        """
        pairs = np.asarray(pairs)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise InputError(f"pairs: expected shape (m, 2), got {pairs.shape}")
        n = self.num_nodes
        if len(pairs) and (pairs.min() < 0 or pairs.max() >= n):
            raise InputError(f"pairs: expected node positions 0 .. {n - 1}, got {pairs.max()}")
        gone = pairs[:, 0].astype(np.int64) * n + pairs[:, 1]
        if not self.directed:
            gone = np.concatenate([gone, pairs[:, 1].astype(np.int64) * n + pairs[:, 0]])
        arcs = self.adjacency.tocoo()
        keep = ~np.isin(arcs.row.astype(np.int64) * n + arcs.col, gone)
        rest = sp.coo_array((arcs.data[keep], (arcs.row[keep], arcs.col[keep])), shape=(n, n))
        return self.with_adjacency(rest)

    def subgraph(self, nodes: np.ndarray) -> Graph:
        """The graph of some of the nodes and the edges between them.

        Parameters
        ----------
        nodes : ndarray
            Node positions (m,) without repeats, in the order wanted, or a boolean mask (n,).

        Raises
        ------
        InputError
            If no node is left, a position is outside the graph or named twice.
        """
        nodes = np.asarray(nodes)
        if nodes.dtype == bool:
            if nodes.shape != (self.num_nodes,):
                raise InputError(f"nodes: expected a mask of {self.num_nodes}, got {nodes.shape}")
            nodes = np.flatnonzero(nodes)
        if nodes.ndim != 1 or len(nodes) == 0 or len(np.unique(nodes)) != len(nodes):
            raise InputError("nodes: expected at least one node position, none of them twice")
        if nodes.min() < 0 or nodes.max() >= self.num_nodes:
            raise InputError(f"nodes: expected positions 0 .. {self.num_nodes - 1}")
        inner = canonical_adjacency(self.adjacency[nodes][:, nodes])
        # Leaving nodes out of a directed graph can leave a symmetric one.
        return dataclasses.replace(
            self,
            adjacency=inner,
            directed=self.directed and not is_symmetric(inner),
            features=None if self.features is None else self.features[nodes],
            node_ids=self.node_ids[nodes],
            labels=None if self.labels is None else self.labels[nodes],
            splits=None
            if self.splits is None
            else {key: mask[nodes] for key, mask in self.splits.items()},
        )


def build_graph(
    adjacency: Any,
    features: Any = None,
    *,
    node_ids: Any = None,
    feature_names: Sequence[str] | None = None,
    labels: Any = None,
    label_names: Sequence[str] | None = None,
    splits: Mapping[str, Any] | None = None,
    name: str = "graph",
) -> Graph:
    """Check the parts of a graph against each other and put them together.

    Parameters
    ----------
    adjacency : scipy sparse or ndarray, shape (n, n)
        Entry ``[u, v]`` is the weight (>= 0) of the arc u -> v. The graph is undirected where this
        matrix is symmetric.
    features : array-like or scipy sparse, shape (n, d), optional
    node_ids : array-like, shape (n,), optional
        Integers or strings, no two alike; 0 .. n - 1 if not given.
    feature_names : sequence of d str, optional
    labels : array-like, shape (n,) or (n, k), optional
        See `damrep.graph.data.labels.encode_labels`.
    label_names : sequence of str, optional
    splits : mapping, optional
        Boolean masks (n,) or (n, s) under some of "train", "val", "test".
    name : str

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If shapes disagree, a weight is negative or not finite, a feature is not finite, or an id
        comes twice. The message names the node and the column.
    TypeError
        If the adjacency or the features are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> build_graph(np.array([[0, 1], [0, 0]]), labels=["cat", "dog"], name="pair")
    Graph('pair': 2 nodes, 1 arc, no features, 2 classes)
    """
    matrix, directed = _checked_adjacency(adjacency)
    n = int(matrix.shape[0])
    ids = np.arange(n, dtype=np.int64) if node_ids is None else _checked_ids(node_ids, n)
    clean, names = clean_features(features, ids, feature_names)
    codes, classes = (None, None) if labels is None else encode_labels(labels, n, label_names)
    return Graph(
        adjacency=matrix,
        features=clean,
        node_ids=ids,
        labels=codes,
        label_names=classes,
        splits=checked_splits(splits, n),
        directed=directed,
        feature_names=names,
        name=name,
    )


def _checked_adjacency(adjacency: Any) -> tuple[sp.csr_array, bool]:
    matrix = canonical_adjacency(adjacency)
    exact = exact_symmetry(matrix)
    return (matrix, True) if exact is None else (exact, False)


def _checked_ids(node_ids: Any, n: int) -> np.ndarray:
    ids = clean_ids(node_ids, "node_ids")
    if len(ids) != n:
        raise InputError(f"node_ids: got {len(ids)} ids for {n} nodes")
    require_unique(ids, "node_ids")
    return ids
