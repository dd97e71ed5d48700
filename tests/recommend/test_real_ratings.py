"""Runs on real ratings at the default settings: MovieLens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from damrep.datasets.ratings import Ratings
from damrep.datasets.registry import load_ratings
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.held_out import hold_out
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.ranking import evaluate_ranking, rating_errors


def _ratings(name: str, data_root: Path) -> Ratings:
    if not (data_root / name).is_dir():
        pytest.skip(f"real data set needed: no folder {name} among the data sets")
    return load_ratings(name, data_root)


def test_ratings_are_foretold_with_few_dimensions(data_root: Path) -> None:
    data = _ratings("ml-100k", data_root)
    train, test = (data.splits["u1"][part] for part in ("train", "test"))
    model = DAMExplicitMF(random_state=0).fit(train[["user", "item", "rating"]])
    known = test[test["item"].isin(train["item"])]
    assert 1 <= model.n_components_ <= 30
    # Biases alone have .952 on this fold.
    predicted = model.predict(known["user"], known["item"])
    assert rating_errors(predicted, known["rating"].to_numpy())["rmse"] <= 0.90


def test_half_the_dimensions_rank_nearly_as_well_as_all(data_root: Path) -> None:
    table = _ratings("ml-latest-small", data_root).table
    liked = table[table["rating"] >= 4]
    places = (liked["user"].factorize()[0], liked["item"].factorize()[0])
    fitted, held = hold_out(sp.csr_matrix((np.ones(len(liked), np.float32), places)), 0.2, seed=0)

    def ranked(model: DAMImplicitMF) -> float:
        model.fit(fitted)
        factors = model.item_factors_.T
        return evaluate_ranking(
            lambda users: model.user_factors_[users] @ factors + model.item_bias_,
            held,
            fitted,
            (20,),
        )["ndcg_at_20"]

    model = DAMImplicitMF(random_state=0)
    learned = ranked(model)
    assert model.n_components_ <= 77
    assert learned >= 0.98 * ranked(DAMImplicitMF(n_components=128, random_state=0))
    assert learned >= 0.24
