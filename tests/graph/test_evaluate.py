"""Probe and link prediction: numbers by hand, and nothing that leaks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from damrep.graph import evaluate
from damrep.graph.data import Graph, build_graph
from damrep.graph.evaluate import (
    PENALTIES,
    label_split,
    linear_probe,
    link_prediction,
    split_links,
)
from damrep.masking.validation import InputError
from tests.graph.samples import communities, random_adjacency


def thirds(n: int) -> dict[str, np.ndarray]:
    part = np.arange(n) % 3
    return {"train": part == 0, "val": part == 1, "test": part == 2}


def blobs(n: int = 90, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), n // classes)
    return rng.normal(size=(n, 2)) + 2 * np.eye(classes, 2)[labels], labels


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


# -- the split of the labels


def test_a_random_split_takes_a_tenth_of_each_class() -> None:
    labels = np.array([0] * 50 + [1] * 20 + [2] * 4 + [-1] * 6)
    graph = build_graph(np.eye(80), labels=labels)
    split = label_split(graph, seed=0)
    counts = {key: np.bincount(labels[mask], minlength=3).tolist() for key, mask in split.items()}
    assert counts == {"train": [5, 2, 1], "val": [5, 2, 1], "test": [40, 16, 2]}
    assert (sum(mask.astype(int) for mask in split.values()) == (labels >= 0)).all()
    again, other = label_split(graph, seed=0), label_split(graph, seed=1)
    assert all(np.array_equal(split[key], again[key]) for key in split)
    assert not np.array_equal(split["test"], other["test"])


def test_the_graphs_own_splits_come_first() -> None:
    rng = np.random.default_rng(0)
    part = np.stack([rng.permutation(30) % 3 for _ in range(4)], axis=1)
    labels = np.arange(30) % 2
    labels[5] = -1
    masks = {key: part == i for i, key in enumerate(("train", "val", "test"))}
    graph = build_graph(np.eye(30), labels=labels, splits=masks)
    for seed in (0, 3, 5):
        split = label_split(graph, seed)
        for key, mask in split.items():
            expected = masks[key][:, seed % 4].copy()
            expected[5] = False
            np.testing.assert_array_equal(mask, expected)
    one = build_graph(np.eye(30), labels=labels, splits={k: m[:, 0] for k, m in masks.items()})
    np.testing.assert_array_equal(label_split(one, 9)["train"], label_split(graph, 0)["train"])


def test_a_part_of_a_split_is_no_split() -> None:
    graph = build_graph(np.eye(30), labels=np.arange(30) % 2, splits={"train": np.arange(30) < 9})
    assert label_split(graph, seed=0)["train"].sum() == 4


def test_several_labels_a_node_and_none() -> None:
    memberships = np.zeros((40, 3), dtype=int)
    memberships[:30, 0] = memberships[10:25, 1] = memberships[5:8, 2] = 1
    split = label_split(build_graph(np.eye(40), labels=memberships), seed=0)
    assert [int(split[key].sum()) for key in ("train", "val", "test")] == [3, 3, 24]
    assert not any(mask[30:].any() for mask in split.values())
    with pytest.raises(InputError, match="no labels"):
        label_split(build_graph(np.eye(4)), seed=0)


# -- the probe


def test_the_probe_is_logistic_regression_at_the_penalty_best_on_validation() -> None:
    z, labels = blobs()
    split = thirds(90)
    result = linear_probe(z, labels, split)
    centred = z - z.mean(axis=0)
    scaled = centred * 4 / np.sqrt((centred**2).sum(axis=1).mean())
    fits = [
        LogisticRegression(C=c, max_iter=500).fit(scaled[split["train"]], labels[split["train"]])
        for c in PENALTIES
    ]
    on_val = [fit.score(scaled[split["val"]], labels[split["val"]]) for fit in fits]
    best = int(np.argmax(on_val))
    assert result.penalty == PENALTIES[best] and result.val_accuracy == on_val[best]
    predicted = fits[best].predict(scaled[split["test"]])
    truth = labels[split["test"]]
    assert result.accuracy == (predicted == truth).mean() > 0.7
    assert result.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_test_labels_choose_nothing() -> None:
    z, labels = blobs()
    split = thirds(90)
    result = linear_probe(z, labels, split)
    scrambled = labels.copy()
    scrambled[split["test"]] = (labels[split["test"]] + 1) % 3
    other = linear_probe(z, scrambled, split)
    assert (other.penalty, other.val_accuracy) == (result.penalty, result.val_accuracy)
    assert other.accuracy < 0.4 < result.accuracy


def test_validation_labels_choose_the_penalty() -> None:
    # A strong penalty predicts the larger class, a weak one follows the only feature.
    z = np.array([[-1.0], [-1.0], [-1.0], [1.0], [1.0], [1.0], [-1.0]])
    labels = np.array([0, 0, 0, 1, 1, 0, 0])
    split = {
        "train": np.array([1, 1, 1, 1, 0, 0, 0], dtype=bool),
        "val": np.array([0, 0, 0, 0, 1, 0, 0], dtype=bool),
        "test": np.array([0, 0, 0, 0, 0, 1, 1], dtype=bool),
    }
    weak = linear_probe(z, labels, split)
    assert weak.val_accuracy == 1.0 and weak.accuracy == 0.5
    labels[4] = 0
    strong = linear_probe(z, labels, split)
    assert strong.val_accuracy == 1.0 and strong.accuracy == 1.0
    assert strong.penalty < weak.penalty


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
@settings(max_examples=10)
def test_scale_and_shift_of_the_embedding_do_not_matter(scale: float, shift: float) -> None:
    z, labels = blobs(n=60)
    split = thirds(60)
    assert linear_probe(scale * (z + shift), labels, split) == linear_probe(z, labels, split)


def test_a_constant_embedding_is_worth_the_larger_class() -> None:
    labels = np.array([0] * 60 + [1] * 30)
    result = linear_probe(np.ones((90, 2)), labels, thirds(90))
    assert result.accuracy == pytest.approx(2 / 3)


def test_several_labels_as_many_as_a_node_has_are_predicted() -> None:
    rng = np.random.default_rng(0)
    memberships = rng.random((120, 3)) < 0.4
    memberships[~memberships.any(axis=1), 0] = True
    z = memberships + 0.01 * rng.normal(size=(120, 3))
    result = linear_probe(z, memberships, thirds(120))
    assert result.accuracy == 1.0 and result.macro_f1 == 1.0
    noise = linear_probe(rng.normal(size=(120, 3)), memberships, thirds(120))
    # Two of five right: a share of what was predicted, and of what was there.
    assert 0.2 < noise.accuracy < 0.75


def test_micro_f1_by_hand() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    certain = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.1], [0.4, 0.3, 0.2]])

    class Stub:
        def predict_proba(self, z: np.ndarray) -> np.ndarray:
            return certain

    micro, macro = evaluate._score(Stub(), np.zeros((3, 1)), truth)
    # Predicted: {0, 2}, {1}, {0}. Right are 0 of the first and 1 of the second node.
    assert micro == pytest.approx(2 * 2 / (4 + 4))
    # By class: 0 has one right and one wrong, 1 one right and one missed, 2 none right.
    assert macro == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_splits_that_cannot_be_probed() -> None:
    z, labels = blobs()
    split = thirds(90)
    for key in split:
        with pytest.raises(InputError, match=f"'{key}'"):
            linear_probe(z, labels, {**split, key: np.zeros(90, dtype=bool)})
    with pytest.raises(InputError, match="one class"):
        linear_probe(z, labels, {**split, "train": labels == 1})


def test_probe_leaves_the_global_generator_alone(global_rng_untouched: None) -> None:
    z, labels = blobs()
    linear_probe(z, labels, thirds(90))


def test_graph_without_edges() -> None:
    empty: Graph = build_graph(np.zeros((5, 5)))
    with pytest.raises(InputError, match="0 edges"):
        split_links(empty, seed=0)
