"""One call: train once, receive a smaller network."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from damrep.masking.validation import InputError
from damrep.pruning.training import PruningResult, prune


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.back = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.stem(x)))
        x = torch.relu(x + self.back(torch.relu(self.inner(x))))
        return self.fc(x.mean(dim=(2, 3)))


def _net() -> _Residual:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _Residual()


def _data(n: int = 256) -> TensorDataset:
    """Four classes: which quarter of the image is bright."""
    drawn = torch.Generator().manual_seed(1)
    y = torch.randint(0, 4, (n,), generator=drawn)
    x = 0.3 * torch.randn(n, 1, 8, 8, generator=drawn)
    for row, label in enumerate(y.tolist()):
        top, left = 4 * (label // 2), 4 * (label % 2)
        # Each quarter with a texture of its own, so that a mean over places can tell them apart.
        x[row, 0, top : top + 4, left : left + 4 : label + 1] += 2.0
    return TensorDataset(x, y)


DATA = _data()


def _prune(net: nn.Module, epochs: int = 8, **asked: Any) -> PruningResult:
    loader = DataLoader(
        DATA, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(0)
    )
    options: dict[str, Any] = {"device": "cpu", "random_state": 0, **asked}
    return prune(
        net,
        loader,
        DataLoader(DATA, batch_size=64),
        nn.functional.cross_entropy,
        lambda weights: torch.optim.Adam(weights, lr=0.01),
        epochs=epochs,
        **options,
    )


def test_half_the_flops_learn_nearly_as_much() -> None:
    net = _net()
    result = _prune(net, target={"flops": 0.5})
    assert result.history[-1]["flops"] == pytest.approx(0.5, rel=0.08)
    assert result.history[-1]["stage"] == "settled"
    assert result.history[-1]["validation_loss"] < 0.5 * result.history[0]["validation_loss"]
    assert sum(p.numel() for p in result.model.parameters()) < 0.8 * sum(
        p.numel() for p in net.parameters()
    )
    assert not result.model.training
    assert type(result.model) is type(net)


def test_the_small_network_is_what_was_validated() -> None:
    result = _prune(_net(), target={"flops": 0.4}, reference_loss=1.0)
    x, y = DATA.tensors
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(result.model(x), y))
    assert loss == pytest.approx(result.history[-1]["validation_loss"], rel=1e-3)


def test_same_seed_same_network_and_the_global_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    prune(
        _net(), DataLoader(DATA, 64, shuffle=True), None, nn.functional.cross_entropy,
        torch.optim.Adam, epochs=1, target={"flops": 0.5}, device="cpu", random_state=0,
    )  # fmt: skip
    assert torch.equal(before, torch.get_rng_state())
    first = _prune(_net(), epochs=3, target={"flops": 0.5}).model.state_dict()
    again = _prune(_net(), epochs=3, target={"flops": 0.5}).model.state_dict()
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(before, torch.get_rng_state())


def test_the_given_network_is_whole_afterwards() -> None:
    net = _net()
    names, held = [*net.state_dict()], [id(p) for p in net.parameters()]
    _prune(net, epochs=2, target={"params": 0.5})
    assert [*net.state_dict()] == names
    assert [id(p) for p in net.parameters()] == held


def test_it_is_whole_after_a_failure_too() -> None:
    net = _net()
    names = [*net.state_dict()]

    def broken(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no loss today")

    with pytest.raises(RuntimeError, match="no loss today"):
        prune(
            net, [DATA.tensors], None, broken, torch.optim.Adam, epochs=1, price=1e-3,
            reference_loss=1.0, device="cpu",
        )  # fmt: skip
    assert [*net.state_dict()] == names


def test_wider_where_a_channel_is_cheaper() -> None:
    kept = [
        sum(v for k, v in _prune(_net(), price=price).history[-1].items() if k == "n_active")
        for price in (0.0, 1e-3, 1.0)
    ]
    assert kept[0] == 16
    assert kept[0] >= kept[1] >= kept[2]
    assert kept[2] < 8


def test_a_scheduler_is_stepped_once_a_batch() -> None:
    made: list[Any] = []

    def factory(weights: list[nn.Parameter]) -> tuple[Any, Any]:
        optimizer = torch.optim.SGD(weights, lr=0.1)
        made.append(torch.optim.lr_scheduler.StepLR(optimizer, 1000))
        return optimizer, made[0]

    prune(
        _net(), [DATA.tensors] * 3, None, nn.functional.cross_entropy, factory, epochs=2,
        target={"flops": 0.5}, device="cpu", random_state=0,
    )  # fmt: skip
    assert made[0].last_epoch == 6


def test_gradient_closing_and_the_papers_order_run() -> None:
    net = _net()
    result = _prune(net, epochs=6, target={"flops": 0.5}, gate_order="conv", strategy="gradient")
    assert result.history[-1]["flops"] == pytest.approx(0.5, rel=0.08)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"price": 1e-3, "target": {"flops": 0.5}}, "not both"),
        ({"target": {"flops": 1e-6}}, "cannot be reached"),
        ({"epochs": 0, "price": 1e-3}, "epochs must be"),
        ({"device": "nowhere", "price": 1e-3}, "device must be"),
    ],
)
def test_bad_arguments(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _prune(_net(), **asked)


def test_a_factory_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="optimizer_factory must give an optimiser"):
        prune(
            _net(), [DATA.tensors], None, nn.functional.cross_entropy, lambda weights: weights,
            epochs=1, price=1e-3, device="cpu",
        )  # fmt: skip


def test_a_loader_without_batches_is_refused() -> None:
    with pytest.raises(InputError, match="no batches"):
        prune(
            copy.deepcopy(_net()), [], None, nn.functional.cross_entropy, torch.optim.Adam,
            epochs=1, price=1e-3, device="cpu",
        )  # fmt: skip
