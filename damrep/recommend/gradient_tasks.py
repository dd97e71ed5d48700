"""Factor models as torch modules with a mask, and their losses, for damrep's training loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.recommend.entries import Entries

__all__ = ["FactorModule", "RatingTask", "SampledTask"]

_START = 0.1
_BATCH = 32_768
_NEGATIVES = {"bpr": 1, "softmax": 16}


class FactorModule(nn.Module):
    """Biases, factors, and a mask over the factors' columns.

    Parameters
    ----------
    users, items
        Rows of the two sides.
    width
        Columns.
    masked
        Whether there is a mask.
    generator
        For the factors' start.
    """

    def __init__(
        self, users: int, items: int, width: int, masked: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.users = nn.Parameter(_START * torch.randn(users, width, generator=generator))
        self.items = nn.Parameter(_START * torch.randn(items, width, generator=generator))
        self.user_bias = nn.Parameter(torch.zeros(users))
        self.item_bias = nn.Parameter(torch.zeros(items))
        self.mask = DAM(width) if masked and width else None

    def masked_users(self) -> Tensor:
        """Factors of the users with the gates on them."""
        return self.users if self.mask is None else self.mask(self.users)


class _SquaredError(torch.autograd.Function):
    """Mean squared error of the ratings, with its gradient: sums over entries again.

    By hand, as every step of it on its own would be recorded, and gone through once more.
    """

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        items: Tensor,
        user_bias: Tensor,
        item_bias: Tensor,
        by_user: Entries,
        by_item: Entries,
        order: Tensor,
    ) -> Tensor:
        # Sums over entries take columns by eights; a remainder costs as much as all of them.
        spare = -(users.shape[1] + 2) % 8
        one_u, one_i = torch.ones(len(users), 1), torch.ones(len(items), 1)
        left = torch.cat([users, user_bias[:, None], one_u, one_u.new_zeros(len(users), spare)], 1)
        right = torch.cat([items, one_i, item_bias[:, None], one_i.new_zeros(len(items), spare)], 1)
        rest = by_user.dots(left, right).sub_(by_user.values)
        ctx.save_for_backward(left, right, rest)
        ctx.entries = by_user, by_item, order
        ctx.width = users.shape[1]
        return torch.dot(rest, rest) / len(rest)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        left, right, rest = ctx.saved_tensors
        by_user, by_item, order = ctx.entries
        width = ctx.width
        grad = rest * (grads[0] * (2 / len(rest)))
        left, right = by_user.sums(right, grad), by_item.sums(left, grad.index_select(0, order))
        biases = left[:, width], right[:, width + 1]
        return left[:, :width], right[:, :width], *biases, None, None, None


class _RatedSize(torch.autograd.Function):
    """Squares of the rows' factors, summed, each row as often as it has ratings."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: Tensor) -> Tensor:
        ctx.save_for_backward(rows, counts)
        return torch.dot(counts, torch.linalg.vecdot(rows, rows))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        rows, counts = ctx.saved_tensors
        return rows * (counts * (2 * grads[0]))[:, None], None


class RatingTask:
    """Squared error of all ratings in one batch, over that of the biases alone.

    Parameters
    ----------
    module
        To train.
    by_user, by_item, order
        Standardised ratings, as `both_ways` lays them out.
    reference
        Loss of the trivial model.
    reg
        L2 penalty per rating.
    """

    def __init__(
        self,
        module: FactorModule,
        by_user: Entries,
        by_item: Entries,
        order: Tensor,
        reference: float,
        reg: float,
    ) -> None:
        self.module, self.reference, self.reg = module, reference, reg
        self._entries = by_user, by_item, order

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """One batch: everything."""
        yield torch.zeros(1)

    def loss(self, batch: Tensor) -> Tensor:
        """Normalised squared error plus L2."""
        by_user, by_item, _ = self._entries
        module = self.module
        biases = module.user_bias, module.item_bias
        error = _SquaredError.apply(module.masked_users(), module.items, *biases, *self._entries)
        size = _RatedSize.apply(module.users, by_user.counts)
        size = size + _RatedSize.apply(module.items, by_item.counts)
        return (error + self.reg * size / len(by_user)) / self.reference


class SampledTask:
    """Ranking losses of interactions against sampled items.

    "bpr": log loss of the interaction against one item drawn at random (Rendle et al., UAI 2009);
    "softmax": cross entropy of it among 16 drawn ones.

    Parameters
    ----------
    module
        To train.
    rows, columns
        The interactions.
    loss
        "bpr" or "softmax".
    reference
        Loss of popularity.
    reg
        L2 penalty per interaction.
    """

    def __init__(
        self,
        module: FactorModule,
        rows: Tensor,
        columns: Tensor,
        loss: str,
        reference: float,
        reg: float,
    ) -> None:
        self.module, self.rows, self.columns = module, rows, columns
        self.kind, self.reference, self.reg = loss, reference, reg

    def batches(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Interactions in random order, each with items drawn evenly from all."""
        order = torch.randperm(len(self.rows), generator=generator)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            others = self.draw(len(chosen), generator)
            yield self.rows[chosen], self.columns[chosen], others

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Items to compare `count` interactions with."""
        items = len(self.module.item_bias)
        return torch.randint(items, (count, _NEGATIVES[self.kind]), generator=generator)

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Normalised ranking loss plus L2."""
        module, (rows, columns, others) = self.module, batch
        users, items = module.masked_users()[rows], module.items
        near, far = items[columns], items[others]
        at = (users * near).sum(1) + module.item_bias[columns]
        away = torch.einsum("bm,bkm->bk", users, far) + module.item_bias[others]
        size = module.users[rows].square().sum(1) + near.square().sum(1)
        return (self.compare(at, away) + self.reg * size.mean()) / self.reference

    def compare(self, at: Tensor, away: Tensor) -> Tensor:
        """Loss of scores of interactions, (n,), against those of others, (n, k)."""
        if self.kind == "bpr":
            return nn.functional.softplus(away - at[:, None]).mean()
        return (torch.logsumexp(torch.cat([at[:, None], away], 1), 1) - at).mean()
