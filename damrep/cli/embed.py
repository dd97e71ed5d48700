"""`damrep embed`: a saved model on a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from damrep.cli.inputs import read_source
from damrep.cli.options import graph_options, take_source
from damrep.cli.outputs import MODEL, check_file, write_embeddings
from damrep.cli.running import limited_threads

__all__ = ["embed_command"]


@click.command("embed", short_help="Apply a saved model to a graph.")
@click.argument("model", type=click.Path(path_type=Path))
@graph_options
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processor threads.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ending in .parquet, .csv, or .npy (no node ids).  [default: damrep-<name>.parquet]",
)
def embed_command(model: Path, threads: int | None, out: Path | None, **options: Any) -> None:
    """Embed the nodes of a graph with a model that was fitted before.

    MODEL is the output folder of `damrep fit-embedding`, or the folder model in it. GRAPH is as
    there, with the same feature columns; its nodes may be other ones.
    """
    source = take_source(options)
    out = out or Path(f"damrep-{source.name}.parquet")
    check_file(out, [Path(source.graph), *([source.features] if source.features else [])])
    with limited_threads(threads):
        from damrep.graph.estimator import DAMGraphEmbedding

        fitted = DAMGraphEmbedding.load(model / MODEL if (model / MODEL).is_dir() else model)
        graph, notes = read_source(source)
        embedding = fitted.transform(graph)
        write_embeddings(out, graph.node_ids, embedding)
    nodes, dims = embedding.shape
    click.echo(f"{nodes:,} nodes, {dims} dimensions, in {out}")
    for note in notes:
        click.echo(f"note: {note}")
