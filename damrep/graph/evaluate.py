"""How good an embedding is: a linear probe on labels, and link prediction on held-out edges."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from damrep.graph.data import Graph
from damrep.masking.validation import InputError

__all__ = [
    "LinkSplit",
    "ProbeResult",
    "label_split",
    "linear_probe",
    "link_prediction",
    "split_links",
]

# Inverse penalties tried, on an embedding whose total variance is one per class of a probe.
PENALTIES = tuple(float(4.0**k) for k in range(-4, 6))


@dataclass(frozen=True)
class ProbeResult:
    """Accuracy of a linear probe: the penalty was chosen on "val", "test" was looked at once.

    Parameters
    ----------
    accuracy
        On the test nodes; micro-averaged F1 where nodes have several labels.
    macro_f1
        On the test nodes.
    val_accuracy
        On the validation nodes.
    penalty
        The inverse penalty chosen.
    """

    accuracy: float
    macro_f1: float
    val_accuracy: float
    penalty: float


def label_split(
    graph: Graph, seed: int, shares: tuple[float, float] = (0.1, 0.1)
) -> dict[str, np.ndarray]:
    """The graph's own split, or a stratified random one of its labelled nodes.

    Parameters
    ----------
    graph
        With labels. Where it brings several splits, `seed` picks one.
    seed
        Of the random split.
    shares
        Of each class that go into "train" and "val", at least one node each; the rest is "test".

    Returns
    -------
    dict of bool arrays, shape (n,)

    Raises
    ------
    InputError
        If the graph has no labels.

    Examples
    --------
    >>> from damrep.graph.data import build_graph
    >>> graph = build_graph(np.eye(20), labels=[0] * 10 + [1] * 10)
    >>> {key: int(mask.sum()) for key, mask in label_split(graph, seed=0).items()}
    {'train': 2, 'val': 2, 'test': 16}
    """
    if graph.labels is None:
        raise InputError("graph: it has no labels to probe")
    if graph.splits is not None and {"train", "val", "test"} <= set(graph.splits):
        labelled = _labelled(graph)
        masks = {k: graph.splits[k] for k in ("train", "val", "test")}
        chosen = {k: m if m.ndim == 1 else m[:, seed % m.shape[1]] for k, m in masks.items()}
        return {k: m & labelled for k, m in chosen.items()}
    rng = np.random.default_rng(seed)
    result = {key: np.zeros(graph.num_nodes, dtype=bool) for key in ("train", "val", "test")}
    if graph.multi_label:
        groups = [np.flatnonzero(_labelled(graph))]
    else:
        groups = [np.flatnonzero(graph.labels == c) for c in np.unique(graph.labels) if c >= 0]
    for members in groups:
        order = rng.permutation(members)
        a = max(1, round(shares[0] * len(order)))
        b = a + max(1, round(shares[1] * len(order)))
        result["train"][order[:a]] = result["val"][order[a:b]] = True
        result["test"][order[b:]] = True
    return result


def linear_probe(
    embedding: np.ndarray, labels: np.ndarray, split: Mapping[str, np.ndarray]
) -> ProbeResult:
    """Logistic regression on a frozen embedding.

    The embedding is centred and multiplied by one number, so that the penalty means the same for
    every width and scale; the dimensions keep their sizes relative to each other.

    Parameters
    ----------
    embedding
        Shape (n, m).
    labels
        (n,) class numbers, or (n, k) memberships. With memberships, as many labels are predicted
        for a node as it has, the custom of the node-embedding literature.
    split
        Masks "train", "val", "test".

    Raises
    ------
    InputError
        If a part is empty or the training nodes are all of one class.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 50)
    >>> z = rng.normal(size=(100, 2)) + 4 * y[:, None]
    >>> parts = np.arange(100) % 3
    >>> split = {"train": parts == 0, "val": parts == 1, "test": parts == 2}
    >>> linear_probe(z, y, split).accuracy > 0.9
    True
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    for key in ("train", "val", "test"):
        if not split[key].any():
            raise InputError(f"probe: no labelled node in the {key!r} part of the split")
    z = np.asarray(embedding, dtype=np.float64)
    z = z - z.mean(axis=0)
    z = z * (4.0 / max(float(np.sqrt((z * z).sum(axis=1).mean())), 1e-300))
    several = labels.ndim == 2
    if not several and len(np.unique(labels[split["train"]])) < 2:
        raise InputError("probe: the training nodes are all of one class")

    best: tuple[float, float, Any] | None = None
    for penalty in PENALTIES:
        base = LogisticRegression(C=penalty, max_iter=500)
        model = OneVsRestClassifier(base) if several else base
        with warnings.catch_warnings():
            # At the weakest penalties separable classes never converge; validation decides.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(z[split["train"]], labels[split["train"]].astype(int))
        score = _score(model, z[split["val"]], labels[split["val"]])[0]
        if best is None or score > best[0]:
            best = (score, penalty, model)
    assert best is not None
    accuracy, macro = _score(best[2], z[split["test"]], labels[split["test"]])
    return ProbeResult(accuracy, macro, best[0], best[1])


