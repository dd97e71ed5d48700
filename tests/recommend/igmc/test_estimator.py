"""`IGMC`: what it promises as an estimator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from damrep.masking.dam import DAM
from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.recommend.biases import fit_biases
from damrep.recommend.igmc import IGMC
from tests.degenerate import Spoiling, spoilings, spoilt
from tests.disturbing import disturb_moments

QUICK: dict[str, Any] = {
    "hidden": (8, 8), "max_components": 16, "max_epochs": 2, "batch_size": 100, "device": "cpu",
    "random_state": 0,
}  # fmt: skip
LONGER = {**QUICK, "max_epochs": 16, "batch_size": 25, "lr": 1e-2}


def taste(users: int = 40, items: int = 30, seed: int = 0) -> sp.csr_matrix:
    """Two kinds of users, two kinds of items: what one likes the other does not."""
    rng = np.random.default_rng(seed)
    alike = np.equal.outer(rng.integers(0, 2, users), rng.integers(0, 2, items))
    ratings = np.where(alike, 5, 1) + rng.integers(-1, 2, (users, items))
    seen = rng.random((users, items)) < 0.3
    return sp.csr_matrix(
        (np.clip(ratings, 1, 5)[seen].astype(float), np.nonzero(seen)), shape=(users, items)
    )


@pytest.fixture(scope="module")
def ratings() -> sp.csr_matrix:
    return taste()


@pytest.fixture(scope="module")
def model(ratings: sp.csr_matrix) -> IGMC:
    return IGMC(**LONGER).fit(ratings)


def pairs(ratings: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(30) % ratings.shape[0], np.arange(30) % ratings.shape[1]


def test_it_learns_what_biases_cannot(model: IGMC) -> None:
    assert model.report_.loss < 0.5, "biases alone have 1"
    assert 1 <= model.n_components_ <= 16


def test_it_predicts_ratings_it_has_not_seen(ratings: sp.csr_matrix) -> None:
    entries = ratings.tocoo()
    test = np.random.default_rng(1).random(entries.nnz) < 0.2
    train = sp.csr_matrix(
        (entries.data[~test], (entries.row[~test], entries.col[~test])), shape=ratings.shape
    )
    fitted = IGMC(**LONGER).fit(train)
    told = fitted.predict(entries.row[test], entries.col[test])
    assert np.sqrt(((told - entries.data[test]) ** 2).mean()) < 1.4  # a constant has 1.8


def test_another_matrix_with_the_weights_learned_here(model: IGMC) -> None:
    other = taste(35, 30, seed=5)
    entries = other.tocoo()
    told = model.predict(entries.row, entries.col, user_items=other)
    assert np.sqrt(((told - entries.data) ** 2).mean()) < 1.4  # a constant has 1.8


def test_a_test_part_with_unknown_ids_can_be_scored(model: IGMC, ratings: sp.csr_matrix) -> None:
    biases = fit_biases(ratings)
    told = model.predict([3, 3, 90, 90], [5, 80, 5, 80], unknown="bias")
    assert told[0] == model.predict(3, 5)
    expected = biases.mean + np.array([biases.user[3], biases.item[5], 0])
    np.testing.assert_allclose(told[1:], np.clip(expected, 1, 5), rtol=1e-5)
    np.testing.assert_allclose(
        model.predict([90], [5], user_items=ratings, unknown="bias"), told[2:3], rtol=1e-5
    )
    with pytest.raises(InputError, match="users: unknown id 90"):
        model.predict([90], [5])
    test = pd.DataFrame({"user": [3, 90], "item": [5, 5], "rating": [told[0], told[2] + 1]})
    assert model.score(test) == pytest.approx(-np.sqrt(0.5))


@pytest.mark.parametrize("price", [None, 100.0], ids=["network", "biases"])
def test_the_best_items_are_those_of_greatest_prediction(
    price: float | None, model: IGMC, ratings: sp.csr_matrix
) -> None:
    one = model if price is None else IGMC(**QUICK, price=price).fit(ratings)
    ids, scores = one.recommend([3, 7], 4)
    for user, found, told in zip((3, 7), ids, scores, strict=True):
        unseen = np.setdiff1d(np.arange(ratings.shape[1]), ratings[user].indices)
        everything = one.predict(user, unseen)
        np.testing.assert_allclose(told, -np.sort(-everything)[:4], rtol=1e-5)
        np.testing.assert_allclose(one.predict(user, found), told, rtol=1e-5)
        assert not set(found) & set(ratings[user].indices)
    assert one.recommend(3, 4)[0].tolist() == ids[0].tolist()
    assert one.recommend(3, 9, items=[4, 8], exclude=8, filter_seen=False)[0].tolist() == [4]
    assert one.recommend(3, 9, items=[])[0].shape == (0,)
    assert (one.recommend([3, 7], 2, items=[])[0] == -1).all()
    assert len(one.recommend(3, 10**12, filter_seen=False)[0]) == ratings.shape[1]


def test_a_callback_is_told_of_every_epoch(ratings: sp.csr_matrix) -> None:
    rows: list[dict[str, Any]] = []
    model = IGMC(**QUICK).fit(ratings, callback=rows.append)
    assert [row["loss"] for row in rows] == model.report_.history["loss"]
    with pytest.raises(TypeError, match="callback must be a function, got int"):
        IGMC(**QUICK).fit(ratings, callback=3)


def test_a_rating_that_is_there_is_not_looked_at(model: IGMC, ratings: sp.csr_matrix) -> None:
    entries = ratings.tocoo()
    changed = ratings.copy()
    row, column = int(entries.row[0]), int(entries.col[0])
    changed[row, column] = 6 - changed[row, column]
    before = model.predict([row], [column], user_items=ratings)
    np.testing.assert_array_equal(model.predict([row], [column], user_items=changed), before)
    np.testing.assert_array_equal(model.predict([row], [column]), before)


def test_predictions_do_not_depend_on_what_else_is_asked(model: IGMC) -> None:
    users, items = np.arange(40).repeat(20), np.tile(np.arange(20), 40)
    together = model.predict(users, items)
    alone = np.concatenate([model.predict(users[:7], items[:7]), model.predict(users[7], items[7])])
    np.testing.assert_allclose(together[:8], alone, rtol=1e-5, atol=1e-5)
    assert together.min() >= 1 and together.max() <= 5
    np.testing.assert_allclose(model.predict(3, items[:5]), model.predict([3] * 5, items[:5]))


def test_report(model: IGMC) -> None:
    report = model.report_
    assert report.learned_dims == model.n_components_ and report.initial_dims == 16
    assert len(report.gate) == 16
    assert sum(gate > 0 for gate in report.gate) == model.n_components_
    assert (np.diff(report.gate) <= 0).all()
    assert "of 16" in str(report)
    assert len(report.history["loss"]) == 16
    curve = model.components_curve_
    assert report.loss < curve[model.n_components_, 1] + 0.05, "some more training"
    low, high = model.components_range_
    assert low <= model.n_components_ <= high
    assert FitReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert report.details["candidates"]["biases"]["loss"] == 1.0


def test_the_mask_decides(ratings: sp.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left where it starts it cuts nothing; and all training goes through it."""
    calls = []
    forward = DAM.forward
    monkeypatch.setattr(DAM, "forward", lambda self, x: calls.append(1) or forward(self, x))
    model = IGMC(**LONGER).fit(ratings)
    assert len(calls) >= 8 * len(model.report_.history["n_active"]) // 2
    assert 1 <= model.n_components_ == sum(gate > 0 for gate in model.report_.gate) < 16
    monkeypatch.setattr(DAM, "set_width", lambda self, m: None)
    assert IGMC(**LONGER).fit(ratings).n_components_ == 16


