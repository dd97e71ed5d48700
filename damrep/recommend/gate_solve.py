"""Where beta should stand: the mask's one-dimensional problem, solved and not descended.

With the factors given and in order, a mask multiplies what column j adds to every prediction by
g_j(beta). The squared loss over a set of entries is then a quadratic form in the gates, of an
m x m matrix that is summed once; every beta costs a product with it, so all are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from damrep.masking.gate import GATES, beta_for_width, offsets
from damrep.masking.moments import second_moment
from damrep.masking.price import price_to_lambda

__all__ = ["Contributions", "GateSolution", "solve_beta"]

_SHAPE = "relu_tanh"
_PER_UNIT = 4
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

    def loss(self, gates: Tensor) -> Tensor:
        """Mean squared error with the columns multiplied by the gates, (..., m)."""
        gates = gates.double()
        return self.square - 2 * gates @ self.linear + ((gates @ self.quadratic) * gates).sum(-1)

    def prefixes(self) -> Tensor:
        """Loss with the first 0, 1, ..., m columns, (m + 1,)."""
        m = len(self.linear)
        return self.loss(torch.ones(m + 1, m, dtype=torch.double).tril(-1))


@dataclass(frozen=True)
class GateSolution:
    """The beta that was found, its gates strongest first, and how many of them are open."""

    beta: float
    gates: Tensor
    open_gates: int
    loss: float


def solve_beta(
    contributions: Contributions, reference: float, price: float, initial: int, span: float = 5.0
) -> GateSolution:
    """The beta with the smallest normalised loss plus penalty, over all that open 0 to m units.

    Parameters
    ----------
    contributions
        Of the m columns there still are, strongest first.
    reference
        Loss of the trivial model.
    price
        Share of the normalised loss one dimension must earn.
    initial
        Units of the mask; those beyond m are empty.
    span
        Spread of the offsets.

    Returns
    -------
    GateSolution
        Gates are taken relative to the strongest, so that a mask of one unit does not shrink it.

    Examples
    --------
    >>> parts = torch.eye(3) * torch.tensor([3.0, 2.0, 0.01])
    >>> solution = solve_beta(Contributions.of(parts, parts.sum(1)), 13 / 3, 0.01, initial=3)
    >>> solution.open_gates
    2
    """
    m = len(contributions.linear)
    step = span / initial / _PER_UNIT
    lowest = beta_for_width(0, initial, span)
    betas = lowest + step * torch.arange(initial * _PER_UNIT + 1, dtype=torch.double)
    shift = offsets(initial, span).double().flip(0)[:m]
    gates = GATES[_SHAPE].function(shift + betas[:, None])
    if m:
        gates = gates / gates[:, :1].clamp_min(1e-12)
    lam = price_to_lambda(price, initial, span)
    losses = contributions.loss(gates) / reference
    objective = losses + lam * betas.clamp(min=-span)
    best = int(objective.argmin())
    found = gates[best]
    return GateSolution(float(betas[best]), found, int((found > 0).sum()), float(losses[best]))
