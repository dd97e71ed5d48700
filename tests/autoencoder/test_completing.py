"""Codes that a prefix lacks, guessed from those it has."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from damrep import DAMAutoencoder
from damrep.autoencoder.completing import complete_prefixes
from damrep.autoencoder.completion import Completion
from damrep.autoencoder.fitting import split_rows
from damrep.autoencoder.linear import principal_axes
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.prefixes import prefix_losses
from damrep.autoencoder.rows import Rows, measure_columns
from damrep.training import TrainingOptions, local_seed
from tests.autoencoder.samples import curved

TABLE = curved()
OPTIONS = TrainingOptions(max_epochs=20, lr=2e-3, device="cpu", seed=0)
QUICK = {"hidden": (16, 16), "max_epochs": 30, "batch_size": 64, "random_state": 0, "device": "cpu"}


def parts() -> tuple[Rows, Rows]:
    rows = Rows(TABLE, *measure_columns(TABLE))
    return rows.part(np.arange(500)), rows.part(np.arange(500, 600))


def network(width: int = 5) -> AutoencoderNetwork:
    """That needs all its codes: PCA, turned by a rotation."""
    with local_seed(0):
        made = AutoencoderNetwork(8, (16,), width)
        turn = torch.linalg.qr(torch.randn(width, width))[0]
    made.start_linear(principal_axes(parts()[0], width, seed=0))
    made.rotate(turn)
    return made


def test_given_codes_stay_and_the_others_are_guessed() -> None:
    with local_seed(0):
        completion = Completion(5, (16,))
    torch.nn.init.normal_(completion.layers[-1].weight)
    codes = torch.randn(7, 5)
    for m in range(1, 6):
        found = completion(codes[:, :m])
        assert found.shape == (7, 5) and torch.equal(found[:, :m], codes[:, :m])
        given = (torch.arange(5) < m).float().expand(7, 5)
        torch.testing.assert_close(found, completion.guess(codes, given))
    assert completion(codes[:0, :2]).shape == (0, 5)


def test_all_codes_tell_what_they_told_and_prefixes_more() -> None:
    rows, held_out = parts()
    before, after = network(), network()
    steps = complete_prefixes(after, rows, held_out, 50, OPTIONS)
    assert steps == 20 * 10
    x = next(iter(held_out.blocks()))
    with torch.no_grad():
        torch.testing.assert_close(after(x), before(x), rtol=1e-4, atol=1e-5)
        old, new = before.encode(x), after.encode(x)
    torch.testing.assert_close(torch.pdist(new), torch.pdist(old), rtol=1e-3, atol=1e-3)
    losses = prefix_losses(after, held_out, range(1, 6))
    plain = prefix_losses(before, held_out, range(1, 6))
    assert all(b < 0.9 * a for a, b in zip(plain[:3], losses[:3], strict=True))


def test_it_does_not_depend_on_anything_but_the_seed() -> None:
    rows, held_out = parts()
    found = []
    for _ in range(2):
        torch.manual_seed(len(found))
        made = network()
        complete_prefixes(made, rows, held_out, 50, OPTIONS)
        found.append(prefix_losses(made, held_out, range(1, 6)))
    assert found[0] == found[1]


def test_a_prefix_never_loses_more_than_a_shorter_one_or_the_mean() -> None:
    """Whatever the guesses are: here, nonsense on rows they were not fitted to."""
    rows, held_out = parts()
    noise = np.random.default_rng(0).normal(size=(40, 8)).astype(TABLE.dtype)
    other = Rows(noise, np.zeros(8), 1.0)
    with local_seed(0):
        made = AutoencoderNetwork(8, (16,), 5)
    complete_prefixes(made, rows, other, 50, OPTIONS)
    losses = prefix_losses(made, other, range(1, 5))
    assert max(losses) <= 1 and all(np.diff(losses) <= 0)
    assert made.completion is not None and made.completion.told != [1, 2, 3, 4]
    made.completion.told = [0, 0, 3, 3]
    assert prefix_losses(made, held_out, [1, 2]) == [1.0, 1.0]
    x = next(iter(held_out.blocks()))
    with torch.no_grad():
        torch.testing.assert_close(made(x, 4), made(x, 3))
        assert not made.decode(x[:0, :1]).numel() and not made(x, 2).any()


def test_one_code_has_no_prefix() -> None:
    rows, held_out = parts()
    made = network(1)
    before = copy.deepcopy(made.state_dict())
    assert complete_prefixes(made, rows, held_out, 50, OPTIONS) == 0
    assert made.completion is None
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strategy", ["mask", "search"])
def test_the_curve_is_of_what_prefixes_are_decoded_to(strategy: str, dtype: type) -> None:
    table = TABLE.astype(dtype)
    model = DAMAutoencoder(n_components=None, price=1e-3, strategy=strategy, **QUICK).fit(table)
    n = model.n_components_
    held = split_rows(len(table), 60, model.report_.seed)[1]
    codes, rows = model.transform(table)[held], table[held].astype(float)
    squares = np.square(rows - model.mean_).sum()
    told = [np.square(model.inverse_transform(codes[:, :m]) - rows).sum() for m in range(1, n + 1)]
    assert n > 2 and model.report_.details["steps of prefixes"] == 30 * 8
    np.testing.assert_allclose(model.prefix_curve_[:, 1], told / squares, rtol=1e-3, atol=1e-6)
    assert model.prefix_curve_[:, 1].max() <= 1 and (np.diff(model.prefix_curve_[:, 1]) <= 0).all()
    assert model.prefix_curve_[-1, 1] == pytest.approx(model.report_.loss, rel=1e-3)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    model = DAMAutoencoder(n_components=4, **QUICK).fit(TABLE)
    assert model._network.completion is not None
    model._network.completion.told = [0, 2, 2]
    model.save(tmp_path / "model")
    again = DAMAutoencoder.load(tmp_path / "model")
    codes = model.transform(TABLE)
    for m in range(1, 5):
        assert np.array_equal(
            again.inverse_transform(codes[:, :m]), model.inverse_transform(codes[:, :m])
        )


def test_a_linear_model_needs_none() -> None:
    model = DAMAutoencoder(**{**QUICK, "hidden": ()}).fit(TABLE)
    assert model._network.completion is None
    assert "steps of prefixes" not in model.report_.details
