from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.results import Column, ResultError, write_result
from benchmarks.seeds import Spread
from benchmarks.tables import format_cell, main, render, replace_tables

README = "# Title\n\n<!-- results:small -->\nold\n<!-- /results -->\n\nEnd.\n"
TABLE = """| Method | Accuracy | Dims | Note |
| --- | ---: | ---: | --- |
| ours | 0.850 ± 0.071 | 1,024.0 | a \\| b |
| svd | 0.800 | – | – |"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    out = tmp_path / "results"
    rows: list[dict[str, Any]] = [
        {"method": "ours", "accuracy": Spread((0.8, 0.9)), "dims": 1024.0, "note": "a | b"},
        {"method": "svd", "accuracy": 0.8, "dims": None},
    ]
    columns = [
        Column("method", "Method"),
        Column("accuracy", "Accuracy"),
        Column("dims", "Dims", 1),
        Column("note", "Note"),
    ]
    write_result("small", rows, columns, title="Small", notes=["Two seeds."], out=out)
    return out


@pytest.fixture
def result() -> dict[str, Any]:
    return {
        "columns": [{"key": "a", "label": "A", "digits": 2}],
        "rows": [{"a": 1}],
        "notes": ["One note."],
        "provenance": {
            "commit": "0123456789abcdef",
            "dirty": True,
            "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
            "cpu": "Some CPU",
            "threads": 1,
            "date": "2026-11-22T20:00:00+00:00",
        },
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (0.12345, "0.12"),
        (-1234.5, "-1,234.50"),
        ("line\nbreak", "line break"),
        ({"mean": 0.5, "std": 0.125, "n": 2, "values": []}, "0.50 ± 0.12"),
        ({"mean": 0.5, "std": None, "n": 1, "values": []}, "0.50"),
    ],
)
def test_a_cell_as_text(value: Any, text: str) -> None:
    assert format_cell(value, 2) == text


def test_a_table_ends_with_where_it_was_measured(result: dict[str, Any]) -> None:
    assert render(result).splitlines() == [
        "| A |",
        "| ---: |",
        "| 1 |",
        "",
        "<sub>One note. Measured with commit 0123456789 with local changes, torch 2.13.0, "
        "1 thread of Some CPU, 2026-11-22.</sub>",
    ]


def test_only_what_stands_between_the_markers_changes(results: Path) -> None:
    new = replace_tables(README, results)
    assert new.startswith("# Title\n\n<!-- results:small -->\n" + TABLE + "\n\n<sub>Two seeds. ")
    assert new.endswith("</sub>\n<!-- /results -->\n\nEnd.\n")
    assert "old" not in new
    assert replace_tables(new, results) == new


def test_every_marked_place_is_filled(results: Path) -> None:
    new = replace_tables(README + README, results)
    assert new.count(TABLE) == 2
    assert new.count("End.") == 2


def test_a_text_without_markers_stays(results: Path) -> None:
    assert replace_tables("# Title\n", results) == "# Title\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- results:small -->\n", "is not closed"),
        ("<!-- results:small -->\n<!-- results:small -->\n<!-- /results -->", "is not closed"),
        ("<!-- /results -->\n", "closes nothing"),
        ("<!-- /results -->\n" + README, "closes nothing"),
        ("<!-- results:none -->\n<!-- /results -->", "no such result"),
    ],
)
def test_markers_that_do_not_fit_are_refused(results: Path, text: str, message: str) -> None:
    with pytest.raises(ResultError, match=message):
        replace_tables(text, results)


def test_check_update_check(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = results.parent / "README.md"
    readme.write_text(README, encoding="utf-8")
    where = ["--results", str(results)]
    assert main(["--check", str(readme), *where]) == 1
    assert "is not in step" in capsys.readouterr().err
    assert readme.read_text(encoding="utf-8") == README
    assert main(["--update", str(readme), *where]) == 0
    assert TABLE in readme.read_text(encoding="utf-8")
    assert main(["--check", str(readme), *where]) == 0


def test_tables_are_printed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(results)]) == 0
    assert capsys.readouterr().out.startswith("### Small\n\n" + TABLE)


def test_a_missing_file_is_one_line_and_exit_2(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["none", "--results", str(results)]) == 2
    assert main(["--check", str(results / "no.md"), "--results", str(results)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
