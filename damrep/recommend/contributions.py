"""What each column of a factor model adds to its predictions, summed to what a loss needs.

The squared loss over a set of entries is a quadratic form in the factors' gates, of an m x m matrix
that is summed once: the loss at every width is then a product with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from damrep.masking.moments import second_moment

__all__ = ["Contributions"]

_BLOCK = 16384


@dataclass(frozen=True)
class Contributions:
    """What each column adds to the predictions of a set of entries, summed to what a loss needs.

    The loss with gates g is ``square - 2 * linear @ g + g @ quadratic @ g``.

    Attributes
    ----------
    quadratic : Tensor of shape (m, m), float64
    linear : Tensor of shape (m,), float64
    square : float
        Loss without any column.
    """

    quadratic: Tensor
    linear: Tensor
    square: float

    @classmethod
    def of(cls, parts: Tensor, targets: Tensor) -> Contributions:
        """From each column's part of each prediction, (entries, m), and what is to be predicted.

        Examples
        --------
        >>> sums = Contributions.of(torch.tensor([[1.0], [1.0]]), torch.tensor([1.0, 3.0]))
        >>> sums.square, float(sums.loss(torch.ones(1)))
        (5.0, 2.0)
        """
        count = max(1, len(targets))
        parts, targets = parts.double(), targets.double()
        return cls(
            parts.T @ parts / count, parts.T @ targets / count, float(targets @ targets) / count
        )

    @classmethod
    def of_pairs(
        cls, users: Tensor, items: Tensor, rows: Tensor, columns: Tensor, targets: Tensor
    ) -> Contributions:
        """The same for pairs (rows, columns) of two sides' factors, a few pairs at a time."""
        m = users.shape[1]
        quadratic = torch.zeros(m, m, dtype=torch.double)
        linear = torch.zeros(m, dtype=torch.double)
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            parts = users[rows[block]] * items[columns[block]]
            quadratic += second_moment(parts)
            linear += second_moment(parts, targets[block, None])[:, 0]
        count = max(1, len(rows))
        square = float(targets.double().square().sum()) / count
        return cls(quadratic / count, linear / count, square)

    @staticmethod
    def prefix_errors(
        users: Tensor, items: Tensor, rows: Tensor, columns: Tensor, targets: Tensor
    ) -> Iterator[Tensor]:
        """Squared error of each pair with the first 0, 1, ..., m columns, a few pairs at a time.

        Examples
        --------
        >>> one = torch.ones(1, 2), torch.ones(1, 2), torch.tensor([0]), torch.tensor([0])
        >>> [block.tolist() for block in Contributions.prefix_errors(*one, torch.tensor([1.0]))]
        [[[1.0, 0.0, 1.0]]]
        """
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            parts = (users[rows[block]] * items[columns[block]]).cumsum(dim=1)
            rest = targets[block, None]
            yield torch.cat([rest, rest - parts], dim=1).square()

    def loss(self, gates: Tensor) -> Tensor:
        """Mean squared error with the columns multiplied by the gates, (..., m)."""
        gates = gates.double()
        return self.square - 2 * gates @ self.linear + ((gates @ self.quadratic) * gates).sum(-1)

    def prefixes(self) -> Tensor:
        """Loss with the first 0, 1, ..., m columns, (m + 1,)."""
        m = len(self.linear)
        return self.loss(torch.ones(m + 1, m, dtype=torch.double).tril(-1))
