"""Rows of a table, a few at a time."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from damrep.autoencoder.rows import Rows, block_rows, measure_columns
from damrep.masking.validation import InputError

TABLE = np.array([[1.0, 10.0, 5.0], [3.0, 30.0, 5.0], [5.0, 20.0, 5.0], [7.0, 40.0, 5.0]])


def test_mean_and_scale_by_hand() -> None:
    mean, scale = measure_columns(TABLE)
    np.testing.assert_allclose(mean, [4.0, 25.0, 5.0])
    assert scale == pytest.approx(np.sqrt((5.0 + 125.0 + 0.0) / 3))  # of the columns' variances


def test_only_the_rows_asked_for_are_measured() -> None:
    mean, scale = measure_columns(TABLE, np.array([0, 1]))
    np.testing.assert_allclose(mean, [2.0, 20.0, 5.0])
    assert scale == pytest.approx(np.sqrt(101.0 / 3))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.floats(1e-3, 1e3), st.integers(0, 100))
def test_rows_have_mean_zero_and_variance_one(
    count: int, columns: int, size: float, seed: int
) -> None:
    table = np.random.default_rng(seed).normal(size=(count + 1, columns)) * size
    mean, scale = measure_columns(table)
    x = torch.cat(list(Rows(table, mean, scale, torch.float64).blocks()))
    assert float(x.mean(dim=0).abs().max()) < 1e-9
    assert float(x.square().mean()) == pytest.approx(1.0)


def test_blocks_are_all_rows_in_order_however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(TABLE, np.zeros(3), 1.0, torch.float64)
    whole = torch.cat(list(rows.blocks()))
    monkeypatch.setattr("damrep.autoencoder.rows._BLOCK_VALUES", 3)
    assert block_rows(3) == 1 and len(list(rows.blocks())) == 4
    assert torch.equal(torch.cat(list(rows.blocks())), whole)
    assert torch.equal(whole, torch.from_numpy(TABLE))


def test_a_part_of_a_part_is_rows_of_the_table() -> None:
    rows = Rows(TABLE, np.zeros(3), 1.0, torch.float64)
    part = rows.part(np.array([3, 1, 0])).part(np.array([0, 2]))
    assert len(part) == 2
    assert part.take(np.array([0, 1]))[:, 0].tolist() == [1.0, 7.0]


def test_sparse_and_dense_rows_are_the_same() -> None:
    mean, scale = measure_columns(TABLE)
    again = measure_columns(sp.csr_array(TABLE))
    np.testing.assert_allclose(again[0], mean)
    assert again[1] == pytest.approx(scale)
    dense = Rows(TABLE, mean, scale).take(np.array([1, 2]))
    assert torch.equal(Rows(sp.csr_array(TABLE), mean, scale).take(np.array([1, 2])), dense)


def test_batches_are_a_shuffle_without_what_fills_no_batch() -> None:
    rows = Rows(np.arange(20.0).reshape(10, 2), np.zeros(2), 1.0)
    assert rows.num_batches(4) == 2
    batches = list(rows.batches(4, torch.Generator().manual_seed(0)))
    seen = torch.cat(batches)[:, 0].tolist()
    assert [len(batch) for batch in batches] == [4, 4] and len(set(seen)) == 8
    other = torch.cat(list(rows.batches(4, torch.Generator().manual_seed(1))))[:, 0].tolist()
    assert seen != other


def test_more_to_a_batch_than_rows_gives_all_rows() -> None:
    rows = Rows(TABLE, np.zeros(3), 1.0)
    (batch,) = rows.batches(100, torch.Generator().manual_seed(0))
    assert len(batch) == 4


def test_the_table_is_not_changed() -> None:
    table = TABLE.copy()
    table.setflags(write=False)
    Rows(table, np.ones(3), 2.0, torch.float64).take(slice(0, 4)).add_(1)
    np.testing.assert_array_equal(table, TABLE)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e12, 1 / 3])
def test_constant_columns_are_nothing_to_reduce(value: float) -> None:
    with pytest.raises(InputError, match="every column is constant"):
        measure_columns(np.full((50, 4), value))


def test_values_too_large_to_square() -> None:
    with pytest.raises(InputError, match="too large"):
        measure_columns(np.eye(3) * 1e200)
