"""What `benchmarks.graph` compares: every embedding of one graph under one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.comparators.graphs import FACTORISED
from benchmarks.graph_rows import METHODS, Method
from benchmarks.peer_runs import run_peer
from benchmarks.timing import Measurement, measure
from damrep.graph.data.graph import Graph
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.masking.validation import InputError

__all__ = ["PEER_LIMIT_S", "QUICK", "Embedded", "Fits", "seen_by"]

PEER_LIMIT_S = 240
# Enough to see that everything runs, and nothing more.
QUICK = {"max_epochs": 2, "max_components": 64}


def seen_by(purpose: str, graph: Graph, train: np.ndarray | None) -> Graph:
    """The graph as a fit for a purpose may see it: labels of the training split, or none.

    Parameters
    ----------
    purpose : str
    graph : Graph
    train : bool array, shape (n,), or None
        The training split; None without labels.

    Raises
    ------
    InputError
        If the purpose is the labels' and there are none.
    """
    if purpose != "labels":
        return replace(graph, labels=None, label_names=None, splits=None)
    if graph.labels is None or train is None:
        raise InputError("there are no labels to keep dimensions for")
    hidden = False if graph.multi_label else -1
    shown = train.reshape(-1, *[1] * (graph.labels.ndim - 1))
    return replace(graph, labels=np.where(shown, graph.labels, hidden), splits=None)


@dataclass(frozen=True)
class Embedded:
    """One row a node, and the CPU seconds it took to get there from the graph."""

    values: np.ndarray
    cpu_s: float


class Fits:
    """The embeddings of one graph under one seed, made when asked for.

    Each fit is made once and kept; rows made out of one carry its CPU seconds.

    Parameters
    ----------
    graph : Graph
    seed : int
    train : bool array, shape (n,), or None
        Which labels the fit for labels may see.
    widths : mapping of str to int, optional
        Learned widths by purpose that are known already, so that peers alone need no fit.
    changes : mapping, optional
        Parameters of `DAMGraphEmbedding` that are not its defaults; for quick runs.
    """

    def __init__(
        self,
        graph: Graph,
        seed: int,
        train: np.ndarray | None = None,
        widths: Mapping[str, int] | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.graph, self.seed, self.train = graph, seed, train
        self._widths = dict(widths or {})
        self._changes = dict(changes or {})
        self._done: dict[tuple[Any, ...], Measurement] = {}

    def fit(self, purpose: str = "all", **parameters: Any) -> Measurement:
        """`DAMGraphEmbedding` with its defaults but for some parameters, fitted, and its time."""
        key = (purpose, *sorted(parameters.items()))
        if key not in self._done:
            graph = seen_by(purpose, self.graph, self.train)
            settings = {**self._changes, "purpose": purpose, **parameters}
            model = DAMGraphEmbedding(**settings, random_state=self.seed)
            self._done[key] = measure(model.fit, graph)
        return self._done[key]

    def model(self, purpose: str = "all", **parameters: Any) -> DAMGraphEmbedding:
        """The model of `fit`."""
        fitted: DAMGraphEmbedding = self.fit(purpose, **parameters).value
        return fitted

    def full(self, purpose: str = "all", **parameters: Any) -> np.ndarray:
        """A fit's representation before the cut, (nodes, width)."""
        model = self.model(purpose, **parameters)
        return model.transform_full(seen_by(purpose, self.graph, self.train))

    def pca(self, dims: int, purpose: str = "all", **parameters: Any) -> np.ndarray:
        """The first principal components of the representation before the cut."""
        full = self.full(purpose, **parameters)
        return np.asarray(PCA(min(dims, *full.shape), random_state=0).fit_transform(full))

    def svd(self, dims: int) -> Embedded:
        """The baseline that trains nothing, at a width."""
        done = self.fit(objective="svd", n_components=dims)
        return Embedded(done.value.embedding_, done.cpu_s)

    def width(self, purpose: str) -> int:
        """Dimensions learned for a purpose."""
        if purpose not in self._widths:
            self._widths[purpose] = int(self.model(purpose).n_components_)
        return self._widths[purpose]

    def embed(self, label: str) -> Embedded:
        """The embedding of a method, by its name in the table.

        Raises
        ------
        InputError
            If there are no labels and the fit is for labels.
        PeerTooSlowError, TooLargeError
            If a peer did not end in time, or would not fit in memory.
        """
        method = METHODS[label]
        ours: dict[str, Callable[[], Embedded]] = {
            "damrep": lambda: self._of_fit(method, self.model(str(method.width)).embedding_),
            "full": lambda: self._of_fit(method, self.full(str(method.width))),
            "pca": lambda: self._of_fit(method, self.pca(self._dims(method), str(method.width))),
            "svd": lambda: self.svd(self._dims(method)),
        }
        if method.kind in ours:
            return ours[method.kind]()
        adjacency, dims = self.graph.adjacency, self._dims(method)
        if method.kind in FACTORISED:
            done = measure(FACTORISED[method.kind], adjacency, dims, self.seed)
            return Embedded(done.value, done.cpu_s)
        run = run_peer(method.kind, adjacency, dims, self.seed, PEER_LIMIT_S)
        return Embedded(run.embedding, run.cpu_s)

    def _dims(self, method: Method) -> int:
        return method.width if isinstance(method.width, int) else self.width(method.width)

    def _of_fit(self, method: Method, values: np.ndarray) -> Embedded:
        return Embedded(values, self.fit(str(method.width)).cpu_s)
