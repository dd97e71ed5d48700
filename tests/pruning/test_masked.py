"""Channels closed by the mask: it decides, and what is cut computes the same."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from damrep.masking.dam import DAM
from damrep.masking.notes import DamrepWarning
from damrep.masking.offset import Offsets
from damrep.masking.validation import InputError
from damrep.pruning import ChannelPruner, MaskSchedule, load_compact, save_compact
from damrep.pruning.training import prune
from tests.pruning.samples import bright_or_dark, two_layers

STEPS = 60


def _pruner(net: nn.Module | None = None, **asked: Any) -> ChannelPruner:
    net = two_layers(16, 24) if net is None else net
    asked = asked or {"target": {"flops": 0.5}}
    return ChannelPruner(net, bright_or_dark()[0][:1], verify=False, **asked)


def _train(pruner: ChannelPruner, schedule: MaskSchedule, steps: int = STEPS) -> list[Any]:
    x, y = bright_or_dark()
    optimizer = torch.optim.SGD(pruner.model.parameters(), lr=0.05, momentum=0.9)
    rows = []
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(pruner.model(x), y).backward()
        optimizer.step()
        schedule.step()
        rows.append({"stage": schedule.stage, **schedule.trajectory()})
    return rows


@pytest.mark.parametrize("order", ["worth", "index"])
@pytest.mark.parametrize("kind", ["flops", "params"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_target_is_reached_and_what_is_cut_computes_the_same(
    order: str, kind: str, share: float
) -> None:
    pruner = _pruner(target={kind: share})
    schedule = MaskSchedule(pruner, STEPS, multiple_of=1, order=order)
    rows = _train(pruner, schedule)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small = pruner.compact()
    cost = pruner.cost
    assert float(cost.cost(kind, pruner.widths) / cost.cost(kind, {})) == pytest.approx(
        share, rel=0.03
    )
    x = bright_or_dark()[0]
    assert torch.allclose(small.eval()(x), pruner.model.eval()(x), atol=1e-5)
    there = cost.cost(kind, schedule.offsets.soft_widths()) / cost.cost(kind, {})
    assert float(there) == pytest.approx(share, rel=0.01), "the masks came there by themselves"
    assert rows[0]["offset.0"] == 17.0 and rows[-1]["window.0"] == 0.0
    assert "by the masks" in str(pruner.report_)


@pytest.mark.parametrize("asked", [{"target": {"flops": 0.5}}, {"price": 10.0}])
def test_betas_that_stay_where_they_start_cut_nothing(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    monkeypatch.setattr(Offsets, "move", lambda self, by: None)
    pruner = _pruner(**asked)
    _train(pruner, MaskSchedule(pruner, STEPS, batch_size=16))
    assert pruner.widths == {"0": 16, "3": 24}
    if "target" in asked:
        with pytest.warns(DamrepWarning, match="is not reached: 1 of the"):
            pruner.compact()


@pytest.mark.parametrize(
    ("price", "widths"), [(0.0, {"0": 16, "3": 24}), (100.0, {"0": 1, "3": 1})]
)
def test_a_price_closes_what_does_not_earn_it(price: float, widths: dict[str, int]) -> None:
    pruner = _pruner(price=price)
    _train(pruner, MaskSchedule(pruner, STEPS, batch_size=16))
    assert pruner.widths == widths


def test_what_is_cut_at_any_moment_computes_what_the_gated_network_does() -> None:
    pruner = _pruner()
    schedule = MaskSchedule(pruner, STEPS, closed=0.9)
    x = bright_or_dark()[0]
    for steps in (3, 9, 12, 12, 18):
        _train(pruner, schedule, steps)
        small = pruner.compact(latency=False)  # drawn offsets are not those of the result
        pruner.model.eval()
        assert torch.allclose(small.eval()(x), pruner.model(x), atol=1e-5)
        pruner.model.train()


def test_it_is_no_ratchet() -> None:
    """A layer that is all but closed comes back where it is worth its price."""
    pruner = _pruner(price=1e-5)
    schedule = MaskSchedule(pruner, STEPS, batch_size=16, cold=0.0, closed=0.9)
    schedule.offsets.places[:] = 1.0
    schedule.offsets.set()
    assert pruner.widths == {"0": 1, "3": 1}
    _train(pruner, schedule)
    assert sum(pruner.widths.values()) > 8


def test_closed_channels_within_the_window_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Offsets, "move", lambda self, by: None)
    pruner = _pruner()
    schedule = MaskSchedule(pruner, STEPS, cold=0.0, closed=1.0, order="index")
    schedule.offsets.places[:] = torch.tensor([8.0, 12.0])
    _train(pruner, schedule, 1)
    readers = pruner.model[3].parametrizations["weight"].original
    before = readers.detach().clone()
    _train(pruner, schedule, 12)
    moved = (readers - before).abs().amax(dim=(0, 2, 3)) > 0
    closed = ~pruner.gates["0"].active
    assert int(closed.sum()) == 8
    assert bool(moved[closed].any()) and not bool(moved[0]), "channel 0 is beyond the window"


def test_ordering_by_worth_leaves_the_function_as_it_is() -> None:
    pruner = _pruner()
    schedule = MaskSchedule(pruner, STEPS, cold=0.0, closed=0.9)
    _train(pruner, schedule, 30)
    x = bright_or_dark()[0]
    pruner.model.eval()
    before, closed = pruner.model(x), [mask.active.clone() for mask in pruner.gates.values()]
    assert not all(bool(mask.all()) for mask in closed)
    order = pruner.gates["0"].mu.clone()
    schedule.importance.resume({"0": torch.rand(16), "3": torch.rand(24)})
    schedule._order_by_worth()
    assert not torch.equal(order, pruner.gates["0"].mu)
    assert torch.allclose(pruner.model(x), before, atol=1e-5)
    for was, mask in zip(closed, pruner.gates.values(), strict=True):
        assert torch.equal(was, mask.active)


def test_all_training_goes_through_the_gates_and_beta_has_their_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    through = DAM.training_gate
    monkeypatch.setattr(
        DAM, "training_gate", lambda self, rows=None: calls.append(1) or through(self, rows)
    )
    pruner = _pruner()
    _train(pruner, MaskSchedule(pruner, STEPS))
    assert len(calls) >= 2 * STEPS


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not() -> None:
    def begin() -> tuple[ChannelPruner, MaskSchedule, torch.optim.SGD]:
        pruner = _pruner()
        schedule = MaskSchedule(pruner, STEPS, closed=0.8)
        return pruner, schedule, torch.optim.SGD(pruner.model.parameters(), lr=0.05, momentum=0.9)

    def go(pruner: ChannelPruner, schedule: MaskSchedule, optimizer: Any, steps: int) -> None:
        x, y = bright_or_dark()
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(pruner.model(x), y).backward()
            optimizer.step()
            schedule.step()

    one = begin()
    go(*one, 25)
    file = io.BytesIO()
    torch.save([one[0].model.state_dict(), one[1].state_dict(), one[2].state_dict()], file)
    file.seek(0)
    kept = torch.load(file, weights_only=True)
    two = begin()
    for part, state in zip((two[0].model, two[1], two[2]), kept, strict=True):
        part.load_state_dict(state)  # type: ignore[attr-defined]
    go(*one, STEPS - 25)
    go(*two, STEPS - 25)
    x = bright_or_dark()[0]
    assert one[0].widths == two[0].widths != {"0": 16, "3": 24}
    assert torch.equal(one[0].model.eval()(x), two[0].model.eval()(x))


def test_prune_by_the_mask_saves_loads_and_tells_what_decided(tmp_path: Any) -> None:
    batches = [bright_or_dark()] * 4

    def run(**asked: Any) -> Any:
        return prune(
            two_layers(16, 24), batches, batches[:1], nn.functional.cross_entropy,
            lambda weights: torch.optim.SGD(weights, lr=0.05, momentum=0.9), epochs=12,
            target={"flops": 0.5}, device="cpu", random_state=0, multiple_of=1, **asked,
        )  # fmt: skip

    result = run(strategy="mask")
    assert result.history[-1]["flops"] == pytest.approx(0.5, rel=0.03)
    assert max(result.history["window.0"]) > 1.0 and result.history["window.0"][-1] == 0.0
    assert result.history["offset.0"][0] == 17.0
    assert "widths by the masks: the offset of each layer" in str(result.report_)
    assert result.report_.to_dict()["widths_by"].startswith("the masks")
    again = run(strategy="mask")
    x = bright_or_dark()[0]
    assert torch.equal(result.model(x), again.model(x))
    save_compact(result.model, tmp_path / "small")
    loaded = load_compact(tmp_path / "small", lambda: two_layers(16, 24))
    assert torch.allclose(loaded.eval()(x), result.model(x), atol=1e-6)

    searched = run(strategy="search")
    assert "the gates only carried that out" in str(searched.report_)
    assert "window.0" not in searched.history[-1]
    assert torch.equal(searched.model(x), run(closing="worth").model(x))
    by_gradient = run(strategy="gradient")
    assert "gradient of their penalty" in str(by_gradient.report_)
    assert torch.equal(by_gradient.model(x), run(closing="gradient").model(x))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"strategy": "worth"}, "strategy must be one of"),
        ({"strategy": "search", "order": "index"}, "order must be worth with strategy='search'"),
        ({"strategy": "gradient", "order": "worth"}, "order must be index with"),
        ({"strategy": "mask", "order": "size"}, "order must be worth or index"),
        ({"closing": "worth", "strategy": "mask"}, "give these only"),
        ({"closing": "magic"}, "closing must be one of worth, gradient"),
    ],
)
def test_words_that_do_not_go_together_are_refused(asked: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prune(
            two_layers(4, 4), [bright_or_dark()], None, nn.functional.cross_entropy,
            lambda weights: torch.optim.SGD(weights, lr=0.1), epochs=1, **asked,
        )  # fmt: skip


@pytest.mark.parametrize("steps", [2, 3, 10])
def test_few_steps_are_enough_to_come_to_a_target(steps: int) -> None:
    pruner = _pruner()
    _train(pruner, MaskSchedule(pruner, steps, cold=0.3, closed=0.3, multiple_of=1), steps)
    assert float(pruner.cost.flops(pruner.widths) / pruner.cost.flops({})) == pytest.approx(
        0.5, rel=0.03
    )


def test_where_units_are_worth_nothing_the_cost_still_follows_its_line() -> None:
    """On some batches the loss is lower without them: they are not closed beyond the target."""
    pruner = _pruner()
    schedule = MaskSchedule(pruner, STEPS, multiple_of=1)
    heard = schedule.offsets.listen

    def listen() -> bool:
        for mask in pruner.gates.values():
            if mask.beta.grad is not None:
                mask.beta.grad.abs_()
        return heard()

    schedule.offsets.listen = listen  # type: ignore[method-assign]
    _train(pruner, schedule)
    assert float(pruner.cost.flops(pruner.widths) / pruner.cost.flops({})) == pytest.approx(
        0.5, rel=0.03
    )


def test_gates_that_were_drawn_do_not_stay() -> None:
    pruner = _pruner()
    schedule = MaskSchedule(pruner, STEPS)
    _train(pruner, schedule)
    assert all(mask._window is None for mask in pruner.gates.values())
    for mask in pruner.gates.values():
        assert set(mask.gate().tolist()) <= {0.0, 1.0} and not mask.beta.requires_grad
