"""`damrep report`: the table of an earlier fit."""

from __future__ import annotations

from pathlib import Path

import click

from damrep.cli.outputs import PAGE, REPORT
from damrep.cli.running import tell

__all__ = ["report_command"]


@click.command("report", short_help="Print the table of an earlier fit again.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def report_command(folder: Path) -> None:
    """Print what `damrep fit-embedding` or another fit printed when it wrote DIR."""
    from damrep.masking.plain_files import read_json
    from damrep.masking.report import FitReport
    from damrep.masking.validation import InputError
    from damrep.reporting.summary import summary_text

    path = folder / REPORT
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with {REPORT} and {PAGE} in it")
    try:
        data = read_json(path, within=folder)
    except FileNotFoundError:
        raise InputError(f"no report at {path}") from None
    try:
        report = FitReport.from_dict(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    tell(summary_text(report, str(folder)))
