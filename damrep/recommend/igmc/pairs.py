"""Batches of rated pairs with their subgraphs, cached if they fit, extracted when asked if not."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from damrep.recommend.igmc.batches import GraphBatch, collate
from damrep.recommend.igmc.subgraphs import RatingGraph, Subgraphs, extract

__all__ = ["Pairs"]

_CACHE = 1 << 30  # bytes of subgraphs kept
_TRIAL = 200  # pairs from which it is told how many bytes all will take


class Pairs:
    """Pairs of users and items, to be looked at through their subgraphs.

    Parameters
    ----------
    graph
        The ratings the subgraphs are made of.
    users, items
        Numbers in the graph, shape (pairs,).
    max_neighbours, seed
        See `extract`.
    aggregation
        See `collate`.
    cache
        Bytes of subgraphs to keep, at most; if there are more they are extracted for each batch
        anew, as always with 0.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> graph = RatingGraph.from_levels(sp.csr_matrix(np.array([[1, 1], [1, 2]])), 3)
    >>> pairs = Pairs(graph, np.array([0, 1]), np.array([0, 0]))
    >>> [len(batch) for batch, _ in pairs.batches(1)]
    [1, 1]
    """

    def __init__(
        self,
        graph: RatingGraph,
        users: np.ndarray,
        items: np.ndarray,
        max_neighbours: int | None = None,
        aggregation: str = "sum",
        seed: int = 0,
        cache: int = _CACHE,
    ) -> None:
        self._graph, self._users, self._items = graph, users, items
        self._most, self._aggregation, self._seed = max_neighbours, aggregation, seed
        self._cached: Subgraphs | None = None
        self._place = np.arange(len(users))
        if not cache:
            return
        some = np.linspace(0, max(len(users) - 1, 0), min(_TRIAL, len(users))).astype(np.int64)
        size = extract(graph, users[some], items[some], max_neighbours, seed).nbytes
        if size * len(users) <= cache * len(some):
            self._cached = extract(graph, users, items, max_neighbours, seed)

    def __len__(self) -> int:
        return len(self._users)

    def some(self, which: np.ndarray) -> Pairs:
        """Some of the pairs; what is cached is shared."""
        made = copy.copy(self)
        made._users, made._items = self._users[which], self._items[which]
        made._place = self._place[which]
        return made

    def batch(
        self, which: np.ndarray, dropout: float = 0.0, rng: np.random.Generator | None = None
    ) -> GraphBatch:
        """The subgraphs of some pairs together."""
        if self._cached is not None:
            found, at = self._cached, self._place[which]
        else:
            found = extract(
                self._graph, self._users[which], self._items[which], self._most, self._seed
            )
            at = np.arange(len(which))
        return collate(found, at, self._graph.num_levels, self._aggregation, dropout, rng)

    def batches(self, size: int) -> Iterator[tuple[GraphBatch, slice]]:
        """All pairs in their order, so many at a time, and which they are."""
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield self.batch(np.arange(part.start, part.stop)), part

    @torch.no_grad()
    def values(self, of: str, module: torch.nn.Module, size: int = 256) -> Tensor:
        """What a method of a network gives for all pairs, shape (pairs, ...), on the CPU."""
        device = next(module.parameters()).device
        method = getattr(module, of)
        parts = [method(batch.to(device)).cpu() for batch, _ in self.batches(size)]
        return torch.cat(parts)
