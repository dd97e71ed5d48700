"""The options every benchmark takes, so that all of them are called alike."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from benchmarks.environment import set_threads
from benchmarks.results import RESULTS

QUICK_RESULTS = RESULTS / "quick"


def parse_seeds(text: str) -> tuple[int, ...]:
    """``5`` means the seeds 0 to 4; ``0,3,7`` means these three, ``7,`` the one seed 7.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of int

    Raises
    ------
    argparse.ArgumentTypeError
        If it is neither, or a seed is negative or given twice.

    Examples
    --------
    >>> parse_seeds("3"), parse_seeds("4,9"), parse_seeds("7,")
    ((0, 1, 2), (4, 9), (7,))
    """
    try:
        if "," in text:
            seeds = tuple(int(part) for part in text.split(",") if part.strip())
        else:
            seeds = tuple(range(int(text)))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of seeds nor a list such as 0,3,7"
        ) from None
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected at least one seed, all >= 0 and different from each other"
        )
    return seeds


def number_of(what: str) -> Callable[[str], int]:
    """A reader of numbers of 1 and up, for ``type=``, that names what was to be counted.

    Examples
    --------
    >>> number_of("threads")("4")
    4
    """

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {what} >= 1")
        return int(text)

    return read


def names_list(text: str) -> list[str]:
    """Names with commas between them.

    Examples
    --------
    >>> names_list("cora, citeseer,")
    ['cora', 'citeseer']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def refuse_unknown(
    parser: argparse.ArgumentParser, what: str, given: Iterable[str], known: Collection[str]
) -> None:
    """End with one line and exit code 2 if a name is none of those there are.

    Parameters
    ----------
    parser : ArgumentParser
    what : str
        What the names are of, in the plural.
    given, known : collection of str
    """
    if unknown := [name for name in given if name not in known]:
        parser.error(f"unknown {what} {', '.join(unknown)}; known are {', '.join(known)}")


def add_parts(parser: argparse.ArgumentParser, parts: Collection[str]) -> None:
    """Give a benchmark the option ``--parts``: names of its parts with commas between, or all."""
    parser.add_argument(
        "--parts",
        type=names_list,
        default=list(parts),
        help=f"of {','.join(parts)}; default: all",
    )


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return path


def benchmark_parser(description: str, seeds: str = "5") -> argparse.ArgumentParser:
    """A parser with the common options, to which a benchmark adds its own.

    Parameters
    ----------
    description : str
        One line for ``--help``.
    seeds : str
        Default of ``--seeds``.

    Returns
    -------
    argparse.ArgumentParser
        Hand it to ``parse`` when it is complete.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--seeds",
        type=parse_seeds,
        default=seeds,
        help="how many (5: 0 to 4) or which (0,3,7); default: %(default)s",
    )
    parser.add_argument(
        "--threads",
        type=number_of("threads"),
        default="1",
        help="threads to compute with; default: 1",
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder for the JSON; default: benchmarks/results"
    )
    parser.add_argument(
        "--data-root",
        type=_folder,
        default=os.environ.get("DAMREP_DATA"),
        help="folder with the data sets; default: the variable DAMREP_DATA",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one seed and little work, to see that it runs; its results go to "
        "benchmarks/results/quick and are not for publication",
    )
    return parser


def parse(
    parser: argparse.ArgumentParser, arguments: list[str] | None = None
) -> argparse.Namespace:
    """Read the command line, settle what depends on ``--quick`` and set the thread counts.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        From ``benchmark_parser``.
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    argparse.Namespace
        ``seeds`` (tuple), ``threads``, ``out`` (Path), ``data_root`` (Path or None), ``quick`` and
        what the benchmark added.
    """
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds = options.seeds[:1]
    if options.out is None:
        options.out = QUICK_RESULTS if options.quick else RESULTS
    set_threads(options.threads)
    return options
