"""Lines of progress, and the end of a script that measures parts in turn."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping

from benchmarks.results import ResultError
from damrep.masking.validation import InputError

__all__ = ["Say", "run_parts", "say"]

Say = Callable[[str], None]


def say(text: str) -> None:
    """A line of progress, on stderr.

    Parameters
    ----------
    text : str
    """
    print(text, file=sys.stderr, flush=True)


def run_parts(
    parts: Mapping[str, Callable[[argparse.Namespace, Say], None]],
    chosen: Collection[str],
    options: argparse.Namespace,
) -> int:
    """Run the chosen parts in the order they are listed in.

    Parameters
    ----------
    parts : mapping
        By name, what measures a part and writes its result.
    chosen : collection of str
    options : Namespace
        Handed to each.

    Returns
    -------
    int
        The exit status: 0; 2 where a result on disk or the data cannot be used, told on stderr.

    Examples
    --------
    >>> run_parts({"one": lambda options, say: print("measured")}, ["one"], argparse.Namespace())
    measured
    0
    """
    try:
        for name in [name for name in parts if name in chosen]:
            parts[name](options, say)
    except (InputError, ResultError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
