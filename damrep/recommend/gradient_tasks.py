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

__all__ = ["FactorModule", "RatingTask", "SampledTask", "drawn_against", "ranking_loss"]

_START = 0.1
# Interactions in a batch: few go in smaller ones, as an epoch is to have so many steps.
_BATCH, _SMALLEST, _STEPS = 32_768, 64, 32
# Items whose factors a cache of a core holds; products of 80,000 ratings took a quarter less.
_PANEL = 1024
_NEGATIVES = {"bpr": 1, "softmax": 16}


class FactorModule(nn.Module):
    """Biases, factors, and a mask over the factors' columns, of which the last stays open longest.

    Parameters
    ----------
    shape
        Users and items.
    width
        Columns.
    mask
        Of so many units; None for factors that are all open.
    generator
        For the factors' start.
    """

    def __init__(
        self, shape: tuple[int, int], width: int, mask: DAM | None, generator: torch.Generator
    ) -> None:
        super().__init__()
        users, items = shape
        self.users = nn.Parameter(_START * torch.randn(users, width, generator=generator))
        self.items = nn.Parameter(_START * torch.randn(items, width, generator=generator))
        self.user_bias = nn.Parameter(torch.zeros(users))
        self.item_bias = nn.Parameter(torch.zeros(items))
        self.mask = mask

    def gates(self, rows: int) -> Tensor:
        """Gates of the columns, (rows, width); at widths of their own where the mask draws them."""
        ones = self.users.new_ones(rows, self.users.shape[1])
        return ones if self.mask is None else self.mask(ones)


class _SquaredError(torch.autograd.Function):
    """Mean squared error of the ratings.

    The gradient is again sums over entries: by hand, as every step of it on its own would be
    recorded, and gone through once more.
    """

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        items: Tensor,
        user_bias: Tensor,
        item_bias: Tensor,
        entries: tuple[Entries, Entries, Tensor],
    ) -> Tensor:
        by_user, width = entries[0], users.shape[1]
        left = _with_biases(users, user_bias, width, width + 1)
        right = _with_biases(items, item_bias, width + 1, width)
        rest = by_user.dots(left, right).sub_(by_user.values)
        ctx.save_for_backward(left, right, rest)
        ctx.entries, ctx.width = entries, width
        return torch.dot(rest, rest) / len(rest)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        left, right, rest = ctx.saved_tensors
        (by_user, by_item, order), width = ctx.entries, ctx.width
        grad = rest * (2 * float(grads[0]) / len(rest))
        left, right = by_user.sums(right, grad), by_item.sums(left, grad.index_select(0, order))
        return left[:, :width], right[:, :width], left[:, width], right[:, width + 1], None


def _with_biases(factors: Tensor, bias: Tensor, at: int, one: int) -> Tensor:
    """Factors with the bias in a column of its own, and ones for the other side's bias.

    Sums over entries take columns by eights; a remainder costs as much as all of them.
    """
    count, width = factors.shape
    found = factors.new_zeros(count, -(-(width + 2) // 8) * 8)
    found[:, :width], found[:, at], found[:, one] = factors, bias, 1.0
    return found


class RatingTask:
    """Squared error of all ratings in one batch, over that of the biases alone.

    Plus L2 of each row's open factors, as often as it has ratings.

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
        self, module: FactorModule, ratings: sp.csr_matrix, reference: float, reg: float
    ) -> None:
        self.module, self.reference, self.reg = module, reference, reg
        self._entries = both_ways(ratings, item_panel=_PANEL)

    def num_batches(self) -> int:
        """One."""
        return 1

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """One batch: everything."""
        yield torch.zeros(1)

    def loss(self, batch: Tensor) -> Tensor:
        """Normalised squared error plus L2."""
        module, (by_user, by_item, _) = self.module, self._entries
        gates = module.gates(len(module.users))
        biases = module.user_bias, module.item_bias
        error = _SquaredError.apply(module.users * gates, module.items, *biases, self._entries)
        open_ = (gates.detach() > 0).float()
        # An item's column is charged as often as a user who rated has it open, in the mean.
        share = by_user.counts @ open_ / by_user.counts.sum()
        size = by_user.counts @ (module.users.square() * open_).sum(1)
        size = size + by_item.counts @ (module.items.square() @ share)
        return (error + self.reg * size / len(by_user)) / self.reference


class SampledTask:
    """Ranking losses of interactions against sampled items, each at a width that a mask draws.

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
        self._size = min(_BATCH, max(_SMALLEST, len(rows) // _STEPS))

    def num_batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self._size)

    def batches(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Interactions in random order, each with items drawn evenly from all."""
        order = torch.randperm(len(self.rows), generator=generator)
        for chosen in order.split(self._size):
            others = drawn_against(self.kind, len(self.module.items), len(chosen), generator)
            yield self.rows[chosen], self.columns[chosen], others

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Normalised ranking loss plus L2."""
        module, (rows, columns, others) = self.module, batch
        users, near, far = (
            nn.functional.embedding(ids, side)  # whose gradient costs less than that of an index
            for ids, side in ((rows, module.users), (columns, module.items), (others, module.items))
        )
        gates = module.gates(len(rows))
        masked = users * gates
        at = (masked * near).sum(1) + module.item_bias[columns]
        away = torch.einsum("bm,bkm->bk", masked, far) + module.item_bias[others]
        size = (users.square() + near.square()) * (gates.detach() > 0)
        penalty = self.reg * size.sum(1).mean()
        return (ranking_loss(self.kind, at, away) + penalty) / self.reference


def drawn_against(kind: str, items: int, count: int, generator: torch.Generator) -> Tensor:
    """Items, drawn evenly, to compare `count` interactions with, (count, k)."""
    return torch.randint(items, (count, _NEGATIVES[kind]), generator=generator)


def ranking_loss(kind: str, at: Tensor, away: Tensor) -> Tensor:
    """Loss of scores of interactions, (n,), against those of others, (n, k)."""
    if kind == "bpr":
        return nn.functional.softplus(away - at[:, None]).mean()
    return (torch.logsumexp(torch.cat([at[:, None], away], 1), 1) - at).mean()
