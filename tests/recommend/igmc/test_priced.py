"""The mask while it is trained: columns change gates, the function stays, what earns stays open."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.masking import priced_penalty
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.priced import AdjacentRatings, PaperReadout, PricedReadout
from damrep.recommend.igmc.subgraphs import RatingGraph

WIDTH = 12


@pytest.fixture
def setting() -> tuple[IGMCNetwork, Pairs, Tensor]:
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(rng.integers(1, 4, (30, 20)) * (rng.random((30, 20)) < 0.4))
    matrix.data = matrix.data - 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = IGMCNetwork(3, hidden=(8, 8), readout=WIDTH)
    entries = matrix.tocoo()
    target = torch.from_numpy(entries.data.astype(np.float32))
    graph = RatingGraph.from_levels(matrix, 3)
    return network, Pairs(graph, entries.row, entries.col), target


def told(network: IGMCNetwork, pairs: Pairs) -> Tensor:
    return pairs.values("forward", network)


def test_changing_gates_leaves_the_function(setting: tuple[IGMCNetwork, Pairs, Tensor]) -> None:
    network, pairs, target = setting
    before, place = told(network, pairs), network.place.clone()
    PricedReadout(network, 1e-3, 0.0, pairs, target, steps=100).align()
    assert sorted(network.place.tolist()) == list(range(WIDTH))
    assert network.place.tolist() != place.tolist()
    torch.testing.assert_close(told(network, pairs), before, rtol=1e-5, atol=1e-6)


def test_a_column_without_use_gets_a_gate_that_closes_first(
    setting: tuple[IGMCNetwork, Pairs, Tensor],
) -> None:
    network, pairs, target = setting
    with torch.no_grad():
        network.into.weight[WIDTH - 1] = 0.0  # which had the last gate
    PricedReadout(network, 1e-3, 0.0, pairs, target, steps=100).align()
    empty = pairs.values("columns", network).var(dim=0) == 0
    assert set(network.place[empty].tolist()) == set(range(int(empty.sum())))
    assert bool(empty[WIDTH - 1])


def test_columns_that_earn_their_price_stay_open(
    setting: tuple[IGMCNetwork, Pairs, Tensor],
) -> None:
    network, pairs, target = setting
    assert network.mask is not None
    open_after = []
    for price in (1e-9, 1e9):
        strategy = PricedReadout(network, price, 0.0, pairs, target, steps=100)
        strategy.align()
        with torch.no_grad():
            network.mask.beta.fill_(-5.0)
        strategy.after_step()
        open_after.append(network.mask.n_active)
        network.mask.set_width(WIDTH)
    assert open_after[0] > 1 and open_after[1] == 1


def test_beta_is_held_at_first(setting: tuple[IGMCNetwork, Pairs, Tensor]) -> None:
    network, pairs, target = setting
    assert network.mask is not None
    strategy = PricedReadout(network, 1e-3, 0.0, pairs, target, steps=30)
    for step in range(5):
        network.mask.beta.grad = torch.tensor(1.0)
        strategy.before_step()
        assert (network.mask.beta.grad is None) == (step < 3)
        strategy.after_step()


def test_what_is_added_to_the_loss(setting: tuple[IGMCNetwork, Pairs, Tensor]) -> None:
    network, pairs, target = setting
    with torch.no_grad():
        smooth = 0.5 * network.rating_difference()
        paper = PaperReadout(network, 0.01, 0.5).extra_loss()
        torch.testing.assert_close(paper, priced_penalty(network, 0.01) + smooth)
        torch.testing.assert_close(AdjacentRatings(network, 0.5).extra_loss(), smooth)
        squares = network.into.weight.square().sum() + network.out.weight.square().sum()
        priced = PricedReadout(network, 0.01, 0.5, pairs, target, steps=10).extra_loss()
        torch.testing.assert_close(priced, paper + 0.5 * 0.1 * 0.01 * squares)
