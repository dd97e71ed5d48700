from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.graph_rows import (
    ALL,
    COLUMNS,
    GROUPS,
    LABELS,
    LINKS,
    METHODS,
    SVD_ALL,
    dataset_results,
    known_widths,
    merge_notes,
    over_runs,
    seed_notes,
    summary_rows,
)
from benchmarks.results import ResultError, write_result
from benchmarks.seeds import Spread


def document(*methods: str, seeds: tuple[int, ...] = (0, 1), **settings: Any) -> dict[str, Any]:
    rows = [{"method": method, "seeds": list(seeds), "auc": 0.5} for method in methods]
    return {"rows": rows, "settings": settings, "notes": []}


def test_every_group_has_rows_and_ours_come_first() -> None:
    assert {method.group for method in METHODS.values()} == set(GROUPS)
    assert list(METHODS)[:3] == [ALL, LINKS, LABELS]
    assert GROUPS[0] == "damrep"


def test_numbers_over_seeds() -> None:
    runs: list[dict[str, float | None]] = [
        {"dims": 8, "auc": 0.5, "accuracy": None, "link_dims": 7},
        {"dims": 8, "auc": 0.5, "accuracy": 0.5, "link_dims": 9},
    ]
    row = over_runs("svd", runs, seeds=[0, 1])
    assert row["dims"] == 8 and isinstance(row["dims"], int)
    assert row["auc"] == Spread((0.5, 0.5))
    assert row["accuracy"] is None
    assert row["link_dims"] == Spread((7.0, 9.0))
    assert (row["method"], row["seeds"]) == ("svd", [0, 1])


def test_widths_are_known_where_every_seed_was_run() -> None:
    result = document(ALL, LINKS, SVD_ALL, seeds=(0, 1, 2))
    result["rows"][0]["widths"] = [[5, 6], [7, 8], [9, 10]]
    result["rows"][1] |= {"widths": [[3, 4]], "seeds": [2]}
    assert known_widths(result, (2, 0)) == {2: {"all": [9, 10]}, 0: {"all": [5, 6]}}
    assert known_widths(result, (2,)) == {2: {"all": [9, 10], "links": [3, 4]}}
    assert known_widths(result, (3,)) == {3: {}}
    assert known_widths(None, (0,)) == {0: {}}


def test_notes_on_seeds_and_of_several_data_sets() -> None:
    rows = [*document(ALL, LINKS)["rows"], *document(SVD_ALL, seeds=(3,))["rows"]]
    assert seed_notes(rows) == ["svd, dims of --for all: 1 seed."]
    notes = {"a": ["Same.", "Two."], "b": ["Same.", "Two."], "c": ["Same.", "Own."]}
    assert merge_notes(notes) == ["Same.", "a, b: Two.", "c: Own."]


def test_the_summary_has_the_data_set_first_and_says_when_commits_differ() -> None:
    first, second = document(ALL, SVD_ALL), document(ALL)
    for row in [*first["rows"], *second["rows"]]:
        row |= {"commit": "a" * 40, "curves": [1, 2]}
    rows, notes = summary_rows({"cora": first, "karate": second})
    assert [(row["dataset"], row["method"]) for row in rows] == [
        ("cora", ALL),
        ("cora", SVD_ALL),
        ("karate", ALL),
    ]
    assert "curves" not in rows[0] and rows[0]["auc"] == 0.5
    assert notes == []
    second["rows"][0]["commit"] = "b" * 40
    notes = summary_rows({"cora": first, "karate": second})[1]
    assert notes == ["The rows were measured at several commits: aaaaaaaaaa, bbbbbbbbbb."]


def test_results_of_data_sets_are_told_from_others(tmp_path: Path) -> None:
    rows = [{"method": ALL, "auc": 0.5}]
    settings = {"dataset": "karate"}
    write_result("graph-karate", rows, COLUMNS, title="t", settings=settings, out=tmp_path)
    write_result("graph-price", rows, COLUMNS, title="t", out=tmp_path)
    assert list(dataset_results(tmp_path)) == ["karate"]
    (tmp_path / "graph-cora.json").write_text("{")
    with pytest.raises(ResultError, match=r"graph-cora\.json: not JSON"):
        dataset_results(tmp_path)
