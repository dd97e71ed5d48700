"""The group of all subcommands, and how it is started."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.shell_completion import shell_complete

import damrep
from damrep.cli.datasets import datasets_command
from damrep.cli.doctor import doctor_command
from damrep.cli.embed import embed_command
from damrep.cli.ending import guarded
from damrep.cli.fit_autoencoder import fit_autoencoder_command
from damrep.cli.fit_embedding import fit_embedding_command
from damrep.cli.fit_recommender import fit_recommender_command
from damrep.cli.neighbours import neighbours_command
from damrep.cli.options import Invocation
from damrep.cli.recommend import recommend_command
from damrep.cli.report import report_command

__all__ = ["Program", "main"]

_COMPLETE = "_DAMREP_COMPLETE"


class Program(click.Group):
    """A group that ends every run with one line and an exit code, whatever happens."""

    def main(
        self, args: Sequence[str] | None = None, *ignored: Any, **ignored_too: Any
    ) -> NoReturn:
        """Run the command line and exit.

        Parameters
        ----------
        args : sequence of str, optional
            The process's own if not given.
        *ignored, **ignored_too
            What else click passes to a program; its name is always `damrep`.

        Raises
        ------
        SystemExit
            Always: 0, 1 (a fault of damrep), 2 (of what was given), 130 (interrupted).
        """
        words = list(sys.argv[1:] if args is None else args)
        if instruction := os.environ.get(_COMPLETE):
            sys.exit(shell_complete(self, {}, "damrep", _COMPLETE, instruction))

        def run() -> None:
            call = Invocation(shlex.join(["damrep", *words]))
            with self.make_context("damrep", list(words), obj=call) as context:
                self.invoke(context)

        sys.exit(guarded(run))


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(damrep.__version__, message="damrep %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Learn how many dimensions an embedding needs, and make it.

    Start with `damrep fit-embedding karate`, or with an edge list of your own; with
    `damrep fit-autoencoder` for a table; with `damrep fit-recommender` for ratings.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    fit_embedding_command,
    fit_autoencoder_command,
    fit_recommender_command,
    embed_command,
    neighbours_command,
    recommend_command,
    report_command,
    datasets_command,
    doctor_command,
):
    main.add_command(_command)
