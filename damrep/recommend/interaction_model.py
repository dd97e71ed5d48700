"""The model of implicit feedback: every pair is an observation, those without interaction light.

The objective is that of Hu, Koren, Volinsky (ICDM 2008) in the form of Rendle, Krichene, Zhang,
Koren, "Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022,
arXiv 2110.14037)::

    sum over interactions of w (1 - x)^2  +  a sum over all pairs of s_i x^2
      +  reg sum over rows of (their interactions + a times their s) ||row||^2

for x = p_u . q_i, a the weight of a pair without interaction and s_i the item's share in it, 1 in
the mean. The more have an item the more it says of a user not to have it: s_i goes with a power of
their number (He, Zhang, Kan, Chua, "Fast matrix factorization for online recommendation with
implicit feedback", SIGIR 2016, arXiv 1708.05024, eq. 8).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from damrep.masking.moments import eigen, second_moment
from damrep.recommend.entries import Entries
from damrep.recommend.realign import realignment
from damrep.recommend.ridge import LEAST_DIAGONAL, Regressions
from damrep.training.seeding import torch_generator

__all__ = ["InteractionModel", "Penalties", "popularity_shares", "regress", "swept"]

_ITERATIONS = 2
_SPARE = 8
# A column with less than this share of the strongest one's strength carries nothing.
_EMPTY = 1e-3


@dataclass(frozen=True)
class Penalties:
    """What keeps a model from saying that everybody likes everything.

    Attributes
    ----------
    unobserved : float
        Weight of a pair without interaction, in the mean over items.
    reg : float
        L2 penalty per interaction.
    exponent : float
        Of an item's popularity, that its weight of a pair without interaction goes with.
    """

    unobserved: float
    reg: float
    exponent: float = 0.0


_START_SWEEPS, _USUAL = 4, Penalties(unobserved=0.1, reg=3e-3)


def popularity_shares(counts: Tensor, exponent: float) -> Tensor:
    """Share of each item in the weight of the pairs without interaction, 1 in the mean.

    Parameters
    ----------
    counts
        Interactions of each item, (items,).
    exponent
        0 for all alike, 1 for as popular as the item is.

    Examples
    --------
    >>> popularity_shares(torch.tensor([0.0, 8.0]), 0.5).tolist()
    [0.5, 1.5]
    """
    shares = (counts.double() + 1) ** exponent
    return (shares / shares.mean()).float()


def regress(
    entries: Entries,
    rows: Tensor,
    columns: Tensor,
    unobserved: float | Tensor,
    reg: float,
    steps: int,
    rest: Tensor | None = None,
    moments: Tensor | None = None,
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
        Weight of a pair without interaction; or that of each row's, (rows,).
    reg
        L2 penalty per interaction.
    steps
        Conjugate gradient steps.
    rest
        Weight of each interaction times what the rows leave over of it; brought up to date in
        place. Found anew if not given.
    moments
        ``columns.T @ diag(shares) @ columns``, for the columns' shares in the weight of a pair
        without interaction, 1 in the mean; or its diagonal where there is nothing beside it. By
        default of shares that are all 1.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> entries = Entries(sp.csr_matrix([[1.0, 0.0]]))
    >>> columns = torch.tensor([[2.0], [1.0]])
    >>> round(float(regress(entries, torch.zeros(1, 1), columns, 0.0, 1.0, steps=1)), 4)
    0.4
    """
    moments = second_moment(columns).float() if moments is None else moments
    light = torch.as_tensor(unobserved, dtype=columns.dtype).expand(len(rows))[:, None]
    # What the weights add up to, where a weight of 1 is one interaction.
    ridges = reg * (entries.weight[:, None] + light * len(columns))
    if moments.dim() == 1:
        size, shared, ridges = moments, None, ridges + light * moments
        usual = entries.weight[:, None]
    else:
        size, shared = moments.diagonal(), moments
        usual = entries.weight[:, None] + light * len(columns)
    if rest is None:
        rest = unexplained(entries, rows, columns)
    # An interaction's column is taken to be of the usual size; on the diagonal that is near enough.
    size = size / len(columns)
    found = torch.empty_like(rows)
    for block in entries.blocks(rows.shape[1]):
        here, span = block.rows, block.span
        start, ridge = rows[here], ridges[here]
        weights = None if entries.weights is None else entries.weights[span]
        right = block.sums(columns, rest[span]).addcmul_(ridge, start, value=-1)
        if shared is not None:
            right.addmm_(start * light[here], shared, alpha=-1)
        diagonal = torch.addcmul(ridge, usual[here], size)
        found[here] = Regressions(block, columns, ridge, weights, shared, light[here]).solve(
            right, start, diagonal.clamp_min_(LEAST_DIAGONAL), steps, rest[span]
        )
    return found


