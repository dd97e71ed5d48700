"""Options that several subcommands share, and what they are checked for before anything is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["GraphSource", "Invocation", "Price", "Widths", "graph_options", "take_source"]


@dataclasses.dataclass(frozen=True)
class Invocation:
    """How damrep was called.

    Attributes
    ----------
    command : str
        The command line, quoted for a shell.
    """

    command: str


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


class Widths(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """Widths of layers, with commas between them."""

    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read the numbers."""
        if isinstance(value, tuple):
            return value
        words = value.split(",") if value else []
        if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
            self.fail(f"must be widths >= 1 such as 256 or 256,128, got {value}", param, ctx)
        return tuple(int(word) for word in words)


@dataclasses.dataclass(frozen=True)
class GraphSource:
    """Where a graph is read from.

    Attributes
    ----------
    graph : str
        A file, or the name of a data set.
    features, labels : Path, or None
        Files that come before what the graph brings.
    use_features : bool
        False: the structure alone.
    directed : bool, or None
        None: as the file says, edge lists undirected.
    source, target, weight : str, or None
        Columns of an edge list.
    data_root : Path, or None
        Where data sets are looked for.
    """

    graph: str
    features: Path | None = None
    labels: Path | None = None
    use_features: bool = True
    directed: bool | None = None
    source: str | None = None
    target: str | None = None
    weight: str | None = None
    data_root: Path | None = None

    @property
    def name(self) -> str:
        """What the graph is called: the file's name without its endings."""
        return Path(self.graph).name.split(".")[0] or "graph"


_FILE = click.Path(path_type=Path)
_GRAPH_OPTIONS = (
    click.argument("graph"),
    click.option("--features", type=_FILE, metavar="FILE", help="Node features."),
    click.option(
        "--no-features",
        "use_features",
        flag_value=False,
        default=True,
        help="Use the structure only.",
    ),
    click.option(
        "--directed/--undirected",
        default=None,
        help="Edges as arcs, or every arc as an edge.  [default: an edge list is undirected]",
    ),
    click.option("--source", metavar="COLUMN", help="Column an edge starts from."),
    click.option("--target", metavar="COLUMN", help="Column it ends at."),
    click.option("--weight", metavar="COLUMN", help="Column of its weight."),
    click.option(
        "--data-root",
        type=_FILE,
        metavar="DIR",
        help="Folder of the named data sets.  [default: DAMREP_DATA]",
    ),
)


def graph_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument GRAPH and the options that say how it is read."""
    for option in reversed(_GRAPH_OPTIONS):
        command = option(command)
    return command


def take_source(options: dict[str, Any]) -> GraphSource:
    """Take what belongs to the graph out of a command's options.

    Raises
    ------
    click.UsageError
        If --features and --no-features are both given.
    """
    names = [field.name for field in dataclasses.fields(GraphSource)]
    source = GraphSource(**{name: options.pop(name) for name in names if name in options})
    if source.features is not None and not source.use_features:
        raise click.UsageError("give --features or --no-features, not both")
    return source
