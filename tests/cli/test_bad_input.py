"""Bad input: one line on stderr, exit code 2, nothing written, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from tests.cli.conftest import QUICK, Run, tree

EDGES = "source,target\na,b\nb,c\nc,d\nd,a\n"
FEATURES = "id,x,y\na,1,2\nb,2,3\nc,4,5\nd,0,1\n"


def _refused(result: Result, *said: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("damrep: error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for words in said:
        assert words in result.stderr


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is refused here is refused before anything is computed."""

    def fit(self: object, *_: object, **__: object) -> None:
        raise AssertionError("the training was reached")

    monkeypatch.setattr("damrep.graph.fitting.train_encoder", fit)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    (tmp_path / "graph.csv").write_text(EDGES)
    (tmp_path / "features.csv").write_text(FEATURES)
    return tmp_path


GIVEN = ("fit-embedding", "graph.csv", "--features", "features.csv", "--out", "out", *QUICK)


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({}, ["fit-embedding", "gone.csv"], ["gone.csv", "no such file"]),
        ({}, ["fit-embedding", "sub/gone"], ["sub/gone", "no such file"]),
        ({"graph.csv": ""}, GIVEN, ["graph.csv", "empty"]),
        ({"features.csv": ""}, GIVEN, ["features.csv", "empty"]),
        ({"graph.csv": "source,target\n"}, GIVEN, ["graph.csv", "no edges"]),
        ({"graph.csv": EDGES + "d,ghost\n"}, GIVEN, ["ghost"]),
        ({"features.csv": FEATURES.replace("4,5", "nan,5")}, GIVEN, ["'c'", "nan"]),
        ({"features.csv": FEATURES.replace("4,5", "inf,5")}, GIVEN, ["'c'", "inf"]),
        ({"features.csv": FEATURES.replace("4,5", "four,5")}, GIVEN, ["'x'", "'four'"]),
        ({"features.csv": FEATURES + "a,1,1\n"}, GIVEN, ["'a'", "more than once"]),
        ({"graph.csv": "source,target,weight\na,b,1\nb,c,heavy\n"}, GIVEN, ["line 3", "'heavy'"]),
        ({"graph.csv": "source,target,weight\na,b,1\nb,c,-1\n"}, GIVEN, ["-1"]),
        ({"labels.txt": "x\ny\n"}, [*GIVEN, "--labels", "labels.txt"], ["2 labels", "4 nodes"]),
        ({}, [*GIVEN, "--labels", "gone.csv"], ["gone.csv", "no such file"]),
        ({"graph.xyz": "a"}, ["fit-embedding", "graph.xyz"], ["graph.xyz", ".csv"]),
        ({"graph.pt": "not a tensor"}, ["fit-embedding", "graph.pt"], ["graph.pt"]),
        ({"graph.npz": "not a zip"}, ["fit-embedding", "graph.npz"], ["graph.npz"]),
        ({}, [*GIVEN, "--source", "from"], ["--source and --target"]),
        ({}, [*GIVEN, "--source", "from", "--target", "to"], ["'from'"]),
    ],
)
def test_files(
    files: dict[str, str], words: list[str], said: list[str], run: Run, graph: Path
) -> None:
    for name, text in files.items():
        (graph / name).write_text(text)
    before = tree(graph)
    _refused(run(*words), *said)
    assert tree(graph) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--price", "-1"], ["--price", "-1"]),
        (["--price", "nan"], ["--price", "finite", "nan"]),
        (["--price", "inf"], ["--price", "finite", "inf"]),
        (["--price", "cheap"], ["--price", "cheap"]),
        (["--dims", "0"], ["--dims", "0"]),
        (["--dims", "17"], ["--dims", "16 (--max-dims)", "17"]),
        (["--dims", "2", "--price", "0.1"], ["--dims", "--price"]),
        (["--max-dims", "0"], ["--max-dims"]),
        (["--encoder", "gat"], ["--encoder", "gcn"]),
        (["--objective", "luck"], ["--objective", "ggd"]),
        (["--strategy", "none"], ["--strategy", "search"]),
        (["--evaluate", "all"], ["--evaluate", "both"]),
        (["--evaluate", "probe"], ["no labels"]),
        (["--objective", "supervised"], ["labels"]),
        (["--epochs", "0"], ["--epochs"]),
        (["--hidden", "a"], ["--hidden", "256,128"]),
        (["--hidden", "8,0"], ["--hidden"]),
        (["--seed", "-1"], ["--seed"]),
        (["--threads", "0"], ["--threads"]),
        (["--device", "abacus"], ["--device", "cpu"]),
        (["--no-features"], ["--features", "--no-features"]),
        (["-v", "-q"], ["--verbose", "--quiet"]),
        (["--data-root"], ["--data-root"]),
    ],
)
def test_options(words: list[str], said: list[str], run: Run, graph: Path) -> None:
    before = tree(graph)
    _refused(run(*GIVEN, *words), *said)
    assert tree(graph) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("corra", ["neither a file nor a known data set", "did you mean cora?"]),
        ("karat", ["karate"]),
        ("grph", ["graph.csv"]),
        ("qqqqqq", ["neither a file nor a known data set", "damrep datasets"]),
    ],
)
def test_a_name_that_is_neither_file_nor_data_set(
    name: str, said: list[str], run: Run, graph: Path
) -> None:
    _refused(run("fit-embedding", name), f"{name!r}", *said)


