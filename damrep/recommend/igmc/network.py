"""IGMC's network: relational graph convolutions on a subgraph, read out at the pair, masked.

Zhang and Chen, "Inductive Matrix Completion Based on Graph Neural Networks", ICLR 2020, arXiv
1904.12058, section 3.3; with a mask over the hidden units of the readout (Bu, Daw, Maruf, Karpatne,
NeurIPS 2021, arXiv 2110.00684).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from damrep.masking import DAM, slice_linear
from damrep.recommend.igmc.batches import GraphBatch

__all__ = ["IGMCNetwork", "RelationalWeights"]

_LABELS = 4  # the user asked about, the item asked about, other users, other items


class _NeighbourSum(torch.autograd.Function):
    """Rows (node, level) of messages summed at the nodes that receive them."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, batch: GraphBatch) -> Tensor:
        ctx.batch = batch
        return _bags(messages, batch.received, batch.received_weight, batch.received_ptr)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        batch = ctx.batch
        return _bags(grads[0].contiguous(), batch.sent, batch.sent_weight, batch.sent_ptr), None


class _LastSum(torch.autograd.Function):
    """Nodes summed by level at the users and items asked about."""

    @staticmethod
    def forward(ctx: Any, nodes: Tensor, batch: GraphBatch) -> Tensor:
        ctx.batch, ctx.size = batch, len(nodes)
        return _bags(nodes, batch.last, batch.last_weight, batch.last_ptr)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        batch, grad = ctx.batch, grads[0]
        # A node is the neighbour of one of them at most: nothing is to be added up.
        out = grad.new_zeros(ctx.size, grad.shape[1])
        out[batch.last] = grad[batch.last_bag] * batch.last_weight[:, None]
        return out, None


def _bags(rows: Tensor, index: Tensor, weight: Tensor, ptr: Tensor) -> Tensor:
    summed: Tensor = functional.embedding_bag(
        index, rows, ptr, mode="sum", per_sample_weights=weight, include_last_offset=True
    )
    return summed


class RelationalWeights(nn.Module):
    """Weights of a relational graph convolution, with basis decomposition.

    A node's new value is `x W_0 + b` and, summed over its neighbours, `x_j W_r / c`, r being the
    level of the rating between; `W_r = sum_b a_rb B_b` (Schlichtkrull et al., "Modeling Relational
    Data with Graph Convolutional Networks", ESWC 2018, arXiv 1703.06103). Parameters are named,
    and shaped, as in `torch_geometric.nn.RGCNConv`.

    Parameters
    ----------
    inputs, outputs
        Widths.
    num_levels
        Number R of relations.
    num_bases
        Number of bases B.

    Examples
    --------
    >>> weights = RelationalWeights(4, 32, num_levels=10, num_bases=4)
    >>> weights.by_level().shape
    torch.Size([10, 4, 32])
    """

    def __init__(self, inputs: int, outputs: int, num_levels: int, num_bases: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_bases, inputs, outputs))
        self.comp = nn.Parameter(torch.empty(num_levels, num_bases))
        self.root = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        bound = 1 / math.sqrt(num_bases * inputs)  # as IGMC was published with
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def by_level(self) -> Tensor:
        """The matrices W_r, shape (R, inputs, outputs)."""
        bases, inputs, outputs = self.weight.shape
        return (self.comp @ self.weight.view(bases, -1)).view(-1, inputs, outputs)

    def difference(self) -> Tensor:
        """Squared difference of the matrices of adjacent levels, summed: the ARR of this layer."""
        matrices = self.by_level()
        return (matrices[1:] - matrices[:-1]).square().sum()


