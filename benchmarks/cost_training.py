"""The training step `benchmarks.cost` times, with masks, without, and with masks as layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.encoders import GCNEncoder
from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.objectives import GraphTask, make_objective
from damrep.graph.encoding.propagation import SparseOperator
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.settings import SUPERVISED_PRICE
from damrep.masking.gradient import GradientWidth
from damrep.training import local_seed

__all__ = ["WIDTHS", "MaskLayersEncoder", "Step", "make_task", "synthetic_graph", "training_step"]

WIDTHS = (512, 512)

Step = Callable[[], None]


class MaskLayersEncoder(GCNEncoder):
    """The same encoder with every mask run as a layer, as in a model that is not damrep's own."""

    def forward_projected(
        self, first: Tensor, operator: SparseOperator, order: Tensor | None = None
    ) -> Tensor:
        """Layer, activation, mask, one after the other."""
        h = first if order is None else first.index_select(0, order)
        for i, (layer, act) in enumerate(zip(self.layers, self.activations, strict=True)):
            h = h if i == 0 else layer.project_features(h)
            h = self.masks[i](act(layer.propagate_features(h, operator)))
        return h


def synthetic_graph(seed: int = 0) -> Graph:
    """A random graph of Cora's size: 2,708 nodes, about 5,280 edges, 1,433 words of 1.3 %.

    Examples
    --------
    >>> graph = synthetic_graph()
    >>> graph.num_nodes, graph.num_features, 5000 < graph.num_edges < 5300
    (2708, 1433, True)
    """
    rng = np.random.default_rng(seed)
    n, edges, words = 2708, 5278, 1433
    pairs = rng.integers(0, n, size=(edges, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    upper = sp.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    adjacency = ((upper + upper.T) > 0).astype(np.float32)
    features = sp.random_array((n, words), density=0.0127, rng=rng, format="csr")
    features.data[:] = 1.0
    return build_graph(adjacency, features.astype(np.float32))


def make_task(
    inputs: GraphInputs,
    masked: bool,
    seed: int,
    encoder_class: type[GraphEncoder] = GCNEncoder,
    widths: Sequence[int] = WIDTHS,
) -> GraphTask:
    """Group discrimination on a two-layer encoder, with `DAMGraphEmbedding`'s dropout.

    Parameters
    ----------
    inputs : GraphInputs
    masked : bool
        A mask behind each layer, or none.
    seed : int
        Of the weights; the same with and without masks.
    encoder_class : type
    widths : sequence of int
    """
    with local_seed(seed):
        encoder = encoder_class(inputs.num_features, widths, masked=masked)
        return make_objective("ggd", encoder, inputs, DAMGraphEmbedding().feature_dropout)


def training_step(task: GraphTask, masked: bool, seed: int) -> Step:
    """One epoch of `damrep.training`'s loop, with all that a mask's strategy does in it.

    Parameters
    ----------
    task : GraphTask
    masked : bool
        Whether there are masks to train under a price.
    seed : int
        Of the views.
    """
    defaults = DAMGraphEmbedding()
    strategy = GradientWidth(task.module, SUPERVISED_PRICE) if masked else None
    groups: Any = (
        task.module.parameters()
        if strategy is None
        else strategy.parameter_groups(defaults.lr, defaults.weight_decay)
    )
    optimiser = torch.optim.AdamW(groups, lr=defaults.lr, weight_decay=defaults.weight_decay)
    generator = torch.Generator().manual_seed(seed)

    def step() -> None:
        task.module.train()
        for batch in task.batches(generator):
            optimiser.zero_grad()
            loss = task.loss(batch)
            (loss if strategy is None else loss + strategy.extra_loss()).backward()
            if strategy is not None:
                strategy.before_step()
            optimiser.step()
            if strategy is not None:
                strategy.after_step()
        if strategy is not None:
            strategy.end_epoch()

    return step
