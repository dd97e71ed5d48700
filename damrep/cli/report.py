"""`damrep report`: the table of an earlier fit."""

from __future__ import annotations

from pathlib import Path

import click

from damrep.cli.outputs import PAGE, REPORT

__all__ = ["report_command"]


@click.command("report", short_help="Print the table of an earlier fit again.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def report_command(folder: Path) -> None:
    """Print what `damrep fit-embedding` or another fit printed when it wrote DIR."""
    from damrep.masking.report import FitReport
    from damrep.masking.validation import InputError
    from damrep.reporting.summary import summary_text

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with {REPORT} and {PAGE} in it")
    try:
        text = summary_text(FitReport.load(folder / REPORT), str(folder))
    except (TypeError, AttributeError, KeyError) as error:
        # Complete JSON, but with something else where the numbers should be.
        raise InputError(f"{folder / REPORT} is damaged: {error}") from error
    click.echo(text)