class IGMCNetwork(nn.Module):
    """From subgraphs to one number a pair.

    Parameters
    ----------
    num_levels
        Levels R a rating can have.
    hidden
        Widths of the graph layers, two at least.
    num_bases
        Of the basis decomposition.
    readout
        Columns of the readout, n.
    mask
        Over these columns; None for none.

    Attributes
    ----------
    order : Tensor, shape (n,)
        With a mask: columns as they stand before it; the last stays open longest.
    """

    order: Tensor

    def __init__(
        self,
        num_levels: int,
        hidden: Sequence[int] = (32, 32, 32, 32),
        num_bases: int = 4,
        readout: int = 128,
        mask: DAM | None = None,
    ) -> None:
        super().__init__()
        self.num_levels, self.num_bases = num_levels, num_bases
        self.hidden = tuple(hidden)
        widths = [_LABELS, *self.hidden]
        self.layers = nn.ModuleList(
            RelationalWeights(before, after, num_levels, num_bases)
            for before, after in zip(widths, widths[1:], strict=False)
        )
        self.into = nn.Linear(2 * sum(self.hidden), readout)
        self.mask = mask
        self.out = nn.Linear(readout, 1)
        if mask is not None:
            self.register_buffer("order", torch.arange(readout), persistent=False)

    @property
    def width(self) -> int:
        """Columns of the readout."""
        return self.into.out_features

    def represent(self, batch: GraphBatch) -> Tensor:
        """All layers' values at the pair's user and item, shape (B, 2 * sum(hidden))."""
        first, *middle, last = self._weights()
        x = torch.tanh(self._first(first, batch))
        users, items = batch.target_users, batch.target_items
        seen = [(x[users], x[items])]
        for layer in middle:
            inputs, outputs = x.shape[1], layer.bias.shape[0]
            across = layer.by_level().transpose(0, 1).reshape(inputs, -1)
            messages = (x @ across).view(-1, outputs)
            received = _NeighbourSum.apply(messages, batch)
            x = torch.tanh(received + torch.addmm(layer.bias, x, layer.root))
            seen.append((x[users], x[items]))
        received = _LastSum.apply(x, batch).view(2 * len(batch), -1)
        own = torch.cat(seen[-1])
        out = torch.addmm(last.bias, own, last.root)
        out = torch.tanh(out + received @ last.by_level().flatten(0, 1))
        seen.append((out[: len(batch)], out[len(batch) :]))
        return torch.cat([x for x, _ in seen] + [x for _, x in seen], dim=1)

    def _first(self, layer: Any, batch: GraphBatch) -> Tensor:
        """The first layer, which knows of a node its label alone."""
        table = layer.by_level()  # (R, labels, outputs)
        root = layer.root + layer.bias
        parts = []
        for rows, own, targets, others in (
            (slice(None, batch.num_users), 0, 1, 3),
            (slice(batch.num_users, None), 1, 0, 2),
        ):
            weight = torch.cat([table[:, targets], table[:, others]])
            parts.append(torch.addmm(root[own + 2], batch.label_counts[rows], weight))
        x = torch.cat(parts)
        change = torch.zeros_like(x)
        change[batch.target_users] = root[0] - root[2]
        change[batch.target_items] = root[1] - root[3]
        return x + change

    def columns(self, batch: GraphBatch) -> Tensor:
        """Columns of the readout, shape (B, n)."""
        return torch.relu(self.into(self.represent(batch)))

    def parts(self, batch: GraphBatch) -> Tensor:
        """What each column adds to the number, in the order of the mask, shape (B, n)."""
        return (self.columns(batch) * self.out.weight)[:, self.order]

    def forward(self, batch: GraphBatch) -> Tensor:
        """One number a pair, shape (B,)."""
        out: Tensor
        if self.mask is None:
            out = self.out(self.columns(batch)).squeeze(1)
        else:
            out = self.mask(self.parts(batch)).sum(dim=1) + self.out.bias
        return out

    @torch.no_grad()
    def predict(self, batch: GraphBatch) -> np.ndarray:
        """The same as an array."""
        values: np.ndarray = self(batch).cpu().numpy()
        return values

    def rating_difference(self) -> Tensor:
        """Adjacent rating regularisation, summed over the layers (arXiv 1904.12058, eq. 7)."""
        return torch.stack([layer.difference() for layer in self._weights()]).sum()

    def _weights(self) -> list[Any]:
        return list(self.layers)

    def compact(self) -> IGMCNetwork:
        """The network of the open columns, strongest first, gates folded in, without a mask."""
        assert self.mask is not None
        open_gates = self.mask.active.nonzero().flatten().flip(0)
        keep, gates = self.order[open_gates], self.mask.gate().detach()[open_gates]
        made = IGMCNetwork(self.num_levels, self.hidden, self.num_bases, len(keep))
        made.layers.load_state_dict(self.layers.state_dict())
        made.into = slice_linear(self.into, rows=keep)
        made.out = slice_linear(self.out, cols=keep, col_scale=gates)
        return made.to(self.into.weight.device)
