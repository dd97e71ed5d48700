"""What stands before an autoencoder is saved with it, and cannot be forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.prepared_storage import (
    KIND,
    load_prepared,
    save_prepared,
)
from damrep.autoencoder.preparing import TablePreparation
from damrep.autoencoder.standardizing import standardize
from damrep.masking.validation import InputError
from damrep.training.saving import saved_kind
from tests.model_folders.editing import edit_config

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 6)) * [1, 10, 100, 1000, 1, 1] + 5


def people(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    days = pd.to_timedelta(rng.integers(0, 900, rows), unit="D")
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, rows).astype(float),
            "city": rng.choice(["Oslo", "Rome", "Zürich"], rows),
            "size": rng.choice(["small", "large"], rows),
            "joined": pd.Timestamp("2020-03-01 06:00") + days,
        }
    )
    table.loc[[3, 5], "age"] = np.nan
    table.loc[[4], "joined"] = pd.NaT
    return table.assign(city=table["city"].where(table.index != 7, None))


def scaled(values: Any = X) -> Pipeline:
    scaler, even = standardize(values)
    model = DAMAutoencoder(hidden=(), random_state=0).fit(even)
    return Pipeline([("standardize", scaler), ("reduce", model)])


def prepared(*, standardized: bool = True) -> Pipeline:
    rules = {"size": ("small", "large"), "*": "onehot"}
    steps: list[Any] = [("a", TablePreparation({"age": 40, "*": "median"}, rules))]
    steps += [("b", StandardScaler())] if standardized else []
    return Pipeline([*steps, ("c", DAMAutoencoder(hidden=(), random_state=0))]).fit(people())


@pytest.mark.parametrize("sparse", [False, True])
def test_a_scaler_saved_and_loaded(sparse: bool, tmp_path: Path) -> None:
    values = sp.csr_array(X) if sparse else X
    whole = scaled(values)
    for _ in range(2):  # the second replaces the first
        save_prepared(tmp_path / "model", whole)
    again = load_prepared(tmp_path / "model")
    assert again.transform(values).tobytes() == whole.transform(values).tobytes()
    assert isinstance(again[0], StandardScaler)
    np.testing.assert_array_equal(again[0].scale_, whole[0].scale_)
    assert saved_kind(tmp_path / "model") == KIND
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("standardized", [False, True])
def test_a_preparation_saved_and_loaded(standardized: bool, tmp_path: Path) -> None:
    whole = prepared(standardized=standardized)
    save_prepared(tmp_path / "model", whole)
    again = load_prepared(tmp_path / "model")
    assert list(again.named_steps) == ["prepare", *["standardize"] * standardized, "reduce"]
    new = people().sample(frac=1, random_state=0)[["joined", "size", "city", "age"]]
    assert again.transform(new).tobytes() == whole.transform(new).tobytes()
    assert again[0].columns_ == whole[0].columns_
    # It can be fitted again as it was.
    assert again[0].fit(people()).columns_ == whole[0].columns_


def test_the_folder_holds_plain_text_and_numbers(tmp_path: Path) -> None:
    save_prepared(tmp_path / "model", prepared())
    names = {str(p.relative_to(tmp_path / "model")) for p in tmp_path.rglob("*") if p.is_file()}
    files = {"config.json", "weights.safetensors"}
    assert names == files | {f"autoencoder/{name}" for name in files}
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    (city,) = (c for c in config["config"]["preparation"]["columns"] if c["name"] == "city")
    assert city["categories"] == ["", "Oslo", "Rome", "Zürich"]


@pytest.mark.parametrize("whole", [scaled, prepared])
def test_what_is_inside_cannot_be_taken_for_the_whole(
    whole: Callable[[], Pipeline], tmp_path: Path
) -> None:
    model = whole()
    save_prepared(tmp_path / "model", model)
    with pytest.raises(InputError, match=KIND):
        DAMAutoencoder.load(tmp_path / "model")
    model[-1].save(tmp_path / "plain")
    with pytest.raises(InputError, match=f"expected a '{KIND}'"):
        load_prepared(tmp_path / "plain")


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler(), PCA(2), DAMAutoencoder()],
        [StandardScaler(), TablePreparation(), DAMAutoencoder()],
        [StandardScaler()],
        [DAMAutoencoder(), StandardScaler()],
    ],
)
def test_other_pipelines_are_not_saved_in_part(steps: list[Any], tmp_path: Path) -> None:
    named = [(str(place), step) for place, step in enumerate(steps)]
    with pytest.raises(InputError, match="cannot save a pipeline"):
        save_prepared(tmp_path / "model", Pipeline(named))
    assert not (tmp_path / "model").exists()


Config = dict[str, Any]


def columns(config: Config) -> list[Config]:
    found: list[Config] = config["config"]["preparation"]["columns"]
    return found


DAMAGE: list[Callable[[Config], object]] = [
    lambda c: c["config"].pop("rows"),
    lambda c: c["config"].pop("preparation"),
    lambda c: c["config"].update(preparation=[1]),
    lambda c: c["config"]["preparation"]["params"].update(code="import os"),
    lambda c: columns(c).pop(),
    lambda c: columns(c)[0].update(kind="pickle"),
    lambda c: columns(c)[0].update(fill=float("inf")),
    lambda c: columns(c)[0].update(fill="forty"),
    lambda c: columns(c)[0].update(strategy=None),
    lambda c: columns(c)[0].update(strategy="guess"),
    lambda c: columns(c)[0].pop("name"),
    lambda c: columns(c)[1].update(name="age"),
    lambda c: columns(c)[1].update(categories=[]),
    lambda c: columns(c)[1].update(categories=["Oslo", "Oslo"]),
    lambda c: columns(c)[1].update(categories=["Oslo", 7]),
    lambda c: columns(c)[1].update(categories=None),
    lambda c: columns(c)[1].update(fill="Bergen", strategy="most_frequent"),
    lambda c: columns(c)[3].update(first="soon"),
    lambda c: columns(c)[3].update(first=None),
    lambda c: columns(c)[3].update(form=7),
    lambda c: columns(c)[3].update(form="%Q"),
]


@pytest.mark.parametrize("place", range(len(DAMAGE)))
def test_damage_is_told_in_one_line(place: int, tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_prepared(path, prepared())
    edit_config(path, DAMAGE[place])  # with checksums that are right
    with pytest.raises(InputError, match="damaged") as caught:
        load_prepared(path)
    assert "\n" not in str(caught.value)


def test_a_part_that_is_missing(tmp_path: Path) -> None:
    save_prepared(tmp_path / "model", prepared())
    (tmp_path / "model" / "autoencoder" / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        load_prepared(tmp_path / "model")
