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


class _Dots(torch.autograd.Function):
    """`Entries.dots` with a gradient, of sums over entries again."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, columns: Tensor, by_user: Entries, by_item: Entries, order: Tensor
    ) -> Tensor:
        ctx.save_for_backward(rows, columns)
        ctx.entries = by_user, by_item, order
        return by_user.dots(rows.detach().contiguous(), columns.detach())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        rows, columns = ctx.saved_tensors
        by_user, by_item, order = ctx.entries
        grad = grads[0].contiguous()
        return by_user.sums(columns, grad), by_item.sums(rows, grad[order]), None, None, None


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
        self._one = torch.ones(by_user.shape[0], 1), torch.ones(by_item.shape[0], 1)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """One batch: everything."""
        yield torch.zeros(1)

    def loss(self, batch: Tensor) -> Tensor:
        """Normalised squared error plus L2."""
        by_user, by_item, _ = self._entries
        module, (one_u, one_i) = self.module, self._one
        left = torch.cat([module.masked_users(), module.user_bias[:, None], one_u], 1)
        right = torch.cat([module.items, one_i, module.item_bias[:, None]], 1)
        predicted = _Dots.apply(left, right, *self._entries)
        error = (by_user.values - predicted).square().mean()
        size = by_user.counts @ module.users.square().sum(1)
        size = size + by_item.counts @ module.items.square().sum(1)
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
