"""A model of implicit feedback that ranks by cosines, trained by sampled softmax.

A user's interaction is to score above items drawn at random. The score of an item is the cosine
of its factors and the user's over a temperature, plus half the logarithm of its popularity. Squares
(`interaction_model`) spend columns on whatever has most interactions; here every user and item has
the same length, and a niche that few know needs no column of its own. Wu et al., "On the
effectiveness of sampled softmax loss for item recommendation", TOIS 2024 (arXiv 2201.02327).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from damrep.masking.moments import eigen, second_moment
from damrep.recommend.unit_rows import UnitRows

__all__ = ["CosineModel", "Pairs", "drawn", "jittered", "popularity_offset", "usual_epochs"]

_POPULARITY = 0.5
_BATCH, _OTHERS = 1024, 1024
# Few interactions go in smaller batches: an epoch is to have so many steps; and more often, until
# so many steps come together.
_SMALLEST, _STEPS = 64, 32
_LEAST_EPOCHS, _MOST_EPOCHS, _IN_ALL = 8, 16, 2500
# Rows of scores that are at hand at once: they are gone through several times.
_AT_HAND = 512
_NOISE = 0.1


class Pairs:
    """Interactions as pairs of numbers.

    Parameters
    ----------
    users, items
        Of shape (n,), int64.
    weights
        Of shape (n,), or None where all weigh the same.
    """

    def __init__(self, users: Tensor, items: Tensor, weights: Tensor | None = None) -> None:
        self.users, self.items = users, items
        self.weights = None if weights is None else weights / weights.mean()

    def __len__(self) -> int:
        return len(self.users)


def jittered(start: Tensor, generator: torch.Generator) -> Tensor:
    """Rows of length 1 with a tenth of it in noise: rows alike, or of zeros, have to come apart.

    Examples
    --------
    >>> jittered(torch.zeros(2, 3), torch.Generator()).shape
    torch.Size([2, 3])
    """
    noise = torch.randn(start.shape, generator=generator)
    return nn.functional.normalize(start) + noise * (_NOISE / max(1, start.shape[1]) ** 0.5)


def popularity_offset(counts: Tensor) -> Tensor:
    """What an item's number of interactions adds to its scores.

    Examples
    --------
    >>> popularity_offset(torch.tensor([0.0, 3.0]))
    tensor([0.0000, 0.6931])
    """
    return _POPULARITY * torch.log1p(counts)


class CosineModel:
    """Unit factors of users and items.

    Parameters
    ----------
    users, items
        Where to begin, (users, m) and (items, m).
    offset
        Added to every score of an item, (items,).
    temperature
        What cosines are divided by.
    generator
        For all that is random.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> model = CosineModel(torch.eye(2), torch.eye(2), torch.zeros(2), 0.1, generator)
    >>> pairs = Pairs(torch.tensor([0, 1]), torch.tensor([1, 0]))
    >>> model.train(pairs, epochs=200, rate=0.1)
    >>> (model.users @ model.items.T).argmax(1).tolist()
    [1, 0]
    """

    def __init__(
        self,
        users: Tensor,
        items: Tensor,
        offset: Tensor,
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        self._sides = UnitRows(users), UnitRows(items)
        self.offset, self.temperature, self._generator = offset, temperature, generator

    @property
    def users(self) -> Tensor:
        """Factors of the users, (users, m), of length one over the temperature."""
        return self._sides[0].values / self.temperature

    @property
    def items(self) -> Tensor:
        """Factors of the items, (items, m), of length 1."""
        return self._sides[1].values

    @property
    def width(self) -> int:
        """Number of factor columns."""
        return self.items.shape[1]

    def train(
        self,
        pairs: Pairs,
        epochs: int,
        rate: float,
        after: Callable[[float], None] | None = None,
        users_only: bool = False,
    ) -> None:
        """Go through the interactions in random order, with steps that shrink to nothing.

        Parameters
        ----------
        pairs
            The interactions.
        epochs
            How often each is seen.
        rate
            Length of the first step, as a share of a row's.
        after
            Told the mean loss of each epoch.
        users_only
            Leave the items as they are.
        """
        size, batches = _batches(len(pairs))
        for epoch in range(epochs):
            order, loss = torch.randperm(len(pairs), generator=self._generator), 0.0
            for k in range(batches):
                chosen = order[k * size : (k + 1) * size]
                left = 1 - (epoch * batches + k) / (epochs * batches)
                loss += self._step(pairs, chosen, rate * left, users_only)
            if after is not None:
                after(loss / max(1, len(pairs)))

    def _step(self, pairs: Pairs, chosen: Tensor, rate: float, users_only: bool) -> float:
        users, items = self._sides
        rows, columns = pairs.users[chosen], pairs.items[chosen]
        others = drawn(len(self.offset), self._generator)
        u, v = users.values.index_select(0, rows), items.values.index_select(0, columns)
        x = items.values.index_select(0, others)
        du, dv, dx = torch.empty_like(u), torch.empty_like(v), torch.zeros_like(x)
        weights = None if pairs.weights is None else pairs.weights[chosen]
        loss = 0.0
        for start in range(0, len(rows), _AT_HAND):
            part = slice(start, start + _AT_HAND)
            own = torch.linalg.vecdot(u[part], v[part]) / self.temperature
            own = own + self.offset[columns[part]]
            # No larger than e^(1 / temperature) times the popularity: nothing overflows.
            scores = torch.addmm(self.offset[others], u[part], x.T, alpha=1 / self.temperature)
            scores = scores.exp_()
            total = scores.sum(1)
            behind = total.log() - own
            pull = torch.sigmoid(behind) / self.temperature
            each = nn.functional.softplus(behind)
            if weights is not None:
                pull, each = pull * weights[part], each * weights[part]
            loss += float(each.sum())
            push = (pull / total)[:, None]
            torch.addcmul((scores @ x).mul_(push), pull[:, None], v[part], value=-1, out=du[part])
            torch.mul(u[part], -pull[:, None], out=dv[part])
            dx.addmm_(scores.T, u[part] * push)
        users.step(rows, du, rate)
        if not users_only:
            items.step(torch.cat([columns, others]), torch.cat([dv, dx]), rate)
        return loss

    def align(self) -> None:
        """Turn the factors so that the columns are in order of strength."""
        # One rotation for both sides, so that lengths and cosines stay as they are.
        moments = [second_moment(side.values) / len(side.values) for side in self._sides]
        turn = eigen(moments[0] + moments[1], of="the factors")[1].float()
        for side in self._sides:
            side.values = side.values @ turn


def _batches(pairs: int) -> tuple[int, int]:
    """Pairs in a batch, and batches in an epoch."""
    size = min(_BATCH, max(_SMALLEST, pairs // _STEPS))
    return size, math.ceil(pairs / size)


def usual_epochs(pairs: int) -> int:
    """How often so many pairs are gone through unless asked otherwise: few of them more often.

    Examples
    --------
    >>> usual_epochs(1000), usual_epochs(200_000), usual_epochs(10_000_000)
    (16, 13, 8)
    """
    wanted = math.ceil(_IN_ALL / max(1, _batches(pairs)[1]))
    return min(_MOST_EPOCHS, max(_LEAST_EPOCHS, wanted))


def drawn(items: int, generator: torch.Generator) -> Tensor:
    """Numbers of 1,024 items drawn evenly, or of all where there are no more.

    Examples
    --------
    >>> drawn(3, torch.Generator())
    tensor([0, 1, 2])
    """
    if items <= _OTHERS:
        return torch.arange(items)
    return torch.randint(items, (_OTHERS,), generator=generator)
