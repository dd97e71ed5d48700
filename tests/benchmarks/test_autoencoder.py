from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import arguments, autoencoder, autoencoder_cost, autoencoder_neighbours
from benchmarks.autoencoder import PARTS, main
from benchmarks.autoencoder_cost import fit_file, tried_widths, write_table
from benchmarks.autoencoder_neighbours import COSINE, Vectors
from benchmarks.autoencoder_neighbours import METHODS as NEIGHBOUR_METHODS
from benchmarks.autoencoder_tables import DAMREP, METHODS, PCA, SETTINGS, TableRuns, quality
from benchmarks.comparators import Shape, fit_pca, normalised_loss
from benchmarks.damrep_fits import fit_damrep, shape_of
from benchmarks.results import read_result
from benchmarks.table_data import Split

QUICK = ["--quick", "--out"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick run of the parts that are quality at some dimensions."""
    out = tmp_path_factory.mktemp("tables")
    patch = pytest.MonkeyPatch()
    patch.setattr(arguments, "set_threads", lambda n: None)
    assert main([*QUICK, str(out), "--parts", "tables,curve"]) == 0
    patch.undo()
    return out


def test_every_method_has_damreps_dims_and_steps(tables: Path) -> None:
    rows = read_result("autoencoder-tables", tables)["rows"]
    assert [(row["dataset"], row["method"]) for row in rows] == [("digits", m) for m in METHODS]
    by_method = {row["method"]: row for row in rows}
    dims = by_method[DAMREP]["dims"]["values"]
    for method, row in by_method.items():
        columns = method == "all columns"
        assert row["dims"]["values"] == ([64.0] if columns else dims)
        assert all(0 <= row[key]["mean"] <= 1 for key in ("knn", "logistic"))
        assert row["loss"]["mean"] == 0 if columns else row["loss"]["mean"] > 0
    assert by_method[PCA]["steps"]["mean"] == 0
    assert by_method["IRMAE"]["steps"] == by_method["L1 mask"]["steps"]


def test_the_curve_has_each_method_at_each_width(tables: Path) -> None:
    rows = read_result("autoencoder-curve", tables)["rows"]
    widths: dict[str, list[int]] = {}
    for row in rows:
        widths.setdefault(row["method"], []).append(row["dims"])
    at = widths["damrep, n_components"]
    assert at == widths["L1 mask, largest entries"] == widths[PCA] and at == sorted(set(at))
    assert set(widths["L1 mask"]) <= set(at)
    assert widths["damrep, first codes of one fit"][-1] == widths[DAMREP][0]
    assert {row["penalty"] for row in rows if row["method"] == "L1 mask"} == {0.3, 1.0}
    pca = [row["loss"] for row in rows if row["method"] == PCA]
    assert pca == sorted(pca, reverse=True)


def test_a_finished_run_measures_nothing(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*args: Any, **keywords: Any) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("benchmarks.autoencoder_tables.fit_damrep", fit)
    assert main([*QUICK, str(tables), "--parts", "tables,curve"]) == 0
    with pytest.raises(AssertionError, match="fitted again"):
        main([*QUICK, str(tables), "--parts", "tables", "--again"])


def test_numbers_are_of_test_rows_alone() -> None:
    options = autoencoder.argparse.Namespace(data_root=None, quick=True, rows=None)
    runs = TableRuns("digits", options)
    split = runs.split(0)
    row = runs.other(PCA, 0, 4, 10)
    model = fit_pca(split.x_train, split.x_train, 4)
    expected = normalised_loss(
        split.x_test, model.reconstruct(split.x_test), split.x_train.mean(axis=0)
    )
    assert row["loss"] == pytest.approx(expected)
    train = {x.tobytes() for x in split.x_train}
    assert not any(x.tobytes() in train for x in split.x_test)


def test_quality_of_codes_that_tell_the_class() -> None:
    y = np.arange(60) % 2
    x = np.random.default_rng(0).standard_normal((60, 3))
    x[:, 0] += 20 * y
    split = Split(x[:40], y[:40], x[40:], y[40:])
    assert quality(lambda rows: rows[:, :1], split) == {"knn": 1.0, "logistic": 1.0}


def test_the_papers_network_for_mnist() -> None:
    assert shape_of(SETTINGS["mnist"], 784) == Shape((128, 64), "elu", True)
    assert shape_of({"linear_path": False}, 1000) == Shape((256, 256), "elu", False)


def test_a_fit_says_its_dims_steps_and_seconds() -> None:
    x = np.random.default_rng(0).standard_normal((80, 6)).astype(np.float32)
    fit = fit_damrep(x, 0, hidden=(8,), max_epochs=3, max_components=4)
    assert 1 <= fit.dims <= 4 and fit.steps > 0 and fit.cpu_s > 0
    assert fit.reconstruct(x).shape == fit.reconstruct(x, 1).shape == (80, 6)
    assert fit_damrep(x, 0, hidden=()).steps == 0


def test_what_finding_the_width_costs(tmp_path: Path) -> None:
    assert main([*QUICK, str(tmp_path), "--parts", "cost"]) == 0
    one, found, several = read_result("autoencoder-cost", tmp_path)["rows"]
    assert one["name"] == "one given width" and one["steps_ratio"] == one["cpu_ratio"] == 1.0
    assert found["dims"] == one["dims"]
    assert found["holds"] == (found["steps"] <= 1.5 * one["steps"])
    tried = len(several["dims"].split(", "))
    assert several["name"] == f"{tried} given widths" and several["steps"] == tried * one["steps"]
    assert several["holds"] == (several["cheaper"] >= 5)


@pytest.mark.parametrize(("most", "count"), [(64, 8), (32, 8), (5, 4), (2, 1)])
def test_widths_to_try_reach_the_widest(most: int, count: int) -> None:
    widths = tried_widths(most)
    assert widths[0] == 2 and widths[-1] == most and len(widths) == count


def test_vectors_are_held_out_and_a_projection_keeps_some_neighbours() -> None:
    rng = np.random.default_rng(0)
    vectors = Vectors(rng.standard_normal((300, 2)) @ rng.standard_normal((2, 20)), quick=True)
    fit_on, held_out = vectors.parts(0)
    assert (len(fit_on), len(held_out)) == (240, 60)
    assert vectors.run(PCA, 0, 2)["recall"] > 0.9
    assert vectors.run("first columns", 0, 20)["recall"] == 1.0
    assert vectors.run("random projection", 0, 1)["recall"] < 0.9


def test_the_neighbours_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 10))
    monkeypatch.setattr(autoencoder_neighbours, "SOURCES", {"made": lambda options: values})
    assert main([*QUICK, str(tmp_path), "--parts", "neighbours"]) == 0
    rows = read_result("autoencoder-neighbours", tmp_path)["rows"]
    assert [row["method"] for row in rows] == list(NEIGHBOUR_METHODS)
    assert rows[0]["method"] == COSINE
    assert len({row["dims"]["mean"] for row in rows if row["method"] != DAMREP}) == 1
    assert all(0 <= row["recall"]["mean"] <= 1 and row["width"] == 10 for row in rows)
    assert rows[0]["bytes_text"].endswith(" of 40")


@pytest.mark.slow
def test_the_memory_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder_cost, "QUICK_SHAPE", (2000, 10))
    assert main([*QUICK, str(tmp_path), "--parts", "memory"]) == 0
    (row,) = read_result("autoencoder-memory", tmp_path)["rows"]
    assert row["holds"] and row["dims"] >= 1 and row["table_mb"] == 0.08


def test_a_table_is_fitted_from_its_file(tmp_path: Path) -> None:
    write_table(tmp_path / "x.npy", 400, 12, dims=3)
    found = fit_file(str(tmp_path / "x.npy"), {"hidden": ()})
    assert found == {"dims": 3, "steps": 0}


def test_graph_embeddings_are_a_source() -> None:
    options = autoencoder.argparse.Namespace(data_root=None, quick=True)
    vectors = autoencoder_neighbours.SOURCES["pubmed nodes"](options)
    assert len(vectors) == 34 and 1 < vectors.shape[1] <= 512 and np.isfinite(vectors).all()


def test_the_table_on_disk_is_written_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder_cost, "_BLOCK", 70)
    write_table(tmp_path / "x.npy", 200, 12, dims=3)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert x.shape == (200, 12) and x.dtype == np.float32
    values = np.linalg.svd(np.asarray(x), compute_uv=False)
    assert values[2] > 5 * values[3] > 0


def test_tables_that_are_not_there_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--parts", "tables", "--datasets", "isolet", "--data-root", str(tmp_path)]
    assert main([*QUICK, str(tmp_path / "out"), *words]) == 0
    assert "isolet: left out: isolet: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parts", "speed"], f"unknown parts speed; known are {', '.join(PARTS)}"),
        (["--datasets", "iris"], "unknown datasets iris; known are digits"),
        (["--methods", "magic"], "unknown methods magic; known are damrep, PCA"),
        (["--rows", "0"], "'0' is not a number of rows >= 1"),
    ],
)
def test_bad_options_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert message in capsys.readouterr().err
