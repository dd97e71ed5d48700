"""`damrep datasets`: the names that can stand for a graph or for ratings."""

from __future__ import annotations

import click

from damrep.cli.running import tell

__all__ = ["datasets_command"]


@click.command("datasets", short_help="List the data sets known by name.")
def datasets_command() -> None:
    """List the data sets that can be named instead of a file.

    Graphs first: two that come with damrep's own dependencies, others that are read from
    --data-root or DAMREP_DATA, or downloaded where they can be. Then ratings, which are read.
    """
    from damrep import datasets

    entries = [datasets.describe(name) for name in datasets.names()]
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        tell(f"{entry.name.ljust(width)}  {entry.summary}")
