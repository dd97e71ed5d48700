"""Class labels of nodes, from whatever they were written as to small integers and their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from damrep.lazy_imports import postponed
from damrep.masking.validation import InputError

with postponed("pandas"):
    import pandas as pd

if TYPE_CHECKING:
    from damrep.graph.data.graph import Graph

__all__ = ["UNKNOWN", "check_labels", "encode_labels", "training_labels"]

UNKNOWN = -1
_INTEGER = r"0|-?[1-9][0-9]{0,17}"


def check_labels(y: Any) -> None:
    """Refuse a matrix of features where labels are expected.

    Parameters
    ----------
    y : object
        What was given as y; whole numbers of two dimensions may be memberships.

    Raises
    ------
    InputError
        If it has two dimensions and is no matrix of zeros and ones.

    Examples
    --------
    >>> check_labels([0, 1, 1])
    >>> check_labels([[0.5, 1.5], [2.5, 0.0]])
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: y: got a matrix of shape (2, 2), expected one label a \
node; features of the nodes are given as features=
    """
    shape = tuple(getattr(y, "shape", None) or np.shape(y))
    if len(shape) != 2:
        return
    values = y if not hasattr(y, "to_numpy") else y.to_numpy()
    dense = isinstance(y, (list, tuple, np.ndarray)) or hasattr(y, "to_numpy")
    if dense:
        values = np.asarray(values)
        if values.dtype.kind in "bui" and (values.shape[1] == 1 or np.isin(values, (0, 1)).all()):
            return
        if values.shape[1] == 1 and values.dtype.kind != "f":
            return
    raise InputError(
        f"y: got a matrix of shape {shape}, expected one label a node; features of the nodes are "
        "given as features="
    )


def encode_labels(
    labels: Any,
    num_nodes: int,
    label_names: Sequence[str] | None = None,
    where: str = "labels",
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn labels into class numbers 0 .. k - 1, with -1 for nodes whose class is unknown.

    Parameters
    ----------
    labels : array-like, shape (n,), (n, 1) or (n, k)
        Integers, integral floats, booleans or strings, one a node; -1, NaN, None and the empty
        string mean unknown. Shape (n, k) with k > 1 holds 0/1 memberships: a node may have several.
    num_nodes : int
        n, which the labels must agree with.
    label_names : sequence of str, optional
        If given, the labels are already the positions of their names here. Otherwise classes are
        numbered in the sorted order of what was found.
    where : str
        What error messages call the labels.

    Returns
    -------
    codes : ndarray
        (n,) int64, or (n, k) bool for memberships.
    names : tuple of str
        The k class names.

    Raises
    ------
    InputError
        If the number of labels is not the number of nodes, or they cannot be classes.

    Examples
    --------
    >>> codes, names = encode_labels(["b", "a", None, "b"], 4)
    >>> codes.tolist(), names
    ([1, 0, -1, 1], ('a', 'b'))
    >>> codes, names = encode_labels([10, 30, -1], 3)
    >>> codes.tolist(), names
    ([0, 1, -1], ('10', '30'))
    """
    values = np.asarray(labels) if not hasattr(labels, "to_numpy") else labels.to_numpy()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2):
        raise InputError(f"{where}: expected shape (n,) or (n, k), got {values.shape}")
    if len(values) != num_nodes:
        raise InputError(f"{where}: got {len(values)} labels for {num_nodes} nodes")
    if values.ndim == 2:
        return _memberships(values, label_names, where)
    if values.dtype.kind in "OUST":
        values, found = _from_objects(values, where)
    elif values.dtype.kind == "b":
        values, found = values.astype(np.int64), ("False", "True")
    elif values.dtype.kind in "iuf":
        values, found = _integral(values, where), None
    else:
        raise TypeError(f"{where}: expected numbers or strings, got dtype {values.dtype}")
    if found is not None:
        if label_names is not None and tuple(label_names) != found:
            raise InputError(f"{where}: label_names need integer labels, got {found[:3]}")
        return values, found
    if (values < UNKNOWN).any():
        node = int(np.flatnonzero(values < UNKNOWN)[0])
        raise InputError(
            f"{where}: entry {node} is {values[node]}; expected class numbers >= 0, or -1 for "
            "unknown"
        )
    if label_names is not None:
        names = tuple(str(name) for name in label_names)
        if len(values) and values.max() >= len(names):
            raise InputError(f"{where}: class {values.max()} has no name; got {len(names)} names")
        return values, names
    return _number(values)


