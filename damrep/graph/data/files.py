"""Graphs from files.

How a text or parquet table is understood:

- An edge list has a header if the first row names its columns (source/target, from/to, citing
  paper/cited paper, ...), has words above numbers, or holds two names that never come again where
  those of all other rows do. Without a header the columns are source, target and perhaps weight.
- The first column of a feature table is the node id, unless it holds fractions, or whole numbers
  that are not the nodes': then there is no id column, and row i is node i.
- A label table holds id and label, or one label a line in the order of the nodes.
"""

from __future__ import annotations

import codecs
import dataclasses
import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damrep.graph.data.adjacency import canonical_adjacency
from damrep.graph.data.archives import read_npz_graph, read_pt
from damrep.graph.data.assembly import assemble
from damrep.graph.data.convert import as_graph
from damrep.graph.data.edge_files import EdgeColumns, drop_unknown_header, read_edges
from damrep.graph.data.edges import graph_from_edges
from damrep.graph.data.graph import Graph
from damrep.graph.data.network_files import (
    NETWORK_ENDINGS,
    holds_attributes,
    read_attributed_edges,
    read_network,
)
from damrep.graph.data.networkx_graphs import from_networkx
from damrep.graph.data.node_files import read_features, read_labels
from damrep.graph.data.node_tables import NodeTable, feature_table, label_table
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.files import (
    ARROW_ENDINGS,
    TABLE_ENDINGS,
    TEXT_ENDINGS,
    file_ending,
    open_bytes,
    require_file,
    stem,
)
from damrep.reading.layout_finding import find_layout
from damrep.reading.matrix_market import read_matrix_market

__all__ = ["GRAPH_ENDINGS", "READERS", "EdgeColumns", "read_features", "read_graph", "read_labels"]

GRAPH_ENDINGS = (*TABLE_ENDINGS, ".npz", ".mtx", *NETWORK_ENDINGS, ".pt")

READERS: dict[str, Callable[[Path], Any]] = {}
"""What reads files of other endings, such as ".xyz": each gives anything that `as_graph` takes."""


def read_graph(
    path: str | os.PathLike[str],
    features: Any = None,
    labels: Any = None,
    directed: bool | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
    weighted: bool = True,
    bipartite: bool = False,
    dialect: Dialect | None = None,
    name: str | None = None,
) -> Graph:
    """Read a graph from a file.

    Parameters
    ----------
    path : path
        - a table in text (.csv, .tsv, .txt, .edgelist, ..., perhaps packed), .parquet, .feather,
          .arrow or .jsonl, or "-" for text on standard input: an edge list with string or integer
          ids and perhaps a weight column; see the head of this module;
        - .npz: a `scipy.sparse.save_npz` matrix, or one of the layouts of
          `damrep.graph.data.archives.read_npz_graph`; .mtx: a Matrix Market matrix;
        - .graphml, .gml, .gexf, .json (node-link): node ids, edge attribute "weight", node
          attribute "y" as label;
        - .pt: torch_geometric Data, or a dict with edge_index, x, y, ...; never unpickled.
    features, labels : path or any form `as_graph` takes, optional
        Read with `read_features` and `read_labels`; they come before what the file itself holds.
    directed : bool, optional
        True: a row u, v of an edge list is one arc. False: every arc becomes an edge. None: edge
        lists are undirected, a matrix or Data is directed if it is not symmetric, GraphML knows.
    source, target, weight, weighted, bipartite, dialect
        Columns of an edge list and how its text is written; see `EdgeColumns`. The encoding
        is that of features and labels, too, if these are not UTF-8; the decimal mark of features.
    name : str, optional
        The file's name without its endings, if not given.

    Returns
    -------
    Graph
        Nodes of an edge list in the order of the features' ids, or sorted where there are none.
        Its notes say what was taken for what.

    Raises
    ------
    InputError
        One line naming the file and, where there is one, the line, node and column at fault.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "friends.csv"
    ...     _ = path.write_text("source,target\\nann,bob\\nbob,cy\\n")
    ...     graph = read_graph(path)
    >>> graph, graph.notes
    (Graph('friends': 3 nodes, 2 edges, no features),
     ("line 1 names the columns: 'source' and 'target' are the ends of an edge",))
    """
    path = Path(path)
    dialect = dialect or Dialect()
    columns = EdgeColumns(source, target, weight, weighted, bipartite, dialect)
    as_text = bool(dialect.separator) or path.suffix.lower() == ".net"  # of Pajek
    ending = require_file(path, (*GRAPH_ENDINGS, *READERS), "a graph file", as_text=as_text)
    name = name or stem(path, "graph")
    if ending in TEXT_ENDINGS:
        ending = _format_of_text(path, ending)
    as_table = ending in ARROW_ENDINGS or ending in TEXT_ENDINGS
    beside = Dialect(decimal=dialect.decimal, encoding=dialect.encoding)
    if not as_table and columns != EdgeColumns(dialect=beside):
        raise InputError(f"{path}: column names were given, but the file is not an edge table")
    label_rows = _table(labels, read_labels, label_table, Dialect(encoding=dialect.encoding))
    network = None
    if ending in NETWORK_ENDINGS:
        network = read_network(path, ending)
    elif ending in TEXT_ENDINGS:
        network = _attributed(path, columns)
    if as_table and network is None:
        graph = _from_table(path, columns, features, label_rows, directed, name, beside)
        return dataclasses.replace(graph, notes=graph.notes + _notes_of(label_rows))
    rows = _table(features, read_features, feature_table, beside)
    try:
        if network is not None:
            graph = from_networkx(network, rows, label_rows, directed, name, infer=True)
        elif ending == ".mtx":
            matrix = canonical_adjacency(read_matrix_market(path), str(path))
            graph = assemble(matrix, None, {}, rows, label_rows, directed, name)
            counted = "nodes are counted from 0, in the file from 1"
            graph = dataclasses.replace(graph, notes=(counted,))
        elif ending == ".npz":
            matrix, own = read_npz_graph(path, directed)
            graph = assemble(matrix, None, own, rows, label_rows, directed, name)
        else:
            loaded = READERS.get(ending, read_pt)(path)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module="torch_geometric")
                graph = as_graph(loaded, rows, label_rows, directed, name)
    except (InputError, TypeError) as error:  # in Python a wrong type is the caller's mistake
        files = tuple(str(part) for part in (path, features, labels) if part is not None)
        said = str(error) if str(error).startswith(files) else f"{path}: {error}"
        raise InputError(said) from None
    return dataclasses.replace(graph, notes=graph.notes + _notes_of(rows) + _notes_of(label_rows))


