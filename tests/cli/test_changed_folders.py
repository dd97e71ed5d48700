"""An output folder that somebody changed: the commands refuse it in one line, or say the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import QUICK, SAMPLE, Run, call, tree
from tests.model_folders.editing import edit_config
from tests.model_folders.mutating import mutate, mutate_json

GRAPH = (SAMPLE / "graph.csv", "--features", SAMPLE / "features.csv")
COMMANDS: dict[str, tuple[Any, ...]] = {
    "graph": ("embed", "{}", *GRAPH, "--out", "z.csv"),
    "table": ("embed", "{}", SAMPLE / "features.csv", "--out", "z.csv"),
    "ratings": ("recommend", "{}", "--out", "z.csv"),
    "ratings-told": ("recommend", "{}", "--user", "reader_00", "--n", "3"),
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, fitted: tuple[Path, Result]) -> Path:
    """A folder of every fit, not to be changed."""
    place = tmp_path_factory.mktemp("outputs")
    shutil.copytree(fitted[0], place / "graph")
    table = ("fit-autoencoder", SAMPLE / "features.csv", "--hidden", "4", "--standardize")
    ratings = ("fit-recommender", SAMPLE / "ratings.csv", "--max-dims", "3", "--sweeps", "2")
    for words, name in ((table, "table"), (ratings, "ratings")):
        result = call(*words, "--evaluate", "none", "--out", place / name)
        assert result.exit_code == 0, result.stderr
    shutil.copytree(place / "ratings", place / "ratings-told")
    return place


def answer(run: Run, name: str, folder: Path) -> tuple[int, str, bytes]:
    """Exit code, what was said, and the file that was written."""
    result = run(*(folder if word == "{}" else word for word in COMMANDS[name]))
    out = Path("z.csv")
    written = out.read_bytes() if out.exists() else b""
    out.unlink(missing_ok=True)
    if result.exit_code:
        assert result.exit_code == 2, result.stderr
        assert result.stderr.startswith("damrep: error: ") and result.stderr.count("\n") == 1
        assert (result.stdout, written) == ("", b"")
        assert not hidden(result.stderr)
    return result.exit_code, result.stdout, written


def hidden(text: str) -> list[str]:
    """What of a text steers a terminal."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]


def check(run: Run, name: str, outputs: Path, tmp_path: Path, count: int) -> None:
    truth = answer(run, name, outputs / name)
    assert truth[0] == 0
    refused = 0
    for number in range(count):
        rng = random.Random(f"{name} {number}")
        folder = Path(shutil.copytree(outputs / name, tmp_path / "changed"))
        models = [path.parent for path in sorted(folder.rglob("config.json"))]
        said = mutate(rng.choice(models), rng)
        code, *given = answer(run, name, folder)
        assert code == 2 or given == list(truth[1:]), f"{number}: {said}"
        refused += code == 2
        shutil.rmtree(folder)
    assert refused > count / 2


@pytest.mark.parametrize("name", COMMANDS)
def test_a_changed_model(name: str, run: Run, outputs: Path, tmp_path: Path) -> None:
    check(run, name, outputs, tmp_path, 15)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_five_hundred_changed_models(name: str, run: Run, outputs: Path, tmp_path: Path) -> None:
    check(run, name, outputs, tmp_path, 500)


def check_reports(run: Run, name: str, outputs: Path, tmp_path: Path, count: int) -> None:
    path = tmp_path / "report.json"
    for number in range(count):
        shutil.copy(outputs / name / "report.json", path)
        said = mutate_json(path, random.Random(f"{name} {number}"))
        result = run("report", tmp_path)
        assert result.exit_code in (0, 2), (said, result.stderr)
        if result.exit_code:
            assert result.stdout == "" and result.stderr.count("\n") == 1, said
        else:
            assert result.stderr == "" and "dimension" in result.stdout, said
        assert not hidden(result.stdout + result.stderr), said


@pytest.mark.parametrize("name", ["graph", "table", "ratings"])
def test_a_changed_report(name: str, run: Run, outputs: Path, tmp_path: Path) -> None:
    """It has no checksum, as nothing is computed from it: a table, or one line."""
    check_reports(run, name, outputs, tmp_path, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["graph", "table", "ratings"])
def test_five_hundred_changed_reports(name: str, run: Run, outputs: Path, tmp_path: Path) -> None:
    check_reports(run, name, outputs, tmp_path, 500)


HOSTILE = "\x1b[2J\x1b]0;title\x07\u202egnp.exe\r\x08\x9b31m\u2028\ud800\x00"
SHOWN = r"\x1b[2J\x1b]0;title\x07\u202egnp.exe"


