"""Outside recommenders behind one signature: fit to a matrix, then predict pairs or score users.

scikit-surprise's SVD, lenskit's ALS and cornac's MF for ratings; implicit's ALS, lenskit's ALS and
EASE for interactions. Each has a grid of nine trials; one parameter of the grid is its width.
The libraries are imported on the first call only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.peers import require

__all__ = ["RANKING_PEERS", "RATING_PEERS", "Peer"]

Array = np.ndarray[Any, Any]
Predict = Callable[[Array, Array], Array]
Score = Callable[[Array], Array]


@dataclass(frozen=True)
class Peer:
    """A method and what is tried with it.

    Attributes
    ----------
    fit : callable
        Of a matrix, a seed and parameters; gives a function of users and items to ratings, or of
        users to the scores of all items.
    grid : mapping of str to tuple
        Values to try.
    width : str or None
        The parameter that is the number of dimensions.
    most_items : int or None
        More than these it cannot take.
    """

    fit: Callable[..., Any]
    grid: Mapping[str, tuple[Any, ...]]
    width: str | None
    most_items: int | None = None

    def at_width(self, width: int) -> Peer:
        """The same with so many dimensions in every trial; as it is where it has none.

        Examples
        --------
        >>> RANKING_PEERS["implicit ALS"].at_width(512).grid["factors"]
        (512,)
        """
        if self.width is None:
            return self
        return replace(self, grid={**self.grid, self.width: (width,)})


def _entries(matrix: sp.csr_matrix) -> tuple[Array, Array, Array]:
    found = matrix.tocoo()
    return found.row, found.col, found.data


def surprise_svd(matrix: sp.csr_matrix, seed: int, **parameters: Any) -> Predict:
    """Biased matrix factorisation by stochastic gradient descent, as scikit-surprise has it."""
    surprise = require("surprise", "scikit-surprise")
    rows, columns, values = _entries(matrix)
    data = surprise.Dataset(surprise.Reader(rating_scale=(values.min(), values.max())))
    raw = [(int(u), int(i), float(r), None) for u, i, r in zip(rows, columns, values, strict=True)]
    model = surprise.SVD(random_state=seed, **parameters).fit(data.construct_trainset(raw))
    return lambda users, items: np.array(
        [model.predict(int(u), int(i)).est for u, i in zip(users, items, strict=True)]
    )


def lenskit_dataset(matrix: sp.csr_matrix) -> Any:
    """A matrix as lenskit takes it, ids being places."""
    require("lenskit", "lenskit")
    import pandas as pd
    from lenskit.data import from_interactions_df

    rows, columns, values = _entries(matrix)
    return from_interactions_df(
        pd.DataFrame({"user_id": rows, "item_id": columns, "rating": values})
    )


def lenskit_explicit(matrix: sp.csr_matrix, seed: int, **parameters: Any) -> Predict:
    """Biased alternating least squares, as lenskit has it."""
    data = lenskit_dataset(matrix)
    from lenskit.als import BiasedMFScorer
    from lenskit.training import TrainingOptions

    model: Any = BiasedMFScorer(**parameters)
    model.train(data, TrainingOptions(rng=seed))
    low, high = matrix.data.min(), matrix.data.max()
    bias, users_at, items_at = model.bias, model.users, model.items

    def predict(users: Array, items: Array) -> Array:
        """Mean, biases and factors by hand: lenskit itself scores a user at a time."""
        u = users_at.numbers(users, missing="negative")
        i = items_at.numbers(items, missing="negative")
        known = (u >= 0) & (i >= 0)
        base = np.full(len(users), float(bias.global_bias))
        base += np.where(i >= 0, np.asarray(bias.item_biases)[i], 0)
        base += np.where(u >= 0, np.asarray(bias.user_biases)[u], 0)
        left, right = np.asarray(model.user_embeddings), np.asarray(model.item_embeddings)
        dots = np.einsum("nm,nm->n", left[u], right[i])
        return np.asarray(np.clip(base + np.where(known, dots, 0.0), low, high))

    return predict


def cornac_mf(matrix: sp.csr_matrix, seed: int, **parameters: Any) -> Predict:
    """Biased matrix factorisation by stochastic gradient descent, as cornac has it."""
    cornac = require("cornac", "cornac")
    rows, columns, values = _entries(matrix)
    known = cornac.data.Dataset.from_uir(
        [*zip(rows.tolist(), columns.tolist(), values.tolist(), strict=True)], seed=seed
    )
    model = cornac.models.MF(seed=seed, verbose=False, num_threads=1, **parameters).fit(known)
    at_user, at_item = known.uid_map, known.iid_map
    mean, low, high = float(known.global_mean), values.min(), values.max()

    def predict(users: Array, items: Array) -> Array:
        u = np.array([at_user.get(int(x), -1) for x in users])
        i = np.array([at_item.get(int(x), -1) for x in items])
        scores = (
            mean + np.where(u >= 0, model.u_biases[u], 0) + np.where(i >= 0, model.i_biases[i], 0)
        )
        dots = np.einsum("nm,nm->n", model.u_factors[u], model.i_factors[i])
        return np.asarray(np.clip(scores + np.where((u >= 0) & (i >= 0), dots, 0), low, high))

    return predict


def implicit_als(matrix: sp.csr_matrix, seed: int, **parameters: Any) -> Score:
    """Weighted alternating least squares, as implicit has it."""
    require("implicit", "implicit")
    from implicit.cpu.als import AlternatingLeastSquares

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(
            random_state=seed, num_threads=1, dtype=np.float32, **parameters
        )
        model.fit(matrix.astype(np.float32), show_progress=False)
    return lambda users: np.asarray(model.user_factors[users] @ model.item_factors.T)


def lenskit_implicit(matrix: sp.csr_matrix, seed: int, **parameters: Any) -> Score:
    """Weighted alternating least squares, as lenskit has it."""
    data = lenskit_dataset(matrix)
    from lenskit.als import ImplicitMFScorer
    from lenskit.training import TrainingOptions

    model: Any = ImplicitMFScorer(**parameters)
    model.train(data, TrainingOptions(rng=seed))
    u = model.users.numbers(np.arange(matrix.shape[0]), missing="negative")
    i = model.items.numbers(np.arange(matrix.shape[1]), missing="negative")
    left, right = np.asarray(model.user_embeddings), np.asarray(model.item_embeddings)
    left, right = np.where(u[:, None] >= 0, left[u], 0), np.where(i[:, None] >= 0, right[i], 0)
    return lambda users: np.asarray(left[users] @ right.T)


def ease(matrix: sp.csr_matrix, seed: int, reg: float) -> Score:
    """Items told from items by one regression (Steck, WWW 2019, arXiv 1905.03375)."""
    gram = (matrix.T @ matrix).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += reg
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return lambda users: np.asarray(matrix[users] @ weights)


RATING_PEERS: dict[str, Peer] = {
    "surprise SVD": Peer(
        surprise_svd, {"n_factors": (10, 50, 100), "reg_all": (0.02, 0.06, 0.1)}, "n_factors"
    ),
    "lenskit ALS": Peer(
        lenskit_explicit,
        {"embedding_size": (5, 15, 50), "regularization": (0.05, 0.1, 0.2)},
        "embedding_size",
    ),
    "cornac MF": Peer(
        cornac_mf,
        {"k": (10, 50, 100), "lambda_reg": (0.02, 0.06, 0.1), "max_iter": (40,)},
        "k",
    ),
}
"""Methods for ratings."""

RANKING_PEERS: dict[str, Peer] = {
    "implicit ALS": Peer(
        implicit_als,
        {"factors": (128,), "regularization": (0.01, 1.0, 10.0), "alpha": (1.0, 5.0, 25.0)},
        "factors",
    ),
    "lenskit ALS": Peer(
        lenskit_implicit,
        {"embedding_size": (128,), "regularization": (0.01, 0.1, 1.0), "weight": (1, 5, 25)},
        "embedding_size",
    ),
    "EASE": Peer(
        ease,
        {"reg": (10.0, 30.0, 100.0, 200.0, 400.0, 700.0, 1000.0, 2000.0, 4000.0)},
        None,
        most_items=10_000,
    ),
}
"""Methods for interactions."""
