"""A fitted factor model on disk: its factors, the ids, and the ratings it was fitted to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from damrep.masking.schema import (
    ANYTHING,
    COUNT,
    NUMBER,
    TEXT,
    AnyOf,
    Choice,
    Entries,
    Items,
    Maybe,
    Record,
    Rule,
)
from damrep.masking.validation import InputError
from damrep.recommend.factors import FactorFit
from damrep.recommend.interactions import DUPLICATES, Interactions
from damrep.recommend.settings import STRATEGIES
from damrep.recommend.stored_ratings import (
    IDS,
    pack_interactions,
    stored_interactions,
    to_tensor,
    unpack_interactions,
)
from damrep.training import ModelFormat, damage_told, fitted_fields, load_folder, save_folder
from damrep.training.stored_tensors import Layout, Stored

__all__ = ["FORMATS", "READING", "load_factors", "save_factors"]

_ARRAYS = ("user_factors", "item_factors", "user_bias", "item_bias")
_PLAIN = ("mean", "initial", "open_gates", "loss", "reference_loss", "candidates", "details")
# What the report holds already, under the names it has there.
_REPORTED = {"gates": "gate", "curve": "curve", "history": "history"}
_PENALTY = "penalty."
_POSITIVE = {"noise", "scale", "temperature", "log_count", "spread", "prior"}
_NAME = AnyOf((TEXT, NUMBER))
_COLUMN = AnyOf((_NAME, Items(_NAME)))  # of a frame, which may have several levels of names
READING: dict[str, Rule] = {
    "duplicates": Choice(DUPLICATES),
    "user": _COLUMN,
    "item": _COLUMN,
    "rating": Maybe(_COLUMN),
}
"""Arguments that ratings are read with, after the fit too."""
_FIT = Record(
    {
        "mean": NUMBER,
        "initial": COUNT,
        "open_gates": COUNT,
        "loss": Maybe(NUMBER),
        "reference_loss": Maybe(NUMBER),
        "candidates": Entries(ANYTHING),
        "details": Entries(ANYTHING),
    }
)


def save_factors(
    path: str | os.PathLike[str],
    kind: str,
    fit: FactorFit,
    ratings: Interactions,
    meta: Mapping[str, Any],
) -> None:
    """Write a fitted model, all of it or nothing.

    Parameters
    ----------
    path
        The folder; one that damrep wrote is replaced.
    kind
        What is saved; `load_factors` asks for the same.
    fit, ratings
        What the model is made of.
    meta
        More for the config, plain data, the report among it.

    Raises
    ------
    InputError
        If something that is not a damrep model stands at `path`.
    """
    tensors = {name: to_tensor(getattr(fit, name)) for name in _ARRAYS}
    tensors |= {f"{_PENALTY}{name}": to_tensor(value) for name, value in fit.penalty.items()}
    ids, held = pack_interactions(ratings)
    tensors |= held
    plain = {name: getattr(fit, name) for name in _PLAIN}
    save_folder(path, FORMATS[kind], {**meta, "fit": plain, "ids": ids}, tensors)


def load_factors(
    path: str | os.PathLike[str], kind: str
) -> tuple[FactorFit, Interactions, dict[str, Any]]:
    """Read what `save_factors` wrote: the fit, the ratings, the config.

    Raises
    ------
    InputError
        If the folder is not such a model, or damaged.
    """
    config, tensors = load_folder(path, FORMATS[kind])
    with damage_told(path):
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        parts |= {name: config["fit"][name] for name in _PLAIN}
        parts |= {name: config["report"][called] for name, called in _REPORTED.items()}
        penalty = {
            name.removeprefix(_PENALTY): value
            for name, value in arrays.items()
            if name.startswith(_PENALTY)
        }
        for name in _POSITIVE & set(penalty):
            if not (penalty[name] > 0).all():
                raise InputError(f"tensor {_PENALTY}{name}: expected numbers above 0")
        fit = FactorFit(**parts, penalty=penalty)
        users, items = len(fit.user_factors), len(fit.item_factors)
        ratings = unpack_interactions(config["ids"], arrays, users, items)
    return fit, ratings, config


# What a report names: words that earlier versions had for a solver are not among them.
_WIDTHS_BY = (*STRATEGIES, "gradient")


def _solver(config: Mapping[str, Any]) -> str:
    """What earlier versions called a strategy; "budget" where it is not known."""
    strategy: str = config["report"]["strategy"]
    return str(config["params"].get("solver", "als")) if strategy in _WIDTHS_BY else strategy


def _explicit_penalty(
    config: Mapping[str, Any], layout: Layout, items: int, width: int
) -> dict[str, Stored]:
    """What folding in needs of a model of ratings, see `fold_in_explicit`."""
    single = {name: Stored((1,)) for name in ("noise", "scale", "reg")}
    told = layout.get("penalty.directions")
    by_solver = {"als": True, "adam": False}
    if not by_solver.get(_solver(config), told is not None):
        return single
    if told is None or len(told.shape) != 2:
        raise InputError("tensor penalty.directions is missing, or no table")
    pattern = told.shape[1]
    return {
        **single,
        "item_variances": Stored((items, width + 1)),
        "prior": Stored((width + 1,)),
        "weights": Stored((pattern + 2, width + 1)),
        "directions": Stored((items, pattern)),
        "log_count": Stored((2,)),
        "centre": Stored((pattern,)),
        "spread": Stored((pattern,)),
    }


def _implicit_penalty(
    config: Mapping[str, Any], layout: Layout, items: int, width: int
) -> dict[str, Stored]:
    """What folding in needs of a model of interactions, see `fold_in_implicit`."""
    softmax = config["report"]["objective"] == "softmax"
    by_solver = {"als": softmax, "adam": False}
    if by_solver.get(_solver(config), "penalty.temperature" in layout):
        return {"temperature": Stored((1,))}
    told = layout.get("penalty.unobserved_weight")
    alike = told is not None and told.shape == (1,)
    return {"unobserved_weight": Stored((1 if alike else items,)), "reg": Stored((1,))}


def _format(kind: str, penalty: Callable[..., dict[str, Stored]]) -> ModelFormat:
    def expected(config: Mapping[str, Any], layout: Layout) -> dict[str, Stored]:
        users, items = (_rows(layout, name) for name in ("user_bias", "item_bias"))
        width = config["report"]["learned_dims"]
        needed = penalty(config, layout, items, width)
        return {
            "user_factors": Stored((users, width)),
            "item_factors": Stored((items, width)),
            "user_bias": Stored((users,)),
            "item_bias": Stored((items,)),
            **{f"{_PENALTY}{name}": stored for name, stored in needed.items()},
            **stored_interactions(config["ids"], users, items),
        }

    fields = {**fitted_fields(**READING), "fit": _FIT, "ids": IDS}
    return ModelFormat(kind, Record(fields), expected)


def _rows(layout: Layout, name: str) -> int:
    return layout[name].shape[0] if name in layout and layout[name].shape else 0


FORMATS = {
    kind: _format(kind, penalty)
    for kind, penalty in (
        ("explicit-factors", _explicit_penalty),
        ("implicit-factors", _implicit_penalty),
    )
}
"""Of the factor models, by kind."""
