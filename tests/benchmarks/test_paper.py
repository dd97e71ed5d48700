"""The paper's results: its training, its recipes, and short runs of the parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import arguments, paper_masks, paper_mnist
from benchmarks.comparators import Model
from benchmarks.generators import make_table
from benchmarks.paper import PARTS, main
from benchmarks.paper_mnist import LAMBDAS, PRICES, PUBLISHED, published_at
from benchmarks.paper_training import (
    LINEAR,
    MLP,
    MNIST,
    QUADRATIC,
    Recipe,
    train_by_strategy,
    train_literally,
)
from benchmarks.results import RESULTS, read_result
from benchmarks.table_data import Table
from damrep.masking import DAM
from damrep.masking.gate import GATES

SMALL = replace(LINEAR, width=8, batch_size=100, steps=300)
"""Finds three dimensions of eight in a moment."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few made images in place of MNIST."""
    rng = np.random.default_rng(0)
    x = rng.random((90, 784)).astype(np.float32)
    table = Table("mnist", x, np.arange(90) % 10, train_rows=60)
    monkeypatch.setattr(paper_mnist, "load_table", lambda name, root: table)
    monkeypatch.setitem(paper_mnist._OURS, "batch_size", 16)  # type: ignore[index]
    paper_mnist._split.cache_clear()


@pytest.fixture
def table() -> np.ndarray:
    return make_table("linear", 3, 0, rows=400, columns=20, scale=(1 / 9) ** 0.5)


def test_recipes_are_those_of_the_authors() -> None:
    assert [r.steps for r in (LINEAR, QUADRATIC, MLP, MNIST)] == [2000, 5000, 10_000, 11_800]
    assert {r.width for r in (LINEAR, QUADRATIC, MLP, MNIST)} == {50}
    assert (MNIST.encoder, MNIST.decoder, MNIST.output) == ((128, 64, 32), (32, 64, 128), "tanh")


def test_the_literal_training_draws_nothing(
    table: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: Any, **more: Any) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr(DAM, "jitter", refused)
    monkeypatch.setattr(DAM, "shift", refused)
    model = train_literally(table, 0.01, replace(SMALL, steps=8), seed=0)
    beta = model.details["beta"]
    assert model.steps == 8 and beta[0] < 1 and beta == sorted(beta, reverse=True)
    with pytest.raises(AssertionError, match="drawn"):
        train_by_strategy(table[100:], table[:100], 1e-3, replace(SMALL, steps=8), seed=0)


def test_a_rank_is_found_either_way(table: np.ndarray) -> None:
    literal = train_literally(table, 0.01, replace(SMALL, steps=800), seed=0)
    ours = train_by_strategy(table[100:], table[:100], 1e-2, replace(SMALL, steps=1500), seed=0)
    assert literal.details["carrying"] == 3 <= literal.dims < 8
    assert ours.dims == ours.details["carrying"] == 3
    for model in (literal, ours):
        assert model.encode(table).shape == (400, model.dims)
        assert np.square(model.reconstruct(table) - table).mean() < 0.01 * table.var()


def test_beta_is_held_in_a_cold_start(table: np.ndarray) -> None:
    model = train_literally(table, 0.01, replace(SMALL, steps=40, cold=0.5), seed=0)
    beta = model.details["beta"]
    assert beta[:5] == [1.0] * 5 and beta[5] < 1


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_is_cut_to_what_it_was_judged_by(table: np.ndarray, gate: str) -> None:
    recipe = replace(SMALL, gate=gate, output="quadratic", encoder=(16,), bias=True)
    model = train_by_strategy(table[100:], table[:100], 0.05, recipe, seed=0, falls=False)
    assert 1 <= model.dims <= 8
    assert model.encode(table).shape[1] == model.dims >= model.details["carrying"]


def test_the_published_errors_lie_on_a_line() -> None:
    assert [published_at(dims) for dims in PUBLISHED] == list(PUBLISHED.values())
    assert published_at(3.9) is None is published_at(17.5)
    assert published_at(11) == pytest.approx(0.066)


