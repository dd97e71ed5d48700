from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import arguments, rank_cases, rank_recovery
from benchmarks.rank_cases import DAMREP, PARTS, Case, cases, counts, measure_case
from benchmarks.rank_recovery import COLUMNS, NAME, main, summary
from benchmarks.results import RESULTS, read_result
from benchmarks.tables import replace_tables
from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.settings import AutoencoderSettings


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)


@pytest.fixture
def found_by_seed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Fits that find one dimension too many under seed 1, and nothing fitted."""
    seen: list[tuple[str, int]] = []

    def run(case: Case, x: np.ndarray, seed: int, quick: bool) -> dict[str, float]:
        seen.append((case.key, seed))
        return {"dims": case.dims + (seed == 1), "steps": 100 + seed, "cpu_s": 2.0}

    monkeypatch.setattr(rank_cases, "_run", run)
    monkeypatch.setattr(rank_cases, "make_table", lambda *a, **k: np.zeros((2, 2)))
    return seen


def test_what_the_issue_asks_for_is_measured() -> None:
    by_part = {part: make() for part, make in PARTS.items()}
    linear = by_part["linear"]
    assert sum(case.seeds for case in linear) == 150
    assert {(case.dims, case.table["scale"]) for case in linear} == {
        (r, s) for r in (2, 5, 10, 20, 40) for s in (0.1, 1.0, 10.0)
    }
    assert sum(case.seeds for case in by_part["noise"]) == 40
    assert [(c.kind, c.dims, c.seeds) for c in by_part["quadratic"] + by_part["mlp"]] == [
        ("quadratic", 20, 10),
        ("mlp", 20, 10),
    ]
    assert sum(c.seeds for c in by_part["trained"]) == 150
    assert sum(c.seeds for c in by_part["paper"]) == 20
    assert all("paper_lambda" in c.parameters for c in by_part["paper"])
    assert {(c.parameters["lr"], c.parameters["max_components"]) for c in by_part["settings"]} == {
        (lr, n) for lr in (0.001, 0.003, 0.01, 0.03) for n in (15, 50, 100, 256)
    }
    everything = cases(list(PARTS))
    assert len({case.key for case in everything}) == len(everything)


def test_parameters_are_ones_the_estimator_takes() -> None:
    for case in cases(list(PARTS)):
        if case.method == DAMREP:
            AutoencoderSettings(**{**DAMAutoencoder().get_params(), **case.parameters})


def test_a_row_counts_hits(found_by_seed: list[tuple[str, int]]) -> None:
    case = Case("linear", "some", "linear", 10, seeds=4)
    row = measure_case(case, [0, 1, 2, 5, 6])
    assert row is not None and found_by_seed == [(case.key, seed) for seed in (0, 1, 2, 5)]
    assert (row["found"], row["exact"], row["within_one"]) == ("10 (3), 11 (1)", "3/4", "4/4")
    assert (row["found_list"], row["steps"], row["cpu_s"]) == ([10, 11, 10, 10], 105, 2.0)


@pytest.mark.parametrize(
    ("found", "text"), [([7], "7"), ([7, 7], "7"), ([8, 7, 8], "7 (1), 8 (2)")]
)
def test_counts_are_in_order(found: Sequence[int], text: str) -> None:
    assert counts(found) == text


def _row(part: str, setting: str, found: list[int]) -> dict[str, Any]:
    base = {"part": part, "setting": setting, "method": DAMREP, "true": 2, "steps": len(found)}
    return {**base, "found_list": found, "cpu_s": float(len(found))}


def test_the_summary_joins_what_only_differs_in_scale() -> None:
    rows = [
        _row("linear", "2 of 100, x 1", [2, 2]),
        _row("linear", "2 of 100, x 0.1", [2, 4]),
        _row("paper", "2 of 100, x 1, lambda .01", [2]),
        _row("noise", "2 of 100, noise 0.1", [3]),
    ]
    joined, paper, noise = summary(rows)
    assert (joined["setting"], joined["exact"]) == ("2 of 100, x 0.1, 1 and 10", "3/4")
    assert (joined["found"], joined["steps"], joined["cpu_s"]) == ("2 (3), 4 (1)", 2, 2.0)
    assert paper["setting"] == "2 of 100, x 1, lambda .01"
    assert (noise["exact"], noise["within_one"]) == ("0/1", "1/1")


def test_a_stopped_run_goes_on(
    tmp_path: Path, found_by_seed: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = rank_recovery.measure_case

    def stopped(case: Case, seeds: Sequence[int], quick: bool) -> dict[str, Any] | None:
        if case.setting.startswith("40"):
            raise KeyboardInterrupt
        return measure(case, seeds, quick)

    words = ["--parts", "noise,quadratic", "--seeds", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(rank_recovery, "measure_case", stopped)
    with pytest.raises(KeyboardInterrupt):
        main(words)
    assert len(read_result(f"{NAME}-noise", tmp_path)["rows"]) == 2
    monkeypatch.setattr(rank_recovery, "measure_case", measure)
    assert main(words) == 0
    # Two noises at two ranks and one quadratic, two seeds each, nothing twice.
    assert len(found_by_seed) == 10 == len(set(found_by_seed))
    result = read_result(NAME, tmp_path)
    assert [row["part"] for row in result["rows"]] == ["noise"] * 4 + ["quadratic"]
    assert "Not measured: linear, mlp, trained, paper" in result["notes"][-1]
    text = replace_tables(f"<!-- results:{NAME} -->\n<!-- /results -->\n", tmp_path)
    assert "| quadratic | 20 of 100 | damrep | 20 | 20 (1), 21 (1) | 1/2 | 2/2 |" in text


def test_a_missing_library_leaves_its_rows_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "skdim", None)
    assert main(["--quick", "--parts", "peers", "--out", str(tmp_path)]) == 0
    assert "two-nn: left out: its library is not installed" in capsys.readouterr().err
    rows = read_result(f"{NAME}-peers", tmp_path)["rows"]
    methods = {row["method"] for row in rows}
    assert "two-nn" not in methods
    assert {"IRMAE", "nested dropout", "L1 mask, 0.1", "PCA, Minka's MLE"} <= methods
    exact = {row["method"]: row["exact"] for row in rows if "noise" not in row["setting"]}
    assert exact["PCA, Minka's MLE"] == exact["PCA, parallel analysis"] == "1/1"


def test_damrep_finds_the_rank_of_a_quick_table(tmp_path: Path) -> None:
    assert main(["--quick", "--parts", "linear,quadratic", "--out", str(tmp_path)]) == 0
    linear = read_result(f"{NAME}-linear", tmp_path)["rows"]
    assert [row["exact"] for row in linear] == ["1/1"] * len(linear)
    assert [row["steps"] for row in linear] == [0] * len(linear)
    (quadratic,) = read_result(f"{NAME}-quadratic", tmp_path)["rows"]
    assert quadratic["steps"] > 0 and quadratic["cpu_s"] > 0


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--parts", "cubic"])
    assert "unknown parts cubic; known are linear, noise" in capsys.readouterr().err


def test_published_results_have_the_columns_of_the_code() -> None:
    if not (RESULTS / f"{NAME}.json").exists():
        pytest.skip("not measured yet")
    keys = [column["key"] for column in read_result(NAME)["columns"]]
    assert keys == [column.key for column in COLUMNS]
