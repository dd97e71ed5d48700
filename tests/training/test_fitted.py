"""What the fitted estimators share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.training import LearnedDimensions, damage_told, saturation_notes


class Example(LearnedDimensions, BaseEstimator):
    def __init__(self, price=0.1, random_state=None):
        self.price = price
        self.random_state = random_state

    def fit(self, seed=7):
        self.n_components_ = 2
        self.report_ = FitReport("Example", initial_dims=4, learned_dims=2, seed=seed)
        return self


def test_names_come_in_order():
    assert Example().fit().get_feature_names_out().tolist() == ["dim_0", "dim_1"]


def test_there_are_no_names_before_a_fit():
    with pytest.raises(NotFittedError):
        Example().get_feature_names_out()


def test_arguments_seed_and_report_come_back():
    model = Example(price=0.5).fit(seed=11)
    again = Example._restored(model._saved(), "model")
    assert (again.price, again.random_state) == (0.5, 11)
    assert again.report_.to_dict() == model.report_.to_dict()


def test_an_argument_of_another_version_is_left_out():
    saved = Example().fit()._saved()
    saved["params"]["of_tomorrow"] = 1
    assert Example._restored(saved, "model").price == 0.1


@pytest.mark.parametrize("lost", ["params", "report"])
def test_a_missing_part_is_damage(lost):
    saved = Example().fit()._saved()
    del saved[lost]
    with pytest.raises(InputError, match=f"there: the model is damaged.*{lost}"):
        Example._restored(saved, "there")


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), RuntimeError("x\n y"), TypeError("x")]
)
def test_what_goes_wrong_in_rebuilding_is_told_in_one_line(error):
    with pytest.raises(InputError, match=r"^here: the model is damaged \([^\n]*x[^\n]*\)$"):
        with damage_told("here"):
            raise error


def test_a_refused_argument_is_damage_too():
    with pytest.raises(InputError, match=r"^here: the model is damaged \(width must be"):
        with damage_told("here"):
            raise InputError("width must be positive")


@given(
    st.integers(1, 9), st.integers(1, 9), st.one_of(st.none(), st.integers(1, 9)), st.floats(0, 1)
)
def test_saturation_is_noted_only_where_a_limit_was_reached_at_a_price(
    learned, initial, most, price
):
    told = bool(saturation_notes(learned, initial, most, price))
    assert told == (price > 0 and most is not None and learned == initial == most)
