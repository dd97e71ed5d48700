"""The wide representation a bottleneck reads, and the small model that is left after cutting.

Wide: blocks side by side, each scaled to a share of the variance. What an encoder learned, smoothed
over neighbours; the spectral coordinates of the smoothed features; where the nodes stand in the
graph, as it is and smoothed. The bottleneck is linear, so everything behind a block folds into one
matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from damrep.graph.encoding.inputs import ROW_LENGTH, GraphInputs
from damrep.graph.encoding.propagation import smooth
from damrep.graph.encoding.spectral import SpectralBasis, projected
from damrep.graph.encoding.stack import GraphEncoder
from damrep.masking.moments import eigen, second_moment
from damrep.masking.validation import InputError

__all__ = [
    "CompactEmbedding",
    "EncodedNodes",
    "Positions",
    "SmoothedFeatures",
    "WideRepresentation",
]

_ROUNDING = 1e-6
POSITION_STEPS = 3


@dataclass
class CompactEmbedding:
    """The model that is left: an encoder and one matrix a block.

    Parameters
    ----------
    encoder
        Without masks, or None.
    head
        From the encoder's width to the embedding's, (m, width), or None.
    axes
        From the features to the embedding, (d, m), of two ways to smooth them (2 d, m); or None.
    bias
        Shape (m,).
    smoothing, steps
        Propagation steps behind the encoder, and those averaged over for the features.
    restart
        Of the personalised PageRank of the features; 0 for their mean over 1 .. steps.
    positions
        From where a node stands, as it is and smoothed, to the embedding, (2, rank, m), or None.
    """

    encoder: GraphEncoder | None
    head: Tensor | None
    axes: Tensor | None
    bias: Tensor
    smoothing: int
    steps: int
    restart: float = 0.0
    positions: Tensor | None = None

    @property
    def width(self) -> int:
        """Dimensions m of the embedding."""
        return int(self.bias.shape[0])

    def transform(self, inputs: GraphInputs) -> np.ndarray:
        """Embedding of a graph's nodes, (n, m), float32, most important dimension first."""
        # Propagation and the linear maps commute: the narrow side is propagated.
        total = np.zeros((inputs.num_nodes, self.width), np.float32)
        if self.encoder is not None and self.head is not None:
            hidden = _encode(self.encoder, inputs, 0)
            total += smooth(inputs.matrix, (hidden @ self.head.T).numpy(), self.smoothing)
        if self.axes is not None:
            total += projected(
                inputs.ways, inputs.features, self.axes.numpy(), self.steps, self.restart
            )
        if self.positions is not None and inputs.positions is not None:
            own, far = self.positions.numpy()
            place = inputs.positions[:, : len(own)]
            total += place @ own + smooth(inputs.matrix, place @ far, POSITION_STEPS)
        return np.asarray(total + self.bias.numpy(), dtype=np.float32)


class Block(Protocol):
    """A part of the wide representation."""

    def transform(self, inputs: GraphInputs) -> Tensor:
        """Its columns for a graph's nodes, (n, width), float32."""

    def size(self, block: Tensor) -> float:
        """What its rounding is measured by: the length of a row before it was centred."""

    def fold(self, model: CompactEmbedding, back: Tensor) -> CompactEmbedding:
        """A model with this block in it, whose columns go through `back`, (m, width), float64."""


@dataclass
class EncodedNodes:
    """What an encoder says of nodes, smoothed, along its strongest directions.

    Parameters
    ----------
    encoder
        Trained, without masks.
    smoothing
        Propagation steps over its output.
    axes
        Directions kept, (width, rank); None keeps the output as it is.
    """

    encoder: GraphEncoder
    smoothing: int
    axes: Tensor | None = None

    def narrowed(self, inputs: GraphInputs, rank: int) -> EncodedNodes:
        """The same, its output reduced to its principal components on a graph."""
        out = _encode(self.encoder, inputs, self.smoothing)
        if out.shape[1] <= rank:
            return self
        moment = second_moment(out.double() - out.mean(dim=0, dtype=torch.float64))
        _, axes = eigen(moment, of="the encoder's output")
        return replace(self, axes=axes[:, :rank].float())

    def transform(self, inputs: GraphInputs) -> Tensor:
        """As any block."""
        out = _encode(self.encoder, inputs, self.smoothing)
        return out if self.axes is None else out @ self.axes

    def size(self, block: Tensor) -> float:
        """As any block."""
        return _row_size(block)

    def fold(self, model: CompactEmbedding, back: Tensor) -> CompactEmbedding:
        """As any block."""
        head = back if self.axes is None else back @ self.axes.double().T
        return replace(model, encoder=self.encoder, head=head.float(), smoothing=self.smoothing)


