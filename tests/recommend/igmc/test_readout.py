"""The readout behind its mask: what each number of columns loses, and which can be spared."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.masking import DAM, step_alpha
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.readout import Readout
from damrep.recommend.igmc.settings import IGMCSettings
from damrep.recommend.igmc.subgraphs import RatingGraph

WIDTH = 6


@pytest.fixture
def readout() -> Readout:
    """Of 40 pairs whose targets are mostly told by column 2, and the rest by column 4."""
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(rng.integers(1, 4, (20, 15)) * (rng.random((20, 15)) < 0.4))
    matrix.data = matrix.data - 1
    pairs = Pairs(RatingGraph.from_levels(matrix, 3), np.arange(40) % 20, np.arange(40) % 15)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = IGMCNetwork(3, (4, 4), 2, WIDTH, DAM(WIDTH, alpha=step_alpha(WIDTH)))
    with torch.no_grad():
        network.into.bias.fill_(1.0)  # none is dead
        network.out.weight.copy_(torch.tensor([[0.01, 0.01, 3.0, 0.01, -1.0, 0.01]]))
    parts = pairs.values("parts", network)
    targets = parts[:, [2, 4]].sum(dim=1) + network.out.bias.detach()
    return Readout(network, pairs, targets, IGMCSettings(price=1e-3))


def told(readout: Readout, width: int) -> Tensor:
    readout.mask.set_width(width)
    return readout._pairs.values("forward", readout.network)


def test_losses_at_every_width_are_those_of_the_network(readout: Readout) -> None:
    readout.network.order.copy_(torch.tensor([3, 0, 5, 1, 4, 2]))
    errors = readout.errors()
    assert errors.shape == (40, WIDTH + 1)
    np.testing.assert_allclose(errors[:, 0], readout._targets.square(), rtol=1e-5)
    for width in range(1, WIDTH + 1):
        expected = (told(readout, width) - readout._targets).square()
        np.testing.assert_allclose(errors[:, width], expected, rtol=1e-4, atol=1e-5)
    some = np.array([7, 2])
    np.testing.assert_allclose(readout.errors(some), errors[some], rtol=1e-4, atol=1e-5)


def test_what_can_be_spared_comes_first_and_the_function_stays(readout: Readout) -> None:
    before = told(readout, WIDTH)
    readout._renew(1)
    assert readout.network.order[-2:].tolist() == [4, 2]
    torch.testing.assert_close(told(readout, WIDTH), before, rtol=1e-5, atol=1e-5)
    losses = readout.errors().mean(axis=0)
    assert losses[2] < 0.01 < losses[1] < losses[0]


def test_widths_as_good_and_none(readout: Readout) -> None:
    """A loss that hardly differs is as good; where nothing earns its price there is no range."""
    readout.judged = np.array([[1.0, 0.5, 0.101, 0.1, 0.1, 0.1, 0.1]] * 4)
    readout.mask.set_width(2)
    assert readout.range() == (2, 3)
    readout.judged = np.array([[1.0, 0.9999, 0.999, 0.998, 0.998, 0.998, 0.998]] * 4)
    assert readout.range() is None
    # The mean alone may do better than biases, which are what is left without columns.
    readout.judged = np.array([[0.5, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]] * 4)
    readout.mask.set_width(1)
    assert readout.range() == (1, 1)


@pytest.mark.parametrize("changes", [{"strategy": "search"}, {"n_components": WIDTH}, {}])
def test_the_first_draws(readout: Readout, changes: dict[str, object]) -> None:
    """A search, or the order of a budget, draws all widths alike; the mask what promises most."""
    again = Readout(
        readout.network,
        readout._pairs,
        readout._targets,
        IGMCSettings(**{"price": 1e-3, **changes}),  # type: ignore[arg-type]
    )
    strategy = again.strategy(100, 0)
    strategy.start_epoch(0)
    row = strategy.end_epoch()
    assert row["price_factor"] == (1 if changes else 100)
    if changes:
        assert (row["narrowest_drawn"], row["widest_drawn"]) == (1, WIDTH)
    for _ in range(70):
        strategy.after_step()
    assert strategy.settled and len(again.judged) == 40
    if "n_components" in changes:
        assert again.mask.n_active == WIDTH
