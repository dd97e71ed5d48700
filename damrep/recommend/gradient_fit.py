"""Factor models trained by gradient behind a mask, or with it as the paper does.

Every user of a step, or every interaction of a batch, is trained at a width of its own, which the
mask draws from those whose held-out cost is near the best (`MaskStrategy`). Between looks the
factors are turned, so that the columns which stay open longest are the strongest. What is open is
then trained on, on everything. Ratings are fitted in one batch; BPR and sampled softmax, losses of
implicit feedback, in batches of interactions.

With a lambda instead of a price weights and mask descend together, as in Bu, Daw, Maruf, Karpatne,
NeurIPS 2021, arXiv 2110.00684.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.gradient import GradientWidth
from damrep.masking.moments import second_moment
from damrep.masking.price import lambda_to_price
from damrep.masking.strategy import MaskStrategy
from damrep.masking.validation import InputError
from damrep.recommend.biases import fit_biases
from damrep.recommend.entries import both_ways, stored_pairs
from damrep.recommend.factors import FactorFit, Floats, as_array
from damrep.recommend.gradient_tasks import (
    FactorModule,
    RatingTask,
    SampledTask,
    drawn_against,
    ranking_loss,
)
from damrep.recommend.held_out import HeldRatings, hold_out
from damrep.recommend.interaction_model import swept
from damrep.recommend.realign import realignment
from damrep.recommend.settings import FactorSettings
from damrep.recommend.standardising import standardised
from damrep.recommend.width_path import WidthPath
from damrep.training import History, TrainingOptions, train
from damrep.training.seeding import torch_generator

__all__ = ["fit_by_gradient"]

_EPOCHS = {"squared": 300, "bpr": 40, "softmax": 40}
_LR = {"squared": 0.02, "bpr": 0.01, "softmax": 0.01}
_REG = {"squared": 0.05, "bpr": 0.01, "softmax": 0.01}
_BETA_LR = 0.02
# Epochs on everything, once the width is known, as a share of those before.
_REFINING = 0.3
_EMPTY = 1e-3
# Sampled losses begin with factors of weighted squares, so many times as large, and this much of
# the usual noise: from noise alone they stay in solutions of a column or two.
_LARGER, _NOISE = 2.0, 0.1
# Held-out interactions that widths are compared on, at the last look and before.
_HELD, _LOOKED_AT = 20_000, 2_000


def fit_by_gradient(matrix: sp.csr_matrix, settings: FactorSettings, seed: int) -> FactorFit:
    """Fit factors behind a mask by Adam on a part, then as many columns on everything.

    Parameters
    ----------
    matrix
        Ratings, or weights of interactions, users by items.
    settings
        Checked arguments: solver "adam" with loss "squared", or loss "bpr" or "softmax".
    seed
        Seed of everything random.

    Raises
    ------
    InputError
        If there is nothing to fit, or the loss is not one of these.
    """
    if not matrix.nnz:
        raise InputError("there is nothing to fit: the matrix has no stored entry")
    if settings.loss not in _EPOCHS:
        raise InputError(
            'solver="adam" is for loss="squared", "bpr" or "softmax"; loss="ials" is solved by '
            'solver="als"'
        )
    initial, wanted = settings.widths(matrix.shape)
    n = wanted or initial
    units, searched = np.arange(1, n + 1), settings.resolved_strategy == "search"
    options = TrainingOptions(
        max_epochs=settings.max_sweeps or _EPOCHS[settings.loss],
        lr=settings.lr or _LR[settings.loss],
        beta_lr=_BETA_LR,
        # Sums over the entries of a sparse matrix are the CPU's.
        device="cpu" if settings.loss == "squared" else settings.device,
        verbose=settings.verbose,
        description=settings.loss,
        seed=seed,
        callback=settings.callback,
        schedule="constant" if settings.paper_lambda is not None else "cosine",
    )
    fitted, held = hold_out(matrix, settings.validation_fraction, seed)
    data = _Ratings if settings.loss == "squared" else _Interactions
    part = data(fitted, held if held.nnz else fitted, settings, seed)
    paper, mask = settings.paper_lambda, None
    if not wanted:
        mask = DAM(n) if paper is not None else DAM(n, alpha=step_alpha(n), min_active=0)
    module = FactorModule(matrix.shape, n, mask, torch_generator(seed))
    part.start(module)
    task, price = part.task(module), settings.price
    strategy: GradientWidth | MaskStrategy | None = None
    if paper is not None:
        # The paper's objective is the raw loss; ours is that over the trivial model's.
        price = lambda_to_price(paper / part.reference, n)
        strategy = GradientWidth(module, price) if mask is not None else None
    elif mask is not None:

        def held_losses(widths: Sequence[int], last: bool) -> list[float]:
            users, items = (side.detach().cpu().flip(1) for side in (module.users, module.items))
            curve = part.prefixes(module, users, items, last)
            return [curve[m] for m in widths]

        strategy = MaskStrategy(
            module,
            mask,
            options.max_epochs * task.num_batches(),
            held_losses,
            lambda losses, share: share * losses + price * units,
            torch_generator(seed),
            lambda since: _turn(module),
            slack=0.5 * price,
            even=searched,
        )
    history = History()
    history.extend(train(task, options, strategy))
    if isinstance(strategy, MaskStrategy):
        assert mask is not None and strategy.settled_curve is not None
        curve = strategy.settled_curve
        if (curve + price * units).min() >= 1:  # nothing earns its price
            mask.set_width(0)
        losses, columns = [1.0, *curve.tolist()], mask.n_active
    else:
        users, items, strengths = _factors(module)
        losses = part.prefixes(module, users, items, last=True)
        columns = wanted or int((strengths > _EMPTY * strengths.max()).sum())
        if mask is not None and losses[columns] >= 1:
            columns = 0
    whole = data(matrix, matrix, settings, seed)
    final = FactorModule(matrix.shape, columns, None, torch_generator(seed))
    whole.start(final)
    if columns:
        users, items, _ = _factors(module)
        with torch.no_grad():
            final.users.copy_(users[:, :columns])
            final.items.copy_(items[:, :columns])
            if final.item_bias.requires_grad:
                final.user_bias.copy_(module.user_bias)
                final.item_bias.copy_(module.item_bias)
        refined = replace(options, max_epochs=max(1, round(_REFINING * options.max_epochs)))
        history.extend(train(whole.task(final), refined))
    fit = whole.finished(final.cpu().requires_grad_(False))
    path = WidthPath(price, part.reference, initial)
    path.add_losses(n, losses)
    path.tell(fit, path.choose(columns), settings)
    fit.history = history.to_dict()
    fit.details.update(price=price, held_out=held.nnz)
    if mask is not None:
        fit.open_gates = mask.n_active
        fit.details["beta"] = float(mask.beta.detach())
        fit.gates = [] if searched else mask.gate().detach().flip(0).tolist()
    return fit


def _turn(module: FactorModule) -> None:
    """Turn the factors so that the strongest columns stay open longest; changes no prediction."""
    users, items, _ = _turned(module.users, module.items)
    with torch.no_grad():
        module.users.copy_(users.flip(1))
        module.items.copy_(items.flip(1))


def _factors(module: FactorModule) -> tuple[Tensor, Tensor, Tensor]:
    """Both sides with the gates folded in, in order of strength, and the strengths."""
    return _turned(module.users * module.gates(1), module.items)


def _turned(*sides: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    users, items = (side.detach().cpu() for side in sides)
    by_user, by_item, strengths = realignment(second_moment(users), second_moment(items))
    return users @ by_user.float(), items @ by_item.float(), strengths


class _Ratings:
    """Ratings, in one batch."""

    def __init__(
        self, fitted: sp.csr_matrix, held: sp.csr_matrix, settings: FactorSettings, seed: int
    ) -> None:
        self.shape = fitted.shape
        self.matrix, self.mean, self.scale = standardised(fitted)
        self.reg = _REG["squared"] if settings.reg is None else settings.reg
        biases = fit_biases(self.matrix)
        self.biases = torch.from_numpy(biases.user), torch.from_numpy(biases.item)
        self._held = HeldRatings(held, self.mean, self.scale, *self.biases)
        self.reference = self._held.reference * self.scale**2

    @torch.no_grad()
    def start(self, module: FactorModule) -> None:
        module.user_bias.copy_(self.biases[0])
        module.item_bias.copy_(self.biases[1])

    def task(self, module: FactorModule) -> RatingTask:
        return RatingTask(module, self.matrix, self._held.reference, self.reg)

    def prefixes(
        self, module: FactorModule, users: Tensor, items: Tensor, last: bool
    ) -> list[float]:
        if self._held.told:
            return [1.0] * (users.shape[1] + 1)
        biases = module.user_bias.detach(), module.item_bias.detach()
        sums = self._held.contributions(users, items, *biases)
        return [1.0, *(sums.prefixes()[1:] / self._held.reference).tolist()]

    def finished(self, module: FactorModule) -> FactorFit:
        users, items, _ = _factors(module)
        root = self.scale**0.5
        return FactorFit(
            as_array(users * root),
            as_array(items * root),
            as_array(module.user_bias * self.scale),
            as_array(module.item_bias * self.scale),
            self.mean,
            penalty=_numbers(noise=1.0, scale=self.scale, reg=self.reg),
        )


class _Interactions:
    """Interactions, in batches with items drawn beside them."""

    def __init__(
        self, fitted: sp.csr_matrix, held: sp.csr_matrix, settings: FactorSettings, seed: int
    ) -> None:
        self.shape: tuple[int, int] = fitted.shape
        self.settings = settings
        self.pairs, self._fitted, self._seed = stored_pairs(fitted), fitted, seed
        self.reg = _REG[settings.loss] if settings.reg is None else settings.reg
        counts = np.bincount(fitted.indices, minlength=fitted.shape[1])
        self.popularity = torch.from_numpy(np.log1p(counts).astype(np.float32))
        generator = torch_generator(seed)
        rows, columns = stored_pairs(held)
        chosen = torch.randperm(len(rows), generator=generator)[:_HELD]
        self.held = rows[chosen], columns[chosen]
        self.others = drawn_against(settings.loss, fitted.shape[1], len(chosen), generator)
        at, away = self.popularity[self.held[1]], self.popularity[self.others]
        self.reference = max(float(ranking_loss(settings.loss, at, away)), 1e-12)

    @torch.no_grad()
    def start(self, module: FactorModule) -> None:
        # What popularity says is known; learned, it is overfitted where items are many.
        module.item_bias.requires_grad_(False).copy_(self.popularity)
        squares = swept(both_ways(self._fitted), module.users.shape[1], self._seed)
        for side, found in ((module.users, squares.users), (module.items, squares.items)):
            side.mul_(_NOISE).add_(found.flip(1), alpha=_LARGER)

    def task(self, module: FactorModule) -> SampledTask:
        return SampledTask(module, *self.pairs, self.settings.loss, self.reference, self.reg)

    def prefixes(
        self, module: FactorModule, users: Tensor, items: Tensor, last: bool
    ) -> list[float]:
        few = slice(None if last else _LOOKED_AT)
        rows, columns, others = *(ids[few] for ids in self.held), self.others[few]
        at, away = self.popularity[columns], self.popularity[others]
        losses = [1.0]
        for j in range(users.shape[1]):
            at = at + users[rows, j] * items[columns, j]
            away = away + users[rows, j, None] * items[others, j]
            losses.append(float(ranking_loss(self.settings.loss, at, away)) / self.reference)
        return losses

    def finished(self, module: FactorModule) -> FactorFit:
        users, items, _ = _factors(module)
        # A new user's factors are those of the weighted squares: these losses have no closed form.
        squares = _numbers(unobserved_weight=0.1, reg=max(self.reg, 1e-3))
        biases = as_array(module.user_bias), as_array(module.item_bias)
        return FactorFit(as_array(users), as_array(items), *biases, mean=0.0, penalty=squares)


def _numbers(**values: float) -> dict[str, Floats]:
    return {name: np.array([value], np.float32) for name, value in values.items()}
