"""Word of what a command is doing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

__all__ = ["read_line", "say", "verbosity"]


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
        print(text, file=sys.stderr, flush=True)


def read_line(what: str, notes: Sequence[str]) -> str:
    """What was read and what was taken for what, in a line.

    Examples
    --------
    >>> read_line("3 ratings", ["column 'who' was taken for the users"])
    "3 ratings: column 'who' was taken for the users"
    """
    return f"{what}: {'; '.join(notes)}" if notes else what
