"""`damrep` itself: help, version, and how a run ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import damrep
from damrep.cli import main
from damrep.masking.validation import InputError
from damrep.training.loop import DivergedError

COMMANDS = [
    "datasets", "doctor", "embed", "fit-autoencoder", "fit-embedding", "fit-recommender",
    "recommend", "report",
]  # fmt: skip


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from damrep.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as done: code = done.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: damrep")


@pytest.mark.parametrize("name", ["fit-autoencoder", "fit-embedding", "fit-recommender"])
@pytest.mark.parametrize("file", ["missing.csv", "table.jsonl"])
def test_a_file_of_no_use_is_told_before_anything_heavy_is_imported(
    name: str, file: str, tmp_path: Path
) -> None:
    (tmp_path / "table.jsonl").write_text('{"a": 1}\n')
    program = (
        "import sys\n"
        "from damrep.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as done: code = done.code\n"
        "print(code, *{'torch', 'sklearn', 'scipy.stats', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name, str(tmp_path / file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "2\n", done.stderr
    assert file in done.stderr


def test_every_command_is_listed_with_a_line() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    for name in COMMANDS:
        line = next(line for line in shown.splitlines() if line.strip().startswith(f"{name} "))
        assert line.rstrip().endswith(".") and "..." not in line


def test_without_a_command_the_help_is_shown() -> None:
    bare, asked = (CliRunner().invoke(main, words) for words in ([], ["-h"]))
    assert bare.exit_code == asked.exit_code == 0
    assert bare.stdout == asked.stdout


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"damrep {damrep.__version__}\n")


def test_python_m_damrep_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "damrep", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"damrep {damrep.__version__}\n"


def test_shell_completion() -> None:
    environment = {
        **os.environ,
        "_DAMREP_COMPLETE": "bash_complete",
        "COMP_WORDS": "damrep fit-embedding --enc",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-m", "damrep"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert sorted(done.stdout.split()) == ["plain,--encoder", "plain,--encoding"]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InputError("edges.csv: line 3\nis odd"), 2, "error: edges.csv: line 3 is odd"),
        (DivergedError("the loss became nan"), 2, "error: the loss became nan"),
        (OSError(28, "No space left on device", "a"), 2, "error: a: No space left on device"),
        (PermissionError(13, "Permission denied", "b"), 2, "error: b: Permission denied"),
        (MemoryError(), 2, "error: not enough memory"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
                "allocate memory: you tried to allocate 108000000000000 bytes. Error code 12"
            ),
            2,
            "error: not enough memory: 108,000 GB were asked for at once",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            TypeError("no such thing"),
            1,
            "internal error: TypeError: no such thing (set DAMREP_DEBUG=1 for the traceback)",
        ),
        (RuntimeError(), 1, "internal error: RuntimeError (set DAMREP_DEBUG=1 for the traceback)"),
    ],
)
def test_every_end_is_one_line_and_a_code(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> tuple[str, ...]:
        raise raised

    monkeypatch.delenv("DAMREP_DEBUG", raising=False)
    monkeypatch.setattr("damrep.datasets.names", names)
    result = CliRunner().invoke(main, ["datasets"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"damrep: {said}\n")


def test_the_traceback_is_there_for_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> tuple[str, ...]:
        raise TypeError("no such thing")

    monkeypatch.setenv("DAMREP_DEBUG", "1")
    monkeypatch.setattr("damrep.datasets.names", names)
    result = CliRunner().invoke(main, ["datasets"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("damrep: internal error: TypeError: no such thing\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit-embeding"], "fit-embedding"),
        (["fit-embedding", "karate", "--pric", "1"], "--price"),
        (["fit-embedding"], "GRAPH"),
        (["--nothing"], "--nothing"),
    ],
)
def test_a_slip_of_the_pen_is_named(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("damrep: error: ") and result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed_pipe:
        done = subprocess.run(
            [sys.executable, "-m", "damrep", "datasets"],
            stdout=closed_pipe, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_stream_is_no_error(stream: int) -> None:
    line = f'"{sys.executable}" -m damrep --version {stream}>&-'
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_datasets_lists_every_name() -> None:
    from damrep import datasets

    result = CliRunner().invoke(main, ["datasets"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(datasets.names())


def test_lazy_exports() -> None:
    assert set(damrep.__all__) <= set(dir(damrep))
    assert damrep.InputError is InputError
    for name in damrep.__all__:
        assert getattr(damrep, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Dam'"):
        damrep.Dam  # noqa: B018


def test_torch_says_what_it_could_not_allocate_as_it_is_looked_for() -> None:
    import torch

    from damrep.cli.ending import _REFUSED_BYTES

    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**17)
    assert _REFUSED_BYTES.search(str(caught.value))
