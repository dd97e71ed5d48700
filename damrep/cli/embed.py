"""`damrep embed`: a saved model on a graph or a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.inputs import read_source, read_table_source
from damrep.cli.options import threads_option
from damrep.cli.outputs import MODEL, check_file, write_embeddings
from damrep.cli.running import read_line, tell
from damrep.cli.sources import (
    GraphSource,
    TableSource,
    column_options,
    graph_options,
    take_source,
    take_table_source,
    take_text,
    text_options,
)

if TYPE_CHECKING:
    import numpy as np

    from damrep.autoencoder.estimator import DAMAutoencoder
    from damrep.graph.data.graph import Graph
    from damrep.graph.joining import FittedNodes

__all__ = ["embed_command"]

# Written out, so that --help need not import what knows them; a test holds them against it.
TABLE_KINDS = ("autoencoder", "prepared-autoencoder", "standardized-autoencoder")


@click.command("embed", short_help="Apply a saved model to a graph or a table.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("graph", metavar="DATA")
@graph_options
@column_options
@text_options
@click.option(
    "--vectors",
    is_flag=True,
    help="Of a table: one column of vectors in place of one a dimension (.parquet).",
)
@click.option(
    "--join/--alone",
    default=None,
    help="Add the graph to the one fitted on, which the model keeps, or take it as one of its own."
    "  [default: add it, unless it names half of that one's nodes, or ids that only count]",
)
@threads_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ending in .parquet, .csv, or .npy (no ids).  [default: damrep-<name>.parquet]",
)
@click.pass_context
def embed_command(
    context: click.Context,
    /,
    model: Path,
    vectors: bool,
    join: bool | None,
    threads: int | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Embed the nodes of a graph, or the rows of a table, with a model that was fitted before.

    MODEL is the output folder of `damrep fit-embedding` or `damrep fit-autoencoder`, or the folder
    model in it. DATA is a graph or a table as there, with the same feature columns; its nodes or
    rows may be other ones. --features to --data-root are for graphs, --id and --columns for tables.

    A few edges between new nodes and old ones are joined to the graph fitted on: the new nodes are
    embedded where they belong, the old ones move by no more than what is new. --features are then
    needed of the new nodes alone.
    """
    text = take_text(options)
    table = take_table_source({"table": Path(options["graph"]), **_pop_columns(options)})
    table = dataclasses.replace(table, text=text)
    graph = dataclasses.replace(take_source(options), text=text)
    out = out or Path(f"damrep-{graph.name}.parquet")
    if vectors and out.suffix.lower() != ".parquet":
        raise click.UsageError(f"--vectors writes .parquet, --out is {out}")
    check_file(out, [Path(graph.graph), *([graph.features] if graph.features else [])])
    folder = model / MODEL if (model / MODEL).is_dir() else model
    from damrep.masking.notes import noted
    from damrep.training import limited_threads

    with limited_threads(threads), noted() as told:
        from damrep.training.saving import saved_kind

        kind = saved_kind(folder)
        if kind in TABLE_KINDS:
            _refuse(
                context,
                ("features", "use_features", "directed", "source", "target", "weight", "join"),
            )
            ids, embedding, said = _embed_table(folder, kind, table)
            item = "row"
            write_embeddings(out, ids, embedding, id_name="id", vectors=vectors)
        else:
            _refuse(context, ("id_column", "columns", "vectors"))
            ids, embedding, said = _embed_graph(folder, graph, join)
            item = "node"
            write_embeddings(out, ids, embedding)
    rows, dims = embedding.shape
    tell(f"{rows:,} {item}s, {dims} dimensions, in {out}")
    for line in [*said, *(f"note: {note}" for note in told)]:
        tell(line)


def _pop_columns(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options.pop(name) for name in ("id_column", "columns")}


def _refuse(context: click.Context, names: tuple[str, ...]) -> None:
    """Refuse options that mean nothing for this kind of model."""
    from click.core import ParameterSource

    for option in context.command.params:
        name = option.name or ""
        if name in names and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} is not for this kind of model")


