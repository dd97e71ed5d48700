"""Training objectives: what an encoder learns from, without labels.

Each is a task for `damrep.training`: a loss stated as a share of the trivial predictor's, and all
randomness of a step in its batch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from damrep.graph.encoding.inputs import GraphInputs
from damrep.graph.encoding.rows import BATCH, draw_rows
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.encoding.tasks import GraphTask
from damrep.masking.validation import check_choice

__all__ = ["OBJECTIVES", "GraphTask", "make_objective"]

# A coin's binary cross-entropy: the loss of a discriminator that has learned nothing.
_COIN = math.log(2.0)


class Contrast(GraphTask):
    """What the contrastive objectives share: nodes of the graph, and of the graph shuffled."""

    by_rows = True
    # A discriminator that wins more clearly is learning this graph by heart.
    target_loss = 0.4

    def prepare(self, inputs: GraphInputs) -> None:
        """Make the rows of shuffled graphs."""
        if self.propagated is not None:
            self.propagated.add_shuffled()

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The shuffle; or which nodes and which rows of shuffled graphs."""
        if self.propagated is None:
            return {"order": torch.randperm(self.num_nodes, generator=generator)}
        nodes = draw_rows(self.num_nodes, BATCH, generator)
        return {"nodes": nodes, "fakes": self.propagated.draw_shuffled(len(nodes), generator)}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Binary cross-entropy of the scores over that of a coin."""
        if self.propagated is not None:
            real = self.codes(batch, batch["nodes"])
            fake = self.encoder.encode_rows(self.propagated.shuffled[batch["fakes"]], batch["keep"])
        else:
            first = self.project(batch)
            real = self.encoder.forward_projected(first, self.operator)
            fake = self.encoder.forward_projected(first, self.operator, batch["order"])
        return _discrimination(torch.cat(self.scores(real, fake)), len(real))

    def scores(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of representations of nodes, and of as many of shuffled ones."""
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


