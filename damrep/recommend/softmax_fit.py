"""Fitting a model that ranks by cosines, in as many columns as a held-out part asks for."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from damrep.recommend.cosine_model import (
    CosineModel,
    Pairs,
    drawn,
    jittered,
    popularity_offset,
    usual_epochs,
)
from damrep.recommend.entries import both_ways, stored_pairs
from damrep.recommend.factors import FactorFit, as_array
from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.held_out_parts import BETTER, HeldOutParts, Ndcg, NdcgAtWidth, next_wider
from damrep.recommend.interaction_model import swept
from damrep.recommend.settings import FactorSettings
from damrep.recommend.width_path import WidthPath
from damrep.training.history import History
from damrep.training.seeding import torch_generator

__all__ = ["fit_softmax", "fold_in_softmax"]

Floats = NDArray[np.float32]

_RATE = 0.1
# Trials of the temperature begin at the second and go up or down: tables with many interactions a
# user ask for a higher one.
_TEMPERATURES = (0.08, 0.12, 0.18, 0.27)
# Held-out parts at most, interactions they may have together, standard errors that may be lost on
# them. Ranking for many users takes little beside a training.
_PARTS, _AFFORDED, _ERRORS = 4, 400_000, 1.0
_JUDGED, _SHARPNESS = 2000, (0.35, 0.5, 0.7, 1.0)


def fit_softmax(weights: sp.csr_matrix, settings: FactorSettings, seed: int) -> FactorFit:
    """Fit unit factors to interactions by sampled softmax, as many columns as the price lets stay.

    Parameters
    ----------
    weights
        Users by items; every stored entry is an interaction and its value what it weighs, > 0.
    settings
        Checked arguments.
    seed
        Seed of everything random.

    Returns
    -------
    FactorFit
        Biases of the items are what their popularity adds to their scores.

    Examples
    --------
    >>> among = np.random.default_rng(0).random((90, 60)) < 0.5
    >>> blocks = np.kron(np.eye(3), np.ones((30, 20))) * among
    >>> settings = FactorSettings(1e-2, loss="softmax", temperature=0.2)
    >>> fit = fit_softmax(sp.csr_matrix(blocks), settings, seed=0)
    >>> fit.n_components <= 3
    True
    """
    weights = _mean_one(weights)
    history = History(settings.callback)
    initial, wanted = settings.widths(weights.shape)
    part = _Part(weights, settings, seed, history)
    widest, ranking, trials = _best_temperature(part, wanted or initial)
    temperature = widest.temperature
    judge = _Judge(part.held if part.held.nnz else weights, part.offset, seed)
    path = WidthPath(settings.price, judge.reference, initial)
    path.add_losses(widest.width, judge.prefixes(widest))
    ranked = {widest.width: ranking}
    del widest  # large, and not needed any more

    def look(width: int) -> Ndcg:
        if width not in ranked:
            model = part.train(width, temperature)
            path.add_losses(width, judge.prefixes(model))
            ranked[width] = part.ndcg(model)
        return ranked[width]

    def draw(number: int) -> tuple[Ndcg, NdcgAtWidth]:
        if not number:
            return look(initial), look
        other = _Part(weights, settings, seed + number, History())

        def at_width(width: int) -> Ndcg:
            return other.ndcg(other.train(width, temperature))

        return at_width(initial), at_width

    for width in path.starts(wanted):
        look(width)
    choice = path.choose(wanted)
    columns = choice.columns
    if wanted is None and 0 < columns < initial:
        parts = HeldOutParts(draw, max(1, min(_PARTS, _AFFORDED // weights.nnz)), _ERRORS)
        columns = _wide_enough(parts, columns, initial)
        choice = choice if columns == choice.columns else path.choose(columns)
    whole = _Interactions(weights, settings, seed, history)
    fit = _finished(whole, whole.train(columns, temperature))
    path.tell(fit, choice, settings)
    fit.details.update(temperature=temperature, trials=trials, held_out=part.held.nnz)
    return fit


def _mean_one(weights: sp.csr_matrix) -> sp.csr_matrix:
    """Weights that are 1 in the mean: in what unit they come is to change nothing."""
    values = weights.data.astype(np.float64)
    data = (values / values.mean()).astype(np.float32)
    return sp.csr_matrix((data, weights.indices, weights.indptr), weights.shape)


def _best_temperature(part: _Part, width: int) -> tuple[CosineModel, Ndcg, list[dict[str, float]]]:
    """A model of the temperature given, or of the one that ranks best what is held out."""
    trials: list[dict[str, float]] = []

    def tried(temperature: float) -> tuple[CosineModel, Ndcg]:
        model = part.train(width, temperature)
        ndcg = part.ndcg(model)
        trials.append({"temperature": temperature, "ndcg": float(ndcg.mean())})
        return model, ndcg

    given = part.settings.temperature
    if given is not None:
        return *tried(given), []

    def better(one: tuple[CosineModel, Ndcg], other: tuple[CosineModel, Ndcg]) -> bool:
        return float(one[1].mean()) > BETTER * float(other[1].mean())

    down, usual, *up = _TEMPERATURES
    best = tried(usual)
    for temperature in up:
        other = tried(temperature)
        if not better(other, best):
            break
        best = other
    if best[0].temperature == usual:
        other = tried(down)
        best = other if better(other, best) else best
    return *best, trials


def _wide_enough(parts: HeldOutParts, columns: int, most: int) -> int:
    """So many columns, or about as few as rank as well as the widest model.

    A model of another width has to be trained to be looked at, so the range is halved.
    """
    if parts.rank_as_well(columns):
        return columns
    worse, well = columns, most
    while well > next_wider(worse, most):
        between = math.ceil(math.sqrt(worse * well))
        if parts.rank_as_well(between):
            well = between
        else:
            worse = between
    return well


class _Interactions:
    """Interactions to fit."""

    def __init__(
        self, weights: sp.csr_matrix, settings: FactorSettings, seed: int, history: History
    ) -> None:
        self.layout = by_user, by_item, _ = both_ways(weights)
        self.pairs = Pairs(*stored_pairs(weights))
        if by_user.weights is not None:
            self.pairs.weights = by_user.weights / by_user.weights.mean()
        self.offset = popularity_offset(by_item.counts)
        self.settings, self.seed, self.history = settings, seed, history

    def train(self, width: int, temperature: float) -> CosineModel:
        """A model of one width, from the start."""
        squares = swept(self.layout, width, self.seed)
        generator = torch_generator(self.seed)
        users, items = jittered(squares.users, generator), jittered(squares.items, generator)
        model = CosineModel(users, items, self.offset, temperature, generator)
        if width:
            model.train(
                self.pairs,
                self.settings.max_sweeps or usual_epochs(len(self.pairs)),
                self.settings.lr or _RATE,
                lambda loss: self.history.append(
                    {"width": width, "temperature": temperature, "loss": loss}
                ),
            )
            model.align()
        return model


class _Part(_Interactions):
    """Interactions to fit, and others held out of them."""

    def __init__(
        self, weights: sp.csr_matrix, settings: FactorSettings, seed: int, history: History
    ) -> None:
        fitted, self.held = hold_out(weights, settings.validation_fraction, seed)
        super().__init__(fitted, settings, seed, history)
        self._scores = HeldInteractions(fitted, self.held, seed)

    def ndcg(self, model: CosineModel) -> Ndcg:
        """Of the held-out interactions, one number a user."""
        return self._scores.ndcg(model.users, model.items, model.offset)


class _Judge:
    """Held-out interactions against items drawn at random: softmax loss over popularity's.

    At the sharpness that suits each width best (temperature scaling: Guo et al., ICML 2017): a
    model that is too sure of itself may still rank well.
    """

    def __init__(self, held: sp.csr_matrix, offset: Tensor, seed: int) -> None:
        generator = torch_generator(seed)
        users, items = stored_pairs(held)
        chosen = torch.randperm(len(users), generator=generator)[:_JUDGED]
        self._users, self._items = users[chosen], items[chosen]
        self._others, self._offset = drawn(len(offset), generator), offset
        popular = 2 * offset  # the logarithm itself
        behind = popular[self._others].logsumexp(0) - popular[self._items]
        self.reference = max(float(nn.functional.softplus(behind).mean()), 1e-12)

    def prefixes(self, model: CosineModel) -> list[float]:
        """Normalised loss of the model cut at 0, 1, ... columns, each row scaled to its length."""
        users, items, others = model.users, model.items, model.items[self._others]
        heat = model.temperature
        u, v = users[self._users] * heat, items[self._items]
        own, all_ = torch.zeros(len(u)), torch.zeros(len(u), len(others))
        sizes = [torch.zeros(len(side), 1) for side in (u, v, others)]
        losses = [1.0]
        for j in range(model.width):
            own.addcmul_(u[:, j], v[:, j])
            all_.addmm_(u[:, j : j + 1], others[:, j : j + 1].T)
            for size, side in zip(sizes, (u, v, others), strict=True):
                size += side[:, j : j + 1].square()
            of_user, of_item, of_other = (size.clamp_min(1e-12).rsqrt() for size in sizes)
            score = own * of_user[:, 0] * of_item[:, 0] / heat
            scores = torch.mul(all_, of_other.T).mul_(of_user / heat)
            losses.append(min(self._loss(score, scores, s) for s in _SHARPNESS) / self.reference)
        return losses

    def _loss(self, score: Tensor, scores: Tensor, sharpness: float) -> float:
        others = torch.add(self._offset[self._others], scores, alpha=sharpness)
        own = self._offset[self._items] + sharpness * score
        behind = others.exp_().sum(1).log_() - own
        return float(nn.functional.softplus(behind).mean())


def _finished(whole: _Interactions, model: CosineModel) -> FactorFit:
    by_item = whole.layout[1]
    popularity = by_item.weight / max(1, len(model.users))
    return FactorFit(
        user_factors=as_array(model.users),
        item_factors=as_array(model.items),
        user_bias=np.zeros(len(model.users), np.float32),
        item_bias=as_array(model.offset if model.width else popularity),
        mean=0.0,
        history=whole.history.to_dict(),
        penalty={"temperature": np.array([model.temperature], np.float32)},
    )


def fold_in_softmax(weights: sp.csr_matrix, fit: FactorFit, seed: int = 0) -> Floats:
    """Factors of new users from their interactions, the items' held as they are.

    Parameters
    ----------
    weights
        New users by the items of the fit.
    fit
        What `fit_softmax` returned, or the same arrays read back.
    seed
        Of the order, and of the items drawn.

    Returns
    -------
    ndarray of shape (n, m), float32
        Zeros for users without interactions.
    """
    items = torch.from_numpy(np.ascontiguousarray(fit.item_factors))
    pairs = Pairs(*stored_pairs(weights))
    # To begin with, where the user's items are.
    start = torch.zeros(weights.shape[0], items.shape[1])
    start.index_add_(0, pairs.users, items[pairs.items])
    offset = torch.from_numpy(np.ascontiguousarray(fit.item_bias))
    temperature = float(fit.penalty["temperature"][0])
    model = CosineModel(start, items, offset, temperature, torch_generator(seed))
    if len(pairs) and items.shape[1]:
        model.train(pairs, usual_epochs(len(pairs)), _RATE, users_only=True)
    had = torch.from_numpy(np.diff(weights.indptr) > 0)
    return as_array(model.users * had[:, None])