def _embed_graph(
    folder: Path, source: GraphSource, join: bool | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    from damrep.graph.data.files import read_features
    from damrep.graph.estimator import DAMGraphEmbedding
    from damrep.graph.joining import FittedNodes
    from damrep.masking.notes import warn_of

    fitted = DAMGraphEmbedding.load(folder).set_output(transform="pandas")
    if source.directed is None and fitted.directed:
        source = dataclasses.replace(source, directed=True)
    nodes = FittedNodes(fitted.node_ids_, fitted.graph_)
    asked, features = join is not None, None
    taken: tuple[str, ...] = ()
    # Edges alone at first: of the old nodes among their ends the model has the features.
    perhaps = join or (not asked and _may_be_joined(source, nodes))
    graph, notes = read_source(dataclasses.replace(source, features=None) if perhaps else source)
    if join is None:
        join = bool(perhaps) and nodes.expects(graph)
    if join and source.features is not None:
        features = read_features(source.features, nodes=graph.node_ids)
        taken = tuple(f"{features.where}: {note}" for note in features.notes)
    elif perhaps and source.features is not None:
        graph, notes = read_source(source)
    read = read_line(graph.described(), (*graph.notes, *taken))
    warn_of(*notes, *_joining_notes(nodes, graph, join, asked))
    codes = fitted.transform(graph, features, join=join)
    return codes.index.to_numpy(), codes.to_numpy(), [f"read: {read}"]


def _may_be_joined(source: GraphSource, nodes: FittedNodes) -> bool:
    """Whether there is a graph to join to, and the file can be read twice if that is not meant."""
    return nodes.graph is not None and (source.graph != "-" or source.features is None)


def _joining_notes(nodes: FittedNodes, graph: Graph, join: bool, asked: bool) -> list[str]:
    """Whether the graph was joined to the one fitted on, where that is not plain."""
    from damrep.reading.ids import only_count

    shared, total = int(nodes.known(graph.node_ids).sum()), graph.num_nodes
    if join and shared and nodes.graph is not None:
        otherwise = "" if asked else " (--alone takes the file by itself)"
        return [
            f"joined to the {nodes.graph.num_nodes:,} nodes and {nodes.graph.num_edges:,} edges "
            f"fitted on: {total - shared:,} new of {total:,} nodes{otherwise}"
        ]
    if not join and not shared and len(nodes.node_ids):
        return [f"none of the {total:,} nodes is in the graph fitted on"]
    if not join and not asked and only_count(graph.node_ids) and total < len(nodes.node_ids):
        otherwise = "; --join adds it to the one fitted on" if nodes.graph is not None else ""
        return [f"ids that only count {total:,} nodes: taken as a graph of its own{otherwise}"]
    return []


def _embed_table(
    folder: Path, kind: str, source: TableSource
) -> tuple[np.ndarray | None, np.ndarray, list[str]]:
    from damrep.autoencoder.estimator import DAMAutoencoder
    from damrep.autoencoder.prepared_storage import PREPARE, load_prepared
    from damrep.masking.validation import InputError

    steps: dict[str, Any] = {"reduce": DAMAutoencoder.load(folder)} if kind == "autoencoder" else {}
    steps = steps or dict(load_prepared(folder).steps)
    preparation, model = steps.pop(PREPARE, None), steps["reduce"]
    data = _what_it_was_fitted_to(folder, model)
    table = read_table_source(_as_fitted(source, data), preparation)
    values = table.values
    if values.shape[1] != model.n_features_in_:
        raise InputError(
            f"{source.table}: {values.shape[1]} columns of numbers, the model was fitted on "
            f"{model.n_features_in_}; name those with --columns"
        )
    for step in steps.values():
        values = step.transform(values)
    read = read_line(table.described(), table.notes)
    return table.row_ids, values, [f"read: {read}"]


def _what_it_was_fitted_to(folder: Path, model: DAMAutoencoder) -> dict[str, Any]:
    from damrep.masking.schema import ANYTHING, TEXT, Items, Maybe, Record
    from damrep.training import damage_told

    data: dict[str, Any] = model.report_.details.get("data") or {}
    fields = {"id_column": Maybe(TEXT), "column_names": Maybe(Items(TEXT))}
    with damage_told(folder):
        Record({}, optional=fields, others=ANYTHING).check(data, "report.details.data")
    return data


def _as_fitted(source: TableSource, data: dict[str, Any]) -> TableSource:
    """Read the columns the model was fitted on, where the file has names and none were given."""
    from damrep.autoencoder.tables import column_names
    from damrep.masking.validation import InputError

    names = column_names(source.table, source.text.dialect())
    if names is None:
        return source
    if source.id_column is None and data.get("id_column") in names:
        source = dataclasses.replace(source, id_column=data["id_column"])
    fitted = data.get("column_names")
    if source.columns is not None or not fitted:
        return source
    missing = [name for name in fitted if name not in names]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{source.table}: no column {missing[0]!r}{more}, which the model was fitted on; name "
            "as many others with --columns, in its order"
        )
    return dataclasses.replace(source, columns=tuple(fitted))
