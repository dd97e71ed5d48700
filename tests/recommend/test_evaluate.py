"""Measures of a fitted recommender on a test part, and scikit-learn's searches through them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from damrep.masking.validation import InputError
from damrep.recommend.evaluate import evaluate
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.ranking import evaluate_ranking
from damrep.recommend.splitting import split_ratings, train_test_split
from tests.recommend.samples import as_frame, grouped, rated

QUICK = {"max_components": 6, "max_sweeps": 5, "random_state": 0}


def named(matrix: sp.csr_matrix) -> pd.DataFrame:
    table = as_frame(matrix)
    return table.assign(user="u" + table["user"].astype(str), item="i" + table["item"].astype(str))


def test_ratings_with_unknown_ids() -> None:
    train, test = train_test_split(named(rated()), random_state=0)
    more = pd.DataFrame({"user": ["u1", "zoe"], "item": ["new", "i2"], "rating": [3.0, 4.0]})
    test = pd.concat([test, more])
    model = DAMExplicitMF(**QUICK).fit(train)
    told = model.predict(test["user"], test["item"], unknown="bias")
    off = told - test["rating"].to_numpy()
    found = evaluate(model, test)
    assert found["rmse"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-6)
    assert found["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-6)
    assert found["unknown"] == 2
    assert model.score(test) == -found["rmse"]
    assert evaluate(model, pl.DataFrame(test.to_dict("list"))) == found


def test_rankings() -> None:
    kept, taken = split_ratings(grouped(), 0.2, seed=0)
    model = DAMImplicitMF(**QUICK).fit(kept)
    found = evaluate(model, taken, (5, 10))
    scores = model.user_factors_ @ model.item_factors_.T
    expected = evaluate_ranking(lambda rows: scores[rows].copy(), taken, kept, (5, 10))
    assert found == pytest.approx({**expected, "unknown": 0})
    assert found["ndcg_at_5"] > 0.3
    by_name = DAMImplicitMF(**QUICK).fit(named(kept))
    test = pd.concat(
        [named(taken), pd.DataFrame({"user": ["zoe"], "item": ["i1"], "rating": [1.0]})]
    )
    again = evaluate(by_name, test)
    assert again["unknown"] == 1
    assert again["ndcg_at_10"] == pytest.approx(found["ndcg_at_10"], abs=0.03)
    assert by_name.score(test) == again["ndcg_at_10"]


def test_what_cannot_be_measured() -> None:
    matrix = rated()
    model = DAMExplicitMF(**QUICK)
    with pytest.raises(NotFittedError):
        evaluate(model, matrix)
    with pytest.raises(NotFittedError):
        model.score(as_frame(matrix))
    model.fit(matrix)
    with pytest.raises(InputError, match=r"test must have the shape \(70, 50\), got \(3, 50\)"):
        evaluate(model, matrix[:3])
    with pytest.raises(InputError, match="score takes a frame with a row a rating, not a matrix"):
        model.score(matrix)
    with pytest.raises(InputError, match="users of the test part: ids are strings"):
        evaluate(model, named(matrix))
    ranking = DAMImplicitMF(**QUICK).fit(named(grouped()))
    unknown = pd.DataFrame({"user": ["zoe"], "item": ["i1"], "rating": [1.0]})
    with pytest.raises(InputError, match="no row of the test part"):
        ranking.score(unknown)


@pytest.mark.parametrize("estimator", [DAMExplicitMF, DAMImplicitMF])
def test_searches_of_scikit_learn(estimator: type) -> None:
    table = named(rated() if estimator is DAMExplicitMF else grouped())
    table = table.sample(frac=1, random_state=0)
    search = GridSearchCV(
        estimator(**QUICK), {"n_components": [1, 3]}, cv=3, error_score="raise"
    ).fit(table)
    assert search.best_params_ == {"n_components": 3}
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and scores[1] > scores[0]
    again = cross_val_score(estimator(n_components=3, **QUICK), table, cv=3, error_score="raise")
    assert again.mean() == pytest.approx(scores[1])
    assert search.best_estimator_.score(table) > scores[1] or estimator is DAMImplicitMF
    with pytest.raises(InputError, match="score takes a frame"):
        cross_val_score(estimator(**QUICK), grouped(), cv=2, error_score="raise")
