from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.checkpoint import Checkpoint
from benchmarks.results import Column, ResultError, read_result

COLUMNS = (Column("name", "Name"), Column("value", "Value", 1))


def checkpoint(out: Path, **changes: Any) -> Checkpoint:
    return Checkpoint("grown", "Rows", COLUMNS, out, **{"under": {"seeds": (0, 1)}, **changes})


def test_rows_are_written_one_by_one_and_not_measured_twice(tmp_path: Path) -> None:
    calls: list[str] = []

    def measured(name: str) -> dict[str, Any]:
        calls.append(name)
        return {"name": name, "value": float(len(calls))}

    first = checkpoint(tmp_path)
    assert first.row("b", lambda: measured("b"), ["a", "b"]) is not None
    with pytest.raises(KeyError):
        first.row("a", lambda: {}["killed"])
    assert [row["key"] for row in read_result("grown", tmp_path)["rows"]] == ["b"]

    second = checkpoint(tmp_path)
    again = second.row("b", lambda: measured("b"))
    assert again is not None and again["value"] == 1.0 and calls == ["b"]
    second.row("a", lambda: measured("a"), ["a", "b"])
    # In the order of the table, not of the measurements.
    assert [row["key"] for row in read_result("grown", tmp_path)["rows"]] == ["a", "b"]
    assert second.get("a")["value"] == 2.0


def test_rows_of_other_settings_do_not_count(tmp_path: Path) -> None:
    checkpoint(tmp_path).row("a", lambda: {"name": "a", "value": 1.0})
    assert checkpoint(tmp_path).has("a")
    other = checkpoint(tmp_path, under={"seeds": (0,)})
    assert not other.has("a")
    row = other.row("a", lambda: {"name": "a", "value": 5.0})
    assert row is not None and (row["value"], row["under"]) == (5.0, {"seeds": [0]})


def test_again_measures_a_row_once_more_but_once(tmp_path: Path) -> None:
    checkpoint(tmp_path).row("a", lambda: {"name": "a", "value": 1.0})
    again = checkpoint(tmp_path, again=True)
    assert not again.has("a")
    before = again.finished("a")
    assert before is not None and before["value"] == 1.0
    again.row("a", lambda: {"name": "a", "value": 2.0})
    assert again.has("a") and again.rows[0]["value"] == 2.0


def test_what_cannot_be_measured_is_no_row(tmp_path: Path) -> None:
    grown = checkpoint(tmp_path)
    assert grown.row("a", lambda: None) is None
    assert grown.rows == [] and list(tmp_path.iterdir()) == []
    with pytest.raises(ResultError, match="grown: no row 'a'"):
        grown.get("a")
