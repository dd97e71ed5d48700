"""The search over widths."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.autoencoder.goal import Price
from damrep.autoencoder.linear import principal_axes, projection_losses
from damrep.autoencoder.nested import (
    PrefixTask,
    _as_far_trained,
    fit_at_width,
    prefix_losses,
    search_nested,
)
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.rows import Rows, measure_columns
from damrep.training import TrainingOptions, local_seed
from tests.autoencoder.samples import curved

TABLE = curved()
OPTIONS = TrainingOptions(max_epochs=20, lr=5e-3, device="cpu", seed=0)


def parts() -> tuple[Rows, Rows]:
    rows = Rows(TABLE, *measure_columns(TABLE))
    return rows.part(np.arange(500)), rows.part(np.arange(500, 600))


def network(width: int = 8) -> AutoencoderNetwork:
    with local_seed(0):
        made = AutoencoderNetwork(8, (16,), width)
    made.start_linear(principal_axes(parts()[0], width, seed=0))
    return made


def test_prefix_losses_are_those_of_reconstruction() -> None:
    rows, _ = parts()
    made = network(4)
    x = torch.cat(list(rows.blocks()))
    for m, loss in zip((1, 3), prefix_losses(made, rows, (1, 3)), strict=True):
        left = (made(x, m) - x).square().sum() / x.square().sum()
        assert loss == pytest.approx(float(left.detach()), rel=1e-5)


def test_before_training_it_is_pca() -> None:
    rows, held_out = parts()
    axes = principal_axes(rows, 8, seed=0)
    wanted = projection_losses(held_out, axes)
    assert prefix_losses(network(), held_out, range(1, 9)) == pytest.approx(wanted, abs=1e-5)


def test_a_search_stays_within_one_and_a_half_fits_and_beats_pca() -> None:
    rows, held_out = parts()
    found = search_nested(network(), rows, held_out, 50, Price(0.01), 5, OPTIONS)
    assert found.steps <= 1.5 * 20 * 10
    assert len(found.history["epoch"]) * 10 == found.steps
    assert found.history["epoch"] == list(range(len(found.history["epoch"])))
    dims, losses = np.array(found.curve).T
    assert dims.tolist() == list(range(1, 9)) and (np.diff(losses) <= 0).all()
    pca = projection_losses(held_out, principal_axes(rows, 8, seed=0))
    width = found.network.width
    assert found.loss < pca[width - 1]
    assert found.loss == prefix_losses(found.network, held_out, [width])[0]
    assert all(p.device.type == "cpu" for p in found.network.parameters())


@pytest.mark.parametrize(("price", "width"), [(1.0, 1), (0.0, None)])
def test_prices_at_the_ends(price: float, width: int | None) -> None:
    rows, held_out = parts()
    options = TrainingOptions(max_epochs=4, lr=5e-3, device="cpu", seed=0)
    found = search_nested(network(), rows, held_out, 50, Price(price), 6, options)
    assert found.network.width == width if width else found.network.width >= 5


def test_a_budget_trains_at_that_width_only() -> None:
    rows, held_out = parts()
    found = fit_at_width(network(3), rows, held_out, 50, OPTIONS)
    assert found.network.width == 3 and found.steps == 200
    assert [m for m, _ in found.curve] == [1, 2, 3]
    assert found.curve[-1][1] == pytest.approx(found.loss)


def test_the_best_look_is_put_back() -> None:
    rows, held_out = parts()
    made = network(3)
    task = PrefixTask(made, rows, 50, lambda rng: 3, held_out)
    task.after_epoch({"epoch": 0})
    best = {name: value.clone() for name, value in made.state_dict().items()}
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(1.0)
    row = {"epoch": 1}
    task.after_epoch(row)
    assert row["held_out_loss"] > prefix_losses(network(3), held_out, [3])[0]
    task.restore()
    assert all(torch.equal(value, best[name]) for name, value in made.state_dict().items())


def test_the_curve_has_no_step_where_the_range_begins() -> None:
    early = {m: 0.8 ** (m - 1) for m in range(1, 9)}
    late = {m: early[m] / 4 for m in (5, 6, 7)}
    curve = _as_far_trained(early, late)
    assert [curve[m] for m in (5, 6, 7)] == [late[m] for m in (5, 6, 7)]
    assert curve[1] == 1.0 and curve[8] == early[8]
    # A quarter at width 5, so a factor of the fourth root of a quarter for each code up to there.
    assert curve[3] == pytest.approx(early[3] / 2)
    steps = -np.diff([curve[m] for m in range(1, 8)])
    assert (steps > 0).all() and (np.diff(steps) < 0).all()
