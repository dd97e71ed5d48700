"""A command line in a folder of its own, and one fit that many tests look at."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
# Enough to have something to look at, and no more.
QUICK = ("--epochs", "2", "--max-dims", "16", "--threads", "1", "--device", "cpu")

Run = Callable[..., Result]


def call(*words: object) -> Result:
    """Run `damrep` with some words; an exception inside has become its exit code."""
    from damrep.cli import main

    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("fit-embedding", "karate")` in an empty folder, without data sets of the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAMREP_DATA", raising=False)
    monkeypatch.setenv("DAMREP_CACHE", str(tmp_path.parent / "no-cache"))
    return call


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the little graph that comes with the project in every format."""
    return SAMPLE


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """An output folder not to be changed, of the sample with all it has; and what was said."""
    out = tmp_path_factory.mktemp("fitted") / "out"
    result = call(
        "fit-embedding", SAMPLE / "graph.csv", "--features", SAMPLE / "features.csv",
        "--labels", SAMPLE / "labels.csv", "--out", out, *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return out, result


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything under a folder: the content of files, None for folders and links."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not os.path.islink(path)
    }
