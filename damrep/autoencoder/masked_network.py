"""An autoencoder behind a mask, with one factor that says how far from linear it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from damrep.autoencoder.network import AutoencoderNetwork
from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha

__all__ = ["MaskedNetwork"]

_LINEAR = 256.0  # the decoder starts as if it had so many codes, whatever their number


class MaskedNetwork(nn.Module):
    """An autoencoder with a mask over its codes and a factor on its nonlinear part.

    Parameters
    ----------
    network
        Trained in place.

    Attributes
    ----------
    mask : DAM
        Over the codes, the strongest last.
    log_gain : Parameter or None
        Logarithm of the factor; None without a linear path, where there is nothing to fall back on.

    Examples
    --------
    >>> masked = MaskedNetwork(AutoencoderNetwork(6, (8,), 4))
    >>> masked.mask.set_width(2)
    >>> masked(torch.zeros(3, 6)).shape, masked.fold().width
    (torch.Size([3, 6]), 2)
    """

    def __init__(self, network: AutoencoderNetwork) -> None:
        super().__init__()
        self.network = network
        n = network.width
        self.mask = DAM(n, alpha=step_alpha(n))
        self.mask.set_width(n)
        self.log_gain = None
        if network.linear_encoder is not None:
            # Before it, weights are as large as their number asks for.
            network.scale_decoder(math.sqrt(n / _LINEAR))
            self.log_gain = nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor, width: int | None = None) -> Tensor:
        """The first `width` codes as they are before the mask."""
        return self.network.encode(x, width)

    def codes(self, x: Tensor) -> Tensor:
        """Gated codes, strongest first."""
        gated: Tensor = self.mask(self.network.encode(x).flip(-1))
        return gated.flip(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Rows from the first few codes."""
        return self.network.decode(codes, None if self.log_gain is None else self.log_gain.exp())

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of x from its open codes."""
        return self.decode(self.codes(x))

    def fold(self) -> AutoencoderNetwork:
        """The network of the open codes, with the factor in its weights; a copy."""
        small = self.network.cut(self.mask.n_active)
        if self.log_gain is not None:
            small.scale_decoder(float(self.log_gain.detach().exp()))
        return small
