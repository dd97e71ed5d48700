"""Principal axes, three ways to the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from damrep.autoencoder.linear import principal_axes, projection_losses
from damrep.autoencoder.rows import Rows, measure_columns
from tests.autoencoder.samples import low_rank


def rows_of(table: np.ndarray) -> Rows:
    mean, _ = measure_columns(table)
    return Rows(table.astype(np.float64), mean, 1.0, torch.float64)


@pytest.mark.parametrize(("rows", "columns"), [(200, 12), (20, 90)])
def test_they_are_scikit_learns(rows: int, columns: int) -> None:
    table = low_rank(rows, columns, rank=6, noise=0.1)
    axes = principal_axes(rows_of(table), 5, seed=0).numpy()
    wanted = PCA(5, svd_solver="full").fit(table.astype(np.float64)).components_
    np.testing.assert_allclose(np.abs(axes @ wanted.T), np.eye(5), atol=1e-6)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-9)


def test_a_table_long_both_ways_comes_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(low_rank(150, 80, rank=10, noise=0.05))
    exact = principal_axes(rows, 6, seed=0)
    monkeypatch.setattr("damrep.autoencoder.linear._EXACT", 10)
    torch.testing.assert_close(principal_axes(rows, 6, seed=0), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("limit", [3000, 5])
def test_no_axes_for_what_does_not_vary(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("damrep.autoencoder.linear._EXACT", limit)
    assert principal_axes(rows_of(low_rank(60, 20, rank=3)), 12, seed=0).shape == (3, 20)
    assert principal_axes(rows_of(low_rank(8, 60, rank=3)), 12, seed=0).shape == (3, 60)


def test_the_share_left_over_by_hand() -> None:
    rows = Rows(np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]), np.zeros(3), 1.0, torch.float64)
    # Squares: 4 in the first column, 2 in the second, 4 in the third.
    losses = projection_losses(rows, torch.eye(3, dtype=torch.float64))
    assert losses == pytest.approx([0.6, 0.4, 0.0])


def test_losses_are_those_of_reconstruction() -> None:
    table = low_rank(noise=0.3)
    rows = rows_of(table)
    axes = principal_axes(rows, 7, seed=0)
    x = torch.cat(list(rows.blocks()))
    for m, loss in enumerate(projection_losses(rows, axes), start=1):
        left = x - x @ axes[:m].T @ axes[:m]
        assert loss == pytest.approx(float(left.square().sum() / x.square().sum()), abs=1e-9)


def test_nothing_held_out_that_varies() -> None:
    rows = Rows(np.zeros((2, 3)), np.zeros(3), 1.0, torch.float64)
    assert projection_losses(rows, torch.eye(3, dtype=torch.float64)) == [0.0, 0.0, 0.0]
