"""Layers of the encoders: PyG's, on a propagation matrix prepared once instead of on edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GCNConv, SAGEConv
from torch_geometric.nn.dense import Linear

from damrep.graph.encoding.propagation import Features, SparseOperator, smooth
from damrep.masking.compaction import slice_linear

__all__ = ["GCNLayer", "PropagatedLinear", "SAGELayer"]


def _project(x: Features, linear: Any, keep: Tensor | None) -> Tensor:
    """Multiply: x W', without the bias; sparse features are never made dense.

    `keep` says which columns of x to read (bool), or what to multiply W by: gating W is gating x
    without a copy. Dense columns are copied: with half of them dropped, products cost half.
    """
    if keep is not None and keep.dtype == torch.bool and isinstance(x, Tensor):
        columns = torch.nonzero(keep).flatten()
        weight = linear.weight.index_select(1, columns)
        return F.linear(x.index_select(1, columns).to(weight.dtype), weight)
    weight = linear.weight if keep is None else linear.weight * keep
    if isinstance(x, SparseOperator):
        return x @ weight.t()
    return F.linear(x.to(weight.dtype), weight)  # the weights' precision is the training's


def _scaled(bias: Tensor, scale: Tensor | None) -> Tensor:
    return bias if scale is None else bias * scale


class GCNLayer(GCNConv):
    """`GCNConv` on a prepared propagation matrix (see `propagation.gcn_matrix`).

    Same parameters and result as PyG's layer on the edge list. `order` permutes the nodes' features
    before propagation: the corruption of contrastive objectives, for which the projection, the dear
    part, is not computed again.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, normalize=False)

    @property
    def width(self) -> int:
        """Columns of the output."""
        return int(self.lin.weight.shape[0])

    @property
    def projected_width(self) -> int:
        """Columns of `project_features`."""
        return int(self.lin.weight.shape[0])

    def project_features(self, x: Features, keep: Tensor | None = None) -> Tensor:
        """The part that does not depend on the edges."""
        return _project(x, self.lin, keep)

    def propagate_features(
        self, h: Tensor, operator: SparseOperator, scale: Tensor | None = None
    ) -> Tensor:
        """The part that does; `scale` is what the projection's rows were multiplied by."""
        out = operator @ h
        return out if self.bias is None else out + _scaled(self.bias, scale)

    def precompute(self, x: Tensor, operator: SparseOperator) -> Tensor:
        """What the layer reads of dense features, propagated: its rows are all that is needed."""
        return operator @ x

    def from_precomputed(self, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        """The layer's output of some rows of `precompute`; `keep` as for `project_features`."""
        out = _project(rows, self.lin, keep)
        return out if self.bias is None else out + self.bias

    def cut(self, rows: Tensor, cols: Tensor | None, scale: Tensor) -> GCNLayer:
        """A smaller layer: some outputs, times `scale`, of some inputs."""
        small = GCNLayer(self.in_channels if cols is None else len(cols), len(rows))
        _copy_cut(small.lin, self.lin, rows, cols, scale)
        with torch.no_grad():
            small.bias.copy_(self.bias[rows] * scale)
        return small


class SAGELayer(SAGEConv):
    """`SAGEConv` with mean aggregation on a prepared matrix (see `propagation.mean_matrix`).

    Projects before it aggregates, which is the same and cheaper for wide inputs.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, aggr="mean")

    @property
    def width(self) -> int:
        """Columns of the output."""
        return int(self.lin_l.weight.shape[0])

    @property
    def projected_width(self) -> int:
        """Columns of `project_features`."""
        return 2 * int(self.lin_l.weight.shape[0])

    def project_features(self, x: Features, keep: Tensor | None = None) -> Tensor:
        """Neighbour and own projections side by side."""
        return torch.cat([_project(x, self.lin_l, keep), _project(x, self.lin_r, keep)], dim=1)

    def propagate_features(
        self, h: Tensor, operator: SparseOperator, scale: Tensor | None = None
    ) -> Tensor:
        """Aggregate the neighbours' part, add the node's own."""
        width = h.shape[1] // 2
        return operator @ h[:, :width] + _scaled(self.lin_l.bias, scale) + h[:, width:]

    def precompute(self, x: Tensor, operator: SparseOperator) -> Tensor:
        """What the layer reads of dense features, propagated: its rows are all that is needed."""
        return torch.cat([operator @ x, x], dim=1)

    def from_precomputed(self, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        """The layer's output of some rows of `precompute`; `keep` as for `project_features`."""
        width = rows.shape[1] // 2
        around = _project(rows[:, :width], self.lin_l, keep) + self.lin_l.bias
        return around + _project(rows[:, width:], self.lin_r, keep)

    def cut(self, rows: Tensor, cols: Tensor | None, scale: Tensor) -> SAGELayer:
        """A smaller layer: some outputs, times `scale`, of some inputs."""
        width = self.lin_r.weight.shape[1] if cols is None else len(cols)
        small = SAGELayer(width, len(rows))
        _copy_cut(small.lin_l, self.lin_l, rows, cols, scale)
        _copy_cut(small.lin_r, self.lin_r, rows, cols, scale)
        return small


class PropagatedLinear(nn.Module):
    """A linear layer on features propagated `steps` times: the autoencoder's layer.

    With no steps a plain linear layer. Propagation and projection commute, so the narrower side is
    propagated.
    """

    def __init__(self, in_channels: int, out_channels: int, steps: int) -> None:
        super().__init__()
        self.lin = Linear(in_channels, out_channels, bias=True)
        self.steps = steps

    @property
    def width(self) -> int:
        """Columns of the output."""
        return int(self.lin.weight.shape[0])

    @property
    def projected_width(self) -> int:
        """Columns of `project_features`."""
        return int(self.lin.weight.shape[0])

    def project_features(self, x: Features, keep: Tensor | None = None) -> Tensor:
        """The part that does not depend on the edges."""
        return _project(x, self.lin, keep)

    def propagate_features(
        self, h: Tensor, operator: SparseOperator, scale: Tensor | None = None
    ) -> Tensor:
        """The part that does; `scale` is what the projection's rows were multiplied by."""
        for _ in range(self.steps):
            h = operator @ h
        return h + _scaled(self.lin.bias, scale)

    def precompute(self, x: Tensor, operator: SparseOperator) -> Tensor:
        """What the layer reads of dense features, propagated: its rows are all that is needed."""
        propagated: Tensor = smooth(operator, x, self.steps)
        return propagated

    def from_precomputed(self, rows: Tensor, keep: Tensor | None = None) -> Tensor:
        """The layer's output of some rows of `precompute`; `keep` as for `project_features`."""
        return _project(rows, self.lin, keep) + self.lin.bias

    def cut(self, rows: Tensor, cols: Tensor | None, scale: Tensor) -> PropagatedLinear:
        """A smaller layer: some outputs, times `scale`, of some inputs."""
        width = self.lin.weight.shape[1] if cols is None else len(cols)
        small = PropagatedLinear(width, len(rows), self.steps)
        _copy_cut(small.lin, self.lin, rows, cols, scale)
        return small


def _copy_cut(small: Any, large: Any, rows: Tensor, cols: Tensor | None, scale: Tensor) -> None:
    cut = slice_linear(large, rows=rows, cols=cols, row_scale=scale)
    small.load_state_dict(cut.state_dict())
