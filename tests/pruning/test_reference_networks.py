"""The networks of the benchmark: what is gated in them, and that it goes exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.pruning_networks import VGG, DenseNet, MobileNetV2, PreResNet
from damrep.pruning import ChannelPruner, PruningSchedule
from damrep.training.seeding import local_seed
from tests.pruning.samples import settled
from tests.pruning.test_exactness import random_gates

X = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
NETWORKS = {
    "PreResNet-20": lambda: PreResNet(20),
    "PreResNet-56": lambda: PreResNet(56),
    "VGG": lambda: VGG(((16, 16), (32, 32), (64,))),
    "MobileNetV2": MobileNetV2,
    "DenseNet": DenseNet,
    "PreResNet-164": lambda: PreResNet(164),
}


def network(name: str) -> nn.Module:
    with local_seed(0):
        return settled(NETWORKS[name]()).double()


@pytest.mark.parametrize(
    ("name", "gates", "closable"),
    [
        pytest.param("PreResNet-20", 12, 9),
        ("VGG", 5, 0),
        pytest.param("DenseNet", 21, 18, marks=pytest.mark.slow),
        pytest.param("MobileNetV2", 17, 7, marks=pytest.mark.slow),
        pytest.param("PreResNet-56", 30, 27, marks=pytest.mark.slow),
        pytest.param("PreResNet-164", 112, 108, marks=pytest.mark.slow),
    ],
)
def test_a_reference_network_is_cut_exactly(name: str, gates: int, closable: int) -> None:
    model = network(name)
    pruner = ChannelPruner(model, X)
    assert pruner.left_whole == {"fc": "an output of the model"}
    assert len(pruner.gates) == gates
    assert sum(group.closable for group in pruner.groups.values()) == closable
    random_gates(pruner, torch.Generator().manual_seed(1))
    compact = pruner.compact()
    with torch.no_grad():
        assert float((compact(X) - model(X)).abs().max()) <= 1e-8
    plan = pruner.report_.plan
    assert plan.flops_kept == float(pruner.cost.flops(pruner.widths)) < plan.flops
    text = str(pruner.report_)
    assert "FLOPs" in text and "left whole:\n  fc: an output of the model" in text


def test_a_pre_activation_stream_has_one_gate() -> None:
    pruner = ChannelPruner(network("PreResNet-20"), X, verify=False)
    stream = pruner.groups["blocks.6.shortcut"]
    assert stream.producers == ("blocks.6.shortcut", *(f"blocks.{i}.conv2" for i in (6, 7, 8)))
    assert stream.readers == ("blocks.7.conv1", "blocks.8.conv1", "fc")
    assert stream.norms == ("blocks.7.bn1", "blocks.8.bn1", "bn")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize(
    "name",
    [
        "VGG",
        "PreResNet-20",
        pytest.param("DenseNet", marks=pytest.mark.slow),
        pytest.param("MobileNetV2", marks=pytest.mark.slow),
    ],
)
def test_a_share_of_the_flops_is_reached_within_two_percent(name: str, share: float) -> None:
    with local_seed(0):
        model = NETWORKS[name]().train()
    x, y, steps = X.float(), torch.tensor([0, 1]), 10
    pruner = ChannelPruner(model, x[:1], target={"flops": share}, verify=False)
    schedule = PruningSchedule(pruner, steps, closed=0.8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()
    pruner.compact(latency=False)
    plan = pruner.report_.plan  # type: ignore[union-attr]
    assert plan.flops_kept / plan.flops == pytest.approx(share, rel=0.02)
