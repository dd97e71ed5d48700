"""What the `fit-*` commands do alike: look at the place, fit, write everything or nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from damrep.cli.options import Invocation, check_width
from damrep.cli.outputs import PAGE, REPORT, check_folder, is_output_folder
from damrep.cli.running import Stopwatch, say, tell, verbosity

if TYPE_CHECKING:
    from damrep.masking.report import FitReport

__all__ = ["Outcome", "fit_into_folder"]

Read = TypeVar("Read")


@dataclass
class Outcome:
    """What a fit leaves to be written.

    Parameters
    ----------
    report
        Of the fit.
    page
        Makes report.html.
    write
        Writes the model and what it says of the data into a folder.
    evaluation
        What measuring the model took.
    """

    report: FitReport
    page: Callable[[], str]
    write: Callable[[Path], None]
    evaluation: Stopwatch


def fit_into_folder(
    context: click.Context,
    name: str,
    options: dict[str, Any],
    read: Callable[[int], Read],
    fit: Callable[[Read, int], Outcome],
) -> None:
    """Read, fit, and leave a folder and a summary.

    What was given is read before torch is imported: that takes seconds, and a file that is missing
    or of no use is told at once.

    Parameters
    ----------
    context
        Of the command.
    name
        Of the data; the folder's own unless --out is given.
    options
        The command's, `learning_options` and `run_options` among them.
    read
        Given the verbosity, returns what is fitted to.
    fit
        Given that and the verbosity.

    Raises
    ------
    InputError
        If two options do not go together, or the folder cannot be written or is being written by
        another fit; before anything is computed.
    """
    level = verbosity(options["verbose"], options["quiet"])
    check_width(context, options)
    out: Path = options["out"] or Path(f"damrep-{name}")
    check_folder(out)
    call = context.obj or Invocation(context.command_path)
    reading = Stopwatch()
    from damrep.masking.notes import noted
    from damrep.training.folders import claimed

    with contextlib.ExitStack() as claim:
        # Another fit into the same folder is told so before it begins, not when both are done.
        with noted() as told:
            claim.enter_context(claimed(out))
        for note in told:
            tell(f"note: {note}", err=True)
        with reading:
            given = read(level)
        from damrep.training import limited_threads

        with limited_threads(options["threads"]):
            _fit_and_write(lambda: fit(given, level), out, level, call, reading)


def _fit_and_write(
    fit: Callable[[], Outcome], out: Path, level: int, call: Invocation, reading: Stopwatch
) -> None:
    from damrep.masking.notes import noted

    with noted():  # all of it is in the report, and so in the summary
        outcome = fit()

    from damrep.reporting.provenance import provenance
    from damrep.reporting.summary import summary_text
    from damrep.training.saving import atomic_folder

    report = outcome.report
    report.details["provenance"] = provenance(call.command)
    parts = {
        "reading": reading.seconds,
        "fit": report.seconds,
        "evaluation": outcome.evaluation.seconds,
    }
    report.details["seconds"] = {k: v for k, v in parts.items() if v is not None}
    say(level, f"writing {out}")
    with atomic_folder(out, is_output_folder) as folder:
        outcome.write(folder)
        (folder / PAGE).write_text(outcome.page(), encoding="utf-8", errors="replace")
        whole = time.perf_counter() - call.started
        rest = whole - sum(report.details["seconds"].values())
        report.details["seconds"] |= {"start and writing": rest, "whole": whole}
        # Last: it is what makes the folder one of ours.
        report.save(folder / REPORT)
    if level:
        tell(summary_text(report, str(out)))