def test_curve_and_stability_are_measured_once(
    tmp_path: Path, images: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[float] = []

    def literal(x: np.ndarray, lam: float, recipe: Recipe, seed: int) -> Model:
        trained.append(lam)
        return train_literally(x, lam, recipe, seed)

    monkeypatch.setattr(paper_mnist, "train_literally", literal)
    words = ["--quick", "--out", str(tmp_path), "--parts", "stability,curve"]
    assert main(words) == 0 == main(words)
    assert trained == list(LAMBDAS[:2])
    curve = read_result("paper-curve", tmp_path)["rows"]
    assert [row["key"] for row in curve] == [
        *(f"fixed/{dims}" for dims in list(PUBLISHED)[:2]),
        *(f"mask/{price:g}" for price in PRICES[:2]),
        *(f"literal/{lam:g}" for lam in LAMBDAS[:2]),
        *(f"pca/{dims}" for dims in list(PUBLISHED)[:2]),
    ]
    for row in curve:
        assert row["mse"]["mean"] > 0 and 0 <= row["f1"]["mean"] <= 1
        known = row["published"]
        assert known == published_at(row["dims"]["mean"])
        assert row["below"] is (None if known is None else row["mse"]["mean"] < known)
    stability = read_result("paper-stability", tmp_path)["rows"]
    assert [row["value"] for row in stability] == [*LAMBDAS[:2], *sorted(PRICES[:2])]
    assert all((tmp_path / f"paper-{part}.png").stat().st_size for part in ("curve", "stability"))


def test_masks_and_ranks_run_without_data(tmp_path: Path) -> None:
    words = ["--quick", "--out", str(tmp_path), "--parts", "gates,cold-start,rank"]
    assert main(words) == 0
    gates = read_result("paper-gates", tmp_path)["rows"]
    assert [row["variant"] for row in gates] == [*GATES, *GATES, "as it is"]
    cold = read_result("paper-cold-start", tmp_path)["rows"]
    assert [row["variant"] for row in cold] == ["without", "with"] * 2
    for row in [*gates, *cold]:
        (run,) = row["runs"]
        assert run["cost"] == pytest.approx(run["loss"] + 1e-3 * run["dims"])
    literal, ours = read_result("paper-rank", tmp_path)["rows"]
    assert (literal["true"], ours["true"]) == (5, 5)
    assert literal["steps"] > 0 and ours["method"] != literal["method"]


def test_igmc_is_fitted_by_lambda_and_by_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def fit(split: Any, seed: int, quick: bool, **arguments: Any) -> dict[str, float]:
        asked.append(arguments)
        return {"dims": 3.0, "rmse": 0.9, "cpu_s": 1.0}

    monkeypatch.setattr(paper_masks, "igmc_fit", fit)
    monkeypatch.setattr(paper_masks, "rating_splits", lambda name, root, seeds: ["split"])
    assert main(["--seeds", "1", "--out", str(tmp_path), "--parts", "igmc"]) == 0
    assert asked == [{"paper_lambda": 0.1}, {}] * 2
    rows = read_result("paper-igmc", tmp_path)["rows"]
    assert [row["dataset"] for row in rows] == ["flixster"] * 2 + ["douban"] * 2


def test_without_the_images_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper_mnist._split.cache_clear()
    words = ["--quick", "--out", str(tmp_path), "--data-root", str(tmp_path), "--parts", "curve"]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--parts", "cubic"])
    assert "unknown parts cubic; known are curve, stability" in capsys.readouterr().err


@pytest.mark.parametrize("part", PARTS)
def test_published_results_have_the_columns_of_the_code(part: str) -> None:
    if not (RESULTS / f"paper-{part}.json").exists():
        pytest.skip("not measured yet")
    columns = [column["key"] for column in read_result(f"paper-{part}")["columns"]]
    shown = {
        "curve": paper_mnist._COLUMNS,
        "stability": paper_mnist._STABILITY_COLUMNS,
        "gates": paper_masks._MASK_COLUMNS,
        "cold-start": paper_masks._MASK_COLUMNS,
        "rank": paper_masks._RANK_COLUMNS,
    }
    if part in shown:
        assert columns == [column.key for column in shown[part]]
