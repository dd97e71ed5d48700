"""The short table a command prints."""

from __future__ import annotations

from collections.abc import Sequence

from damrep.masking.report import FitReport
from damrep.reporting.wording import (
    column_label,
    dimensions_line,
    evaluation_lines,
    measure_columns,
    measured,
    number,
    time_text,
)

__all__ = ["summary_text"]


def summary_text(report: FitReport, where: str | None = None) -> str:
    """Dimensions, measures, time, and what a reader of the numbers should know.

    Parameters
    ----------
    report : FitReport
    where : str, optional
        The place it is kept, for the last line.

    Returns
    -------
    str
        Without a line break at its end.

    Examples
    --------
    >>> report = FitReport("E", 512, 14, price=0.01, seconds=20.0)
    >>> report.measures = [{"name": "learned", "dims": 14, "accuracy": 0.83, "auc": None}]
    >>> print(summary_text(report, "out"))
    learned 14 of 512 dimensions (price 0.01)
    <BLANKLINE>
             dims  accuracy
    learned    14     0.830
    <BLANKLINE>
    20.0 s, in out
    """
    parts = [dimensions_line(report)]
    if report.measures:
        columns = measure_columns(report.measures)
        rows = [["", "dims", *(column_label(column) for column in columns)]]
        for row in report.measures:
            cells = [measured(row, column) for column in columns]
            rows.append([str(row.get("name", "")), number(row.get("dims")), *cells])
        parts += ["", _aligned(rows), *evaluation_lines(report)]
    time, place = time_text(report), None if where is None else f"in {where}"
    last = ", ".join(part for part in (time, place) if part)
    if last:
        parts += ["", last]
    if read := (report.details.get("data") or {}).get("read"):
        parts.append(f"read: {' '.join(str(read).split())}")
    parts += [f"note: {' '.join(str(warning).split())}" for warning in report.warnings]
    return "\n".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
