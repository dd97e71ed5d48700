"""One clear line that names the part."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn

from damrep.masking import InputError
from damrep.pruning import ChannelPruner, save_compact
from tests.pruning.samples import Chain, Stream

X = torch.zeros(1, 1, 8, 8)


class Branching(nn.Module):
    """Goes one way or another by what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv(x) if x.mean() > 0 else self.other(x)).mean(dim=(2, 3))


class Inner(nn.Module):
    """Has such a module inside."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.decides = nn.Conv2d(1, 1, 1), Branching()

    def forward(self, x: Tensor) -> Tensor:
        return self.decides(self.first(x))


def message(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_model_without_convolutions() -> None:
    with pytest.raises(InputError, match=r"\(Sequential\) has no convolution") as error:
        ChannelPruner(nn.Sequential(nn.Linear(3, 3)), torch.zeros(1, 3))
    message(error)


def test_example_inputs_of_the_wrong_shape() -> None:
    with pytest.raises(InputError, match=r"shape \(1, 3, 8, 8\): .*1 channels") as error:
        ChannelPruner(Chain(), torch.zeros(1, 3, 8, 8))
    message(error)


@pytest.mark.parametrize("inputs", [None, "image", {"x": X}])
def test_example_inputs_of_another_kind(inputs: object) -> None:
    with pytest.raises(TypeError, match="example_inputs must be a tensor"):
        ChannelPruner(Chain(), inputs)


def test_control_flow_by_data() -> None:
    with pytest.raises(InputError, match="^decides .*control flow depends on data") as error:
        ChannelPruner(Inner(), X)
    message(error)


def test_a_name_in_ignore_that_is_not_there() -> None:
    with pytest.raises(InputError, match="'conv9', .*nearest is 'conv") as error:
        ChannelPruner(Chain(), X, ignore=["conv9"])
    message(error)


def test_price_and_target() -> None:
    with pytest.raises(InputError, match="price or target, not both"):
        ChannelPruner(Chain(), X, price=0.1, target={"flops": 0.5})


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"flops": 1e-4}, r"cannot be reached: .* between 0\.0\d+ and 1"),
        ({"params": 0.001}, "cannot be reached"),
        ({"flops": 0.0}, "> 0"),
        ({"flops": 1.5}, "<= 1"),
        ({"latency": 0.5}, "flops, params"),
        ({}, "share"),
        ({"flops": 0.5, "params": 0.5}, "share"),
        (0.5, "share"),
    ],
)
def test_targets_that_cannot_be(target: object, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        ChannelPruner(Chain(), X, target=target)  # type: ignore[arg-type]
    message(error)


@pytest.mark.parametrize(
    "wrong", [{"price": -1}, {"gate_order": "after"}, {"reference_loss": 0}, {"span": 0}]
)
def test_other_arguments(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ChannelPruner(Chain(), X, **wrong)  # type: ignore[arg-type]


def test_widths_scores_and_choices_of_groups_that_are_not_there() -> None:
    pruner = ChannelPruner(Chain(), X)
    with pytest.raises(InputError, match="'fc' is no channel group; there are conv1, conv2"):
        pruner.widths = {"fc": 2}
    with pytest.raises(InputError, match="between 1 and 6, got 0"):
        pruner.widths = {"conv1": 0}
    with pytest.raises(InputError, match=r"scores of 'conv1' must have shape \(6,\)"):
        pruner.order_units({"conv1": torch.zeros(5)})
    with pytest.raises(InputError, match=r"keep\['conv1'\] must have shape \(6,\)"):
        pruner.cut({"conv1": torch.ones(5, dtype=torch.bool)})
    with pytest.raises(InputError, match="'nothing', which is no channel group"):
        pruner.cost.flops({"nothing": 1})


def test_without_torch_pruning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(InputError, match=r"pip install 'damrep\[pruning\]'"):
        ChannelPruner(Chain(), X)


def test_saving_what_is_not_compact(tmp_path: object) -> None:
    with pytest.raises(InputError, match="no record of its cuts"):
        save_compact(Stream(), f"{tmp_path}/model")


def test_a_model_with_gates_on_it() -> None:
    model = Chain()
    pruner = ChannelPruner(model, X)
    with pytest.raises(InputError, match="detach that one first"):
        ChannelPruner(model, X)
    pruner.detach()
    assert ChannelPruner(model, X).gates


def test_a_model_that_cannot_be_copied() -> None:
    model = Chain()
    model.file = open(__file__, encoding="utf-8")  # type: ignore[assignment]  # noqa: SIM115
    with pytest.raises(InputError, match="cannot be copied"):
        ChannelPruner(model, X)
    model.file.close()
