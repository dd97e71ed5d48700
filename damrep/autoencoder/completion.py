"""The codes that a prefix lacks, guessed from those it has.

A decoder trained on all codes makes little of the first few with the others at 0, where hardly a
row is. Given the best guess of the others it does nearly as well as one trained on so few.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Completion"]

_LAYERS, _UNITS = 3, 128


class Completion(nn.Module):
    """The first m codes of rows -> all n, the first m as they are.

    One network for all m, which is told which codes it is given: three layers of as many units as
    the autoencoder's narrowest, 128 at most. So it has no more than 384 weights a code and 33,000.

    Parameters
    ----------
    width
        Number of codes n.
    hidden
        Widths of the autoencoder's hidden layers.
    told
        For m = 1 .. n - 1, how many of the first m codes are used. Fewer where the last ones make
        the guess no better, and none where the mean row is the best. By default all.

    Attributes
    ----------
    mean, scale : Tensor, shape (n,)
        What codes are measured from, and in.

    Examples
    --------
    >>> completion = Completion(4, (8, 8))
    >>> completion(torch.tensor([[0.5, -1.0]])).detach()
    tensor([[ 0.5000, -1.0000,  0.0000,  0.0000]])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, hidden: Sequence[int], told: Sequence[int] | None = None):
        super().__init__()
        self.told = list(range(1, width) if told is None else told)
        units = min(_UNITS, *hidden)
        sizes = [2 * width, *[units] * _LAYERS, width]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(inputs, outputs), nn.ELU()]
        self.layers = nn.Sequential(*layers[:-1])
        for start in layers[-2].parameters():  # from the mean of each code
            nn.init.zeros_(start)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def guess(self, codes: Tensor, given: Tensor) -> Tensor:
        """All codes, of which those given stay as they are.

        Parameters
        ----------
        codes
            Of rows, (..., n); those not given are not looked at.
        given
            1 where a code is given and 0 elsewhere, (..., n).
        """
        seen = given * (codes - self.mean) / self.scale
        guessed = self.mean + self.scale * self.layers(torch.cat([seen, given], dim=-1))
        return torch.where(given > 0, codes, guessed)

    def forward(self, codes: Tensor) -> Tensor:
        """All n codes of rows from the first m, (..., m) -> (..., n)."""
        lacking = len(self.mean) - codes.shape[-1]
        given = functional.pad(torch.ones_like(codes), (0, lacking))
        return self.guess(functional.pad(codes, (0, lacking)), given)
