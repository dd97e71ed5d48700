"""What is asked for is what is given: a number of dimensions, a share of the variance, frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from damrep import DAMAutoencoder
from damrep.autoencoder.goal import Price, Share
from damrep.autoencoder.prepared_storage import load_prepared, save_prepared
from damrep.masking.validation import InputError
from tests.model_folders.editing import edit_config


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def fitted(X: Any, **changes: Any) -> DAMAutoencoder:
    return DAMAutoencoder(**{"hidden": (), "random_state": 0, **changes}).fit(X)


# -- a number of dimensions


def test_a_cosine_map_as_wide_as_asked_for() -> None:
    model = fitted(noise(500, 300), metric="cosine", n_components=200, max_epochs=2)
    assert model.n_components_ == 200 and model.report_.warnings == []


def test_more_dimensions_than_the_default_limit() -> None:
    model = fitted(noise(700, 600), n_components=550)
    assert model.n_components_ == 550 == model.components_curve_[-1, 0]


@pytest.mark.parametrize("columns", [12, 400])
def test_up_to_the_last_dimension_that_the_rows_have(columns: int) -> None:
    X = noise(30, columns)
    most = min(29, columns)
    model = fitted(X, n_components=most)
    assert model.n_components_ == most
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=1e-8)


def test_directions_that_only_rows_held_out_have_are_given_too() -> None:
    X = np.zeros((100, 3))
    X[:, 0] = noise(100, 1)[:, 0]
    fit = fitted(X, n_components=1)
    held = fit.report_.details["data"]["held out"]
    assert held == 10
    from damrep.autoencoder.fitting import split_rows

    X[split_rows(100, held, fit.report_.seed)[1][0], 2] = 0.5
    model = fitted(X, n_components=2)
    assert model.n_components_ == 2 and model.report_.warnings == []
    assert len(model.prefix_curve_) == len(model.explained_variance_ratio_) == 2


def test_fewer_are_given_only_where_there_are_no_more() -> None:
    X = noise(60, 3) @ noise(3, 8, seed=1)
    model = fitted(X, n_components=5)
    assert model.n_components_ == 3
    assert model.report_.warnings == ["the table has only 3 dimensions, 5 were asked for"]


# -- a share of the variance


@pytest.mark.parametrize("share", [0.3, 0.8, 0.95, 0.999])
def test_the_fewest_that_explain_a_share_of_the_variance(share: float) -> None:
    X = noise(300, 20) * 0.8 ** np.arange(20)
    model = fitted(X, n_components=share)
    _, losses = model.components_curve_.T
    assert model.n_components_ == 1 + int(np.argmax(1 - losses >= share))
    assert (model.report_.price, model.report_.strategy) == (None, "share of variance")
    # Without rows held out it is what PCA does.
    alike = fitted(X, n_components=share, validation_fraction=0.0)
    assert alike.n_components_ == PCA(share).fit(X).n_components_


def test_a_network_that_explains_a_share_of_the_variance() -> None:
    t = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    X = np.c_[t, t**2, np.sin(3 * t), t[:, :1] * t[:, 1:]]
    linear = fitted(X, n_components=0.9)
    for hidden in ((16,), "auto"):
        model = fitted(X, n_components=0.9, hidden=hidden, max_epochs=20, batch_size=32)
        assert model.report_.loss <= 0.1
        assert 1 <= model.n_components_ <= linear.n_components_


def test_a_share_that_is_not_reached_is_told() -> None:
    model = fitted(noise(300, 20), n_components=0.9, max_components=5)
    (note,) = model.report_.warnings
    assert model.n_components_ == 5
    assert note.startswith("0.9 of the variance was asked for, 5 dimensions explain 0.")
    assert note.endswith("stopped at max_components=5")


@pytest.mark.parametrize(
    ("n_components", "error"),
    [
        (0.0, InputError), (-0.5, InputError), (1.5, InputError), (float("nan"), InputError),
        (float("inf"), InputError), (1.0, TypeError), (True, TypeError), ("0.9", TypeError),
    ],
)  # fmt: skip
def test_what_is_neither_a_number_nor_a_share(n_components: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="n_components must be") as caught:
        fitted(noise(20, 4), n_components=n_components)
    assert "\n" not in str(caught.value)


def test_a_cosine_map_knows_no_share_of_the_variance() -> None:
    with pytest.raises(InputError, match='n_components=0.9 is a share.*metric="cosine"'):
        fitted(noise(20, 4), n_components=0.9, metric="cosine")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_a_share_takes_the_first_width_that_reaches_it(losses: list[float], share: float) -> None:
    goal, width = Share(share), Share(share).width(losses)
    if any(goal.reached(loss) for loss in losses):
        assert goal.reached(losses[width - 1])
        assert not any(goal.reached(loss) for loss in losses[: width - 1])
    else:
        assert losses[width - 1] == min(losses)
    assert Price(0.0).width(losses) == 1 + losses.index(min(losses))


# -- limits


@pytest.mark.parametrize(
    ("changes", "columns", "limit"),
    [
        ({"price": 1e-5}, 700, "512, its default"),
        ({"metric": "cosine", "max_epochs": 1}, 200, "128, its default"),
        ({"max_components": 3}, 8, "3"),
        ({"max_components": 3, "price": 0.0}, 8, "3"),
    ],
)
def test_a_fit_that_ends_at_its_limit_says_so(
    changes: dict[str, Any], columns: int, limit: str
) -> None:
    model = fitted(noise(900, columns), **changes)
    (note,) = model.report_.warnings
    assert note.startswith(f"stopped at max_components={limit}: ")
    assert note.endswith(f"up to {columns}")


def test_no_limit_is_told_where_nothing_is_left_to_learn() -> None:
    model = fitted(noise(200, 3) @ noise(3, 8, seed=1), max_components=3)
    assert model.n_components_ == 3 and model.report_.warnings == []


def test_where_nothing_was_saved_that_is_said() -> None:
    (note,) = fitted(noise(150, 13)).report_.warnings
    assert note == (
        "nothing was saved: as many dimensions earn their price as there are columns, 13"
    )
    few = fitted(noise(40, 100)).report_.warnings
    assert few == [
        "nothing was saved: as many dimensions earn their price as there are dimensions that 36 "
        "rows can have, 35"
    ]
    assert fitted(noise(150, 13) * 0.5 ** np.arange(13)).report_.warnings == []
    assert fitted(noise(150, 1)).report_.warnings == []


# -- frames


def test_frames_are_given_after_loading_too(tmp_path: Path) -> None:
    frame = pd.DataFrame(noise(60, 4), index=[f"row {i}" for i in range(60)]).rename(columns=str)
    model = DAMAutoencoder(hidden=(), random_state=0).set_output(transform="pandas").fit(frame)
    model.save(tmp_path / "model")
    loaded = DAMAutoencoder.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))
    fitted(frame).save(tmp_path / "plain")
    assert isinstance(DAMAutoencoder.load(tmp_path / "plain").transform(frame), np.ndarray)


def test_a_loaded_pipeline_gives_frames_too(tmp_path: Path) -> None:
    X = noise(60, 4)
    steps = [("standardize", StandardScaler()), ("reduce", DAMAutoencoder(hidden=()))]
    model = Pipeline(steps).set_output(transform="pandas").fit(X)
    save_prepared(tmp_path / "model", model)
    loaded = load_prepared(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.transform(X), model.transform(X))


@pytest.mark.parametrize("output", ["os.system", 3, None])
def test_another_kind_of_output_is_refused(output: Any, tmp_path: Path) -> None:
    fitted(noise(60, 4)).save(tmp_path / "model")
    edit_config(tmp_path / "model", lambda whole: whole["config"].update(output=output))
    with pytest.raises(InputError, match="output"):
        DAMAutoencoder.load(tmp_path / "model")
