"""Several subgraphs as one graph, in the form the network computes with.

Users of all subgraphs come first, then their items. A layer sums, for every node, what its
neighbours send; what is sent depends on the neighbour and the level of the rating between. So a
message is a row of a table (node, level), and a layer is a sum of rows named by a flat index list.
The way back through a layer is a sum of the same kind, by (node, level) instead of by node, and its
index list is made here as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.recommend.igmc.subgraphs import Subgraphs, spans

__all__ = ["AGGREGATIONS", "GraphBatch", "collate"]

AGGREGATIONS = ("sum", "sqrt_mean", "mean", "level_mean")


@dataclass(frozen=True)
class GraphBatch:
    """Subgraphs of B pairs as one graph of n nodes and R levels.

    A bag is a run of entries of an index list that are summed; `*_ptr` says where bags begin.

    Attributes
    ----------
    num_users : int
        The first of the n nodes, which are users.
    target_users, target_items : Tensor, shape (B,)
        The nodes asked about.
    label_counts : Tensor, shape (n, 2 R)
        Summed weights of the neighbours by (is it asked about or not, level).
    received, received_weight, received_ptr : Tensor
        A bag a node: rows (neighbour * R + level) it receives.
    sent, sent_weight, sent_ptr : Tensor
        A bag for every (node, level): the nodes that receive it.
    last, last_weight, last_ptr, last_bag : Tensor
        A bag for every (node asked about, level), users' first: its neighbours; and the bag of each
        entry.
    """

    num_users: int
    target_users: Tensor
    target_items: Tensor
    label_counts: Tensor
    received: Tensor
    received_weight: Tensor
    received_ptr: Tensor
    sent: Tensor
    sent_weight: Tensor
    sent_ptr: Tensor
    last: Tensor
    last_weight: Tensor
    last_ptr: Tensor
    last_bag: Tensor

    def __len__(self) -> int:
        return len(self.target_users)

    def degrees(self) -> np.ndarray:
        """Ratings around each pair that are of its user or its item, shape (B,)."""
        own = self.last_ptr[:: self.label_counts.shape[1] // 2].diff().cpu().numpy()
        ratings: np.ndarray = own[: len(self)] + own[len(self) :]
        return ratings

    def to(self, device: torch.device) -> GraphBatch:
        """The same on a device."""
        moved: dict[str, Any] = {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return GraphBatch(**moved)


def collate(
    subgraphs: Subgraphs,
    pairs: np.ndarray,
    num_levels: int,
    aggregation: str = "sum",
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> GraphBatch:
    """Put subgraphs together.

    Parameters
    ----------
    subgraphs
        Where they are taken from.
    pairs
        Which of them, shape (B,).
    num_levels
        Levels R a rating can have.
    aggregation
        What the sum over a node's neighbours is divided by: "sum", nothing; "sqrt_mean", the root
        of their number; "mean", their number; "level_mean", the number of those at the same level.
    dropout
        Share of the edges to leave out. The two directions of an edge are drawn one by one.
    rng
        For the dropout.

    Returns
    -------
    GraphBatch
    """
    s, levels = subgraphs, num_levels
    user_counts = s.user_ptr[pairs + 1] - s.user_ptr[pairs]
    item_counts = s.item_ptr[pairs + 1] - s.item_ptr[pairs]
    edge_counts = s.edge_ptr[pairs + 1] - s.edge_ptr[pairs]
    first_user = np.cumsum(user_counts) - user_counts
    num_users = int(user_counts.sum())
    first_item = np.cumsum(item_counts) - item_counts + num_users
    nodes = num_users + int(item_counts.sum())

    at, owner = spans(s.edge_ptr[pairs], edge_counts)
    number_user, number_item = s.edge_user[at], s.edge_item[at]
    user = (first_user[owner] + number_user).astype(np.int32)
    item = (first_item[owner] + number_item).astype(np.int32)
    level = s.edge_level[at].astype(np.int32)
    by_item = s.by_item[at] + (np.cumsum(edge_counts) - edge_counts)[owner]

    to_user = to_item = None  # edges whose message to the user, to the item, is kept
    if dropout:
        assert rng is not None
        kept = rng.random((2, len(at)), dtype=np.float32) >= dropout
        to_user, to_item = kept[0], kept[1]

    def chosen(order: np.ndarray | None, keep: np.ndarray | None) -> np.ndarray | slice:
        """Edges, in an order, that are kept."""
        if keep is None:
            return slice(None) if order is None else order
        return np.flatnonzero(keep) if order is None else order[keep[order]]

    users_get, items_get = chosen(None, to_user), chosen(by_item, to_item)
    items_gave, users_gave = chosen(by_item, to_user), chosen(None, to_item)

    receiver = np.concatenate([user[users_get], item[items_get]])
    got = np.concatenate([level[users_get], level[items_get]])
    sender = np.concatenate([item[users_get], user[items_get]])
    to_counts = np.bincount(receiver, minlength=nodes)
    by_level = aggregation == "level_mean"
    place = receiver * levels + got if by_level else receiver
    share = _shares(place, nodes * levels if by_level else nodes, aggregation, 1.0 - dropout)
    weight = share[place]

    gave = np.concatenate([user[users_gave], item[items_gave]])
    gave_level = np.concatenate([level[users_gave], level[items_gave]])
    gave_to = np.concatenate([item[users_gave], user[items_gave]])
    back_slot = gave * levels + gave_level
    back_place = gave_to * levels + gave_level if by_level else gave_to

    # Neighbours of a user are items and the other way about, so two labels are enough.
    asked = np.concatenate([number_item[users_get] == 0, number_user[items_get] == 0])
    columns = np.where(asked, 0, levels) + got
    label_counts = np.bincount(
        receiver.astype(np.int64) * (2 * levels) + columns,
        weights=weight,
        minlength=nodes * 2 * levels,
    ).reshape(nodes, 2 * levels)

    # Edges of the pair's own user and item, which the last layer computes and no others.
    own = np.concatenate([number_user[users_get] == 0, number_item[items_get] == 0])
    own_at = np.flatnonzero(own)
    half = np.concatenate([owner[users_get], owner[items_get] + len(pairs)])
    last_bag = half[own_at] * levels + got[own_at]

    return GraphBatch(
        num_users,
        torch.from_numpy(first_user),
        torch.from_numpy(first_item),
        torch.from_numpy(label_counts.astype(np.float32)),
        torch.from_numpy(sender * levels + got),
        torch.from_numpy(weight),
        _ptr(to_counts),
        torch.from_numpy(gave_to),
        torch.from_numpy(share[back_place]),
        _ptr(np.bincount(back_slot, minlength=nodes * levels)),
        torch.from_numpy(sender[own_at]),
        torch.from_numpy(weight[own_at]),
        _ptr(np.bincount(last_bag, minlength=2 * len(pairs) * levels)),
        torch.from_numpy(last_bag),
    )


def _shares(places: np.ndarray, size: int, aggregation: str, kept: float) -> np.ndarray:
    """Weight of a message by the place it is counted at, where so large a share is kept."""
    if aggregation == "sum":
        # As large, in the mean, as without dropout.
        return np.full(size, 1.0 / kept, dtype=np.float32)
    counts = np.bincount(places, minlength=size)
    divisor = np.maximum(counts, 1).astype(np.float32)
    return np.float32(1.0) / (np.sqrt(divisor * kept) if aggregation == "sqrt_mean" else divisor)


def _ptr(counts: np.ndarray) -> Tensor:
    return torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
