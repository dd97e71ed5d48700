from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from damrep.masking.rotation import rotate_, rotate_latent
from damrep.masking.validation import InputError
from damrep.training.seeding import local_seed


def layers(seed: int, d_in: int, n: int, d_out: int) -> tuple[nn.Linear, nn.Linear]:
    with local_seed(seed):
        return nn.Linear(d_in, n), nn.Linear(n, d_out)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 12),
    st.booleans(),
    st.booleans(),
)
def test_the_function_stays_the_same_also_off_the_data(
    seed: int, d_in: int, n: int, d_out: int, ascending: bool, centred: bool
) -> None:
    # d_in < n makes the second moment rank deficient
    encoder, decoder = layers(seed, d_in, n, d_out)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(40, d_in, generator=generator)
    elsewhere = 3 * torch.randn(40, d_in, generator=generator) + 1
    with torch.no_grad():
        z = encoder(x)
        before = decoder(encoder(elsewhere))
        rotate_(
            encoder, decoder, z.T @ z / len(z), ascending, mean=z.mean(dim=0) if centred else None
        )
        after = decoder(encoder(elsewhere))
    assert (after - before).abs().max() <= 1e-5 * before.abs().max().clamp(min=1.0)


def test_a_rank_deficient_second_moment_leaves_off_data_codes_alone() -> None:
    # The data uses one direction of three; codes in the other two must decode as before.
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    direction = torch.tensor([1.0, 2.0, 0.0])
    found = rotate_latent(weight, torch.outer(direction, direction))
    assert torch.allclose(found.decoder_weight @ found.transform, weight, atol=1e-5)
    assert (found.variance[:2] < 1e-6 * found.variance[2]).all()


def test_the_carried_variance_is_ordered_and_adds_up() -> None:
    encoder, decoder = layers(3, 10, 6, 8)
    x = torch.randn(200, 10, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        z = encoder(x)
        whole = (z @ decoder.weight.T).square().sum(dim=1).mean()
        carried = rotate_(encoder, decoder, z.T @ z / len(z))
        u = encoder(x)
        measured = u.square().mean(dim=0) * decoder.weight.square().sum(dim=0)
    assert (carried.diff() >= 0).all()  # strongest last, as a mask closes from the front
    assert torch.allclose(carried, measured, rtol=1e-3)
    assert torch.allclose(carried.sum(), whole, rtol=1e-4)


def test_keeping_the_last_units_is_the_best_truncation_there_is() -> None:
    encoder, decoder = layers(4, 10, 6, 8)
    x = torch.randn(300, 10, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        z = encoder(x)
        target = z @ decoder.weight.T
        rotate_(encoder, decoder, z.T @ z / len(z))
        u = encoder(x)
        for m in (1, 2, 4):
            cut = u[:, -m:] @ decoder.weight[:, -m:].T
            best = torch.linalg.svdvals(target)[m:].square().sum()  # Eckart-Young
            assert torch.allclose((target - cut).square().sum(), best, rtol=1e-3)


def test_descending_puts_the_strongest_first() -> None:
    found = rotate_latent(torch.diag(torch.tensor([1.0, 3.0, 2.0])), torch.eye(3), ascending=False)
    assert found.variance.tolist() == pytest.approx([9.0, 4.0, 1.0])


def test_centring_spends_no_unit_on_a_constant() -> None:
    encoder, decoder = (layer.double() for layer in layers(5, 2, 4, 6))
    with torch.no_grad():
        encoder.bias.fill_(50.0)
    x = torch.randn(100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        z = encoder(x)
        carried = rotate_(encoder, decoder, z.T @ z / len(z), mean=z.mean(dim=0))
        assert encoder(x).mean(dim=0).abs().max() < 1e-6
    # Two varying directions go in, so no more than two can carry anything.
    assert carried[:2].sum() < 1e-4 * carried.sum()


def test_a_latent_that_carries_nothing_stays_finite() -> None:
    found = rotate_latent(torch.ones(2, 3), torch.zeros(3, 3))
    assert torch.isfinite(found.transform).all()
    assert found.variance.tolist() == [0.0, 0.0, 0.0]
    assert torch.allclose(found.decoder_weight @ found.transform, torch.ones(2, 3), atol=1e-5)


def test_misfits_are_named() -> None:
    with pytest.raises(InputError, match=r"second_moment must have shape \(3, 3\)"):
        rotate_latent(torch.ones(2, 3), torch.eye(2))
    with pytest.raises(InputError, match="finite"):
        rotate_latent(torch.full((2, 3), torch.nan), torch.eye(3))
    with pytest.raises(InputError, match="4 outputs are not the decoder's 3 inputs"):
        rotate_(nn.Linear(2, 4), nn.Linear(3, 2), torch.eye(4))
    with pytest.raises(InputError, match="bias"):
        rotate_(nn.Linear(2, 3, bias=False), nn.Linear(3, 2), torch.eye(3), mean=torch.zeros(3))
    with pytest.raises(InputError, match="encoder must be a linear layer"):
        rotate_(nn.ReLU(), nn.Linear(3, 2), torch.eye(3))
