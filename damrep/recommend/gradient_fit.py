"""Factor models trained by gradient, weights and mask together, as the paper does it.

Source: Bu, Daw, Maruf, Karpatne, NeurIPS 2021, arXiv 2110.00684. Ratings are fitted in one batch;
BPR and sampled softmax, losses of implicit feedback, in batches of interactions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.masking.gradient import GradientWidth
from damrep.masking.moments import second_moment
from damrep.masking.price import lambda_to_price
from damrep.masking.validation import InputError
from damrep.recommend.biases import fit_biases
from damrep.recommend.entries import stored_pairs
from damrep.recommend.factors import FactorFit
from damrep.recommend.gradient_tasks import FactorModule, RatingTask, SampledTask
from damrep.recommend.held_out import hold_out
from damrep.recommend.realign import realignment
from damrep.recommend.settings import FactorSettings
from damrep.recommend.standardising import standardised
from damrep.recommend.width_path import compared, width_notes
from damrep.training import TrainingOptions, train
from damrep.training.seeding import torch_generator

__all__ = ["fit_by_gradient"]

_EPOCHS = {"squared": 300, "bpr": 60, "softmax": 60}
_LR = {"squared": 0.02, "bpr": 0.02, "softmax": 0.02}
_REG = {"squared": 0.05, "bpr": 1e-3, "softmax": 1e-3}
_BETA_LR = 0.02
_EMPTY = 1e-3
_HELD = 20_000


def fit_by_gradient(matrix: sp.csr_matrix, settings: FactorSettings, seed: int) -> FactorFit:
    """Fit factors and mask together by Adam on a part, then so many columns on everything.

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
    initial = max(1, min(settings.max_components, min(matrix.shape) - 1))
    wanted = None if settings.n_components is None else min(settings.n_components, initial)
    fitted, held = hold_out(matrix, settings.validation_fraction, seed)
    part = _prepared(fitted, held if held.nnz else fitted, settings, seed)
    price = settings.price
    if settings.paper_lambda is not None:
        # The paper's objective is the raw loss; ours is that over the trivial model's.
        price = lambda_to_price(settings.paper_lambda / part.reference, initial)
    module, history = _trained(part, wanted or initial, settings, seed, None if wanted else price)
    beta, gates, open_gates = _gates(module, initial)
    losses = part.prefixes(module)
    notes = list[str]()
    columns = wanted or _carrying(module)
    if wanted is None and settings.paper_lambda is None:
        columns = min(range(len(losses)), key=lambda m: losses[m] + price * m)
    elif losses[columns] >= 1 and wanted is None:
        columns = 0
    if wanted is None:
        notes = width_notes(columns, price, initial)
    whole = _prepared(matrix, matrix, settings, seed)
    final, _ = _trained(whole, columns, settings, seed, None)
    fit = whole.finished(final)
    fit.initial, fit.open_gates, fit.gates = initial, open_gates, gates
    fit.curve = [[m, loss] for m, loss in enumerate(losses)]
    fit.loss, fit.reference_loss = losses[columns], part.reference
    fit.history, fit.warnings = history, notes
    last = len(losses) - 1
    fit.candidates = compared(last, losses[last], columns, losses[columns])
    fit.details.update(beta=beta, price=price, held_out=held.nnz)
    return fit


def _trained(
    data: Any, width: int, settings: FactorSettings, seed: int, price: float | None
) -> tuple[FactorModule, dict[str, list[Any]]]:
    users, items = data.shape
    module = FactorModule(users, items, width, price is not None, torch_generator(seed))
    data.start(module)
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
    )
    strategy = None if price is None else GradientWidth(module, price)
    history = train(data.task(module), options, strategy)
    module.to("cpu").requires_grad_(False)
    return module, history.to_dict()


def _factors(module: FactorModule) -> tuple[Tensor, Tensor, Tensor]:
    """Both sides with the gates folded in, in order of strength, and the strengths."""
    users, items = module.masked_users().detach(), module.items.detach()
    if not users.shape[1]:
        return users, items, torch.zeros(0)
    by_user, by_item, strengths = realignment(second_moment(users), second_moment(items))
    return users @ by_user.float(), items @ by_item.float(), strengths


def _carrying(module: FactorModule) -> int:
    strengths = _factors(module)[2]
    return int((strengths > _EMPTY * strengths.max()).sum()) if len(strengths) else 0


def _gates(module: FactorModule, initial: int) -> tuple[float, list[float], int]:
    if module.mask is None:
        width = module.users.shape[1]
        return math.nan, [1.0] * width + [0.0] * (initial - width), width
    gates = module.mask.gate().detach().flip(0)
    return float(module.mask.beta.detach()), gates.tolist(), module.mask.n_active


