"""The linear probe: numbers by hand, and nothing that leaks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from damrep.graph import probe
from damrep.graph.data.graph import build_graph
from damrep.graph.probe import (
    PENALTIES,
    label_split,
    label_splits,
    linear_probe,
    why_no_classes,
)
from damrep.masking.validation import InputError


def thirds(n: int) -> dict[str, np.ndarray]:
    part = np.arange(n) % 3
    return {"train": part == 0, "val": part == 1, "test": part == 2}


def blobs(n: int = 90, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), n // classes)
    return rng.normal(size=(n, 2)) + 2 * np.eye(classes, 2)[labels], labels


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

    told = probe._predicted(Stub(), np.zeros((3, 1)), truth, np.ones(3, dtype=bool))
    # Predicted: {0, 2}, {1}, {0}. Right are 0 of the first and 1 of the second node.
    assert told.tolist() == [[True, False, True], [False, True, False], [True, False, False]]
    assert probe._accuracy(truth, told) == pytest.approx(2 * 2 / (4 + 4))


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


def test_which_nodes_are_told_right() -> None:
    z, labels = blobs()
    result = linear_probe(z, labels, thirds(90))
    assert result.right is not None and result.right.shape == (30,)
    assert result.right.mean() == pytest.approx(result.accuracy)
    assert linear_probe(z, np.eye(3, dtype=bool)[labels], thirds(90)).right is None


# -- several splits


@pytest.mark.parametrize(
    ("n", "count"), [(20, 10), (34, 10), (250, 10), (500, 5), (1000, 3), (5000, 3), (5010, 1)]
)
def test_small_graphs_are_split_several_times(n: int, count: int) -> None:
    graph = build_graph(sp.csr_array((n, n)), labels=np.arange(n) % 2)
    splits = label_splits(graph, seed=3)
    assert len(splits) == count
    np.testing.assert_array_equal(splits[0]["test"], label_split(graph, 3)["test"])
    assert len({split["train"].tobytes() for split in splits}) == count
    assert {tuple(mask.sum() for mask in split.values()) for split in splits} == {
        tuple(mask.sum() for mask in splits[0].values())
    }
    other = label_splits(graph, seed=4)
    assert not {s["train"].tobytes() for s in splits} & {s["train"].tobytes() for s in other}


def test_a_split_that_is_given_is_the_only_one() -> None:
    masks = {key: mask for key, mask in thirds(30).items()}
    graph = build_graph(np.eye(30), labels=np.arange(30) % 2, splits=masks)
    (split,) = label_splits(graph, seed=0)
    np.testing.assert_array_equal(split["test"], masks["test"])


# -- labels that are no classes


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["a"] * 9, "all 9 labelled nodes are of one class, 'a'"),
        ([7] * 8 + [-1], "all 8 labelled nodes are of one class, '7'"),
        ([f"n{i}" for i in range(9)], "each of the 9 labelled nodes has a label of its own"),
        (list(range(9)), "each of the 9 labelled nodes has a label of its own"),
        (
            [str(0.5 + i / 7) for i in range(9)],
            "they are 9 different numbers of 9 nodes, a quantity to predict and no classes",
        ),
        ([f"{i // 2}.5" for i in range(9)], "they are 5 different numbers of 9 nodes"),
        ([None] * 9, "no node has a label"),
        ([f"{i % 3}.5" for i in range(9)], None),
        (["a", "b", "c"] * 3, None),
        ([None] * 3 + ["a", "b", "a", "b", "a", "b"], None),
    ],
)
def test_why_labels_are_no_classes(labels: list[object], reason: str | None) -> None:
    found = why_no_classes(build_graph(np.eye(9), labels=labels))
    if reason is None:
        assert found is None
    else:
        assert found is not None and found.startswith(reason)
    assert why_no_classes(build_graph(np.eye(9))) is None
    assert why_no_classes(build_graph(np.eye(9), labels=np.eye(9, 3, dtype=int))) is None
