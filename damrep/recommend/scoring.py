"""What a fitted factor model is asked for: scores of pairs, the best items, who is alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.masking.validation import InputError
from damrep.recommend.factors import FactorFit
from damrep.recommend.ids import positions
from damrep.recommend.interactions import Interactions
from damrep.recommend.new_users import NewUsers
from damrep.recommend.recommending import nearest, pair_scores, renumbered, top_items
from damrep.training.scikit_learn import check_is_fitted

__all__ = ["FactorScores"]

Floats = NDArray[np.float32]
Found = tuple[NDArray[Any], Floats]

_FOLD_IN = "fold_in takes the ratings of new users"


class FactorScores:
    """To inherit; `_adopt` makes the model a fitted one.

    Attributes
    ----------
    n_components_ : int
        Learned dimensions.
    user_ids_, item_ids_ : ndarray, shape (users,), (items,)
        In the order of the factors' rows: sorted, or 0, 1, ... where a matrix was given.
    user_factors_, item_factors_ : ndarray, shape (users, n_components_), (items, n_components_)
        Strongest dimension first.
    user_bias_, item_bias_ : ndarray, shape (users,), (items,)
    mean_ : float
    user_items_ : csr_matrix, shape (users, items)
        What the model was fitted to.
    components_curve_ : ndarray, shape (k, 2)
        Dimensions against held-out normalised loss.
    """

    def _adopt(self, fit: FactorFit, ratings: Interactions) -> None:
        self._fit, self._ratings = fit, ratings
        self.n_components_ = fit.n_components
        self.components_curve_ = np.array(fit.curve, dtype=float).reshape(-1, 2)
        self.user_factors_, self.item_factors_ = fit.user_factors, fit.item_factors
        self.user_bias_, self.item_bias_, self.mean_ = fit.user_bias, fit.item_bias, fit.mean
        self.user_ids_ = ratings.user_ids.to_numpy()
        self.item_ids_ = ratings.item_ids.to_numpy()
        self.user_items_ = ratings.matrix
        counts = np.bincount(ratings.matrix.indices, minlength=ratings.n_items)
        # Of items of equal score the one with more ratings comes first: for a user about whom
        # nothing is known, the most popular.
        self._popular = np.argsort(-counts, kind="stable")
        # Copied once, not for every user who is asked about.
        self._in_that_order = fit.item_factors[self._popular], fit.item_bias[self._popular]

    def predict(self, users: Any, items: Any) -> Floats:
        """Scores of pairs.

        Parameters
        ----------
        users
            Ids (n,), or one id that goes with every item; or `NewUsers`.
        items
            Ids (n,), or one id that goes with every user.

        Returns
        -------
        ndarray, shape (n,), float32

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If an id is unknown, or there are not as many of the one as of the other.
        """
        factors, bias, _ = self._users(users)
        rows = np.arange(len(factors))
        columns = positions(self._ratings.item_ids, items, "items")
        if len(rows) != len(columns) and 1 not in (len(rows), len(columns)):
            raise InputError(
                f"users and items must be as many, got {len(rows)} and {len(columns)}; predict "
                "scores pairs, recommend ranks all items"
            )
        rows, columns = (np.ascontiguousarray(a) for a in np.broadcast_arrays(rows, columns))
        scores = pair_scores(factors, self.item_factors_, rows, columns)
        return scores + bias[rows] + self.item_bias_[columns]

    def recommend(
        self, users: Any, n: int = 10, filter_seen: bool = True, items: Any = None
    ) -> Found:
        """The items of greatest score for each user.

        Scores are computed for as many users at a time as 32 MiB hold.

        Parameters
        ----------
        users
            Ids (k,) or one id; `NewUsers`; None for all users, in the order of `user_ids_`.
        n : int
            Items a user.
        filter_seen : bool
            Leave out what the user has rated.
        items
            Ids to choose from; all if not given.

        Returns
        -------
        ids : ndarray, shape (k, n)
            The best first, of equals the one with more ratings. -1, or None where ids are
            strings, where a user has fewer items left.
        scores : ndarray, shape (k, n), float32
            -inf where a user has fewer items left. For one id both have the shape (n,) or less.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If an id is unknown, or n is below 1.

        See Also
        --------
        fold_in : for users who were not there.
        """
        factors, bias, seen = self._users(users, with_seen=filter_seen)
        if items is None:
            seen = None if seen is None else renumbered(seen, self._popular)
            places, scores = top_items(
                factors, self._in_that_order[0], bias, self._in_that_order[1], n, seen=seen
            )
            places = np.where(places < 0, -1, self._popular[places])
        else:
            chosen = np.zeros(len(self.item_ids_), dtype=bool)
            chosen[positions(self._ratings.item_ids, items, "items")] = True
            candidates = self._popular[chosen[self._popular]]
            places, scores = top_items(
                factors, self.item_factors_, bias, self.item_bias_, n,
                seen=seen, candidates=candidates,
            )  # fmt: skip
        return self._named(self.item_ids_, places, scores, self._is_one(users))

    def similar_items(self, items: Any, n: int = 10) -> Found:
        """The items whose factors point the most in the same direction.

        Parameters
        ----------
        items
            Ids (k,) or one id.
        n : int

        Returns
        -------
        ids : ndarray, shape (k, n)
            The item itself is not among them.
        cosines : ndarray, shape (k, n), float32
            For one id both have the shape (n,) or less; see `recommend`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If an id is unknown, or the model has no dimensions.
        """
        check_is_fitted(self, "n_components_")
        rows = positions(self._ratings.item_ids, items, "items")
        return self._similar(self.item_factors_, rows, n, self.item_ids_, self._is_one(items))

    def similar_users(self, users: Any, n: int = 10) -> Found:
        """The users whose factors point the most in the same direction; see `similar_items`."""
        check_is_fitted(self, "n_components_")
        rows = positions(self._ratings.user_ids, users, "users", _FOLD_IN)
        return self._similar(self.user_factors_, rows, n, self.user_ids_, self._is_one(users))

    def _similar(
        self, factors: Floats, rows: NDArray[np.intp], n: int, ids: NDArray[Any], one: bool
    ) -> Found:
        if self.n_components_ == 0:
            raise InputError(
                "the model has no dimensions, so nothing is more similar than the rest"
            )
        places, cosines = nearest(factors, rows, n)
        return self._named(ids, places, cosines, one)

    def _users(
        self, users: Any, *, with_seen: bool = False
    ) -> tuple[Floats, Floats, sp.csr_matrix | None]:
        """Factors, biases with the mean, and what was seen."""
        check_is_fitted(self, "n_components_")
        mean = np.float32(self.mean_)
        if isinstance(users, NewUsers):
            if users.factors.shape[1] != self.n_components_ or users.seen.shape[1] != len(
                self.item_ids_
            ):
                raise InputError("users were folded into another model")
            return users.factors, users.bias + mean, users.seen if with_seen else None
        if users is None:
            rows: Any = slice(None)
        else:
            rows = positions(self._ratings.user_ids, users, "users", _FOLD_IN)
        seen = self.user_items_[rows] if with_seen else None
        return self.user_factors_[rows], self.user_bias_[rows] + mean, seen

    @staticmethod
    def _is_one(ids: Any) -> bool:
        return ids is not None and not isinstance(ids, NewUsers) and np.ndim(ids) == 0

    @staticmethod
    def _named(ids: NDArray[Any], places: NDArray[np.int64], scores: Floats, one: bool) -> Found:
        """Ids in the place of places; of one row only what is there."""
        found = ids[places]
        found[places < 0] = None if ids.dtype == object else -1
        if one:
            there = places[0] >= 0
            return found[0, there], scores[0, there]
        return found, scores
