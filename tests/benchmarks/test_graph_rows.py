from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.graph_rows import (
    COLUMNS,
    DAMREP,
    FULL,
    GROUPS,
    METHODS,
    SVD,
    dataset_results,
    known_widths,
    merge_notes,
    merge_rows,
    over_runs,
    seed_notes,
    summary_rows,
    to_do,
)
from benchmarks.results import ResultError, write_result
from benchmarks.seeds import Spread


def document(*methods: str, seeds: tuple[int, ...] = (0, 1), **settings: Any) -> dict[str, Any]:
    rows = [{"method": method, "seeds": list(seeds), "auc": 0.5} for method in methods]
    return {"rows": rows, "settings": settings, "notes": []}


def test_every_method_is_in_one_group_and_has_one_place() -> None:
    assert len(set(METHODS)) == len(METHODS) == sum(map(len, GROUPS.values()))
    assert METHODS[0] == DAMREP


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


def test_without_a_result_all_is_to_do() -> None:
    assert to_do(None, [DAMREP, SVD], (0, 1)) == [DAMREP, SVD]


def test_a_method_is_done_for_its_own_seeds_only() -> None:
    result = document(DAMREP)
    assert to_do(result, [DAMREP, SVD], (0, 1)) == [SVD]
    assert to_do(result, [DAMREP], (0, 1, 2)) == [DAMREP]
    assert to_do(result, [DAMREP], (0,)) == [DAMREP]


def test_what_was_too_slow_is_not_tried_again() -> None:
    result = document(DAMREP, too_slow={"node2vec": "node2vec took too long."})
    assert to_do(result, [DAMREP, "node2vec", "Cleora"], (0, 1)) == ["Cleora"]


def test_merged_rows_replace_and_stand_in_the_order_of_the_table() -> None:
    old = document(SVD, DAMREP)["rows"]
    merged = merge_rows(old, [{"method": FULL}, {"method": SVD, "auc": 0.75}])
    assert [row["method"] for row in merged] == [DAMREP, FULL, SVD]
    assert [row.get("auc") for row in merged] == [0.5, None, 0.75]
    assert old[0]["auc"] == 0.5


def test_widths_are_known_where_every_seed_was_run() -> None:
    result = document(DAMREP, SVD, seeds=(0, 1, 2))
    result["rows"][0]["widths"] = [[5, 6], [7, 8], [9, 10]]
    assert known_widths(result, (2, 0)) == {2: (9, 10), 0: (5, 6)}
    assert known_widths(result, (0, 3)) == {}
    assert known_widths(document(SVD), (0,)) == {}
    assert known_widths(None, (0,)) == {}


def test_notes_on_seeds_and_of_several_data_sets() -> None:
    rows = [*document(DAMREP, FULL)["rows"], *document(SVD, seeds=(3,))["rows"]]
    assert seed_notes(rows) == ["svd, same dims: 1 seed."]
    notes = {"a": ["Same.", "Two."], "b": ["Same.", "Two."], "c": ["Same.", "Own."]}
    assert merge_notes(notes) == ["Same.", "a, b: Two.", "c: Own."]


def test_the_summary_has_the_data_set_first_and_says_when_commits_differ() -> None:
    first, second = document(DAMREP, SVD), document(DAMREP)
    for row in [*first["rows"], *second["rows"]]:
        row |= {"commit": "a" * 40, "curves": [1, 2]}
    rows, notes = summary_rows({"cora": first, "karate": second})
    assert [(row["dataset"], row["method"]) for row in rows] == [
        ("cora", DAMREP),
        ("cora", SVD),
        ("karate", DAMREP),
    ]
    assert "curves" not in rows[0] and rows[0]["auc"] == 0.5
    assert notes == []
    second["rows"][0]["commit"] = "b" * 40
    notes = summary_rows({"cora": first, "karate": second})[1]
    assert notes == ["The rows were measured at several commits: aaaaaaaaaa, bbbbbbbbbb."]


def test_results_of_data_sets_are_told_from_others(tmp_path: Path) -> None:
    rows = [{"method": DAMREP, "auc": 0.5}]
    settings = {"dataset": "karate"}
    write_result("graph-karate", rows, COLUMNS, title="t", settings=settings, out=tmp_path)
    write_result("graph-price", rows, COLUMNS, title="t", out=tmp_path)
    assert list(dataset_results(tmp_path)) == ["karate"]
    (tmp_path / "graph-cora.json").write_text("{")
    with pytest.raises(ResultError, match=r"graph-cora\.json: not JSON"):
        dataset_results(tmp_path)
