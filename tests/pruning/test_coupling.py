"""Units from joined slots, the channel of a weight's entries, and telling good groups from bad."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from damrep.pruning.coupling import ANYTHING, Slot, Slots
from damrep.pruning.gating import channel_of_weight
from damrep.pruning.tracing import trace
from damrep.pruning.verification import largest_passing

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@given(joins=PAIRS, blocked=st.sets(st.integers(0, 9), max_size=3))
def test_units_are_the_connected_components(
    joins: list[tuple[int, int]], blocked: set[int]
) -> None:
    slots = Slots()
    labels = [slots.label("layer", "out", index) for index in range(10)]
    component = {index: {index} for index in range(10)}
    for a, b in joins:
        slots.join(labels[a], labels[b], "")
        merged = component[a] | component[b]
        component.update(dict.fromkeys(merged, merged))
    for index in blocked:
        slots.join(labels[index], ANYTHING, f"because of {index}")
    free, kept = slots.units()
    found = {frozenset(slot.index for slot in unit) for unit in free}
    assert found == {frozenset(c) for c in component.values() if not c & blocked}
    assert {slot.index for slot in kept} == {i for i in range(10) if component[i] & blocked}
    for slot, reason in kept.items():
        assert int(reason.removeprefix("because of ")) in component[slot.index]


@given(bad=st.sets(st.integers(0, 20)))
def test_bisection_finds_what_fails_alone(bad: set[int]) -> None:
    calls = []

    def passes(chosen: list[int]) -> bool:
        calls.append(chosen)
        return not bad & set(chosen)

    passing, failing = largest_passing(range(21), passes)
    assert (set(failing), set(passing)) == (bad, set(range(21)) - bad)
    assert len(calls) == 1 or bad


def test_bisection_keeps_one_of_two_that_fail_together() -> None:
    passing, failing = largest_passing("abcd", lambda chosen: not {"b", "d"} <= set(chosen))
    assert (passing, failing) == (["a", "b", "c"], ["d"])


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.Conv1d(4, 4, 1, groups=4),
        nn.ConvTranspose2d(4, 6, 3),
        nn.ConvTranspose3d(4, 6, 1, groups=2),
        nn.Linear(4, 6),
    ],
)
@pytest.mark.parametrize("side", ["in", "out"])
def test_the_channel_of_each_entry_of_a_weight(layer: nn.Module, side: str) -> None:
    """Without the entries of one input channel the output ignores it; of an output, it is zero."""
    x = torch.randn(2, 4, *(5,) * (layer.weight.dim() - 2))
    channel = channel_of_weight(layer, side).expand(layer.weight.shape)
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.weight[channel == 1] = 0
        if side == "in":
            other = x.clone()
            other[:, 1] += 3
            assert torch.allclose(layer(x), layer(other), atol=1e-5)
            other[:, 2] += 3
            assert not torch.allclose(layer(x), layer(other), atol=1e-5)
        else:
            out = layer(x)
            assert not out[:, 1].any() and out[:, 0].any() and out[:, 2].any()


def units_of(model: nn.Module, x: Tensor) -> set[frozenset[tuple[str, str, int]]]:
    free, _ = trace(model.eval(), (x,)).slots.units()
    return {frozenset((s.layer, s.side, s.index) for s in unit) for unit in free}


def test_flattening_gives_a_channel_all_its_places() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 1), nn.Flatten(), nn.Linear(6, 1))
    assert units_of(model, torch.zeros(1, 1, 3)) == {
        frozenset({("0", "out", c), *(("2", "in", 3 * c + i) for i in range(3))}) for c in (0, 1)
    }


def test_pixel_shuffle_takes_whole_squares() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 1), nn.PixelShuffle(2), nn.Conv2d(2, 1, 1))
    assert units_of(model, torch.zeros(1, 1, 3, 3)) == {
        frozenset({("2", "in", c), *(("0", "out", 4 * c + i) for i in range(4))}) for c in (0, 1)
    }


def test_a_grouped_convolution_loses_the_same_place_of_every_group() -> None:
    model = nn.Sequential(nn.Conv1d(1, 6, 1), nn.Conv1d(6, 4, 1, groups=2), nn.Conv1d(4, 1, 1))
    units = units_of(model, torch.zeros(1, 1, 3))
    assert frozenset({("0", "out", 1), ("0", "out", 4), ("1", "in", 1), ("1", "in", 4)}) in units
    assert frozenset({("1", "out", 0), ("1", "out", 2), ("2", "in", 0), ("2", "in", 2)}) in units


def test_a_depthwise_convolution_with_a_multiplier_loses_whole_groups() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 1), nn.Conv1d(2, 4, 1, groups=2), nn.Conv1d(4, 1, 1))
    assert frozenset(
        {
            ("0", "out", 0),
            ("1", "in", 0),
            *(("1", "out", i) for i in (0, 1)),
            *(("2", "in", i) for i in (0, 1)),
        }
    ) in units_of(model, torch.zeros(1, 1, 3))


def test_a_slot_is_one_channel_of_one_layer() -> None:
    slots = Slots()
    assert slots.label("a", "out", 0) == slots.label("a", "out", 0) != slots.label("a", "in", 0)
    assert slots.sizes() == {("a", "out"): 1, ("a", "in"): 1}
    assert slots.has("a", "in") and not slots.has("a", "in", 1)
    assert Slot("a", "out", 0) < Slot("a", "out", 1)
