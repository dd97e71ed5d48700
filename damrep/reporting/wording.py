"""Numbers and facts of a fit in words, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from damrep.masking.plain import to_plain
from damrep.masking.printing import counted
from damrep.masking.report import FitReport

__all__ = [
    "NOTHING",
    "column_label",
    "dimensions_line",
    "evaluation_lines",
    "measure_columns",
    "measured",
    "number",
    "purposes_line",
    "share",
    "time_text",
    "worth_of_a_dimension",
]

NOTHING = "–"
_LABELS = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "ap": "AP",
    "f1": "F1",
    "mse": "MSE",
    "mae": "MAE",
    "r2": "R²",
    "knn": "kNN",
    "rmse": "RMSE",
    "ndcg": "NDCG",
}
# A measure's spread stands beside it, in no column of its own.
_SPREAD = "_spread"
# Those that read better as a whole than word by word.
_WHOLE = {"loss": "held-out loss", "bytes_per_million": "bytes a million rows"}


def column_label(column: str) -> str:
    """What a column of the measures is called.

    Examples
    --------
    >>> column_label("auc"), column_label("micro_f1")
    ('AUC', 'micro F1')
    >>> column_label("recall_at_10"), column_label("knn_accuracy")
    ('recall@10', 'kNN accuracy')
    """
    if column in _WHOLE:
        return _WHOLE[column]
    measure, at, rank = column.partition("_at_")
    if at and rank.isdecimal():
        return f"{column_label(measure)}@{rank}"
    return " ".join(_LABELS.get(part, part) for part in column.split("_"))


def number(value: Any, decimals: int = 3) -> str:
    """A number for a reader; an en dash where there is none.

    Examples
    --------
    >>> number(0.83456), number(19717), number(None), number(float("nan")), number(1.2e-5)
    ('0.835', '19,717', '–', '–', '1.2e-05')
    """
    value = to_plain(value)
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value != 0 and abs(value) < 10.0**-decimals:
            return f"{value:.2g}"
        return f"{value:,.{decimals}f}"
    return str(value)


def measured(row: Mapping[str, Any], column: str) -> str:
    """A measure of a row with its spread, where it has one.

    Examples
    --------
    >>> measured({"accuracy": 0.8846, "accuracy_spread": 0.0512}, "accuracy")
    '0.885 ± 0.051'
    >>> measured({"accuracy": 0.8846}, "accuracy"), measured({}, "auc")
    ('0.885', '–')
    """
    spread = to_plain(row.get(column + _SPREAD))
    text = number(row.get(column))
    return text if spread is None else f"{text} ± {number(spread)}"


def share(value: float) -> str:
    """A share as a percentage, with two figures that count.

    Examples
    --------
    >>> share(0.01), share(0.0105), share(0.00025), share(0.5), share(1.0)
    ('1 %', '1.05 %', '0.025 %', '50 %', '100 %')
    """
    return f"{100 * value:.3g} %"


def dimensions_line(report: FitReport) -> str:
    """How many dimensions of how many, and what decided.

    Examples
    --------
    >>> dimensions_line(FitReport("E", initial_dims=512, learned_dims=14, price=0.01))
    'learned 14 of 512 dimensions (price 0.01)'
    >>> dimensions_line(FitReport("E", initial_dims=512, learned_dims=14))
    '14 of 512 dimensions, as asked for'
    >>> dimensions_line(FitReport("E", 512, 28, details={"asked_dims": 128}))
    '28 of 512 dimensions, 128 were asked for'
    """
    what = f"{report.learned_dims} of {counted(report.initial_dims, 'dimension')}"
    if report.price is None:
        asked = report.details.get("asked_dims", report.learned_dims)
        if asked != report.learned_dims:
            return f"{what}, {number(asked)} were asked for"
        return f"{what}, as asked for"
    return f"learned {what}{report.as_good} (price {report.price:g})"


def purposes_line(report: FitReport) -> str | None:
    """How many dimensions each purpose would keep, and which one decided; None where none is told.

    Examples
    --------
    >>> told = {"links": {"dims": 29, "price": 0.001}, "all": {"dims": 30, "price": 0.003}}
    >>> details = {"purpose": "all", "purposes": told}
    >>> purposes_line(FitReport("E", 512, 30, price=0.003, details=details))
    'for links 29 (price 0.001), for all 30 (price 0.003); cut for all'
    """
    told = report.details.get("purposes")
    if not isinstance(told, Mapping):
        return None
    parts = [
        f"for {name} {number(found.get('dims'))} (price {number(found.get('price'))})"
        for name, found in told.items()
        if isinstance(found, Mapping)
    ]
    decided = f"; cut for {report.details.get('purpose')}" if report.price is not None else ""
    return ", ".join(parts) + decided if parts else None


def time_text(report: FitReport) -> str | None:
    """Seconds of the fit, or of the whole and its parts, with those of the processor if counted.

    Examples
    --------
    >>> time_text(FitReport("E", 8, 2, seconds=16.0, cpu_seconds=15.5))
    '16.0 s (15.5 s of processor)'
    >>> parts = {"reading": 0.5, "fit": 16.0, "evaluation": 24.25, "whole": 43.0}
    >>> time_text(FitReport("E", 8, 2, seconds=16.0, cpu_seconds=15.5, details={"seconds": parts}))
    '43.0 s (reading 0.5, fit 16.0, evaluation 24.2; fit: 15.5 s of processor)'
    """
    if report.seconds is None:
        return None
    processor = None if report.cpu_seconds is None else f"{report.cpu_seconds:.1f} s of processor"
    parts = report.details.get("seconds")
    if isinstance(parts, Mapping) and "whole" in parts:
        named = [f"{name} {value:.1f}" for name, value in parts.items() if name != "whole"]
        inside = "; ".join(
            [", ".join(named), *([] if processor is None else [f"fit: {processor}"])]
        )
        return f"{parts['whole']:.1f} s ({inside})"
    return f"{report.seconds:.1f} s" + ("" if processor is None else f" ({processor})")


def measure_columns(measures: Sequence[Mapping[str, Any]]) -> list[str]:
    """The measured columns of the rows, in the order they first come; empty ones are left out.

    Examples
    --------
    >>> row = {"name": "learned", "dims": 3, "accuracy": 0.8, "accuracy_spread": 0.1, "auc": None}
    >>> measure_columns([row])
    ['accuracy']
    """
    columns = dict.fromkeys(column for row in measures for column in row)
    return [
        column
        for column in columns
        if column not in ("name", "dims")
        and not (column.endswith(_SPREAD) and column.removesuffix(_SPREAD) in columns)
        and any(to_plain(row.get(column)) is not None for row in measures)
    ]


def evaluation_lines(report: FitReport) -> list[str]:
    """How the measures came about, a sentence for each way of measuring.

    Examples
    --------
    >>> how = {"probe": {"seed": 0, "how": "accuracy is of a linear probe, on 10 splits"}}
    >>> evaluation_lines(FitReport("E", 8, 2, details={"evaluation": how}))
    ['accuracy is of a linear probe, on 10 splits']
    """
    ways = report.details.get("evaluation")
    found = ways.values() if isinstance(ways, Mapping) else ()
    ways_told = [str(way["how"]) for way in found if isinstance(way, Mapping) and "how" in way]
    return [" ".join(how.split()) for how in ways_told]


def worth_of_a_dimension(report: FitReport) -> tuple[float | None, float | None]:
    """Loss that the last dimension took away, and that one more would; None if not known.

    Examples
    --------
    >>> report = FitReport("E", 8, 2, curve=[[1, 0.5], [2, 0.25], [3, 0.125]])
    >>> worth_of_a_dimension(report)
    (0.25, 0.125)
    """
    losses = {int(dims): loss for dims, loss in report.curve if loss is not None}
    here = losses.get(report.learned_dims)
    below, above = (losses.get(report.learned_dims + step) for step in (-1, 1))
    return (
        None if here is None or below is None else below - here,
        None if here is None or above is None else here - above,
    )
