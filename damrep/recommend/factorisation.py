"""What the two factor models share: fitting, asking, saving."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.lazy_imports import postponed
from damrep.masking.notes import warn_of
from damrep.masking.report import FitReport
from damrep.masking.validation import check_choice
from damrep.recommend.evaluate import score_of
from damrep.recommend.factors import FactorFit
from damrep.recommend.interactions import DUPLICATES, Interactions, read_interactions
from damrep.recommend.new_users import NewUsers
from damrep.recommend.scoring import FactorScores
from damrep.recommend.settings import SOLVERS, FactorSettings
from damrep.recommend.storage import load_factors, save_factors
from damrep.training import LearnedDimensions, limited_threads, resolve_seed
from damrep.training.history import Callback
from damrep.training.scikit_learn import BaseEstimator, check_is_fitted

with postponed("pandas"):
    pass

__all__ = ["FactorModel"]

Floats = NDArray[np.float32]

_READING = ("duplicates", "user", "item", "rating")


class FactorModel(FactorScores, LearnedDimensions, BaseEstimator):
    """Users and items as vectors whose product is a score; to inherit from."""

    kind: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]
    implicit: ClassVar[bool]
    # Entries up to which a second thread gains next to nothing; where other work keeps the cores
    # busy it costs fifty times the processor time, as threads wait for each other without end.
    on_one_thread: ClassVar[int]

    loss: str
    strategy: str
    duplicates: str

    @abstractmethod
    def _trained(
        self, ratings: sp.csr_matrix, settings: FactorSettings, seed: int
    ) -> FactorFit: ...

    @abstractmethod
    def _folded_in(self, ratings: sp.csr_matrix, fit: FactorFit) -> tuple[Floats, Floats]: ...

    def fit(self, user_items: Any, *, callback: Callback | None = None) -> Self:
        """Learn the factors of users and items.

        Parameters
        ----------
        user_items
            A scipy sparse matrix (users x items), where what is stored is a rating; or a frame with
            a row a rating, in the columns that `user`, `item` and `rating` name: of pandas, polars,
            pyarrow, DuckDB or any other library that narwhals knows. Ids are integers, strings or
            UUIDs.
        callback
            Called after every sweep or epoch with a row of the history: {"width": 8, "loss": 0.4,
            ...}. What it raises ends the fit, and leaves no model.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If it is neither, or an argument is of the wrong type.
        InputError
            If an argument is out of range, or the ratings cannot be used: not finite, a pair that
            comes twice, ids that are missing, nothing in them.
        """
        settings = self._settings(callback)
        if self.strategy in SOLVERS:
            warn_of(
                f"strategy={self.strategy!r} is now solver={self.strategy!r}; strategy says how "
                "the width is found"
            )
        seed = resolve_seed(settings.random_state)
        wall, cpu = time.perf_counter(), time.process_time()
        ratings = self._read(user_items)
        with limited_threads(1 if ratings.matrix.nnz <= self.on_one_thread else None):
            fit = self._trained(ratings.matrix, settings, seed)
        fit = fit.without_the_silent(ratings.matrix)
        self._adopt(fit, ratings)
        budget = settings.n_components is not None
        self.report_ = FitReport(
            type(self).__name__,
            initial_dims=fit.initial,
            learned_dims=self.n_components_,
            price=None if budget else float(settings.price),
            strategy="budget" if budget else settings.resolved_strategy,
            objective=settings.loss,
            curve=[[int(m), float(loss)] for m, loss in fit.curve],
            gate=[float(gate) for gate in fit.gates],
            history=fit.history,
            loss=float(fit.loss),
            reference_loss=float(fit.reference_loss),
            seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            seed=seed,
            warnings=[*ratings.notes, *fit.warnings],
            details={
                "data": ratings.described(),
                "dimensions": {"open gates": fit.open_gates, "used": self.n_components_},
                "candidates": fit.candidates,
                **fit.details,
            },
        )
        warn_of(*self.report_.warnings)
        return self

    def _settings(self, callback: Callback | None = None) -> FactorSettings:
        params = self.get_params(deep=False)
        check_choice("loss", self.loss, self.losses)
        check_choice("duplicates", self.duplicates, DUPLICATES)
        given = {name: value for name, value in params.items() if name not in _READING}
        if self.strategy in SOLVERS:  # what earlier versions called a strategy
            given |= {"strategy": "auto", "solver": self.strategy}
        return FactorSettings(**given, callback=callback)

    def _read(self, user_items: Any, **more: Any) -> Interactions:
        columns = {name: getattr(self, name) for name in _READING}
        return read_interactions(user_items, **columns, implicit=self.implicit, **more)

    def fold_in(self, user_items: Any, *, unknown: str = "error") -> NewUsers:
        """Express new users in the factors, the items' held fixed; the model stays as it is.

        Parameters
        ----------
        user_items
            A frame as for `fit`, with items the model knows; or a sparse matrix (new users x
            items) whose columns are in the order of `item_ids_`. One row for one user.
        unknown : {"error", "skip"}
            Of rows whose item the model does not know: refuse them, or leave them out and warn how
            many they are. A user stays; one of whom nothing is left is one like any other.

        Returns
        -------
        NewUsers
            For `recommend` and `predict`.

        Warns
        -----
        DamrepWarning
            If rows were left out, or a column was taken by its name.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            As for `fit`; if an item is unknown, or the matrix has another number of columns.
        """
        check_is_fitted(self, "n_components_")
        ratings = self._read(user_items, item_ids=self._ratings.item_ids, unknown=unknown)
        warn_of(*ratings.notes)
        if ratings.n_skipped:
            rows = "1 row" if ratings.n_skipped == 1 else f"{ratings.n_skipped:,} rows"
            warn_of(f"{rows} left out: {ratings.skipped}")
        factors, bias = self._folded_in(ratings.matrix, self._fit)
        told = np.diff(ratings.matrix.indptr) > 0
        # As for a user of the fit without ratings.
        factors, bias = factors * told[:, None], bias * told
        return NewUsers(ratings.user_ids, factors, bias, ratings.matrix, ratings.n_skipped)

    def score(self, user_items: Any, y: Any = None) -> float:
        """How good the model is on a test part, for scikit-learn's searches: greater is better.

        Parameters
        ----------
        user_items
            A frame as for `fit`.
        y
            Not looked at.

        Returns
        -------
        float
            Minus the root mean squared error of ratings, NDCG at 10 of implicit feedback; what is
            unknown is treated as `damrep.recommend.evaluate` does.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            As for `fit`; if it is a matrix, or there is nothing of which the model knows anything.
        """
        return score_of(self, user_items)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: config.json, weights.safetensors.

        What it was fitted to is part of it, so that it need not be given again.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If something that is not a damrep model stands there.
        """
        check_is_fitted(self, "n_components_")
        save_factors(path, self.kind, self._fit, self._ratings, self._saved())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing in the folder is executed.

        Raises
        ------
        InputError
            If the folder is not such a model, or damaged.
        """
        fit, ratings, config = load_factors(path, cls.kind)
        model = cls._restored(config, path)
        model._adopt(fit, ratings)
        return model
