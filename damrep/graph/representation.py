"""The wide representation a bottleneck reads, and the small model that is left after cutting.

Wide: the encoder's output, smoothed over neighbours, beside the spectral coordinates of the
smoothed features, each block scaled to a share of the variance. The bottleneck is linear, so
everything behind the encoder folds into one matrix a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from damrep.graph.encoders import GraphEncoder
from damrep.graph.inputs import ROW_LENGTH, GraphInputs
from damrep.graph.propagation import smooth
from damrep.graph.spectral import SpectralBasis
from damrep.masking.validation import InputError

__all__ = ["CompactEmbedding", "WideRepresentation"]

_ROUNDING = 1e-6


@dataclass
class WideRepresentation:
    """Encoder block and spectral block side by side, before any cut.

    Parameters
    ----------
    encoder
        Trained, without masks; None for the spectral block alone.
    spectral
        Basis of the spectral block; None for the encoder block alone.
    smoothing
        Propagation steps over the encoder's output.
    spectral_weight
        Scale of the spectral block relative to the encoder's.
    """

    encoder: GraphEncoder | None
    spectral: SpectralBasis | None
    smoothing: int
    spectral_weight: float
    encoder_scale: float = 1.0
    spectral_scale: float = 1.0

    def fit_scales(self, inputs: GraphInputs) -> Tensor:
        """Scale both blocks on a graph and return its representation, (n, width), float32.

        Raises
        ------
        InputError
            If no two nodes differ by more than rounding.
        """
        blocks = self._blocks(inputs)
        spreads = [_row_size(block - block.mean(dim=0)) for block in blocks]
        # Differences that are rounding must not be blown up to unit variance. The spectral block is
        # centred, so what it was rounded at is the size of the features.
        sizes = [_row_size(block) for block in blocks]
        if self.spectral is not None:
            sizes[-1] = ROW_LENGTH
        spreads = [
            spread if spread > _ROUNDING * size else 0.0
            for spread, size in zip(spreads, sizes, strict=True)
        ]
        if not any(spreads):
            raise InputError(
                "graph: all nodes look alike (same features, same neighbourhoods), so there is "
                "nothing to embed"
            )
        scales = [1.0 / spread if spread > 0 else 0.0 for spread in spreads]
        if self.spectral is not None:
            self.spectral_scale = scales[-1] * (self.spectral_weight if len(blocks) > 1 else 1.0)
        if self.encoder is not None:
            self.encoder_scale = scales[0]
        return self._join(blocks)

    def reweigh(self, z: Tensor, weight: float) -> Tensor:
        """Give the spectral block another weight; `z`, from `fit_scales`, with that weight."""
        assert self.spectral is not None
        factor, rank = weight / self.spectral_weight, self.spectral.axes.shape[1]
        self.spectral_scale *= factor
        self.spectral_weight = weight
        return torch.cat([z[:, :-rank], z[:, -rank:] * factor], dim=1)

    def transform(self, inputs: GraphInputs) -> Tensor:
        """Representation of a graph's nodes, (n, width), float32."""
        return self._join(self._blocks(inputs))

    def _join(self, blocks: list[Tensor]) -> Tensor:
        scales = [self.encoder_scale] if self.encoder is not None else []
        scales += [self.spectral_scale] if self.spectral is not None else []
        return torch.cat([b * s for b, s in zip(blocks, scales, strict=True)], dim=1)

    def _blocks(self, inputs: GraphInputs) -> list[Tensor]:
        blocks = []
        if self.encoder is not None:
            blocks.append(_encode(self.encoder, inputs, self.smoothing))
        if self.spectral is not None:
            block = self.spectral.transform(inputs.matrix, inputs.features)
            blocks.append(torch.from_numpy(np.ascontiguousarray(block)))
        return blocks

    def compact(self, reduce: nn.Linear) -> CompactEmbedding:
        """Fold the scales and the bottleneck's cut encoder into the two blocks."""
        weight, bias = reduce.weight.detach().double(), reduce.bias.detach().double()
        width = 0 if self.encoder is None else self.encoder.widths[-1]
        head = axes = None
        if self.encoder is not None:
            head = (weight[:, :width] * self.encoder_scale).float()
        if self.spectral is not None:
            back = weight[:, width:] * self.spectral_scale
            axes = (torch.from_numpy(self.spectral.axes).double() @ back.T).float()
            bias = bias - back @ torch.from_numpy(self.spectral.mean).double()
        steps = 0 if self.spectral is None else self.spectral.steps
        return CompactEmbedding(self.encoder, head, axes, bias.float(), self.smoothing, steps)


@dataclass
class CompactEmbedding:
    """The model that is left: an encoder, one matrix behind it, one on the smoothed features.

    Parameters
    ----------
    encoder
        Without masks, or None.
    head
        From the encoder's width to the embedding's, (m, width), or None.
    axes
        From the features to the embedding, (d, m), or None.
    bias
        Shape (m,).
    smoothing, steps
        Propagation steps behind the encoder, and those averaged over for the features.
    """

    encoder: GraphEncoder | None
    head: Tensor | None
    axes: Tensor | None
    bias: Tensor
    smoothing: int
    steps: int

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
            projected = np.asarray(inputs.features @ self.axes.numpy(), np.float32)
            total += smooth(inputs.matrix, projected, self.steps, average=True)
        return np.asarray(total + self.bias.numpy(), dtype=np.float32)


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
