"""Files of ratings: a row a rating, read with errors that say which column or row is wrong."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from damrep.masking.validation import InputError
from damrep.training.input_files import require_file

__all__ = ["RATING_ENDINGS", "RatingsTable", "read_ratings"]

RATING_ENDINGS = (".csv", ".tsv", ".parquet")
# The first of them that is in the header counts.
_SEPARATORS = {".csv": ",\t;", ".tsv": "\t,;"}
# Names that columns have by custom, in lower case and without "_"; the first that is there counts.
_CUSTOM = {
    "user": ("user", "userid", "uid", "reviewerid", "customer", "customerid"),
    "item": (
        "item", "itemid", "iid", "movieid", "productid", "product", "artistid", "bookid", "isbn",
        "asin",
    ),
    "rating": ("rating", "ratings", "score", "stars", "overall", "weight", "count"),
}  # fmt: skip
# Written without a plus, a leading zero or a point: 007 is a name, not the number 7.
_PLAIN_INTEGER = r"0|-?[1-9]\d{0,18}"


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
) -> RatingsTable:
    """Read a table of ratings from a file.

    Parameters
    ----------
    path
        .csv or .tsv, perhaps with .gz, with a row of column names; or .parquet.
    user, item, rating
        Names of the columns; if not given, those that are called so by custom, as userId, movieId.
    with_rating
        Whether a column of ratings is needed; None takes it only where it is named.

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
    >>> _ = path.write_text("userId,film,rating\\n1,Alien,5\\n1,Brazil,4.5\\n")
    >>> read = read_ratings(path, item="film")
    >>> read.table.to_numpy().tolist(), read.notes
    ([[1, 'Alien', 5.0], [1, 'Brazil', 4.5]], ("column 'userId' was taken for the users",))
    """
    path = Path(path)
    ending = require_file(path, RATING_ENDINGS, "ratings")
    names, separator = _names(path, ending)
    asked = {"user": user, "item": item, "rating": rating}
    if with_rating is None and rating is None:
        del asked["rating"]
    found, notes = {}, []
    for role, wanted in asked.items():
        found[role] = _column(path, names, role, wanted)
        if wanted is None and found[role] != role:
            notes.append(f"column {found[role]!r} was taken for the {role}s")
    if len(set(found.values())) < len(found):
        raise InputError(f"{path}: --user, --item and --rating name one column twice")
    table = _load(path, separator, found)
    if len(table) == 0:
        raise InputError(f"{path}: no rows")
    if "rating" in found:
        table["rating"] = _numbers(table["rating"], f"{path}: column {found['rating']!r}")
    return RatingsTable(path.name.split(".")[0] or "ratings", table, found, tuple(notes))


def _names(path: Path, ending: str) -> tuple[list[str], str]:
    """Names of the columns, and what stands between them."""
    if ending == ".parquet":
        try:
            return list(pq.read_schema(path).names), ""
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: not a parquet file ({_first_line(error)})") from None
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            known = _SEPARATORS[ending]
            separator = next((mark for mark in known if mark in header), known[0])
            stream.seek(0)
            return next(csv.reader(stream, delimiter=separator), []), separator
    except (csv.Error, EOFError, OSError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({_first_line(error)})") from None


def _column(path: Path, names: Sequence[str], role: str, wanted: str | None) -> str:
    listed = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    if wanted is None:
        for custom in _CUSTOM[role]:
            fits = [name for name in names if name.strip().lower().replace("_", "") == custom]
            if len(fits) == 1:
                return fits[0]
        raise InputError(
            f"{path}: no column is known as that of the {role}s; it has {listed}; name it with "
            f"--{role}"
        )
    if names.count(wanted) != 1:
        problem = "no column" if wanted not in names else f"{names.count(wanted)} columns"
        raise InputError(f"{path}: {problem} {wanted!r} for --{role}; it has {listed}")
    return wanted


def _load(path: Path, separator: str, found: dict[str, str]) -> pd.DataFrame:
    columns = list(found.values())
    try:
        if not separator:  # parquet
            read = {name: pq.read_table(path, columns=[name])[name] for name in columns}
        else:
            ids = dict.fromkeys((found["user"], found["item"]), pa.string())
            held = pa_csv.read_csv(  # unlike pandas' it refuses a row of too many cells
                path,
                parse_options=pa_csv.ParseOptions(delimiter=separator),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=columns,
                    column_types=ids,
                    null_values=[""],  # somebody is called NA
                    strings_can_be_null=True,
                ),
            )
            read = {name: held[name] for name in columns}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read ({_first_line(error)})") from None
    table = pd.DataFrame({name: column.to_pandas() for name, column in read.items()})
    if separator:
        for name in ids:
            table[name] = _integers_if_all(table[name])
    return table[columns].set_axis(list(found), axis=1)


def _integers_if_all(ids: pd.Series) -> pd.Series:
    if ids.isna().any() or not ids.str.fullmatch(_PLAIN_INTEGER).all():
        return ids
    try:
        return ids.astype(np.int64)
    except (OverflowError, ValueError):  # more digits than fit stay strings
        return ids


def _numbers(cells: pd.Series, where: str) -> pd.Series:
    if pd.api.types.is_bool_dtype(cells.dtype) or not pd.api.types.is_numeric_dtype(cells.dtype):
        numbers = pd.to_numeric(cells.astype(object), errors="coerce")
    else:
        numbers = cells
    numbers = numbers.astype("Float64").astype(float) if numbers.hasnans else numbers.astype(float)
    bad = ~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))
    if bad.any():
        row = int(np.argmax(bad))
        cell = cells.iloc[row]
        got = "nothing" if pd.isna(cell) else repr(cell) if isinstance(cell, str) else f"{cell}"
        raise InputError(f"{where}: row {row + 1}: expected a finite number, got {got}")
    return numbers


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
