"""Word of what a command is doing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click

from damrep.masking.printing import escaped

__all__ = ["Stopwatch", "read_line", "say", "tell", "verbosity"]


def verbosity(verbose: bool, quiet: bool) -> int:
    """0 silent, 1 progress on a terminal, 2 progress always.

    Raises
    ------
    click.UsageError
        If both are asked for.

    Examples
    --------
    >>> verbosity(False, False), verbosity(True, False)
    (1, 2)
    """
    if verbose and quiet:
        raise click.UsageError("give --verbose or --quiet, not both")
    return 0 if quiet else 2 if verbose else 1


def say(level: int, text: str) -> None:
    """Say on stderr what is being done, where progress is shown."""
    if level >= 2 or (level == 1 and sys.stderr.isatty()):
        print(escaped(text, lines=True), file=sys.stderr, flush=True)


def tell(text: str, *, err: bool = False) -> None:
    """Say what came of it, or on stderr what was read; names in files cannot steer the terminal."""
    click.echo(escaped(text, lines=True), err=err)


def read_line(what: str, notes: Sequence[str]) -> str:
    """What was read and what was taken for what, in a line.

    Examples
    --------
    >>> read_line("3 ratings", ["column 'who' was taken for the users"])
    "3 ratings: column 'who' was taken for the users"
    """
    return f"{what}: {'; '.join(notes)}" if notes else what


class Stopwatch:
    """Seconds that the block under it took; None before there was one.

    Examples
    --------
    >>> watch = Stopwatch()
    >>> with watch:
    ...     pass
    >>> watch.seconds < 1
    True
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begun
