"""What a command is given: a graph from a file or a data set, or a table from a file."""

from __future__ import annotations

import difflib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from damrep.cli.sources import GraphSource, TableSource

if TYPE_CHECKING:
    from damrep.autoencoder.preparing import TablePreparation
    from damrep.autoencoder.tables import Table
    from damrep.graph.data.graph import Graph

__all__ = ["read_source", "read_table_source"]


def read_source(source: GraphSource) -> tuple[Graph, list[str]]:
    """Read a graph with the features and labels that were named beside it.

    A file that exists comes before a data set of the same name.

    Parameters
    ----------
    source : GraphSource

    Returns
    -------
    graph : Graph
    notes : list of str
        What the readers warned of.

    Raises
    ------
    InputError
        If there is neither such a file nor such a data set, or it cannot be read.
    """
    from damrep.masking.notes import noted
    from damrep.masking.validation import InputError

    with warnings.catch_warnings(), noted() as notes:
        warnings.simplefilter("ignore")  # those of other packages say nothing about the input
        try:
            graph = _read(source)
        except TypeError as error:
            # In Python a wrong type is the caller's; from files it is one more kind of bad input.
            raise InputError(f"{source.graph}: {error}") from error
    return graph, notes


def _read(source: GraphSource) -> Graph:
    from damrep import datasets
    from damrep.graph.data.convert import as_graph
    from damrep.graph.data.files import read_features, read_graph, read_labels

    path = Path(source.graph)
    if str(path) == "-" or path.exists() and not (path.is_dir() and _is_known(source.graph)):
        graph = read_graph(
            path,
            features=source.features,
            labels=source.labels,
            directed=source.directed,
            source=source.source,
            target=source.target,
            weight=source.weight,
            weighted=source.weighted,
            bipartite=source.bipartite,
            dialect=source.text.dialect(),
        )
    else:
        _require_known(source)
        # Read first: they are small, and wrong more often than the data set.
        features = None if source.features is None else read_features(source.features)
        labels = None if source.labels is None else read_labels(source.labels)
        graph = as_graph(
            datasets.load(source.graph, source.data_root), features, labels, source.directed
        )
    return graph if source.use_features else graph.with_features(None)


def _is_known(name: str) -> bool:
    from damrep import datasets
    from damrep.masking.validation import InputError

    try:
        datasets.describe(name)
    except InputError:
        return False
    return True


def _require_known(source: GraphSource) -> None:
    """Refuse what is neither a file nor a data set, and columns of something without any."""
    from damrep import datasets
    from damrep.graph.data.files import GRAPH_ENDINGS
    from damrep.masking.validation import InputError

    name = source.graph
    if not _is_known(name):
        looks_like_file = os.sep in name or name.lower().removesuffix(".gz").endswith(GRAPH_ENDINGS)
        if looks_like_file:
            raise InputError(f"{name}: no such file")
        files = [entry.name for entry in Path().iterdir() if _is_graph_file(entry, GRAPH_ENDINGS)]
        stems = {file.split(".")[0].lower(): file for file in reversed(sorted(files))}
        near = [
            stems.get(match, match)
            for match in difflib.get_close_matches(name.lower(), [*datasets.names(), *stems], n=3)
        ]
        hint = f"did you mean {' or '.join(near)}?" if near else "`damrep datasets` lists those"
        raise InputError(f"{name!r} is neither a file nor a known data set; {hint}")
    given = (source.source, source.target, source.weight, source.bipartite, not source.weighted)
    if any(given) or source.text.dialect().given:
        raise InputError(
            f"{name} is a data set; --source, --target and --weight are for edge tables"
        )


def _is_graph_file(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(endings) and path.is_file()


def read_table_source(source: TableSource, preparation: TablePreparation | None = None) -> Table:
    """Read a table with the columns that were named, prepared if it is to be.

    Raises
    ------
    InputError
        If there is no such file, or it holds no table of finite numbers.
    """
    from damrep.autoencoder.tables import read_table

    return read_table(
        source.table,
        id_column=source.id_column,
        label_column=source.label_column,
        columns=source.columns,
        drop=source.drop,
        preparation=preparation,
        dialect=source.text.dialect(),
    )
