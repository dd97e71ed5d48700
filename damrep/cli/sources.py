"""What a command reads: a graph or a table, and the options that say how."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from damrep.reading.dialect import Dialect

__all__ = [
    "ColumnNames",
    "GraphSource",
    "TableSource",
    "TextOptions",
    "column_options",
    "graph_options",
    "source_name",
    "take_source",
    "take_table_source",
    "take_text",
    "text_options",
]


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """How a text file is written, as far as the command line says; see `Dialect`."""

    separator: str | None = None
    decimal: str | None = None
    header: bool | None = None
    comment: str | None = None
    encoding: str | None = None

    def dialect(self) -> Dialect:
        """The same for the readers.

        Raises
        ------
        InputError
            If a part cannot be.
        """
        from damrep.reading.dialect import Dialect

        return Dialect(**dataclasses.asdict(self))


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
        None: as the file says, edge lists undirected; a direction is then not used.
    source, target, weight : str, or None
        Columns of an edge list.
    weighted : bool
        Whether a column of weights is used.
    bipartite : bool
        Whether the two columns of an edge list name things of two kinds.
    text : TextOptions
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
    weighted: bool = True
    bipartite: bool = False
    text: TextOptions = TextOptions()
    data_root: Path | None = None

    @property
    def name(self) -> str:
        """What the graph is called: the file's name without its endings."""
        return source_name(self.graph, "graph")


@dataclasses.dataclass(frozen=True)
class TableSource:
    """Where a table is read from.

    Attributes
    ----------
    table : Path
    id_column, label_column : str, or None
        Columns that name the rows and their classes.
    columns : tuple of str, or None
        The columns of numbers.
    drop : tuple of str
        Columns to leave out.
    text : TextOptions
    """

    table: Path
    id_column: str | None = None
    label_column: str | None = None
    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    text: TextOptions = TextOptions()

    @property
    def name(self) -> str:
        """What the table is called: the file's name without its endings."""
        return source_name(str(self.table), "table")


def source_name(given: str, default: str) -> str:
    """What is read is called by its file's name without its endings."""
    return Path(given).name.split(".")[0].removeprefix("-") or default


class ColumnNames(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """Names of columns, with commas between them."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read the names, which may be quoted where they hold a comma."""
        if isinstance(value, tuple):
            return value
        try:
            names = next(csv.reader([value], skipinitialspace=True), [])
        except csv.Error:
            names = []
        if not all(names) or not names:
            self.fail(f"must be names of columns such as a,b,c, got {value}", param, ctx)
        return tuple(names)


_FILE = click.Path(path_type=Path)
_GRAPH_OPTIONS = (
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
        help="Count edges as arcs and tell apart whom a node points to and who points to it, or "
        "every arc as an edge.  [default: edges]",
    ),
    click.option("--source", metavar="COLUMN", help="Column an edge starts from."),
    click.option("--target", metavar="COLUMN", help="Column it ends at."),
    click.option("--weight", metavar="COLUMN", help="Column of its weight."),
    click.option(
        "--unweighted", "weighted", flag_value=False, default=True, help="Use no weights."
    ),
    click.option(
        "--bipartite",
        is_flag=True,
        help="The two columns name things of two kinds, such as users and items.",
    ),
    click.option(
        "--data-root",
        type=_FILE,
        metavar="DIR",
        help="Folder of the named data sets.  [default: DAMREP_DATA]",
    ),
)


_TEXT_OPTIONS = (
    click.option(
        "--separator",
        metavar="MARK",
        help="Of text: what stands between cells (tab and space are words).  [default: found out]",
    ),
    click.option("--decimal", metavar="MARK", help="Of text: . or ,  [default: found out]"),
    click.option(
        "--header/--no-header",
        default=None,
        help="Of text: whether the first row names the columns.  [default: found out]",
    ),
    click.option(
        "--comment", metavar="MARK", help="Of text: how a line starts that is passed over."
    ),
    click.option("--encoding", metavar="NAME", help="Of text, such as latin-1.  [default: utf-8]"),
)

_COLUMN_OPTIONS = (
    click.option(
        "--id",
        "id_column",
        metavar="COLUMN",
        help="Names of the rows.  [default: a frame's index, or a first column called id]",
    ),
    click.option(
        "--columns",
        type=ColumnNames(),
        metavar="A,B,...",
        help="Columns of numbers, or the one of vectors.  [default: all others]",
    ),
)


def text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how a text file is written."""
    for option in reversed(_TEXT_OPTIONS):
        command = option(command)
    return command


def take_text(options: dict[str, Any]) -> TextOptions:
    """Take what says how a text file is written out of a command's options."""
    names = [field.name for field in dataclasses.fields(TextOptions)]
    return TextOptions(**{name: options.pop(name) for name in names if name in options})


def graph_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how its argument GRAPH is read."""
    for option in reversed(_GRAPH_OPTIONS):
        command = option(command)
    return command


def column_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how a table is read."""
    for option in reversed(_COLUMN_OPTIONS):
        command = option(command)
    return command


def take_source(options: dict[str, Any]) -> GraphSource:
    """Take what belongs to the graph out of a command's options.

    Raises
    ------
    click.UsageError
        If --features and --no-features are both given, or --source without --target.
    """
    names = [field.name for field in dataclasses.fields(GraphSource) if field.name != "text"]
    taken = {name: options.pop(name) for name in names if name in options}
    source = GraphSource(**taken, text=take_text(options))
    if source.features is not None and not source.use_features:
        raise click.UsageError("give --features or --no-features, not both")
    if (source.source is None) != (source.target is None):
        raise click.UsageError("give --source and --target, or neither")
    return source


def take_table_source(options: dict[str, Any]) -> TableSource:
    """Take what belongs to the table out of a command's options."""
    names = [field.name for field in dataclasses.fields(TableSource) if field.name != "text"]
    taken = {name: options.pop(name) for name in names if name in options}
    return TableSource(**taken, text=take_text(options))
