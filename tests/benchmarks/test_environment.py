from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.environment import _command, provenance, set_threads
from benchmarks.timing import measure


def _set_and_look(n: int) -> tuple[int, set[int], str]:
    import numpy  # noqa: F401  its BLAS is to be seen below
    from threadpoolctl import threadpool_info

    set_threads(n)
    import torch

    pools = {pool["num_threads"] for pool in threadpool_info()}
    return torch.get_num_threads(), pools, os.environ["OMP_NUM_THREADS"]


def _git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_set_threads_reaches_every_pool() -> None:
    # In a process of its own: the setting lasts as long as the process does.
    assert measure(_set_and_look, 1, fresh_process=True).value == (1, {1}, "1")


def test_set_threads_refuses_none() -> None:
    with pytest.raises(ValueError, match="threads must be >= 1, got 0"):
        set_threads(0)


def test_provenance_of_a_checkout(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    _git(tmp_path, "add", "code.py")
    _git(tmp_path, "commit", "-q", "-m", "first")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    clean = provenance(tmp_path)
    assert (clean["commit"], clean["dirty"]) == (commit, False)

    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "one.json").write_text("{}")
    assert provenance(tmp_path)["dirty"] is False, "a result written before is no change of code"

    (tmp_path / "code.py").write_text("x = 2\n")
    assert provenance(tmp_path)["dirty"] is True


def test_provenance_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = provenance(tmp_path)
    assert (found["commit"], found["dirty"]) == (None, None)
    assert found["python"] == platform.python_version()
    assert {"torch", "numpy"} <= set(found["versions"])
    assert found["cpu"] and found["cores"] >= 1 and found["threads"] >= 1
    assert datetime.fromisoformat(found["date"]).utcoffset() == timedelta(0)


def test_the_command_is_kept_without_the_folders_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["--data-root", "/home/somebody/data", "--out=/tmp/x/out", "--seeds", "0,1", "a/b"]
    monkeypatch.setattr("sys.argv", ["/home/somebody/run.py", *words])
    assert _command().endswith(" --data-root data --out=out --seeds 0,1 a/b")
    assert "somebody" not in _command()
