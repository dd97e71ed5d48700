"""The three stages of one training: cold, closing, settled."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from damrep.masking.validation import InputError
from damrep.pruning import ChannelPruner
from damrep.pruning.loader_task import LoaderTask
from damrep.pruning.schedule import harden_gates
from damrep.pruning.strategy import STRATEGIES, PruningStrategy
from tests.pruning.samples import bright_or_dark, two_layers


def _net() -> nn.Sequential:
    return two_layers(8, 12)


def _run(pruner: ChannelPruner, steps: int = 40, **asked: object) -> tuple[PruningStrategy, list]:
    task = LoaderTask(pruner.model, [bright_or_dark()], nn.functional.cross_entropy)
    betas = {id(mask.beta) for mask in pruner.gates.values()}
    weights = [p for p in pruner.model.parameters() if id(p) not in betas]
    strategy = PruningStrategy(pruner, task, torch.optim.SGD(weights, lr=0.1), steps=steps, **asked)  # type: ignore[arg-type]
    own = torch.optim.Adam(strategy.parameter_groups(0.1, 0.0, None))
    seen = []
    for _ in range(steps):
        own.zero_grad()
        (task.loss(bright_or_dark()) + strategy.extra_loss()).backward()
        strategy.before_step()
        own.step()
        strategy.after_step()
        seen.append((strategy.schedule.stage, dict(pruner.widths)))
    return strategy, seen


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_target_is_met_and_then_stands(strategy: str, share: float) -> None:
    net = _net()
    pruner = ChannelPruner(net, bright_or_dark()[0][:1], target={"flops": share}, verify=False)
    made, seen = _run(pruner, strategy=strategy, cold=0.2, closed=0.6)
    stages = [stage for stage, _ in seen]
    assert stages[6] == "cold" and stages[8] == "closing"
    assert stages[22] == "closing" and stages[24] == "settled"
    assert all(widths == {"0": 8, "3": 12} for stage, widths in seen if stage == "cold")
    assert len({tuple(widths.values()) for stage, widths in seen if stage == "settled"}) == 1
    cost = pruner.cost
    assert float(cost.flops(pruner.widths) / cost.flops({})) == pytest.approx(share, rel=0.1)
    assert made.settled
    assert made.end_epoch()["flops"] == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize("strategy", ["mask", "search"])
def test_once_settled_gates_are_zero_or_one_and_do_not_move(strategy: str) -> None:
    pruner = ChannelPruner(_net(), bright_or_dark()[0][:1], target={"params": 0.5}, verify=False)
    _run(pruner, strategy=strategy)
    for mask in pruner.gates.values():
        assert set(mask.gate().tolist()) <= {0.0, 1.0}
        assert not mask.beta.requires_grad


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_price_of_nothing_keeps_every_channel(strategy: str) -> None:
    pruner = ChannelPruner(_net(), bright_or_dark()[0][:1], price=0.0, verify=False)
    _run(pruner, strategy=strategy)
    assert pruner.widths == {"0": 8, "3": 12}


@pytest.mark.parametrize("strategy", ["mask", "search"])
def test_a_high_price_leaves_the_least(strategy: str) -> None:
    pruner = ChannelPruner(_net(), bright_or_dark()[0][:1], price=100.0, verify=False)
    _run(pruner, strategy=strategy)
    assert pruner.widths == {"0": 1, "3": 1}


@pytest.mark.parametrize("strategy", ["mask", "search"])
def test_the_weakest_channel_of_a_layer_goes_first(strategy: str) -> None:
    net = _net()
    with torch.no_grad():
        net[3].weight[:, 6] = 1e-4 * net[3].weight[:, 6]  # channel 6 of "0" is hardly read
    pruner = ChannelPruner(net, bright_or_dark()[0][:1], target={"flops": 0.9}, verify=False)
    _run(pruner, strategy=strategy, steps=4, cold=0.25, closed=0.75)
    closed = (~pruner.gates["0"].active).nonzero().flatten().tolist()
    assert closed[:1] == [6] or not closed and pruner.widths["3"] < 12


def test_ordering_and_hardening_leave_the_function_as_it_is() -> None:
    net, x = _net().eval(), bright_or_dark()[0]
    pruner = ChannelPruner(net, x[:1], verify=False)
    pruner.widths = {"0": 5, "3": 7}
    y = net(x)
    harden_gates(pruner)
    assert torch.allclose(net(x), y, atol=1e-6)
    assert pruner.widths == {"0": 5, "3": 7}
    assert torch.allclose(pruner.compact()(x), y, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cold": 0.7}, "closed must be no less than cold"),
        ({"cold": -0.1}, "cold must be"),
        ({"strategy": "magic"}, "strategy must be one of mask, search, gradient"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], message: str) -> None:
    pruner = ChannelPruner(_net(), bright_or_dark()[0][:1], price=0.0, verify=False)
    with pytest.raises(InputError, match=message):
        _run(pruner, **asked)