def test_control_characters_are_shown(run: Run, outputs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(outputs / "graph", tmp_path / "out"))
    report = json.loads((folder / "report.json").read_text())
    report["warnings"] = [HOSTILE, f"a\n{HOSTILE}"]
    report["measures"] = [{"name": HOSTILE, "dims": 1, f"m{HOSTILE}": HOSTILE, "x": [HOSTILE]}]
    (folder / "report.json").write_text(json.dumps(report))
    result = run("report", folder)
    assert result.exit_code == 0, result.stderr
    assert not hidden(result.stdout)
    assert result.stdout.count(SHOWN) == 6
    report["estimator"] = [HOSTILE]
    (folder / "report.json").write_text(json.dumps({**report, HOSTILE: 1, "price": HOSTILE}))
    result = run("report", folder)
    assert result.exit_code == 2 and not hidden(result.stderr)


def test_control_characters_of_a_config_are_shown(run: Run, outputs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(outputs / "graph", tmp_path / "out"))
    edit_config(folder / "model", lambda whole: whole.update(kind=HOSTILE))
    result = run("embed", folder, *GRAPH)
    assert result.exit_code == 2 and not hidden(result.stderr) and "2J" in result.stderr
    edit_config(folder / "model", lambda whole: whole["config"].update({HOSTILE: HOSTILE}))
    edit_config(folder / "model", lambda whole: whole.update(kind="graph-embedding"))
    result = run("embed", folder, *GRAPH)
    assert result.exit_code == 2 and not hidden(result.stderr) and SHOWN in result.stderr


def test_control_characters_of_ids_are_shown(run: Run, tmp_path: Path) -> None:
    user, item = "u\x1b[2J\u202e", "film\x07\t1"
    rows = [(user, "a", 1), (user, "b", 2), ("v", "a", 3), ("v", item, 5), ("w", "b", 2)]
    lines = [f'"{who}","{what}",{rating}' for who, what, rating in rows]
    (tmp_path / "ratings.csv").write_text("user,item,rating\n" + "\n".join(lines) + "\n")
    words = ("--max-dims", "1", "--sweeps", "1", "--evaluate", "none", "--out", "out")
    assert run("fit-recommender", "ratings.csv", *words).exit_code == 0
    result = run("recommend", "out", "--user", user)
    assert result.exit_code == 0, result.stderr
    header, line = result.stdout.splitlines()
    assert line.startswith(r"u\x1b[2J\u202e  film\x07\t1  ")
    assert header.index("item") == line.index("film"), "in line"
    result = run("recommend", "out", "--user", "\x1b[2J")
    assert result.exit_code == 2 and not hidden(result.stderr) and "x1b[2J" in result.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    assert not hidden(page)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_pipe_in_the_place_of_a_report(run: Run, outputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    os.mkfifo(folder / "report.json")
    result = run("report", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "report.json is a pipe, expected a file" in result.stderr
    result = run("fit-embedding", "karate", "--out", folder, *QUICK)
    assert result.exit_code == 2 and "was not written by damrep" in result.stderr
    (folder / "report.json").unlink()
    (folder / "report.json").symlink_to(outputs / "graph" / "report.json")
    result = run("report", folder)
    assert result.exit_code == 2 and "leads out of its folder" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_pipe_is_no_place_for_an_output(run: Run, outputs: Path, tmp_path: Path) -> None:
    for name in ("z.csv", "z.parquet", "z.npy"):
        os.mkfifo(tmp_path / name)
        result = run("embed", outputs / "graph", *GRAPH, "--out", name)
        assert result.exit_code == 2 and "is a pipe or a device" in result.stderr
    result = run("recommend", outputs / "ratings", "--out", "z.csv")
    assert result.exit_code == 2 and "is a pipe or a device" in result.stderr


@pytest.mark.parametrize("value", [[1], "abc", {"a": 1}, 3])
def test_names_of_columns_that_are_none(
    value: object, run: Run, outputs: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(outputs / "table", tmp_path / "out"))
    inside = folder / "model" / "autoencoder"
    edit_config(
        inside,
        lambda whole: whole["config"]["report"]["details"]["data"].update(column_names=value),
    )
    (inside / "config.json").rename(folder / "model" / "config.json")
    (inside / "weights.safetensors").replace(folder / "model" / "weights.safetensors")
    before = tree(tmp_path)
    result = run("embed", folder, SAMPLE / "features.csv")
    assert result.exit_code == 2 and "details.data.column_names" in result.stderr
    assert tree(tmp_path) == before
