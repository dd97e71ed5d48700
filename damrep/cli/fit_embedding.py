"""`damrep fit-embedding`: from a graph to an embedding and the evidence for its width."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.fitting import Outcome, fit_into_folder
from damrep.cli.inputs import read_source
from damrep.cli.options import Widths, learning_options, run_options
from damrep.cli.outputs import EMBEDDINGS, MODEL, write_embeddings
from damrep.cli.running import Stopwatch, read_line, say
from damrep.cli.sources import GraphSource, graph_options, take_source, text_options

if TYPE_CHECKING:
    from damrep.graph.data.graph import Graph

__all__ = ["ENCODERS", "EVALUATIONS", "OBJECTIVES", "PURPOSES", "fit_embedding_command"]

# Written out, so that --help need not import what knows them; a test holds them against it.
ENCODERS = ("gcn", "sage", "autoencoder")
OBJECTIVES = ("auto", "ggd", "dgi", "gae", "masked", "reconstruction", "supervised", "svd")
EVALUATIONS = ("auto", "probe", "links", "both", "none")
PURPOSES = ("all", "links", "features", "labels")
MAX_DIMS, EPOCHS = 384, 300

_ROW_NOTES = {
    "learned": "this embedding",
    "full width": "the same representation before anything was cut",
    "svd": "singular value decomposition of the propagated features; nothing is trained",
    "pca of full": "principal components of the full width, cut to as many",
}


@click.command("fit-embedding", short_help="Learn a compact embedding of a graph.")
@click.argument("graph")
@graph_options
@text_options
@click.option("--labels", type=click.Path(path_type=Path), metavar="FILE", help="Node labels.")
@click.option(
    "--encoder",
    type=click.Choice(ENCODERS),
    default="gcn",
    show_default=True,
    help="Layers of the encoder.",
)
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    default="auto",
    show_default=True,
    help="What the encoder learns from.",
)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(PURPOSES),
    default=PURPOSES[0],
    show_default=True,
    help="What the width is chosen for: telling links from other pairs, what nodes share with "
    "their neighbours, labels (which then choose the dimensions too); all: the first two.",
)
@learning_options(price=None, max_dims=MAX_DIMS, epochs=EPOCHS)
@click.option(
    "--hidden",
    type=Widths(),
    default="",
    metavar="N[,N...]",
    help="Hidden layers.  [default: none]",
)
@click.option(
    "--evaluate",
    type=click.Choice(EVALUATIONS),
    default="auto",
    show_default=True,
    help="Linear probe on the labels, prediction of held-out links; auto: what can be done.",
)
@click.option(
    "--keep-graph/--no-keep-graph",
    default=None,
    help="Write edges and features into model/, for `damrep embed` to join new nodes to; ids are "
    "written in any case.  [default: where they take no more than 64 MiB]",
)
@run_options("graph")
@click.pass_context
def fit_embedding_command(context: click.Context, /, **options: Any) -> None:
    """Learn a compact embedding of a graph, and how many dimensions it needs.

    GRAPH is an edge list (.csv, .tsv, .txt, .edgelist, .parquet, .feather, .jsonl; - is standard
    input), a matrix (.npz, .mtx), .graphml, .gml, .gexf, node-link .json, a torch_geometric .pt, or
    the name of a data set (`damrep datasets` lists them).

    Written to the output folder, all or nothing: embeddings.parquet (node id, then one column a
    dimension, most important first), report.html, report.json, model/.
    """
    source = take_source(options)
    options["directed"] = source.directed is True
    fit_into_folder(
        context,
        source.name,
        options,
        lambda level: _read(source, options, level),
        lambda read, level: _fit(*read, options, level),
    )


def _read(source: GraphSource, options: dict[str, Any], level: int) -> tuple[Graph, str, list[str]]:
    """The graph, what is to be said of it, and what the readers warned of."""
    from damrep.masking.validation import InputError

    say(level, f"reading {source.graph}")
    graph, notes = read_source(source)
    read = read_line(graph.described(), graph.notes)
    say(level, f"read {read}")
    if graph.labels is None and options["evaluate"] in ("probe", "both"):
        raise InputError(
            f"{source.graph}: no labels to evaluate with; give --labels or --evaluate links"
        )
    return graph, read, notes


def _fit(graph: Graph, read: str, notes: list[str], options: dict[str, Any], level: int) -> Outcome:
    from damrep.graph.comparison import evaluate_embedding
    from damrep.graph.estimator import DAMGraphEmbedding
    from damrep.reporting.page import render_page

    model = DAMGraphEmbedding(
        encoder=options["encoder"],
        objective=options["objective"],
        purpose=options["purpose"],
        price=options["price"],
        n_components=options["dims"],
        max_components=options["max_dims"],
        strategy=options["strategy"],
        hidden=options["hidden"],
        max_epochs=options["epochs"],
        keep_graph="auto" if options["keep_graph"] is None else options["keep_graph"],
        directed=options["directed"],
        device=options["device"],
        random_state=options["seed"],
        verbose=level,
    )
    say(level, "fitting")
    model.fit(graph)
    evaluation = Stopwatch()
    if options["evaluate"] != "none":
        say(level, "evaluating")
        with evaluation:
            evaluate_embedding(model, graph, evaluation=options["evaluate"], seed=options["seed"])
    report = model.report_
    report.warnings[:0] = notes
    report.details["data"]["read"] = read
    if graph.label_names is not None:
        report.details["data"]["classes"] = len(graph.label_names)

    def page() -> str:
        return render_page(
            report,
            model.embedding_,
            graph.labels,
            graph.label_names,
            graph.node_ids,
            row_notes=_ROW_NOTES,
        )

    def write(folder: Path) -> None:
        write_embeddings(folder / EMBEDDINGS, graph.node_ids, model.embedding_)
        model.save(folder / MODEL)

    return Outcome(report, page, write, evaluation)
