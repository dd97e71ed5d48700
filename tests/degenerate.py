"""Data in which moments lose rank or single precision runs out, for every estimator to fit.

Rows and columns that are copies of others, empty or constant ones, values far from 1: each leaves
directions in which nothing lies. `spoilt` makes them of sound data, of any kind an estimator takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from damrep.graph.data.graph import Graph, build_graph

__all__ = ["Spoiling", "spoilings", "spoilt"]


@dataclass(frozen=True)
class Spoiling:
    """What is done to data; counts are of rows, and of columns."""

    copied: tuple[int, int] = (0, 0)
    emptied: tuple[int, int] = (0, 0)
    constant: int = 0
    scale: float = 1.0
    dtype: type[np.floating[Any]] = np.float64

    def dense(self, values: np.ndarray) -> np.ndarray:
        """Values of a table, shape (n, d)."""
        values = np.array(values, dtype=np.float64)
        self._spoil(values)
        if self.constant:
            values[:, -self.constant :] = 3.0
        return (values * self.scale).astype(self.dtype)

    def entries(self, matrix: sp.csr_matrix) -> sp.csr_matrix:
        """Ratings or interactions; an emptied row has none."""
        values = matrix.toarray()
        self._spoil(values)
        out = sp.csr_matrix(values)
        out.data = (out.data * self.scale).astype(self.dtype)
        return out

    def graph(self, graph: Graph) -> Graph:
        """Nodes copied with their edges, nodes without edges; features as those of a table."""
        arcs = graph.adjacency.toarray().astype(np.float64)
        rows = Spoiling(copied=(self.copied[0], 0), emptied=(self.emptied[0], 0))
        rows._spoil(arcs)
        rows._spoil(arcs.T)
        features = None if graph.features is None else self.dense(graph.features)
        return build_graph(arcs * self.scale, features, labels=graph.labels)

    def _spoil(self, values: np.ndarray) -> None:
        for side, copied, emptied in zip(
            (values, values.T), self.copied, self.emptied, strict=True
        ):
            side[:copied] = side[copied]
            side[len(side) // 2 : len(side) // 2 + emptied] = 0.0


def spoilt(data: Any, how: Spoiling) -> Any:
    """Sound data, spoilt: an array, a sparse matrix or a graph."""
    if isinstance(data, Graph):
        return how.graph(data)
    return how.entries(data) if sp.issparse(data) else how.dense(data)


_COUNTS = st.tuples(st.integers(0, 6), st.integers(0, 4))
spoilings = st.builds(
    Spoiling,
    copied=_COUNTS,
    emptied=_COUNTS,
    constant=st.integers(0, 3),
    scale=st.sampled_from([1e-12, 1e-6, 1.0, 1e6, 1e12]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
