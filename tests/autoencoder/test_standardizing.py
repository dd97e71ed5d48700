"""Columns on one scale, and when that is worth a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from damrep.autoencoder.standardizing import range_note, standardize

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 6)) * [1, 10, 100, 1000, 1, 1] + 5


def test_every_column_has_unit_variance() -> None:
    scaler, values = standardize(X)
    np.testing.assert_allclose(values.std(axis=0), 1)
    np.testing.assert_allclose(scaler.inverse_transform(values), X)


def test_a_sparse_table_stays_sparse() -> None:
    values = sp.csr_array(np.where(np.abs(X) > 6, X, 0.0))
    _, scaled = standardize(values)
    assert sp.issparse(scaled) and scaled.nnz == values.nnz
    np.testing.assert_allclose(scaled.toarray().std(axis=0), 1)


def test_a_word_where_ranges_differ_by_more_than_a_hundred() -> None:
    values = np.array([[0.0, 0.0, 7.0], [1.0, 100.0, 7.0]])
    assert range_note(values) is None
    values[1, 1] = 101
    said = "columns differ in scale: the range of 2 is 101 times that of 1 and counts for more"
    assert range_note(values) == said
    assert range_note(sp.csr_array(values)) == said
    assert range_note(values.astype(np.float32)) == said
    named = range_note(values, ["a", "b", "c"])
    assert named is not None and "'b' is 101 times that of 'a'" in named
    # A vector column has one name for all of its numbers.
    assert range_note(values, ["embedding"]) == said


def test_no_word_where_nothing_varies_or_one_column_does() -> None:
    assert range_note(np.ones((3, 2))) is None
    assert range_note(np.array([[1.0, 5.0], [900.0, 5.0]])) is None


def test_a_memory_map_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.normal(size=(50, 3)) * [1, 1, 1e5]
    np.save(tmp_path / "t.npy", values)
    whole = range_note(values)
    monkeypatch.setattr("damrep.autoencoder.standardizing._BLOCK", 12)
    assert range_note(np.load(tmp_path / "t.npy", mmap_mode="r")) == whole
