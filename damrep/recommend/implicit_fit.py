"""Fitting a factor model to implicit feedback: weights and width are chosen on a part of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from damrep.masking.moments import second_moment
from damrep.masking.validation import InputError
from damrep.recommend.entries import Entries
from damrep.recommend.factors import FactorFit, as_array
from damrep.recommend.gradient_fit import fit_by_gradient
from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.interaction_model import InteractionModel, regress
from damrep.recommend.penalty_trials import chosen_penalties
from damrep.recommend.settings import FactorSettings
from damrep.recommend.softmax_fit import fit_softmax, fold_in_softmax
from damrep.recommend.width_guard import SquaresTraining, WidthGuard
from damrep.recommend.width_path import WidthPath
from damrep.training.history import History

__all__ = ["fit_implicit", "fold_in_implicit"]

Floats = NDArray[np.float32]

_EXACT_STEPS = 20


def fit_implicit(weights: sp.csr_matrix, settings: FactorSettings, seed: int) -> FactorFit:
    """Fit factors to interactions, as many columns as the price lets stay.

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
        Biases are 0; where no factor earns its price the items' are their popularity.

    Raises
    ------
    InputError
        If there is no interaction.

    Examples
    --------
    >>> among = np.random.default_rng(0).random((90, 60)) < 0.5
    >>> blocks = np.kron(np.eye(3), np.ones((30, 20))) * among
    >>> fit = fit_implicit(sp.csr_matrix(blocks), FactorSettings(price=1e-3, loss="ials"), seed=0)
    >>> fit.n_components
    3
    """
    if not weights.nnz:
        raise InputError("there is no interaction to fit: the matrix has no stored entry")
    if settings.loss == "bpr" or settings.solver == "adam":
        return fit_by_gradient(weights, settings, seed)
    if settings.loss == "softmax":
        return fit_softmax(weights, settings, seed)
    history = History(settings.callback)
    initial, wanted = settings.widths(weights.shape)
    fitted, held = hold_out(weights, settings.validation_fraction, seed)
    part = SquaresTraining(fitted, settings, seed, history)
    scores = HeldInteractions(fitted, held, seed)
    penalties, trials = chosen_penalties(part, scores, wanted or initial)
    grow = part.widest if wanted is None else part.until_best
    model, sweeps, ranking = grow(scores, wanted or initial, penalties)
    widest = model.width
    contributions = scores.contributions(model)
    path = WidthPath(settings.price, scores.reference(model, contributions), initial)
    path.add(widest, contributions)
    choice = path.choose(wanted)
    if wanted is None and 0 < choice.columns < widest:
        guard = WidthGuard(weights, part, scores, (model, sweeps, ranking))
        columns = guard.from_width(choice.columns)
        for width, measured in guard.contributions.items():
            path.add(width, measured)
        choice = path.choose(None if columns == choice.columns else columns)
    whole = SquaresTraining(weights, settings, seed, history)
    wide = partial(whole.train, widest, penalties, sweeps)
    narrow = choice.columns < widest
    model = whole.narrowed(wide, choice.columns, penalties, sweeps) if narrow else wide()
    fit = _finished(whole, model)
    path.tell(fit, choice, settings)
    fit.details.update(trials=trials, started_from=widest, sweeps=sweeps, held_out=held.nnz)
    return fit


def _finished(whole: SquaresTraining, model: InteractionModel) -> FactorFit:
    penalties = model.penalties
    popularity = np.zeros(whole.by_user.shape[1], np.float32)
    if model.width:
        model.update_users(_EXACT_STEPS)
    else:
        popularity = (whole.by_item.weight / whole.by_user.shape[0]).numpy()
    return FactorFit(
        user_factors=as_array(model.users),
        item_factors=as_array(model.items),
        user_bias=np.zeros(len(model.users), np.float32),
        item_bias=popularity,
        mean=0.0,
        history=whole.history.to_dict(),
        details={
            "unobserved_weight": penalties.unobserved,
            "reg": penalties.reg,
            "unobserved_exponent": penalties.exponent,
        },
        penalty={
            "unobserved_weight": as_array(penalties.unobserved * model.shares),
            "reg": np.array([penalties.reg], np.float32),
        },
    )


def fold_in_implicit(weights: sp.csr_matrix, fit: FactorFit) -> tuple[Floats, Floats]:
    """Factors of new users from their interactions, the items' held as they are.

    The same regression that gave the fitted users theirs.

    Parameters
    ----------
    weights
        New users by the items of the fit.
    fit
        What `fit_implicit` returned, or the same arrays read back.

    Returns
    -------
    factors : ndarray of shape (n, m), float32
    bias : ndarray of shape (n,), float32
        Zeros.

    Raises
    ------
    InputError
        If the items are not those of the fit.
    """
    count, width = fit.item_factors.shape
    if weights.shape[1] != count:
        raise InputError(
            f"interactions to fold in must have the {count} items of the fit as columns, got "
            f"shape {weights.shape}"
        )
    if "temperature" in fit.penalty:
        return fold_in_softmax(weights, fit), np.zeros(weights.shape[0], np.float32)
    light, reg = torch.from_numpy(fit.penalty["unobserved_weight"]), float(fit.penalty["reg"][0])
    unobserved = float(light.mean())
    entries = Entries(weights if weights.has_sorted_indices else weights.sorted_indices())
    columns = torch.from_numpy(np.ascontiguousarray(fit.item_factors))
    blank = torch.zeros(weights.shape[0], width)
    if width:
        # Where no pair weighs anything without an interaction, they only say how large a column is.
        shares = light[:, None] / unobserved if unobserved > 0 else torch.ones(count, 1)
        moments = second_moment(columns, columns * shares).float()
        blank = regress(entries, blank, columns, unobserved, reg, _EXACT_STEPS, moments=moments)
    return as_array(blank), np.zeros(weights.shape[0], np.float32)
