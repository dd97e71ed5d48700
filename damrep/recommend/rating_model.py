"""The model of ratings: biases and factors with an uncertainty each, fitted side by side.

Mean-field variational Bayes for matrix factorisation (Lim and Teh, KDD Cup 2007; Raiko, Ilin,
Karhunen, ECML 2007). Each side given the other is a ridge regression, as in alternating least
squares, with two differences. The ridge of a row is the sum of the variances of what it rated, so
it grows with the number of ratings (the degree-scaled L2 of other libraries) and with how little
is known of them. And a row is drawn to where its pattern of ratings lets expect it
(`rating_pattern`), not to zero. Noise and prior variances follow in closed form; nothing is tuned.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from damrep.masking.moments import inverse, second_moment
from damrep.recommend.entries import Entries
from damrep.recommend.realign import realignment
from damrep.recommend.ridge import LEAST_DIAGONAL, Regressions

__all__ = ["RatingModel", "Side"]

# Variances at the start, as shares of the variance of the ratings: of a bias, of all factors
# together times ten, and how fast the columns' fall off.
_BIAS, _FACTORS, _REACH = 0.5, 0.5, 10.0
# A prior narrower than this share of the widest is not narrowed further: a column once weak would
# be driven out whether or not it is needed, and what a column is worth is the price's to say.
_FLOOR = 0.3
# A column with less than this share of the strongest one's strength carries nothing.
EMPTY = 1e-3
# Nor is it ever nothing: the pull to it is one over it.
_LEAST_PRIOR = 1e-8
# Noise is at least this share of the ratings' variance, so that the systems can be solved in
# single precision.
_LEAST_NOISE = 1e-5
# Precision of the map from pattern to factors, in rows' worth.
_MAP_PRECISION = 50.0
# Sums over entries take columns by so many; a remainder costs as much as all of them.
_LANES = 8


def _widened(values: Tensor, by: float = 0.0) -> Tensor:
    """A copy with further columns, to a multiple of what the processor takes at once."""
    return nn.functional.pad(values, (0, -values.shape[-1] % _LANES), value=by)


def _total(left: Tensor, right: Tensor) -> Tensor:
    return torch.dot(left.view(-1), right.view(-1))


@dataclass
class Side:
    """Users or items: the last column is the bias, those before it the factors.

    Attributes
    ----------
    entries : Entries
    features : Tensor of shape (rows, f)
    means, variances : Tensor of shape (rows, m + 1)
    prior : Tensor of shape (m + 1,)
        Prior variance of each column.
    weights : Tensor of shape (f, m + 1)
        Map from features to the prior mean.
    """

    entries: Entries
    features: Tensor
    means: Tensor
    variances: Tensor
    prior: Tensor
    weights: Tensor
    reg: float | None = None

    @property
    def factors(self) -> Tensor:
        """Means of the factors, (rows, m)."""
        return self.means[:, :-1].contiguous()

    @property
    def bias(self) -> Tensor:
        """Means of the biases, (rows, 1)."""
        return self.means[:, -1:]

    def update(self, other: Side, residual: Tensor, noise: float, steps: int) -> Tensor:
        """Regress every row on the other side; returns the part of the noise that is uncertainty.

        Parameters
        ----------
        other
            The side held fixed.
        residual
            Rating minus prediction of each of this side's entries; brought up to date in place.
        noise
            Variance of a rating.
        steps
            Conjugate gradient steps from where the rows are.
        """
        width, reg = self.means.shape[1], self.reg
        columns, doubts = _widened(other.means), _widened(other.variances)
        columns[:, width - 1], doubts[:, width - 1] = 1.0, 0.0
        squares, weights = columns.square(), _widened(self.weights)
        pull = noise / _widened(self.prior, 1.0)
        means, variances = torch.empty_like(self.means), torch.empty_like(self.means)
        doubt = torch.zeros(())
        for block in self.entries.blocks(columns.shape[1]):
            rows, rest = block.rows, residual[block.span]
            spread, square = block.sums(doubts), block.sums(squares)
            if reg is None:
                ridge = spread + pull
            else:
                pull = ridge = reg * self.entries.counts[rows, None].clamp_min(1)
            diagonal = (ridge + square).clamp_min_(LEAST_DIAGONAL)
            start = _widened(self.means[rows])
            right = block.sums(columns, rest).addcmul_(ridge, start, value=-1)
            right.addcmul_(pull, self.features[rows] @ weights)
            regressions = Regressions(block, columns, ridge)
            found = regressions.solve(right, start, diagonal, steps, rest)
            means[rows] = found[:, :width]
            certain = noise / diagonal if reg is None else _widened(self.variances[rows])
            variances[rows] = certain[:, :width]
            # What other's variances and one's own add to the expected squared error.
            doubt += _total(spread, found.square_().add_(certain)) + _total(square, certain)
        self.means, self.variances = means, variances
        return doubt

    @cached_property
    def _share(self) -> Tensor:
        """Weight of each row in a mean over those with ratings, (rows,)."""
        rated = self.entries.rated.float()
        return rated / rated.sum().clamp_min(1)

    @cached_property
    def _rated(self) -> Tensor | slice:
        """Which rows have ratings."""
        rated = self.entries.rated
        return slice(None) if bool(rated.all()) else rated.nonzero()[:, 0]

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor]:
        """Features of the rows with ratings, and what takes their sums to the map from them."""
        features = self.features * self.entries.rated[:, None]
        ridge = torch.full((features.shape[1],), _MAP_PRECISION)
        ridge[:2] = 1.0
        system = second_moment(features) + torch.diag(ridge)
        return features, inverse(system, of="the pattern of ratings").float()

    def learn_prior(self) -> None:
        """Set the map from the pattern and the prior variances to the likeliest there are."""
        features, solution = self._known
        self.weights = solution @ (features.T @ self.means)
        off = torch.addmm(self.means, self.features, self.weights, alpha=-1)
        self.prior = (self._share @ off.square_().add_(self.variances)).clamp_min_(_LEAST_PRIOR)

    def moments(self) -> Tensor:
        """Second moments of the factors over the rows with ratings, (m, m), float64."""
        rated = self._rated
        spread = self.variances[rated, :-1].sum(0, dtype=torch.float64)
        return second_moment(self.means[rated, :-1]) + torch.diag(spread)

    def turn(self, by: Tensor) -> None:
        """Multiply the factors by a matrix of shape (m, m)."""
        by = torch.block_diag(by.float(), torch.ones(1, 1))  # the bias stays
        square = by.square()
        self.means, self.weights = self.means @ by, self.weights @ by
        self.variances = self.variances @ square
        self.prior = (self.prior @ square).clamp_min_(_LEAST_PRIOR)

    def join(self, wide: Side) -> None:
        """Put the further columns of this side as it was when it was wider behind its own."""
        first = self.means.shape[1] - 1
        for name in ("means", "variances", "weights", "prior"):
            own, before = getattr(self, name), getattr(wide, name)
            joined = torch.cat([own[..., :-1], before[..., first:-1], own[..., -1:]], -1)
            setattr(self, name, joined)

    def keep(self, columns: int) -> None:
        """Cut all factors but the first."""
        last = self.means.shape[1] - 1
        kept = torch.tensor([*range(columns), last])
        self.means, self.variances = self.means[:, kept], self.variances[:, kept]
        self.weights, self.prior = self.weights[:, kept], self.prior[kept]


class RatingModel:
    """Biases and factors for standardised ratings.

    Parameters
    ----------
    by_user, by_item, order
        The ratings, mean 0 and variance 1, as `both_ways` lays them out.
    features
        Features of users and of items, (rows, f) each.
    reg
        L2 penalty per rating in place of the variances; None for those.
    steps
        Conjugate gradient steps of an update.
    """

    def __init__(
        self,
        by_user: Entries,
        by_item: Entries,
        order: Tensor,
        features: tuple[Tensor, Tensor],
        reg: float | None = None,
        steps: int = 2,
    ) -> None:
        self.order, self.steps = order, steps
        self._back = torch.empty_like(order)
        self._back[order.long()] = torch.arange(len(order), dtype=order.dtype)
        self.users, self.items = (
            Side(
                entries,
                given,
                torch.zeros(entries.shape[0], 1),
                torch.zeros(entries.shape[0], 1),
                torch.full((1,), _BIAS),
                torch.zeros(given.shape[1], 1),
                reg,
            )
            for entries, given in zip((by_user, by_item), features, strict=True)
        )
        self.noise = 1.0
        self._held = 0
        self._rest: Tensor | None = None

    @property
    def width(self) -> int:
        """Number of factor columns."""
        return self.users.means.shape[1] - 1

    def residual(self) -> Tensor:
        """Rating minus prediction of each entry, by user."""
        if self._rest is None:
            self._rest = self._residual()
        return self._rest

    def _residual(self) -> Tensor:
        ones_u, ones_i = torch.ones_like(self.users.bias), torch.ones_like(self.items.bias)
        left = torch.cat([self.users.means, ones_u], 1)
        right = torch.cat([self.items.factors, ones_i, self.items.bias], 1)
        return self.users.entries.values - self.users.entries.dots(left, right)

    def take_biases(self, other: RatingModel) -> None:
        """Begin with the biases of a model of the same ratings without factors."""
        for mine, its in ((self.users, other.users), (self.items, other.items)):
            mine.means, mine.variances = its.means.clone(), its.variances.clone()
            mine.prior, mine.weights = its.prior.clone(), its.weights.clone()
        self.noise, self._rest = other.noise, None

    def settle(self, steps: int) -> None:
        """Regress the users once more, to the end: what folding them in would give."""
        self.users.update(self.items, self.residual(), self.noise, steps)

    def sweep(self, learn_prior: bool = True) -> float:
        """Update users, then items, then noise and priors; returns the mean squared residual."""
        rest = self.residual()
        self.users.update(self.items, rest, self.noise, self.steps)
        turned = rest.index_select(0, self.order)
        doubt = self.items.update(self.users, turned, self.noise, self.steps)
        # Kept for the next sweep: turning the factors changes no prediction.
        self._rest = turned.index_select(0, self._back)
        error = float(_total(turned, turned)) / len(turned)
        # The biases of users are uncertain too; those of items are among the items' columns.
        doubt = doubt + (self.users.entries.counts * self.users.variances[:, -1]).sum()
        if self._held:
            self._held -= 1
        else:
            self.noise = max(error + float(doubt) / len(turned), _LEAST_NOISE)
        if self.width:
            self.align()
        if learn_prior:
            self.users.learn_prior()
            self.items.learn_prior()
            self._floor()
        return error

    def align(self) -> None:
        """Turn the factors so that the columns are in order of strength."""
        by_user, by_item, strengths = realignment(self.users.moments(), self.items.moments())
        self.users.turn(by_user)
        self.items.turn(by_item)
        self.strengths = strengths

    def drop_empty(self) -> None:
        """Cut the columns that carry nothing."""
        size = self.users.means[:, :-1].square().sum(0) * self.items.means[:, :-1].square().sum(0)
        if self.width:
            full = size.sqrt() > EMPTY * size.sqrt().max()
            self.keep(int(full.nonzero().max()) + 1 if bool(full.any()) else 0)

    def keep(self, columns: int) -> None:
        """Cut all columns but the first."""
        self._rest = None
        self.users.keep(columns)
        self.items.keep(columns)

    @contextmanager
    def only(self, columns: int) -> Iterator[None]:
        """Work on the first columns: the users' others are closed, 0, the items' as they were."""
        if columns >= self.width:
            yield
            return
        users, items = copy.copy(self.users), copy.copy(self.items)
        self.keep(columns)
        yield
        users.means = torch.zeros_like(users.means)
        self.users.join(users)
        self.items.join(items)

    def grow(self, width: int, generator: torch.Generator, hold: int = 4) -> None:
        """Start factors from the leading singular vectors of what the biases leave over.

        Parameters
        ----------
        width
            Columns to start.
        generator
            For the randomised SVD.
        hold
            Sweeps before the noise is estimated again: at first the factors are so uncertain that
            it would seem all there is.
        """
        users, items = self.users, self.items
        rest = self.residual()
        turned = rest.index_select(0, self.order)
        right = torch.randn(len(items.means), width, generator=generator)
        for _ in range(3):  # QR only makes columns orthonormal, of any rank
            left = torch.linalg.qr(users.entries.sums(right, rest))[0]
            right = torch.linalg.qr(items.entries.sums(left, turned))[0]
        width = right.shape[1]
        place = torch.arange(1, width + 1, dtype=torch.float32)
        # Per side; the two sides' product is the share of the ratings' variance.
        prior = (_FACTORS / _REACH * (1 + place / _REACH) ** -2).sqrt()
        for side in (users, items):
            blank = torch.zeros(len(side.means), width)
            side.means = torch.cat([blank, side.bias], 1)
            side.variances = torch.cat([blank, side.variances[:, -1:]], 1)
            side.prior = torch.cat([prior, side.prior[-1:]])
            empty = torch.zeros(len(side.weights), width)
            side.weights = torch.cat([empty, side.weights[:, -1:]], 1)
        self._rest = None
        items.means[:, :-1] = right * len(items.means) ** 0.5 * prior.sqrt()
        self._held = hold

    def _floor(self) -> None:
        if not self.width:
            return
        together = (self.users.prior[:-1] * self.items.prior[:-1]).sqrt()
        lift = (_FLOOR * together.max() / together).clamp_min(1)
        self.users.prior[:-1] *= lift
        self.items.prior[:-1] *= lift