def test_a_search_reads_the_width_off_the_curve(ratings: sp.csr_matrix) -> None:
    model = IGMC(**LONGER, strategy="search").fit(ratings)
    history = model.report_.history
    assert model.report_.strategy == "search" and 1 <= model.n_components_ <= 16
    assert (history["narrowest_drawn"][0], history["widest_drawn"][0]) == (1, 16)


def test_the_model_left_is_smaller(model: IGMC, tmp_path: Path) -> None:
    small = IGMC(**{**QUICK, "n_components": 2}).fit(taste())
    large = IGMC(**QUICK, n_components=16).fit(taste())
    assert small.n_components_ == 2 < large.n_components_
    assert small.components_range_ is None and len(small.components_curve_) == 3
    small.save(tmp_path / "small")
    large.save(tmp_path / "large")
    sizes = [
        (tmp_path / name / "weights.safetensors").stat().st_size for name in ("small", "large")
    ]
    assert sizes[0] < sizes[1]


def test_too_high_a_price_leaves_the_biases(ratings: sp.csr_matrix, tmp_path: Path) -> None:
    model = IGMC(**QUICK, price=100.0).fit(ratings)
    assert model.n_components_ == 0
    assert any("biases of users and items alone" in note for note in model.report_.warnings)
    users, items = pairs(ratings)
    told = model.predict(users, items)
    assert np.ptp(told) > 0
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(IGMC.load(tmp_path / "model").predict(users, items), told)
    with pytest.raises(InputError, match="biases alone"):
        model.predict(users, items, user_items=ratings)


