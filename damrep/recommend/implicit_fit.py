"""Fitting a factor model to implicit feedback: weights and width are chosen on a part of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from damrep.masking.validation import InputError
from damrep.recommend.entries import Entries
from damrep.recommend.factors import FactorFit
from damrep.recommend.gradient_fit import fit_by_gradient
from damrep.recommend.held_interactions import HeldInteractions
from damrep.recommend.held_out import hold_out
from damrep.recommend.held_out_parts import BETTER
from damrep.recommend.interaction_model import InteractionModel, regress
from damrep.recommend.settings import FactorSettings
from damrep.recommend.softmax_fit import fit_softmax, fold_in_softmax
from damrep.recommend.width_guard import SquaresTraining, WidthGuard
from damrep.recommend.width_path import Choice, WidthPath
from damrep.training.history import History

__all__ = ["fit_implicit", "fold_in_implicit"]

Floats = NDArray[np.float32]

_TRIAL_SWEEPS = 4
_EXACT_STEPS = 20
# Trials of weight and penalty are run at this width, from here, by this factor a step. Fewer
# columns would ask for heavier weights.
_TRIAL_WIDTH, _TRIALS = 128, 9
_UNOBSERVED, _STRENGTH, _STEP = 0.03, 1e-4, 3.0
# A trial is refused where its scores are below this share of another's: next to nothing is left of
# its factors, and though they may still rank, no width can be told from them.
_SHRUNK = 0.1


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
    if settings.loss == "bpr" or settings.strategy != "als":
        return fit_by_gradient(weights, settings, seed)
    if settings.loss == "softmax":
        return fit_softmax(weights, settings, seed)
    history = History()
    initial = max(1, min(settings.max_components, min(weights.shape) - 1))
    wanted = None if settings.n_components is None else min(settings.n_components, initial)
    fitted, held = hold_out(weights, settings.validation_fraction, seed)
    part = SquaresTraining(fitted, settings, seed, history)
    scores = HeldInteractions(fitted, held, seed)
    unobserved, reg, trials = _chosen_weights(part, scores, wanted or initial)
    if wanted is None:
        model, sweeps = part.widest(scores, initial, unobserved, reg)
    else:
        model, sweeps, _ = part.until_best(scores, wanted, unobserved, reg)
    widest = model.width
    contributions = scores.contributions(model)
    path = WidthPath(settings.price, scores.reference(model, contributions), initial)
    path.add(widest, contributions)
    choice = path.choose(wanted)
    if wanted is None and 0 < choice.columns < widest:
        guard = WidthGuard(weights, part, model, sweeps)
        columns = guard.from_width(choice.columns)
        for width, measured in guard.contributions.items():
            path.add(width, measured)
        choice = path.choose(None if columns == choice.columns else columns)
    whole = SquaresTraining(weights, settings, seed, history)
    model = whole.train(widest if choice.columns else 0, unobserved, reg, sweeps)
    if choice.columns < model.width:
        model = whole.narrowed(model, choice.columns)
    fit = _finished(whole, model, path, choice, initial)
    fit.warnings = path.warnings(initial, wanted, choice.columns)
    fit.details.update(trials=trials, started_from=widest, sweeps=sweeps, held_out=held.nnz)
    return fit


def _chosen_weights(
    part: SquaresTraining, scores: HeldInteractions, width: int
) -> tuple[float, float, list[dict[str, float]]]:
    """Weight of unobserved pairs and penalty: as given, or by NDCG on the held-out part.

    What shrinks the factors is about the product of the two, times the number of columns: so the
    search goes along the product and along the weight, downhill from a usual place.
    """
    settings = part.settings
    given = settings.unobserved_weight, settings.reg
    trials: list[dict[str, float]] = []
    if given[0] is not None and given[1] is not None:
        return given[0], given[1], trials
    width = min(width, _TRIAL_WIDTH)
    sweeps = min(_TRIAL_SWEEPS, settings.max_sweeps or _TRIAL_SWEEPS)
    seen: dict[tuple[int, int], float] = {}
    strongest = 0.0

    def values(place: tuple[int, int]) -> tuple[float, float]:
        unobserved = _UNOBSERVED * _STEP ** place[0] if given[0] is None else given[0]
        reg = _STRENGTH * _STEP ** place[1] / max(unobserved, 1e-3)
        return unobserved, reg if given[1] is None else given[1]

    def tried(place: tuple[int, int]) -> float:
        nonlocal strongest
        if place not in seen:
            unobserved, reg = values(place)
            if given[0] is None and unobserved > 1:
                return 0.0  # a pair without interaction is not to outweigh one with
            model = part.train(width, unobserved, reg, sweeps)
            ndcg = float(scores.ndcg(model.users, model.items).mean())
            trials.append({"unobserved_weight": unobserved, "reg": reg, "ndcg": ndcg})
            score = scores.mean_score(model)
            strongest = max(strongest, score)
            seen[place] = ndcg if score >= _SHRUNK * strongest else 0.0
        return seen[place]

    best = (0, 0)
    tried(best)
    axes = [step for step, given_ in (((0, 1), given[1]), ((1, 0), given[0])) if given_ is None]
    moved = True
    while moved and len(seen) < _TRIALS:
        moved = False
        for axis in axes:
            for sign in (-1, 1):
                while len(seen) < _TRIALS:
                    place = (best[0] + sign * axis[0], best[1] + sign * axis[1])
                    if tried(place) <= BETTER * seen[best]:
                        break
                    best, moved = place, True
    return *values(best), trials


def _finished(
    whole: SquaresTraining, model: InteractionModel, path: WidthPath, choice: Choice, initial: int
) -> FactorFit:
    popularity = np.zeros(whole.by_user.shape[1], np.float32)
    if choice.columns:
        model.update_users(_EXACT_STEPS)
    else:
        popularity = (whole.by_item.weight / whole.by_user.shape[0]).numpy()
    return FactorFit(
        user_factors=_array(model.users),
        item_factors=_array(model.items),
        user_bias=np.zeros(len(model.users), np.float32),
        item_bias=popularity,
        mean=0.0,
        initial=initial,
        open_gates=choice.open_gates,
        gates=choice.gates,
        curve=path.curve,
        loss=choice.loss,
        reference_loss=path.reference,
        history=whole.history.to_dict(),
        candidates=path.candidates(choice),
        details={
            "unobserved_weight": model.unobserved,
            "reg": model.reg,
            "unobserved_exponent": whole.settings.unobserved_exponent,
            "beta": choice.beta,
        },
        penalty={
            "unobserved_weight": _array(model.unobserved * model.shares),
            "reg": np.array([model.reg], np.float32),
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
        shares = light[:, None] / max(unobserved, 1e-30)
        moments = columns.T @ (columns * shares)
        blank = regress(entries, blank, columns, unobserved, reg, _EXACT_STEPS, moments=moments)
    return _array(blank), np.zeros(weights.shape[0], np.float32)


def _array(values: torch.Tensor) -> Any:
    return np.ascontiguousarray(values.float().numpy())
