"""A fitted model beside what it has to be held against: PCA as wide, and the table itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from damrep.autoencoder.neighbours import neighbour_table
from damrep.masking.notes import noted, warn_of
from damrep.masking.validation import InputError
from damrep.training import losing_note

if TYPE_CHECKING:
    from damrep.autoencoder.estimator import DAMAutoencoder

__all__ = ["evaluate_autoencoder"]

LEARNED, FULL, PCA_AS_WIDE = "learned", "full width", "pca"
_SAID = {"loss": "loss", "knn_accuracy": "kNN accuracy", "recall_at_10": "recall@10"}
NOT_MEASURED = "its quality was not measured: too few rows to hold some out"

HELD_OUT = 0.15
FEWEST_ROWS = 20  # with 3 of them held out
# Of all that is read for the comparison: 200 MB as float32.
_MOST_VALUES = 50_000_000
_NEIGHBOURS = 5
# Each row held out is compared with each of the others, over every column of the table.
_MOST_VOTERS, _MOST_VOTED = 20_000, 2_000


def evaluate_autoencoder(
    model: DAMAutoencoder, X: Any, y: Any = None, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Measure a model just fitted on a table, and what it is compared with.

    The model is fitted again, at the width it learned, without 15 % of the rows (at most
    50,000,000 values are looked at), and measured on these. "pca" is principal components of the
    same rows, as many; "full width" is the table itself.

    Writes to the model's report: the rows as `measures`, how they came about under
    `details["evaluation"]`, and a warning for every comparison it loses.

    Parameters
    ----------
    model
        Fitted on `X`.
    X : array, sparse matrix or memmap, shape (n, d)
    y : array-like, shape (n,), optional
        Classes; -1, None and NaN are unknown.
    seed
        Of the rows held out.

    Returns
    -------
    list of dict
        Rows "name", "dims", "loss" (share of the variance of rows held out that is not given back)
        and "knn_accuracy" (a row held out is given the class of most of its 5 nearest neighbours);
        None where not measured.

        For ``metric="cosine"`` rows are first brought to unit length, and instead of the loss there
        are "recall_at_10" and "bytes_per_million" of `damrep.autoencoder.neighbours`, also of
        fewer dimensions, of a random projection and of the first columns.

    Raises
    ------
    InputError
        If there is not one label a row.

    Examples
    --------
    >>> from damrep.autoencoder.estimator import DAMAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12))
    >>> model = DAMAutoencoder(hidden=(), random_state=0).fit(X)
    >>> rows = evaluate_autoencoder(model, X)
    >>> [(row["name"], row["dims"]) for row in rows]
    [('learned', 3), ('pca', 3), ('full width', 12)]
    """
    labels = None if y is None else _codes(y, X.shape[0])
    report = model.report_
    rows: list[dict[str, Any]] = []
    about: dict[str, Any] = {}
    if X.shape[0] >= FEWEST_ROWS:
        rows, about = _measure(model, X, labels, seed)
    report.measures = rows
    report.details["evaluation"] = about
    # What an earlier evaluation warned of goes with its measures.
    earlier = (*(f"{row['name']} (" for row in rows if row["name"] != LEARNED), NOT_MEASURED)
    notes = _losses(rows) if rows else [NOT_MEASURED]
    report.warnings = [w for w in report.warnings if not w.startswith(earlier)] + notes
    warn_of(*notes)
    return rows


def _codes(y: Any, length: int) -> np.ndarray:
    """Class numbers, -1 where unknown."""
    values = pd.Series(np.asarray(y).ravel())
    if len(values) != length:
        raise InputError(f"y: got {len(values)} labels for {length} rows")
    if pd.api.types.is_numeric_dtype(values.dtype):
        values = values.where(values != -1)
    return np.asarray(pd.factorize(values)[0])


