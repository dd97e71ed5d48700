"""The nodes a model was fitted on, and new nodes and edges joined to them.

A list of a few new edges says nothing of where the old nodes at their ends belong: embedded by
itself, it moves them. Joined to the graph fitted on, it moves them by no more than what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import canonical_adjacency
from damrep.graph.data.features import clean_features
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.data.node_tables import NodeTable
from damrep.graph.encoding.structure import neighbours, positions_among
from damrep.lazy_imports import postponed
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError
from damrep.reading.ids import match_kinds, only_count, require_unique, shown

with postponed("pandas"):
    import pandas as pd

__all__ = ["KEPT_BYTES", "FittedNodes", "Joined"]

# A graph below this goes with its model unless that is asked for or ruled out.
KEPT_BYTES = 64 * 2**20

Arrange = Callable[[Any, tuple[str, ...] | None], Any]


@dataclass(frozen=True)
class Joined:
    """A graph fitted on with others' nodes and edges joined to it.

    Parameters
    ----------
    graph
        All nodes, those fitted on first.
    rows
        Positions in it of the nodes that were joined, (m,).
    node_ids
        What these were called, (m,).
    """

    graph: Graph
    rows: np.ndarray
    node_ids: np.ndarray


@dataclass(frozen=True)
class FittedNodes:
    """The nodes a model was fitted on: their ids and, where it is kept, their graph.

    Parameters
    ----------
    node_ids
        Shape (n,); of a model saved before ids were, (0,).
    graph
        Without self-loops, directed only where that is used, with the features as they were given;
        or None.
    """

    node_ids: np.ndarray
    graph: Graph | None = None

    @staticmethod
    def of(graph: Graph, keep: bool | str) -> FittedNodes:
        """What to keep of a graph just fitted on.

        Parameters
        ----------
        graph
            As it was fitted, directed only where that is used.
        keep
            True, False, or "auto": where it takes no more than `KEPT_BYTES`.

        Examples
        --------
        >>> pair = build_graph(np.array([[0, 1], [1, 0]]))
        >>> FittedNodes.of(pair, keep="auto").described
        'ids, edges (0.0 MB)'
        """
        kept = Graph(
            neighbours(graph, graph.directed), graph.features, graph.node_ids,
            directed=graph.directed, feature_names=graph.feature_names, name=graph.name,
        )  # fmt: skip
        nodes = FittedNodes(graph.node_ids, kept)
        if keep is True or (keep == "auto" and nodes.size <= KEPT_BYTES):
            return nodes
        return FittedNodes(graph.node_ids)

    @property
    def size(self) -> int:
        """Bytes of the edges and features that are kept."""
        if self.graph is None:
            return 0
        matrices = [self.graph.adjacency, self.graph.features]
        return sum(
            part.nbytes
            for matrix in matrices
            if matrix is not None
            for part in (
                (matrix.data, matrix.indices, matrix.indptr) if sp.issparse(matrix) else (matrix,)
            )
        )

    @property
    def described(self) -> str:
        """What of the graph is kept, in words."""
        if self.graph is None:
            return "ids"
        what = "ids, edges" if self.graph.features is None else "ids, edges, features"
        return f"{what} ({self.size / 1e6:,.1f} MB)"

    def known(self, node_ids: np.ndarray) -> np.ndarray:
        """Which of some nodes are among those fitted on: bool, shape (m,).

        Examples
        --------
        >>> FittedNodes(np.array([3, 5])).known(np.array(["5", "x"], dtype=object)).tolist()
        [True, False]
        """
        return np.asarray(positions_among(node_ids, self.node_ids) >= 0)

    def expects(self, graph: Graph) -> bool:
        """Whether a graph looks like something to be joined, rather than one of its own.

        It names some nodes of the graph fitted on, but fewer than half of them, and its ids are
        names and do not only count its nodes.
        """
        shared = int(self.known(graph.node_ids).sum())
        few = 0 < 2 * shared < len(self.node_ids)
        return self.graph is not None and few and not only_count(graph.node_ids)

    def note_on(self, graph: Graph) -> str | None:
        """What to say where a graph is embedded by itself and shares nodes with that fitted on.

        None where its ids only count its nodes, or it has all edges that the shared nodes had.
        """
        place = positions_among(graph.node_ids, self.node_ids)
        shared = place >= 0
        count = int(shared.sum())
        if not count or only_count(graph.node_ids):
            return None
        if self.graph is None:
            if 2 * count >= len(self.node_ids):
                return None
            return (
                f"{count:,} of the {len(place):,} nodes are of the graph fitted on, which the "
                "model does not keep; they are embedded from these edges alone, so their "
                "coordinates are not those of the fit"
            )
        here, there = (_degrees(self._edges_of(g)) for g in (graph, self.graph))
        fewer = int((here[shared] < there[place[shared]]).sum())
        if not fewer:
            return None
        return (
            f"{fewer:,} of the {count:,} nodes shared with the graph fitted on have fewer edges "
            "here than there, so their coordinates are not those of the fit; join=True (--join) "
            "adds these edges to that graph"
        )

    def _edges_of(self, graph: Graph) -> sp.csr_array:
        """Another's edges, as those of the graph kept are."""
        assert self.graph is not None
        return neighbours(graph, self.graph.directed)

    def join(self, part: Graph, features: NodeTable | None, arrange: Arrange) -> Joined:
        """The graph fitted on, with another's nodes and edges added.

        An edge that is there already takes the weight it has in `part`; features of a node that is
        there already take the place of its own.

        Parameters
        ----------
        part
            New edges, between new nodes and old ones.
        features
            Of the new nodes, and of old ones where they have changed; in the place of those that
            `part` brings. Without ids: of the nodes of `part`, in their order.
        arrange
            Brings columns into the order of the fit.

        Raises
        ------
        InputError
            If the graph was not kept, a new node has no features, or a model without features
            knows none of the nodes.
        """
        if self.graph is None:
            raise InputError(
                "join=True: the model does not keep the graph it was fitted on; fit with "
                "keep_graph=True (--keep-graph)"
            )
        if features is None and part.features is not None:
            features = NodeTable(part.features, part.node_ids, part.feature_names, "graph")
        own, rows = _with_rows(part, features)
        kept_ids, own = match_kinds(self.graph.node_ids, own)
        place = pd.Index(kept_ids).get_indexer(own).astype(np.int64)
        new = place < 0
        place[new] = len(kept_ids) + np.arange(new.sum())
        values, names = self.graph.features, self.graph.feature_names
        if values is not None or features is not None:
            values = self._features(features, own, place, rows, arrange)
        self._notes(part, new[: part.num_nodes], values is None)
        count = len(kept_ids) + int(new.sum())
        whole = build_graph(
            _united(self.graph.adjacency, self._edges_of(part), place[: part.num_nodes], count),
            values,
            node_ids=np.concatenate([kept_ids, own[new]]),
            feature_names=names,
            name=part.name,
        )
        # Old nodes that only their features name have not been asked for.
        asked = new | (np.arange(len(own)) < part.num_nodes)
        return Joined(whole, place[asked], own[asked])

    def _features(
        self,
        table: NodeTable | None,
        own: np.ndarray,
        place: np.ndarray,
        rows: np.ndarray,
        arrange: Arrange,
    ) -> Any:
        assert self.graph is not None
        kept = self.graph.features
        k = self.graph.num_nodes
        lost = (place >= k) & (rows < 0)
        if lost.any() and kept is not None:
            raise InputError(
                f"features: node {shown(own[int(np.argmax(lost))])} is new and has no features "
                f"(so {int(lost.sum()):,} of {int((place >= k).sum()):,} new nodes)"
            )
        if table is None:
            return kept
        given, names = clean_features(table.values, _ids_of(table, own), table.names, table.where)
        given = arrange(given, names)
        if kept is None:  # what was given for nothing, `arrange` has refused
            return given
        stacked: Any
        if sp.issparse(kept):
            stacked = sp.csr_array(sp.vstack([kept, sp.csr_array(given)]))
        else:
            stacked = np.vstack([kept, given.toarray() if sp.issparse(given) else given])
        pick = np.arange(max(k, int(place.max(initial=-1)) + 1))
        found = rows >= 0
        pick[place[found]] = k + rows[found]
        old = np.flatnonzero(pick[:k] != np.arange(k))
        changed = abs(stacked[pick[old]] - stacked[old]).sum(axis=1) > 0
        if changed.any():
            warn_of(
                f"features: {int(changed.sum()):,} nodes of the graph fitted on have other "
                f"features here, e.g. {shown(self.graph.node_ids[old[int(np.argmax(changed))]])}; "
                "these are used"
            )
        return stacked[pick]

    def _notes(self, part: Graph, new: np.ndarray, structure: bool) -> None:
        """Say what a reader of the embedding should know of the nodes of `part`."""
        assert self.graph is not None
        if new.all() and structure:
            raise InputError(
                f"graph: none of its {len(new):,} nodes is in the graph the model was fitted on, "
                "and that had no features, so nothing tells where they belong; expected edges to "
                "nodes of that graph"
            )
        if new.all():
            warn_of(
                f"none of the {len(new):,} nodes is in the graph fitted on, so nothing is joined"
            )
        elif structure:
            from scipy.sparse.csgraph import connected_components

            _, component = connected_components(neighbours(part), directed=False)
            apart = ~np.isin(component, component[~new])
            if apart.any():
                warn_of(
                    f"{int(apart.sum()):,} of the {int(new.sum()):,} new nodes have no path to a "
                    "node of the graph fitted on, so nothing is known of them"
                )
        weights = [graph.is_weighted for graph in (self.graph, part)]
        if weights[0] != weights[1] and part.num_edges:
            warn_of(
                "the edges fitted on have weights and these have none: each of these counts 1"
                if weights[0]
                else "the edges fitted on had no weights and count 1 beside these, which have some"
            )


