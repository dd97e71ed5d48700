"""`DAMAutoencoder`: the contract of every estimator, then tables of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from damrep import DAMAutoencoder, DAMGraphEmbedding
from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from tests.autoencoder.samples import curved, low_rank
from tests.contract import EstimatorContract

LINEAR = {"hidden": (), "max_components": 10, "device": "cpu"}
NETWORK = {"hidden": (8,), "max_components": 10, "max_epochs": 6, "batch_size": 64, "device": "cpu"}


class TestLinearContract(EstimatorContract):
    """In closed form."""

    estimator = DAMAutoencoder
    quick = LINEAR
    wrong = (
        ({"hidden": "deep"}, TypeError),
        ({"hidden": 16}, TypeError),
        ({"hidden": (0,)}, InputError),
        ({"hidden": (8.0,)}, TypeError),
        ({"activation": "sine"}, InputError),
        ({"metric": "manhattan"}, InputError),
        ({"batch_size": 0}, InputError),
        ({"validation_fraction": 1.0}, InputError),
        ({"linear_path": 1}, TypeError),
        ({"strategy": "gradient"}, InputError),
        ({"paper_lambda": -0.01}, InputError),
    )

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        return (low_rank(noise=0.1),)

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        return (low_rank(rows=90, noise=0.2, seed=1),)

    @classmethod
    def refused_data(cls) -> Any:
        return low_rank(columns=5, rank=2)


class TestNetworkContract(TestLinearContract):
    """Trained."""

    quick = NETWORK

    def test_the_loss_is_that_of_the_curve(self, model: Any) -> None:
        """The width found is trained on after the curve is known; the loss is that of the end."""
        assert model.report_.loss == pytest.approx(model.prefix_curve_[-1, 1], rel=1e-5)


class TestAutoContract(TestNetworkContract):
    """Whichever of the two is cheaper."""

    quick = {**NETWORK, "hidden": "auto", "max_epochs": 2}


class TestSearchContract(TestNetworkContract):
    """By a curve of all widths."""

    quick = {**NETWORK, "strategy": "search"}


class TestPaperContract(TestNetworkContract):
    """By the paper's single stage."""

    quick = {**NETWORK, "paper_lambda": 0.01}
    wrong = (({"strategy": "search"}, InputError), ({"metric": "cosine"}, InputError))

    def test_components_curve(self, model: Any) -> None:
        """One point: the paper has no curve."""
        assert model.components_curve_[:, 0].tolist() == [model.n_components_]

    def test_dimensions_never_rise_with_the_price(self) -> None:
        """There is no price."""

    def test_a_budget_is_kept_exactly_whatever_the_price(self) -> None:
        """There is none: the paper has a lambda and nothing else."""
        self.refuses({"n_components": 2}, InputError)

    def test_widths_that_are_as_good(self, model: Any) -> None:
        """None are known, and there is no budget."""
        assert model.components_range_ is None

    def test_the_unit_of_the_data_changes_nothing(self) -> None:
        """It does, here: the loss is in the data's own units."""

    @classmethod
    def open_gates(cls, report: FitReport) -> int:
        """An open gate may have nothing behind it."""
        return sum(gate > 0 for gate in report.gate)


class TestCosineContract(TestLinearContract):
    """For neighbours."""

    ranged = False
    quick = {"metric": "cosine", "max_components": 8, "max_epochs": 1, "device": "cpu"}
    wrong = (({"hidden": (8,)}, InputError), ({"strategy": "mask"}, InputError))

    def test_the_loss_is_that_of_the_curve(self, model: Any) -> None:
        """A map of the width found is trained anew."""
        assert model.report_.loss == pytest.approx(model.prefix_curve_[-1, 1])


def fit(table: Any, **changes: Any) -> DAMAutoencoder:
    return DAMAutoencoder(**{"random_state": 0, "device": "cpu", **changes}).fit(table)


def column_variance(table: np.ndarray) -> float:
    return float(np.square(table - table.mean(axis=0)).sum())


# -- what is learned


@pytest.mark.parametrize("estimator", [DAMAutoencoder, DAMGraphEmbedding])
def test_models_saved_with_a_word_that_is_no_more_load(estimator: Any) -> None:
    report = {"estimator": estimator.__name__, "initial_dims": 3, "learned_dims": 2}
    meta = {"params": {"strategy": "gradient"}, "report": report}
    assert estimator._restored(meta, "model").strategy == "auto"


@pytest.mark.parametrize("rank", [1, 3, 7])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_rank_of_a_table_at_any_scale(rank: int, scale: float) -> None:
    model = fit(low_rank(rows=400, columns=15, rank=rank) * np.float32(scale), hidden=())
    assert model.n_components_ == rank
    assert model.report_.loss < 1e-6


def test_a_shift_of_the_columns_changes_nothing() -> None:
    table = low_rank(noise=0.1).astype(np.float64)
    codes = fit(table, hidden=()).transform(table)
    np.testing.assert_allclose(
        fit(table + 1000, hidden=()).transform(table + 1000), codes, atol=1e-8
    )


