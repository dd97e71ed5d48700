"""Batches of pairs are the same, cached or extracted anew."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch

from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.subgraphs import RatingGraph


def graph() -> RatingGraph:
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(rng.integers(1, 4, (20, 15)) * (rng.random((20, 15)) < 0.4))
    matrix.data = matrix.data - 1
    return RatingGraph.from_levels(matrix, 3)


def network() -> IGMCNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return IGMCNetwork(3, hidden=(8, 8))


def test_cached_or_not() -> None:
    users, items = np.arange(12), np.arange(12)
    rated = graph()
    cached = Pairs(rated, users, items, max_neighbours=3, seed=4)
    fresh = Pairs(rated, users, items, max_neighbours=3, seed=4, cache=0)
    assert cached._cached is not None and fresh._cached is None
    for size in (5, 12):
        told = cached.values("columns", network(), size)
        torch.testing.assert_close(fresh.values("columns", network(), size), told)
    assert told.shape == (12, 128)


def test_too_much_for_the_cache() -> None:
    assert Pairs(graph(), np.arange(12), np.arange(12), cache=1000)._cached is None


def test_some_of_the_pairs() -> None:
    users, items = np.arange(12), np.arange(12)
    which = np.array([7, 1, 4])
    for cache in (0, 1 << 20):
        pairs = Pairs(graph(), users, items, cache=cache)
        told = pairs.values("columns", network())
        torch.testing.assert_close(pairs.some(which).values("columns", network()), told[which])
        again = pairs.some(which).some(np.array([2, 0])).values("columns", network())
        torch.testing.assert_close(again, told[[4, 7]])
