"""What all encoders are: layers stacked once, with a mask after any of them.

`GraphEncoder` owns the stacking, the masks and the cutting, so a mask goes in once and every
encoder has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from damrep.graph.encoding.activations import PReLU
from damrep.graph.encoding.propagation import Features, SparseOperator
from damrep.masking.dam import DAM
from damrep.masking.validation import InputError
from damrep.training.seeding import local_seed

__all__ = ["GraphEncoder"]


def _outer(rows: Tensor | None, cols: Tensor | None) -> Tensor | None:
    """Factors of a weight matrix by rows and columns, (m, n), or what broadcasts to it."""
    if rows is None:
        return cols
    return rows[:, None] if cols is None else rows[:, None] * cols


def _reorder(h: Tensor, order: Tensor | None) -> Tensor:
    return h if order is None else _Permute.apply(h, order)


class _Permute(torch.autograd.Function):
    """Rows in another order; the backward pass is the inverse order, not a scatter."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, order: Tensor) -> Tensor:
        ctx.order = order
        return h.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0].index_select(0, torch.argsort(ctx.order)), None


class GraphEncoder(nn.Module):
    """Layers, each followed by PReLU and, if wanted, by a mask.

    Parameters
    ----------
    in_features
        Width d of the node features.
    widths
        Width of each layer, the last being the representation's.
    masked
        Which layers get a `DAM`: one bool a layer, or one for all.
    gate, span
        Of the masks.

    Raises
    ------
    InputError
        If no widths are given or `masked` has another length.
    """

    propagation = "gcn"
    # Typed once for all, since `nn.Module` gives its attributes out as tensors or modules.
    layers: Any
    activations: Any
    masks: Any

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        masked: bool | Sequence[bool] = False,
        gate: str = "relu_tanh",
        span: float = 5.0,
    ) -> None:
        super().__init__()
        flags = [masked] * len(widths) if isinstance(masked, bool) else list(masked)
        if not widths or len(flags) != len(widths):
            raise InputError(f"widths {list(widths)} and masked {flags} must be of one length >= 1")
        sizes = [in_features, *widths]
        self.layers = nn.ModuleList(
            self.make_layer(i, sizes[i], sizes[i + 1]) for i in range(len(widths))
        )
        self.activations = nn.ModuleList(PReLU() for _ in widths)
        self.masks = nn.ModuleList(
            DAM(width, gate=gate, span=span) if flag else nn.Identity()
            for width, flag in zip(widths, flags, strict=True)
        )

    def make_layer(self, index: int, in_channels: int, out_channels: int) -> nn.Module:
        """The layer of a position; what a new encoder supplies."""
        raise NotImplementedError

    @property
    def widths(self) -> list[int]:
        """Width of each layer's output."""
        return [int(layer.width) for layer in self.layers]

    def forward(self, x: Features, operator: SparseOperator, order: Tensor | None = None) -> Tensor:
        """Representations of the nodes.

        Parameters
        ----------
        x
            Features (n, d), dense or a `SparseOperator`.
        operator
            The matrix this encoder propagates with, (n, n); see `propagation`.
        order
            A permutation (n,) of the nodes' features, or None.

        Returns
        -------
        Tensor, shape (n, widths[-1])
        """
        return self.forward_projected(self.layers[0].project_features(x), operator, order)

    def forward_projected(
        self, first: Tensor, operator: SparseOperator, order: Tensor | None = None
    ) -> Tensor:
        """From the first layer's projection on, so that several views can share it.

        Parameters
        ----------
        first
            `project_features` of the first layer, (n, its `projected_width`).
        operator, order
            As for `forward`.

        Masks act on weights, as in `compact`: those are small beside the representations of all
        nodes. A hidden mask's gate goes into the layer behind it, the last one's into its own.
        """
        h = self.layers[0].propagate_features(_reorder(first, order), operator)
        h = self.activations[0](h)
        if len(self.layers) == 1:
            return self.masks[0](h)
        gates = [mask.gate() if isinstance(mask, DAM) else None for mask in self.masks]
        for i in range(1, len(self.layers)):
            layer, own = self.layers[i], gates[i] if i == len(self.layers) - 1 else None
            projected = layer.project_features(h, _outer(own, gates[i - 1]))
            h = self.activations[i](layer.propagate_features(projected, operator, own))
        return h

    def encode_rows(self, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        """Representations of some nodes, of an encoder of one layer.

        Parameters
        ----------
        rows
            Of what its layer's `precompute` gives, (m, that width).
        keep
            Which columns of the features to read, (d,) bool, or None for all.
        """
        encoded: Tensor = self.masks[0](
            self.activations[0](self.layers[0].from_precomputed(rows, keep))
        )
        return encoded

    def behind(self, axes: np.ndarray) -> GraphEncoder:
        """The encoder without masks that does with x what this one does with x @ axes.

        Parameters
        ----------
        axes
            Directions of the features, (d, this encoder's in_features).
        """
        with local_seed(0):
            wide = self.__class__(len(axes), self.widths)
        state = self.state_dict()
        for name, weight in state.items():
            if name.startswith("layers.0.") and weight.dim() == 2:
                state[name] = weight @ torch.from_numpy(axes).to(weight).T
        wide.load_state_dict(state)
        return wide.train(self.training)

    def compact(self) -> GraphEncoder:
        """The same function without masks: closed units sliced away, gates folded in.

        A gate is positive and PReLU with one slope is positively homogeneous, so the gate goes
        into the layer before. Outputs of a masked last layer come in index order, closed ones left
        out.
        """
        # PyG's layers draw weights when they are made; that must not advance the global generator.
        with local_seed(0):
            return self._compact()

    def _compact(self) -> GraphEncoder:
        cut = self.__class__.__new__(self.__class__)
        nn.Module.__init__(cut)
        layers, cols = [], None
        for layer, mask in zip(self.layers, self.masks, strict=True):
            if isinstance(mask, DAM):
                rows = torch.nonzero(mask.active).flatten()
                scale = mask.gate().detach()[rows]
            else:
                rows = torch.arange(layer.width)
                scale = torch.ones(len(rows))
            layers.append(layer.cut(rows, cols, scale))
            cols = rows
        cut.layers = nn.ModuleList(layers)
        cut.activations = nn.ModuleList(PReLU() for _ in layers)
        cut.activations.load_state_dict(self.activations.state_dict())
        cut.masks = nn.ModuleList(nn.Identity() for _ in layers)
        cut.train(self.training)
        return cut
