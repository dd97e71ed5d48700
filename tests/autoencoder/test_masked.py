"""Networks whose width a mask decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from damrep import DAMAutoencoder
from damrep.autoencoder.goal import Price
from damrep.autoencoder.linear import principal_axes, projection_losses
from damrep.autoencoder.masked import NetworkFit, _renew, fit_masked, learn_width
from damrep.autoencoder.masked_network import MaskedNetwork
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_losses
from damrep.autoencoder.rows import Rows, measure_columns
from damrep.masking.dam import DAM
from damrep.training import TrainingOptions, local_seed
from tests.autoencoder.samples import curved, low_rank

TABLE = curved()
OPTIONS = TrainingOptions(max_epochs=60, lr=5e-3, device="cpu", seed=0)
PRICE = Price(0.01)


def parts() -> tuple[Rows, Rows]:
    rows = Rows(TABLE, *measure_columns(TABLE))
    return rows.part(np.arange(500)), rows.part(np.arange(500, 600))


def fresh(width: int = 8) -> AutoencoderNetwork:
    with local_seed(0):
        made = AutoencoderNetwork(8, (16,), width)
    made.start_linear(principal_axes(parts()[0], width, seed=0))
    return made


def learn(
    options: TrainingOptions = OPTIONS, linear_cost: float = 0.1, search: bool = False
) -> NetworkFit:
    rows, held_out = parts()
    axes = principal_axes(rows, 8, seed=0)
    return learn_width(fresh, rows, held_out, 50, PRICE, linear_cost, axes, options, search)


def test_it_finds_fewer_codes_than_pca_needs_at_a_tenth_more_steps() -> None:
    rows, held_out = parts()
    found = learn()
    pca = projection_losses(held_out, principal_axes(rows, 8, seed=0))
    best = min(loss + 0.01 * m for m, loss in enumerate(pca, start=1))
    assert found.loss + 0.01 * found.network.width < 0.8 * best
    assert found.steps == 66 * 10 and len(found.history["epoch"]) == 66
    assert found.network.width == sum(gate > 0 for gate in found.gate)
    dims, losses = np.array(found.curve).T
    assert dims.tolist() == list(range(1, 9)) and (np.diff(losses) <= 0).all()
    assert found.loss == prefix_losses(found.network, held_out, [found.network.width])[0]
    assert found.details["begins"] == "from one dimension"
    assert max(found.history["price_factor"]) == 100 and found.history["price_factor"][-1] == 1


def test_the_mask_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left where it starts it cuts nothing; and all training goes through it."""
    calls = []
    forward = DAM.forward
    monkeypatch.setattr(DAM, "forward", lambda self, x: calls.append(1) or forward(self, x))
    options = TrainingOptions(max_epochs=5, lr=5e-3, device="cpu", seed=0)
    assert learn(options).network.width < 8 and len(calls) >= 60
    monkeypatch.setattr(DAM, "set_width", lambda self, m: None)
    assert learn(options).network.width == 8


def test_where_narrow_widths_promise_nothing_it_goes_on_from_pca() -> None:
    found = learn(linear_cost=1e-9)
    assert found.details["begins"] == "from PCA"
    assert found.network.width >= 1 and found.history["price_factor"][-1] == 1


def test_a_way_that_is_far_behind_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps go to the other one."""
    monkeypatch.setattr("damrep.autoencoder.masked._HOPELESS", 0.0)
    found = learn()
    assert found.details["begins"] == "from PCA"
    stages = found.history["stage"]
    assert [stages.count(name) for name in dict.fromkeys(stages)] == [7, 8, 66 - 7 - 8]
    assert found.steps == 660 and found.history["n_active"][-1] == found.network.width


@pytest.mark.parametrize(("told", "width"), [(0.0, 2), (0.4, 1)])
def test_a_curve_that_pca_tells_in_full_is_told_by_fewer_codes(
    monkeypatch: pytest.MonkeyPatch, told: float, width: int
) -> None:
    """From PCA on nothing is lost, so that nothing asks for fewer but to try them alone."""
    monkeypatch.setattr("damrep.autoencoder.masked._TOLD", told)
    t = np.random.default_rng(0).uniform(0, 1.5 * np.pi, 600)
    turn = np.stack([np.cos(t), np.sin(t), t / 2], axis=1).astype(np.float32)
    rows = Rows(turn, *measure_columns(turn))
    fitted, held_out = rows.part(np.arange(500)), rows.part(np.arange(500, 600))
    axes = principal_axes(fitted, 3, seed=0)

    def straight() -> AutoencoderNetwork:
        with local_seed(0):
            made = AutoencoderNetwork(3, (32,), 3)
        made.start_linear(axes)
        return made

    found = learn_width(straight, fitted, held_out, 50, PRICE, 1e-9, axes, OPTIONS)
    assert found.network.width == width and found.loss < 2e-3


def test_a_search_trains_all_widths_alike() -> None:
    found = learn(search=True)
    assert "begins" not in found.details and found.steps == 66 * 10
    history = found.history
    drawn = [row for row in zip(history["narrowest_drawn"], history["widest_drawn"], strict=True)]
    settled = found.network.width
    assert drawn[0] == (1, 8) and drawn[-1] == (settled, settled)
    # The mask stands open until the curve has its best point.
    assert history["n_active"][0] == 8 and history["n_active"][-1] == settled


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_on_a_linear_table_it_comes_to_the_width_of_the_closed_form(scale: float) -> None:
    """From random weights, by a mask alone, to where PCA's exact curve has its best point."""
    table = scale * low_rank(rank=3, noise=0.1)
    closed = DAMAutoencoder(hidden=(), random_state=0).fit(table)
    assert closed.report_.strategy == "closed form" and closed.report_.gate == []
    rows = Rows(table, *measure_columns(table), torch.float32)
    fitted, held_out = rows.part(np.arange(30, len(table))), rows.part(np.arange(30))

    def at_random() -> AutoencoderNetwork:
        with local_seed(0):
            return AutoencoderNetwork(table.shape[1], (), 8)

    options = TrainingOptions(max_epochs=150, lr=1e-2, device="cpu", seed=0)
    axes = principal_axes(fitted, 8, seed=0)
    found = learn_width(at_random, fitted, held_out, 30, Price(1e-3), None, axes, options)
    assert found.network.width == closed.n_components_
    assert found.loss == pytest.approx(closed.report_.loss, abs=0.02)


