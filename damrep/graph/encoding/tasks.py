"""What the training objectives share: how a step sees the graph.

A step sees the whole graph, or rows of what is propagated once (`damrep.graph.encoding.rows`). An
objective asks for the representations of nodes and is written once for both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.propagation import Features, SparseOperator
from damrep.graph.encoding.rows import PropagatedRows
from damrep.graph.encoding.stack import GraphEncoder

__all__ = ["GraphTask"]

# Steps that the loss is a mean of where a step sees rows.
_RECENT = 10


class GraphTask:
    """What the objectives share: the inputs, the views, the encoder with its extra parts.

    Parameters
    ----------
    encoder
        To be trained.
    inputs
        Of the graph to train on.
    feature_dropout
        Share of feature columns dropped in each step's view.
    rows
        Whether a step sees rows propagated before the training: for an encoder of one layer, an
        objective that is `by_rows`, and dense features.
    """

    # Whether some of the nodes are enough for a step.
    by_rows = False
    # Loss at which there is nothing more to learn from the objective; None where it may go to 0.
    target_loss: float | None = None

    x: Features
    operator: SparseOperator

    def __init__(
        self,
        encoder: GraphEncoder,
        inputs: GraphInputs,
        feature_dropout: float,
        rows: bool = False,
    ) -> None:
        self.encoder = encoder
        self.propagated = PropagatedRows(encoder, inputs) if rows else None
        if not rows:
            self.x = inputs.tensor()
            self.operator = inputs.operator(encoder.propagation)
        self.num_nodes, self.num_features = inputs.num_nodes, inputs.num_features
        self.feature_dropout = feature_dropout
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.module = nn.ModuleDict({"encoder": encoder, **self.parts(encoder.widths[-1])})
        self.prepare(inputs)

    def prepare(self, inputs: GraphInputs) -> None:
        """Take what else the objective needs of the inputs."""

    def parts(self, width: int) -> dict[str, nn.Module]:
        """Modules trained beside the encoder and thrown away after."""
        return {}

    def place(self, device: torch.device) -> None:
        """Move what the encoder reads to the device of the training."""
        if self.propagated is not None:
            self.propagated.place(device)
        else:
            self.x = self.x.to(device)
            self.operator = self.operator.to(device)

    def batches(self, generator: torch.Generator) -> Iterable[dict[str, Tensor]]:
        """One step an epoch: the view, and what else the objective draws."""
        kept = torch.rand(self.num_features, generator=generator) >= self.feature_dropout
        return [{"keep": kept, **self.draw(generator)}]

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random numbers of a step beside the dropped features."""
        return {}

    def project(self, batch: dict[str, Tensor]) -> Tensor:
        """First layer's projection of the step's view, of all nodes."""
        first: Tensor = self.encoder.layers[0].project_features(self.x, batch["keep"])
        return first

    def codes(self, batch: dict[str, Tensor], nodes: Tensor) -> Tensor:
        """Representations of some nodes in the step's view."""
        if self.propagated is not None:
            return self.encoder.encode_rows(self.propagated.real[nodes], batch["keep"])
        return self.encoder.forward_projected(self.project(batch), self.operator)[nodes]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Normalised loss of a step."""
        raise NotImplementedError

    def after_epoch(self, row: dict[str, Any]) -> None:
        """Let the loss of rows be its running mean, so that no lucky batch ends the training."""
        if self.propagated is not None:
            self.recent.append(row["loss"])
            row["loss"] = sum(self.recent) / len(self.recent)
