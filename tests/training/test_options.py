from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from damrep.masking.validation import InputError
from damrep.training.options import TrainingOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_epochs": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"weight_decay": -1e-3},
        {"beta_lr": 0.0},
        {"device": "gpu"},
        {"precision": "32"},
        {"patience": 0},
        {"min_delta": -0.1},
        {"cold_start_epochs": -1},
        {"verbose": -1},
        {"seed": -1},
    ],
)
def test_each_option_is_checked_and_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match="random_state" if name == "seed" else name):
        TrainingOptions(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"max_epochs": 1.5}, {"lr": "fast"}, {"description": 3}, {"seed": "1"}]
)
def test_wrong_types_are_type_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        TrainingOptions(**wrong)


def test_options_are_frozen_and_replaced() -> None:
    options = TrainingOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.lr = 1.0  # type: ignore[misc]
    with pytest.raises(InputError):
        dataclasses.replace(options, lr=-1.0)
