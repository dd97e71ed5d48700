"""Tables that have lost rank: the width where it is sharp, however moments are rounded."""

from __future__ import annotations

import numpy as np
import pytest

from damrep import DAMAutoencoder
from tests.autoencoder.samples import low_rank
from tests.degenerate import Spoiling, spoilt
from tests.disturbing import disturb_moments

SPOILT = Spoiling(copied=(6, 4), emptied=(2, 1), constant=2)
WAYS = {
    "by the columns' moment": (60, 12),
    "by the rows' moment": (15, 80),
    "by subspace iteration": (30, 40),
}


@pytest.mark.parametrize("rounding", range(3))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_table_of_a_rank_has_that_many_dimensions(
    way: str, rounding: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, columns = WAYS[way]
    if way == "by subspace iteration":  # of large tables, so that no moment is of every column
        monkeypatch.setattr("damrep.autoencoder.linear._EXACT", 10)
    table = spoilt(low_rank(rows, columns, rank=3), Spoiling(scale=scale, dtype=np.float32))
    disturb_moments(monkeypatch, rounding)
    model = DAMAutoencoder(hidden=(), price=1e-6, device="cpu", random_state=0).fit(table)
    assert model.n_components_ == 3
    again = model.inverse_transform(model.transform(table))
    np.testing.assert_allclose(again, table, atol=1e-5 * np.abs(table).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_and_constants_add_no_dimension(dtype: type) -> None:
    table = SPOILT.dense(low_rank(60, 12, rank=3)).astype(dtype)
    model = DAMAutoencoder(hidden=(), price=1e-9, device="cpu", random_state=0).fit(table)
    # Where single precision rounds the rows another direction is worth less than 1e-9.
    assert model.n_components_ == np.linalg.matrix_rank(table - table.mean(axis=0), tol=1e-4)


def test_a_constant_column_far_larger_than_the_others_is_nothing() -> None:
    table = low_rank(60, 6, rank=2).astype(np.float64)
    model = DAMAutoencoder(hidden=(), device="cpu", random_state=0).fit(
        np.column_stack([table * 1e-9, np.full(60, 1e9 + 0.1)])
    )
    assert model.n_components_ == 2
