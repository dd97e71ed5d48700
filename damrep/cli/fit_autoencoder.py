"""`damrep fit-autoencoder`: from a table to fewer columns and the evidence for how many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.fitting import Outcome, fit_into_folder
from damrep.cli.inputs import read_table_source
from damrep.cli.options import Widths, learning_options, run_options
from damrep.cli.outputs import EMBEDDINGS, MODEL, write_embeddings
from damrep.cli.preparing import preparing_options, take_preparation
from damrep.cli.running import Stopwatch, read_line, say
from damrep.cli.sources import TableSource, column_options, take_table_source, text_options

if TYPE_CHECKING:
    from damrep.autoencoder.estimator import DAMAutoencoder
    from damrep.autoencoder.preparing import TablePreparation
    from damrep.autoencoder.tables import Table

__all__ = ["EVALUATIONS", "METRICS", "fit_autoencoder_command"]

# Written out, so that --help need not import what knows them; a test holds them against it.
METRICS = ("euclidean", "cosine")
EVALUATIONS = ("auto", "none")
PRICE = 0.001

_ROW_NOTES = {
    "learned": "these dimensions",
    "pca": "principal components, as many",
    "full width": "the table itself",
    "random projection": "random directions, as many",
    "first columns": "the table cut off after as many",
}


class Hidden(Widths):
    """Widths of layers, or one of the words auto and linear."""

    name = "hidden"
    wanted = "auto, linear, or widths such as 128,64"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the word or the numbers."""
        if value in ("auto", "linear"):
            return "auto" if value == "auto" else ()
        # Nothing is no way to say "linear".
        return super().convert(value or "''", param, ctx) if value != () else value


@click.command("fit-autoencoder", short_help="Learn how few dimensions hold a table.")
@click.argument("table", type=click.Path(path_type=Path))
@column_options
@preparing_options
@text_options
@click.option(
    "--labels",
    "label_column",
    metavar="COLUMN",
    help="Classes of the rows, to evaluate with; nothing is learned from them.",
)
@learning_options(price=PRICE, max_dims=None, epochs=None, shares=True)
@click.option(
    "--hidden",
    type=Hidden(),
    default="auto",
    show_default=True,
    metavar="auto|linear|N[,N...]",
    help="Layers of the encoder; the decoder's are the same. auto: with or without, as it pays.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default="euclidean",
    show_default=True,
    help="cosine: only the direction of a row counts, as for the vectors of a language model.",
)
@click.option(
    "--standardize", is_flag=True, help="Bring each column to unit variance first (in memory)."
)
@click.option(
    "--evaluate",
    type=click.Choice(EVALUATIONS),
    default="auto",
    show_default=True,
    help="auto: fit once more without some rows, and measure on these.",
)
@click.option(
    "--vectors",
    is_flag=True,
    help="Write one column of vectors, for a vector database, in place of one a dimension.",
)
@run_options("table")
@click.pass_context
def fit_autoencoder_command(context: click.Context, /, **options: Any) -> None:
    """Reduce a table to as many dimensions as earn their price.

    TABLE is text (.csv, .tsv, .txt, perhaps packed; - is standard input), a .parquet, .feather or
    .jsonl with columns of numbers or one column of vectors, an .npy, or an .npz with one array or
    one scipy matrix. Gaps, words and dates are refused unless --impute, --encode or --drop says
    what to do; the model keeps it, and `damrep embed` does the same.

    Written to the output folder, all or nothing: embeddings.parquet (id, then one column a
    dimension, most important first), report.html, report.json, model/.
    """
    if options["metric"] == "cosine" and isinstance(options["dims"], float):
        raise click.UsageError(
            f"--dims {options['dims']:g} is a share of the variance, which --metric cosine does "
            "not look at; give a number of dimensions"
        )
    source, preparation = take_table_source(options), take_preparation(options)
    fit_into_folder(
        context,
        source.name,
        options,
        lambda level: _read(source, preparation, options, level),
        lambda read, level: _fit(source, *read, options, level),
    )


