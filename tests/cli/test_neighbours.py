"""`damrep neighbours`: the most similar nodes, rows and items, by hand and as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from damrep.cli.neighbours import METRICS
from damrep.cli.outputs import VECTORS, write_embeddings, write_factors
from damrep.training import nearest
from tests.cli.conftest import Run

NAMES = np.array(["Anna", "Bob", "007", "-x", "Zoë"], dtype=object)
# Angles 0, 10, 90, 180 and 350 degrees, of lengths 1, 9, 1, 1 and 1.
ANGLES, LENGTHS = np.radians([0, 10, 90, 180, 345]), np.array([1, 9, 1, 1, 1])
Z = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1) * LENGTHS[:, None]


def test_metrics_are_those_there_are() -> None:
    assert METRICS == nearest.METRICS


@pytest.mark.parametrize("vectors", [False, True])
def test_by_hand(vectors: bool, run: Run, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "z.parquet", NAMES, Z, vectors=vectors)
    result = run("neighbours", "z.parquet", "Anna", "--k", 2)
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [["node", "cosine"], ["Bob", "0.985"], ["Zoë", "0.966"]]
    result = run("neighbours", "z.parquet", "Anna", "--metric", "euclidean", "--json")
    assert json.loads(result.stdout) == {
        "id": "Anna",
        "metric": "euclidean",
        "neighbours": [
            {"id": "Zoë", "distance": pytest.approx(2 * np.sin(np.radians(7.5)), abs=1e-5)},
            {"id": "007", "distance": pytest.approx(2**0.5, abs=1e-5)},
            {"id": "-x", "distance": pytest.approx(2, abs=1e-5)},
            {"id": "Bob", "distance": pytest.approx(8.0169, abs=1e-3)},
        ],
    }


def test_ids_as_they_are_written(run: Run, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "z.parquet", NAMES, Z)
    assert run("neighbours", "z.parquet", "007", "--k", 1).exit_code == 0
    assert run("neighbours", "z.parquet", "--k", 1, "--", "-x").exit_code == 0
    write_embeddings(tmp_path / "n.parquet", np.array([7, 5, 3, 1, -2]), Z, id_name="id")
    found = json.loads(run("neighbours", "n.parquet", "7", "--k", 1, "--json").stdout)
    assert (found["id"], found["neighbours"][0]["id"]) == (7, 5)
    assert run("neighbours", "n.parquet", "--", "-2").exit_code == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("anna", "z.parquet: there is no 'anna'; did you mean 'Anna'?"),
        ("7", "z.parquet: there is no '7'"),
        ("", "z.parquet: there is no ''"),
    ],
)
def test_an_unknown_id(name: str, said: str, run: Run, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "z.parquet", NAMES, Z)
    result = run("neighbours", "z.parquet", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_more_rows_than_a_block_give_what_one_block_gives(run: Run, tmp_path: Path) -> None:
    z = np.random.default_rng(0).normal(size=(20_000, 4)).astype(np.float32)
    write_embeddings(tmp_path / "z.parquet", np.arange(20_000), z)
    found = json.loads(run("neighbours", "z.parquet", "12345", "--k", 5, "--json").stdout)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[12345]), kind="stable")
    assert [one["id"] for one in found["neighbours"]] == order[order != 12345][:5].tolist()


def test_the_output_of_a_graph(run: Run, fitted: tuple[Path, Result]) -> None:
    table = pd.read_parquet(fitted[0] / "embeddings.parquet")
    first = str(table["node"][0])
    result = run("neighbours", fitted[0], first, "--k", 3, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["metric"] == "cosine" and len(found["neighbours"]) == 3
    asked = run("neighbours", fitted[0], f"{first}?")
    assert asked.exit_code == 2 and "did you mean" in asked.stderr


def test_the_output_of_a_table(run: Run, sample: Path) -> None:
    words = ("fit-autoencoder", sample / "features.csv", "--max-dims", 2, "--epochs", 1)
    for metric in ("euclidean", "cosine"):
        assert run(*words, "--metric", metric, "--out", metric).exit_code == 0
        name = pd.read_parquet(Path(metric) / "embeddings.parquet")["id"][0]
        found = json.loads(run("neighbours", metric, name, "--json").stdout)
        assert found["metric"] == metric


def test_the_output_of_a_recommender(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for file, name in (("users", "user"), ("items", "item")):
        ids = np.array([f"{name}{i}" for i in range(5)], dtype=object)
        write_factors(tmp_path / "out" / f"{file}.parquet", name, ids, np.zeros(5), Z)
    assert "item1" in run("neighbours", "out", "item0", "--k", 1).stdout
    assert "user1" in run("neighbours", "out", "user0", "--users", "--k", 1).stdout


def test_what_holds_no_embedding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "words.csv").write_text("a,b\n")
    pd.DataFrame({"price": [1.0], "dim_0": [2.0]}).to_parquet(tmp_path / "other.parquet")
    for words, said in (
        (("none", "a"), "none: no such file or folder"),
        (("empty", "a"), "empty: there is no embeddings.parquet in it"),
        (("words.csv", "a"), "words.csv: not a .parquet"),
        (("other.parquet", "a"), "other.parquet holds no embedding"),
        (("words.csv", "a", "--users"), "--users is for the output folder of a recommender"),
    ):
        result = run("neighbours", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr and result.stderr.count("\n") == 1


def test_one_row_has_none(run: Run, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "z.parquet", NAMES[:1], Z[:1])
    result = run("neighbours", "z.parquet", "Anna", "--json")
    assert json.loads(result.stdout)["neighbours"] == []


@pytest.mark.parametrize("column", [["a", "b"], [1.0, np.nan], [1.0, None], [[1.0], [1.0] * 3]])
def test_what_is_no_number_is_refused(column: list[object], run: Run, tmp_path: Path) -> None:
    name = VECTORS if isinstance(column[0], list) else "dim_0"
    pd.DataFrame({"node": ["x", "y"], name: column}).to_parquet(tmp_path / "z.parquet")
    result = run("neighbours", "z.parquet", "x")
    assert result.exit_code != 0
    assert "z.parquet: not every row is of numbers" in result.stderr