def _prepared(
    fitted: sp.csr_matrix, held: sp.csr_matrix, settings: FactorSettings, seed: int
) -> Any:
    kind = _Ratings if settings.loss == "squared" else _Interactions
    return kind(fitted, held, settings, seed)


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
        self.pairs = stored_pairs(held)
        values = (held.data.astype(np.float64) - self.mean) / self.scale
        self.values = torch.from_numpy(values.astype(np.float32))
        rest = self.values - self.biases[0][self.pairs[0]] - self.biases[1][self.pairs[1]]
        self._trivial = max(float(rest.square().mean()), 1e-12)
        self.reference = self._trivial * self.scale**2

    def start(self, module: FactorModule) -> None:
        with torch.no_grad():
            module.user_bias.copy_(self.biases[0])
            module.item_bias.copy_(self.biases[1])

    def task(self, module: FactorModule) -> RatingTask:
        return RatingTask(module, self.matrix, self._trivial, self.reg)

    def prefixes(self, module: FactorModule) -> list[float]:
        users, items, _ = _factors(module)
        rows, columns = self.pairs
        rest = self.values - module.user_bias[rows] - module.item_bias[columns]
        losses = [1.0]
        for j in range(users.shape[1]):
            rest = rest - users[rows, j] * items[columns, j]
            losses.append(float(rest.square().mean()) / self._trivial)
        return losses

    def finished(self, module: FactorModule) -> FactorFit:
        users, items, _ = _factors(module)
        root = self.scale**0.5
        return _as_fit(
            users * root,
            items * root,
            module.user_bias * self.scale,
            module.item_bias * self.scale,
            self.mean,
            {"noise": 1.0, "scale": self.scale, "reg": self.reg},
        )


class _Interactions:
    """Interactions, in batches with items drawn beside them."""

    def __init__(
        self, fitted: sp.csr_matrix, held: sp.csr_matrix, settings: FactorSettings, seed: int
    ) -> None:
        self.shape: tuple[int, int] = fitted.shape
        self.settings = settings
        self.pairs = stored_pairs(fitted)
        self.reg = _REG[settings.loss] if settings.reg is None else settings.reg
        counts = np.bincount(fitted.indices, minlength=fitted.shape[1])
        self.popularity = torch.from_numpy(np.log1p(counts).astype(np.float32))
        generator = torch_generator(seed)
        rows, columns = stored_pairs(held)
        chosen = torch.randperm(len(rows), generator=generator)[:_HELD]
        self.held = rows[chosen], columns[chosen]
        blank = FactorModule(self.shape[0], self.shape[1], 0, False, generator)
        self._judge = SampledTask(blank, *self.held, settings.loss, 1.0, 0.0)
        self.others = self._judge.draw(len(chosen), generator)
        at, away = self.popularity[self.held[1]], self.popularity[self.others]
        self.reference = max(float(self._judge.compare(at, away)), 1e-12)

    def start(self, module: FactorModule) -> None:
        with torch.no_grad():
            module.item_bias.copy_(self.popularity)

    def task(self, module: FactorModule) -> SampledTask:
        return SampledTask(module, *self.pairs, self.settings.loss, self.reference, self.reg)

    def prefixes(self, module: FactorModule) -> list[float]:
        users, items, _ = _factors(module)
        rows, columns = self.held
        at, away = module.item_bias[columns], module.item_bias[self.others]
        losses = [1.0]
        for j in range(users.shape[1]):
            at = at + users[rows, j] * items[columns, j]
            away = away + users[rows, j, None] * items[self.others, j]
            losses.append(float(self._judge.compare(at, away)) / self.reference)
        return losses

    def finished(self, module: FactorModule) -> FactorFit:
        users, items, _ = _factors(module)
        blank = torch.zeros(self.shape[0])
        # A new user's factors are those of the weighted squares: these losses have no closed form.
        extra = {"unobserved_weight": 0.1, "reg": max(self.reg, 1e-3)}
        return _as_fit(users, items, blank, module.item_bias, 0.0, extra)


def _as_fit(
    users: Tensor,
    items: Tensor,
    user_bias: Tensor,
    item_bias: Tensor,
    mean: float,
    penalty: dict[str, float],
) -> FactorFit:
    def array(values: Tensor) -> Any:
        return np.ascontiguousarray(values.detach().float().numpy())

    return FactorFit(
        user_factors=array(users),
        item_factors=array(items),
        user_bias=array(user_bias),
        item_bias=array(item_bias),
        mean=mean,
        penalty={name: np.array([value], np.float32) for name, value in penalty.items()},
    )
