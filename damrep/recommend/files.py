"""Files of ratings: a row a rating, read with errors that say which column or row is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.files import TABLE_ENDINGS, require_file, stem
from damrep.reading.headers import decide_header, first_pair_is_alone, words_above_numbers
from damrep.reading.names import (
    ITEM_NAMES,
    RATING_NAMES,
    TIME_NAMES,
    USER_NAMES,
    known_column,
    plain_name,
)
from damrep.reading.opening import open_table
from damrep.reading.tables import Table
from damrep.reading.text_tables import TextTable
from damrep.reading.written_numbers import is_number

__all__ = ["RATING_ENDINGS", "RatingsTable", "read_ratings"]

RATING_ENDINGS = TABLE_ENDINGS
_WIDEST = 5  # columns without names: user, item, rating, time and one more
_KNOWN = {"user": USER_NAMES, "item": ITEM_NAMES, "rating": RATING_NAMES}


@dataclass(frozen=True, eq=False)
class RatingsTable:
    """A table of ratings as a file gave it.

    Attributes
    ----------
    name : str
        The file's name without its endings.
    table : DataFrame
        Columns user, item and, if there is one, rating.
    columns : dict of str
        What they are called in the file.
    notes : tuple of str
        What the reader decided without being told.
    """

    name: str
    table: pd.DataFrame
    columns: dict[str, str]
    notes: tuple[str, ...] = ()


def read_ratings(
    path: str | os.PathLike[str],
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    with_rating: bool | None = True,
    dialect: Dialect | None = None,
) -> RatingsTable:
    """Read a table of ratings from a file.

    Parameters
    ----------
    path
        A table in text (.csv, .tsv, .dat, ..., perhaps packed; "-" for standard input), .parquet,
        .feather, .arrow or .jsonl. Without a row of column names the columns are user, item and
        rating, in that order.
    user, item, rating
        Names of the columns, or their numbers counted from 1 where they have no names; if not
        given, those that are called so by custom, as userId, movieId.
    with_rating
        Whether a column of ratings is needed; None takes it only where it is named.
    dialect
        What is known of how a text file is written.

    Returns
    -------
    RatingsTable

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing, or a cell of the ratings is no number.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "films.csv"
    >>> _ = path.write_text("userId,title,rating\\n1,Alien,5\\n1,Brazil,4.5\\n")
    >>> read = read_ratings(path, item="title")
    >>> read.table.to_numpy().tolist(), read.notes
    ([[1, 'Alien', 5.0], [1, 'Brazil', 4.5]], ("column 'userId' was taken for the users",))
    """
    path = Path(path)
    dialect = dialect or Dialect()
    require_file(path, RATING_ENDINGS, "ratings", as_text=bool(dialect.separator))
    table = open_table(path, dialect, at_least=2)
    asked = {"user": user, "item": item, "rating": rating}
    decide_header(table, _is_header(table, [name for name in asked.values() if name is not None]))
    if with_rating is None and rating is None:
        del asked["rating"]
    found, notes = _roles(table, asked)
    users, items = (table.ids(found[role], role) for role in ("user", "item"))
    read = pd.DataFrame({"user": users, "item": items})
    if "rating" in found:
        read["rating"], more = _ratings(table, found["rating"])
        notes += more
    names = table.names or tuple(str(i + 1) for i in range(table.width))
    called = {role: names[position] for role, position in found.items()}
    return RatingsTable(stem(path, "ratings"), read, called, (*table.notes, *notes))


def _is_header(table: Table, asked: list[str]) -> bool:
    """Whether the first row of a text table names its columns."""
    if not table.rows:
        return False
    first = table.rows[0]
    plain = [plain_name(cell) for cell in first]
    if any(name in first and not is_number(name) for name in asked):
        return True
    known = [i for i, name in enumerate(plain) if name in USER_NAMES or name in ITEM_NAMES]
    # What comes again below is an item: somebody bought a book.
    if any(all(row[i : i + 1] != [first[i]] for row in table.rows[1:]) for i in known):
        return True
    if any(is_number(cell, table.marks) for cell in first[:3]):
        return False
    if words_above_numbers(table.rows, table.marks):
        return True
    if table.width != 2 or not isinstance(table, TextTable) or table.header is not None:
        return False
    left, right, _ = table.id_pairs(0, 1)
    return first_pair_is_alone(left, right, first)


def _roles(table: Table, asked: dict[str, str | None]) -> tuple[dict[str, int], list[str]]:
    """Which column is which, and what was decided."""
    notes: list[str] = []
    if table.names is None and not any(name is not None for name in asked.values()):
        if table.width < len(asked):
            raise InputError(
                f"{table.where}: {table.width} columns without a header; expected "
                f"{', '.join(asked)}"
            )
        if table.width > _WIDEST:
            raise InputError(
                f"{table.where}: {table.width} columns without a header; expected "
                f"{', '.join(asked)} and perhaps a time; {_way(asked)}"
            )
        more = f"; columns from {len(asked) + 1} on are not used" if table.width > 3 else ""
        notes.append(f"no row names the columns: the first are {', '.join(asked)}{more}")
        return {role: i for i, role in enumerate(asked)}, notes
    found = {
        role: table.position(name, f"--{role}") for role, name in asked.items() if name is not None
    }
    for role, name in asked.items():
        if name is None:
            named = known_column(table.names or (), role, table.where, f"--{role}")
            if named is not None:
                found[role] = table.position(str(named), f"--{role}")
    if table.names is None:
        notes.append("no row names the columns")
    missing = [role for role in asked if role not in found]
    left = [i for i in range(table.width) if i not in found.values() and not _is_known(table, i)]
    # By elimination, where the names of all the others are known.
    if len(missing) == 1 == len(left) and not any(asked.values()):
        found[missing[0]] = left[0]
    elif missing:
        raise InputError(
            f"{table.where}: no column is known as that of the {missing[0]}s; it has "
            f"{table.listed()}; name it with --{missing[0]}"
        )
    if len(set(found.values())) < len(found):
        raise InputError(f"{table.where}: --user, --item and --rating name one column twice")
    for role, position in found.items():
        if asked[role] is None and (table.names or ("",) * table.width)[position] != role:
            notes.append(f"column {table.column_name(position)} was taken for the {role}s")
    return {role: found[role] for role in asked}, notes


def _ratings(table: Table, position: int) -> tuple[np.ndarray, list[str]]:
    """A column of ratings, and what is odd about them."""
    try:
        ratings = table.numbers([position], what="ratings")[:, 0].astype(float)
    except InputError as error:
        if table.names is not None:
            raise
        raise InputError(f"{error}; {_way(['user', 'item', 'rating'])}") from None
    less = ratings < 0
    if less.any() and not less.all() and len(np.unique(ratings[less])) == 1:
        what = "1 rating is" if less.sum() == 1 else f"{less.sum():,} ratings are"
        return ratings, [
            f"{what} {ratings[less][0]:g} and all others not below 0; if that means none, leave "
            "such rows out"
        ]
    return ratings, []


def _way(roles: Iterable[str]) -> str:
    """How columns without names are named."""
    return f"name columns with {' '.join(f'--{role} {i}' for i, role in enumerate(roles, 1))}, say"


def _is_known(table: Table, position: int) -> bool:
    """Whether a column's name says what it is."""
    plain = plain_name(table.names[position]) if table.names else ""
    return any(plain in names for names in (*_KNOWN.values(), TIME_NAMES))
