"""The enclosing subgraph of a (user, item) pair: who else rated the item, what else the user rated.

IGMC predicts a rating from the ratings around it alone (Zhang and Chen, "Inductive Matrix
Completion Based on Graph Neural Networks", ICLR 2020, arXiv 1904.12058, algorithm 1, one hop). The
subgraph of (u, i) has the users who rated i and the items that u rated, with all ratings between
them, without the rating of i by u, which is what is to be predicted.

All pairs asked for are extracted together, by index arithmetic on flat arrays; there is no loop
over pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

__all__ = ["RatingGraph", "Subgraphs", "extract", "join", "spans"]

# Entries of the table that says where in a subgraph an item is, and ratings looked up in it, at a
# time: what bounds the memory of an extraction.
_TABLE = 1 << 24
_LOOKUPS = 1 << 22


@dataclass(frozen=True)
class RatingGraph:
    """Ratings by user and by item, each as a level from 0.

    Attributes
    ----------
    num_users, num_items, num_levels
        Sizes.
    user_ptr, user_items, user_levels : ndarray
        Items of user u and the levels of their ratings: positions user_ptr[u] to user_ptr[u + 1].
    item_ptr, item_users, item_levels : ndarray
        The same by item.

    Examples
    --------
    >>> levels = sp.csr_matrix(np.array([[1, 2], [0, 1]]))
    >>> graph = RatingGraph.from_levels(levels, num_levels=3)
    >>> graph.item_users.tolist(), graph.item_ptr.tolist()
    ([0, 0, 1], [0, 1, 3])
    """

    num_users: int
    num_items: int
    num_levels: int
    user_ptr: np.ndarray
    user_items: np.ndarray
    user_levels: np.ndarray
    item_ptr: np.ndarray
    item_users: np.ndarray
    item_levels: np.ndarray

    @cached_property
    def reach(self) -> np.ndarray:
        """Ratings of the users of each item, all together, shape (items,).

        An upper bound of what has to be looked up for a pair.
        """
        counts = np.diff(self.user_ptr)[self.item_users]
        return np.diff(_pointers(counts)[self.item_ptr])

    @classmethod
    def from_levels(cls, levels: sp.csr_matrix, num_levels: int) -> RatingGraph:
        """From a matrix (users, items) whose stored entries are levels, 0 among them.

        Parameters
        ----------
        levels
            Without duplicates; entries that are stored count, whatever their value.
        num_levels
            Number of levels there are.
        """
        rows = levels.tocsr()
        columns = rows.tocsc()
        level = np.min_scalar_type(max(num_levels - 1, 1))
        return cls(
            rows.shape[0],
            rows.shape[1],
            num_levels,
            rows.indptr.astype(np.int64),
            rows.indices.astype(np.int32),
            rows.data.astype(level),
            columns.indptr.astype(np.int64),
            columns.indices.astype(np.int32),
            columns.data.astype(level),
        )


@dataclass(frozen=True)
class Subgraphs:
    """Enclosing subgraphs of a number of pairs, one after another in flat arrays.

    Users and items of a subgraph are numbered from 0 each; user 0 and item 0 are the pair itself.
    An edge is a rating. Edges are in order of user, then level.

    Attributes
    ----------
    user_ptr, item_ptr, edge_ptr : ndarray, shape (pairs + 1,)
        Where the users, items and edges of a subgraph begin.
    user_ids, item_ids : ndarray
        Which user or item of the graph it is.
    edge_user, edge_item, edge_level : ndarray
        Numbers within the subgraph, and the level of the rating.
    by_item : ndarray
        Positions of a subgraph's edges in order of item, then level, counted within it.
    """

    user_ptr: np.ndarray
    item_ptr: np.ndarray
    edge_ptr: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    edge_user: np.ndarray
    edge_item: np.ndarray
    edge_level: np.ndarray
    by_item: np.ndarray

    def __len__(self) -> int:
        return len(self.edge_ptr) - 1

    @property
    def nbytes(self) -> int:
        """Memory the arrays take."""
        return sum(array.nbytes for array in vars(self).values())


def spans(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions start, start + 1, ... of each span, one after another, and whose they are.

    Examples
    --------
    >>> [array.tolist() for array in spans(np.array([5, 0]), np.array([2, 3]))]
    [[5, 6, 0, 1, 2], [0, 0, 1, 1, 1]]
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return np.arange(len(owner)) + (starts - first)[owner], owner


def extract(
    graph: RatingGraph,
    users: np.ndarray,
    items: np.ndarray,
    max_neighbours: int | None = None,
    seed: int = 0,
) -> Subgraphs:
    """Enclosing subgraphs of pairs.

    Parameters
    ----------
    graph
        The ratings.
    users, items
        Numbers of the pairs' users and items in the graph, shape (pairs,). A pair that has a
        rating is treated as if it had none.
    max_neighbours
        Users beside the one asked for, and items, a subgraph has at most; more are sampled. None
        keeps all.
    seed
        Of the sampling. A pair has the same sample whatever it is extracted with.

    Returns
    -------
    Subgraphs

    Examples
    --------
    User 0 rated items 0 and 1, user 1 rated both as well. About (0, 0) are user 1 and item 1.

    >>> graph = RatingGraph.from_levels(sp.csr_matrix(np.array([[1, 1], [1, 2]])), 3)
    >>> found = extract(graph, np.array([0]), np.array([0]))
    >>> edges = zip(found.edge_user, found.edge_item, found.edge_level)
    >>> [(int(user), int(item), int(level)) for user, item, level in edges]
    [(0, 1, 1), (1, 0, 1), (1, 1, 2)]
    """
    users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    parts = [
        _extract(graph, users[part], items[part], max_neighbours, seed)
        for part in _portions(graph, users, items)
    ]
    return parts[0] if len(parts) == 1 else join(parts)


def join(parts: list[Subgraphs]) -> Subgraphs:
    """One after another."""

    def joined(name: str) -> np.ndarray:
        arrays = [getattr(part, name) for part in parts]
        return np.concatenate(arrays)

    def pointers(name: str) -> np.ndarray:
        counts = [np.diff(getattr(part, name)) for part in parts]
        return _pointers(np.concatenate(counts))

    names = ("user_ids", "item_ids", "edge_user", "edge_item", "edge_level", "by_item")
    ptrs = (pointers(name) for name in ("user_ptr", "item_ptr", "edge_ptr"))
    return Subgraphs(*ptrs, *(joined(name) for name in names))


def _portions(graph: RatingGraph, users: np.ndarray, items: np.ndarray) -> Iterator[slice]:
    """Runs of pairs that are extracted at a time."""
    if not len(users):
        yield slice(0, 0)
        return
    pairs = max(1, _TABLE // graph.num_items)
    done = np.cumsum(graph.reach[items])
    start = 0
    while start < len(users):
        before = done[start - 1] if start else 0
        stop = int(np.searchsorted(done, before + _LOOKUPS, side="right"))
        stop = max(start + 1, min(stop, start + pairs))
        yield slice(start, stop)
        start = stop


def _pointers(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _neighbours(
    ptr: np.ndarray,
    ends: np.ndarray,
    at: np.ndarray,
    other: np.ndarray,
    most: int | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the neighbours of `at`, but for `other`, and to which pair they belong."""
    where, owner = spans(ptr[at], ptr[at + 1] - ptr[at])
    keep = ends[where] != other[owner]
    where, owner = where[keep], owner[keep]
    if most is None:
        return where, owner
    counts = np.bincount(owner, minlength=len(at))
    if not (counts > most).any():
        return where, owner
    # The same numbers for the same pair, whatever else is extracted: no stream of random numbers.
    draw = _mixed(_mixed(at * 0x1F123BB5 + other + seed)[owner] + ends[where].astype(np.uint64))
    order = np.lexsort((draw, owner))
    within = np.arange(len(order)) - (np.cumsum(counts) - counts)[owner[order]]
    chosen = np.sort(order[within < most])
    return where[chosen], owner[chosen]


