"""A fitted model beside PCA as wide and the table itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from damrep.autoencoder import comparison
from damrep.autoencoder.comparison import NOT_MEASURED, evaluate_autoencoder
from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.masking.validation import InputError

NAMES = ["learned", "pca", "full width"]


def table(rows: int = 120, rank: int = 3, columns: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """A table of some rank with a little noise, and the classes of its first factor."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(rows, rank)) * np.arange(rank, 0, -1)
    noise = 0.05 * rng.normal(size=(rows, columns))
    return codes @ rng.normal(size=(rank, columns)) + noise, (codes[:, 0] > 0).astype(int)


X, Y = table()


def fit(values: Any = X, **changes: Any) -> DAMAutoencoder:
    return DAMAutoencoder(**{"hidden": (), "random_state": 0, **changes}).fit(values)


def held_out(seed: int = 0, rows: int = len(X)) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows to fit and of the rows held out."""
    order = np.random.default_rng(seed).permutation(rows)
    cut = round(0.15 * rows)
    return np.sort(order[cut:]), np.sort(order[:cut])


def test_rows_by_hand() -> None:
    model = fit(n_components=2)
    rows = evaluate_autoencoder(model, X, Y, seed=3)
    assert [row["name"] for row in rows] == NAMES
    assert [row["dims"] for row in rows] == [2, 2, 10]
    train, test = held_out(3)
    pca = PCA(2).fit(X[train])
    reference = np.square(X[test] - X[train].mean(axis=0)).sum()
    back = pca.inverse_transform(pca.transform(X[test]))
    assert rows[1]["loss"] == pytest.approx(np.square(X[test] - back).sum() / reference)
    assert rows[2]["loss"] == 0
    for row, encode in ((rows[1], pca.transform), (rows[2], np.asarray)):
        vote = KNeighborsClassifier(5).fit(encode(X[train]), Y[train])
        assert row["knn_accuracy"] == vote.score(encode(X[test]), Y[test])
    assert model.report_.measures == rows
    assert model.report_.details["evaluation"] == {"rows": 120, "held_out": 18, "seed": 3}


def test_the_learned_row_is_of_a_model_that_never_saw_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = fit(price=0.01)
    fits: list[np.ndarray] = []
    plain = DAMAutoencoder.fit

    def watched(self: DAMAutoencoder, values: Any, y: Any = None) -> DAMAutoencoder:
        fits.append(np.asarray(values))
        assert self.n_components == model.n_components_
        return plain(self, values, y)

    monkeypatch.setattr(DAMAutoencoder, "fit", watched)
    evaluate_autoencoder(model, X)
    (seen,) = fits
    np.testing.assert_array_equal(seen, X[held_out()[0]])
    assert model.n_components is None and model.report_.price == 0.01


def test_without_labels_there_is_no_accuracy() -> None:
    rows = evaluate_autoencoder(fit(), X)
    assert all(row["knn_accuracy"] is None and row["loss"] is not None for row in rows)


def test_rows_of_unknown_class_do_not_vote_and_are_not_asked() -> None:
    model = fit()
    everything = evaluate_autoencoder(model, X, Y)
    train, test = held_out()
    unknown = Y.astype(float)
    unknown[test[:9]] = np.nan
    some = evaluate_autoencoder(model, X, unknown)
    again = np.where(np.isnan(unknown), -1, unknown).astype(int)
    assert evaluate_autoencoder(model, X, again) == some
    vote = KNeighborsClassifier(5).fit(X[train], Y[train])
    assert some[2]["knn_accuracy"] == vote.score(X[test[9:]], Y[test[9:]])
    assert [row["loss"] for row in some] == [row["loss"] for row in everything]
    nothing = evaluate_autoencoder(model, X, np.full(len(X), -1))
    assert all(row["knn_accuracy"] is None for row in nothing)


def test_one_class_is_not_measured() -> None:
    rows = evaluate_autoencoder(fit(), X, ["same"] * len(X))
    assert all(row["knn_accuracy"] is None for row in rows)


def test_sparse_and_memory_mapped_give_the_same(tmp_path: Path) -> None:
    values = np.where(np.abs(X) > 1, X, 0.0)
    model = fit(values)
    dense = evaluate_autoencoder(model, values, Y)
    np.save(tmp_path / "t.npy", values)
    mapped = np.load(tmp_path / "t.npy", mmap_mode="r")
    for other in (sp.csr_array(values), mapped):
        for row, expected in zip(evaluate_autoencoder(model, other, Y), dense, strict=True):
            assert row["name"] == expected["name"]
            assert row["loss"] == pytest.approx(expected["loss"], abs=1e-6)


def test_a_large_table_is_looked_at_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_MOST_VALUES", 400)
    model = fit()
    evaluate_autoencoder(model, X, Y)
    assert model.report_.details["evaluation"] == {"rows": 40, "held_out": 6, "seed": 0}


def test_too_few_rows_are_said_to_be() -> None:
    model = fit(X[:15])
    assert evaluate_autoencoder(model, X[:15], Y[:15]) == []
    assert model.report_.warnings[-1] == NOT_MEASURED
    evaluate_autoencoder(model, X[:15], Y[:15])
    assert model.report_.warnings.count(NOT_MEASURED) == 1


def test_labels_of_another_length() -> None:
    with pytest.raises(InputError, match="y: got 3 labels for 120 rows"):
        evaluate_autoencoder(fit(), X, [0, 1, 0])


def rows_of(**values: tuple[float, float | None]) -> list[dict[str, Any]]:
    names = dict(zip(("ours", "pca", "full"), NAMES, strict=True))
    return [
        {
            "name": names[key],
            "dims": 9 if key == "full" else 5,
            "loss": loss,
            "knn_accuracy": accuracy,
        }
        for key, (loss, accuracy) in values.items()
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ours": (0.2, 0.9), "pca": (0.3, 0.8), "full": (0.0, 0.9)}, []),
        ({"ours": (0.2, 0.9), "pca": (0.199, 0.9), "full": (0.0, 0.91)}, [("pca", "loss")]),
        ({"ours": (0.2, 0.9), "pca": (0.2001, 0.901)}, [("pca", "kNN accuracy")]),
        ({"ours": (0.2, 0.9), "full": (0.0, 0.92)}, [("full width", "kNN accuracy")]),
        ({"ours": (0.2004, None), "pca": (0.1996, None), "full": (0.0, None)}, []),
        ({"ours": (0.2, 0.9)}, []),
        ({}, []),
    ],
)
def test_a_lost_comparison_is_said_and_no_other(
    values: dict[str, tuple[float, float | None]], said: list[tuple[str, str]]
) -> None:
    found = comparison._losses(rows_of(**values))
    assert len(found) == len(said)
    for sentence, (name, measure) in zip(found, said, strict=True):
        dims = 9 if name == "full width" else 5
        assert sentence.startswith(f"{name} ({dims} dims): {measure} ")
        assert ("lower" if measure == "loss" else "higher") in sentence


def test_prefixes_are_compared_with_as_many() -> None:
    rows = [
        {"name": name, "dims": dims, "loss": None, "knn_accuracy": None, "recall_at_10": recall}
        for name, dims, recall in (
            ("learned", 16, 0.8), ("pca", 16, 0.7), ("full width", 64, 1.0),
            ("learned", 8, 0.5), ("pca", 8, 0.6), ("first columns", 8, 0.4),
        )
    ]  # fmt: skip
    assert comparison._losses(rows) == [
        "pca (8 dims): recall@10 0.600 is higher than the learned dimensions' 0.500 (8 dims)"
    ]


def test_cosine_rows_hold_recall_against_dims() -> None:
    wide, y = table(rows=300, rank=12, columns=20)
    model = fit(wide, metric="cosine", n_components=10)
    rows = evaluate_autoencoder(model, wide, y)
    places = [(row["name"], row["dims"]) for row in rows]
    assert places == [
        ("learned", 10), ("pca", 10), ("random projection", 10), ("first columns", 10),
        ("full width", 20),
        ("learned", 8), ("pca", 8), ("random projection", 8), ("first columns", 8),
    ]  # fmt: skip
    assert all(0 < row["recall_at_10"] <= 1 for row in rows)
    assert [row["bytes_per_million"] for row in rows[:5]] == [40_000_000] * 4 + [80_000_000]
    assert all(row["loss"] is None for row in rows), "it is not made to give values back"
    assert all(row["loss"] is None for row in (*rows[2:4], *rows[5:]))
    # The codes of ten dimensions hold nearly all of twelve, with noise; a random ten do not.
    assert rows[0]["recall_at_10"] > rows[2]["recall_at_10"]
    assert model.report_.details["evaluation"]["neighbours"] == {"among": 255, "asked": 45}


def test_cosine_of_a_short_table_has_no_neighbours() -> None:
    rows = evaluate_autoencoder(fit(X[:22], metric="cosine"), X[:22])
    assert [row["name"] for row in rows] == NAMES and "recall_at_10" not in rows[0]


def test_warnings_reach_the_report_and_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit()
    model.report_.warnings = ["the fit itself had something to say"]
    monkeypatch.setattr(comparison, "_losses", lambda rows: ["pca (3 dims): better"])
    for _ in range(2):
        evaluate_autoencoder(model, X)
    assert model.report_.warnings == ["the fit itself had something to say", "pca (3 dims): better"]


def test_the_same_again_and_generators_left_alone(global_rng_untouched: None) -> None:
    model = fit()
    assert evaluate_autoencoder(model, X, Y, seed=4) == evaluate_autoencoder(model, X, Y, seed=4)
