"""Link prediction: numbers by hand, and nothing that leaks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.links import link_placements, link_prediction, split_links
from damrep.graph.spread import Sample
from damrep.masking.validation import InputError
from tests.graph.samples import communities, random_adjacency

# -- ranking


def test_auc_and_precision_by_hand() -> None:
    # Angles of the nodes, so that the cosine of a pair is that of the angle between them; each
    # direction also appears reversed, so the mean is zero.
    angles = np.radians([0, 10, 40, 90])
    half = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    z = np.concatenate([half, -half])
    edges = [[0, 1], [1, 3]]  # 10 and 80 degrees apart
    others = [[1, 2], [0, 3]]  # 30 and 90
    auc, ap = link_prediction(z, np.array(edges + others))
    # Of the four comparisons the edge at 80 degrees loses the one against 30.
    assert auc == pytest.approx(3 / 4)
    # Ranked 10, 30, 80, 90: the precision is 1 at the first edge and 2/3 at the second.
    assert ap == pytest.approx((1 + 2 / 3) / 2)


@given(st.integers(0, 1000), st.integers(1, 8))
def test_auc_counts_the_pairs_in_the_right_order(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(9, 3))
    pairs = np.array([rng.choice(9, 2, replace=False) for _ in range(2 * k)])
    centred = z - z.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    scores = (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(axis=1)
    scores = np.round(scores, 12)
    wins = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, b in itertools.product(scores[:k], scores[k:])
    ]
    auc, ap = link_prediction(z, pairs)
    assert auc == pytest.approx(np.mean(wins), abs=0.01) and 0 < ap <= 1


def test_ranking_looks_at_directions_about_the_mean_only() -> None:
    rng = np.random.default_rng(0)
    z, pairs = rng.normal(size=(20, 4)), rng.permutation(20).reshape(10, 2)
    np.testing.assert_allclose(link_prediction(z, pairs), link_prediction(30 * z + 7, pairs))
    z[3] = z.mean(axis=0)
    assert np.isfinite(link_prediction(z, pairs)).all()


# -- splits of the edges


@settings(max_examples=40)
@given(st.integers(0, 500), st.integers(12, 30), st.booleans(), st.booleans())
def test_link_splits_do_not_leak(seed: int, n: int, directed: bool, weighted: bool) -> None:
    graph = build_graph(random_adjacency(n, seed, directed=directed, weighted=weighted))
    graph = graph.symmetrised()
    try:
        split = split_links(graph, seed)
    except InputError:
        assume(False)
    edges = {tuple(sorted(pair)) for pair in graph.edges().tolist() if pair[0] != pair[1]}
    left = {tuple(sorted(pair)) for pair in split.train.edges().tolist() if pair[0] != pair[1]}
    seen: set[tuple[int, ...]] = set()
    for pairs in (split.val, split.test):
        half = len(pairs) // 2
        held = {tuple(sorted(pair)) for pair in pairs[:half].tolist()}
        absent = {tuple(sorted(pair)) for pair in pairs[half:].tolist()}
        assert len(held) == len(absent) == half >= 1 and len(pairs) == 2 * half
        assert held <= edges and not absent & edges
        assert all(u != v for u, v in held | absent)
        assert not (held | absent) & seen
        seen |= held | absent
        # In neither direction is there an arc of theirs in the graph that is left.
        arcs = split.train.adjacency.toarray()
        assert not arcs[pairs[:, 0], pairs[:, 1]].any()
        assert not arcs[pairs[:, 1], pairs[:, 0]].any()
    assert left == edges - seen
    assert split.train.num_nodes == n and not split.train.directed


def test_arcs_held_out_are_told_by_the_nodes_they_make_alike() -> None:
    graph = build_graph(random_adjacency(60, 3, directed=True, weighted=False))
    split = split_links(graph, seed=0)
    assert split.train.directed
    before, after = (g.adjacency.toarray() > 0 for g in (graph, split.train))
    held = before & ~after
    # Arcs between the same nodes go together.
    assert not (held & (after.T & before)).any() and held.any()
    pairs = split.test[: len(split.test) // 2]
    for u, v in pairs:
        # One arc held out and one kept lead to the same node, or come from the same.
        to = (held[u] & after[v]) | (held[v] & after[u])
        since = (held[:, u] & after[:, v]) | (held[:, v] & after[:, u])
        assert to.any() or since.any()
    others = split.test[len(split.test) // 2 :]
    assert not before[others[:, 0], others[:, 1]].any()
    assert len(others) == len(pairs)


def test_the_shares_of_a_link_split() -> None:
    graph = communities(n=80)
    count = graph.num_edges
    split = split_links(graph, seed=0)
    assert len(split.val) == 2 * int(0.05 * count)
    assert len(split.test) == 2 * int(0.10 * count)
    assert split.train.num_edges == count - int(0.05 * count) - int(0.10 * count)


def test_weights_features_and_loops_stay() -> None:
    adjacency = random_adjacency(30, 1, directed=False, weighted=True)
    graph = build_graph(adjacency, np.random.default_rng(0).random((30, 3)))
    split = split_links(graph, seed=0)
    left, whole = split.train.adjacency.toarray(), graph.adjacency.toarray()
    np.testing.assert_array_equal(left[left > 0], whole[left > 0])
    np.testing.assert_array_equal(np.diag(left), np.diag(whole))
    np.testing.assert_array_equal(split.train.features, graph.features)


def test_the_seed_decides_the_link_split(global_rng_untouched: None) -> None:
    graph = communities(n=60)
    first, again, other = (split_links(graph, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.test, again.test)
    np.testing.assert_array_equal(first.val, again.val)
    assert not np.array_equal(first.test, other.test)


def test_no_node_is_favoured_among_the_pairs_without_an_edge() -> None:
    graph = communities(n=60)
    drawn = np.concatenate([split_links(graph, seed).test for seed in range(40)])
    ends = drawn.reshape(40, 2, -1, 2)[:, 1].ravel()
    counts = np.bincount(ends, minlength=60)
    # Each node has about the same number of non-neighbours.
    assert counts.min() > 0.4 * counts.mean() and counts.max() < 1.8 * counts.mean()


def test_too_few_edges_and_too_few_others() -> None:
    with pytest.raises(InputError, match="9 edges are too few"):
        split_links(build_graph(np.eye(10, k=1) + np.eye(10, k=-1)), seed=0)
    with pytest.raises(InputError, match="too dense"):
        split_links(build_graph(np.ones((20, 20)) - np.eye(20)), seed=0)


def test_loops_are_not_counted_among_the_edges_of_a_dense_graph() -> None:
    # 190 pairs, 160 edges: 8 + 16 held out, and 30 others to draw 24 from.
    u, v = np.triu_indices(20, 1)
    dense = np.eye(20)
    dense[u[:160], v[:160]] = dense[v[:160], u[:160]] = 1
    split = split_links(build_graph(dense), seed=0)
    assert len(split.test) == 32 and len(split.val) == 16


def test_graph_without_edges() -> None:
    empty: Graph = build_graph(np.zeros((5, 5)))
    with pytest.raises(InputError, match="0 edges"):
        split_links(empty, seed=0)


# -- how far it is chance


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 20), st.booleans())
def test_placements_have_the_area_as_their_mean(seed: int, k: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    z = rng.integers(-1, 2, (30, 2)) if ties else rng.normal(size=(30, 4))
    pairs = rng.integers(0, 30, (2 * k, 2))
    auc, _ = link_prediction(z, pairs)
    for placements in link_placements(z, pairs):
        assert placements.shape == (k,)
        assert placements.mean() == pytest.approx(auc, abs=1e-12)


def test_the_standard_error_is_that_of_many_draws() -> None:
    """DeLong's from one draw of pairs beside the spread of the area over fresh draws, to .4."""
    rng = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(300):
        angles = np.concatenate([rng.normal(0.6, 0.4, 25), rng.normal(1.0, 0.4, 25)])
        ends = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        # Every direction also reversed, so that the mean stays zero.
        z = np.concatenate([[[1.0, 0.0], [-1.0, 0.0]], ends, -ends])
        pairs = np.stack([np.zeros(50, dtype=int), np.arange(2, 52)], axis=1)
        sample = Sample(link_placements(z, pairs), over_splits=False)
        areas.append(sample.value)
        errors.append(sample.spread)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.4)
