from __future__ import annotations

import pytest
import torch
from torch import nn

from damrep.masking.dam import DAM
from damrep.masking.gradient import GradientWidth
from damrep.masking.price import priced_penalty
from damrep.masking.validation import InputError


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 8), DAM(8), nn.Linear(8, 4), DAM(4, min_active=2))


def step(net: nn.Module, strategy: GradientWidth, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    (net(torch.ones(2, 3)).square().mean() + strategy.extra_loss()).backward()
    strategy.before_step()
    optimiser.step()
    strategy.after_step()


def test_beta_has_a_group_of_its_own_without_weight_decay() -> None:
    net = model()
    groups = GradientWidth(net, 0.1).parameter_groups(lr=0.01, weight_decay=0.5, beta_lr=0.003)
    weights, betas = groups
    assert (weights["lr"], weights["weight_decay"]) == (0.01, 0.5)
    assert (betas["lr"], betas["weight_decay"]) == (0.003, 0.0)
    assert betas["params"] == [net[1].beta, net[3].beta]
    together = {id(p) for group in groups for p in group["params"]}
    assert together == {id(p) for p in net.parameters()}
    assert GradientWidth(net, 0.1).parameter_groups(lr=0.01)[1]["lr"] == 0.01


def test_the_penalty_is_the_priced_one() -> None:
    net = model()
    assert torch.equal(GradientWidth(net, 0.2).extra_loss(), priced_penalty(net, 0.2))


def test_a_cold_start_holds_beta_and_lets_the_weights_go() -> None:
    net = model()
    strategy = GradientWidth(net, 10.0)
    optimiser = torch.optim.AdamW(strategy.parameter_groups(lr=0.1))
    weight = net[0].weight.detach().clone()
    strategy.start_epoch(0, cold_start_epochs=1)
    step(net, strategy, optimiser)
    strategy.end_epoch()
    assert net[1].beta.item() == 1.0
    assert not torch.equal(net[0].weight, weight)
    assert not strategy.settled
    strategy.start_epoch(1, cold_start_epochs=1)
    step(net, strategy, optimiser)
    assert net[1].beta.item() < 1.0


def test_no_price_closes_a_mask_altogether() -> None:
    net = model()
    strategy = GradientWidth(net, 1e3)
    optimiser = torch.optim.AdamW(strategy.parameter_groups(lr=1.0))
    strategy.start_epoch(0)
    for _ in range(20):
        step(net, strategy, optimiser)
        assert net[1].n_active >= 1
        assert net[3].n_active >= 2
    row = strategy.end_epoch()
    assert row["n_active"] == 3
    assert (row["n_active.1"], row["n_active.3"]) == (1, 2)
    assert row["beta.1"] == pytest.approx(net[1].beta.item())
    assert strategy.trajectory == [row]


def test_settled_is_false_while_beta_drifts_and_true_when_it_stands() -> None:
    net = model()
    strategy = GradientWidth(net, 0.0)
    seen = []
    for move in (0.0, -0.5, -0.06, -0.06, 0.0):  # the threshold is 2 % of 5
        strategy.start_epoch(0)
        with torch.no_grad():
            net[1].beta += move
        strategy.end_epoch()
        seen.append(strategy.settled)
    assert seen == [True, False, True, False, True]


def test_a_model_without_masks_or_a_bad_price_is_refused() -> None:
    with pytest.raises(InputError, match="no DAM"):
        GradientWidth(nn.Linear(2, 2), 0.1)
    with pytest.raises(InputError, match="price"):
        GradientWidth(model(), -1.0)
