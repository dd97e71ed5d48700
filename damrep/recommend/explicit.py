"""`DAMExplicitMF`: ratings, factorised into as many dimensions as earn their price."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.recommend.explicit_fit import fit_explicit, fold_in_explicit
from damrep.recommend.factorisation import FactorModel, Floats
from damrep.recommend.factors import FactorFit
from damrep.recommend.settings import (
    EXPLICIT_LOSSES,
    EXPLICIT_PRICE,
    MAX_COMPONENTS,
    FactorSettings,
)

__all__ = ["DAMExplicitMF"]


class DAMExplicitMF(FactorModel):
    """Predict ratings by biases and as many factors as earn their price.

    The rating of an item by a user is the mean, a bias of each, and the product of their factors.
    A mask over the factors learns how many there are; the closed ones are cut out.

    Parameters
    ----------
    price : float
        Share of the loss of the biases alone that one dimension must take away, on ratings held
        out, to be kept. Too high a price leaves the biases.
    n_components : int or None
        Exactly that many dimensions; the price is then not looked at.
    max_components : int
        Dimensions to start from.
    strategy : {"auto", "mask", "search"}
        How the width is found. "mask", which is "auto" too: every sweep, or with "adam" every user,
        is trained at a width that a mask draws, and the mask settles where ratings held out say.
        "search": read off the losses of several widths.
    solver : {"als", "adam"}
        "als": alternating ridge regressions. "adam": full-batch gradient descent.
    loss : {"squared"}
        Of the ratings.
    reg : float or None
        L2 penalty a rating: factors of users and items with more ratings are charged more. None:
        chosen on the ratings held out.
    max_sweeps : int or None
        Passes over users and items at one width, at most; epochs of "adam", and three in ten more
        on all ratings. The mask takes seven in ten of them for the width, 37 in all by default.
    lr : float or None
        Learning rate of "adam".
    validation_fraction : float
        Share of the ratings that the width is chosen on; the chosen model is fitted to all.
    paper_lambda : float or None
        For solver "adam": the weight on the mask's offset, in place of a price, with which mask and
        factors descend together, as in arXiv 2110.00684.
    duplicates : {"error", "last", "mean", "sum"}
        What to make of a pair that is rated more than once.
    user, item, rating : str
        Columns of a data frame; those called so, or userId, movieId, stars and the like where none
        is. A rating of None lets every row count as 1.
    device : str
        "auto", "cpu", "cuda" or "mps", for "adam"; "als" computes on the processor.
    random_state : int, RandomState, Generator or None
        Seed of everything random.
    verbose : int
        0 silent; 1 a progress bar if stderr is a terminal; 2 in any case.

    Attributes
    ----------
    n_components_ : int
        Learned dimensions: factors that carry something. 0 where the biases alone are best.
    user_ids_, item_ids_ : ndarray, shape (users,), (items,)
        In the order of the factors' rows: sorted, or 0, 1, ... where a matrix was given.
    user_factors_, item_factors_ : ndarray, shape (users, n_components_), (items, n_components_)
        Strongest dimension first.
    user_bias_, item_bias_ : ndarray, shape (users,), (items,)
    mean_ : float
        Of the ratings.
    user_items_ : csr_matrix, shape (users, items)
        The ratings.
    components_curve_ : ndarray, shape (k, 2)
        Dimensions against held-out normalised loss; at 0 the biases alone, which is 1.
    report_ : FitReport
        The evidence, as a short table, plain data, and for the HTML page.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> taste = np.outer(rng.choice([-1, 1], 60), rng.choice([-1, 1], 40))
    >>> seen = sp.random(60, 40, density=0.5, random_state=0).astype(bool)
    >>> ratings = sp.csr_matrix(seen.multiply(3 + 2 * taste))
    >>> model = DAMExplicitMF(random_state=0).fit(ratings)
    >>> model.n_components_
    1
    >>> ids, scores = model.recommend(0, n=3)
    >>> taste[0, ids].tolist()
    [1, 1, 1]
    """

    kind = "explicit-factors"
    losses = EXPLICIT_LOSSES
    implicit = False
    on_one_thread = 200_000

    def __init__(
        self,
        price: float = EXPLICIT_PRICE,
        n_components: int | None = None,
        max_components: int = MAX_COMPONENTS,
        strategy: str = "auto",
        solver: str = "als",
        loss: str = "squared",
        reg: float | None = None,
        max_sweeps: int | None = None,
        lr: float | None = None,
        validation_fraction: float = 0.1,
        paper_lambda: float | None = None,
        duplicates: str = "error",
        user: Hashable = "user",
        item: Hashable = "item",
        rating: Hashable | None = "rating",
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.price = price
        self.n_components = n_components
        self.max_components = max_components
        self.strategy = strategy
        self.solver = solver
        self.loss = loss
        self.reg = reg
        self.max_sweeps = max_sweeps
        self.lr = lr
        self.validation_fraction = validation_fraction
        self.paper_lambda = paper_lambda
        self.duplicates = duplicates
        self.user = user
        self.item = item
        self.rating = rating
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _trained(self, ratings: sp.csr_matrix, settings: FactorSettings, seed: int) -> FactorFit:
        return fit_explicit(ratings, settings, seed)

    def _folded_in(self, ratings: sp.csr_matrix, fit: FactorFit) -> tuple[Floats, Floats]:
        return fold_in_explicit(ratings, fit)

    def predict(
        self, users: Any, items: Any, clip: bool = True, *, unknown: str = "error"
    ) -> NDArray[np.float32]:
        """Predict ratings of pairs.

        Parameters
        ----------
        users
            Ids (n,), or one id that goes with every item; or `NewUsers`.
        items
            Ids (n,), or one id that goes with every user.
        clip : bool
            Between the lowest and the highest rating of the fit. The scores of `recommend` are
            not, as they would be equal at the top.
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
        scores = super().predict(users, items, unknown=unknown)
        if clip:
            given = self.user_items_.data
            np.clip(scores, given.min(), given.max(), out=scores)
        return scores
