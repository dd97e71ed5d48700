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
    left, total = torch.zeros(len(wanted), dtype=torch.float64), 0.0
    for errors, squares in _by_block(network, rows, wanted):
        left += errors.sum(dim=0)
        total += float(squares.sum())
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
    left, squares = zip(*_by_block(network, rows, list(widths)), strict=True)
    total = float(torch.cat(squares).mean())
    errors: np.ndarray = torch.cat(left).numpy()
    return errors / total if total > 0 else np.zeros_like(errors)


def _by_block(network: Ordered, rows: Rows, widths: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """What each row of a block loses at each width, (b, widths), and its squares, (b,)."""
    weight = next(network.parameters())
    for block in rows.blocks():
        x = block.to(weight)
        codes = network.encode(x, max(widths))
        told = [(network.decode(codes[:, :m]) - x).double().square().sum(dim=1) for m in widths]
        yield torch.stack(told, dim=1).cpu(), block.double().square().sum(dim=1)
