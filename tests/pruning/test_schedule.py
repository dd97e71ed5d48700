"""Closing channels in a training loop of one's own."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from damrep.masking.notes import DamrepWarning
from damrep.masking.validation import InputError
from damrep.pruning import ChannelPruner, PruningSchedule
from tests.pruning.samples import bright_or_dark, two_layers

STEPS = 40


def _net() -> nn.Sequential:
    return two_layers(16, 24)


def _step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    x, y = bright_or_dark()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()


def _sgd(net: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


@pytest.mark.parametrize("kind", ["flops", "params"])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_target_is_reached_and_what_is_left_computes_the_same(kind: str, share: float) -> None:
    net = _net()
    pruner = ChannelPruner(net, bright_or_dark()[0][:1], target={kind: share}, verify=False)
    schedule = PruningSchedule(pruner, STEPS, cold=0.2, closed=0.6, multiple_of=1)
    optimizer, stages = _sgd(net), []
    for _ in range(STEPS):
        _step(net, optimizer)
        schedule.step()
        stages.append(schedule.stage)
    assert stages.index("closing") == 7 and stages.index("settled") == 23
    assert schedule.steps_until_settled == 24
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small = pruner.compact()
    plan = pruner.report_.plan  # type: ignore[union-attr]
    left = {
        "flops": plan.flops_kept / plan.flops,
        "params": plan.parameters_kept / plan.parameters,
    }
    assert left[kind] == pytest.approx(share, rel=0.02)
    assert torch.allclose(
        small.eval()(bright_or_dark()[0]), net.eval()(bright_or_dark()[0]), atol=1e-5
    )


@pytest.mark.parametrize(
    ("price", "widths"), [(0.0, {"0": 16, "3": 24}), (100.0, {"0": 1, "3": 1})]
)
def test_a_price_closes_what_does_not_earn_it(price: float, widths: dict[str, int]) -> None:
    net = _net()
    pruner = ChannelPruner(net, bright_or_dark()[0][:1], price=price, verify=False)
    schedule, optimizer = PruningSchedule(pruner, STEPS, batch_size=16), _sgd(net)
    for _ in range(STEPS):
        _step(net, optimizer)
        schedule.step()
    assert pruner.widths == widths


def test_a_price_is_a_share_of_the_reference_loss() -> None:
    def widths(price: float, reference_loss: float) -> dict[str, int]:
        net = _net()
        pruner = ChannelPruner(
            net, bright_or_dark()[0][:1], price=price, reference_loss=reference_loss, verify=False
        )
        schedule, optimizer = PruningSchedule(pruner, STEPS, batch_size=16), _sgd(net)
        for _ in range(STEPS):
            _step(net, optimizer)
            schedule.step()
        return pruner.widths

    some = widths(1e-3, 0.5)
    assert {"0": 1, "3": 1} != some != {"0": 16, "3": 24}
    assert widths(2e-3, 0.25) == some


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not() -> None:
    x = bright_or_dark()[0][:1]

    def begin() -> tuple[nn.Sequential, ChannelPruner, PruningSchedule, torch.optim.SGD]:
        net = _net()
        pruner = ChannelPruner(net, x, target={"flops": 0.4}, verify=False)
        return net, pruner, PruningSchedule(pruner, STEPS, closed=0.8), _sgd(net)

    whole, pruner, schedule, optimizer = begin()
    for number in range(STEPS):
        if number == 15:
            kept = [
                {**part.state_dict()}
                for part in (whole, schedule, optimizer)  # type: ignore[attr-defined]
            ]
            kept = torch.load(_saved(kept), weights_only=True)
        _step(whole, optimizer)
        schedule.step()
    again, second, later, adopted = begin()
    for part, state in zip((again, later, adopted), kept, strict=True):
        part.load_state_dict(state)  # type: ignore[attr-defined]
    assert later.stage == "closing"
    for _ in range(15, STEPS):
        _step(again, adopted)
        later.step()
    assert second.widths == pruner.widths
    assert torch.equal(again.eval()(bright_or_dark()[0]), whole.eval()(bright_or_dark()[0]))


def _saved(state: object) -> object:
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_the_state_of_another_network_is_refused() -> None:
    x = bright_or_dark()[0][:1]
    schedule = PruningSchedule(ChannelPruner(_net(), x, target={"flops": 0.5}), STEPS)
    other = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    state = PruningSchedule(ChannelPruner(other, x, target={"flops": 0.5}), STEPS).state_dict()
    with pytest.raises(InputError, match="other channel groups"):
        schedule.load_state_dict(state)


def test_gradients_that_are_gone_are_missed() -> None:
    net = _net()
    pruner = ChannelPruner(net, bright_or_dark()[0][:1], target={"flops": 0.5}, verify=False)
    schedule, optimizer = PruningSchedule(pruner, STEPS), _sgd(net)
    _step(net, optimizer)
    schedule.step()
    _step(net, optimizer)
    optimizer.zero_grad()
    with pytest.raises(InputError, match="before zero_grad"):
        schedule.step()


def test_a_target_nothing_was_closed_for_is_told() -> None:
    pruner = ChannelPruner(_net(), bright_or_dark()[0][:1], target={"params": 0.5}, verify=False)
    with pytest.warns(DamrepWarning, match=r"target\['params'\] = 0.5 is not reached: 1 of the"):
        pruner.compact()
    assert "MaskSchedule" in str(pruner.report_)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"steps": 0}, "steps must be"),
        ({"cold": 0.7}, "closed must be no less than cold"),
        ({"batch_size": 16, "multiple_of": 0}, "multiple_of must be"),
        ({}, "batch_size is needed"),
        ({"batch_size": 0}, "batch_size must be"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, float], message: str) -> None:
    pruner = ChannelPruner(_net(), bright_or_dark()[0][:1], price=1e-3, verify=False)
    with pytest.raises(InputError, match=message):
        PruningSchedule(pruner, **{"steps": STEPS, **asked})  # type: ignore[arg-type]
