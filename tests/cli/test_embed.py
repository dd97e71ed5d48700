"""`damrep embed`: a saved model on the same graph and on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from tests.cli.conftest import Run

Fitted = tuple[Path, Result]


@pytest.fixture
def words(sample: Path, fitted: Fitted) -> list[object]:
    return ["embed", fitted[0], sample / "graph.csv", "--features", sample / "features.csv"]


def test_the_graph_fitted_on_gives_the_same_embedding(
    run: Run, words: list[object], fitted: Fitted, tmp_path: Path
) -> None:
    result = run(*words)
    kept = pd.read_parquet(fitted[0] / "embeddings.parquet")
    assert result.exit_code == 0, result.stderr
    first, read = result.stdout.splitlines()
    assert first == f"60 nodes, {kept.shape[1] - 1} dimensions, in damrep-graph.parquet"
    assert read.startswith("read: 60 nodes, 227 edges, 6 features: line 1 names the columns")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "damrep-graph.parquet"), kept, atol=1e-5
    )


def test_the_model_folder_itself_can_be_named(
    run: Run, words: list[object], fitted: Fitted, tmp_path: Path
) -> None:
    assert run(*words, "--out", "a.npy").exit_code == 0
    assert run("embed", fitted[0] / "model", *words[2:], "--out", "b.npy").exit_code == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_every_ending_holds_the_same_numbers(run: Run, words: list[object], tmp_path: Path) -> None:
    for ending in ("parquet", "csv", "npy"):
        assert run(*words, "--out", f"z.{ending}").exit_code == 0
    table = pd.read_parquet(tmp_path / "z.parquet")
    text = pd.read_csv(tmp_path / "z.csv")
    bare = np.load(tmp_path / "z.npy")
    assert list(text.columns) == list(table.columns)
    assert text["node"].tolist() == table["node"].tolist()
    np.testing.assert_array_equal(text.iloc[:, 1:].to_numpy(dtype=np.float32), bare)
    np.testing.assert_array_equal(table.iloc[:, 1:].to_numpy(), bare)
    assert bare.dtype == np.float32


@pytest.mark.parametrize("ending", ["parquet", "csv", "npy"])
def test_an_earlier_embedding_is_replaced(
    ending: str, run: Run, words: list[object], tmp_path: Path
) -> None:
    assert run(*words, "--out", f"z.{ending}").exit_code == 0
    before = (tmp_path / f"z.{ending}").read_bytes()
    again = run(*words, "--out", f"z.{ending}")
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / f"z.{ending}").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_new_nodes(run: Run, fitted: Fitted, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("source,target\nx,y\ny,z\n")
    rows = "\n".join(f"{name},1,0,2,0,1,{i}" for i, name in enumerate("xyz"))
    (tmp_path / "features.csv").write_text(f"id,a,b,c,d,e,f\n{rows}\n")
    result = run("embed", fitted[0], "new.csv", "--features", "features.csv", "--out", "z.csv")
    assert result.exit_code == 0, result.stderr
    assert pd.read_csv(tmp_path / "z.csv")["node"].tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("option", [["--id", "a"], ["--columns", "a,b"], ["--vectors"]])
def test_what_is_for_tables_is_refused(
    option: list[str], run: Run, words: list[object], tmp_path: Path
) -> None:
    result = run(*words, *option, "--out", "z.parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{option[0]} is not for this kind of model" in result.stderr
    assert list(tmp_path.iterdir()) == []