@dataclass(frozen=True)
class LinkSplit:
    """A graph with a part of its edges taken out to be predicted.

    Parameters
    ----------
    train
        The graph that is left, all nodes kept.
    val, test
        Node pairs (k, 2), edges first, then as many pairs that are no edge.
    """

    train: Graph
    val: np.ndarray
    test: np.ndarray


def split_links(graph: Graph, seed: int, shares: tuple[float, float] = (0.05, 0.10)) -> LinkSplit:
    """Take out edges for validation and test: 85 / 5 / 10.

    Directed graphs are made undirected first; self-loops are never taken out.

    Parameters
    ----------
    graph
        Any; its features stay as they are.
    seed
        Of the edges taken out and of the pairs that are no edge.
    shares
        Of the edges that go into "val" and "test".

    Raises
    ------
    InputError
        If the graph has too few edges to hold one out for each part, or too few pairs without one.

    Examples
    --------
    >>> from damrep.graph.data import build_graph
    >>> path = build_graph(np.eye(41, k=1) + np.eye(41, k=-1))
    >>> split = split_links(path, seed=0)
    >>> split.train.num_edges, len(split.val), len(split.test)
    (34, 4, 8)
    """
    graph = graph.symmetrised()
    pairs = graph.edges()
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    count = len(pairs)
    val, test = int(shares[0] * count), int(shares[1] * count)
    if val < 1 or test < 1:
        raise InputError(f"graph: {count} edges are too few to hold some out for link prediction")
    rng = np.random.default_rng(seed)
    pairs = pairs[rng.permutation(count)]
    held, test_pairs = pairs[:val], pairs[val : val + test]
    absent = _non_edges(graph, val + test, rng)
    return LinkSplit(
        train=graph.without_edges(pairs[: val + test]),
        val=np.concatenate([held, absent[:val]]),
        test=np.concatenate([test_pairs, absent[val:]]),
    )


def link_prediction(embedding: np.ndarray, pairs: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and average precision of cosine similarity.

    Nothing is trained on the pairs: it is what nearest-neighbour search over the embedding sees.

    Parameters
    ----------
    embedding
        Shape (n, m), of the graph without the pairs' edges.
    pairs
        As in `LinkSplit`: first half edges, second half none.

    Examples
    --------
    >>> z = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0]])
    >>> link_prediction(z, np.array([[0, 1], [1, 2]]))
    (1.0, 1.0)
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    z = np.asarray(embedding, dtype=np.float64)
    z = z - z.mean(axis=0)
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    z = z / np.where(norms > 0, norms, 1.0)
    scores = np.einsum("ij,ij->i", z[pairs[:, 0]], z[pairs[:, 1]])
    truth = np.zeros(len(pairs), dtype=int)
    truth[: len(pairs) // 2] = 1
    return float(roc_auc_score(truth, scores)), float(average_precision_score(truth, scores))


def _labelled(graph: Graph) -> np.ndarray:
    assert graph.labels is not None
    mask = graph.labels.any(axis=1) if graph.multi_label else graph.labels >= 0
    return np.asarray(mask)


def _score(model: Any, z: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy (micro F1 for memberships) and macro F1."""
    from sklearn.metrics import f1_score

    if labels.ndim == 1:
        predicted = model.predict(z)
        macro = f1_score(labels, predicted, average="macro", zero_division=0)
        return float((predicted == labels).mean()), float(macro)
    ranks = np.argsort(np.argsort(-model.predict_proba(z), axis=1), axis=1)
    predicted = ranks < labels.sum(axis=1, keepdims=True)
    micro = f1_score(labels, predicted, average="micro", zero_division=0)
    return float(micro), float(f1_score(labels, predicted, average="macro", zero_division=0))


def _non_edges(graph: Graph, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pairs of different nodes without an edge, none twice."""
    n = graph.num_nodes
    arcs = graph.adjacency.tocoo()
    taken = np.unique(arcs.row.astype(np.int64) * n + arcs.col)
    edges = graph.edges()
    free = n * (n - 1) // 2 - int((edges[:, 0] != edges[:, 1]).sum())
    if free < count:
        raise InputError("graph: it is too dense to draw pairs without an edge")
    found = np.empty(0, dtype=np.int64)
    while len(found) < count:
        drawn = rng.integers(0, n, size=(2 * (count - len(found)) + 16, 2))
        u, v = drawn.min(axis=1), drawn.max(axis=1)
        keys = (u.astype(np.int64) * n + v)[u != v]
        keys = keys[~np.isin(keys, taken)]
        # In order of drawing: sorting would favour the first nodes when some are left over.
        _, first = np.unique(np.concatenate([found, keys]), return_index=True)
        found = np.concatenate([found, keys])[np.sort(first)]
    found = found[:count]
    return np.stack([found // n, found % n], axis=1)
