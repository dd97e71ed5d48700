"""Word of what a command is doing."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence

import click

__all__ = ["read_line", "say", "taken_notes", "verbosity"]


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


@contextlib.contextmanager
def taken_notes() -> Iterator[list[str]]:
    """Take what is warned of, to be printed as notes.

    Yields
    ------
    list of str
        Filled at the end of the block.

    Examples
    --------
    >>> with taken_notes() as notes:
    ...     warnings.warn("two rows were left out")
    >>> notes
    ['two rows were left out']
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield notes
    # Those of other packages (subclasses, mostly) say nothing about the input.
    notes += [str(warning.message) for warning in caught if warning.category is UserWarning]


def read_line(what: str, notes: Sequence[str]) -> str:
    """What was read and what was taken for what, in a line.

    Examples
    --------
    >>> read_line("3 ratings", ["column 'who' was taken for the users"])
    "3 ratings: column 'who' was taken for the users"
    """
    return f"{what}: {'; '.join(notes)}" if notes else what
