"""`damrep recommend`: what a saved recommender would show to whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.options import threads_option
from damrep.cli.outputs import MODEL, check_recommendations, write_recommendations
from damrep.cli.running import read_line
from damrep.cli.sources import TextOptions, take_text, text_options

if TYPE_CHECKING:
    import numpy as np

    from damrep.recommend.explicit import DAMExplicitMF
    from damrep.recommend.implicit import DAMImplicitMF
    from damrep.recommend.new_users import NewUsers

__all__ = ["recommend_command"]

# Written out, so that --help need not import what knows them; a test holds them against it.
UNKNOWN = ("error", "skip")


@click.command("recommend", short_help="The best items for users of a saved recommender.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="ID",
    help="Whom for; may be given more than once.  [default with --out: all]",
)
@click.option(
    "--new",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ratings of users the model has not seen: recommend to them, of items it knows.",
)
@click.option("--user-column", metavar="COLUMN", help="Of --new.  [default: user, userId, ...]")
@click.option("--item-column", metavar="COLUMN", help="Of --new.  [default: item, movieId, ...]")
@click.option("--rating-column", metavar="COLUMN", help="Of --new.  [default: rating, score, ...]")
@text_options
@click.option(
    "--unknown",
    type=click.Choice(UNKNOWN),
    default=UNKNOWN[0],
    show_default=True,
    help="Of rows of --new whose item the model does not know: refuse the file, or leave them out.",
)
@click.option(
    "--n", type=click.IntRange(min=1), default=10, show_default=True, help="Items a user."
)
@click.option("--with-seen", is_flag=True, help="Also what the user has rated.")
@threads_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write them to a .parquet or .csv (user, rank, item, score) instead of the terminal.",
)
def recommend_command(
    model: Path,
    users: tuple[str, ...],
    new: Path | None,
    unknown: str,
    n: int,
    with_seen: bool,
    threads: int | None,
    out: Path | None,
    **columns: Any,
) -> None:
    """Recommend items to users of a model that was fitted before.

    MODEL is the output folder of `damrep fit-recommender`, or the folder model in it. Users it has
    not seen are folded in from their ratings (--new), without fitting it again.
    """
    text = take_text(columns)
    if not users and new is None and out is None:
        raise click.UsageError("give --user, --new, or --out for all users")
    if new is None and any(columns.values()):
        raise click.UsageError("--user-column, --item-column and --rating-column are for --new")
    if new is None and unknown != UNKNOWN[0]:
        raise click.UsageError("--unknown is for --new")
    if out is not None:
        check_recommendations(out)
    folder = model / MODEL if (model / MODEL).is_dir() else model
    from damrep.training import limited_threads

    with limited_threads(threads):
        fitted = _load(folder)
        whom: Any
        if new is not None:
            whom = _folded_in(fitted, new, users, columns, text, unknown)
            asked = whom.ids
        else:
            whom = asked = _ids(fitted.user_ids_, users, folder) if users else fitted.user_ids_
        found, scores = fitted.recommend(whom, n, filter_seen=not with_seen)
    there = scores > float("-inf")
    if out is not None:
        write_recommendations(out, asked, found, scores, there)
        click.echo(f"{int(there.sum()):,} items for {len(asked):,} users, in {out}")
        return
    click.echo(_table(asked, found, scores, there))


def _load(folder: Path) -> DAMExplicitMF | DAMImplicitMF:
    from damrep.masking.validation import InputError
    from damrep.recommend.explicit import DAMExplicitMF
    from damrep.recommend.implicit import DAMImplicitMF
    from damrep.training.saving import saved_kind

    kind = saved_kind(folder)
    for estimator in (DAMExplicitMF, DAMImplicitMF):
        if estimator.kind == kind:
            return estimator.load(folder)
    raise InputError(f"{folder} holds a {kind!r}, expected a recommender (damrep fit-recommender)")


def _folded_in(
    fitted: DAMExplicitMF | DAMImplicitMF,
    new: Path,
    users: tuple[str, ...],
    columns: dict[str, str | None],
    text: TextOptions,
    unknown: str,
) -> NewUsers:
    """The users of a file, or those of them that were named, in the factors of a model.

    What was decided is said on stderr, so that a table can be piped on.
    """
    from damrep.cli.ratings import RatingsSource, read_ratings_source
    from damrep.masking.notes import noted
    from damrep.masking.validation import InputError

    user, item, rating = (columns[f"{name}_column"] for name in ("user", "item", "rating"))
    source = RatingsSource(str(new), user, item, rating, text=text)
    read = read_ratings_source(source, implicit=fitted.implicit)
    table = read.table
    if users:
        words = table["user"].astype(str)
        missing = sorted(set(users) - set(words))
        if missing:
            raise InputError(f"--user: {new} has no user {missing[0]!r}")
        table = table[words.isin(users)]
    with noted() as notes:
        try:
            folded = fitted.fold_in(table, unknown=unknown)
        except InputError as error:
            said = str(error).replace('unknown="skip"', "--unknown skip")
            raise InputError(f"{new}: {said}") from None
    click.echo(f"read: {read_line(f'{len(read.table):,} ratings', read.notes)}", err=True)
    for note in notes:
        click.echo(f"note: {new}: {note}", err=True)
    return folded


def _ids(known: np.ndarray, words: tuple[str, ...], folder: Path) -> np.ndarray:
    """What was typed, as the ids of the model are."""
    from damrep.recommend.ids import typed_ids

    return typed_ids(known, words, f"--user: ids of users in {folder}")


def _table(users: Any, found: np.ndarray, scores: np.ndarray, there: np.ndarray) -> str:
    """A line an item; the user stands in front of the first."""
    rows = [("user", "item", "score")]
    for user, ids, values, kept in zip(users, found, scores, there, strict=True):
        lines = [(str(i), f"{s:.3f}") for i, s in zip(ids[kept], values[kept], strict=True)]
        lines = lines or [("(none left)", "")]
        rows += [(str(user) if k == 0 else "", *line) for k, line in enumerate(lines)]
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return "\n".join(
        f"{a.ljust(widths[0])}  {b.ljust(widths[1])}  {c.rjust(widths[2])}".rstrip()
        for a, b, c in rows
    )