def test_the_paper_as_it_stands(ratings: sp.csr_matrix) -> None:
    model = IGMC(**QUICK, paper_lambda=0.1).fit(ratings)
    assert 1 <= model.n_components_ <= 16
    assert model.report_.price is None
    betas = model.report_.history["beta.mask"]
    assert betas[-1] < 1.0


def test_an_ensemble_is_the_mean_of_its_networks(ratings: sp.csr_matrix, tmp_path: Path) -> None:
    model = IGMC(**{**QUICK, "max_epochs": 4}, n_components=3, ensemble=2).fit(ratings)
    assert len(model._networks) == 2
    users, items = pairs(ratings)
    model.save(tmp_path / "model")
    again = IGMC.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(users, items), model.predict(users, items))


def test_a_data_frame_is_the_matrix_with_ids(ratings: sp.csr_matrix, tmp_path: Path) -> None:
    entries = ratings.tocoo()
    frame = pd.DataFrame(
        {
            "who": [f"u{row:02d}" for row in entries.row],
            "item": entries.col + 100,
            "rating": entries.data,
        }
    )
    model = IGMC(**QUICK, user="who").fit(frame)
    plain = IGMC(**QUICK).fit(ratings)
    told = plain.predict([3, 4], [5, 6])
    np.testing.assert_array_equal(model.predict(["u03", "u04"], [105, 106]), told)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        IGMC.load(tmp_path / "model").predict(["u03", "u04"], [105, 106]), told
    )


def test_the_same_seed_gives_the_same_model(ratings: sp.csr_matrix) -> None:
    users, items = pairs(ratings)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = IGMC(**LONGER).fit(ratings)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (np.random.get_state()[1] == state[1]).all()  # noqa: NPY002
    second = clone(first).fit(ratings)
    other = IGMC(**{**LONGER, "random_state": 1}).fit(ratings)
    told = first.predict(users, items)
    np.testing.assert_array_equal(second.predict(users, items), told)
    assert not np.array_equal(other.predict(users, items), told)
    assert second.report_.curve == first.report_.curve


def test_a_saved_model_comes_back(model: IGMC, ratings: sp.csr_matrix, tmp_path: Path) -> None:
    users, items = pairs(ratings)
    model.save(tmp_path / "model")
    assert {file.name for file in (tmp_path / "model").iterdir()} == {
        "config.json", "weights.safetensors",
    }  # fmt: skip
    again = IGMC.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(users, items), model.predict(users, items))
    assert again.report_.to_dict() == model.report_.to_dict()
    assert {**again.get_params(), "hidden": ()} == {**model.get_params(), "hidden": ()}
    np.testing.assert_array_equal(again.components_curve_, model.components_curve_)
    whole = (tmp_path / "model" / "weights.safetensors").read_bytes()
    (tmp_path / "model" / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        IGMC.load(tmp_path / "model")


def test_nothing_works_before_fit(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        IGMC().predict([0], [0])
    with pytest.raises(NotFittedError):
        IGMC().save(tmp_path / "model")


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"price": -1}, InputError, "price"),
        ({"n_components": 17}, InputError, "n_components must be between 1 and 16"),
        ({"hidden": (8,)}, InputError, "two layers"),
        ({"hidden": 8}, TypeError, "hidden"),
        ({"aggregation": "max"}, InputError, "aggregation must be one of"),
        ({"edge_dropout": 1.0}, InputError, "edge_dropout must be below 1"),
        ({"max_neighbours": 0}, InputError, "max_neighbours"),
        ({"strategy": "gradient"}, InputError, "strategy must be one of auto, mask, search"),
        ({"paper_lambda": 0.1, "strategy": "search"}, InputError, "strategy='search'"),
        ({"max_epochs": 1}, InputError, "max_epochs"),
        ({"paper_lambda": 0.1, "n_components": 3}, InputError, "paper_lambda"),
        ({"paper_lambda": 0.1, "ensemble": 3}, InputError, "ensemble"),
        ({"device": "mps"}, InputError, "device"),
        ({"random_state": -1}, InputError, "random_state"),
    ],
)
def test_bad_arguments(
    arguments: dict[str, Any], error: type[Exception], told: str, ratings: sp.csr_matrix
) -> None:
    with pytest.raises(error, match=told):
        IGMC(**{**QUICK, **arguments}).fit(ratings)


