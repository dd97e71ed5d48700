"""The enclosing subgraph: what is in it, and that extracting many is extracting each."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.recommend.igmc.subgraphs import RatingGraph, Subgraphs, extract, spans

# Rows are users, columns items; entries are levels + 1, so that 0 is no rating.
TINY = np.array(
    [
        [2, 1, 0, 3],
        [1, 0, 0, 2],
        [0, 3, 1, 0],
        [3, 0, 0, 0],
        [0, 0, 0, 0],
    ]
)


def graph_of(dense: np.ndarray, levels: int = 3) -> RatingGraph:
    matrix = sp.csr_matrix(dense)
    matrix.data = matrix.data - 1
    return RatingGraph.from_levels(matrix, levels)


def edges_of(found: Subgraphs, pair: int) -> set[tuple[int, int, int]]:
    """Edges of a subgraph as user, item, level of the graph."""
    users = found.user_ids[found.user_ptr[pair] : found.user_ptr[pair + 1]]
    items = found.item_ids[found.item_ptr[pair] : found.item_ptr[pair + 1]]
    part = slice(found.edge_ptr[pair], found.edge_ptr[pair + 1])
    rows = zip(found.edge_user[part], found.edge_item[part], found.edge_level[part], strict=True)
    return {(int(users[u]), int(items[i]), int(level)) for u, i, level in rows}


def brute_force(dense: np.ndarray, user: int, item: int) -> set[tuple[int, int, int]]:
    users = {user, *np.flatnonzero(dense[:, item]).tolist()}
    items = {item, *np.flatnonzero(dense[user]).tolist()}
    return {
        (u, i, int(dense[u, i]) - 1)
        for u in users
        for i in items
        if dense[u, i] and (u, i) != (user, item)
    }


def test_by_hand() -> None:
    """About user 0 and item 0: users 1 and 3 rated it, items 1 and 3 are the user's others."""
    found = extract(graph_of(TINY), np.array([0]), np.array([0]))
    assert found.user_ids.tolist() == [0, 1, 3]
    assert found.item_ids.tolist() == [0, 1, 3]
    assert edges_of(found, 0) == {(0, 1, 0), (0, 3, 2), (1, 0, 0), (3, 0, 2), (1, 3, 1)}


def test_the_pair_comes_first_and_its_rating_is_left_out() -> None:
    users, items = np.nonzero(TINY)
    found = extract(graph_of(TINY), users, items)
    for pair, (user, item) in enumerate(zip(users, items, strict=True)):
        assert found.user_ids[found.user_ptr[pair]] == user
        assert found.item_ids[found.item_ptr[pair]] == item
        assert not {(u, i) for u, i, _ in edges_of(found, pair)} & {(user, item)}


def test_a_pair_with_nothing_around_it() -> None:
    found = extract(graph_of(TINY), np.array([4]), np.array([2]))
    assert found.user_ids.tolist() == [4, 2] and found.item_ids.tolist() == [2]
    assert edges_of(found, 0) == {(2, 2, 0)}
    empty = extract(graph_of(np.zeros((2, 2), dtype=int)), np.array([0]), np.array([1]))
    assert len(empty) == 1 and len(empty.edge_level) == 0


def test_no_pairs() -> None:
    found = extract(graph_of(TINY), np.array([], dtype=int), np.array([], dtype=int))
    assert len(found) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.9))
def test_any_matrix(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 4, (7, 6)) * (rng.random((7, 6)) < density)
    users, items = rng.integers(0, 7, 12), rng.integers(0, 6, 12)
    found = extract(graph_of(dense), users, items)
    for pair in range(12):
        assert edges_of(found, pair) == brute_force(dense, users[pair], items[pair])


def test_edges_are_in_order_of_user_and_by_item_in_order_of_item() -> None:
    users, items = np.nonzero(TINY)
    found = extract(graph_of(TINY), users, items)
    for pair in range(len(users)):
        part = slice(found.edge_ptr[pair], found.edge_ptr[pair + 1])
        level = found.edge_level[part].astype(int)
        assert (np.diff(found.edge_user[part] * 3 + level) >= 0).all()
        turned = found.by_item[part]
        assert sorted(turned) == list(range(len(level)))
        assert (np.diff((found.edge_item[part] * 3 + level)[turned]) >= 0).all()


@pytest.mark.parametrize("most", [None, 2])
def test_many_are_each(most: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 4, (20, 15)) * (rng.random((20, 15)) < 0.4)
    users, items = rng.integers(0, 20, 30), rng.integers(0, 15, 30)
    graph = graph_of(dense)
    together = extract(graph, users, items, most, seed=3)
    for pair in range(30):
        alone = extract(graph, users[[pair]], items[[pair]], most, seed=3)
        assert edges_of(alone, 0) == edges_of(together, pair)
    # Nor does it matter how many are worked on at a time.
    monkeypatch.setattr("damrep.recommend.igmc.subgraphs._LOOKUPS", 40)
    for name, array in vars(extract(graph, users, items, most, seed=3)).items():
        np.testing.assert_array_equal(array, getattr(together, name))


def test_sampled_neighbours() -> None:
    dense = np.ones((30, 40), dtype=int)
    found = extract(graph_of(dense), np.arange(5), np.arange(5), max_neighbours=6, seed=1)
    assert np.diff(found.user_ptr).tolist() == [7] * 5
    assert np.diff(found.item_ptr).tolist() == [7] * 5
    assert np.diff(found.edge_ptr).tolist() == [48] * 5
    other = extract(graph_of(dense), np.arange(5), np.arange(5), max_neighbours=6, seed=2)
    assert not np.array_equal(found.user_ids, other.user_ids)


def test_a_sample_is_drawn_evenly() -> None:
    dense = np.ones((400, 10), dtype=int)
    users = np.arange(400)
    found = extract(graph_of(dense), users, np.zeros(400, dtype=int), max_neighbours=5)
    counts = np.bincount(found.item_ids, minlength=10)[1:]
    assert abs(counts - 400 * 5 / 9).max() < 60  # six standard deviations


def test_spans_of_nothing() -> None:
    positions, owners = spans(np.array([3, 4]), np.array([0, 0]))
    assert len(positions) == len(owners) == 0
