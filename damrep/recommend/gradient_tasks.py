"""Factor models as torch modules with a mask, and their losses, for damrep's training loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from damrep.masking.dam import DAM
from damrep.recommend.entries import Entries, both_ways

__all__ = ["FactorModule", "RatingTask", "SampledTask"]

_START = 0.1
_BATCH = 32_768
# Items whose factors a cache of a core holds; products of 80,000 ratings took a quarter less.
_PANEL = 1024
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

    def gate(self) -> Tensor:
        """Gates of the columns, ones without a mask; shape (width,)."""
        return self.users.new_ones(self.users.shape[1]) if self.mask is None else self.mask.gate()

    def masked_users(self) -> Tensor:
        """Factors of the users with the gates on them."""
        return self.users if self.mask is None else self.mask(self.users)


class _PenalisedError(torch.autograd.Function):
    """Squared error of the ratings, plus L2 of each row's factors as often as it has ratings.

    Over the number of ratings. The gradient is again sums over entries: by hand, as every step of
    it on its own would be recorded, and gone through once more.
    """

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        items: Tensor,
        gate: Tensor,
        user_bias: Tensor,
        item_bias: Tensor,
        entries: tuple[Entries, Entries, Tensor],
        reg: float,
    ) -> Tensor:
        by_user, by_item, _ = entries
        width = users.shape[1]
        left = _with_biases(users, gate, user_bias, width, width + 1)
        right = _with_biases(items, torch.ones(()), item_bias, width + 1, width)
        rest = by_user.dots(left, right).sub_(by_user.values)
        sizes = users * by_user.counts[:, None], items * by_item.counts[:, None]
        size = torch.dot(sizes[0].flatten(), users.flatten())
        size += torch.dot(sizes[1].flatten(), items.flatten())
        ctx.save_for_backward(users, gate, left, right, rest, *sizes)
        ctx.entries, ctx.reg = entries, reg
        return (torch.dot(rest, rest) + reg * size) / len(rest)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        users, gate, left, right, rest, *sizes = ctx.saved_tensors
        by_user, by_item, order = ctx.entries
        width, scale = users.shape[1], 2 * float(grads[0]) / len(rest)
        grad = rest * scale
        left, right = by_user.sums(right, grad), by_item.sums(left, grad.index_select(0, order))
        masked, by_items = left[:, :width], right[:, :width]
        by_users = (masked * gate).add_(sizes[0], alpha=ctx.reg * scale)
        by_items = torch.add(by_items, sizes[1], alpha=ctx.reg * scale)
        by_gate = torch.linalg.vecdot(masked, users, dim=0)
        return by_users, by_items, by_gate, left[:, width], right[:, width + 1], None, None


def _with_biases(factors: Tensor, gate: Tensor, bias: Tensor, at: int, one: int) -> Tensor:
    """Gated factors with the bias in a column of its own, and ones for the other side's bias.

    Sums over entries take columns by eights; a remainder costs as much as all of them.
    """
    count, width = factors.shape
    found = factors.new_empty(count, -(-(width + 2) // 8) * 8)
    torch.mul(factors, gate, out=found[:, :width])
    found[:, width:] = 0.0
    found[:, at], found[:, one] = bias, 1.0
    return found


class RatingTask:
    """Squared error of all ratings in one batch, over that of the biases alone.

    Parameters
    ----------
    module
        To train.
    ratings
        CSR of shape (users, items), standardised.
    reference
        Loss of the trivial model.
    reg
        L2 penalty per rating.
    """

    def __init__(
        self,
        module: FactorModule,
        ratings: sp.csr_matrix,
        reference: float,
        reg: float,
    ) -> None:
        self.module, self.reference, self.reg = module, reference, reg
        self._entries = both_ways(ratings, item_panel=_PANEL)

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """One batch: everything."""
        yield torch.zeros(1)

    def loss(self, batch: Tensor) -> Tensor:
        """Normalised squared error plus L2."""
        module = self.module
        error = _PenalisedError.apply(
            module.users,
            module.items,
            module.gate(),
            module.user_bias,
            module.item_bias,
            self._entries,
            self.reg,
        )
        return error / self.reference


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
