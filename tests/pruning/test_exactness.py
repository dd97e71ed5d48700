"""The compact network computes what the gated one did: 200 random architectures, random gates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from damrep.pruning import ChannelPruner
from damrep.pruning.flow import tensors_in
from tests.pruning.architectures import random_network

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Enough to meet every kind of stage; the whole 200 are marked slow.
FEW = range(0, 200, 18)


def random_gates(pruner: ChannelPruner, generator: torch.Generator) -> None:
    """Any units in any order, each with its own gate value; inner groups sometimes all closed."""
    sizes = {name: group.n_units for name, group in pruner.groups.items()}
    pruner.order_units({name: torch.rand(n, generator=generator) for name, n in sizes.items()})
    for name, mask in pruner.gates.items():
        width = int(torch.randint(mask.min_active, sizes[name] + 1, (), generator=generator))
        if mask.min_active == 0 and float(torch.rand((), generator=generator)) < 0.25:
            width = 0
        mask.set_width(width)


def outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return list(tensors_in(model(x)))


def check_network(seed: int) -> None:
    model, x, kinds = random_network(seed)
    generator = torch.Generator().manual_seed(seed)
    pruner = ChannelPruner(model, x)
    tried = [
        reason for reason in pruner.left_whole.values() if "without" in reason or "by" in reason
    ]
    assert not tried, f"{kinds}: found to be wrong only by trying: {tried}"
    for _ in range(2):
        random_gates(pruner, generator)
        single = outputs(model, x)
        compact = pruner.compact(latency=False)
        for got, wanted in zip(outputs(compact, x), single, strict=True):
            assert float((got - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max()), kinds
        plan = pruner.report_.plan
        assert plan.flops_kept == round(float(pruner.cost.flops(pruner.widths))), kinds
        if not plan.closed:
            assert plan.parameters_kept == round(float(pruner.cost.params(pruner.widths))), kinds
        model.double()
        double = outputs(model, x.double())
        for got, wanted in zip(
            outputs(pruner.compact(latency=False), x.double()), double, strict=True
        ):
            assert float((got - wanted).abs().max()) <= 1e-8, kinds
        model.float()


@pytest.mark.parametrize("seed", FEW)
def test_a_random_network_is_cut_exactly(seed: int) -> None:
    check_network(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [seed for seed in range(200) if seed not in FEW])
def test_every_random_network_is_cut_exactly(seed: int) -> None:
    check_network(seed)


def test_the_random_networks_hold_every_kind_of_stage() -> None:
    from tests.pruning.architectures import STAGES

    drawn = [random_network(seed) for seed in range(200)]
    assert {kind for _, _, kinds in drawn for kind in kinds} == set(STAGES)
    assert {x.dim() for _, x, _ in drawn} == {3, 4, 5}


def test_gates_of_float64_zero_and_one_are_exact_too() -> None:
    """Saturated gates, as training leaves them at the end."""
    model, x, _ = random_network(3)
    model.double()
    pruner = ChannelPruner(model, x.double())
    for mask in pruner.gates.values():
        mask.mu.copy_(torch.where(torch.rand(mask.num_features) < 0.5, -100.0, 100.0))
        mask.mu[-1] = 100.0
    wanted = outputs(model, x.double())
    for got, want in zip(outputs(pruner.compact(), x.double()), wanted, strict=True):
        assert float((got - want).abs().max()) <= 1e-10
