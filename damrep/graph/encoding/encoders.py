"""The encoders there are, by name: GCN, GraphSAGE and an autoencoder's.

An encoder supplies its layers and nothing else. The layers are imported when one is made: PyG takes
longer to import than torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from damrep.graph.encoding.stack import GraphEncoder
from damrep.masking.validation import check_choice

__all__ = [
    "ENCODERS",
    "AutoencoderEncoder",
    "GCNEncoder",
    "SAGEEncoder",
    "make_encoder",
]


class GCNEncoder(GraphEncoder):
    """Graph convolutional network (Kipf and Welling, arXiv 1609.02907) of PyG's GCNConv.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, torch
    >>> from damrep.graph.encoding.propagation import SparseOperator, gcn_matrix
    >>> operator = SparseOperator(gcn_matrix(sp.csr_array(np.ones((4, 4)) - np.eye(4))))
    >>> encoder = GCNEncoder(3, [8, 6], masked=True)
    >>> encoder.masks[1].set_width(2)
    >>> encoder.compact()(torch.ones(4, 3), operator).shape
    torch.Size([4, 2])
    """

    def make_layer(self, index: int, in_channels: int, out_channels: int) -> nn.Module:
        """A GCNConv."""
        from damrep.graph.encoding.layers import GCNLayer

        return GCNLayer(in_channels, out_channels)


class SAGEEncoder(GraphEncoder):
    """GraphSAGE with mean aggregation (Hamilton et al., arXiv 1706.02216) of PyG's SAGEConv."""

    propagation = "mean"

    def make_layer(self, index: int, in_channels: int, out_channels: int) -> nn.Module:
        """A SAGEConv."""
        from damrep.graph.encoding.layers import SAGELayer

        return SAGELayer(in_channels, out_channels)


class AutoencoderEncoder(GraphEncoder):
    """The encoder half of an autoencoder on propagated features: edges are used once, in front."""

    steps = 2

    def make_layer(self, index: int, in_channels: int, out_channels: int) -> nn.Module:
        """Propagation and a linear layer first, linear layers after."""
        from damrep.graph.encoding.layers import PropagatedLinear

        return PropagatedLinear(in_channels, out_channels, self.steps if index == 0 else 0)


ENCODERS: dict[str, type[GraphEncoder]] = {
    "gcn": GCNEncoder,
    "sage": SAGEEncoder,
    "autoencoder": AutoencoderEncoder,
}
"""Name -> class. One that is added here can be asked for, saved and loaded by its name."""


def make_encoder(
    name: str, in_features: int, widths: Sequence[int], **options: Any
) -> GraphEncoder:
    """An encoder by name.

    Parameters
    ----------
    name
        One of `ENCODERS`.
    in_features, widths, options
        As for `GraphEncoder`.

    Raises
    ------
    InputError
        If there is no such encoder.

    Examples
    --------
    >>> make_encoder("sage", 5, [8, 3]).widths
    [8, 3]
    """
    return ENCODERS[check_choice("encoder", name, tuple(ENCODERS))](in_features, widths, **options)
