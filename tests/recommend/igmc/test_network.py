"""The network: a batch is its pairs, convolutions are PyG's, cutting changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.nn import RGCNConv

from damrep.masking import DAM
from damrep.recommend.igmc.batches import AGGREGATIONS, GraphBatch, collate
from damrep.recommend.igmc.network import IGMCNetwork, RelationalWeights
from damrep.recommend.igmc.subgraphs import RatingGraph, Subgraphs, extract

LEVELS = 4
PAIRS = 12


@pytest.fixture(scope="module")
def subgraphs() -> Subgraphs:
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(rng.integers(1, 5, (30, 20)) * (rng.random((30, 20)) < 0.3))
    matrix.data = matrix.data - 1
    graph = RatingGraph.from_levels(matrix, LEVELS)
    return extract(graph, rng.integers(0, 30, PAIRS), rng.integers(0, 20, PAIRS))


def network(**changes: object) -> IGMCNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return IGMCNetwork(LEVELS, mask=DAM(128), **changes)  # type: ignore[arg-type]


def by_pyg(net: IGMCNetwork, s: Subgraphs, pair: int, aggregation: str) -> Tensor:
    """What the layers give at a pair, computed with torch_geometric's convolution."""
    users = int(s.user_ptr[pair + 1] - s.user_ptr[pair])
    items = int(s.item_ptr[pair + 1] - s.item_ptr[pair])
    part = slice(s.edge_ptr[pair], s.edge_ptr[pair + 1])
    user = torch.from_numpy(s.edge_user[part].astype(np.int64))
    item = torch.from_numpy(s.edge_item[part].astype(np.int64)) + users
    level = torch.from_numpy(s.edge_level[part].astype(np.int64))
    edges = torch.stack([torch.cat([user, item]), torch.cat([item, user])])
    types = torch.cat([level, level])
    labels = torch.tensor([0, *[2] * (users - 1), 1, *[3] * (items - 1)])
    degree = torch.bincount(edges[1], minlength=users + items).clamp(min=1).float()[:, None]
    divisor = {"mean": degree, "sqrt_mean": degree.sqrt()}.get(aggregation, torch.tensor(1.0))
    x, seen = torch.nn.functional.one_hot(labels, 4).float(), []
    for layer in net.layers:
        inputs, outputs = layer.root.shape
        pyg = RGCNConv(
            inputs, outputs, LEVELS, num_bases=net.num_bases, root_weight=False, bias=False,
            aggr="mean" if aggregation == "level_mean" else "sum",
        )  # fmt: skip
        pyg.weight, pyg.comp = layer.weight, layer.comp
        x = torch.tanh(pyg(x, edges, types) / divisor + x @ layer.root + layer.bias)
        seen.append(x)
    values = torch.cat(seen, dim=1)
    return torch.cat([values[0], values[users]])


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_layers_are_those_of_pyg(subgraphs: Subgraphs, aggregation: str) -> None:
    net = network()
    batch = collate(subgraphs, np.arange(PAIRS), LEVELS, aggregation)
    ours = net.represent(batch)
    theirs = torch.stack([by_pyg(net, subgraphs, pair, aggregation) for pair in range(PAIRS)])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    # And so are the gradients, which take a way of their own.
    weights = torch.linspace(-1, 1, ours.numel()).view_as(ours)
    parameters = list(net.layers.parameters())
    gradients = torch.autograd.grad((ours * weights).sum(), parameters)
    wanted = torch.autograd.grad((theirs * weights).sum(), parameters)
    for got, want in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_two_layers_are_enough(subgraphs: Subgraphs) -> None:
    net = network(hidden=(8, 5))
    batch = collate(subgraphs, np.arange(PAIRS), LEVELS, "sum")
    theirs = torch.stack([by_pyg(net, subgraphs, pair, "sum") for pair in range(PAIRS)])
    torch.testing.assert_close(net.represent(batch), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_batch_is_its_pairs(subgraphs: Subgraphs, aggregation: str) -> None:
    net = network()
    together = net(collate(subgraphs, np.arange(PAIRS), LEVELS, aggregation))
    alone = [net(collate(subgraphs, np.array([k]), LEVELS, aggregation)) for k in range(PAIRS)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-6)
    some = np.array([7, 2, 2])
    picked = net(collate(subgraphs, some, LEVELS, aggregation))
    torch.testing.assert_close(picked, together[some], rtol=1e-5, atol=1e-6)


def received(batch: GraphBatch) -> set[tuple[int, int]]:
    """(node, row of messages) of every message that arrives."""
    nodes = torch.repeat_interleave(torch.arange(len(batch.received_ptr) - 1),
                                    batch.received_ptr.diff().long())  # fmt: skip
    return set(zip(nodes.tolist(), batch.received.tolist(), strict=True))


def test_dropout_leaves_out_messages_one_by_one(subgraphs: Subgraphs) -> None:
    everything = received(collate(subgraphs, np.arange(PAIRS), LEVELS))
    rng = np.random.default_rng(0)
    looks = [
        received(collate(subgraphs, np.arange(PAIRS), LEVELS, dropout=0.3, rng=rng))
        for _ in range(30)
    ]
    assert all(look < everything for look in looks)
    share = np.mean([len(look) for look in looks]) / len(everything)
    assert abs(share - 0.7) < 0.03
    # What is sent one way may come back or not.
    level = [row % LEVELS for _, row in looks[0]]
    backward = {(row // LEVELS, node * LEVELS + r)
                for (node, row), r in zip(looks[0], level, strict=True)}  # fmt: skip
    assert 0 < len(backward & looks[0]) < len(looks[0])


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_gradients_under_dropout(subgraphs: Subgraphs, aggregation: str) -> None:
    """The way back drops what the way there dropped."""
    net = network(hidden=(3, 3, 3, 3)).double()
    rng = np.random.default_rng(1)
    batch = collate(subgraphs, np.arange(4), LEVELS, aggregation, 0.3, rng)
    moved = {name: value.double() if isinstance(value, Tensor) and value.is_floating_point()
             else value for name, value in vars(batch).items()}  # fmt: skip
    batch = GraphBatch(**moved)
    parameter = net.layers[1].root

    def loss(root: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(net, {"layers.1.root": root}, (batch,))
        return out.square().sum()

    (slope,) = torch.autograd.grad(loss(parameter), parameter)
    numeric = torch.zeros_like(slope)
    for at in np.ndindex(*slope.shape):
        nudge = torch.zeros_like(slope)
        nudge[at] = 1e-5
        with torch.no_grad():
            numeric[at] = (loss(parameter + nudge) - loss(parameter - nudge)) / 2e-5
    torch.testing.assert_close(slope, numeric, rtol=1e-4, atol=1e-7)


def test_adjacent_rating_regularisation_by_hand() -> None:
    weights = RelationalWeights(1, 2, num_levels=3, num_bases=2)
    with torch.no_grad():
        weights.weight.copy_(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]))
        weights.comp.copy_(torch.tensor([[1.0, 0.0], [3.0, 1.0], [3.0, 2.0]]))
    # W_0 = (1, 0), W_1 = (3, 2), W_2 = (3, 4)
    torch.testing.assert_close(
        weights.by_level(), torch.tensor([[[1.0, 0.0]], [[3.0, 2.0]], [[3.0, 4.0]]])
    )
    assert float(weights.difference().detach()) == pytest.approx(4 + 4 + 0 + 4)


def test_the_regularisation_is_summed_over_layers() -> None:
    net = network()
    wanted = sum(float(layer.difference().detach()) for layer in net.layers)
    assert float(net.rating_difference().detach()) == pytest.approx(wanted)


@pytest.mark.parametrize("width", [1, 5, 128])
def test_the_network_cut_down_is_the_masked_one(subgraphs: Subgraphs, width: int) -> None:
    net = network()
    assert net.mask is not None
    net.mask.set_width(width)
    net.order.copy_(torch.randperm(128, generator=torch.Generator().manual_seed(1)))
    batch = collate(subgraphs, np.arange(PAIRS), LEVELS)
    small = net.compact()
    assert small.mask is None and small.width == width
    torch.testing.assert_close(small(batch), net(batch), rtol=1e-5, atol=1e-6)
    assert sum(p.numel() for p in small.parameters()) <= sum(p.numel() for p in net.parameters())


def test_degrees(subgraphs: Subgraphs) -> None:
    batch = collate(subgraphs, np.arange(PAIRS), LEVELS)
    wanted = np.diff(subgraphs.user_ptr) - 1 + np.diff(subgraphs.item_ptr) - 1
    np.testing.assert_array_equal(batch.degrees(), wanted)