def _from_table(
    path: Path,
    columns: EdgeColumns,
    features: Any,
    labels: NodeTable | None,
    directed: bool | None,
    name: str,
    beside: Dialect,
) -> Graph:
    edges, notes = read_edges(path, columns)
    rows = _table(
        features, functools.partial(read_features, nodes=edges.ids), feature_table, beside
    )
    if rows is not None and rows.ids is not None:
        again = drop_unknown_header(path, columns, edges, rows.ids)
        edges, notes = again or (edges, notes)
    graph = graph_from_edges(edges, rows, labels, directed=bool(directed), infer=True, name=name)
    return dataclasses.replace(graph, notes=(*notes, *graph.notes, *_notes_of(rows)))


def _format_of_text(path: Path, ending: str) -> str:
    """The ending that what is in a text file would have."""
    with open_bytes(path) as stream:
        start = stream.readline(200).lstrip(codecs.BOM_UTF8).lower()
    if start.startswith(b"%%matrixmarket"):  # networkrepository.com has them as .edges
        return ".mtx"
    if start.startswith((b"*vertices", b"*network")):
        raise InputError(
            f"{path}: a Pajek file; networkx.read_pajek reads it and networkx.write_graphml writes "
            "what is read here"
        )
    return ending


def _attributed(path: Path, columns: EdgeColumns) -> Any:
    """The networkx graph of an edge list with attributes in braces; None for any other."""
    if columns.given:
        return None
    lines = find_layout(path, Dialect(separator=" ")).lines()
    _, first = next(lines)
    if not holds_attributes(first):
        return None
    return read_attributed_edges(path, [first, *(line for _, line in lines)])


def _table(given: Any, read: Any, convert: Any, dialect: Dialect) -> NodeTable | None:
    """A node table out of a file, or out of an object."""
    if given is None:
        return None
    if not isinstance(given, (str, os.PathLike)):
        table: NodeTable = convert(given)
    elif file_ending(Path(given)) not in TEXT_ENDINGS:
        table = read(given)
    else:
        try:
            table = read(given, Dialect(decimal=dialect.decimal))
        except InputError:
            # The encoding is that of the edges; of a file beside them only if it has to be.
            if dialect.encoding is None:
                raise
            table = read(given, dialect)
    return table


def _notes_of(table: NodeTable | None) -> tuple[str, ...]:
    return () if table is None else tuple(f"{table.where}: {note}" for note in table.notes)
