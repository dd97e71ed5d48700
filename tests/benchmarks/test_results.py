from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.results import (
    Column,
    ResultError,
    check_result,
    read_result,
    write_atomically,
    write_result,
)
from benchmarks.seeds import Spread

COLUMNS = [Column("method", "Method"), Column("accuracy", "Accuracy")]


def _write(out: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "name": "small",
        "rows": [{"method": "ours", "accuracy": Spread((0.8, 0.9)), "price": np.float32(0.5)}],
        "columns": COLUMNS,
        "title": "A small one",
        "settings": {"seeds": (0, 1), "data_root": Path("/home/somebody/data")},
        "out": out,
    }
    return write_result(**{**arguments, **changes})


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads(_write(tmp_path).read_text(encoding="utf-8")))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert _write(tmp_path) == tmp_path / "small.json"
    result = read_result("small", tmp_path)
    (row,) = result["rows"]
    assert row["accuracy"]["values"] == [0.8, 0.9]
    assert row["price"] == 0.5
    assert result["settings"] == {"seeds": [0, 1], "data_root": "data"}
    assert {"commit", "versions", "cpu", "threads", "date"} <= set(result["provenance"])
    assert [path.name for path in tmp_path.iterdir()] == ["small.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Small One"}, "name 'Small One' is not lower-case words"),
        ({"rows": []}, "has no rows"),
        ({"columns": []}, "has no columns"),
        ({"columns": [*COLUMNS, COLUMNS[0]]}, "a column comes twice"),
        ({"rows": [{"method": "ours", "accuracy": float("nan")}]}, r"rows\[0\].accuracy is nan"),
        ({"rows": [{"method": "ours", "accuracy": [1, 2]}]}, "neither a value nor mean"),
        ({"rows": [{"method": object()}]}, r"rows\[0\].method is a object"),
        ({"rows": [{"metod": "ours"}]}, r"rows\[0\] has none of the columns"),
    ],
)
def test_what_no_table_can_show_is_not_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResultError, match=message):
        _write(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["schema", "title", "columns", "rows", "provenance"])
def test_a_field_that_is_missing_is_named(document: dict[str, Any], key: str) -> None:
    del document[key]
    with pytest.raises(ResultError, match=f"there: has no '{key}'"):
        check_result(document, "there")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", 99, "schema is 99, this code reads 1"),
        ("rows", {}, "rows is a dict, expected list"),
        ("columns", [{"key": "a"}], r"columns\[0\] is not of key, label and digits"),
        ("provenance", {"commit": "a"}, "provenance has no 'versions'"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    document: dict[str, Any], key: str, value: Any, message: str
) -> None:
    document[key] = value
    with pytest.raises(ResultError, match=message):
        check_result(document, "there")


def test_a_spread_whose_count_is_wrong_is_refused(document: dict[str, Any]) -> None:
    document["rows"][0]["accuracy"]["n"] = 5
    with pytest.raises(ResultError, match=r"rows\[0\].accuracy"):
        check_result(document, "there")


def test_files_that_are_no_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no such result"):
        read_result("small", tmp_path)
    (tmp_path / "small.json").write_text("{")
    with pytest.raises(ResultError, match="not JSON"):
        read_result("small", tmp_path)
    (tmp_path / "small.json").write_text("[]")
    with pytest.raises(ResultError, match="expected an object, got list"):
        read_result("small", tmp_path)


def test_a_result_under_another_name_is_refused(tmp_path: Path) -> None:
    _write(tmp_path).rename(tmp_path / "other.json")
    with pytest.raises(ResultError, match="holds the result 'small', expected 'other'"):
        read_result("other", tmp_path)


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(*arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("benchmarks.results.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
