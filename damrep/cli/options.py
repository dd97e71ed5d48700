"""Options that several subcommands share, and what they are checked for before anything is read."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

__all__ = [
    "STRATEGIES",
    "Dimensions",
    "Invocation",
    "Price",
    "Widths",
    "check_width",
    "learning_options",
    "run_options",
    "threads_option",
]

# Written out, so that --help need not import what knows them; a test holds them against it.
STRATEGIES = ("auto", "mask", "search")


@dataclasses.dataclass(frozen=True)
class Invocation:
    """How damrep was called.

    Attributes
    ----------
    command : str
        The command line, quoted for a shell.
    started : float
        When, by `time.perf_counter`.
    """

    command: str
    started: float = dataclasses.field(default_factory=time.perf_counter)


class Price(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """A price of a dimension: a finite number, 0 or more."""

    name = "float"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number."""
        try:
            price = float(value)
        except ValueError:
            price = math.nan
        if not math.isfinite(price) or price < 0:
            self.fail(f"must be a finite number >= 0, got {value}", param, ctx)
        return price


class Dimensions(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """How many dimensions are wanted: so many, or those for a share of the variance.

    Parameters
    ----------
    shares : bool
        Whether a share may be asked for.
    """

    name = "dimensions"

    def __init__(self, shares: bool = False) -> None:
        self._shares = shares

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Read the number."""
        if isinstance(value, int | float):
            return value
        if value.strip().isdecimal() and int(value) > 0:
            return int(value)
        try:
            share = float(value)
        except ValueError:
            share = math.nan
        if self._shares and 0 < share < 1:
            return share
        wanted = "an integer >= 1"
        if self._shares:
            wanted += ", or a share of the variance between 0 and 1"
        self.fail(f"must be {wanted}, got {value}", param, ctx)


class Widths(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """Widths of layers, with commas between them."""

    name = "widths"
    wanted = "widths >= 1 such as 256 or 256,128"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read the numbers."""
        if isinstance(value, tuple):
            return value
        words = value.split(",") if value else []
        if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
            self.fail(f"must be {self.wanted}, got {value!r}", param, ctx)
        return tuple(int(word) for word in words)


def learning_options(
    *,
    price: float | None,
    max_dims: int | None,
    epochs: int | None,
    shares: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Options of a fit that say how many dimensions and how they are learned.

    Parameters
    ----------
    price : float, or None
        Default of --price; None: by the purpose.
    max_dims, epochs : int, or None
        Defaults; None: the estimator decides, by the size of the data.
    shares : bool
        Whether --dims may be a share of the variance.
    strategies : sequence of str
        Of --strategy, the default first.
    """
    options = (
        click.option(
            "--price",
            type=Price(),
            default=price,
            show_default="0.003; links 0.001, features 0.006, labels 0.0005"
            if price is None
            else True,
            help="Share of the loss a dimension must take away to be kept.",
        ),
        click.option(
            "--dims",
            type=Dimensions(shares),
            metavar="N|SHARE" if shares else "N",
            help="Exactly so many dimensions; no price then decides."
            + (" Below 1: the fewest that explain so much of the variance." if shares else ""),
        ),
        click.option(
            "--max-dims",
            type=click.IntRange(min=1),
            default=max_dims,
            show_default="512, or fewer columns" if max_dims is None else True,
            metavar="N",
            help="Dimensions to start from.",
        ),
        click.option(
            "--strategy",
            type=click.Choice(STRATEGIES),
            default=STRATEGIES[0],
            show_default=True,
            help="How the price is spent: by a mask that is trained along, or by a search.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(min=1),
            default=epochs,
            show_default="by the number of rows" if epochs is None else True,
            metavar="N",
            help="Of the encoder's training.",
        ),
    )
    return _all_of(options)


def threads_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --threads."""
    return click.option(
        "--threads", type=click.IntRange(min=1), metavar="N", help="Processor threads."
    )(command)


def run_options(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Options of a fit that say where it runs, what it writes and what it says.

    Parameters
    ----------
    what : str
        What the default output folder is named after.
    """
    options = (
        click.option(
            "--seed",
            type=click.IntRange(0, 2**32 - 1),
            default=0,
            show_default=True,
            metavar="S",
            help="Of everything random: the same seed, the same result.",
        ),
        click.option(
            "--device",
            type=click.Choice(("auto", "cpu", "cuda", "mps")),
            default="auto",
            show_default=True,
        ),
        threads_option,
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help=f"Output folder.  [default: damrep-<name of the {what}>]",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Progress even where there is no terminal."
        ),
        click.option("-q", "--quiet", is_flag=True, help="No progress and no table."),
    )
    return _all_of(options)


def _all_of(
    options: Sequence[Callable[..., Any]],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return give


def check_width(context: click.Context, options: dict[str, Any]) -> None:
    """Refuse --dims above --max-dims, and --dims together with --price.

    Raises
    ------
    click.UsageError
        Naming the option.
    """
    if options["dims"] is None:
        return
    if options["max_dims"] is not None and options["dims"] > options["max_dims"]:
        raise click.BadParameter(
            f"must be between 1 and {options['max_dims']} (--max-dims), got {options['dims']}",
            param_hint="'--dims'",
        )
    if context.get_parameter_source("price") is ParameterSource.COMMANDLINE:
        raise click.UsageError("give --dims or --price, not both: with --dims no price decides")
