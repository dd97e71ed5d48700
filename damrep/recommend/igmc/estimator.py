"""`IGMC`: a rating from the ratings around it, through a readout that learns its width."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Sequence
from typing import Any, Self

from damrep.masking.notes import warn_of
from damrep.masking.report import FitReport
from damrep.recommend.igmc.fitting import fit_igmc
from damrep.recommend.igmc.scores import IGMCScores
from damrep.recommend.igmc.settings import IGMCSettings
from damrep.recommend.igmc.storage import load_igmc, save_igmc
from damrep.recommend.interactions import Interactions, read_interactions
from damrep.training import LearnedDimensions, resolve_seed, saturation_notes
from damrep.training.history import Callback
from damrep.training.scikit_learn import BaseEstimator, check_is_fitted

__all__ = ["IGMC"]

_READING = ("duplicates", "user", "item", "rating")


class IGMC(IGMCScores, LearnedDimensions, BaseEstimator):
    """Predict a rating from the ratings around it, by a graph network of learned width.

    A network looks at the subgraph of a pair: the users who rated the item, the items that the user
    rated, and all ratings between them. It knows nothing of who users and items are, so a fitted
    model also predicts for ratings that it was not fitted to (`predict` with `user_items`). The
    network is that of Zhang and Chen, "Inductive Matrix Completion Based on Graph Neural Networks",
    ICLR 2020, arXiv 1904.12058; a mask over the readout learns how many of its columns are needed,
    as in Bu, Daw, Maruf, Karpatne, NeurIPS 2021, arXiv 2110.00684. The closed ones are cut out.

    Parameters
    ----------
    price : float
        Share of the loss of biases alone that one column of the readout must take away, on ratings
        held out, to be kept. Too high a price leaves the biases.
    n_components : int or None
        Exactly that many columns; the price is then not looked at.
    max_components : int
        Columns to start from.
    strategy : {"auto", "mask", "search"}
        "mask", which is what "auto" stands for: every pair is told by as many columns as the mask
        draws for it, near the width that costs least on ratings held out, with a price that falls.
        "search": all widths are drawn alike, and the best is read off their curve.
    hidden : sequence of int
        Widths of the graph layers, two at least.
    num_bases : int
        A layer's matrices, one for each level of the ratings, are combinations of so many.
    aggregation : {"sum", "sqrt_mean", "mean", "level_mean"}
        What the sum over a node's neighbours is divided by: nothing, the root of their number,
        their number, or the number of those at the same level of rating, as the paper's formula
        has it.
    max_neighbours : int or None
        Other users, and other items, a subgraph has at most; more are sampled, the same ones each
        time. None keeps all. (Published: 200 for MovieLens; elsewhere there were fewer anyway.)
    edge_dropout : float
        Share of a subgraph's edges that is left out at each look at it while training.
    rating_smoothness : float
        Weight of the adjacent rating regularisation: matrices of neighbouring levels are to be
        alike. Beside the squared error of ratings of a range of 4, as from 1 to 5.
    batch_size : int
        Pairs a training step.
    max_epochs : int or None
        Passes over the ratings in all; the mask is trained in half of them at most, until the width
        is settled, on the ratings that are not held out, what is left of the network in the
        others, on all. None for as many as make 8,000 steps, but 4 at least and 80 at most.
    lr : float
        Learning rate (Adam) at its height; in each part it rises and falls along a cosine.
    ensemble : int
        Networks that predict together: the one network at so many epochs of the second part, the
        learning rate then being constant. Published: 4.
    validation_fraction : float
        Share of the ratings that the width is chosen on.
    paper_lambda : float or None
        The penalty of arXiv 2110.00684 as it stands there, this number times the mask's offset
        beside the squared error of the ratings, by gradient and with nothing added to it; in place
        of a price and a strategy.
    duplicates : {"error", "last", "mean", "sum"}
        What to make of a pair that is rated more than once.
    user, item, rating : str
        Columns of a data frame; those called so, or userId, movieId, stars and the like where none
        is.
    device : str
        "auto", "cpu" or "cuda".
    random_state : int, RandomState, Generator or None
        Seed of everything random.
    verbose : int
        0 silent; 1 a progress bar if stderr is a terminal; 2 in any case.

    Attributes
    ----------
    n_components_ : int
        Columns of the readout kept; 0 where biases alone are left.
    components_curve_ : ndarray, shape (k, 2)
        Columns against held-out normalised loss; 1 is that of biases alone, 0 columns are a
        constant.
    levels_ : ndarray, shape (levels,)
        Values of the ratings, or bins of them where there are more than 20.
    user_ids_, item_ids_ : ndarray
        Sorted, or 0, 1, ... where a matrix was given.
    report_ : FitReport
        The evidence, as a short table and as plain data.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> rng = np.random.default_rng(0)
    >>> ratings = sp.random(30, 20, 0.3, "csr", rng=rng)
    >>> ratings.data = rng.integers(1, 6, ratings.nnz).astype(float)
    >>> model = IGMC(n_components=2, max_epochs=2, random_state=0).fit(ratings)
    >>> model.predict([0, 1], [4, 7]).shape
    (2,)
    """

    implicit = False
    _former = {"strategy": {"gradient": "auto"}}

    def __init__(
        self,
        price: float = 1e-3,
        n_components: int | None = None,
        max_components: int = 128,
        strategy: str = "auto",
        hidden: Sequence[int] = (32, 32, 32, 32),
        num_bases: int = 4,
        aggregation: str = "sum",
        max_neighbours: int | None = 200,
        edge_dropout: float = 0.2,
        rating_smoothness: float = 1e-3,
        batch_size: int = 50,
        max_epochs: int | None = None,
        lr: float = 1e-3,
        ensemble: int = 1,
        validation_fraction: float = 0.1,
        paper_lambda: float | None = None,
        duplicates: str = "error",
        user: Hashable = "user",
        item: Hashable = "item",
        rating: Hashable = "rating",
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.price = price
        self.n_components = n_components
        self.max_components = max_components
        self.strategy = strategy
        self.hidden = hidden
        self.num_bases = num_bases
        self.aggregation = aggregation
        self.max_neighbours = max_neighbours
        self.edge_dropout = edge_dropout
        self.rating_smoothness = rating_smoothness
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.lr = lr
        self.ensemble = ensemble
        self.validation_fraction = validation_fraction
        self.paper_lambda = paper_lambda
        self.duplicates = duplicates
        self.user = user
        self.item = item
        self.rating = rating
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, user_items: Any, *, callback: Callback | None = None) -> Self:
        """Learn from ratings.

        Parameters
        ----------
        user_items
            A scipy sparse matrix (users x items), where what is stored is a rating; or a frame with
            a row a rating, of pandas or any other library that narwhals knows. Ids are integers,
            strings or UUIDs.
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
            If an argument is out of range, or the ratings cannot be used.
        """
        settings = self._settings(callback)
        seed = resolve_seed(settings.random_state)
        wall, cpu = time.perf_counter(), time.process_time()
        ratings = self._read(user_items)
        fit = fit_igmc(ratings.matrix, settings, seed)
        scores = (fit.mean, fit.scale, seed)
        self._adopt(fit.networks, fit.biases, fit.levels, ratings, scores, fit.curve)
        budget, paper = settings.n_components is not None, settings.paper_lambda is not None
        priced = not (budget or paper)
        self.report_ = FitReport(
            type(self).__name__,
            initial_dims=settings.max_components,
            learned_dims=self.n_components_,
            price=float(settings.price) if priced else None,
            strategy="budget" if budget else settings.resolved_strategy,
            objective="ratings",
            curve=[[int(m), float(loss)] for m, loss in fit.curve],
            gate=fit.gate,
            history=fit.history,
            loss=fit.loss,
            reference_loss=fit.reference_loss,
            seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            seed=seed,
            warnings=[
                *ratings.notes, *fit.warnings,
                *saturation_notes(
                    self.n_components_, settings.max_components, settings.max_components,
                    settings.price if priced else 0.0,
                ),
            ],
            details={
                "data": ratings.described(),
                "candidates": fit.candidates,
                **fit.details,
            },
        )  # fmt: skip
        warn_of(*self.report_.warnings)
        return self

    def _settings(self, callback: Callback | None = None) -> IGMCSettings:
        params = self.get_params(deep=False)
        given = {name: value for name, value in params.items() if name not in _READING}
        return IGMCSettings(**given, callback=callback)

    def _read(self, user_items: Any) -> Interactions:
        return read_interactions(user_items, **{name: getattr(self, name) for name in _READING})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: config.json, weights.safetensors.

        The ratings are part of it, for they are what predictions are made from.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If something that is not a damrep model stands there.
        """
        check_is_fitted(self, "n_components_")
        saved = self._saved()
        saved["params"]["hidden"] = [int(width) for width in self.hidden]
        mean, scale, seed = self._scores
        config = {**saved, "scores": {"mean": mean, "scale": scale, "seed": seed}}
        save_igmc(path, self._networks, self._biases, self.levels_, self._ratings, config)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing in the folder is executed.

        Raises
        ------
        InputError
            If the folder is not such a model, or damaged.
        """
        networks, biases, levels, ratings, config = load_igmc(path)
        model = cls._restored(config, path)
        scores = tuple(config["scores"][name] for name in ("mean", "scale", "seed"))
        model._adopt(networks, biases, levels, ratings, scores, model.report_.curve)
        return model
