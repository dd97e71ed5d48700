"""Ctrl-C and SIGTERM in a real process: a word, a code, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from damrep.training import claimed
from tests.cli.conftest import QUICK, Run, tree

# The place named is reached, says so, and goes no further.
PROGRAM = """
import importlib, sys, time
module, _, name = sys.argv[1].rpartition(":")
owner = importlib.import_module(module)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
def wait(*args, **options):
    print("here", flush=True)
    time.sleep(60)
setattr(owner, name, wait)
from damrep.cli import main
main(sys.argv[2:])
"""
TRAINING = "damrep.graph.estimator:DAMGraphEmbedding.fit"
WRITING = "damrep.reporting.page:render_page"


@contextlib.contextmanager
def _waiting_at(place: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A fit in a process of its own that has come to a place and goes no further."""
    words = ["fit-embedding", "karate", "--out", "out", "--evaluate", "none", *QUICK]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, place, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # A shell that started the tests in the background may have had Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def _stopped_at(
    place: str, folder: Path, number: int
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Start a fit, stop it at a place with a signal; how it ended and what lay there before."""
    with _waiting_at(place, folder) as process:
        during = tree(folder)
        process.send_signal(number)
        process.send_signal(number)  # an impatient hand
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess([], process.returncode, out, err), during


def test_sigterm_while_training(tmp_path: Path) -> None:
    done, _ = _stopped_at(TRAINING, tmp_path, signal.SIGTERM)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "damrep: terminated\n")
    assert tree(tmp_path) == {}


def test_ctrl_c_while_writing_over_an_earlier_output(
    fitted: tuple[Path, Result], tmp_path: Path
) -> None:
    shutil.copytree(fitted[0], tmp_path / "out")
    before = tree(tmp_path)
    done, during = _stopped_at(WRITING, tmp_path, signal.SIGINT)
    assert any(name.endswith("embeddings.parquet") for name in set(during) - set(before))
    assert (done.returncode, done.stderr) == (130, "damrep: interrupted\n")
    assert tree(tmp_path) == before


def test_a_full_disk_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    result = run("fit-embedding", "karate", "--out", "out", *QUICK)
    assert result.exit_code == 2
    assert result.stderr == "damrep: error: No space left on device\n"
    assert tree(tmp_path) == {}


def test_a_second_fit_into_the_same_folder_is_told_before_it_begins(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fit-embedding", "karate", "--evaluate", "none", *QUICK)
    with _waiting_at(TRAINING, tmp_path) as process:
        with monkeypatch.context() as patched:
            patched.setattr("damrep.graph.estimator.DAMGraphEmbedding.fit", None)  # not called
            result = run(*words, "--out", "out")
        assert result.exit_code == 2
        assert result.stderr == (
            f"damrep: error: out is being written by another process ({process.pid} on "
            f"{socket.gethostname()}); wait for it, or give another folder\n"
        )
        process.kill()  # no time to tidy up: the lock goes all the same
        process.wait()
        assert run(*words, "--out", "out").exit_code == 0
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "words",
    [
        ("fit-embedding", "karate"),
        ("fit-autoencoder", "table.csv"),
        ("fit-recommender", "ratings.csv"),
    ],
)
def test_every_fit_asks_whether_its_folder_is_free(
    words: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(tmp_path / "out"):
            held.set()
            done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    result = run(*words, "--out", "out")  # of files that are not even there
    done.set()
    other.join()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "out is being written by another process" in result.stderr
