"""Fitting a factor model to ratings: how wide is chosen on a part of them, then all are fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from damrep.masking.ranges import as_good
from damrep.masking.validation import InputError
from damrep.recommend.contributions import Contributions
from damrep.recommend.entries import Entries, both_ways
from damrep.recommend.factors import FactorFit, as_array
from damrep.recommend.gradient_fit import fit_by_gradient
from damrep.recommend.held_out import HeldRatings, hold_out
from damrep.recommend.masked_sweeps import MaskedSweeps
from damrep.recommend.rating_model import RatingModel, Side
from damrep.recommend.rating_pattern import PatternFeatures, pattern_features
from damrep.recommend.settings import FactorSettings
from damrep.recommend.standardising import standardised
from damrep.recommend.width_path import WidthPath
from damrep.training.history import History
from damrep.training.seeding import torch_generator

__all__ = ["fit_explicit", "fold_in_explicit"]

Floats = NDArray[np.float32]

_BIAS_SWEEPS, _SWEEPS, _REFINING = 8, 20, 4
_MASKED = 37  # sweeps of the mask's, see `MaskedSweeps`
# Sweeps before the priors are learned, and before empty columns are looked for.
_FIRST = 4
_PATTERN_WIDTH = 64
_EXACT_STEPS = 20


def fit_explicit(ratings: sp.csr_matrix, settings: FactorSettings, seed: int) -> FactorFit:
    """Fit biases and factors to ratings, as many columns as the price lets stay.

    Parameters
    ----------
    ratings
        Users by items; every stored entry is a rating, an explicit 0 too. No duplicates.
    settings
        Checked arguments; `unobserved_weight` and `lr` are not for this.
    seed
        Seed of everything random.

    Returns
    -------
    FactorFit

    Raises
    ------
    InputError
        If there is no rating.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dense = 3 + rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40))
    >>> fit = fit_explicit(sp.csr_matrix(dense), FactorSettings(price=1e-3), seed=0)
    >>> fit.n_components
    2
    """
    if not ratings.nnz:
        raise InputError("there is no rating to fit: the matrix has no stored entry")
    if settings.solver == "adam":
        return fit_by_gradient(ratings, settings, seed)
    history = History(settings.callback)
    initial, wanted = settings.widths(ratings.shape)
    fitted, held = hold_out(ratings, settings.validation_fraction, seed)
    part, whole = (_Part(some, settings, seed, history) for some in (fitted, ratings))
    # Without a held-out part, for want of ratings, the fitted ones have to do.
    scores = _Scores(part, held if held.nnz else fitted)
    if settings.resolved_strategy == "mask" and wanted is None and not scores.told:
        fit = _masked(part, whole, scores, initial)
    else:
        fit = _searched(part, whole, scores, initial, wanted)
    fit.history, fit.reference_loss = history.to_dict(), scores.reference * part.scale**2
    fit.details["held_out"] = held.nnz
    return fit


def _masked(part: _Part, whole: _Part, scores: _Scores, initial: int) -> FactorFit:
    """Learn the width on a part, then sweep all ratings at the same widths, and cut."""
    settings = part.settings
    model = part.grown(initial)
    masked = MaskedSweeps(
        model,
        scores.contributions,
        scores.reference,
        settings.price,
        settings.max_sweeps or _MASKED,
        torch_generator(part.seed),
    )
    masked.run(part.history)
    columns = masked.mask.n_active
    fit = whole.finish(whole.train(initial, columns, exactly=True, widths=masked.widths))
    path = WidthPath(settings.price, scores.reference, initial)
    path.add_losses(initial, masked.curve.tolist(), masked.whole)
    path.tell(fit, path.choose(columns), settings)
    fit.gates = masked.mask.gate().detach().flip(0).tolist()
    fit.details["beta"] = float(masked.mask.beta.detach())
    widest = max(columns, len(masked.curve) - 1)
    errors = scores.errors(model, widest)
    fit.details["as good"] = list(as_good(errors, range(widest + 1), settings.price, columns))
    return fit


def _searched(
    part: _Part, whole: _Part, scores: _Scores, initial: int, wanted: int | None
) -> FactorFit:
    """Read the width off the held-out losses of models of falling width."""
    settings = part.settings
    path = WidthPath(settings.price, scores.reference, initial)
    if scores.told:
        path.add_losses(initial, [1.0] * (initial + 1))
    else:
        for start in path.starts(wanted):
            path.add(start, scores.contributions(part.train(start)))
    choice = path.choose(wanted)
    fit = whole.finish(whole.train(choice.start, choice.columns, exactly=wanted is not None))
    path.tell(fit, choice, settings)
    fit.details["started_from"] = choice.start
    return fit


class _Part:
    """Ratings to fit, standardised, with what their pattern says."""

    def __init__(
        self, ratings: sp.csr_matrix, settings: FactorSettings, seed: int, history: History
    ) -> None:
        matrix, self.mean, self.scale = standardised(ratings)
        self.settings, self.seed, self.history = settings, seed, history
        self.by_user, self.by_item, self.order = both_ways(matrix)
        self.patterns = pattern_features(
            self.by_user, self.by_item, min(_PATTERN_WIDTH, min(ratings.shape) // 8), seed
        )
        self.features = (self.patterns[0].of(self.by_user), self.patterns[1].of(self.by_item))
        self._biases: RatingModel | None = None

    def biases(self) -> RatingModel:
        """The model without factors."""
        if self._biases is None:
            self._biases = self._blank()
            for _ in range(_BIAS_SWEEPS):
                self._biases.sweep()
        return self._biases

    def _blank(self) -> RatingModel:
        return RatingModel(self.by_user, self.by_item, self.order, self.features, self.settings.reg)

    def grown(self, start: int) -> RatingModel:
        """The model with the biases, and this many columns to begin with."""
        model = self._blank()
        model.take_biases(self.biases())
        if start:
            model.grow(start, torch_generator(self.seed))
        return model

    def train(
        self,
        start: int,
        cut: int | None = None,
        exactly: bool = False,
        widths: Sequence[int] | None = None,
    ) -> RatingModel:
        """Grow `start` columns on the biases, train them, keep the first `cut` and go on a little.

        The sweeps are at these widths, by default with all columns. Columns that carry nothing are
        cut on the way, except when `exactly` so many are wanted.
        """
        if not start or cut == 0:
            return self.grown(0)
        model = self.grown(start)
        for number, width in enumerate(widths or [start] * (self.settings.max_sweeps or _SWEEPS)):
            with model.only(width):
                error = model.sweep(learn_prior=number >= _FIRST - 1)
                self._record(start, model, error)
            if number >= _FIRST and not exactly:
                model.drop_empty()
        if cut is not None:
            if cut < model.width:
                model.keep(cut)
                for _ in range(_REFINING):
                    self._record(start, model, model.sweep())
            model.settle(_EXACT_STEPS)
        return model

    def _record(self, start: int, model: RatingModel, error: float) -> None:
        told = {"start": start, "width": model.width, "loss": error, "noise": model.noise}
        self.history.append(told)

    def finish(self, model: RatingModel) -> FactorFit:
        """The model as arrays in the unit of the ratings, with what folding in needs."""
        users, items, root = model.users, model.items, self.scale**0.5
        pattern = self.patterns[0]
        penalty = {
            "item_variances": items.variances,
            "prior": users.prior,
            "weights": users.weights,
            "directions": pattern.directions,
            "log_count": pattern.log_count,
            "centre": pattern.centre,
            "spread": pattern.scale,
            "noise": torch.tensor([model.noise]),
            "scale": torch.tensor([self.scale]),
            "reg": torch.tensor([-1.0 if users.reg is None else users.reg]),
        }
        return FactorFit(
            user_factors=as_array(users.factors * root),
            item_factors=as_array(items.factors * root),
            user_bias=as_array(users.bias[:, 0] * self.scale),
            item_bias=as_array(items.bias[:, 0] * self.scale),
            mean=self.mean,
            details={"noise": model.noise * self.scale**2},
            penalty={name: as_array(value) for name, value in penalty.items()},
        )


class _Scores:
    """What models tell of held-out ratings."""

    def __init__(self, part: _Part, held: sp.csr_matrix) -> None:
        *_, user_bias, item_bias = _parameters(part.biases())
        self._held = HeldRatings(held, part.mean, part.scale, user_bias, item_bias)
        self.told, self.reference = self._held.told, self._held.reference

    def contributions(self, model: RatingModel) -> Contributions:
        """What each column adds to the predictions of the held-out ratings."""
        return self._held.contributions(*_parameters(model))

    def errors(self, model: RatingModel, widest: int) -> Iterator[np.ndarray]:
        """Normalised loss of each held-out rating with the first 0, 1, ..., `widest` columns."""
        users, items, *biases = _parameters(model)
        return self._held.errors(users[:, :widest], items[:, :widest], *biases)


def _parameters(model: RatingModel) -> tuple[torch.Tensor, ...]:
    """Factors and biases of both sides."""
    users, items = model.users, model.items
    return users.factors, items.factors, users.bias[:, 0], items.bias[:, 0]


def fold_in_explicit(ratings: sp.csr_matrix, fit: FactorFit) -> tuple[Floats, Floats]:
    """Factors and biases of new users from their ratings, the items' held as they are.

    The same regression that gave the fitted users theirs: the ratings of a fitted user give the
    factors of that user again.

    Parameters
    ----------
    ratings
        New users by the items of the fit.
    fit
        What `fit_explicit` returned, or the same arrays read back.

    Returns
    -------
    factors : ndarray of shape (n, m), float32
    bias : ndarray of shape (n,), float32

    Raises
    ------
    InputError
        If the items are not those of the fit.
    """
    count, width = fit.item_factors.shape
    if ratings.shape[1] != count:
        raise InputError(
            f"ratings to fold in must have the {count} items of the fit as columns, got shape "
            f"{ratings.shape}"
        )
    state = {name: torch.from_numpy(np.asarray(value)) for name, value in fit.penalty.items()}
    scale, noise, reg = (float(state[name]) for name in ("scale", "noise", "reg"))
    values = ((ratings.data.astype(np.float64) - fit.mean) / scale).astype(np.float32)
    entries = Entries(sp.csr_matrix((values, ratings.indices, ratings.indptr), ratings.shape))
    blank = torch.zeros(len(entries.counts), width + 1)
    if "directions" in state:
        features = PatternFeatures(
            state["directions"], state["log_count"], state["centre"], state["spread"]
        ).of(entries)
    else:  # trained by gradient: a ridge per rating, drawn to zero
        features = torch.zeros(len(blank), 1)
        state |= {
            "item_variances": torch.zeros(count, width + 1),
            "prior": torch.ones(width + 1),
            "weights": torch.zeros(1, width + 1),
        }
    known = torch.from_numpy(
        np.column_stack([fit.item_factors / scale**0.5, fit.item_bias / scale])
    )
    items = Side(entries, features, known, state["item_variances"], state["prior"], blank)
    users = Side(
        entries,
        features,
        blank,
        torch.zeros_like(blank),
        state["prior"],
        state["weights"],
        None if reg < 0 else reg,
    )
    rest = entries.values - known[entries.columns.long(), -1]
    users.update(items, rest, noise, _EXACT_STEPS)
    return as_array(users.factors * scale**0.5), as_array(users.bias[:, 0] * scale)
