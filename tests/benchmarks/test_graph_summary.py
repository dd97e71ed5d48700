from __future__ import annotations

from typing import Any

from benchmarks.graph_rows import ALL, CLEORA_ALL, CLEORA_LINKS, LINKS, SVD_ALL
from benchmarks.graph_summary import SUMMARY_COLUMNS, mean_of, one_line, tell, verdicts


def document(**aucs: float) -> dict[str, Any]:
    labels = {"all": ALL, "links": LINKS, "svd": SVD_ALL, "cleora": CLEORA_LINKS}
    rows = [
        {"method": labels[key], "dims": 8, "auc": {"mean": auc}, "accuracy": None}
        for key, auc in aucs.items()
    ]
    return {"rows": rows}


def test_a_line_has_every_purpose_and_what_stands_beside_it() -> None:
    line = one_line("cora", document(all=0.9, links=0.95, svd=0.85, cleora=0.94))
    assert set(line) == {column.key for column in SUMMARY_COLUMNS}
    assert (line["all_dims"], line["all_auc"], line["links_auc"]) == (8, 0.9, 0.95)
    assert (line["svd_auc"], line["cleora_links_auc"]) == (0.85, 0.94)
    assert line["labels_dims"] is None and line["all_accuracy"] is None


def test_a_missing_row_has_no_mean() -> None:
    assert mean_of(document(all=0.5), ALL, "auc") == 0.5
    assert mean_of(document(all=0.5), ALL, "accuracy") is None
    assert mean_of(document(all=0.5), CLEORA_ALL, "auc") is None


def test_what_holds_is_counted_and_what_does_not_is_named() -> None:
    documents = {
        "cora": document(all=0.9, links=0.95, cleora=0.95),
        "pubmed": document(all=0.94, links=0.95, cleora=0.96),
    }
    assert verdicts(documents) == [
        "AUC of damrep --for links beside Cleora, dims of --for links: not lower on 1 of 2, "
        "higher by .005 on 0; lower: pubmed (-0.010).",
        "AUC of damrep --for all beside damrep --for links: lower by .03 at most on 1 of 2, "
        "higher by .005 on 0; lower: cora (-0.050).",
    ]


def test_of_several_widths_the_worst_must_hold_and_the_best_may_count() -> None:
    differences = {"a": [-0.004, 0.02], "b": [-0.006, 0.0], "c": []}
    assert tell("x", differences, 0.005, 0.01) == (
        "x: lower by .005 at most on 1 of 2, higher by .01 on 1; lower: b (-0.006)."
    )
    assert tell("x", {"c": []}, 0.01) is None
    # A difference that is the margin but for rounding.
    assert tell("x", {"a": [0.81 - 0.82]}, 0.01) == (
        "x: lower by .01 at most on 1 of 1, higher by .005 on 0."
    )
