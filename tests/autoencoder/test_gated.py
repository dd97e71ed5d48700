from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from damrep.autoencoder.gated import GatedNetwork
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.masking import InputError
from damrep.training import local_seed


def made(hidden: tuple[int, ...], width: int = 6, columns: int = 9) -> AutoencoderNetwork:
    with local_seed(0):
        return AutoencoderNetwork(columns, hidden, width).double()


def rows(count: int = 80, columns: int = 9) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(count, columns, generator=draw, dtype=torch.float64) + 0.3


@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_with_gates_at_one_it_is_the_network(hidden: tuple[int, ...]) -> None:
    network = made(hidden)
    gated = GatedNetwork(network)
    with torch.no_grad():
        gated.mask.beta.fill_(50.0)
    assert torch.allclose(gated(rows()), network(rows()))


@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_the_cut_network_computes_the_same_strongest_first(hidden: tuple[int, ...]) -> None:
    gated = GatedNetwork(made(hidden))
    gated.mask.set_width(3)
    small = gated.to_network(3)
    assert isinstance(small, AutoencoderNetwork) and small.width == 3
    assert torch.allclose(small(rows()), gated(rows()))
    # The first code is that of the last unit.
    half = gated.mask.gate()[-1].double().sqrt()
    assert torch.allclose(small.encode(rows())[:, 0], half * gated.codes(rows())[:, -1])


@pytest.mark.parametrize("width", [130, 64, 3])
def test_leaving_closed_units_out_changes_nothing_but_the_work(width: int) -> None:
    network = made((5,), width=width)
    whole, narrow = GatedNetwork(network, narrow=False), GatedNetwork(network)
    x = rows()
    for gated in (whole, narrow):
        gated.mask.set_width(2)
        gated.narrow_down()
        gated(x).square().mean().backward()
    assert (whole.first, narrow.first) == (0, width - 2)
    assert torch.allclose(whole(x), narrow(x))
    for before, after in zip(whole.into.blocks, narrow.into.blocks, strict=True):
        if after.grad is None:  # a block of closed units: nothing for the optimiser to do
            assert not before.grad.any()
        else:
            assert torch.allclose(before.grad, after.grad)
    skipped = [block.grad is None for block in narrow.out.blocks]
    assert skipped == [True] * (len(skipped) - 1) + [False]


def test_a_unit_that_opens_again_has_its_weights() -> None:
    gated = GatedNetwork(made(()))
    gated.mask.set_width(5)
    before = gated(rows())
    gated.mask.set_width(2)
    gated.narrow_down()
    gated.mask.set_width(5)
    gated.narrow_down()
    assert torch.allclose(gated(rows()), before)


@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_alignment_keeps_the_function_and_sorts_the_units(hidden: tuple[int, ...]) -> None:
    gated = GatedNetwork(made(hidden))
    gated.mask.set_width(4)
    gated.narrow_down()
    x = rows()
    before = gated(x)
    shares = gated.align(x, torch.Generator().manual_seed(0))
    assert gated.first == 2
    assert torch.allclose(gated(x), before, atol=1e-8)
    assert len(shares) == 4 and bool((shares.diff() >= 0).all())
    codes = gated.codes(x)
    assert torch.allclose(codes.mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-8)
    within = codes.T @ codes
    assert torch.allclose(within, torch.diag(torch.diagonal(within)), atol=1e-6)


def test_shares_of_a_linear_network_are_what_closing_a_unit_loses() -> None:
    # An orthogonal projection on the axes: unit j carries the variance of column j.
    network = AutoencoderNetwork(3, (), 3).double()
    network.start_linear(torch.eye(3, dtype=torch.float64))
    gated = GatedNetwork(network)
    with torch.no_grad():
        gated.mask.beta.fill_(50.0)
    x = torch.tensor([[3.0, 0, 0], [-3, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 1], [0, 0, -1]])
    shares = gated.align(x.double(), torch.Generator())
    # Variances 18/6, 8/6, 2/6 over three columns.
    assert shares.tolist() == pytest.approx([1 / 9, 4 / 9, 1.0])


def test_alignment_scales_no_unit_beyond_reason() -> None:
    gated = GatedNetwork(made(()))
    with torch.no_grad():
        # The lowest open unit's gate is 1e-6.
        gated.mask.beta.fill_(1e-6 - float(gated.mask.mu[2]))
    largest = max(float(block.detach().abs().max()) for block in gated.into.blocks)
    gated.align(rows(), torch.Generator())
    assert max(float(block.detach().abs().max()) for block in gated.into.blocks) < 50 * largest


def test_the_network_given_is_left_alone() -> None:
    network = made((5,))
    before = copy.deepcopy(network.state_dict())
    gated = GatedNetwork(network)
    gated(rows()).square().mean().backward()
    gated.align(rows(), torch.Generator())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_layers_without_bias_are_refused() -> None:
    network = made(())
    network.encoder[-1] = nn.Linear(9, 6, bias=False)
    with pytest.raises(InputError, match="bias"):
        GatedNetwork(network)
