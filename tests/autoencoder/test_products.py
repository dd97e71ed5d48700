"""Products with a table's rows: the same, dense or sparse, and sparse rows are not made dense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from damrep import DAMAutoencoder
from damrep.autoencoder import products, rows
from damrep.autoencoder.cosine import UnitRows
from damrep.autoencoder.linear import principal_axes
from damrep.autoencoder.products import (
    column_moment,
    combined,
    encoded,
    moment_times,
    projected,
    projected_squares,
    row_moment,
)
from damrep.autoencoder.rows import Rows, measure_columns

KINDS = (Rows, UnitRows)


def pair(kind: type[Rows], seed: int, shift: float = 0.0) -> tuple[Rows, Rows]:
    """The same part of a table, kept dense and sparse."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(17, 9)) * (rng.random((17, 9)) < 0.3)
    table[3] = 0.0
    table[:, 4] += shift
    indices = np.sort(rng.permutation(17)[:13])
    mean, scale = (np.zeros(9), 1.0) if kind is UnitRows else measure_columns(table, indices)
    dense, sparse = (
        kind(values, mean, scale, torch.float64, indices)
        for values in (table, sp.csr_matrix(table))
    )
    return dense, sparse


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**16), size=st.integers(1, 40))
def test_sparse_rows_give_the_products_of_dense_ones(
    kind: type[Rows], seed: int, size: int
) -> None:
    dense, sparse = pair(kind, seed)
    rng = np.random.default_rng(seed)
    axes, weights, matrix = (
        torch.from_numpy(rng.normal(size=shape)) for shape in ((4, 9), (13, 3), (9, 5))
    )
    with pytest.MonkeyPatch.context() as patch:  # as small blocks as there can be
        for module in (rows, products):
            patch.setattr(module, "block_rows", lambda columns: size)
        patch.setattr(rows, "_BLOCK_STORED", size)
        assert sparse.sparse and not dense.sparse
        for work in (
            column_moment,
            row_moment,
            lambda table: moment_times(table, matrix),
            lambda table: combined(table, weights),
            lambda table: torch.cat(list(projected(table, axes))),
            lambda table: projected_squares(table, axes)[0],
            lambda table: torch.tensor(projected_squares(table, axes)[1]),
        ):
            torch.testing.assert_close(work(sparse), work(dense), rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 2**16))
def test_mean_and_scale_of_a_sparse_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(12, 7)) * (rng.random((12, 7)) < 0.4)
    table[0, 0], table[1, 0] = 1.0, 2.0
    for got, wanted in zip(measure_columns(sp.csr_array(table)), measure_columns(table),
                           strict=True):  # fmt: skip
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_a_large_mean_is_taken_off_before_anything_is_squared() -> None:
    rng = np.random.default_rng(0)
    table = 1e8 + rng.normal(size=(40, 5))
    mean, scale = measure_columns(table)
    dense, sparse = (Rows(t, mean, scale, torch.float64) for t in (table, sp.csr_matrix(table)))
    assert not sparse.sparse
    torch.testing.assert_close(column_moment(sparse), column_moment(dense))
    assert measure_columns(sp.csr_matrix(table))[1] == pytest.approx(scale)


@pytest.mark.parametrize("shape", [(60, 20), (30, 400)])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_sparse_table_is_fitted_as_the_same_table_dense(
    shape: tuple[int, int], metric: str
) -> None:
    table = sp.random(*shape, 0.2, format="csr", random_state=0)
    fits = [
        DAMAutoencoder(hidden=(), metric=metric, n_components=4, max_epochs=1, random_state=0)
        .fit(X).transform(X)
        for X in (table, table.toarray())
    ]  # fmt: skip
    np.testing.assert_allclose(*fits, rtol=1e-4, atol=1e-5)


def test_the_linear_fit_to_a_sparse_table_makes_no_row_dense(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: Rows, places: Any) -> Any:
        raise AssertionError("made dense")

    for shape, most in (((60, 20), 3000), ((30, 400), 3000), ((60, 50), 10)):
        monkeypatch.setattr("damrep.autoencoder.linear._EXACT", most)
        X = sp.random(*shape, 0.2, format="csr", random_state=0)
        wanted = DAMAutoencoder(hidden=(), random_state=0).fit(X.toarray())
        with monkeypatch.context() as patch:
            patch.setattr(Rows, "take", refuse)
            model = DAMAutoencoder(hidden=(), random_state=0).fit(X)
            codes = model.transform(X)
        assert model.n_components_ == wanted.n_components_
        np.testing.assert_allclose(codes, wanted.transform(X.toarray()), rtol=1e-5, atol=1e-6)


def test_going_on_from_known_axes_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("damrep.autoencoder.linear._EXACT", 10)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(200, 60)) * 0.9 ** np.arange(60)
    mean, scale = measure_columns(table)
    known = principal_axes(Rows(table[:180], mean, scale, torch.float64), 5, seed=0)
    whole = Rows(table, mean, scale, torch.float64)
    fresh, on = principal_axes(whole, 5, 0), principal_axes(whole, 5, 0, known)
    torch.testing.assert_close(on, fresh, rtol=1e-2, atol=1e-2)
    exact = np.linalg.svd((table - mean) / scale)[2][:5]
    overlap = np.linalg.svd(exact @ on.numpy().T)[1]
    assert overlap.min() > 0.999


def test_codes_of_a_network_with_layers_come_from_dense_rows() -> None:
    X = sp.random(50, 12, 0.4, format="csr", random_state=0)
    model = DAMAutoencoder(hidden=(6,), n_components=2, max_epochs=1, random_state=0).fit(X)
    np.testing.assert_allclose(model.transform(X), model.transform(X.toarray()), atol=1e-6)
    rows_ = Rows(X, model.mean_, model.scale_, torch.float64)
    assert sum(len(block) for block in encoded(model._network, rows_)) == 50
