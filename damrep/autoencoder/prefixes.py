"""What the first few codes of an autoencoder leave over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from damrep.autoencoder.rows import Rows

__all__ = ["Ordered", "prefix_errors", "prefix_losses"]


class Ordered(Protocol):
    """A module whose first few codes can be used alone."""

    def encode(self, x: Tensor, width: int | None = None) -> Tensor:
        """The first `width` codes of rows."""

    def decode(self, codes: Tensor) -> Tensor:
        """Rows from the first few codes."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of the module."""


@torch.no_grad()
def prefix_losses(network: Ordered, rows: Rows, widths: Iterable[int]) -> list[float]:
    """Share of the rows' squares that is not reconstructed from the first m codes.

    Parameters
    ----------
    network, rows
        On any device, and read block by block.
    widths
        Numbers of codes m.

    Returns
    -------
    list of float
        One a width; 0 where there is nothing to reconstruct.
    """
    wanted = list(widths)
    weight = next(network.parameters())
    left = torch.zeros(len(wanted), dtype=torch.float64)
    total = 0.0
    for block in rows.blocks():
        x = block.to(weight)
        codes = network.encode(x, max(wanted))
        for place, m in enumerate(wanted):
            left[place] += float((network.decode(codes[:, :m]) - x).double().square().sum())
        total += float(block.double().square().sum())
    return [float(loss) for loss in left / total] if total > 0 else [0.0] * len(wanted)


@torch.no_grad()
def prefix_errors(network: Ordered, rows: Rows, widths: Iterable[int]) -> np.ndarray:
    """`prefix_losses` row by row, of which they are the means.

    Parameters
    ----------
    network, rows, widths
        As there.

    Returns
    -------
    ndarray, float64, shape (rows, widths)
    """
    wanted = list(widths)
    weight = next(network.parameters())
    left, squares = list[Tensor](), list[Tensor]()
    for block in rows.blocks():
        x = block.to(weight)
        codes = network.encode(x, max(wanted))
        told = [(network.decode(codes[:, :m]) - x).double().square().sum(dim=1) for m in wanted]
        left.append(torch.stack(told, dim=1).cpu())
        squares.append(block.double().square().sum(dim=1))
    total = float(torch.cat(squares).mean())
    errors: np.ndarray = torch.cat(left).numpy()
    return errors / total if total > 0 else np.zeros_like(errors)