@dataclass
class SmoothedFeatures:
    """Spectral coordinates of the smoothed features."""

    basis: SpectralBasis

    def transform(self, inputs: GraphInputs) -> Tensor:
        """As any block."""
        block = self.basis.transform(inputs.ways, inputs.features)
        return torch.from_numpy(np.ascontiguousarray(block))

    def size(self, block: Tensor) -> float:
        """The length of the features: the block itself is centred."""
        return ROW_LENGTH

    def fold(self, model: CompactEmbedding, back: Tensor) -> CompactEmbedding:
        """As any block."""
        axes = (torch.from_numpy(self.basis.axes).double() @ back.T).float()
        bias = model.bias - back @ torch.from_numpy(self.basis.mean).double()
        return replace(
            model, axes=axes, bias=bias, steps=self.basis.steps, restart=self.basis.restart
        )


@dataclass
class Positions:
    """Where nodes stand in the graph fitted on.

    Parameters
    ----------
    rank
        Coordinates looked at, the strongest ones.
    smoothed
        Whether over neighbours, `POSITION_STEPS` steps, or as they are.
    """

    rank: int
    smoothed: bool

    def transform(self, inputs: GraphInputs) -> Tensor:
        """As any block."""
        assert inputs.positions is not None
        place = inputs.positions[:, : self.rank]
        out = smooth(inputs.matrix, place, POSITION_STEPS if self.smoothed else 0)
        return torch.from_numpy(np.ascontiguousarray(out, dtype=np.float32))

    def size(self, block: Tensor) -> float:
        """As any block."""
        return _row_size(block)

    def fold(self, model: CompactEmbedding, back: Tensor) -> CompactEmbedding:
        """As any block."""
        empty = torch.zeros(2, *back.T.shape)
        both = empty if model.positions is None else model.positions.clone()
        both[int(self.smoothed)] = back.T.float()
        return replace(model, positions=both)


@dataclass
class WideRepresentation:
    """Blocks side by side, before any cut.

    Parameters
    ----------
    blocks
        By name, in the order of their columns.
    weights
        Of each block, beside 1 for the first.
    scales
        What each block's columns are multiplied by; set by `fit_scales`.
    """

    blocks: Mapping[str, Block]
    weights: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    _widths: dict[str, int] = field(default_factory=dict, init=False)

    def fit_scales(self, inputs: GraphInputs) -> Tensor:
        """Scale the blocks on a graph and return its representation, (n, width), float32.

        Raises
        ------
        InputError
            If no two nodes differ by more than rounding.
        """
        columns = {name: block.transform(inputs) for name, block in self.blocks.items()}
        for name, block in self.blocks.items():
            # Differences that are rounding must not be blown up to unit variance.
            spread = _row_size(columns[name] - columns[name].mean(dim=0))
            varies = spread > _ROUNDING * block.size(columns[name])
            self.scales[name] = self.weights.get(name, 1.0) / spread if varies else 0.0
        self._widths = {name: block.shape[1] for name, block in columns.items()}
        # Each node has a place of its own; it says nothing where all neighbourhoods are alike.
        own = {"structure", "features"} if inputs.structural and len(columns) > 1 else {"structure"}
        if not any(scale for name, scale in self.scales.items() if name not in own):
            raise InputError(
                "graph: all nodes look alike (same features, same neighbourhoods), so there is "
                "nothing to embed"
            )
        return self._join(columns)

    def columns_of(self, name: str) -> slice:
        """Where a block's columns stand."""
        start = 0
        for other, width in self._widths.items():
            if other == name:
                return slice(start, start + width)
            start += width
        raise KeyError(name)

    def reweigh(self, z: Tensor, name: str, factor: float) -> Tensor:
        """Weigh a block `factor` times as much; `z`, from `fit_scales`, likewise."""
        z = z.clone()
        z[:, self.columns_of(name)] *= factor
        self.scales[name] = self.scales[name] * factor
        self.weights[name] = self.weights.get(name, 1.0) * factor
        return z

    def transform(self, inputs: GraphInputs) -> Tensor:
        """Representation of a graph's nodes, (n, width), float32."""
        return self._join({name: block.transform(inputs) for name, block in self.blocks.items()})

    def _join(self, columns: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([columns[name] * self.scales[name] for name in self.blocks], dim=1)

    def compact(self, reduce: nn.Linear) -> CompactEmbedding:
        """Fold the scales and the bottleneck's cut encoder into the blocks."""
        weight = reduce.weight.detach().double()
        model = CompactEmbedding(None, None, None, reduce.bias.detach().double(), 0, 0)
        for name, block in self.blocks.items():
            if self.scales[name]:
                back = weight[:, self.columns_of(name)] * self.scales[name]
                model = block.fold(model, back)
        return replace(model, bias=model.bias.float())


def _row_size(block: Tensor) -> float:
    return float(block.square().sum(dim=1).mean().sqrt())


def _encode(encoder: GraphEncoder, inputs: GraphInputs, smoothing: int) -> Tensor:
    device = next(encoder.parameters()).device
    x = inputs.tensor().to(device)
    encoder.eval()
    with torch.no_grad():
        operator = inputs.operator(encoder.propagation).to(device)
        out: Tensor = encoder(x, operator)
        if smoothing:
            same = encoder.propagation == "gcn"
            out = smooth(operator if same else inputs.operator("gcn").to(device), out, smoothing)
    return out.cpu().float()