def test_bad_ratings(model: IGMC) -> None:
    with pytest.raises(InputError, match="finite"):
        IGMC(**QUICK).fit(sp.csr_matrix([[1.0, np.nan]]))
    with pytest.raises(TypeError, match="sparse"):
        IGMC(**QUICK).fit(np.ones((3, 3)))
    twice = pd.DataFrame({"user": [1, 1], "item": [2, 2], "rating": [3.0, 4.0]})
    with pytest.raises(InputError, match="more than"):
        IGMC(**QUICK).fit(twice)
    with pytest.raises(InputError, match="unknown id 99"):
        model.predict([99], [0])
    with pytest.raises(InputError, match="as many"):
        model.predict([1, 2, 3], [0, 1])


def test_ratings_that_are_all_the_same() -> None:
    model = IGMC(**QUICK).fit(sp.csr_matrix(np.full((5, 4), 3.0)))
    assert model.n_components_ == 0
    np.testing.assert_allclose(model.predict([0, 1], [1, 2]), 3.0)


def test_ratings_that_biases_tell_to_the_last_digit() -> None:
    table = np.add.outer([2.0, 4.0] * 6, [0.0, 1.0] * 5)
    model = IGMC(**QUICK).fit(sp.csr_matrix(table))
    assert np.isfinite(model.predict(np.arange(12), 3)).all()
    assert model.report_.reference_loss > 0


def test_one_rating() -> None:
    model = IGMC(**QUICK).fit(sp.csr_matrix(([2.0], ([0], [1])), shape=(3, 3)))
    assert float(model.predict(0, 1)[0]) == 2.0


def test_nobody_around_a_pair_gets_the_mean(model: IGMC) -> None:
    lonely = sp.csr_matrix(([5.0], ([0], [0])), shape=(2, 2))
    told = model.predict([1], [1], user_items=lonely)
    assert told[0] == pytest.approx(model._scores[0], rel=1e-5)


# -- numbers


@settings(max_examples=6)
@given(how=spoilings)
def test_ratings_of_any_rank_at_any_scale(how: Spoiling) -> None:
    matrix = spoilt(taste(20, 15), how)
    fitted = IGMC(**QUICK).fit(matrix)
    entries = matrix.tocoo()
    assert np.isfinite(fitted.predict(entries.row, entries.col)).all()
    assert np.isfinite(fitted.components_curve_).all()


@pytest.mark.parametrize("exponent", [-100, -40, 40, 100])
def test_the_unit_of_ratings_changes_nothing(exponent: int) -> None:
    """Powers of 2, which round nothing; their squares are far out of single precision."""
    fits = [
        IGMC(**QUICK).fit(spoilt(taste(20, 15), Spoiling(scale=scale, dtype=np.float32)))
        for scale in (1.0, 2.0**exponent)
    ]
    assert fits[0].n_components_ == fits[1].n_components_
    assert fits[0].report_.curve == fits[1].report_.curve


def test_how_moments_are_rounded_changes_no_width(
    model: IGMC, ratings: sp.csr_matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturb_moments(monkeypatch, seed=0)
    assert IGMC(**LONGER).fit(ratings).n_components_ == model.n_components_
