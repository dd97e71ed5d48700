"""Training objectives: what an encoder learns from, without labels.

Each is a task for `damrep.training`: full batch, a loss stated as a share of the trivial
predictor's. All randomness of a step comes in its batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from damrep.graph.encoders import GraphEncoder
from damrep.graph.inputs import GraphInputs
from damrep.masking.validation import check_choice

__all__ = ["OBJECTIVES", "GraphTask", "make_objective"]

# A coin's binary cross-entropy: the loss of a discriminator that has learned nothing.
_COIN = math.log(2.0)


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
    """

    # Loss at which there is nothing more to learn from the objective; None where it may go to 0.
    target_loss: float | None = None

    def __init__(self, encoder: GraphEncoder, inputs: GraphInputs, feature_dropout: float) -> None:
        self.encoder = encoder
        self.x = inputs.tensor()
        self.operator = inputs.operator(encoder.propagation)
        self.num_nodes, self.num_features = inputs.num_nodes, inputs.num_features
        self.feature_dropout = feature_dropout
        self.module = nn.ModuleDict({"encoder": encoder, **self.parts(encoder.widths[-1])})

    def parts(self, width: int) -> dict[str, nn.Module]:
        """Modules trained beside the encoder and thrown away after."""
        return {}

    def place(self, device: torch.device) -> None:
        """Move features and propagation matrix to the device of the training."""
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
        """First layer's projection of the step's view."""
        first: Tensor = self.encoder.layers[0].project_features(self.x, batch["keep"])
        return first

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Normalised loss of a step."""
        raise NotImplementedError


class Discriminators(nn.Module):
    """Linear scores of a representation, each of a share of the units of its own.

    Parameters
    ----------
    width
        Units of the representation.
    count
        Scores.
    rate
        Step size of a score relative to the encoder's.
    """

    members: Tensor

    def __init__(self, width: int, count: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(width) * (0.58 / rate))
        self.bias = nn.Parameter(torch.zeros(count))
        owner = torch.arange(width) * count // width
        self.register_buffer("members", F.one_hot(owner, count).float())

    def forward(self, z: Tensor) -> Tensor:
        """Scores (n, count) of a representation (n, width)."""
        return self.rate * (z @ (self.members * self.weight[:, None]) + self.bias)


class GroupDiscrimination(GraphTask):
    """GGD (Zheng et al., NeurIPS 2022, arXiv 2206.01535): nodes against those of a shuffled graph.

    The paper sums the outputs of a linear projection of each node; as a sum of linear maps is one
    linear map, a score vector is learned here, at the step size the sum would have had. And not one
    for all units, which a few of them could satisfy: every `head_width` units have to tell the
    graphs apart on their own.
    """

    # A discriminator that wins more clearly is learning this graph by heart.
    target_loss = 0.4
    # Step size of the score relative to the encoder's: a sum over that many outputs moves as fast.
    score_rate = 25.0
    # Compared with one score for all units by `benchmarks.graph_choices`.
    head_width = 64

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The score vectors."""
        heads = max(1, round(width / self.head_width))
        return {"score": Discriminators(width, heads, self.score_rate)}

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The shuffle."""
        return {"order": torch.randperm(self.num_nodes, generator=generator)}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Binary cross-entropy over that of a coin, mean of the heads."""
        first = self.project(batch)
        real = self.encoder.forward_projected(first, self.operator)
        fake = self.encoder.forward_projected(first, self.operator, batch["order"])
        score = self.module["score"]
        return _discrimination(torch.cat([score(real), score(fake)]), self.num_nodes)


class GraphInfomax(GraphTask):
    """DGI (Velickovic et al., ICLR 2019, arXiv 1809.10341): nodes against the graph's summary."""

    target_loss = GroupDiscrimination.target_loss

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The bilinear form between a node and the summary."""
        return {"score": nn.Linear(width, width, bias=False)}

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The shuffle."""
        return {"order": torch.randperm(self.num_nodes, generator=generator)}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Binary cross-entropy over that of a coin."""
        first = self.project(batch)
        real = self.encoder.forward_projected(first, self.operator)
        fake = self.encoder.forward_projected(first, self.operator, batch["order"])
        summary = self.module["score"](torch.sigmoid(real.mean(dim=0)))
        return _discrimination(torch.cat([real @ summary, fake @ summary]), self.num_nodes)


class LinkReconstruction(GraphTask):
    """GAE (Kipf and Welling, arXiv 1611.07308): edges against random pairs, by inner product."""

    def __init__(self, encoder: GraphEncoder, inputs: GraphInputs, feature_dropout: float) -> None:
        super().__init__(encoder, inputs, feature_dropout)
        self.edges = torch.from_numpy(np.ascontiguousarray(inputs.edges().T))

    def parts(self, width: int) -> dict[str, nn.Module]:
        """Slope and offset of the score."""
        slope = nn.Linear(1, 1)
        with torch.no_grad():
            slope.weight.fill_(1.0)
            slope.bias.zero_()
        return {"slope": slope}

    def place(self, device: torch.device) -> None:
        """Move the edges too."""
        super().place(device)
        self.edges = self.edges.to(device)

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """As many random pairs as there are edges; a real edge among them is rare and harmless."""
        count = max(1, self.edges.shape[1])
        return {"pairs": torch.randint(self.num_nodes, (2, count), generator=generator)}

    def link_loss(self, z: Tensor, pairs: Tensor) -> Tensor:
        """Binary cross-entropy of edges against pairs, over that of a coin."""
        z = z / z.square().sum(dim=1).mean().clamp(min=1e-12).sqrt()
        both = torch.cat([self.edges, pairs], dim=1)
        products = (z[both[0]] * z[both[1]]).sum(dim=1, keepdim=True)
        return _discrimination(self.module["slope"](products).squeeze(1), self.edges.shape[1])

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Link loss of the view."""
        z = self.encoder.forward_projected(self.project(batch), self.operator)
        return self.link_loss(z, batch["pairs"])


