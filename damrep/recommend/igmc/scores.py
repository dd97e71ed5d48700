"""What a fitted IGMC is asked for: ratings of pairs, and the best items."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.masking.validation import InputError, check_choice, check_count
from damrep.recommend.biases import Biases, fit_biases
from damrep.recommend.evaluate import score_of
from damrep.recommend.ids import chosen_ids, is_one_id, places, positions
from damrep.recommend.igmc.levels import nearest_level
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.subgraphs import RatingGraph
from damrep.recommend.interactions import Interactions
from damrep.recommend.recommending import best, named
from damrep.recommend.scoring import UNKNOWN_PAIRS
from damrep.training.scikit_learn import check_is_fitted

__all__ = ["IGMCScores"]


class IGMCScores:
    """To inherit; `_adopt` makes the model a fitted one."""

    max_neighbours: int | None
    aggregation: str

    def _read(self, user_items: Any) -> Interactions:
        raise NotImplementedError

    def _adopt(
        self,
        networks: list[IGMCNetwork],
        biases: Biases,
        levels: np.ndarray,
        ratings: Interactions,
        scores: tuple[float, float, int],
        curve: list[list[float]],
    ) -> None:
        self._networks, self._biases = networks, biases
        self._ratings, self._scores = ratings, scores
        self.levels_ = levels
        self.n_components_ = networks[0].width if networks else 0
        self.components_curve_ = np.array(curve, dtype=float).reshape(-1, 2)
        self.user_ids_, self.item_ids_ = ratings.user_ids.to_numpy(), ratings.item_ids.to_numpy()

    def predict(
        self, users: Any, items: Any, user_items: Any = None, *, unknown: str = "error"
    ) -> NDArray[np.float32]:
        """Ratings of pairs.

        A rating that a pair has already is not looked at. A pair with no ratings around it gets
        the mean.

        Parameters
        ----------
        users
            Ids (n,), or one id that goes with every item.
        items
            Ids (n,), or one id that goes with every user.
        user_items
            Other ratings to look at, as for `fit`; `users` and `items` are then ids of theirs.
            Those that the model was fitted to if not given.
        unknown : {"error", "bias"}
            Of ids that are not in the ratings: refuse them, or take the mean of the fit and the
            bias of the side that was in it.

        Returns
        -------
        ndarray, shape (n,), float32
            Within the range of the ratings the model was fitted to.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If an id is unknown, or there are not as many of the one as of the other.
        """
        check_is_fitted(self, "n_components_")
        check_choice("unknown", unknown, UNKNOWN_PAIRS)
        if not self._networks and user_items is not None:
            raise InputError(
                "a model of biases alone (n_components_ is 0) knows only the users and items "
                "that it was fitted to, so it cannot take user_items"
            )
        ratings = self._ratings if user_items is None else self._read(user_items)
        rows, columns = self._pairs(ratings, users, items, unknown)
        known = (rows >= 0) & (columns >= 0)
        told = np.empty(len(rows))
        told[known] = self._told(ratings.matrix, rows[known], columns[known])
        if not known.all():
            own = self._pairs(self._ratings, users, items, unknown)
            plain = fit_biases(self._ratings.matrix).predict(*own)
            told[~known] = plain[~known]
        return self._clipped(told)

    def recommend(
        self,
        users: Any,
        n: int = 10,
        filter_seen: bool = True,
        items: Any = None,
        exclude: Any = None,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """The items of greatest predicted rating for each user.

        The network looks at the ratings around every pair, a few milliseconds each: `items` narrows
        what is looked at, to the best of another model, say.

        Parameters
        ----------
        users
            Ids (k,) or one id; None for all users, in the order of `user_ids_`.
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
            integers, where a user has fewer items left.
        scores : ndarray, shape (k, n), float32
            -inf where a user has fewer items left. For one id both have the shape (n,) or less.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If an id is unknown, or n is below 1.
        """
        check_is_fitted(self, "n_components_")
        check_count("n", n, minimum=1)
        known, matrix = self._ratings, self._ratings.matrix
        one = users is not None and is_one_id(users)
        rows = (
            np.arange(known.n_users) if users is None
            else positions(known.user_ids, users, "users")
        )  # fmt: skip
        allowed = chosen_ids(known.item_ids, items, exclude, "items")
        popular = np.argsort(-np.bincount(matrix.indices, minlength=known.n_items), kind="stable")
        n = min(n, known.n_items) if one else n
        found = np.full((len(rows), n), -1, dtype=np.int64)
        scores = np.full((len(rows), n), -np.inf, dtype=np.float32)
        for place, row in enumerate(rows):
            mine = allowed.copy()
            if filter_seen:
                mine[matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]] = False
            columns = popular[mine[popular]]
            told = self._clipped(self._told(matrix, np.full(len(columns), row), columns))
            where, scores[place : place + 1] = best(told[None], n)
            there = where[0] >= 0
            found[place, there] = columns[where[0, there]]
        return named(self.item_ids_, found, scores, one)

    def score(self, user_items: Any, y: Any = None) -> float:
        """Minus the root mean squared error on a frame of ratings, for scikit-learn's searches.

        Parameters
        ----------
        user_items
            A frame as for `fit`; what is unknown goes by biases.
        y
            Not looked at.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            As for `fit`; if it is a matrix.
        """
        return score_of(self, user_items)

    @staticmethod
    def _pairs(
        ratings: Interactions, users: Any, items: Any, unknown: str
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places of pairs, -1 where unknown."""
        if unknown == "error":
            rows = positions(ratings.user_ids, users, "users")
            columns = positions(ratings.item_ids, items, "items")
        else:
            rows, _ = places(ratings.user_ids, users, "users")
            columns, _ = places(ratings.item_ids, items, "items")
        if len(rows) != len(columns) and 1 not in (len(rows), len(columns)):
            raise InputError(f"users and items must be as many, got {len(rows)} and {len(columns)}")
        rows, columns = (np.ascontiguousarray(a) for a in np.broadcast_arrays(rows, columns))
        return rows, columns

    def _clipped(self, told: np.ndarray) -> NDArray[np.float32]:
        low, high = float(self.levels_[0]), float(self.levels_[-1])
        return np.clip(told, low, high).astype(np.float32)

    def _told(self, ratings: sp.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        if not self._networks:
            return self._biases.predict(rows, columns)
        mean, scale, seed = self._scores
        level = nearest_level(ratings.data, self.levels_)
        levels = sp.csr_matrix((level, ratings.indices, ratings.indptr), shape=ratings.shape)
        graph = RatingGraph.from_levels(levels, len(self.levels_))
        pairs = Pairs(
            graph, rows, columns, self.max_neighbours, self.aggregation, seed, cache=0
        )  # fmt: skip
        out = np.full(len(rows), mean)
        for batch, part in pairs.batches(256):
            values = np.mean([network.predict(batch) for network in self._networks], axis=0)
            # Nothing around a pair: the network has never seen such a thing.
            out[part] += scale * np.where(batch.degrees() > 0, values, 0.0)
        return out
