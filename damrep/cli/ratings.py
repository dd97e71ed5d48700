"""Ratings that a command is given: a file or a data set, and the options that say how."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.sources import TextOptions, source_name, take_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "RatingsRead",
    "RatingsSource",
    "rating_options",
    "read_ratings_source",
    "take_ratings",
]


@dataclasses.dataclass(frozen=True)
class RatingsSource:
    """Where ratings are read from.

    Attributes
    ----------
    ratings : str
        A file, or the name of a data set.
    user, item, rating : str, or None
        Columns of a file.
    split : str, or None
        Of a data set: what is fitted is its train part.
    text : TextOptions
    data_root : Path, or None
        Where data sets are looked for.
    """

    ratings: str
    user: str | None = None
    item: str | None = None
    rating: str | None = None
    split: str | None = None
    text: TextOptions = TextOptions()
    data_root: Path | None = None

    @property
    def name(self) -> str:
        """What the ratings are called: the file's name without its endings."""
        return source_name(self.ratings, "ratings")


@dataclasses.dataclass(frozen=True, eq=False)
class RatingsRead:
    """What was read.

    Attributes
    ----------
    name : str
    table : DataFrame
        Columns user, item, and rating where there is one.
    test : DataFrame, or None
        The test part of a split.
    columns : dict of str
        What they are called in a file.
    notes : list of str
        What the reader decided without being told.
    """

    name: str
    table: pd.DataFrame
    test: pd.DataFrame | None = None
    columns: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)


_OPTIONS = (
    click.option("--user", metavar="COLUMN", help="Column of users.  [default: user, userId, ...]"),
    click.option("--item", metavar="COLUMN", help="Of items.  [default: item, movieId, ...]"),
    click.option("--rating", metavar="COLUMN", help="Of ratings.  [default: rating, score, ...]"),
    click.option(
        "--split", metavar="NAME", help="Of a data set: fit its train part, such as u1 of ml-100k."
    ),
    click.option(
        "--data-root",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of the named data sets.  [default: DAMREP_DATA]",
    ),
)  # fmt: skip


def rating_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how its argument RATINGS is read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_ratings(options: dict[str, Any]) -> RatingsSource:
    """Take what belongs to the ratings out of a command's options."""
    names = [field.name for field in dataclasses.fields(RatingsSource) if field.name != "text"]
    taken = {name: options.pop(name) for name in names if name in options}
    return RatingsSource(**taken, text=take_text(options))


def read_ratings_source(source: RatingsSource, *, implicit: bool = False) -> RatingsRead:
    """Read a table of ratings. A file that exists comes before a data set of the same name.

    Parameters
    ----------
    source : RatingsSource
    implicit : bool
        A column of ratings is not needed, and only taken where it is named.

    Raises
    ------
    InputError
        If there is neither such a file nor such a data set, or it cannot be read.
    """
    from damrep.masking.validation import InputError
    from damrep.recommend.files import read_ratings

    path = Path(source.ratings)
    piped = str(path) == "-"
    if not piped and not path.is_file() and _is_known(source.ratings):
        return _data_set(source, implicit)
    if not piped and not path.exists():
        raise InputError(_neither(source.ratings))
    if source.split is not None:
        raise InputError(f"{path} is a file; --split is for data sets")
    read = read_ratings(
        path,
        user=source.user,
        item=source.item,
        rating=source.rating,
        with_rating=None if implicit else True,
        dialect=source.text.dialect(),
    )
    return RatingsRead(read.name, read.table, None, read.columns, list(read.notes))


def _data_set(source: RatingsSource, implicit: bool) -> RatingsRead:
    from damrep import datasets
    from damrep.masking.notes import noted
    from damrep.masking.validation import InputError

    if source.user or source.item or source.rating:
        raise InputError(
            f"{source.ratings} is a data set; --user, --item and --rating are for files"
        )
    with noted() as notes:
        known = datasets.load_ratings(source.ratings, source.data_root)
    if known.implicit and not implicit:
        raise InputError(f"{known.name} holds no ratings but implicit feedback; give --implicit")
    table, test = known.table, None
    if source.split is not None:
        if source.split not in known.splits:
            splits = ", ".join(known.splits) or "none"
            raise InputError(f"{known.name} has no split {source.split!r}; it has {splits}")
        table, test = (known.splits[source.split][part] for part in ("train", "test"))
    taken = ["user", "item", *([] if implicit or known.rating is None else ["rating"])]
    return RatingsRead(known.name, table[taken], None if test is None else test[taken], notes=notes)


def _is_known(name: str) -> bool:
    from damrep import datasets
    from damrep.masking.validation import InputError

    try:
        datasets.describe(name)
    except InputError:
        return False
    return True


def _neither(name: str) -> str:
    from damrep import datasets
    from damrep.recommend.files import RATING_ENDINGS

    if os.sep in name or name.lower().removesuffix(".gz").endswith(RATING_ENDINGS):
        return f"{name}: no such file"
    near = difflib.get_close_matches(name.lower(), datasets.names("ratings"), n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "`damrep datasets` lists those"
    return f"{name!r} is neither a file nor a known data set; {hint}"
