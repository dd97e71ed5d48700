from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import arguments
from benchmarks.arguments import QUICK_RESULTS, benchmark_parser, parse
from benchmarks.results import RESULTS


@pytest.fixture(autouse=True)
def threads_set(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Keeps the thread counts of the test run as they are, and says what would have been set."""
    calls: list[int] = []
    monkeypatch.setattr(arguments, "set_threads", calls.append)
    monkeypatch.delenv("DAMREP_DATA", raising=False)
    return calls


def test_defaults(threads_set: list[int]) -> None:
    options = parse(benchmark_parser("What it shows."), [])
    assert options.seeds == (0, 1, 2, 3, 4)
    assert (options.out, options.data_root, options.quick) == (RESULTS, None, False)
    assert threads_set == [1]


def test_everything_given(tmp_path: Path, threads_set: list[int]) -> None:
    words = ["--seeds", "3,1", "--threads", "2", "--out", "x", "--data-root", str(tmp_path)]
    options = parse(benchmark_parser("What it shows."), words)
    assert options.seeds == (3, 1)
    assert (options.out, options.data_root) == (Path("x"), tmp_path)
    assert threads_set == [2]


def test_quick_takes_one_seed_and_leaves_the_published_results_alone() -> None:
    options = parse(benchmark_parser("What it shows."), ["--quick"])
    assert options.seeds == (0,)
    assert options.out == QUICK_RESULTS != RESULTS


def test_the_data_folder_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMREP_DATA", str(tmp_path))
    assert parse(benchmark_parser("What it shows."), []).data_root == tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "expected at least one seed"),
        (["--seeds", "1,1"], "different from each other"),
        (["--seeds=-1,2"], "all >= 0"),
        (["--seeds", "many"], "neither a number of seeds nor a list"),
        (["--threads", "0"], "not a number of threads >= 1"),
        (["--data-root", "no/such/folder"], "is not a folder"),
    ],
)
def test_bad_options_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(benchmark_parser("What it shows."), words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
