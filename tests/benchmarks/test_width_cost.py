"""The costs of widths, on small cuts of their tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import width_cost
from benchmarks.results import read_result


@pytest.mark.parametrize("name", sorted({*width_cost.TABLES} - {"isolet", "coil20"}))
def test_tables_are_split_by_the_seed_alone(name: str) -> None:
    split = width_cost.TABLES[name].split
    (train, test), (again, _), (other, _) = (split(seed, None) for seed in (0, 0, 1))
    np.testing.assert_array_equal(train, again)
    assert len(train) > len(test) > 0 and not np.array_equal(train, other)
    assert np.isfinite(train).all()


def test_a_quick_run_has_a_row_for_every_method(tmp_path: Path) -> None:
    words = ["--tables", "helix", "--seeds", "1", "--quick", "--out", str(tmp_path)]
    assert width_cost.main(words) == 0
    rows = read_result("width-cost", tmp_path)["rows"]
    fixed = read_result("width-cost-fixed", tmp_path)["rows"]
    assert [row["method"] for row in rows] == ["mask", "search", "best fixed"]
    assert [row["method"] for row in fixed] == ["fixed 1", "fixed 2"]
    assert rows[2]["cost"] == min(row["cost"] for row in fixed)
    assert all(row["cost_list"][0] >= 1e-3 * row["found_list"][0] for row in [*rows, *fixed])
