"""From a graph to what an encoder reads: scaled features and propagation matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.graph.data.features import column_order
from damrep.graph.data.graph import Graph
from damrep.graph.encoding.arcs import RoundTrips, arc_matrix, companions
from damrep.graph.encoding.propagation import SparseOperator, gcn_matrix, mean_matrix
from damrep.graph.encoding.structure import StructureBasis, fit_structure_basis, neighbours
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError
from damrep.reading.ids import only_count, shown

__all__ = ["FeaturePreparation", "GraphInputs", "fit_preparation"]

# Rows are scaled to this length. Where it stands relative to the weights' initial size sets how
# fast a contrastive encoder learns; at 1 it needs several times the epochs.
ROW_LENGTH = 5.0

# Below this share of non-zeros a sparse product is faster than a dense one (measured on 500 columns
# of TF-IDF, forward and backward).
_DENSE_FROM = 0.05


@dataclass(frozen=True)
class GraphInputs:
    """What an encoder and its objective read.

    Parameters
    ----------
    matrix
        csr_array (n, n): GCN propagation of the symmetrised graph.
    features
        Scaled, dense or csr, (n, d).
    adjacency
        csr_array (n, n), symmetrised, without self-loops.
    positions
        In the structure, (n, rank), strongest first; None where that was not learned.
    structural
        Whether the features are these.
    arcs
        csr_array (n, n): propagation along the arcs (`arc_matrix`), where their direction is used.
    """

    matrix: sp.csr_array
    features: Any
    adjacency: sp.csr_array
    positions: np.ndarray | None = None
    structural: bool = False
    arcs: sp.csr_array | None = None

    @property
    def ways(self) -> tuple[sp.csr_array, ...]:
        """The matrices that features are smoothed by: one, or along the arcs and against them."""
        return (self.matrix,) if self.arcs is None else (self.arcs, sp.csr_array(self.arcs.T))

    @property
    def alike(self) -> SparseOperator | RoundTrips:
        """Means over the nodes that one is to be like: neighbours, or `RoundTrips` over arcs."""
        return SparseOperator(self.matrix) if self.arcs is None else RoundTrips(self.arcs)

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return int(self.matrix.shape[0])

    @property
    def num_features(self) -> int:
        """Width of the features."""
        return int(self.features.shape[1])

    @property
    def entries(self) -> int:
        """Entries of the propagation matrix and of the features that are not zero."""
        features = self.features
        return int(self.matrix.nnz + (features.nnz if sp.issparse(features) else features.size))

    def edges(self) -> np.ndarray:
        """Pairs of neighbours, int64, (m, 2), each once and the lower node first."""
        arcs = self.adjacency.tocoo()
        upper = arcs.row < arcs.col
        return np.stack([arcs.row[upper], arcs.col[upper]], axis=1).astype(np.int64)

    def pairs(self, seed: int) -> np.ndarray:
        """Pairs of nodes that are to be alike, int64, (m, 2), each once and the lower node first.

        The edges; where direction is used, nodes that point to the same node or are pointed to by
        the same one, about one or two drawn an arc, or if there are none the arcs.
        """
        if self.arcs is None:
            return self.edges()
        arcs = sp.csr_array(self.arcs - sp.diags_array(self.arcs.diagonal()))
        arcs.eliminate_zeros()
        ends = np.stack(arcs.nonzero(), axis=1)
        drawn = np.sort(companions(arcs, ends, np.random.default_rng(seed)), axis=1)
        return np.unique(drawn, axis=0) if len(drawn) > 1 else self.edges()

    def operator(self, propagation: str) -> SparseOperator:
        """The matrix an encoder propagates with: "gcn" or "mean"."""
        if propagation == "gcn":
            return SparseOperator(self.matrix)
        return SparseOperator(mean_matrix(self.adjacency))

    def tensor(self) -> Tensor | SparseOperator:
        """The features for torch; sparse where that is faster."""
        if not sp.issparse(self.features):
            return torch.from_numpy(np.ascontiguousarray(self.features, dtype=np.float32))
        filled = self.features.nnz / max(1, self.features.shape[0] * self.features.shape[1])
        if filled < _DENSE_FROM:
            return SparseOperator(self.features)
        return torch.from_numpy(self.features.toarray().astype(np.float32))


@dataclass(frozen=True)
class FeaturePreparation:
    """How a model turns a graph's features into its inputs; learned once, saved with the model.

    Parameters
    ----------
    num_features
        Columns the graph's features must have; 0 where the structure is used instead.
    offset, scale
        Column mean and standard deviation where columns are standardised, else None.
    structure
        Where nodes stand in the graph fitted on: the features of a graph that has none. None for a
        graph with features and without edges, and of models that did not learn it.
    names
        Of the columns, where they had names.
    directed
        Whether the direction of arcs is used.
    """

    num_features: int
    offset: np.ndarray | None = None
    scale: np.ndarray | None = None
    structure: StructureBasis | None = None
    names: tuple[str, ...] | None = None
    directed: bool = False

    def prepare(self, graph: Graph, same: bool = False) -> GraphInputs:
        """Inputs of a graph.

        Parameters
        ----------
        graph
            The one fitted on, or one with such features.
        same
            Whether its ids are known to be those of the graph fitted on. Else ids that only count
            are taken for them where there are as many nodes.

        Raises
        ------
        InputError
            If the graph's features are not those the model was fitted on; or, without features, if
            none of its nodes was in the graph fitted on, so that there is nothing to refer to.
        """
        features = self.arrange(graph.features, graph.feature_names)
        positions = None
        if self.structure is not None:
            known = self.structure.knows_any(graph)
            if not self.num_features:
                if not known:
                    raise InputError(
                        "graph: none of its node ids was in the graph the model was fitted on, and "
                        "that had no features; fit on features to embed other graphs"
                    )
                features = positions = self.structure.transform(graph)
            else:
                count = len(self.structure.node_ids)
                # Ids that only count say nothing of another graph's nodes.
                known &= same or graph.num_nodes == count or not only_count(graph.node_ids)
                positions = np.zeros((graph.num_nodes, self.structure.axes.shape[1]), np.float32)
                if known:
                    positions = self.structure.transform(graph)
                else:
                    warn_of(
                        "graph: its nodes are not known from the graph the model was fitted on, "
                        "so they are described by their features alone"
                    )
        if self.offset is not None and self.scale is not None:
            dense = features.toarray() if sp.issparse(features) else features
            features = (dense - self.offset) / self.scale
        undirected = neighbours(graph)
        return GraphInputs(
            gcn_matrix(undirected),
            _scale_rows(features),
            undirected,
            positions,
            not self.num_features,
            arc_matrix(neighbours(graph, directed=True)) if self.directed else None,
        )

    def arrange(self, features: Any, names: tuple[str, ...] | None) -> Any:
        """Columns in the order of the fit: by name where both sides have names, else as they come.

        Parameters
        ----------
        features
            Dense or sparse, (n, columns), or None.
        names
            Of its columns.

        Raises
        ------
        InputError
            If a column of the fit is missing, or one is there that was not.
        """
        if features is not None and names is not None and self.names is not None:
            order = column_order(names, self.names)
            return features if order is None else features[:, order]
        columns = 0 if features is None else features.shape[1]
        if columns != self.num_features:
            had = self.num_features or "a graph without features"
            raise InputError(f"graph: it has {columns} features, the model was fitted on {had}")
        if (names is None) != (self.names is None):
            nameless, first = (
                ("these have no names", self.names)
                if names is None
                else ("the model was fitted on columns without names", names)
            )
            assert first is not None
            warn_of(
                f"features: {nameless}, so they are taken in their order, {shown(first[0])} first"
            )
        return features


def fit_preparation(graph: Graph, rank: int, seed: int, beside: int = 0) -> FeaturePreparation:
    """Decide how the features of a graph are scaled.

    Counts, indicators and hashes (more than half zeros) only have their rows scaled, and stay
    sparse. Measurements, each in a unit of its own, are standardised by column first. Constant
    columns are left at zero.

    Parameters
    ----------
    graph
        The graph to fit; of a directed one the direction is used.
    rank
        Width of the structural features, where the graph has none of its own.
    beside
        Their width beside features; 0 leaves them out.
    seed
        Of their decomposition.

    Raises
    ------
    InputError
        If there are neither features nor edges.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> edges = np.ones((3, 3)) - np.eye(3)
    >>> fit_preparation(build_graph(edges, np.eye(3)), rank=2, seed=0).offset is None
    True
    >>> fit_preparation(build_graph(edges, [[1.0], [3.0], [5.0]]), rank=2, seed=0).offset
    array([3.], dtype=float32)
    """
    features: Any = graph.features
    if features is None:
        places = fit_structure_basis(graph, rank, seed)
        return FeaturePreparation(0, structure=places, directed=graph.directed)
    n, d = features.shape
    if d == 0:
        raise InputError("features: expected at least one column, got none")
    values: Any = features.data if sp.issparse(features) else features
    structure = None
    names, directed = graph.feature_names, graph.directed
    if beside and graph.num_edges and neighbours(graph).nnz:
        structure = fit_structure_basis(graph, beside, seed)
    zeros = 1.0 - np.count_nonzero(values) / max(1, n * d)
    if zeros > 0.5:
        return FeaturePreparation(d, structure=structure, names=names, directed=directed)
    dense = (features.toarray() if sp.issparse(features) else features).astype(np.float64)
    spread = dense.std(axis=0)
    constant = spread <= 1e-9 * np.maximum(np.abs(dense).max(axis=0), 1e-300)
    spread[constant] = 1.0
    offset, scale = dense.mean(axis=0).astype(np.float32), spread.astype(np.float32)
    return FeaturePreparation(d, offset, scale, structure, names, directed)


def _scale_rows(features: Any) -> Any:
    """Every row of length ROW_LENGTH; zero rows stay zero."""
    # In double precision: squares of single ones overflow, and so does what undoes a tiny length.
    if sp.issparse(features):
        rows = np.repeat(np.arange(features.shape[0]), np.diff(features.indptr))
        values = features.data.astype(np.float64)
        norms = np.sqrt(np.bincount(rows, values * values, minlength=features.shape[0]))
        scaled = sp.csr_array(features, copy=True)
        scaled.data = (values * _factors(norms)[rows]).astype(np.float32)
        return scaled
    values = features.astype(np.float64)
    norms = np.linalg.norm(values, axis=1)
    return (values * _factors(norms)[:, None]).astype(np.float32)


def _factors(norms: np.ndarray) -> np.ndarray:
    return np.divide(ROW_LENGTH, norms, out=np.zeros_like(norms), where=norms > 0)