@pytest.mark.parametrize("validation_fraction", [0.0, 0.3])
def test_the_linear_one_is_pca_of_all_rows(validation_fraction: float) -> None:
    table = low_rank(noise=0.2).astype(np.float64)
    model = fit(table, hidden=(), n_components=3, validation_fraction=validation_fraction)
    pca = PCA(3).fit(table)
    ours, theirs = (
        model.inverse_transform(model.transform(table)),
        pca.inverse_transform(pca.transform(table)),
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-10)
    assert model.score(table) == pytest.approx(pca.explained_variance_ratio_.sum())


def test_shares_of_the_variance_are_those_of_pca_where_nothing_is_held_out() -> None:
    table = low_rank(noise=0.2).astype(np.float64)
    model = fit(table, hidden=(), n_components=3, validation_fraction=0.0)
    np.testing.assert_allclose(
        model.explained_variance_ratio_, PCA(3).fit(table).explained_variance_ratio_
    )


def test_what_a_linear_width_loses_is_told_by_rows_it_was_not_fitted_to() -> None:
    """The axes are fitted to all rows in the end; the losses are those from before."""
    table = low_rank(noise=0.5)[:60]
    model = fit(table, hidden=(), n_components=3, validation_fraction=0.3)
    assert model.report_.loss == model.prefix_curve_[-1, 1] == model.components_curve_[2, 1]
    assert model.report_.loss > 1.02 * (1 - model.score(table))


def test_a_bent_surface_takes_fewer_dimensions_than_pca() -> None:
    """Two dimensions lie behind the eight columns, and PCA needs most of them."""
    linear = fit(curved(), hidden=(), price=0.005)
    network = fit(curved(), hidden="auto", price=0.005, batch_size=64, max_epochs=120)
    assert network.n_components_ < linear.n_components_
    assert network.report_.loss + 0.005 * network.n_components_ < (
        linear.report_.loss + 0.005 * linear.n_components_
    )
    assert set(network.report_.details["candidates"]) == {"linear", "network"}


def test_auto_is_linear_where_nothing_is_bent() -> None:
    model = fit(low_rank(rank=3), max_epochs=3)
    assert model.n_components_ == 3 and model.report_.details["hidden_widths"] == []


def test_a_network_begins_as_pca_and_ends_better() -> None:
    table = curved()
    linear = fit(table, hidden=(), n_components=3)
    network = fit(table, hidden=(32, 32), n_components=3, batch_size=64, max_epochs=40)
    assert network.report_.loss < 0.5 * linear.report_.loss


def test_steps_stay_within_one_and_a_half_fits() -> None:
    model = fit(curved(), hidden=(16,), batch_size=64, max_epochs=20)
    details = model.report_.details
    assert details["steps"] <= 1.5 * details["steps of one width"] + 4 * (540 // 64)


# -- prefixes


def test_the_first_codes_are_usable_alone() -> None:
    table = curved()
    model = fit(table, hidden=(32,), n_components=4, batch_size=64, max_epochs=60)
    codes = model.transform(table)
    losses = []
    for m in range(1, 5):
        again = model.inverse_transform(codes[:, :m])
        losses.append(np.square(again - table).sum() / column_variance(table))
    assert all(np.diff(losses) < 0)
    assert list(model.prefix_curve_[:, 0]) == [1, 2, 3, 4]
    np.testing.assert_allclose(losses, model.prefix_curve_[:, 1], rtol=0.5)
    assert model.explained_variance_ratio_.sum() == pytest.approx(1 - model.report_.loss, rel=1e-5)


def test_score_is_the_share_of_variance_explained() -> None:
    table = low_rank(noise=0.3)
    model = fit(table, hidden=(), n_components=2)
    left = np.square(model.inverse_transform(model.transform(table)) - table).sum()
    spread = np.square(table - model.mean_).sum()
    assert model.score(table) == pytest.approx(1 - left / spread, rel=1e-4)


def test_more_codes_than_there_are_cannot_be_inverted() -> None:
    model = fit(low_rank(), hidden=(), n_components=2)
    with pytest.raises(InputError, match="3 columns.*2 dimensions"):
        model.inverse_transform(np.zeros((4, 3)))


# -- tables of every kind


def test_all_kinds_of_table_give_the_same() -> None:
    table = np.round(low_rank(noise=0.2) * 4).astype(np.float64)
    wanted = fit(table, hidden=(), n_components=3).transform(table)
    frame = pd.DataFrame(table, columns=[f"c{i}" for i in range(table.shape[1])])
    for kind in (
        frame,
        table.astype(np.int64),
        np.asfortranarray(table),
        sp.csr_array(table),
        sp.coo_matrix(table),
    ):
        codes = fit(kind, hidden=(), n_components=3).transform(kind)
        assert codes.dtype == np.float64
        np.testing.assert_allclose(codes, wanted, atol=1e-9)


def test_polars_frames() -> None:
    polars = pytest.importorskip("polars")
    table = low_rank(noise=0.2).astype(np.float64)
    frame = polars.DataFrame({f"c{i}": column for i, column in enumerate(table.T)})
    model = fit(frame, hidden=(), n_components=3)
    assert list(model.feature_names_in_) == frame.columns
    np.testing.assert_allclose(model.transform(frame), model.transform(frame.to_numpy()))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_frames_in_and_out() -> None:
    frame = pd.DataFrame(low_rank(), index=[f"row{i}" for i in range(200)]).rename(columns=str)
    model = DAMAutoencoder(hidden=(), random_state=0).set_output(transform="pandas").fit(frame)
    out = model.transform(frame)
    assert list(out.columns) == ["dim_0", "dim_1", "dim_2", "dim_3"]
    assert list(out.index) == list(frame.index)


def test_a_memory_mapped_array_is_not_written_to(tmp_path: Path) -> None:
    table = low_rank(noise=0.1)
    np.save(tmp_path / "table.npy", table)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        fit(mapped, **NETWORK).transform(mapped), fit(table, **NETWORK).transform(table)
    )