class GroupDiscrimination(Contrast):
    """GGD (Zheng et al., NeurIPS 2022, arXiv 2206.01535): nodes against those of a shuffled graph.

    The paper sums the outputs of a linear projection of each node; as a sum of linear maps is one
    linear map, a score vector is learned here, at the step size the sum would have had. And not one
    for all units, which a few of them could satisfy: every `head_width` units have to tell the
    graphs apart on their own.
    """

    # Step size of the score relative to the encoder's: a sum over that many outputs moves as fast.
    score_rate = 25.0
    # Compared with one score for all units by `benchmarks.graph_choices`.
    head_width = 64

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The score vectors."""
        heads = max(1, round(width / self.head_width))
        return {"score": Discriminators(width, heads, self.score_rate)}

    def scores(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """One of each head."""
        score = self.module["score"]
        return score(real), score(fake)


class GraphInfomax(Contrast):
    """DGI (Velickovic et al., ICLR 2019, arXiv 1809.10341): nodes against the graph's summary."""

    def parts(self, width: int) -> dict[str, nn.Module]:
        """The bilinear form between a node and the summary."""
        return {"score": nn.Linear(width, width, bias=False)}

    def scores(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Products with the summary: of all nodes, or of those of the step."""
        summary = self.module["score"](torch.sigmoid(real.mean(dim=0)))
        return real @ summary, fake @ summary


class LinkReconstruction(GraphTask):
    """GAE (Kipf and Welling, arXiv 1611.07308): edges against random pairs, by inner product."""

    by_rows = True

    def prepare(self, inputs: GraphInputs) -> None:
        """Take the edges."""
        self.edges = torch.from_numpy(np.ascontiguousarray(inputs.edges().T))

    def parts(self, width: int) -> dict[str, nn.Module]:
        """Slope and offset of the score."""
        slope = nn.Linear(1, 1)
        with torch.no_grad():
            slope.weight.fill_(1.0)
            slope.bias.zero_()
        return {"slope": slope}

    def draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Edges, and as many random pairs; a real edge among those is rare and harmless."""
        edges = self.edges
        if self.propagated is not None:
            edges = edges[:, draw_rows(edges.shape[1], BATCH // 2, generator)]
        count = max(1, edges.shape[1])
        pairs = torch.randint(self.num_nodes, (2, count), generator=generator)
        return {"edges": edges, "pairs": pairs}

    def link_loss(self, ends: Tensor, edges: int) -> Tensor:
        """Binary cross-entropy of edges against pairs, over that of a coin.

        Parameters
        ----------
        ends
            Representations of their two nodes, (2, edges + pairs, width), edges first.
        edges
            How many of them are edges.
        """
        length = ends[:, edges:].square().sum(dim=2).mean()  # of a node drawn at random
        products = (ends[0] * ends[1]).sum(dim=1, keepdim=True) / length.clamp(min=1e-12)
        return _discrimination(self.module["slope"](products).squeeze(1), edges)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Link loss of the view."""
        both = torch.cat([batch["edges"], batch["pairs"]], dim=1)
        ends = self.codes(batch, both.flatten()).unflatten(0, (2, -1))
        return self.link_loss(ends, batch["edges"].shape[1])


class MaskedFeatures(GraphTask):
    """Masked-feature reconstruction (GraphMAE, Hou et al., KDD 2022, arXiv 2205.10803).

    Half of the nodes lose their features; a linear decoder of the representation, propagated once
    more, has to say what they were. At most `BATCH` of them are looked at in a step, so features
    are made dense a slice at a time. They are masked before propagation, so a step is one of the
    whole graph.
    """

    by_rows = False
    masked_share = 0.5

    def prepare(self, inputs: GraphInputs) -> None:
        """Take the features, as targets."""
        super().prepare(inputs)
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
        asked = chosen[torch.randperm(len(chosen), generator=generator)[:BATCH]]
        rows = self.targets[asked.numpy()]
        dense = rows.toarray() if hasattr(rows, "toarray") else rows
        return {
            "masked": masked,
            "asked": asked,
            "target": torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32)),
        }

    def feature_loss(self, codes: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Squared error of the asked rows, decoded, over that of the column means."""
        error = (self.module["decoder"](codes) - batch["target"]).square().sum(dim=1).mean()
        return error / self.reference

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Feature loss of the masked nodes."""
        token: Any = self.module["token"].bias
        first = torch.where(batch["masked"][:, None], token, self.project(batch))
        z = self.encoder.forward_projected(first, self.operator)
        return self.feature_loss((self.operator @ z)[batch["asked"]], batch)


class Reconstruction(MaskedFeatures, LinkReconstruction):
    """The autoencoder's objective: features and structure, in equal shares, nothing masked."""

    by_rows = True
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
        asked = batch["asked"]
        both = torch.cat([batch["edges"], batch["pairs"]], dim=1)
        codes = self.codes(batch, torch.cat([asked, both.flatten()]))
        features = self.feature_loss(codes[: len(asked)], batch)
        edges = batch["edges"].shape[1]
        if edges == 0:
            return features
        ends = codes[len(asked) :].unflatten(0, (2, -1))
        return 0.5 * (features + self.link_loss(ends, edges))


OBJECTIVES: dict[str, type[GraphTask]] = {
    "ggd": GroupDiscrimination,
    "dgi": GraphInfomax,
    "gae": LinkReconstruction,
    "masked": MaskedFeatures,
    "reconstruction": Reconstruction,
}
"""Name -> class. One that is added here can be asked for by its name."""


def make_objective(
    name: str,
    encoder: GraphEncoder,
    inputs: GraphInputs,
    feature_dropout: float,
    rows: bool = False,
) -> GraphTask:
    """The task of an objective by name.

    Parameters
    ----------
    name
        One of `OBJECTIVES`.
    encoder, inputs, feature_dropout, rows
        As for `GraphTask`.

    Raises
    ------
    InputError
        If there is no such objective.

    Examples
    --------
    >>> from damrep.graph.data.graph import build_graph
    >>> from damrep.graph.encoding.encoders import make_encoder
    >>> from damrep.graph.encoding.inputs import fit_preparation
    >>> graph = build_graph(np.ones((4, 4)) - np.eye(4), np.eye(4))
    >>> inputs = fit_preparation(graph, rank=2, seed=0).prepare(graph)
    >>> task = make_objective("ggd", make_encoder("gcn", 4, [8]), inputs, feature_dropout=0.2)
    >>> sorted(task.module)
    ['encoder', 'score']
    """
    check_choice("objective", name, tuple(OBJECTIVES))
    return OBJECTIVES[name](encoder, inputs, feature_dropout, rows)


def _discrimination(scores: Tensor, positives: int) -> Tensor:
    targets = torch.zeros_like(scores)
    targets[:positives] = 1.0
    return F.binary_cross_entropy_with_logits(scores, targets) / _COIN
