"""What a command does around its work: processor threads, and word of what is going on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click

__all__ = ["limited_threads", "say", "verbosity"]


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
def limited_threads(count: int | None) -> Iterator[None]:
    """Let torch, OpenMP and BLAS use so many threads inside the block; None: as many as they do."""
    if count is None:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
