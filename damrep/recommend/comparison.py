"""How good a recommender is on ratings it has not seen, beside one without any factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import clone

from damrep.masking.notes import noted
from damrep.recommend.biases import fit_biases
from damrep.recommend.evaluate import evaluate
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.ranking import evaluate_ranking, rating_errors
from damrep.recommend.splitting import split_ratings
from damrep.training import losing_note

__all__ = ["evaluate_recommender", "measure_recommender"]

Model = DAMExplicitMF | DAMImplicitMF
_CUTOFFS = (10, 20)
_ERRORS = {"rmse": "RMSE", "mae": "MAE"}
_METRICS = {
    f"{metric}_at_{k}": f"{called}@{k}"
    for metric, called in (("ndcg", "NDCG"), ("recall", "recall"))
    for k in _CUTOFFS
}


def evaluate_recommender(
    model: Model,
    test: sp.csr_matrix | None = None,
    *,
    on: str = "a test part",
    share: float = 0.1,
    seed: int = 0,
) -> None:
    """Add to a model's report how it does on a test part, beside what there is without factors.

    Writes to the report: rows of measures, how they came about under `details["evaluation"]`, and a
    warning for every comparison the model loses.

    Parameters
    ----------
    model
        Fitted; it stays as it is but for its report.
    test : csr_matrix, shape (users, items), optional
        See `measure_recommender`. If not given, the model is fitted once more without some of the
        ratings, and measured on these.
    on : str
        What `test` is, for the report.
    share : float
        Of the ratings, held out without `test`.
    seed : int

    Raises
    ------
    InputError
        If there are too few ratings.
    """
    report = model.report_
    if test is not None:
        report.measures = measure_recommender(model, test)
        report.details["evaluation"] = {"on": on}
    else:
        kept, taken = split_ratings(model.user_items_, share, seed)
        # A clone knows no ids: places stand for them, in both matrices.
        again = clone(model).set_params(random_state=report.seed, verbose=0)
        with noted():
            again.fit(kept)
        report.measures = measure_recommender(again, taken)
        report.details["evaluation"] = {
            "on": "ratings held out of a second fit",
            "share": share,
            "seed": seed,
            "dimensions of that fit": again.n_components_,
        }
    learned, plain = report.measures
    # What an earlier evaluation warned of goes with its measures.
    report.warnings = [
        *(note for note in report.warnings if not note.startswith(f"{plain['name']} (")),
        *_losses(learned, plain),
    ]


def _losses(learned: dict[str, Any], plain: dict[str, Any]) -> list[str]:
    """A sentence for each measure on which no factors do better than factors."""
    notes = [
        losing_note(
            learned, plain, measure, "the learned model's", called=called, lower=measure in _ERRORS
        )
        for measure, called in {**_ERRORS, **_METRICS}.items()
    ]
    return [note for note in notes if note is not None]


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
    learned: dict[str, Any] = {"name": "learned", "dims": model.n_components_}
    trained = model.user_items_
    if isinstance(model, DAMExplicitMF):
        found = evaluate(model, test)
        pairs = test.tocoo()
        low, high = trained.data.min(), trained.data.max()
        plain = np.clip(fit_biases(trained).predict(pairs.row, pairs.col), low, high)
        return [
            {**learned, "rmse": found["rmse"], "mae": found["mae"]},
            {"name": "biases alone", "dims": 0, **rating_errors(plain, pairs.data)},
        ]
    popularity = np.bincount(trained.indices, minlength=trained.shape[1]).astype(np.float32)
    wanted = [f"{metric}_at_{k}" for metric in ("ndcg", "recall", "coverage") for k in _CUTOFFS]

    def popular(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.tile(popularity, (len(rows), 1))

    return [
        {**row, **{name: value for name, value in found.items() if name in wanted}}
        for row, found in (
            (learned, evaluate(model, test, _CUTOFFS)),
            ({"name": "popularity", "dims": 0}, evaluate_ranking(popular, test, trained, _CUTOFFS)),
        )
    ]