def _read(
    source: TableSource,
    preparation: TablePreparation | None,
    options: dict[str, Any],
    level: int,
) -> tuple[Table, str]:
    """The table, and what is to be said of it."""
    say(level, f"reading {source.table}")
    table = read_table_source(source, preparation)
    read = read_line(table.described(), table.notes)
    say(level, f"read {read}")
    _check_size(source, options, table.values)
    return table, read


def _fit(
    source: TableSource, table: Table, read: str, options: dict[str, Any], level: int
) -> Outcome:
    from damrep.autoencoder.comparison import evaluate_autoencoder
    from damrep.autoencoder.estimator import DAMAutoencoder
    from damrep.autoencoder.standardizing import range_note, standardize
    from damrep.reporting.page import render_page

    values, scaler = table.values, None
    notes: list[str] = []
    if options["standardize"]:
        scaler, values = standardize(values)
    elif (note := range_note(values, table.features)) is not None:
        notes.append(f"{note}; --standardize lets each count the same")
    model = DAMAutoencoder(
        price=options["price"],
        n_components=options["dims"],
        max_components=options["max_dims"],
        hidden=options["hidden"],
        strategy=options["strategy"],
        metric=options["metric"],
        max_epochs=options["epochs"],
        device=options["device"],
        random_state=options["seed"],
        verbose=level,
    )
    say(level, "fitting")
    model.fit(values)
    evaluation = Stopwatch()
    if options["evaluate"] != "none":
        say(level, "evaluating")
        with evaluation:
            evaluate_autoencoder(model, values, table.labels, seed=options["seed"])
    report = model.report_
    report.warnings[:0] = notes
    report.details["data"] = {
        "name": table.name,
        **report.details.get("data", {}),
        "classes": None if table.label_names is None else len(table.label_names),
        "standardized": options["standardize"],
        "read": read,
        "id_column": table.id_column,
        # What `damrep embed` looks for in another file.
        "column_names": None if table.columns is None else list(table.columns),
        **_prepared(table, source),
    }
    embedding = model.transform(values)

    def page() -> str:
        return render_page(
            report,
            embedding,
            table.labels,
            table.label_names,
            table.row_ids,
            item="row",
            row_notes=_ROW_NOTES,
        )

    def write(folder: Path) -> None:
        write_embeddings(
            folder / EMBEDDINGS,
            table.row_ids,
            embedding,
            id_name="id",
            vectors=options["vectors"],
        )
        before = {"prepare": table.preparation, "standardize": scaler}
        _save_model(folder / MODEL, model, before)

    return Outcome(report, page, write, evaluation)


def _check_size(source: TableSource, options: dict[str, Any], values: Any) -> None:
    from damrep.masking.validation import InputError

    rows, columns = values.shape
    if rows < 2:
        raise InputError(f"{source.table}: expected at least 2 rows to learn from, got {rows}")
    if options["dims"] is not None and options["dims"] > columns:
        raise InputError(
            f"--dims must be between 1 and {columns}, the columns of {source.table}, got "
            f"{options['dims']}"
        )


def _prepared(table: Table, source: TableSource) -> dict[str, Any]:
    """What was left out, filled and encoded, for the report."""
    said: dict[str, Any] = {"left_out": list(source.drop)} if source.drop else {}
    if table.preparation is not None:
        columns = table.preparation.columns_
        said["gaps_filled"] = {
            column.name: f"{column.gaps:,}, {column.filling()}"
            for column in columns
            if column.gaps and column.strategy is not None
        }
        said["encoded"] = {
            column.name: text for column in columns if (text := column.encoding()) is not None
        }
        said["feature_names"] = list(table.features or ())
    return said


def _save_model(path: Path, model: DAMAutoencoder, before: dict[str, Any]) -> None:
    """Save the model with what stands before it."""
    steps = [(name, step) for name, step in before.items() if step is not None]
    if not steps:
        model.save(path)
        return
    from sklearn.pipeline import Pipeline

    from damrep.autoencoder.prepared_storage import save_prepared

    save_prepared(path, Pipeline([*steps, ("reduce", model)]))
