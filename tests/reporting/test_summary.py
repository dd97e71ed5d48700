"""The short table a command prints."""

from __future__ import annotations

import pytest

from damrep.masking.report import FitReport
from damrep.reporting.summary import summary_text
from damrep.reporting.wording import dimensions_line, number, worth_of_a_dimension


def test_a_row_a_name_and_no_empty_column() -> None:
    report = FitReport("E", 512, 14, price=0.01, seconds=3.0, cpu_seconds=2.5)
    report.measures = [
        {"name": "learned", "dims": 14, "accuracy": None, "auc": 0.9, "ap": 0.5},
        {"name": "full width", "dims": 512, "accuracy": None, "auc": float("nan"), "ap": 0.25},
    ]
    report.warnings = ["two\nlines"]
    assert summary_text(report, "out").splitlines() == [
        "learned 14 of 512 dimensions (price 0.01)",
        "",
        "            dims    AUC     AP",
        "learned       14  0.900  0.500",
        "full width   512      –  0.250",
        "",
        "3.0 s (2.5 s of processor), in out",
        "note: two lines",
    ]


def test_a_measure_has_its_spread_and_how_it_came_about() -> None:
    report = FitReport("E", 512, 14, price=0.01, seconds=16.0, cpu_seconds=2.5)
    report.measures = [
        {"name": "learned", "dims": 14, "accuracy": 0.9, "ap": None, "accuracy_spread": 0.0512},
        {"name": "svd", "dims": 14, "accuracy": 0.81, "ap": None},
    ]
    report.details = {
        "evaluation": {"probe": {"seed": 0, "how": "accuracy is over 10 splits"}, "on": "a part"},
        "seconds": {"reading": 0.25, "fit": 16.0, "start and writing": 3.5, "whole": 19.75},
    }
    assert summary_text(report, "out").splitlines() == [
        "learned 14 of 512 dimensions (price 0.01)",
        "",
        "         dims       accuracy",
        "learned    14  0.900 ± 0.051",
        "svd        14          0.810",
        "accuracy is over 10 splits",
        "",
        "19.8 s (reading 0.2, fit 16.0, start and writing 3.5; fit: 2.5 s of processor), in out",
    ]
    lines = str(report).splitlines()
    assert lines[-3].split() == ["dims", "accuracy", "ap"]
    assert lines[-2].split() == ["learned", "14", "0.9", "±", "0.0512", "-"]


def test_a_report_of_next_to_nothing() -> None:
    assert summary_text(FitReport("E", 8, 1)) == "1 of 8 dimensions, as asked for"
    assert summary_text(FitReport("E", 8, 1), "out").splitlines()[-1] == "in out"


def test_the_same_after_a_round_trip_through_json() -> None:
    report = FitReport("E", 8, 2, price=1e-3, seconds=1.25)
    report.measures = [{"name": "learned", "dims": 2, "accuracy": float("nan"), "auc": 0.123456}]
    again = FitReport.from_dict(report.to_dict())
    assert summary_text(again, "x") == summary_text(report, "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (-0.25, "-0.250"), (12345.6789, "12,345.679"), (True, "yes")],
)
def test_numbers(value: object, text: str) -> None:
    assert number(value) == text


def test_one_dimension_is_not_plural() -> None:
    assert dimensions_line(FitReport("E", 1, 1, price=0.0)) == "learned 1 of 1 dimension (price 0)"


def test_what_a_dimension_is_worth_is_known_only_where_the_curve_is() -> None:
    report = FitReport("E", 8, 4, curve=[[1, 0.9], [4, 0.5], [5, None], [8, 0.1]])
    assert worth_of_a_dimension(report) == (None, None)
