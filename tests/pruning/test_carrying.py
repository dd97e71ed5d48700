"""The optimiser goes on with the network that is left as it would have with the whole one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from damrep.pruning import ChannelPruner
from damrep.pruning.carrying import carry_over, entries_kept
from damrep.pruning.schedule import harden_gates
from damrep.pruning.storage import CUTS_ATTRIBUTE
from damrep.pruning.surgery import Cuts
from tests.pruning.architectures import random_network
from tests.pruning.test_exactness import FEW, random_gates


class _Net(nn.Module):
    """A residual block, a depthwise convolution, batch normalisation, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(8, 6, 3, padding=1)
        self.deep = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.back = nn.Conv2d(6, 8, 1)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.stem(x)))
        x = torch.relu(x + self.back(torch.relu(self.deep(self.inner(x)))))
        return self.fc(x.mean(dim=(2, 3)))


def _net() -> _Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _Net().double()


def _steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    for _ in range(count):
        x = torch.randn(8, 2, 6, 6, generator=drawn, dtype=torch.float64)
        y = torch.randint(0, 3, (8,), generator=drawn)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


OPTIMISERS: list[Callable[[Any], torch.optim.Optimizer]] = [
    lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
    lambda weights: torch.optim.Adam(weights, 0.01),
    lambda weights: torch.optim.AdamW(weights, 0.01, weight_decay=0.1, amsgrad=True),
]


@pytest.mark.parametrize("make", OPTIMISERS)
def test_steps_of_the_compact_network_are_those_of_the_gated_one(
    make: Callable[[Any], torch.optim.Optimizer],
) -> None:
    net = _net()
    optimizer = make([*net.parameters()])
    pruner = ChannelPruner(net, torch.zeros(1, 2, 6, 6, dtype=torch.float64))
    _steps(net, optimizer, 5, seed=1)
    pruner.widths = {name: mask.num_features // 2 for name, mask in pruner.gates.items()}
    pruner.hold()
    harden_gates(pruner)
    small = pruner.compact(latency=False).train()

    gated, with_gates = copy.deepcopy(net), copy.deepcopy(optimizer.state_dict())
    names = [name for name, _ in net.named_parameters()]
    same = dict(gated.named_parameters())
    betas = {id(mask.beta) for mask in pruner.gates.values()}
    kept = [n for n, p in zip(names, net.parameters(), strict=True) if id(p) not in betas]
    places = {id(p): n for n, p in net.named_parameters()}
    order = [places[id(p)] for group in optimizer.param_groups for p in group["params"]]
    assert sorted(order) == sorted(kept)
    other = make([same[name] for name in order])
    other.load_state_dict(with_gates)
    _steps(gated, other, 10, seed=2)

    carry_over(optimizer, pruner.detach(), small)
    _steps(small, optimizer, 10, seed=2)
    x = torch.randn(4, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(small.eval()(x), gated.eval()(x), atol=1e-9)
    assert sum(p.numel() for p in small.parameters()) < 0.7 * sum(
        p.numel() for p in _net().parameters()
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", FEW)
def test_the_weights_of_a_random_network_are_found_where_they_were(seed: int) -> None:
    net, x, _ = random_network(seed)
    pruner = ChannelPruner(net, x)
    random_gates(pruner, torch.Generator().manual_seed(seed))
    pruner.hold()
    harden_gates(pruner)
    small = pruner.compact(latency=False)
    whole = dict(pruner.detach().named_parameters())
    found = entries_kept(pruner.model, Cuts.from_dict(getattr(small, CUTS_ATTRIBUTE)))
    assert found.keys() == dict(small.named_parameters()).keys()
    for name, parameter in small.named_parameters():
        assert torch.equal(whole[name].flatten()[found[name]], parameter), name


def test_where_the_entries_were() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    cuts = Cuts({"0": {"out": [0, 2], "in": [1]}, "1": {"norm": [0, 2]}})
    found = entries_kept(model, cuts)
    assert found["0.weight"].flatten().tolist() == [1, 5]
    assert found["0.bias"].tolist() == found["1.weight"].tolist() == [0, 2]
    assert tuple(model[0].weight.shape) == (3, 2, 1, 1)


def test_what_is_not_of_the_model_stays() -> None:
    net, own = _net(), nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD(
        [{"params": [own], "lr": 0.5}, {"params": [*net.parameters()]}], 0.1
    )
    pruner = ChannelPruner(net, torch.zeros(1, 2, 6, 6, dtype=torch.float64))
    pruner.widths = {name: 2 for name in pruner.gates}
    small = pruner.compact(latency=False)
    carry_over(optimizer, pruner.detach(), small)
    first, second = optimizer.param_groups
    assert first["params"][0] is own and first["lr"] == 0.5
    assert {id(p) for p in second["params"]} == {id(p) for p in small.parameters()}
