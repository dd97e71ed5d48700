"""How good a fitted recommender is on ratings it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.masking.validation import InputError
from damrep.reading.frames import frame_columns
from damrep.recommend.ids import places
from damrep.recommend.interactions import Interactions, read_interactions
from damrep.recommend.ranking import evaluate_ranking, rating_errors
from damrep.training.scikit_learn import check_is_fitted

__all__ = ["evaluate", "known_part", "score_of"]


def evaluate(model: Any, test: Any, k: int | Sequence[int] = 10) -> dict[str, float]:
    """Measure a recommender on a test part.

    Parameters
    ----------
    model
        A fitted `DAMExplicitMF`, `DAMImplicitMF` or `IGMC`; not on `test`.
    test
        A frame as for `fit`; or a sparse matrix of the shape of that fit, users and items in the
        order of `user_ids_` and `item_ids_`.
    k : int or sequence of int
        Of implicit feedback: how many of the first items are looked at.

    Returns
    -------
    dict of float
        Of ratings: "rmse" and "mae", a user or item the model does not know going by biases. Of
        implicit feedback: "ndcg_at_10", "recall_at_10", "precision_at_10", "map_at_10",
        "mrr_at_10", "hit_rate_at_10" and "coverage_at_10", where all items are ranked that the
        model was not fitted to (see `damrep.recommend.ranking`), and the number of "users".
        "unknown": test ratings whose user or item the model does not know; of implicit feedback
        they are left out.

    Raises
    ------
    NotFittedError
        Before `fit`.
    InputError
        If the test part cannot be used, or there is nothing in it.

    Examples
    --------
    >>> import pandas as pd
    >>> from damrep import DAMExplicitMF
    >>> from damrep.recommend.splitting import train_test_split
    >>> rng = np.random.default_rng(0)
    >>> pairs = pd.DataFrame(np.argwhere(rng.random((60, 40)) < 0.5), columns=["user", "item"])
    >>> pairs["rating"] = 3 + 2 * (-1.0) ** (pairs["user"] + pairs["item"])
    >>> train, test = train_test_split(pairs, random_state=0)
    >>> evaluate(DAMExplicitMF(random_state=0).fit(train), test)["rmse"] < 0.1
    True
    """
    read = _read(model, test)
    if not model.implicit:
        return _of_ratings(model, read)
    matrix, unknown = _in_the_order_of(model, read)
    cutoffs = (k,) if isinstance(k, int) else tuple(k)
    found = evaluate_ranking(_scores(model), matrix, model.user_items_, cutoffs)
    return {**found, "unknown": unknown}


def score_of(model: Any, test: Any) -> float:
    """One number of `evaluate`, the greater the better, for scikit-learn's searches.

    Parameters
    ----------
    model
        Fitted.
    test
        A frame.

    Returns
    -------
    float
        Minus the root mean squared error of ratings; NDCG at 10 of implicit feedback.

    Raises
    ------
    InputError
        If `test` is a matrix: a search splits it by rows, and what stands in row 0 is then not the
        first user of the fit.
    """
    check_is_fitted(model, "n_components_")
    if frame_columns(test) is None:
        raise InputError(
            "score takes a frame with a row a rating, not a matrix: of its rows cannot be told "
            "which users they are; damrep.recommend.evaluate takes one of the users of the fit"
        )
    found = evaluate(model, test)
    return found["ndcg_at_10"] if model.implicit else -found["rmse"]


def known_part(model: Any, test: Any) -> tuple[sp.csr_matrix, int]:
    """Ratings of a test part as a matrix in the order of a model's ids.

    Parameters
    ----------
    model
        Fitted.
    test
        As for `evaluate`.

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
    return _in_the_order_of(model, _read(model, test))


def _read(model: Any, test: Any) -> Interactions:
    check_is_fitted(model, "n_components_")
    columns = {name: getattr(model, name) for name in ("duplicates", "user", "item", "rating")}
    read = read_interactions(test, **columns, implicit=model.implicit)
    shape = len(model.user_ids_), len(model.item_ids_)
    if sp.issparse(test) and test.shape != shape:
        raise InputError(f"test must have the shape {shape}, got {test.shape}")
    return read


def _places(model: Any, read: Interactions) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the model for those of a test part."""
    known = model._ratings
    return (
        places(known.user_ids, read.user_ids, "users of the test part")[0],
        places(known.item_ids, read.item_ids, "items of the test part")[0],
    )


def _of_ratings(model: Any, read: Interactions) -> dict[str, float]:
    pairs = read.matrix.tocoo()
    if read.by_place:
        users, items = model.user_ids_[pairs.row], model.item_ids_[pairs.col]
        unknown = 0
    else:
        users, items = read.user_ids[pairs.row], read.item_ids[pairs.col]
        rows, columns = _places(model, read)
        unknown = int(((rows[pairs.row] < 0) | (columns[pairs.col] < 0)).sum())
    told = model.predict(users, items, unknown="bias")
    return {**rating_errors(told, pairs.data), "unknown": unknown}


def _in_the_order_of(model: Any, read: Interactions) -> tuple[sp.csr_matrix, int]:
    if read.by_place:
        return read.matrix, 0
    rows, columns = _places(model, read)
    pairs = read.matrix.tocoo()
    row, column = rows[pairs.row], columns[pairs.col]
    known = (row >= 0) & (column >= 0)
    if not known.any():
        raise InputError("no row of the test part has a user and an item that are in the ratings")
    entries = (pairs.data[known], (row[known], column[known]))
    matrix = sp.csr_matrix(entries, shape=model.user_items_.shape)
    matrix.sort_indices()
    return matrix, int((~known).sum())


def _scores(model: Any) -> Any:
    def scores_of(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = model.user_factors_[rows] @ model.item_factors_.T
        return scores + model.item_bias_

    return scores_of
