"""`DAMImplicitMF`: who had to do with what, in as many dimensions as earn their price."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import scipy.sparse as sp

from damrep.recommend.factorisation import FactorModel, Floats
from damrep.recommend.factors import FactorFit
from damrep.recommend.implicit_fit import fit_implicit, fold_in_implicit
from damrep.recommend.settings import (
    IMPLICIT_LOSSES,
    IMPLICIT_PRICE,
    MAX_COMPONENTS,
    FactorSettings,
)

__all__ = ["DAMImplicitMF"]


class DAMImplicitMF(FactorModel):
    """Rank items by as many factors as earn their price, from what users bought, read, played.

    The score of an item for a user is the product of their factors; what a user had nothing to do
    with counts as a weak no. A mask over the factors learns how many there are; the closed ones
    are cut out.

    Parameters
    ----------
    price : float
        Share of the loss of popularity alone that one dimension must take away, on what is held
        out, to be kept. Too high a price leaves popularity.
    n_components : int or None
        Exactly that many dimensions; the price is then not looked at.
    max_components : int
        Dimensions there may be. "ials" tries more than 128 until they rank worse.
    strategy : {"auto", "mask", "search"}
        How the width is found. With solver "adam" and for "bpr" by a mask, which draws a width for
        each interaction and settles where those held out say; "search" draws all widths alike. By
        "als" it is read off the losses of models of several widths, "search" too.
    solver : {"als", "adam"}
        "als": alternating ridge regressions. "adam": gradient descent, and what "bpr" takes in any
        case.
    loss : {"ials", "bpr", "softmax"}
        "ials": weighted squares over all pairs (Hu, Koren and Volinsky, ICDM 2008; Rendle et al.,
        RecSys 2022). "softmax": sampled softmax over cosines, which mostly ranks better and takes
        some ten times the seconds (Wu et al., TOIS 2024). "bpr": pairwise ranking (Rendle et al.,
        UAI 2009). With solver "adam", softmax is over products.
    reg : float or None
        L2 penalty an interaction: factors of users and items with more of them are charged more.
        None: chosen on what is held out.
    unobserved_weight : float or None
        For "ials": what a pair without interaction weighs, in the mean over items, beside 1 for
        one with. None: chosen on what is held out.
    unobserved_exponent : float or None
        For "ials": that weight goes with this power of the number of users an item has, between 0,
        all alike, and 1 (He et al., SIGIR 2016). None: chosen on what is held out.
    temperature : float or None
        For "softmax": what the cosines are divided by, 0.02 or more; the smaller, the more the
        nearest items outdo all others. None: chosen on what is held out.
    max_sweeps : int or None
        Passes over users and items at one width, at most; epochs of the other losses, and by
        gradient three in ten more on everything.
    lr : float or None
        Learning rate where there is one.
    validation_fraction : float
        Share of the interactions that the width is chosen on; the chosen model is fitted to all.
    paper_lambda : float or None
        For solver "adam": the weight on the mask's offset, in place of a price, with which mask and
        factors descend together, as in arXiv 2110.00684.
    duplicates : {"error", "last", "mean", "sum"}
        What to make of a pair that comes more than once.
    user, item, rating : str
        Columns of a data frame; users and items those called so, or userId, movieId and the like
        where none is. The rating holds weights, 0 or more; None, or a frame without that column,
        lets every row weigh 1.
    device : str
        "auto", "cpu", "cuda" or "mps", where gradients are used; "als" computes on the processor.
    random_state : int, RandomState, Generator or None
        Seed of everything random.
    verbose : int
        0 silent; 1 a progress bar if stderr is a terminal; 2 in any case.

    Attributes
    ----------
    n_components_ : int
        Learned dimensions: factors that carry something. 0 where popularity alone is best.
    user_ids_, item_ids_ : ndarray, shape (users,), (items,)
        In the order of the factors' rows: sorted, or 0, 1, ... where a matrix was given.
    user_factors_, item_factors_ : ndarray, shape (users, n_components_), (items, n_components_)
        Strongest dimension first.
    user_bias_, item_bias_ : ndarray, shape (users,), (items,)
        Zeros, but for the items' where there is no dimension: popularity.
    mean_ : float
        0.
    user_items_ : csr_matrix, shape (users, items)
        The weights.
    components_curve_ : ndarray, shape (k, 2)
        Dimensions against held-out normalised loss; at 0 popularity alone, which is 1.
    report_ : FitReport
        The evidence, as a short table, plain data, and for the HTML page.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.arange(60)[:, None] % 2 == np.arange(40) % 2
    >>> bought = sp.csr_matrix(groups & (np.random.default_rng(0).random((60, 40)) < 0.6))
    >>> model = DAMImplicitMF(random_state=0).fit(bought)
    >>> ids, scores = model.recommend([0, 1], n=3)
    >>> (ids % 2).tolist()
    [[0, 0, 0], [1, 1, 1]]
    """

    kind = "implicit-factors"
    losses = IMPLICIT_LOSSES
    implicit = True
    on_one_thread = 20_000

    def __init__(
        self,
        price: float = IMPLICIT_PRICE,
        n_components: int | None = None,
        max_components: int = MAX_COMPONENTS,
        strategy: str = "auto",
        solver: str = "als",
        loss: str = "ials",
        reg: float | None = None,
        unobserved_weight: float | None = None,
        unobserved_exponent: float | None = None,
        temperature: float | None = None,
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
        self.unobserved_weight = unobserved_weight
        self.unobserved_exponent = unobserved_exponent
        self.temperature = temperature
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
        return fit_implicit(ratings, settings, seed)

    def _folded_in(self, ratings: sp.csr_matrix, fit: FactorFit) -> tuple[Floats, Floats]:
        return fold_in_implicit(ratings, fit)
