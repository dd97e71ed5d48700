"""The short table a command prints."""

from __future__ import annotations

from damrep.masking.printing import escaped, text_table
from damrep.masking.report import FitReport
from damrep.reporting.wording import (
    column_label,
    dimensions_line,
    evaluation_lines,
    measure_columns,
    measured,
    number,
    purposes_line,
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
    if by_purpose := purposes_line(report):
        parts.append(escaped(by_purpose))
    if report.measures:
        columns = measure_columns(report.measures)
        rows = [["", "dims", *(column_label(column) for column in columns)]]
        for row in report.measures:
            cells = [measured(row, column) for column in columns]
            rows.append([str(row.get("name", "")), number(row.get("dims")), *cells])
        parts += ["", text_table(rows), *map(escaped, evaluation_lines(report))]
    time, place = time_text(report), None if where is None else f"in {where}"
    last = ", ".join(part for part in (time, place) if part)
    if last:
        parts += ["", escaped(last)]
    if read := (report.details.get("data") or {}).get("read"):
        parts.append(escaped(f"read: {' '.join(str(read).split())}"))
    parts += [escaped(f"note: {' '.join(warning.split())}") for warning in report.warnings]
    return "\n".join(parts)