def _measure(
    model: DAMAutoencoder, X: Any, labels: np.ndarray | None, seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    generator = np.random.default_rng(seed)
    most = max(FEWEST_ROWS, _MOST_VALUES // X.shape[1])
    order = generator.permutation(X.shape[0])[:most]
    cut = max(3, round(HELD_OUT * len(order)))
    # In the order of the table: a file is read much faster so.
    asked, known = np.sort(order[:cut]), np.sort(order[cut:])
    train, test = _dense(X, known), _dense(X, asked)
    cosine = model.metric == "cosine"
    if cosine:
        train, test = normalize(train), normalize(test)
    # At the width already learned: the question is what that width is worth.
    again = clone(model).set_params(random_state=model.report_.seed, verbose=0)
    again.set_params(n_components=min(model.n_components_, *train.shape))
    with noted():
        again.fit(train)
    pca = PCA(again.n_components_, random_state=0).fit(train)
    candidates: dict[str, tuple[int, Callable[..., Any], Callable[..., Any]]] = {
        LEARNED: (again.n_components_, again.transform, again.inverse_transform),
        PCA_AS_WIDE: (pca.n_components_, pca.transform, pca.inverse_transform),
        FULL: (X.shape[1], _same, _same),
    }
    voters, voted = (
        np.sort(generator.permutation(count)[:most])
        for count, most in ((len(train), _MOST_VOTERS), (len(test), _MOST_VOTED))
    )
    reference = float(np.square(test - train.mean(axis=0), dtype=np.float64).sum())
    rows = []
    for name, (width, encode, decode) in candidates.items():
        code = encode(test)
        # A map that keeps neighbours is not for giving back values, and drops what all rows share.
        left = None if cosine else float(np.square(test - decode(code), dtype=np.float64).sum())
        accuracy = None
        if labels is not None:
            accuracy = _knn(
                encode(train[voters]), labels[known[voters]],
                code[voted], labels[asked[voted]], model.metric,
            )  # fmt: skip
        loss = None if left is None or reference <= 0 else left / reference
        rows.append({"name": name, "dims": width, "loss": loss, "knn_accuracy": accuracy})
    about: dict[str, Any] = {"rows": len(order), "held_out": cut, "seed": seed}
    if cosine and len(voters) >= FEWEST_ROWS:
        asking = voted[: _MOST_VOTED // 2]
        rows = _with_neighbours(rows, again, train[voters], test[asking], seed)
        about["neighbours"] = {"among": len(voters), "asked": len(asking)}
    return rows, about


def _with_neighbours(
    rows: list[dict[str, Any]],
    model: DAMAutoencoder,
    database: np.ndarray,
    queries: np.ndarray,
    seed: int,
) -> list[dict[str, Any]]:
    """Add what `neighbour_table` tells: to the rows there are, or as rows of their own."""
    found = neighbour_table(database, model.transform, queries, database, seed=seed)
    width = model.n_components_
    empty = dict.fromkeys(("loss", "knn_accuracy", "recall_at_10", "bytes_per_million"))
    by_place = {(row["name"], row["dims"]): {**row, **empty, **row} for row in rows}
    for row in found:
        place = (row["name"], row["dims"])
        by_place[place] = {**by_place.get(place, {**row, **empty}), **row}
    # All methods at the learned width first, then the whole table; below it what fewer give.
    order = {LEARNED: 0, PCA_AS_WIDE: 1, FULL: 3}
    return sorted(
        by_place.values(),
        key=lambda row: (
            row["dims"] != width and row["name"] != FULL,
            -row["dims"] if row["name"] != FULL else -width,
            order.get(row["name"], 2),
        ),
    )


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _dense(X: Any, rows: np.ndarray) -> np.ndarray:
    taken = X[rows]
    return taken.toarray() if sp.issparse(taken) else np.ascontiguousarray(taken)


def _knn(
    known: np.ndarray, classes: np.ndarray, asked: np.ndarray, truth: np.ndarray, metric: str
) -> float | None:
    """Accuracy of the nearest neighbours' vote; None where there is nothing to vote on."""
    known, classes = known[classes >= 0], classes[classes >= 0]
    asked, truth = asked[truth >= 0], truth[truth >= 0]
    if len(truth) == 0 or len(np.unique(classes)) < 2:
        return None
    vote = KNeighborsClassifier(min(_NEIGHBOURS, len(classes)), metric=metric)
    return float(vote.fit(known, classes).score(asked, truth))


def _losses(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence for each measure on which something else beats the learned dimensions."""
    found = []
    # Both in as many dimensions, the table itself in all of its own.
    for ours in (row for row in rows if row["name"] == LEARNED):
        for row in rows:
            name = row["name"]
            first = ours is rows[0]
            if name == LEARNED or (row["dims"] != ours["dims"] and not (name == FULL and first)):
                continue
            for measure in ("loss", "knn_accuracy", "recall_at_10"):
                # The table itself gives everything back; what is done with it can be compared.
                if name == FULL and measure != "knn_accuracy":
                    continue
                note = losing_note(
                    ours, row, measure, "the learned dimensions'", called=_SAID[measure],
                    lower=measure == "loss", allowed=0.01 if name == FULL else 0.0,
                )  # fmt: skip
                found += [] if note is None else [note]
    return found
