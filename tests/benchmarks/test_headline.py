"""The four rows of the README."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.headline import HEADLINE, headline
from benchmarks.results import RESULTS, ResultError
from benchmarks.tables import replace_tables

FILES = ("graph-summary", "autoencoder-tables", "recommenders-explicit", "pruning-cifar10")


def test_four_rows_out_of_the_results() -> None:
    lines = headline().splitlines()
    assert len(lines) == 6 and all(line.count(" | ") == 3 for line in lines)
    dims = next(
        row["dims"]["mean"]
        for row in json.loads((RESULTS / "autoencoder-tables.json").read_text())["rows"]
        if (row["dataset"], row["method"]) == ("digits", "damrep")
    )
    assert f"{dims:.0f} of 64 columns" in lines[3]
    marked = f"<!-- results:{HEADLINE} -->\n<!-- /results -->"
    assert headline() in replace_tables(marked)


def test_a_row_that_is_missing_is_named(tmp_path: Path) -> None:
    for name in FILES:
        result = json.loads((RESULTS / f"{name}.json").read_text())
        if name == "autoencoder-tables":
            result["rows"] = [row for row in result["rows"] if row["method"] != "PCA"]
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    with pytest.raises(ResultError, match="autoencoder-tables: no row with .*PCA"):
        headline(tmp_path)
