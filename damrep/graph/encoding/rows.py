"""Training on rows: what a one-layer encoder propagates is propagated once, before the training.

Propagation and projection commute, so an encoder of one layer reads A X, whatever its weights, and
a shuffled graph is A Pi X. With these made once there are no edges in a step any more: it takes as
long as a batch of rows does, on any graph.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.spectral import truncated_svd
from damrep.graph.encoding.stack import GraphEncoder

__all__ = ["BATCH", "PropagatedRows", "draw_rows", "strongest_features"]

BATCH = 2048
# Directions of the features that are read. A step takes as long as there are of them.
_DIRECTIONS = 256
# Rows of shuffled graphs kept to draw from, and the most shuffles: a small graph needs several, or
# its nodes are told apart by heart; of a large one a part of a single shuffle is as good.
_SHUFFLED, _SHUFFLES = 65536, 32


def strongest_features(inputs: GraphInputs, seed: int) -> tuple[GraphInputs, np.ndarray | None]:
    """The same inputs with dense features, of the strongest directions where there are too many.

    Parameters
    ----------
    inputs
        With features (n, d), dense or sparse.
    seed
        Of the randomised decomposition.

    Returns
    -------
    GraphInputs
        With features (n, r), r at most 256.
    ndarray or None
        Orthonormal directions (d, r); None where all features are kept.

    Examples
    --------
    >>> loops = sp.csr_array(np.eye(300, dtype=np.float32))
    >>> wide = GraphInputs(loops, sp.csr_array(np.eye(300, 400, dtype=np.float32)), loops)
    >>> reduced, axes = strongest_features(wide, seed=0)
    >>> reduced.num_features, axes.shape
    (256, (400, 256))
    """
    features = inputs.features
    n, d = features.shape
    if d > _DIRECTIONS:
        _, _, axes = truncated_svd(
            lambda block: np.asarray(features @ block.astype(np.float32)),
            lambda block: np.asarray(features.T @ block.astype(np.float32)),
            d,
            min(_DIRECTIONS, n),
            seed,
            iterations=2,
        )
        axes = np.ascontiguousarray(axes, dtype=np.float32)
        return replace(inputs, features=np.asarray(features @ axes, dtype=np.float32)), axes
    dense = features.toarray() if sp.issparse(features) else features
    return replace(inputs, features=np.ascontiguousarray(dense, dtype=np.float32)), None


class PropagatedRows:
    """What an encoder of one layer reads of the graph and of shuffled ones, propagated.

    Parameters
    ----------
    encoder
        Of one layer; says how it propagates.
    inputs
        With dense features (n, r), see `strongest_features`.

    Attributes
    ----------
    real : Tensor
        Of the graph, (n, r), or (n, 2 r) where the layer reads a node's own features too.
    shuffled : Tensor
        Some 65,536 rows of graphs with their features shuffled; none before `add_shuffled`.
    """

    def __init__(self, encoder: GraphEncoder, inputs: GraphInputs) -> None:
        self._layer = encoder.layers[0]
        self._operator = inputs.operator(encoder.propagation)
        self._x = torch.from_numpy(np.ascontiguousarray(inputs.features, dtype=np.float32))
        self.real: Tensor = self._layer.precompute(self._x, self._operator)
        self.shuffled = self.real[:0]

    def add_shuffled(self) -> None:
        """Make the rows of shuffled graphs; the shuffles come from torch's global generator."""
        n = len(self._x)
        shuffles = min(_SHUFFLES, math.ceil(_SHUFFLED / n))
        made = []
        for _ in range(shuffles):
            rows = self._layer.precompute(self._x[torch.randperm(n)], self._operator)
            kept = math.ceil(_SHUFFLED / shuffles)
            made.append(rows if kept >= n else rows[torch.randperm(n)[:kept]])
        self.shuffled = torch.cat(made)

    def draw_shuffled(self, count: int, generator: torch.Generator) -> Tensor:
        """Which shuffled rows to set against so many real ones; against all, those of a shuffle."""
        if count != len(self.real):
            return draw_rows(len(self.shuffled), count, generator)
        shuffles = len(self.shuffled) // count
        return torch.arange(count) + count * torch.randint(shuffles, (1,), generator=generator)

    def place(self, device: torch.device) -> None:
        """Move the rows to the device of the training; what they were made from is let go."""
        self.real, self.shuffled = self.real.to(device), self.shuffled.to(device)
        del self._x, self._operator


def draw_rows(total: int, size: int, generator: torch.Generator) -> Tensor:
    """Some of `total` rows: all of them, in any order, where they are no more than `size`.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> sorted(draw_rows(3, 8, generator).tolist()), len(draw_rows(9, 8, generator))
    ([0, 1, 2], 8)
    """
    if total <= size:
        return torch.randperm(total, generator=generator)
    return torch.randint(total, (size,), generator=generator)
