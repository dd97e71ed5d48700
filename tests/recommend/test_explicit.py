"""`DAMExplicitMF`: the contracts, and ratings whose right answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.recommend.explicit import DAMExplicitMF
from tests.recommend.factor_contract import FactorContract
from tests.recommend.samples import as_frame, rated, tastes

QUICK = {"max_components": 6, "random_state": 0}


class TestContract(FactorContract):
    estimator = DAMExplicitMF
    quick = {"max_components": 8, "max_sweeps": 6, "device": "cpu"}
    wrong = (
        ({"loss": "ials"}, InputError),
        ({"loss": "hinge"}, InputError),
        ({"reg": -1.0}, InputError),
        ({"reg": "much"}, TypeError),
        ({"max_sweeps": 0}, InputError),
        ({"validation_fraction": 1.0}, InputError),
        ({"validation_fraction": 0.0}, InputError),
        ({"paper_lambda": 0.1}, InputError),
        ({"duplicates": "first"}, InputError),
    )

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        return (rated(),)

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        return (rated(50, 30, rank=2, seed=1),)

    @classmethod
    def bounds(cls, model: Any) -> tuple[float, float]:
        return float(model.user_items_.data.min()), float(model.user_items_.data.max())

    def test_biases_alone_predict_mean_and_biases(self) -> None:
        model = self.make(price=10.0).fit(*self.training_data())
        scores = model.predict(3, np.arange(50), clip=False)
        expected = model.mean_ + model.user_bias_[3] + model.item_bias_
        np.testing.assert_allclose(scores, expected, rtol=1e-5)

    def test_a_width_that_was_too_small_is_said(self) -> None:
        model = self.make(max_components=1).fit(*self.training_data())
        assert model.n_components_ == 1
        assert any("max_components" in note for note in model.report_.warnings)


@pytest.fixture(scope="module")
def of_tastes() -> DAMExplicitMF:
    return DAMExplicitMF(**QUICK).fit(tastes())


def test_two_tastes_are_one_dimension(of_tastes: DAMExplicitMF) -> None:
    assert of_tastes.n_components_ == 1
    row, column = np.nonzero(tastes().toarray() == 0)
    right = np.where(row % 2 == column % 2, 5, 1)
    assert np.abs(of_tastes.predict(row, column) - right).max() < 0.5
    ids, scores = of_tastes.recommend(None, 3)
    assert (ids % 2 == np.arange(60)[:, None] % 2)[scores > 3].all()
    for item in (0, 1):
        assert (of_tastes.similar_items(item, 5)[0] % 2 == item).all()
        assert (of_tastes.similar_users(item, 5)[0] % 2 == item).all()


def test_a_new_user_is_understood_from_a_few_ratings(of_tastes: DAMExplicitMF) -> None:
    new = pd.DataFrame({"user": ["zoe"] * 4, "item": [1, 3, 0, 2], "rating": [5, 5, 1, 1]})
    zoe = of_tastes.fold_in(new)
    ids, scores = of_tastes.recommend(zoe, 10)
    assert (ids % 2 == 1).all() and not set(ids[0]) & {1, 3}
    assert of_tastes.predict(zoe, [5, 6])[0] > 4 > 2 > of_tastes.predict(zoe, [6])[0]


def test_predictions_stay_between_the_lowest_and_the_highest_rating() -> None:
    model = DAMExplicitMF(**QUICK).fit(tastes(density=0.9))
    users, items = np.divmod(np.arange(60 * 40), 40)
    clipped, raw = model.predict(users, items), model.predict(users, items, clip=False)
    assert clipped.min() >= 1 and clipped.max() <= 5
    assert raw.max() > 5 or raw.min() < 1
    inside = (raw >= 1) & (raw <= 5)
    assert np.array_equal(clipped[inside], raw[inside])


def test_duplicates_by_their_rule() -> None:
    table = as_frame(tastes())
    again = pd.concat([table.assign(rating=3.0), table])
    with pytest.raises(InputError, match="more than once"):
        DAMExplicitMF().fit(again)
    last = DAMExplicitMF(duplicates="last", **QUICK).fit(again)
    once = DAMExplicitMF(**QUICK).fit(table)
    assert np.array_equal(last.user_factors_, once.user_factors_)


def test_other_names_of_columns_and_no_rating() -> None:
    table = as_frame(tastes()).set_axis(["who", "what", "stars"], axis=1)
    model = DAMExplicitMF(user="who", item="what", rating="stars", **QUICK).fit(table)
    assert model.n_components_ == 1
    with pytest.raises(InputError, match="no column 'item'"):
        DAMExplicitMF(user="who").fit(table)


def test_ratings_that_are_all_the_same() -> None:
    """Nothing is to be learned; that is no error, and told."""
    same = sp.csr_matrix(np.full((20, 15), 4.0))
    model = DAMExplicitMF(**QUICK).fit(same)
    assert model.n_components_ == 0
    np.testing.assert_allclose(model.predict(3, [0, 5]), [4, 4], atol=1e-3)
    assert model.report_.warnings


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (2, 2), (1, 1)])
def test_very_little(shape: tuple[int, int], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = DAMExplicitMF(**QUICK).fit(sp.csr_matrix(rng.integers(1, 6, shape) * 1.0))
    assert np.isfinite(model.predict(0, 0)).all()
    assert 0 <= model.n_components_ <= min(shape)
    model.save(tmp_path / "model")
    assert DAMExplicitMF.load(tmp_path / "model").predict(0, 0) == model.predict(0, 0)
