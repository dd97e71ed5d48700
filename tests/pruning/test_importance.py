"""What closing a unit would cost, from the gradients of its weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from damrep.pruning import ChannelPruner
from damrep.pruning.importance import UnitImportance, absorb_gates, gated_weights


class _Block(nn.Module):
    """A residual stream, so that one mask gates several layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.inner = nn.Conv2d(6, 5, 3, padding=1)
        self.back = nn.Conv2d(5, 6, 3, padding=1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.stem(x)
        out = out + self.back(torch.relu(self.inner(torch.relu(out))))
        return self.fc(torch.relu(out).mean(dim=(2, 3)))


@pytest.fixture
def gated() -> tuple[nn.Module, ChannelPruner, torch.Tensor]:
    torch.manual_seed(0)
    model = _Block().double()
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64)
    return model, ChannelPruner(model, x[:2]), x


def test_one_batch_is_half_the_batch_times_the_square_of_g_dl_dg(
    gated: tuple[nn.Module, ChannelPruner, torch.Tensor],
) -> None:
    model, pruner, x = gated
    # The gates as leaves of their own, one a unit: what the estimate has to agree with.
    leaves = {}
    for name, mask in pruner.gates.items():
        leaves[name] = mask.gate().detach().clone().requires_grad_(True)
        mask.gate = lambda leaf=leaves[name]: leaf  # type: ignore[method-assign]
    importance = UnitImportance(pruner, memory=1)
    model(x).square().mean().backward()
    importance.observe(batch_size=4)
    for name, score in importance.scores().items():
        pull = leaves[name].detach() * leaves[name].grad
        assert torch.allclose(score.double(), 2 * pull.double().square(), rtol=1e-4), name


def test_a_closed_unit_is_worth_nothing(
    gated: tuple[nn.Module, ChannelPruner, torch.Tensor],
) -> None:
    model, pruner, x = gated
    pruner.widths = {name: 2 for name in pruner.gates}
    importance = UnitImportance(pruner)
    model(x).square().mean().backward()
    importance.observe(batch_size=4)
    for name, score in importance.scores().items():
        closed = ~pruner.gates[name].active
        assert (score[closed] == 0).all()
        assert (score[~closed] > 0).any()


def test_before_any_batch_scores_are_zero(
    gated: tuple[nn.Module, ChannelPruner, torch.Tensor],
) -> None:
    _, pruner, _ = gated
    scores = UnitImportance(pruner).scores()
    assert {name: len(score) for name, score in scores.items()} == {
        name: mask.num_features for name, mask in pruner.gates.items()
    }
    assert all((score == 0).all() for score in scores.values())


def test_weights_make_up_for_gates_that_were_moved(
    gated: tuple[nn.Module, ChannelPruner, torch.Tensor],
) -> None:
    model, pruner, x = gated
    y = model(x)
    before = {name: mask.gate().clone() for name, mask in pruner.gates.items()}
    with torch.no_grad():
        for mask in pruner.gates.values():
            mask.beta.sub_(0.7)
    assert not torch.allclose(model(x), y)
    absorb_gates(pruner, before)
    assert torch.allclose(model(x), y, rtol=1e-5)


def test_gated_weights_are_the_parameters_themselves(
    gated: tuple[nn.Module, ChannelPruner, torch.Tensor],
) -> None:
    model, pruner, _ = gated
    found = [id(weight) for weight, _ in gated_weights(model)]
    pruner.detach()
    assert set(found) <= {id(p) for p in model.parameters()}
    assert list(gated_weights(model)) == []