class MaskedFeatures(GraphTask):
    """Masked-feature reconstruction (GraphMAE, Hou et al., KDD 2022, arXiv 2205.10803).

    Half of the nodes lose their features; a linear decoder of the representation, propagated once
    more, has to say what they were. At most `rows` of them are looked at in a step, so features
    are made dense a slice at a time.
    """

    masked_share = 0.5
    rows = 2048

    def __init__(self, encoder: GraphEncoder, inputs: GraphInputs, feature_dropout: float) -> None:
        super().__init__(encoder, inputs, feature_dropout)
        self.targets = inputs.features
        mean = np.asarray(inputs.features.mean(axis=0)).ravel()
        squares = inputs.features * inputs.features
        total = float(squares.sum()) / inputs.num_nodes - float(mean @ mean)
        self.reference = max(total, 1e-12)

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The decoder and what stands for masked features."""
        first = self.encoder.layers[0].projected_width
        return {"decoder": nn.Linear(width, self.num_features), "token": nn.Linear(1, first)}

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Which nodes are masked, and which of those are asked for."""
        masked = torch.rand(self.num_nodes, generator=generator) < self.masked_share
        masked[int(torch.randint(self.num_nodes, (1,), generator=generator))] = True
        chosen = torch.nonzero(masked).flatten()
        asked = chosen[torch.randperm(len(chosen), generator=generator)[: self.rows]]
        rows = self.targets[asked.numpy()]
        dense = rows.toarray() if hasattr(rows, "toarray") else rows
        return {
            "masked": masked,
            "asked": asked,
            "target": torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32)),
        }

    def feature_loss(self, z: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Squared error of the asked rows over that of the column means."""
        decoded = self.module["decoder"](z[batch["asked"]])
        error = (decoded - batch["target"]).square().sum(dim=1).mean()
        return error / self.reference

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Feature loss of the masked nodes."""
        token: Any = self.module["token"].bias
        first = torch.where(batch["masked"][:, None], token, self.project(batch))
        z = self.encoder.forward_projected(first, self.operator)
        return self.feature_loss(self.operator @ z, batch)


class Reconstruction(MaskedFeatures, LinkReconstruction):
    """The autoencoder's objective: features and structure, in equal shares, nothing masked."""

    masked_share = 1.0

    def parts(self, width: int) -> dict[str, nn.Module]:
        """Both decoders."""
        decoder = nn.Linear(width, self.num_features)
        return {"decoder": decoder, **LinkReconstruction.parts(self, width)}

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Rows to reconstruct and pairs to compare."""
        return {
            **MaskedFeatures.draw(self, generator),
            **LinkReconstruction.draw(self, generator),
        }

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean of feature loss and link loss."""
        z = self.encoder.forward_projected(self.project(batch), self.operator)
        features = self.feature_loss(z, batch)
        if self.edges.shape[1] == 0:
            return features
        return 0.5 * (features + self.link_loss(z, batch["pairs"]))


OBJECTIVES: dict[str, type[GraphTask]] = {
    "ggd": GroupDiscrimination,
    "dgi": GraphInfomax,
    "gae": LinkReconstruction,
    "masked": MaskedFeatures,
    "reconstruction": Reconstruction,
}


def make_objective(
    name: str, encoder: GraphEncoder, inputs: GraphInputs, feature_dropout: float
) -> GraphTask:
    """The task of an objective by name.

    Parameters
    ----------
    name
        One of `OBJECTIVES`.
    encoder, inputs, feature_dropout
        As for `GraphTask`.

    Raises
    ------
    InputError
        If there is no such objective.

    Examples
    --------
    >>> from damrep.graph.data import build_graph
    >>> from damrep.graph.encoders import make_encoder
    >>> from damrep.graph.inputs import fit_preparation
    >>> graph = build_graph(np.ones((4, 4)) - np.eye(4), np.eye(4))
    >>> inputs = fit_preparation(graph, rank=2, seed=0).prepare(graph)
    >>> task = make_objective("ggd", make_encoder("gcn", 4, [8]), inputs, feature_dropout=0.2)
    >>> sorted(task.module)
    ['encoder', 'score']
    """
    check_choice("objective", name, tuple(OBJECTIVES))
    return OBJECTIVES[name](encoder, inputs, feature_dropout)


def _discrimination(scores: Tensor, positives: int) -> Tensor:
    targets = torch.zeros_like(scores)
    targets[:positives] = 1.0
    return F.binary_cross_entropy_with_logits(scores, targets) / _COIN
