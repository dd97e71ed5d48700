"""The network: prefixes, cutting, the linear path."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.autoencoder.network import ACTIVATIONS, AutoencoderNetwork

X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_layers_are_mirrored(activation: str) -> None:
    network = AutoencoderNetwork(6, (9, 7), 4, activation)
    widths = [p.shape[0] for p in network.decoder.parameters() if p.dim() == 2]
    assert (network.columns, network.hidden, network.width) == (6, [9, 7], 4)
    assert widths == [7, 9, 6]
    assert network(X).shape == X.shape


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([(), (8,), (8, 5)]), st.booleans(), st.integers(1, 4))
def test_cut_is_the_same_as_the_first_codes(hidden: tuple[int, ...], path: bool, m: int) -> None:
    network = AutoencoderNetwork(6, hidden, 4, linear_path=path)
    small = network.cut(m)
    assert small.width == m
    torch.testing.assert_close(small.encode(X), network.encode(X)[:, :m])
    torch.testing.assert_close(small(X), network(X, m))
    # Codes that are left out count as 0.
    codes = network.encode(X).clone()
    codes[:, m:] = 0
    torch.testing.assert_close(small(X), network.decode(codes))


def test_cutting_leaves_the_network_alone() -> None:
    network = AutoencoderNetwork(6, (8,), 4)
    before = network(X)
    with torch.no_grad():
        for parameter in network.cut(2).parameters():
            parameter.zero_()
    assert torch.equal(network(X), before)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_it_starts_as_the_projection_on_the_axes(hidden: tuple[int, ...]) -> None:
    axes = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0][:3]
    network = AutoencoderNetwork(6, hidden, 4)
    network.start_linear(axes)
    torch.testing.assert_close(network(X), X @ axes.T @ axes)
    torch.testing.assert_close(network(X, 2), X @ axes[:2].T @ axes[:2])


def test_all_of_it_can_still_be_learned() -> None:
    network = AutoencoderNetwork(6, (8,), 3)
    network.start_linear(torch.eye(6)[:3])
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (network(X) - X).square().mean().backward()
        optimiser.step()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def test_without_a_linear_path_there_is_nothing_to_start_from() -> None:
    network = AutoencoderNetwork(6, (8,), 4, linear_path=False)
    assert network.linear_encoder is None and network.linear_decoder is None
    with pytest.raises(ValueError, match="linear path"):
        network.start_linear(torch.eye(6)[:3])
