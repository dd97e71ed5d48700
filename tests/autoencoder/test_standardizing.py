"""Columns on one scale: when it is worth a word, and that a saved model does not forget it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.standardizing import (
    KIND,
    load_standardized,
    range_note,
    save_standardized,
    standardize,
)
from damrep.masking.validation import InputError
from damrep.training.saving import saved_kind

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 6)) * [1, 10, 100, 1000, 1, 1] + 5


def fitted(values: object = X) -> Pipeline:
    scaler, scaled = standardize(values)
    model = DAMAutoencoder(hidden=(), random_state=0).fit(scaled)
    return Pipeline([("standardize", scaler), ("reduce", model)])


def test_every_column_has_unit_variance() -> None:
    scaler, values = standardize(X)
    np.testing.assert_allclose(values.std(axis=0), 1)
    np.testing.assert_allclose(scaler.inverse_transform(values), X)


def test_a_sparse_table_stays_sparse() -> None:
    values = sp.csr_array(np.where(np.abs(X) > 6, X, 0.0))
    _, scaled = standardize(values)
    assert sp.issparse(scaled) and scaled.nnz == values.nnz
    np.testing.assert_allclose(scaled.toarray().std(axis=0), 1)


@pytest.mark.parametrize("sparse", [False, True])
def test_saved_and_loaded(sparse: bool, tmp_path: Path) -> None:
    values = sp.csr_array(X) if sparse else X
    whole = fitted(values)
    for _ in range(2):  # the second replaces the first
        save_standardized(tmp_path / "model", whole)
    again = load_standardized(tmp_path / "model")
    assert again.transform(values).tobytes() == whole.transform(values).tobytes()
    assert isinstance(again[0], StandardScaler)
    np.testing.assert_array_equal(again[0].scale_, whole[0].scale_)
    assert saved_kind(tmp_path / "model") == KIND
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_is_inside_cannot_be_taken_for_the_whole(tmp_path: Path) -> None:
    save_standardized(tmp_path / "model", fitted())
    with pytest.raises(InputError, match=KIND):
        DAMAutoencoder.load(tmp_path / "model")
    whole = fitted()[-1]
    whole.save(tmp_path / "plain")
    with pytest.raises(InputError, match="expected a 'standardized-autoencoder'"):
        load_standardized(tmp_path / "plain")


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_standardized(path, fitted())
    config = json.loads((path / "config.json").read_text())
    config["config"].pop("rows")
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="damaged"):
        load_standardized(path)
    (path / "autoencoder" / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        load_standardized(path)


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
