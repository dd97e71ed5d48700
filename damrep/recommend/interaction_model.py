"""The model of implicit feedback: every pair is an observation, those without interaction light.

The objective is that of Hu, Koren, Volinsky (ICDM 2008) in the form of Rendle, Krichene, Zhang,
Koren, "Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022,
arXiv 2110.14037)::

    sum over interactions of w (1 - x)^2  +  a sum over all pairs of x^2
      +  reg sum over rows of (their interactions + a columns) ||row||^2

for x = p_u . q_i and a the weight of a pair without interaction.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from damrep.recommend.entries import Entries
from damrep.recommend.realign import realignment
from damrep.recommend.ridge import conjugate_gradient
from damrep.training.seeding import torch_generator

__all__ = ["InteractionModel", "regress"]

_ITERATIONS = 2
_SPARE = 8


def regress(
    entries: Entries,
    rows: Tensor,
    columns: Tensor,
    unobserved: float,
    reg: float,
    steps: int,
) -> Tensor:
    """Regress every row on the columns it has interactions with, and lightly on all others.

    Parameters
    ----------
    entries
        Weights of the interactions, rows by columns.
    rows
        Where to begin, (rows, m).
    columns
        Factors held fixed, (columns, m).
    unobserved
        Weight of a pair without interaction.
    reg
        L2 penalty per interaction.
    steps
        Conjugate gradient steps.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> entries = Entries(sp.csr_matrix([[1.0, 0.0]]))
    >>> columns = torch.tensor([[2.0], [1.0]])
    >>> float(regress(entries, torch.zeros(1, 1), columns, 0.0, 1.0, steps=1))
    0.4...
    """
    moments = unobserved * (columns.T @ columns)
    # What the weights add up to, where a weight of 1 is one interaction.
    ridge = reg * (entries.weight + unobserved * len(columns))[:, None]
    diagonal = entries.sums(columns.square(), entries.weights) + moments.diagonal() + ridge

    def product(x: Tensor) -> Tensor:
        seen = entries.dots(x, columns)
        if entries.weights is not None:
            seen = seen * entries.weights
        return entries.sums(columns, seen).addmm_(x, moments).addcmul_(ridge, x)

    rest = 1 - entries.dots(rows, columns)
    if entries.weights is not None:
        rest = rest * entries.weights
    right = entries.sums(columns, rest) - rows @ moments - ridge * rows
    return conjugate_gradient(product, right, rows, diagonal.clamp_min(1e-20), steps)


class InteractionModel:
    """Factors of users and items for interactions.

    Parameters
    ----------
    by_user, by_item
        Weights of the interactions, as `both_ways` lays them out.
    width
        Columns.
    unobserved, reg
        See the module.
    seed
        Seed of the randomised SVD the items' factors start from.
    steps
        Conjugate gradient steps of an update.
    """

    def __init__(
        self,
        by_user: Entries,
        by_item: Entries,
        width: int,
        unobserved: float,
        reg: float,
        seed: int,
        steps: int = 3,
    ) -> None:
        self.by_user, self.by_item = by_user, by_item
        self.unobserved, self.reg, self.steps = unobserved, reg, steps
        self.items = _leading_items(by_user, by_item, width, seed)
        self.users = torch.zeros(by_user.shape[0], width)

    @property
    def width(self) -> int:
        """Number of factor columns."""
        return self.users.shape[1]

    def sweep(self) -> None:
        """Update the users, then the items, and turn both so that the strongest come first."""
        self.update_users(self.steps)
        self.items = regress(
            self.by_item, self.items, self.users, self.unobserved, self.reg, self.steps
        )
        self.align()

    def update_users(self, steps: int) -> None:
        """Regress the users on the items."""
        self.users = regress(self.by_user, self.users, self.items, self.unobserved, self.reg, steps)

    def align(self) -> None:
        """Turn the factors so that the columns are in order of strength."""
        by_user, by_item, self.strengths = realignment(
            self.users.T @ self.users, self.items.T @ self.items
        )
        self.users, self.items = self.users @ by_user.float(), self.items @ by_item.float()

    def cut(self, columns: int) -> InteractionModel:
        """A copy with the first columns only."""
        other = copy.copy(self)
        other.users = self.users[:, :columns].clone()
        other.items = self.items[:, :columns].clone()
        return other


def _leading_items(by_user: Entries, by_item: Entries, width: int, seed: int) -> Tensor:
    """Leading singular vectors of the pattern over the roots of both counts, (items, width)."""
    users, items = by_user.counts.clamp_min(1).rsqrt(), by_item.counts.clamp_min(1).rsqrt()
    count = len(items)
    spare = min(width + _SPARE, count)
    right = torch.randn(count, spare, generator=torch_generator(seed))
    for _ in range(_ITERATIONS):
        left = torch.linalg.qr(by_user.sums(right * items[:, None]) * users[:, None])[0]
        right = torch.linalg.qr(by_item.sums(left * users[:, None]) * items[:, None])[0]
    middle = by_user.sums(right * items[:, None]) * users[:, None]
    values, turn = torch.linalg.eigh(middle.T @ middle)
    right = (right @ turn.flip(1))[:, :width]
    strengths = values.flip(0)[:width].clamp_min(0).sqrt()
    start = torch.zeros(count, width)
    start[:, : right.shape[1]] = right * strengths.sqrt()
    return start
