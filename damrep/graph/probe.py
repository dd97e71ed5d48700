"""How much an embedding knows of labels: a linear probe, on one split or several."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from damrep.graph.data.graph import Graph
from damrep.masking.validation import InputError
from damrep.reading.ids import shown

__all__ = [
    "ProbeResult",
    "label_split",
    "label_splits",
    "linear_probe",
    "why_no_classes",
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
    right
        Which test nodes were told right, bool; None where nodes have several labels.
    """

    accuracy: float
    macro_f1: float
    val_accuracy: float
    penalty: float
    right: np.ndarray | None = field(default=None, compare=False)


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
    >>> from damrep.graph.data.graph import build_graph
    >>> graph = build_graph(np.eye(20), labels=[0] * 10 + [1] * 10)
    >>> {key: int(mask.sum()) for key, mask in label_split(graph, seed=0).items()}
    {'train': 2, 'val': 2, 'test': 16}
    """
    if graph.labels is None:
        raise InputError("graph: it has no labels to probe")
    if graph.splits is not None and _own_split(graph):
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


def label_splits(graph: Graph, seed: int) -> list[dict[str, np.ndarray]]:
    """As many random splits as a small graph needs; the one there is where a graph brings it.

    A tenth of 34 nodes to train on is four, and which four they are decides more than the
    embedding. Up to 5,000 labelled nodes there are 3 to 10 splits, so that 2,000 nodes are tested.

    Parameters
    ----------
    graph
        With labels.
    seed
        Of the first split, which is that of `label_split`, and of the others.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> len(label_splits(build_graph(np.eye(20), labels=[0, 1] * 10), seed=0))
    10
    """
    first = label_split(graph, seed)
    labelled = int(_labelled(graph).sum())
    if _own_split(graph) or labelled > 5_000:
        return [first]
    count = min(10, max(3, -(-2_500 // max(labelled, 1))))
    # Seeds that no run beside this one starts from.
    return [first, *(label_split(graph, seed + (place << 32)) for place in range(1, count))]


def why_no_classes(graph: Graph) -> str | None:
    """Why a graph's labels cannot be probed as classes; None where they can be, or there are none.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> why_no_classes(build_graph(np.eye(3), labels=["a", "a", "a"]))
    "all 3 labelled nodes are of one class, 'a'"
    >>> why_no_classes(build_graph(np.eye(3), labels=["x1", "x2", "x3"]))
    'each of the 3 labelled nodes has a label of its own'
    """
    if graph.labels is None or graph.label_names is None:
        return None
    labelled = int(_labelled(graph).sum())
    if not labelled:
        return "no node has a label"
    if graph.multi_label:
        return None
    sizes = np.bincount(graph.labels[graph.labels >= 0], minlength=len(graph.label_names))
    found = [name for name, size in zip(graph.label_names, sizes, strict=True) if size]
    if len(found) == 1:
        return f"all {labelled:,} labelled nodes are of one class, {shown(found[0])}"
    # Fewer than three nodes a class leave most classes nothing to be tested on.
    if 3 * len(found) > labelled and all(map(_is_number, found)) and not all(map(_is_whole, found)):
        return (
            f"they are {len(found):,} different numbers of {labelled:,} nodes, a quantity to "
            "predict and no classes"
        )
    if len(found) == labelled:
        return f"each of the {labelled:,} labelled nodes has a label of its own"
    return None


def _is_number(name: str) -> bool:
    try:
        return bool(np.isfinite(float(name)))
    except ValueError:
        return False


def _is_whole(name: str) -> bool:
    return float(name).is_integer()


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
    from sklearn.metrics import f1_score
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
        score = _accuracy(labels[split["val"]], _predicted(model, z, labels, split["val"]))
        if best is None or score > best[0]:
            best = (score, penalty, model)
    assert best is not None
    truth, told = labels[split["test"]], _predicted(best[2], z, labels, split["test"])
    macro = float(f1_score(truth, told, average="macro", zero_division=0))
    right = None if several else told == truth
    return ProbeResult(_accuracy(truth, told), macro, best[0], best[1], right)


def _own_split(graph: Graph) -> bool:
    return graph.splits is not None and {"train", "val", "test"} <= set(graph.splits)


def _labelled(graph: Graph) -> np.ndarray:
    assert graph.labels is not None
    mask = graph.labels.any(axis=1) if graph.multi_label else graph.labels >= 0
    return np.asarray(mask)


def _predicted(model: Any, z: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Classes of some nodes; of several labels as many as a node has, the likeliest."""
    if labels.ndim == 1:
        return np.asarray(model.predict(z[rows]))
    ranks = np.argsort(np.argsort(-model.predict_proba(z[rows]), axis=1), axis=1)
    return np.asarray(ranks < labels[rows].sum(axis=1, keepdims=True))


def _accuracy(truth: np.ndarray, told: np.ndarray) -> float:
    """Share that is right; micro F1 for memberships."""
    from sklearn.metrics import f1_score

    if truth.ndim == 1:
        return float((told == truth).mean())
    return float(f1_score(truth, told, average="micro", zero_division=0))
