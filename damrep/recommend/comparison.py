"""How good a recommender is on ratings it has not seen, beside one without any factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import clone

from damrep.masking.notes import noted
from damrep.masking.validation import InputError
from damrep.recommend.biases import fit_biases
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.interactions import read_interactions
from damrep.recommend.ranking import evaluate_ranking, rating_errors
from damrep.training import numpy_generator

__all__ = [
    "evaluate_recommender",
    "known_part",
    "measure_recommender",
    "split_ratings",
]

Model = DAMExplicitMF | DAMImplicitMF
_CUTOFFS = (10, 20)


def split_ratings(
    ratings: sp.csr_matrix, share: float, seed: int
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Take a share of the ratings away at random.

    Parameters
    ----------
    ratings : csr_matrix, shape (users, items)
    share : float
        Between 0 and 1; at least one rating goes, and one stays.
    seed : int

    Returns
    -------
    kept, taken : csr_matrix, shape (users, items)

    Raises
    ------
    InputError
        If there are fewer than two ratings.

    Examples
    --------
    >>> kept, taken = split_ratings(sp.csr_matrix(np.ones((4, 5))), 0.1, seed=0)
    >>> kept.nnz, taken.nnz
    (18, 2)
    """
    if ratings.nnz < 2:
        raise InputError(f"expected at least 2 ratings to hold some out, got {ratings.nnz}")
    count = min(max(1, round(share * ratings.nnz)), ratings.nnz - 1)
    away = np.zeros(ratings.nnz, dtype=bool)
    away[numpy_generator(seed).choice(ratings.nnz, count, replace=False)] = True
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    kept, taken = (
        sp.csr_matrix(
            (ratings.data[part], (rows[part], ratings.indices[part])), shape=ratings.shape
        )
        for part in (~away, away)
    )
    return kept, taken


def evaluate_recommender(model: Model, *, share: float = 0.1, seed: int = 0) -> None:
    """Fit once more without some of the ratings, and add how it does on these to the report.

    Parameters
    ----------
    model
        Fitted; it stays as it is but for `report_.measures` and `report_.details`.
    share : float
        Of the ratings, held out.
    seed : int

    Raises
    ------
    InputError
        If there are too few ratings.
    """
    kept, taken = split_ratings(model.user_items_, share, seed)
    # A clone knows no ids: places stand for them, in both matrices.
    again = clone(model).set_params(random_state=model.report_.seed, verbose=0)
    with noted():
        again.fit(kept)
    model.report_.measures = measure_recommender(again, taken)
    model.report_.details["evaluation"] = {
        "on": "ratings held out of a second fit",
        "share": share,
        "seed": seed,
        "dimensions of that fit": again.n_components_,
    }


def measure_recommender(model: Model, test: sp.csr_matrix) -> list[dict[str, Any]]:
    """Rows of measures on a test part: the model, and what there is without factors.

    Parameters
    ----------
    model
        Fitted to something else than `test`.
    test : csr_matrix, shape (users, items)
        Rows and columns in the order of `user_ids_` and `item_ids_`.

    Returns
    -------
    list of dict
        "name", "dims", and RMSE and MAE for ratings; NDCG, recall and coverage of full rankings,
        without what the model was fitted to, for implicit feedback.

    Raises
    ------
    InputError
        If the shape is another, or there is nothing in it.
    """
    if test.shape != model.user_items_.shape:
        raise InputError(f"test must have the shape {model.user_items_.shape}, got {test.shape}")
    if test.nnz == 0:
        raise InputError("the test part holds no ratings")
    learned: dict[str, Any] = {"name": "learned", "dims": model.n_components_}
    trained = model.user_items_
    if isinstance(model, DAMExplicitMF):
        pairs = test.tocoo()
        users, items = model.user_ids_[pairs.row], model.item_ids_[pairs.col]
        low, high = trained.data.min(), trained.data.max()
        plain = np.clip(fit_biases(trained).predict(pairs.row, pairs.col), low, high)
        return [
            {**learned, **rating_errors(model.predict(users, items), pairs.data)},
            {"name": "biases alone", "dims": 0, **rating_errors(plain, pairs.data)},
        ]
    popularity = np.bincount(trained.indices, minlength=trained.shape[1]).astype(np.float32)
    wanted = [f"{metric}_at_{k}" for metric in ("ndcg", "recall", "coverage") for k in _CUTOFFS]

    def scores_of(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return model.user_factors_[rows] @ model.item_factors_.T + model.item_bias_

    def popular(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.tile(popularity, (len(rows), 1))

    return [
        {**row, **{name: value for name, value in found.items() if name in wanted}}
        for row, found in (
            (learned, evaluate_ranking(scores_of, test, trained, _CUTOFFS)),
            ({"name": "popularity", "dims": 0}, evaluate_ranking(popular, test, trained, _CUTOFFS)),
        )
    ]


def known_part(model: Model, table: pd.DataFrame) -> tuple[sp.csr_matrix, int]:
    """Ratings of a test table as a matrix in the order of a model's ids.

    Parameters
    ----------
    model
        Fitted.
    table : DataFrame
        As for `fit`, its columns called user, item, rating, the last where there is one.

    Returns
    -------
    matrix : csr_matrix, shape (users, items)
    unknown : int
        Rows left out, as their user or item was not there to be learned of.

    Raises
    ------
    InputError
        If the ratings cannot be used, or nothing is left.
    """
    rows, columns = (
        pd.Index(ids, dtype=ids.dtype).get_indexer(table[name].to_numpy())
        for name, ids in (("user", model.user_ids_), ("item", model.item_ids_))
    )
    known = (rows >= 0) & (columns >= 0)
    if not known.any():
        raise InputError("no row of the test part has a user and an item that are in the ratings")
    values = table["rating"].to_numpy() if "rating" in table else np.ones(len(table))
    entries = (values[known], (rows[known], columns[known]))
    matrix = sp.coo_matrix(entries, shape=model.user_items_.shape)
    read = read_interactions(matrix, duplicates=model.duplicates, implicit=model.implicit)
    return read.matrix, int((~known).sum())
