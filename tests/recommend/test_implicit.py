"""`DAMImplicitMF`: the contracts, and a checkerboard whose right answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.recommend.implicit import DAMImplicitMF
from tests.recommend.factor_contract import FactorContract
from tests.recommend.samples import as_frame, checkerboard, grouped

QUICK = {"max_components": 6, "random_state": 0}


@pytest.mark.parametrize("seed", [0, 2])
def test_a_penalty_that_leaves_nothing_of_the_factors_is_not_chosen(seed: int):
    # Whole groups of items alike: a heavy penalty ranks as well, with scores of 1e-5.
    rng = np.random.default_rng(0)
    rows = []
    for user in range(400):
        for item in rng.choice(60, 12, replace=False):
            bought = (user % 4) * 60 + item if rng.random() < 0.85 else rng.integers(240)
            rows.append((f"user {user}", f"item {bought}"))
    frame = pd.DataFrame(rows, columns=["user", "item"]).drop_duplicates()
    model = DAMImplicitMF(rating=None, random_state=seed).fit(frame)
    assert 3 <= model.n_components_ <= 6
    scores = model.user_factors_ @ model.item_factors_.T
    assert scores[model.user_items_.nonzero()].mean() > 0.2


class TestContract(FactorContract):
    estimator = DAMImplicitMF
    ranged = False
    # Weight and penalty given: otherwise each fit looks for them first.
    quick = {
        "max_components": 8, "max_sweeps": 6, "unobserved_weight": 0.3, "reg": 0.001,
        "device": "cpu",
    }  # fmt: skip
    wrong = (
        ({"loss": "squared"}, InputError),
        ({"unobserved_weight": -0.1}, InputError),
        ({"unobserved_exponent": 1.5}, InputError),
        ({"temperature": 0.01}, InputError),
        ({"reg": -1.0}, InputError),
        ({"max_sweeps": 0}, InputError),
        ({"validation_fraction": 1.0}, InputError),
        ({"paper_lambda": 0.1}, InputError),
        ({"duplicates": "first"}, InputError),
    )

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        return (grouped(),)

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        return (grouped(50, 30, groups=2, seed=1),)

    @pytest.mark.parametrize("exponent", [-100, 40])
    def test_the_unit_of_the_data_changes_nothing(self, model: Any, exponent: int) -> None:
        """Not so for weights, which stand beside the 1 of `unobserved_weight`: any is fitted."""
        again = self.make(n_components=3).fit(self.in_unit(2.0**exponent))
        assert again.n_components_ == 3
        assert all(np.isfinite(output).all() for output in self.outputs(again))

    def test_without_factors_the_most_popular_come_first(self) -> None:
        matrix = self.training_data()[0]
        model = self.make(price=10.0).fit(matrix)
        counts = np.asarray((matrix != 0).sum(axis=0)).ravel()
        ids, _ = model.recommend(None, 4, filter_seen=False)
        assert (np.sort(counts[ids], axis=1)[:, ::-1] == np.sort(counts)[::-1][:4]).all()

    def test_who_is_unknown_gets_the_most_popular(self, model: Any) -> None:
        counts = np.asarray((self.training_data()[0] != 0).sum(axis=0)).ravel()
        ids, _ = model.recommend(model.fold_in(sp.csr_matrix((1, 50))), 4)
        assert counts[ids[0]].tolist() == np.sort(counts)[::-1][:4].tolist()


@pytest.fixture(scope="module")
def of_checkers() -> DAMImplicitMF:
    return DAMImplicitMF(**QUICK).fit(checkerboard())


def test_the_checkerboard(of_checkers: DAMImplicitMF) -> None:
    """What is missing of the squares of a user's colour is what is recommended."""
    ids, scores = of_checkers.recommend(None, 1)
    assert ids[:, 0].tolist() == list(range(50))
    for side in (of_checkers.similar_items, of_checkers.similar_users):
        found, _ = side(np.arange(50), 10)
        assert (found % 2 == np.arange(50)[:, None] % 2).all()
    assert of_checkers.n_components_ <= 3


def test_a_new_user_of_the_checkerboard(of_checkers: DAMImplicitMF) -> None:
    new = of_checkers.fold_in(pd.DataFrame({"user": [7] * 3, "item": [1, 5, 9], "rating": 1.0}))
    ids, _ = of_checkers.recommend(new, 15)
    assert (ids % 2 == 1).all() and not set(ids[0]) & {1, 5, 9}


def test_a_frame_without_weights() -> None:
    table = as_frame(checkerboard())[["user", "item"]]
    same = DAMImplicitMF(**QUICK).fit(checkerboard())
    for rating in (None, "rating"):
        model = DAMImplicitMF(rating=rating, **QUICK).fit(table)
        assert np.array_equal(model.user_factors_, same.user_factors_)
    with pytest.raises(InputError, match="no column 'weight' .*rating=None lets every row weigh 1"):
        DAMImplicitMF(rating="weight").fit(table)


def test_weights_are_not_guessed_but_named() -> None:
    table = as_frame(checkerboard()).set_axis(["visitorid", "song", "plays"], axis=1)
    table["plays"] += np.arange(len(table)) % 3
    model = DAMImplicitMF(**QUICK).fit(table)
    assert set(model.user_items_.data) == {1}
    assert model.report_.warnings[:3] == [
        "column 'visitorid' was taken for the users",
        "column 'song' was taken for the items",
        "column 'plays' was not looked at; rating='plays' takes weights",
    ]
    weighed = DAMImplicitMF(rating="plays", **QUICK).fit(table)
    assert set(weighed.user_items_.data) == {1, 2, 3}


@pytest.mark.parametrize("loss", ["ials", "softmax", "bpr"])
def test_what_nobody_had_comes_last(loss: str) -> None:
    """Softmax and BPR begin with noise, and give others less than nothing."""
    matrix = grouped().tolil()
    matrix[4], matrix[:, 6] = 0, 0
    model = DAMImplicitMF(loss=loss, n_components=2, **QUICK).fit(sp.csr_matrix(matrix))
    ids, scores = model.recommend(None, 50, filter_seen=False)
    assert (ids[:, -1] == 6).all() and np.isfinite(scores).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    some, _ = model.recommend(0, items=[6, 3, 40])
    assert some[-1] == 6
    assert model.recommend(0, items=[6])[0].tolist() == [6]
    popular = np.argsort(-np.asarray(matrix.sum(axis=0)).ravel(), kind="stable")
    if loss != "bpr":  # whose biases are learned
        assert model.recommend(4, 49)[0].tolist() == popular[:49].tolist()


def test_negative_weights_and_weights_of_zero() -> None:
    with pytest.raises(InputError, match="implicit feedback, 0 or more, got -1"):
        DAMImplicitMF().fit(-checkerboard())
    stored = checkerboard().tolil()
    stored[0, 1] = 5.0
    stored = sp.csr_matrix(stored)
    stored.data[stored.data == 5] = 0.0
    model = DAMImplicitMF(**QUICK).fit(stored)
    assert model.user_items_.nnz == checkerboard().nnz
    assert 1 in model.recommend(0, 50)[0]


def test_counts_can_be_added_up() -> None:
    table = as_frame(checkerboard())
    twice = pd.concat([table, table])
    model = DAMImplicitMF(duplicates="sum", **QUICK).fit(twice)
    assert (model.user_items_.data == 2).all()
