"""What a fitted factor model is asked for: scores of pairs, the best items, who is alike."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.masking.validation import InputError, check_choice, check_count
from damrep.recommend.factors import FactorFit
from damrep.recommend.ids import chosen_ids, is_one_id, places, positions
from damrep.recommend.interactions import Interactions
from damrep.recommend.new_users import NewUsers
from damrep.recommend.recommending import named, nearest, pair_scores, renumbered, top_items
from damrep.training.scikit_learn import check_is_fitted

__all__ = ["UNKNOWN_PAIRS", "FactorScores"]

Floats = NDArray[np.float32]
Found = tuple[NDArray[Any], Floats]

UNKNOWN_PAIRS = ("error", "bias")
_FOLD_IN = "fold_in takes the ratings of new users"
_BIAS = 'unknown="bias" goes by what is known'


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

    implicit: ClassVar[bool]

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
        self._had, self._having = counts > 0, np.diff(ratings.matrix.indptr) > 0
        # Of items of equal score the one with more ratings comes first: for a user about whom
        # nothing is known, the most popular.
        self._popular = np.argsort(-counts, kind="stable")
        # Copied once, not for every user who is asked about.
        self._in_that_order = fit.item_factors[self._popular], fit.item_bias[self._popular]

    def predict(self, users: Any, items: Any, *, unknown: str = "error") -> Floats:
        """Scores of pairs.

        Parameters
        ----------
        users
            Ids (n,), or one id that goes with every item; or `NewUsers`.
        items
            Ids (n,), or one id that goes with every user.
        unknown : {"error", "bias"}
            Of ids the model does not know: refuse them, or take the mean and the bias of the side
            that is known, so that a whole test part can be scored.

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
        check_is_fitted(self, "n_components_")
        check_choice("unknown", unknown, UNKNOWN_PAIRS)
        if users is None or isinstance(users, NewUsers) or unknown == "error":
            factors, bias, _ = self._users(users, hint=f"{_FOLD_IN}; {_BIAS}")
        else:
            rows, _ = places(self._ratings.user_ids, users, "users")
            factors, bias, _ = self._of_rows(rows)
            factors, bias = _where_known(rows, factors, bias, np.float32(self.mean_))
        if unknown == "error":
            columns = positions(self._ratings.item_ids, items, "items", _BIAS)
        else:
            columns, _ = places(self._ratings.item_ids, items, "items")
        rows = np.arange(len(factors))
        if len(rows) != len(columns) and 1 not in (len(rows), len(columns)):
            raise InputError(
                f"users and items must be as many, got {len(rows)} and {len(columns)}; predict "
                "scores pairs, recommend ranks all items"
            )
        rows, columns = (np.ascontiguousarray(a) for a in np.broadcast_arrays(rows, columns))
        scores = pair_scores(factors, self.item_factors_, rows, columns)
        told = scores + self.item_bias_[columns]
        return bias[rows] + np.where(columns < 0, np.float32(0), told)

    def recommend(
        self,
        users: Any,
        n: int = 10,
        filter_seen: bool = True,
        items: Any = None,
        exclude: Any = None,
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
            Ids to choose from; all if not given, none if empty.
        exclude
            Ids that nobody is to be shown.

        Returns
        -------
        ids : ndarray, shape (k, n)
            The best first, of equals the one with more ratings. -1, or None where ids are no
            integers, where a user has fewer items left. Of implicit feedback, what nobody had
            comes last.
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
        one = self._is_one(users)
        if one and check_count("n", n, minimum=1) > len(self.item_ids_):
            n = len(self.item_ids_)
        last = None if self._had.all() or not self.implicit else ~self._had
        if items is None and exclude is None:
            seen = None if seen is None else renumbered(seen, self._popular)
            found, scores = top_items(
                factors, self._in_that_order[0], bias, self._in_that_order[1], n, seen=seen,
                last=None if last is None else last[self._popular],
            )  # fmt: skip
            found = np.where(found < 0, -1, self._popular[found])
        else:
            chosen = chosen_ids(self._ratings.item_ids, items, exclude, "items")
            found, scores = top_items(
                factors, self.item_factors_, bias, self.item_bias_, n, seen=seen,
                candidates=self._popular[chosen[self._popular]], last=last,
            )  # fmt: skip
        return named(self.item_ids_, found, scores, one)

    def similar_items(
        self, items: Any, n: int = 10, candidates: Any = None, exclude: Any = None
    ) -> Found:
        """The items whose factors point the most in the same direction.

        Parameters
        ----------
        items
            Ids (k,) or one id.
        n : int
        candidates
            Ids to choose from; all if not given.
        exclude
            Ids that are not to be among them.

        Returns
        -------
        ids : ndarray, shape (k, n)
            The item itself is not among them, nor is one that nobody had; nothing is similar to
            such an item.
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
        known = self._ratings.item_ids
        rows = positions(known, items, "items")
        among = self._had & chosen_ids(known, candidates, exclude, "candidates")
        factors = self.item_factors_ * self._had[:, None]
        return self._similar(factors, rows, n, self.item_ids_, among, self._is_one(items))

    def similar_users(
        self, users: Any, n: int = 10, candidates: Any = None, exclude: Any = None
    ) -> Found:
        """The users whose factors point the most in the same direction; see `similar_items`."""
        check_is_fitted(self, "n_components_")
        known = self._ratings.user_ids
        rows = positions(known, users, "users", _FOLD_IN)
        among = self._having & chosen_ids(known, candidates, exclude, "candidates")
        factors = self.user_factors_ * self._having[:, None]
        return self._similar(factors, rows, n, self.user_ids_, among, self._is_one(users))

    def _similar(
        self,
        factors: Floats,
        rows: NDArray[np.intp],
        n: int,
        ids: NDArray[Any],
        among: NDArray[np.bool_],
        one: bool,
    ) -> Found:
        if self.n_components_ == 0:
            raise InputError(
                "the model has no dimensions, so nothing is more similar than the rest"
            )
        if one and check_count("n", n, minimum=1) > len(ids):
            n = len(ids)
        found, cosines = nearest(factors, rows, n, candidates=among)
        return named(ids, found, cosines, one)

    def _users(
        self, users: Any, *, with_seen: bool = False, hint: str = _FOLD_IN
    ) -> tuple[Floats, Floats, sp.csr_matrix | None]:
        """Factors, biases with the mean, and what was seen."""
        check_is_fitted(self, "n_components_")
        if isinstance(users, NewUsers):
            if users.factors.shape[1] != self.n_components_ or users.seen.shape[1] != len(
                self.item_ids_
            ):
                raise InputError("users were folded into another model")
            bias = users.bias + np.float32(self.mean_)
            return users.factors, bias, users.seen if with_seen else None
        if users is None:
            return self._of_rows(slice(None), with_seen)
        return self._of_rows(positions(self._ratings.user_ids, users, "users", hint), with_seen)

    def _of_rows(
        self, rows: Any, with_seen: bool = False
    ) -> tuple[Floats, Floats, sp.csr_matrix | None]:
        seen = self.user_items_[rows] if with_seen else None
        return self.user_factors_[rows], self.user_bias_[rows] + np.float32(self.mean_), seen

    @staticmethod
    def _is_one(ids: Any) -> bool:
        return ids is not None and not isinstance(ids, NewUsers) and is_one_id(ids)


def _where_known(
    rows: NDArray[np.intp], factors: Floats, bias: Floats, mean: np.float32
) -> tuple[Floats, Floats]:
    """Nothing but the mean for rows that are -1."""
    known = rows >= 0
    return factors * known[:, None], np.where(known, bias, mean)
