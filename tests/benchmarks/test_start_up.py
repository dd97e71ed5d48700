from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import arguments, start_up
from benchmarks.results import read_result


def test_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(start_up, "MODULES", ("torch", "json"))
    taken: list[str] = []
    monkeypatch.setattr(start_up, "imported", taken.append)
    assert start_up.main(["--quick", "--out", str(tmp_path)]) == 0
    rows = read_result("start-up", tmp_path)["rows"]
    assert [row["name"] for row in rows] == ["torch", "json"]
    assert taken == ["torch", "json", "json", "torch"]
    assert rows[1]["holds"] == (rows[1]["cpu_ratio"] <= start_up.AT_MOST)


def test_a_module_that_is_not_there_is_no_time() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        start_up.imported("no_such_module")