def training_labels(graph: Graph, y: Any = None) -> tuple[np.ndarray, np.ndarray] | None:
    """Nodes whose labels may be learned from, and their classes as memberships.

    Parameters
    ----------
    graph : Graph
        Its own labels are taken where `y` is None, and then only those of its "train" split, where
        it has one.
    y : array-like or None
        Labels as in `encode_labels`.

    Returns
    -------
    rows : ndarray of int, shape (k,)
    memberships : ndarray of bool, shape (k, classes)
        Without classes that all of these nodes are in, or fewer than two. Or None, where fewer than
        two classes have two nodes, or all nodes are in the same classes.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> rows, classes = training_labels(build_graph(np.eye(5)), ["a", "b", None, "a", "b"])
    >>> rows.tolist(), classes[:, 0].tolist()
    ([0, 1, 3, 4], [True, False, True, False])
    """
    labels: Any = graph.labels
    allowed = np.ones(graph.num_nodes, dtype=bool)
    if y is not None:
        labels, _ = encode_labels(y, graph.num_nodes, where="y")
    elif graph.splits is not None and "train" in graph.splits:
        train = graph.splits["train"]
        allowed = train if train.ndim == 1 else train[:, 0]
    if labels is None:
        return None
    if labels.ndim == 1:
        rows = np.flatnonzero(allowed & (labels != UNKNOWN))
        memberships = labels[rows, None] == np.unique(labels[rows])
    else:
        rows = np.flatnonzero(allowed & labels.any(axis=1))
        memberships = labels[rows]
    memberships = memberships[:, memberships.sum(axis=0) > 1]
    differ = memberships[:, ~memberships.all(axis=0)]
    return (rows, differ) if memberships.shape[1] > 1 and differ.shape[1] else None


def _number(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    known = values != UNKNOWN
    classes, codes = np.unique(values[known], return_inverse=True)
    result = np.full(len(values), UNKNOWN, dtype=np.int64)
    result[known] = codes
    return result, tuple(str(c) for c in classes.tolist())


def _integral(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    filled = np.where(np.isnan(values), UNKNOWN, values)
    odd = ~np.isfinite(filled) | (filled != np.floor(filled))
    if odd.any():
        node = int(np.flatnonzero(odd)[0])
        raise InputError(
            f"{where}: entry {node} is {values[node]:g}; expected class numbers or names "
            "(a regression target is not a class)"
        )
    return filled.astype(np.int64)


def _from_objects(values: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    series = pd.Series(values, dtype=object)
    known = ~series.isna().to_numpy()
    text = series[known].astype(str).str.strip()
    known[np.flatnonzero(known)] = (text != "").to_numpy()
    text = text[text != ""]
    if text.str.fullmatch(_INTEGER).all():
        numbers = np.full(len(values), UNKNOWN, dtype=np.int64)
        numbers[known] = text.to_numpy(dtype=object).astype(np.int64)
        return numbers, None
    classes, codes = np.unique(text.to_numpy(dtype=object).astype(str), return_inverse=True)
    result = np.full(len(values), UNKNOWN, dtype=np.int64)
    result[known] = codes
    return result, tuple(str(c) for c in classes)


def _memberships(
    values: np.ndarray, label_names: Sequence[str] | None, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise InputError(
            f"{where}: shape {values.shape} means several labels a node, which must be 0 or 1"
        )
    names = tuple(str(name) for name in (label_names or range(values.shape[1])))
    if len(names) != values.shape[1]:
        raise InputError(f"{where}: got {len(names)} label names for {values.shape[1]} columns")
    return values.astype(bool), names
