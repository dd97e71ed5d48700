"""What a model of implicit feedback is worth on interactions it was not fitted to."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from damrep.masking.moments import second_moment
from damrep.recommend.contributions import Contributions
from damrep.recommend.entries import stored_pairs
from damrep.recommend.interaction_model import InteractionModel
from damrep.recommend.ranking import list_metrics
from damrep.recommend.recommending import best, hide, pair_scores, row_blocks
from damrep.training.seeding import numpy_generator

__all__ = ["HeldInteractions"]

# Fitted pairs to take, and users to rank for: a percent of NDCG has to be told from none.
_SEEN, _USERS, _CUTOFF = 200_000, 20_000, 20
_LIGHTER = 0.1


class HeldInteractions:
    """Held-out interactions, and pairs without any.

    The loss is that of fitting with the held-out interactions for the fitted ones: their squared
    distance from 1, and the squares of all pairs that were not fitted, as many times lighter as
    the held-out ones are fewer, and ten times lighter again: at their full weight the loss stops
    asking for columns before the ranking does, and what a column of noise costs shows at any
    weight. Items have the shares in these squares that the model gives them. Per held-out
    interaction.

    Parameters
    ----------
    fitted, held
        Weights of interactions, users by items. Where nothing is held out the fitted stand in.
    seed
        Seed of the draw of users to rank for and of fitted pairs, where there are many.
    """

    def __init__(self, fitted: sp.csr_matrix, held: sp.csr_matrix, seed: int) -> None:
        self._replaced = not held.nnz
        held = fitted if self._replaced else held
        rng = numpy_generator(seed)
        self._held = stored_pairs(held)
        self._shape, self._popularity = fitted.shape, np.asarray(fitted.sum(0)).ravel()
        self._share = _LIGHTER * held.nnz / fitted.nnz
        chosen = rng.choice(fitted.nnz, _SEEN, replace=False) if fitted.nnz > _SEEN else None
        seen = stored_pairs(fitted)
        self._seen = seen if chosen is None else (seen[0][chosen], seen[1][chosen])
        self._every = fitted.nnz / len(self._seen[0])
        asked = np.flatnonzero(np.diff(held.indptr))
        asked = rng.choice(asked, _USERS, replace=False) if len(asked) > _USERS else asked
        self._asked = np.sort(asked)
        self._relevant = sp.csr_matrix(held[self._asked])
        self._fitted = None if self._replaced else sp.csr_matrix(fitted[self._asked])

    def contributions(self, model: InteractionModel) -> Contributions:
        """Of each column of a model to the loss."""
        users, items = model.users, model.items
        held = Contributions.of_pairs(users, items, *self._held, torch.ones(len(self._held[0])))
        items = items * model.shares.sqrt()[:, None]
        seen = Contributions.of_pairs(users, items, *self._seen, torch.zeros(len(self._seen[0])))
        everywhere = second_moment(users) * second_moment(items)
        count = len(self._held[0])
        if not self._replaced:
            everywhere = everywhere - seen.quadratic * len(self._seen[0]) * self._every
        light = model.penalties.unobserved * self._share / count
        return Contributions(held.quadratic + light * everywhere, held.linear, held.square)

    def reference(self, model: InteractionModel, contributions: Contributions) -> float:
        """Loss of popularity.

        Scaled as it fits the fitted interactions best, or as the model has it in its strongest
        column, where the penalty shrinks it more than that: a model is not to lose to popularity
        for being shrunk, which changes no ranking.
        """
        popular, count = self._popularity / max(1.0, self._popularity.max()), len(self._held[0])
        at_held, at_seen = (popular[pairs[1].numpy()] for pairs in (self._held, self._seen))
        shares, light = model.shares.double().numpy(), model.penalties.unobserved
        everywhere = self._shape[0] * float(popular**2 @ shares)
        taken, square = self._every * float(at_seen.sum()), self._every * float(at_seen @ at_seen)
        scale = taken / max(square + light * everywhere, 1e-12)
        seen = self._every * float(at_seen**2 @ shares[self._seen[1].numpy()])
        if not self._replaced:
            everywhere = max(0.0, everywhere - seen)
        missed = float(np.square(1 - scale * at_held).sum())
        loss = (missed + light * self._share * scale**2 * everywhere) / count
        return max(loss, float(contributions.prefixes()[1]), 1e-12)

    def mean_score(self, model: InteractionModel) -> float:
        """Of the held-out interactions: 1 would be a perfect one, 0 none."""
        users, items = (rows.numpy() for rows in self._held)
        return float(pair_scores(model.users.numpy(), model.items.numpy(), users, items).mean())

    def ndcg(
        self, users: Tensor, items: Tensor, offset: Tensor | None = None
    ) -> NDArray[np.float64]:
        """NDCG at 20 of the held-out interactions, one number a user that is ranked for.

        Parameters
        ----------
        users, items
            Factors, (users, m) and (items, m).
        offset
            Added to the scores of the items, (items,).
        """
        found = []
        for block in row_blocks(len(self._asked), self._shape[1]):
            of_users = users[self._asked[block]] @ items.T
            scores = (of_users if offset is None else of_users.add_(offset)).numpy()
            if self._fitted is not None:
                hide(scores, sp.csr_matrix(self._fitted[block]), slice(0, len(scores)))
            ranked, _ = best(scores, min(_CUTOFF, self._shape[1]))
            relevant = sp.csr_matrix(self._relevant[block])
            (values,) = (
                value
                for name, value in list_metrics(ranked, relevant, (ranked.shape[1],)).items()
                if name.startswith("ndcg")
            )
            found.append(values)
        return np.concatenate(found)