def test_a_data_set_that_is_not_here(run: Run, tmp_path: Path) -> None:
    _refused(run("fit-embedding", "facebook-pages"), "facebook-pages", "DAMREP_DATA")
    _refused(run("fit-embedding", "cora", "--data-root", "gone"), "gone")
    _refused(run("fit-embedding", "karate", "--weight", "a"), "karate", "--source")


class TestOutputFolder:
    """Asked before the training, which here would fail the test."""

    def test_somebody_elses(self, run: Run, graph: Path) -> None:
        (graph / "out").mkdir()
        (graph / "out" / "thesis.tex").write_text("years of work")
        before = tree(graph)
        _refused(run(*GIVEN), "out exists", "not written by damrep")
        assert tree(graph) == before

    def test_somebody_elses_report(self, run: Run, graph: Path) -> None:
        (graph / "out").mkdir()
        (graph / "out" / "report.json").write_text('{"quarter": 3}')
        _refused(run(*GIVEN), "not written by damrep")

    def test_ours_with_something_of_theirs_in_it(self, run: Run, graph: Path) -> None:
        (graph / "out").mkdir()
        report = {"estimator": "E", "initial_dims": 2, "learned_dims": 1}
        (graph / "out" / "report.json").write_text(json.dumps(report))
        (graph / "out" / "notes.txt").write_text("mine")
        before = tree(graph)
        _refused(run(*GIVEN), "notes.txt")
        assert tree(graph) == before

    def test_a_file(self, run: Run, graph: Path) -> None:
        (graph / "out").write_text("")
        _refused(run(*GIVEN), "not a folder")

    def test_below_a_file(self, run: Run, graph: Path) -> None:
        _refused(run(*GIVEN[:4], "--out", "graph.csv/out", *QUICK), "graph.csv", "not a folder")

    def test_no_permission(self, run: Run, graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Root may write anywhere, so that permission bits would show nothing to a test run by it.
        monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
        _refused(run(*GIVEN), "no permission")


class TestModel:
    def test_missing(self, run: Run, tmp_path: Path) -> None:
        _refused(run("embed", "gone", "karate"), "gone")

    def test_foreign(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
        before = tree(tmp_path)
        _refused(run("embed", "model", "karate"), "model", "not")
        assert tree(tmp_path) == before

    @pytest.mark.parametrize("part", ["config.json", "weights.safetensors"])
    @pytest.mark.parametrize("how", ["cut", "gone"])
    def test_damaged(
        self, part: str, how: str, run: Run, fitted: tuple[Path, Result], tmp_path: Path
    ) -> None:
        shutil.copytree(fitted[0], tmp_path / "out")
        path = tmp_path / "out" / "model" / part
        content = path.read_bytes()
        path.unlink()
        if how == "cut":
            path.write_bytes(content[: len(content) // 2])
        before = tree(tmp_path)
        _refused(run("embed", "out", "karate"), part)
        assert tree(tmp_path) == before

    def test_of_another_width(self, run: Run, fitted: tuple[Path, Result], graph: Path) -> None:
        before = tree(graph)
        _refused(
            run("embed", fitted[0], "graph.csv", "--features", "features.csv"),
            "no column 'f0' and 5 more",
        )
        assert tree(graph) == before

    @pytest.mark.parametrize(
        ("out", "said"),
        [
            ("graph.csv", "is read by this command"),
            ("notes.csv", "holds no embedding"),
            ("folder.npy", "is a folder"),
            ("z.json", ".parquet, .csv, .npy"),
            ("graph.csv/z.npy", "not a folder"),
        ],
    )
    def test_output_file(
        self, out: str, said: str, run: Run, fitted: tuple[Path, Result], graph: Path
    ) -> None:
        (graph / "notes.csv").write_text("day,mood\n1,good\n")
        (graph / "folder.npy").mkdir()
        before = tree(graph)
        _refused(run("embed", fitted[0], "graph.csv", "--out", out), said)
        assert tree(graph) == before


class TestReport:
    def test_missing(self, run: Run, tmp_path: Path) -> None:
        _refused(run("report", "gone"), "gone")
        (tmp_path / "empty").mkdir()
        _refused(run("report", "empty"), "report.json")

    @pytest.mark.parametrize(
        "text",
        ['{"estimator": "E", "init', "[1, 2]", '{"quarter": 3}',
         '{"estimator": "E", "initial_dims": 2, "learned_dims": 1, "measures": 5}'],
    )  # fmt: skip
    def test_damaged(self, text: str, run: Run, tmp_path: Path) -> None:
        (tmp_path / "report.json").write_text(text)
        _refused(run("report", "."), "report")


def test_features_that_are_no_numbers_at_all(run: Run, graph: Path) -> None:
    np.save(graph / "features.npy", np.array(["a", "b", "c", "d"]))
    _refused(run("fit-embedding", "graph.csv", "--features", "features.npy"), "features.npy")