def test_a_budget_is_trained_at_that_width() -> None:
    rows, held_out = parts()
    found = fit_masked(fresh(3), rows, held_out, 50, OPTIONS)
    assert found.network.width == 3 and found.steps == 600
    assert found.curve[-1][1] == pytest.approx(found.loss)
    assert found.loss < projection_losses(held_out, principal_axes(rows, 3, seed=0))[-1]


def test_folded_it_is_the_same_function() -> None:
    masked = MaskedNetwork(fresh())
    assert masked.log_gain is not None
    with torch.no_grad():
        masked.log_gain.fill_(0.7)
        for parameter in masked.network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    masked.mask.set_width(3)
    x = next(iter(parts()[0].blocks()))[:20]
    small = masked.fold()
    assert small.width == 3
    torch.testing.assert_close(small(x), masked.eval()(x), rtol=1e-5, atol=1e-5)


def test_the_factor_listens_to_rows_held_out_alone() -> None:
    """With rows held out that are told best by PCA it stays where it began."""
    rows, _ = parts()
    flat = np.concatenate([TABLE[:500], TABLE[:500].mean(axis=0) + np.zeros((100, 8))])
    straight = Rows(flat.astype(np.float32), rows.mean, rows.scale).part(np.arange(500, 600))
    bent = fit_masked(fresh(3), *parts(), 50, OPTIONS).history["gain"][-1]
    stays = fit_masked(fresh(3), rows, straight, 50, OPTIONS).history["gain"][-1]
    assert stays < bent and bent > 1.5


def test_closed_codes_are_the_best_linear_ones_for_what_is_left() -> None:
    rows, _ = parts()
    axes = principal_axes(rows, 8, seed=0)
    masked = MaskedNetwork(fresh())
    with torch.no_grad():
        for parameter in masked.network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    before = prefix_losses(masked.network, rows, [2])
    _renew(masked, 2, rows, axes)
    after = prefix_losses(masked.network, rows, range(1, 9))
    assert after[1] == pytest.approx(before[0])
    assert (np.diff(after[1:]) <= 1e-6).all()
    x = torch.cat(list(rows.blocks())).double()
    left = x - masked.network(x.float(), 2).double()
    told = x @ torch.linalg.lstsq(x, left).solution
    gone = torch.linalg.svdvals(told).square().cumsum(0) / x.square().sum()
    assert after[2:6] == pytest.approx([before[0] - float(g) for g in gone[:4]], abs=2e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"linear_path": False},
        {"n_components": 2},
        {"n_components": 0.9},
        {"precision": "64-true"},
        {"precision": "bf16-true"},
    ],
)
def test_of_an_estimator(changes: dict[str, Any]) -> None:
    quick = {"hidden": (16,), "max_epochs": 20, "batch_size": 64, "lr": 5e-3, "random_state": 0}
    model = DAMAutoencoder(strategy="mask", device="cpu", **quick, **changes).fit(TABLE)
    assert 1 <= model.n_components_ <= 8 and model.score(TABLE) > 0.5
    open_units = sum(gate > 0 for gate in model.report_.gate)
    assert open_units == (0 if "n_components" in changes else model.n_components_) or (
        changes.get("n_components") == 0.9 and open_units == model.n_components_
    )