def unexplained(entries: Entries, rows: Tensor, columns: Tensor) -> Tensor:
    """Weight of each interaction times what the rows leave over of it."""
    rest = 1 - entries.dots(rows, columns)
    return rest if entries.weights is None else rest.mul_(entries.weights)


class InteractionModel:
    """Factors of users and items for interactions.

    Parameters
    ----------
    by_user, by_item, order
        Weights of the interactions, as `both_ways` lays them out.
    width
        Columns.
    penalties
        See the module.
    seed
        Seed of the randomised SVD the items' factors start from.
    steps
        Conjugate gradient steps of an update.

    Attributes
    ----------
    users, items : Tensor of shape (users, width), (items, width)
    shares : Tensor of shape (items,)
        Of each item in the weight of the pairs without interaction.
    """

    def __init__(
        self,
        by_user: Entries,
        by_item: Entries,
        order: Tensor,
        width: int,
        penalties: Penalties,
        seed: int,
        steps: int = 3,
    ) -> None:
        self.by_user, self.by_item = by_user, by_item
        self.penalties, self.steps = penalties, steps
        self.items = _leading_items(by_user, by_item, width, seed)
        self.users = torch.zeros(by_user.shape[0], width)
        self._order, self._back = order, torch.empty_like(order)
        self._back[order.long()] = torch.arange(len(order), dtype=order.dtype)
        self.shares = popularity_shares(by_item.counts, penalties.exponent)
        self._roots = self.shares.sqrt()[:, None]
        # After a sweep the diagonal alone: the items are kept such that there is nothing beside it.
        self._moments = self._of_items().float()
        self._rest: Tensor | None = None

    @property
    def width(self) -> int:
        """Number of factor columns."""
        return self.users.shape[1]

    @property
    def carrying(self) -> int:
        """Number of columns, after a sweep, that carry something beside the strongest."""
        return int((self.strengths > _EMPTY * self.strengths.max()).sum())

    def _of_items(self) -> Tensor:
        return second_moment(self.items * self._roots)

    def sweep(self) -> None:
        """Update the users, then the items, and turn both so that the strongest come first."""
        rest = self.update_users(self.steps).index_select(0, self._order)
        moments = second_moment(self.users)
        self.items = regress(
            self.by_item,
            self.items,
            self.users,
            self.penalties.unobserved * self.shares,
            self.penalties.reg,
            self.steps,
            rest,
            moments.float(),
        )
        # Turning the factors changes no prediction.
        self._rest = rest.index_select(0, self._back)
        by_user, by_item, self.strengths = realignment(moments, self._of_items())
        self.users, self.items = self.users @ by_user.float(), self.items @ by_item.float()
        self._moments = self.strengths.float()

    def update_users(self, steps: int) -> Tensor:
        """Regress the users on the items; returns what is left over of each interaction."""
        if self._rest is None:
            self._rest = unexplained(self.by_user, self.users, self.items)
        self.users = regress(
            self.by_user,
            self.users,
            self.items,
            self.penalties.unobserved,
            self.penalties.reg,
            steps,
            self._rest,
            self._moments,
        )
        return self._rest

    def cut(self, columns: int) -> InteractionModel:
        """A copy with the first columns only."""
        other = copy.copy(self)
        other.users = self.users[:, :columns].clone()
        other.items = self.items[:, :columns].clone()
        first = (slice(columns),) * self._moments.dim()
        other._moments, other._rest = self._moments[first], None
        return other


def swept(layout: tuple[Entries, Entries, Tensor], width: int, seed: int) -> InteractionModel:
    """A model of usual penalties after a few sweeps: where other losses may begin."""
    model = InteractionModel(*layout, width, _USUAL, seed)
    for _ in range(_START_SWEEPS if width else 0):
        model.sweep()
    return model


def _leading_items(by_user: Entries, by_item: Entries, width: int, seed: int) -> Tensor:
    """Leading singular vectors of the pattern over the roots of both counts, (items, width)."""
    users, items = by_user.counts.clamp_min(1).rsqrt(), by_item.counts.clamp_min(1).rsqrt()
    count = len(items)
    spare = min(width + _SPARE, count)
    right = torch.randn(count, spare, generator=torch_generator(seed))
    for _ in range(_ITERATIONS):  # QR only makes columns orthonormal, of any rank
        left = torch.linalg.qr(by_user.sums(right * items[:, None]) * users[:, None])[0]
        right = torch.linalg.qr(by_item.sums(left * users[:, None]) * items[:, None])[0]
    middle = by_user.sums(right * items[:, None]) * users[:, None]
    values, turn = eigen(second_moment(middle), of="the interactions")
    right = (right @ turn.float())[:, :width]
    strengths = values[:width].clamp_min(0).sqrt().float()
    start = torch.zeros(count, width)
    start[:, : right.shape[1]] = right * strengths.sqrt()
    return start
