from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from damrep.autoencoder.gated import GatedNetwork
from damrep.autoencoder.gradient import (
    Batches,
    GradientFit,
    _Priced,
    _Reconstruction,
    train_by_gradient,
)
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.masking import InputError, beta_for_width
from damrep.training import TrainingOptions, local_seed

OPTIONS = TrainingOptions(max_epochs=200, lr=5e-3, device="cpu", seed=0)


def linear_rows(rank: int, scale: float = 1.0, columns: int = 30) -> tuple[Tensor, float]:
    """The paper's X = Z W, over one number; and its mean variance before that."""
    draw = torch.Generator().manual_seed(rank)
    x = torch.randn(600, rank, generator=draw) @ torch.randn(rank, columns, generator=draw) * scale
    x = x - x.mean(dim=0)
    variance = float(x.square().mean())
    return x / variance**0.5, variance


def batches_of(x: Tensor, size: int) -> tuple[Batches, int]:
    def batches(generator: torch.Generator) -> Iterable[Tensor]:
        yield from x[torch.randperm(len(x), generator=generator)].split(size)

    return batches, len(x) // size


def network(columns: int = 30, hidden: tuple[int, ...] = (), width: int = 20) -> AutoencoderNetwork:
    with local_seed(3):
        return AutoencoderNetwork(columns, hidden, width)


def fit(x: Tensor, **keywords: object) -> GradientFit:
    batches, count = batches_of(x, 200)
    chosen = {"price": 1e-3} | keywords if "paper_lambda" not in keywords else keywords
    options = chosen.pop("options", OPTIONS)
    model = chosen.pop("network", None) or network()
    return train_by_gradient(model, batches, count, options, **chosen)


@pytest.mark.parametrize("rank", [1, 4, 12])
def test_the_rank_of_linear_data_is_found_at_any_scale(rank: int) -> None:
    for scale in (1.0, 10.0):
        x, _ = linear_rows(rank, scale)
        found = fit(x[100:], held_out=x[:100])
        assert found.width == rank == found.network.width
        assert found.loss < 1e-3
        # Empty units may still be open; their gates are known, and they are cut.
        assert sum(gate > 0 for gate in found.gate) >= rank and len(found.gate) == 20


def test_the_codes_are_in_order_and_the_curve_says_what_each_prefix_costs() -> None:
    draw = torch.Generator().manual_seed(0)
    spectrum = torch.tensor([4.0, 2.0, 1.0, 0.5] + [0.01] * 26)
    x = torch.randn(600, 30, generator=draw) * spectrum
    x = x - x.mean(dim=0)
    found = fit(x / x.square().mean().sqrt(), price=5e-3)
    assert found.width == 4
    losses = [loss for _, loss in found.curve]
    assert [m for m, _ in found.curve] == list(range(1, len(losses) + 1))
    shares = spectrum.square() / spectrum.square().sum()
    # One code keeps the first column: 1 - 16 / 21.25.
    assert losses[0] == pytest.approx(1 - float(shares[0]), abs=0.04)
    assert losses[3] < 0.05 and all(b <= a + 1e-6 for a, b in zip(losses, losses[1:], strict=False))


def test_a_dearer_dimension_is_not_bought() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(600, 30, generator=draw) * torch.tensor([3.0, 3.0, 0.3, 0.3] + [0.01] * 26)
    x = x - x.mean(dim=0)
    x = x / x.square().mean().sqrt()
    # The weak two earn half a per cent each.
    assert fit(x, price=1e-3).width == 4
    assert fit(x, price=2e-2).width == 2


def test_the_same_seed_gives_the_same_and_the_global_generator_is_left_alone() -> None:
    x, _ = linear_rows(3)
    before = torch.get_rng_state()
    short = replace(OPTIONS, max_epochs=20)
    one, two = (fit(x, options=short) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.loss == two.loss and one.gate == two.gate


def test_history_counts_all_epochs_and_the_finish() -> None:
    x, _ = linear_rows(3)
    found = fit(x, options=replace(OPTIONS, max_epochs=10))
    assert found.history["epoch"] == list(range(10)) and found.steps == 30
    assert found.history["n_active"][-1] is None  # the last ones have no mask
    assert sorted(found.history["seconds"]) == found.history["seconds"]


def test_leaving_closed_units_out_gives_the_same_fit() -> None:
    x, _ = linear_rows(4)
    short = replace(OPTIONS, max_epochs=100)
    narrow, whole = (
        fit(x, network=network(width=80), options=short, narrow=on) for on in (True, False)
    )
    assert narrow.width == whole.width
    assert narrow.loss == pytest.approx(whole.loss, abs=1e-3)
    assert narrow.history["beta.mask"][30] == pytest.approx(whole.history["beta.mask"][30], abs=0.1)


def test_the_papers_way_depends_on_the_scale() -> None:
    x, _ = linear_rows(3)
    options = replace(OPTIONS, max_epochs=240)
    # The loss in its own units: for data of variance 1/3, as the paper's, and at a hundredth of
    # that scale, where lambda = .01 is more than any dimension earns.
    found = {
        scale: fit(x, paper_lambda=0.01, reference_loss=scale**2 / 3, options=options)
        for scale in (1.0, 0.01)
    }
    assert found[1.0].width == 3 and found[0.01].width == 1
    assert found[1.0].loss < 0.05 < 0.3 < found[0.01].loss
    assert found[1.0].steps == 720 and found[1.0].network.width == found[1.0].width
    assert found[1.0].curve == [[found[1.0].width, pytest.approx(found[1.0].loss)]]


def test_a_deep_network_is_fitted_by_the_same_code() -> None:
    x, _ = linear_rows(4)
    x = torch.tanh(x)
    x = x - x.mean(dim=0)
    x = x / x.square().mean().sqrt()
    found = fit(x, network=network(hidden=(24, 16)), options=replace(OPTIONS, max_epochs=120))
    assert 1 < found.width < 20
    assert found.loss < 0.35
    assert found.network.hidden == [24, 16]


def test_a_unit_that_earns_its_price_cannot_be_closed() -> None:
    x, _ = linear_rows(5)
    # A network that reconstructs: the projection on the five axes.
    perfect = network()
    perfect.start_linear(torch.linalg.svd(x, full_matrices=False)[2][:5])
    gated = GatedNetwork(perfect)
    batches, count = batches_of(x, 600)
    task = _Reconstruction(gated, batches, count, 1.0)
    strategy = _Priced(gated, 1e-3, task, torch.Generator())
    task.loss(x)
    strategy.align()
    with torch.no_grad():
        gated.mask.beta.fill_(-4.9)
    strategy.after_step()
    assert float(gated.mask.beta.detach()) == pytest.approx(beta_for_width(5, 20))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"price": None}, "price or paper_lambda"),
        ({"price": 0.1, "paper_lambda": 0.1}, "price or paper_lambda"),
        ({"price": -1.0}, "price must be"),
        ({"paper_lambda": -1.0}, "paper_lambda must be"),
    ],
)
def test_bad_settings_are_refused(keywords: dict[str, float], message: str) -> None:
    x, _ = linear_rows(2)
    batches, count = batches_of(x, 200)
    with pytest.raises(InputError, match=message):
        train_by_gradient(network(), batches, count, OPTIONS, **keywords)
