"""What a recommender is measured by on ratings it has not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.recommend.comparison import evaluate_recommender, measure_recommender
from damrep.recommend.evaluate import known_part
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.splitting import split_ratings
from tests.recommend.samples import tastes

QUICK = {"max_components": 4, "max_sweeps": 5, "random_state": 0}


@pytest.fixture(scope="module")
def parts() -> tuple[sp.csr_matrix, sp.csr_matrix]:
    return split_ratings(tastes(), 0.1, seed=0)


@pytest.fixture(scope="module")
def model(parts: tuple[sp.csr_matrix, sp.csr_matrix]) -> DAMExplicitMF:
    return DAMExplicitMF(**QUICK).fit(parts[0])


def test_a_split_takes_each_rating_once() -> None:
    whole = tastes()
    kept, taken = split_ratings(whole, 0.25, seed=1)
    assert taken.nnz == round(0.25 * whole.nnz)
    assert ((kept + taken) != whole).nnz == 0 and kept.multiply(taken).nnz == 0
    assert (split_ratings(whole, 0.25, seed=1)[1] != taken).nnz == 0
    zeros = sp.csr_matrix((np.zeros(4), (range(4), range(4))), shape=(4, 4))
    assert [part.nnz for part in split_ratings(zeros, 0.5, seed=0)] == [2, 2]
    with pytest.raises(InputError, match="at least 2 ratings"):
        split_ratings(whole[:1, :1], 0.5, seed=0)


def test_factors_beside_biases(
    model: DAMExplicitMF, parts: tuple[sp.csr_matrix, sp.csr_matrix]
) -> None:
    learned, plain = measure_recommender(model, parts[1])
    assert (learned["name"], plain["name"], plain["dims"]) == ("learned", "biases alone", 0)
    assert learned["rmse"] < 0.5 < 1.5 < plain["rmse"]
    assert learned["dims"] == model.n_components_ == 1
    with pytest.raises(InputError, match="must have the shape"):
        measure_recommender(model, parts[1][:3])
    with pytest.raises(InputError, match="no ratings"):
        measure_recommender(model, sp.csr_matrix(parts[1].shape))


def test_the_model_stays_as_it_is(model: DAMExplicitMF) -> None:
    before = model.user_factors_.copy()
    evaluate_recommender(model, seed=3)
    assert np.array_equal(model.user_factors_, before)
    assert [row["name"] for row in model.report_.measures] == ["learned", "biases alone"]
    assert model.report_.details["evaluation"]["share"] == 0.1


def test_a_model_that_loses_says_so() -> None:
    """There is nothing but noise in these ratings, and hardly a penalty on what is made of it."""
    rng = np.random.default_rng(0)
    given = rng.random((60, 40)) < 0.4
    noise = sp.csr_matrix(np.where(given, rng.integers(1, 6, given.shape), 0).astype(float))
    model = DAMExplicitMF(n_components=4, reg=1e-3, **QUICK).fit(noise)
    for _ in range(2):
        evaluate_recommender(model, seed=1)
        learned, plain = model.report_.measures
        assert plain["rmse"] < learned["rmse"] - 0.001
        told = [note for note in model.report_.warnings if note.startswith("biases alone (")]
        assert told[0] == (
            f"biases alone (0 dims): RMSE {plain['rmse']:.3f} is lower than the learned model's "
            f"{learned['rmse']:.3f} (4 dims)"
        )
        assert len(told) == len(set(told))


def test_popularity_that_ranks_better_is_told() -> None:
    """Everybody has the first items and one at random, so there is nothing but popularity."""
    rng = np.random.default_rng(0)
    chance = np.linspace(0.6, 0.02, 40)
    matrix = sp.csr_matrix((rng.random((80, 40)) < chance).astype(float))
    model = DAMImplicitMF(n_components=4, reg=1e-3, unobserved_weight=0.1, random_state=0)
    evaluate_recommender(model.fit(matrix))
    learned, plain = model.report_.measures
    assert plain["ndcg_at_10"] > learned["ndcg_at_10"]
    assert any(
        note.startswith("popularity (0 dims): NDCG@10 ") and "is higher than the learned" in note
        for note in model.report_.warnings
    )
    kept, taken = split_ratings(tastes(), 0.1, seed=0)
    good = DAMExplicitMF(**QUICK).fit(kept)
    evaluate_recommender(good, taken, on="a part")
    assert good.report_.details["evaluation"] == {"on": "a part"}
    assert not [note for note in good.report_.warnings if "is lower than" in note]


def test_a_test_part_by_ids() -> None:
    table = pd.DataFrame(
        {"user": list("aabbcc"), "item": list("xyxyxy"), "rating": [1.0, 5, 5, 1, 4, 2]}
    )
    model = DAMExplicitMF(**QUICK).fit(table)
    test = pd.DataFrame({"user": ["c", "new", "a"], "item": ["y", "x", "new"], "rating": 3.0})
    matrix, unknown = known_part(model, test)
    assert (matrix.toarray() == [[0, 0], [0, 0], [0, 3]]).all() and unknown == 2
    with pytest.raises(InputError, match="no row of the test part"):
        known_part(model, test[1:])
