"""`damrep fit-recommender`: from ratings to factors of users and items, and how many there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.fitting import Outcome, fit_into_folder
from damrep.cli.options import STRATEGIES, Dimensions, Price, run_options
from damrep.cli.outputs import ITEMS, MODEL, USERS, write_factors
from damrep.cli.ratings import (
    RatingsRead,
    RatingsSource,
    rating_options,
    read_ratings_source,
    take_ratings,
)
from damrep.cli.running import Stopwatch, read_line, say
from damrep.cli.sources import text_options

if TYPE_CHECKING:
    from damrep.recommend.explicit import DAMExplicitMF
    from damrep.recommend.implicit import DAMImplicitMF

__all__ = ["fit_recommender_command"]

# Written out, so that --help need not import what knows them; a test holds them against it.
EXPLICIT_PRICE, IMPLICIT_PRICE, MAX_DIMS = 1e-4, 3e-4, 128
SOLVERS = ("als", "adam")
EXPLICIT_LOSSES, IMPLICIT_LOSSES = ("squared",), ("ials", "bpr", "softmax")
DUPLICATES = ("error", "last", "mean", "sum")
EVALUATIONS = ("auto", "none")

_ROW_NOTES = {
    "learned": "these dimensions",
    "biases alone": "mean, users and items, no factors",
    "popularity": "items by how many have them",
}


@click.command("fit-recommender", short_help="Learn how many factors ratings need.")
@click.argument("ratings", metavar="RATINGS")
@rating_options
@text_options
@click.option(
    "--implicit",
    is_flag=True,
    help="A row says that a user had to do with an item; --rating is then a weight, or nothing.",
)
@click.option(
    "--duplicates",
    type=click.Choice(DUPLICATES),
    default="error",
    show_default=True,
    help="What to make of a pair that comes more than once.",
)
@click.option(
    "--price",
    type=Price(),
    show_default=f"{EXPLICIT_PRICE:g}, {IMPLICIT_PRICE:g} with --implicit",
    help="Share of the loss a dimension must take away to be kept.",
)
@click.option(
    "--dims",
    type=Dimensions(),
    metavar="N",
    help="Exactly so many dimensions; no price then decides.",
)
@click.option(
    "--max-dims",
    type=click.IntRange(min=1),
    default=MAX_DIMS,
    show_default=True,
    metavar="N",
    help="Dimensions there may be.",
)
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default=STRATEGIES[0],
    show_default=True,
    help="How the width is found: by a mask that is trained along, or by a search.",
)
@click.option(
    "--solver",
    type=click.Choice(SOLVERS),
    default="als",
    show_default=True,
    help="Alternating ridge regressions, or gradient descent.",
)
@click.option(
    "--loss",
    type=click.Choice((*EXPLICIT_LOSSES, *IMPLICIT_LOSSES)),
    show_default="squared, ials with --implicit",
)
@click.option(
    "--reg",
    type=click.FloatRange(min=0),
    metavar="L2",
    show_default="chosen on ratings held out",
    help="L2 penalty a rating.",
)
@click.option(
    "--sweeps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Passes over users and items at one width, at most.",
)
@click.option(
    "--evaluate",
    type=click.Choice(EVALUATIONS),
    default="auto",
    show_default=True,
    help="auto: on the test part of --split, or fit once more without some ratings.",
)
@click.option(
    "--vectors",
    is_flag=True,
    help="Write one column of vectors, for a vector database, in place of one a dimension.",
)
@run_options("ratings")
@click.pass_context
def fit_recommender_command(context: click.Context, /, **options: Any) -> None:
    """Factorise ratings into as many dimensions as earn their price.

    RATINGS is text (.csv, .tsv, .dat, perhaps packed; - is standard input), a .parquet, .feather or
    .jsonl with a row a rating, or the name of a data set (`damrep datasets`).

    Written to the output folder, all or nothing: users.parquet and items.parquet (id, bias, then
    one column a dimension, most important first), report.html, report.json, model/. `damrep
    recommend` takes the folder.
    """
    source = take_ratings(options)
    losses = IMPLICIT_LOSSES if options["implicit"] else EXPLICIT_LOSSES
    if options["loss"] not in (None, *losses):
        kind = "implicit feedback" if options["loss"] in IMPLICIT_LOSSES else "ratings"
        raise click.UsageError(f"--loss {options['loss']} is for {kind}")
    fit_into_folder(
        context,
        source.name,
        options,
        lambda level: _read(source, options, level),
        lambda read, level: _fit(*read, source.split, options, level),
    )


def _read(source: RatingsSource, options: dict[str, Any], level: int) -> tuple[RatingsRead, str]:
    """The ratings, and what is to be said of them."""
    say(level, f"reading {source.ratings}")
    read = read_ratings_source(source, implicit=options["implicit"])
    said = read_line(f"{len(read.table):,} ratings", read.notes)
    say(level, f"read {said}")
    return read, said


def _fit(
    read: RatingsRead, said: str, split: str | None, options: dict[str, Any], level: int
) -> Outcome:
    from damrep.recommend.comparison import evaluate_recommender
    from damrep.recommend.evaluate import known_part
    from damrep.reporting.page import render_page

    model = _model(options, "rating" in read.table, level)
    say(level, "fitting")
    model.fit(read.table)
    report = model.report_
    notes: list[str] = []
    evaluation = Stopwatch()
    if options["evaluate"] != "none":
        say(level, "evaluating")
    if options["evaluate"] != "none" and read.test is not None:
        with evaluation:
            test, unknown = known_part(model, read.test)
            evaluate_recommender(model, test, on=f"the test part of {split}")
        if unknown:
            notes.append(f"{unknown:,} test ratings left out: nothing known of user or item")
    elif options["evaluate"] != "none":
        with evaluation:
            evaluate_recommender(model, seed=options["seed"])
    report.warnings[:0] = notes
    report.details["data"] = {
        "name": read.name,
        **report.details.get("data", {}),
        "read": said,
        "columns": read.columns or None,
        "split": split,
    }

    def page() -> str:
        some = model.n_components_ > 0
        return render_page(
            report,
            model.item_factors_ if some else model.item_bias_[:0, None],
            node_ids=model.item_ids_ if some else None,
            item="item",
            row_notes=_ROW_NOTES,
        )

    def write(folder: Path) -> None:
        sides = (
            (USERS, "user", model.user_ids_, model.user_bias_, model.user_factors_),
            (ITEMS, "item", model.item_ids_, model.item_bias_, model.item_factors_),
        )
        for file, name, ids, bias, factors in sides:
            write_factors(folder / file, name, ids, bias, factors, vectors=options["vectors"])
        model.save(folder / MODEL)

    return Outcome(report, page, write, evaluation)


def _model(options: dict[str, Any], with_rating: bool, level: int) -> DAMExplicitMF | DAMImplicitMF:
    from damrep.recommend.explicit import DAMExplicitMF
    from damrep.recommend.implicit import DAMImplicitMF

    given = {
        "price": options["price"],
        "loss": options["loss"],
        "n_components": options["dims"],
        "reg": options["reg"],
        "max_sweeps": options["sweeps"],
    }
    return (DAMImplicitMF if options["implicit"] else DAMExplicitMF)(
        **{name: value for name, value in given.items() if value is not None},
        max_components=options["max_dims"],
        strategy=options["strategy"],
        solver=options["solver"],
        duplicates=options["duplicates"],
        rating="rating" if with_rating else None,
        device=options["device"],
        random_state=options["seed"],
        verbose=level,
    )
