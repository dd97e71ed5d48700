"""What `benchmarks.graph` compares: every embedding of one graph under one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from benchmarks.graph_rows import (
    CLEORA,
    CLEORA_NARROW,
    DAMREP,
    FULL,
    NODE2VEC,
    NODE2VEC_NARROW,
    PCA_OF_FULL,
    SVD,
    TRAINED,
    UNROTATED,
    UNROTATED_NARROW,
)
from benchmarks.peer_runs import run_peer
from benchmarks.timing import Measurement, measure
from damrep.graph.data import Graph
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.fitting import fit_unsupervised, reduce_representation
from damrep.graph.inputs import GraphInputs, fit_preparation
from damrep.graph.settings import EmbeddingSettings

__all__ = ["PEER_LIMIT_S", "PEER_WIDTH", "QUICK", "Embedded", "Fits", "curve_widths"]

PEER_WIDTH = 128
PEER_LIMIT_S = 240
# Enough to see that everything runs, and nothing more.
QUICK = {"max_epochs": 2, "max_components": 64}


@dataclass(frozen=True)
class Embedded:
    """One row a node, and the CPU seconds it took to get there from the graph."""

    values: np.ndarray
    cpu_s: float


class Fits:
    """The embeddings of one graph under one seed, made when asked for.

    The encoder is trained wide once for all that read the wide representation; each of those
    carries the CPU seconds of that fit.

    Parameters
    ----------
    graph : Graph
    seed : int
    width : int, optional
        The learned width if it is known already, so that peers alone need no fit.
    changes : mapping, optional
        Parameters of `DAMGraphEmbedding` that are not its defaults; for quick runs.
    """

    def __init__(
        self,
        graph: Graph,
        seed: int,
        width: int | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.graph, self.seed = graph, seed
        self._width = width
        self._changes = dict(changes or {})

    @cached_property
    def _fit(self) -> Measurement:
        return measure(DAMGraphEmbedding(**self._changes, random_state=self.seed).fit, self.graph)

    @property
    def model(self) -> DAMGraphEmbedding:
        """`DAMGraphEmbedding` with its defaults, fitted."""
        model: DAMGraphEmbedding = self._fit.value
        return model

    @property
    def settings(self) -> EmbeddingSettings:
        """Its parameters."""
        return EmbeddingSettings(**self.model.get_params(deep=False))

    @cached_property
    def full(self) -> np.ndarray:
        """Its representation before the cut, (nodes, width)."""
        return self.model.transform_full(self.graph)

    @property
    def width(self) -> int:
        """Dimensions it learned."""
        return self.model.n_components_ if self._width is None else self._width

    def embed(self, method: str) -> Embedded:
        """The embedding of a method, by its name in the table.

        Raises
        ------
        PeerTooSlowError
            If a peer did not end in time.
        """
        makers: dict[str, Callable[[], Embedded]] = {
            DAMREP: lambda: Embedded(self.model.embedding_, self._fit.cpu_s),
            FULL: lambda: Embedded(self.full, self._fit.cpu_s),
            TRAINED: lambda: self._trained(max_components=self.width, n_components=self.width),
            UNROTATED: lambda: self._reduced(rotate=False),
            UNROTATED_NARROW: lambda: self._reduced(rotate=False, n_components=self.width),
            SVD: lambda: self._svd(self.width),
            PCA_OF_FULL: self._pca,
            CLEORA: lambda: self._peer("pycleora", PEER_WIDTH),
            CLEORA_NARROW: lambda: self._peer("pycleora", self.width),
            NODE2VEC: lambda: self._peer("node2vec", PEER_WIDTH),
            NODE2VEC_NARROW: lambda: self._peer("node2vec", self.width),
        }
        return makers[method]()

    def learned_at(self, widths: Sequence[int]) -> list[np.ndarray]:
        """The learned embedding at other widths: the representation reduced to each of them."""
        return [self._reduced(n_components=m).values for m in widths]

    def svd_at(self, widths: Sequence[int]) -> list[np.ndarray]:
        """The baseline's embedding at several widths, each decomposed to just that width."""
        return [self._svd(m).values for m in widths]

    def reduce(self, **changes: Any) -> tuple[np.ndarray, int]:
        """Mask the wide representation again under other settings: embedding and its width."""
        z = torch.from_numpy(self.full)
        matrix = self._inputs().matrix
        settings = replace(self.settings, **changes)
        head, *_ = reduce_representation(settings, z, matrix, self.seed, {})
        with torch.no_grad():
            return head.compact()(z).numpy(), head.mask.n_active

    def _reduced(self, **changes: Any) -> Embedded:
        done = measure(self.reduce, **changes)
        return Embedded(done.value[0], self._fit.cpu_s)

    def _pca(self) -> Embedded:
        pca = PCA(min(self.width, *self.full.shape), random_state=0)
        return Embedded(pca.fit_transform(self.full), self._fit.cpu_s)

    def _svd(self, width: int) -> Embedded:
        return self._trained(objective="svd", max_components=width, n_components=width)

    def _trained(self, **changes: Any) -> Embedded:
        """Another fit, on the inputs damrep's own had.

        Not by the estimator: where a graph has no features, it gives a narrow model narrow
        structural features too.
        """
        done = measure(self._train, replace(self.settings, **changes))
        return Embedded(done.value, done.cpu_s)

    def _train(self, settings: EmbeddingSettings) -> np.ndarray:
        inputs = self._inputs()
        return fit_unsupervised(settings, inputs, self.seed).compact.transform(inputs)

    def _inputs(self) -> GraphInputs:
        """What the fit had for inputs, made once more: it is a part of what every fit costs."""
        structure = self.model._preparation.structure
        rank = 1 if structure is None else structure.axes.shape[1]
        return fit_preparation(self.graph, rank, self.seed).prepare(self.graph)

    def _peer(self, name: str, dims: int) -> Embedded:
        run = run_peer(name, self.graph.adjacency, dims, self.seed, PEER_LIMIT_S)
        return Embedded(run.embedding, run.cpu_s)


def curve_widths(full: int) -> list[int]:
    """Powers of two up to the full width, and that.

    Examples
    --------
    >>> curve_widths(20)
    [1, 2, 4, 8, 16, 20]
    """
    return [*(2**k for k in range(full.bit_length()) if 2**k < full), full]