def _degrees(edges: sp.csr_array) -> np.ndarray:
    return np.diff(edges.indptr) + np.bincount(edges.indices, minlength=edges.shape[0])


def _ids_of(table: NodeTable, own: np.ndarray) -> np.ndarray:
    return own[: len(table)] if table.ids is None else table.ids


def _with_rows(part: Graph, table: NodeTable | None) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the nodes of edges and features, those of the edges first; their rows, or -1."""
    if table is None:
        return part.node_ids, np.full(part.num_nodes, -1)
    if table.ids is None:
        if len(table) != part.num_nodes:
            raise InputError(
                f"{table.where}: got {len(table)} rows without ids for {part.num_nodes} nodes"
            )
        return part.node_ids, np.arange(part.num_nodes)
    require_unique(table.ids, table.where)
    mine, theirs = match_kinds(part.node_ids, table.ids)
    more = theirs[pd.Index(mine).get_indexer(theirs) < 0]
    own = np.concatenate([mine, more])
    return own, pd.Index(theirs).get_indexer(own).astype(np.int64)


def _united(kept: sp.csr_array, added: sp.csr_array, place: np.ndarray, count: int) -> sp.csr_array:
    """Both graphs' edges between `count` nodes, `added` being right where both have one."""
    arcs = added.tocoo()
    over = sp.csr_array((arcs.data, (place[arcs.row], place[arcs.col])), shape=(count, count))
    under = sp.csr_array(kept, copy=True)
    under.resize(count, count)
    there = over.copy()
    there.data[:] = 1.0
    return canonical_adjacency(under - under.multiply(there) + over)