def _mixed(values: np.ndarray) -> np.ndarray:
    """Numbers that look random (the finaliser of splitmix64)."""
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _extract(
    graph: RatingGraph, users: np.ndarray, items: np.ndarray, most: int | None, seed: int
) -> Subgraphs:
    pairs = len(users)
    at_items, of_item = _neighbours(
        graph.user_ptr, graph.user_items, users, items, most, seed
    )  # fmt: skip
    at_users, of_user = _neighbours(
        graph.item_ptr, graph.item_users, items, users, most, seed + 1
    )  # fmt: skip
    user_ptr = _pointers(np.bincount(of_user, minlength=pairs) + 1)
    item_ptr = _pointers(np.bincount(of_item, minlength=pairs) + 1)
    # Number 0 is the pair itself, so the others come one place later for each pair begun.
    user_at = np.arange(len(of_user)) + of_user + 1
    item_at = np.arange(len(of_item)) + of_item + 1
    user_ids = np.empty(user_ptr[-1], dtype=np.int32)
    item_ids = np.empty(item_ptr[-1], dtype=np.int32)
    user_ids[user_ptr[:-1]], item_ids[item_ptr[:-1]] = users, items
    user_ids[user_at], item_ids[item_at] = graph.item_users[at_users], graph.user_items[at_items]
    user_number, item_number = user_at - user_ptr[of_user], item_at - item_ptr[of_item]

    # Ratings of the other users, as far as they are of the other items.
    place = np.zeros(pairs * graph.num_items, dtype=np.int32)
    place[of_item * graph.num_items + graph.user_items[at_items]] = item_number
    others = graph.item_users[at_users]
    counts = graph.user_ptr[others + 1] - graph.user_ptr[others]
    rating, by = spans(graph.user_ptr[others], counts)
    number = place[of_user[by] * graph.num_items + graph.user_items[rating]]
    inside = np.flatnonzero(number)
    rating, by, number = rating[inside], by[inside], number[inside]

    owner = np.concatenate([of_item, of_user, of_user[by]])
    edge_user = np.concatenate([np.zeros(len(of_item), np.int64), user_number, user_number[by]])
    edge_item = np.concatenate([item_number, np.zeros(len(of_user), np.int64), number])
    level = np.concatenate(
        [graph.user_levels[at_items], graph.item_levels[at_users], graph.user_levels[rating]]
    )
    levels = graph.num_levels
    order = np.argsort((user_ptr[owner] + edge_user) * levels + level, kind="stable")
    owner, edge_user, edge_item = owner[order], edge_user[order], edge_item[order]
    level = level[order]
    edge_ptr = _pointers(np.bincount(owner, minlength=pairs))
    by_item = np.argsort((item_ptr[owner] + edge_item) * levels + level, kind="stable")
    by_item -= edge_ptr[owner]  # edges of a pair stay together, so their owners do as well
    return Subgraphs(
        user_ptr,
        item_ptr,
        edge_ptr,
        user_ids,
        item_ids,
        _small(edge_user),
        _small(edge_item),
        level,
        _small(by_item),
    )


def _small(numbers: np.ndarray) -> np.ndarray:
    """The same in as few bytes as hold them: there are many, and they are kept."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=1))))
