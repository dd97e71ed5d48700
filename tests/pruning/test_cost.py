"""The closed form against counting by hand and by torch's counter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from damrep.pruning import ChannelPruner
from damrep.pruning.analysis import count_flops
from damrep.pruning.latency import measure_latency, repeated
from tests.pruning.samples import Chain, Stream, settled

X = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def pruner() -> ChannelPruner:
    return ChannelPruner(settled(Chain()), X, target={"flops": 0.5})


def test_flops_and_parameters_by_hand(pruner: ChannelPruner) -> None:
    # 8 x 8 places; conv1 1 -> a, conv2 a -> b, fc 16 b -> 3.
    a, b = 4, 5
    widths = {"conv1": a, "conv2": b}
    assert float(pruner.cost.flops(widths)) == 2 * (64 * 9 * a + 64 * 9 * a * b + 16 * b * 3)
    wanted = (9 * a + 2 * a) + (9 * a * b + b + 2 * b) + (16 * b * 3 + 3)
    assert float(pruner.cost.params(widths)) == wanted
    assert pruner.cost.layer_flops(widths).tolist() == [2 * 64 * 36, 2 * 64 * 180, 2 * 240]
    assert float(pruner.cost.outputs(widths)) == 64 * a + 64 * b + 3
    assert pruner.flops_before == float(pruner.cost.flops({}))


@given(a=st.integers(1, 6), b=st.integers(1, 8))
@settings(max_examples=20)
def test_the_closed_form_is_what_the_compact_model_costs(a: int, b: int) -> None:
    pruner = ChannelPruner(settled(Chain()), X, verify=False)
    pruner.widths = {"conv1": a, "conv2": b}
    compact = pruner.compact()
    assert count_flops(compact, (X,)) == float(pruner.cost.flops(pruner.widths))
    assert sum(p.numel() for p in compact.parameters()) == float(pruner.cost.params(pruner.widths))


def test_a_unit_costs_what_the_others_make_of_it(pruner: ChannelPruner) -> None:
    full = dict(zip(pruner.cost.names, pruner.cost.unit_costs().tolist(), strict=True))
    for name, at in (("conv1", 6), ("conv2", 8)):
        saved = pruner.cost.flops({}) - pruner.cost.flops({name: at - 1})
        assert full[name] == pytest.approx(float(saved))
    narrow = pruner.cost.unit_costs("flops", {"conv2": 1})
    assert float(narrow[0]) < full["conv1"]


def test_expected_cost_follows_beta(pruner: ChannelPruner) -> None:
    for mask in pruner.gates.values():
        mask.beta.data.fill_(1.0)
    assert float(pruner.expected_cost().detach()) == pytest.approx(1.0)
    for width in (1, 3, 5):
        pruner.widths = {"conv1": width, "conv2": 4}
        soft = dict(zip(pruner.cost.names, pruner.soft_widths().tolist(), strict=True))
        assert soft == pytest.approx({"conv1": width, "conv2": 4}, abs=1e-5)
    share = pruner.expected_cost("params")
    share.backward()
    assert all(float(mask.beta.grad) > 0 for mask in pruner.gates.values())
    for mask in pruner.gates.values():
        mask.beta.grad = None


def test_the_penalty_prices_a_unit_by_its_cost() -> None:
    """Closing one unit saves price * reference loss * its share of the mean cost."""
    pruner = ChannelPruner(settled(Chain()), X, price=0.01, reference_loss=2.0)
    unit = dict(zip(pruner.cost.names, pruner.cost.unit_costs().tolist(), strict=True))
    mean = (6 * unit["conv1"] + 8 * unit["conv2"]) / 14
    for name, n in (("conv1", 6), ("conv2", 8)):
        pruner.widths = {"conv1": 6, "conv2": 8}
        before = pruner.penalty().item()
        pruner.widths = {name: n - 1}
        saved = before - pruner.penalty().item()
        assert saved == pytest.approx(0.01 * 2.0 * unit[name] / mean, rel=1e-4)


def test_the_penalty_can_be_priced_at_the_widths_of_now() -> None:
    pruner = ChannelPruner(settled(Chain()), X)
    whole = pruner.penalty_weights()
    pruner.widths = {"conv2": 1}
    pruner.reweigh()
    ratio = pruner._weights / whole  # noqa: SLF001
    assert float(ratio[0]) < float(ratio[1])


def test_parameters_can_be_what_costs() -> None:
    pruner = ChannelPruner(settled(Chain()), X, target={"params": 0.5})
    weights = pruner.penalty_weights()
    by_flops = ChannelPruner(settled(Chain()), X).penalty_weights()
    # fc is where the parameters are, not the FLOPs.
    assert float(weights[1] / weights[0]) > float(by_flops[1] / by_flops[0])


def test_the_lowest_target_closes_all_blocks() -> None:
    x = torch.randn(2, 3, 8, 8)
    pruner = ChannelPruner(settled(Stream()), x)
    least = {name: 0 if group.closable else 1 for name, group in pruner.groups.items()}
    # stem 3 -> 1 (3 x 3), fc 1 -> 2; the blocks are gone.
    assert float(pruner.cost.flops(least)) == 2 * (64 * 27 + 2)
    pruner.widths = least
    assert pruner.plan().flops_kept == 2 * (64 * 27 + 2)


def test_latency_is_measured_in_turns_and_leaves_the_mode() -> None:
    model = Chain().train()
    model.bn1.eval()
    (batch,) = repeated((X,), 5)
    assert batch.shape[0] == 5 and torch.equal(batch[2], X[0])
    times = measure_latency([model, nn.Identity()], (batch,), repeats=3)
    assert times[0] > times[1] > 0
    assert model.training and not model.bn1.training