def test_a_sparse_table_is_never_dense_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("damrep.autoencoder.rows._BLOCK_VALUES", 12 * 16)
    table = sp.random_array((400, 12), density=0.2, rng=np.random.default_rng(0), format="csr")
    made = []
    toarray = sp.csr_array.toarray
    monkeypatch.setattr(
        sp.csr_array,
        "toarray",
        lambda self, *a, **k: made.append(self.shape[0]) or toarray(self, *a, **k),
    )
    fit(table, **{**NETWORK, "batch_size": 32}).transform(table)
    assert made and max(made) <= 32


def test_explicit_zeros_are_zeros() -> None:
    dense = np.round(low_rank() * 2)
    stored = sp.csr_array(dense)
    extra = sp.csr_array(
        (
            np.append(stored.data, 0.0),
            np.append(stored.indices, 0),
            np.append(stored.indptr[:-1], stored.indptr[-1] + 1),
        ),
        shape=stored.shape,
    )
    np.testing.assert_allclose(
        fit(extra, hidden=(), n_components=2).transform(dense),
        fit(dense, hidden=(), n_components=2).transform(dense),
        atol=1e-5,
    )


def test_single_precision_stays_single_and_double_double() -> None:
    for dtype in (np.float32, np.float64):
        table = low_rank().astype(dtype)
        for changes in ({"hidden": ()}, NETWORK):
            model = fit(table, **changes)
            codes = model.transform(table)
            assert codes.dtype == dtype and model.inverse_transform(codes).dtype == dtype


# -- bad tables


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.full((20, 3), 7.0), "every column is constant"),
        (np.array([[1.0, np.nan]] * 5), "NaN"),
        (np.array([[1.0, np.inf]] * 5), "infinity"),
        (np.array([["a", "b"]] * 5), "could not convert|dtype"),
        (np.arange(5.0), "2D"),
        (np.empty((0, 3)), "0 sample"),
        (np.ones((1, 3)), "1 sample|minimum of 2"),
        (np.ones((5, 3)) * 1j, "Complex"),
        (np.eye(4) * 1e200, "too large"),
    ],
    ids=["constant", "nan", "inf", "strings", "1-D", "no rows", "one row", "complex", "huge"],
)
def test_bad_tables_are_named(table: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(table)


def test_some_constant_columns_and_fewer_rows_than_columns() -> None:
    table = np.zeros((12, 40))
    table[:, 5:9] = low_rank(rows=12, columns=4, rank=2)
    model = fit(table, hidden=())
    assert model.n_components_ <= 2
    assert np.isfinite(model.transform(table)).all()


def test_what_the_reader_should_know_is_noted() -> None:
    few = fit(low_rank(rows=12, columns=5), hidden=())
    assert any("too few to hold some out" in note for note in few.report_.warnings)
    asked = fit(low_rank(columns=5, rank=3), hidden=(), n_components=5)
    assert asked.n_components_ == 3 and any("asked for" in note for note in asked.report_.warnings)
    full = fit(low_rank(rank=4, noise=0.5), hidden=(), max_components=2)
    assert any("max_components" in note for note in full.report_.warnings)


# -- among scikit-learn's own


def test_in_a_pipeline_a_grid_and_cross_validation() -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:500], y[:500]
    pipeline = make_pipeline(
        DAMAutoencoder(hidden=(), random_state=0), LogisticRegression(max_iter=500)
    )
    grid = GridSearchCV(pipeline, {"damautoencoder__price": [0.2, 0.002]}, cv=2).fit(X, y)
    assert grid.best_params_ == {"damautoencoder__price": 0.002}
    assert cross_val_score(clone(grid.best_estimator_), X, y, cv=3).mean() > 0.85
