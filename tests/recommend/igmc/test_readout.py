"""Columns dropped one by one: losses are those of least squares, order is of worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.recommend.igmc.readout import eliminate


def columns(rows: int = 400) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(0))


def test_columns_come_in_order_of_what_they_tell() -> None:
    x = columns()
    y = x @ torch.tensor([0.0, 3.0, 1.0, 0.0, 2.0, 0.5])
    found = eliminate(x, y, x, y)
    assert found.order[:4].tolist() == [1, 4, 2, 5]
    assert (np.diff(found.losses) <= 1e-6).all()


def test_the_loss_at_each_width_is_that_of_its_least_squares_fit() -> None:
    x = columns()
    noise = torch.randn(400, generator=torch.Generator().manual_seed(1))
    y = x @ torch.tensor([1.0, 3.0, 1.0, -1.0, 2.0, 0.5]) + noise
    found = eliminate(x[:300], y[:300], x[300:], y[300:])
    for width in range(1, 7):
        some = found.order[:width]
        design = torch.cat([x[:300, some], torch.ones(300, 1)], dim=1).double()
        fit = torch.linalg.lstsq(design, y[:300, None].double()).solution.squeeze(1)
        told = x[300:, some].double() @ fit[:-1] + fit[-1]
        wanted = float((told - y[300:]).square().mean())
        assert found.losses[width] == pytest.approx(wanted, rel=0.02)
        told = x[300:, some].double() @ found.weights[width] + found.biases[width]
        assert float((told - y[300:]).square().mean()) == pytest.approx(found.losses[width])


def test_empty_and_repeated_columns_are_not_counted_twice() -> None:
    x = columns()
    x[:, 2], x[:, 3], x[:, 4] = 0.0, 7.0, x[:, 0]
    y = x[:, 0] + x[:, 1]
    found = eliminate(x, y, x, y)
    assert set(found.order.tolist()) == {0, 1, 4, 5}
    assert found.losses[2] == pytest.approx(0.0, abs=1e-4)
    assert found.earned[:2].min() > 0.5 and found.earned[2:].max() < 1e-3


def test_nothing_carries_anything() -> None:
    found = eliminate(torch.zeros(10, 3), torch.arange(10.0), torch.zeros(5, 3), torch.zeros(5))
    assert len(found.order) == 0 and len(found.losses) == 1
    assert found.biases == [4.5]
