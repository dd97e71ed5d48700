"""What the columns of a table hold, and the way in for one that does not hold numbers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading import tables
from damrep.reading.cells import as_numbers, as_words
from damrep.reading.dates import holds_dates
from damrep.reading.ids import shown
from damrep.reading.written_numbers import POINT, NumberMarks

__all__ = [
    "DATES",
    "EMPTY",
    "NUMBERS",
    "OTHER",
    "UNCLEAR",
    "WORDS",
    "column_kind",
    "counting_note",
    "read_numbers",
    "way_in",
]

NUMBERS, DATES, WORDS = "numbers", "dates", "words"
UNCLEAR = "unclear"
"""More than half of the cells are numbers, or digits and signs without a letter, and not all."""
EMPTY, OTHER = "empty", "other"
_SHOWN = 4
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{4}|\d{2})$")
_SIGNS_ONLY = r"^\P{L}*\d\P{L}*$"


def column_kind(column: pa.ChunkedArray, marks: NumberMarks = POINT) -> str:
    """What a column holds.

    Words are not looked for where most cells are numbers, or written like "31/05/2024" or "$1,200":
    these are dates and numbers of a kind that cannot be told, or have a slip of the pen in them.

    Returns
    -------
    str
        `NUMBERS` and `DATES` may have gaps among them.

    Examples
    --------
    >>> column_kind(pa.chunked_array([["1", "", "NA"]]))
    'numbers'
    >>> column_kind(pa.chunked_array([["2024-05-31", ""]]))
    'dates'
    >>> column_kind(pa.chunked_array([["Oslo", "12"]]))
    'words'
    >>> column_kind(pa.chunked_array([["31/05/2024"]]))
    'unclear'
    """
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return OTHER
    numbers, bad = as_numbers(column, marks)
    if not bad.any():
        return EMPTY if np.isnan(numbers).all() else NUMBERS
    if holds_dates(column):
        return DATES
    try:
        words = as_words(column, "")
    except InputError:
        return OTHER
    signs = pc.match_substring_regex(pa.array(words, pa.string()), _SIGNS_ONLY).to_numpy(False)
    unlike_words = ~np.isnan(numbers) | signs
    return UNCLEAR if 2 * unlike_words.sum() > (words != "").sum() else WORDS


def way_in(source: tables.Table, position: int) -> str:
    """What a user can do with a column that cannot be read as numbers, for the end of a message."""
    (column,) = source.columns([position])
    name = _option(source.names[position] if source.names else str(position + 1))
    drop = f"leaves the column out with --drop {name}"
    kind = column_kind(column, source.marks)
    if kind == NUMBERS:
        numbers, _ = as_numbers(column, source.marks)
        first = numbers[np.argmax(~np.isfinite(numbers))]
        if np.isinf(first):
            return f"fit-autoencoder {drop}"
        return f"fit-autoencoder fills gaps with --impute median, or {drop}"
    if kind == DATES:
        return f"fit-autoencoder makes days of dates with --encode days, or {drop}"
    if kind == WORDS:
        return (
            f"fit-autoencoder makes numbers of words with --encode onehot, {drop}, takes it for "
            "classes or names with --labels or --id, or only the --columns that are named"
        )
    if kind == UNCLEAR:
        form = _date_form(as_words(column, ""))
        days = f"days of dates with --encode {name}={form}, " if form else ""
        return (
            f"fit-autoencoder makes classes of such cells with --encode {name}=onehot, {days}or "
            f"{drop}; an empty cell or NA is a gap"
        )
    if kind == EMPTY:
        return f"fit-autoencoder fills gaps with --impute where there are other cells, or {drop}"
    return f"fit-autoencoder {drop}"


def _option(name: str) -> str:
    """A column's name as it is given on a command line."""
    quoted = shlex.quote(name)
    return quoted if len(quoted) <= 40 and quoted.isprintable() else "COLUMN"


def _date_form(words: np.ndarray) -> str | None:
    """How the first cell that looks like a date may be written: day first, where that may be."""
    found = next(filter(None, map(_DATE.match, words)), None)
    if found is None:
        return None
    first, mark, second, last = found.groups()
    if len(first) == 4:
        return f"%Y{mark}%m{mark}%d"
    day_first = "%m{0}%d{0}" if int(second) > 12 else "%d{0}%m{0}"
    return day_first.format(mark) + ("%Y" if len(last) == 4 else "%y")


def read_numbers(
    source: tables.Table, positions: Sequence[int], *, gaps: bool = False
) -> np.ndarray:
    """Some columns as finite numbers, as `Table.numbers` gives them.

    Raises
    ------
    InputError
        As there, with the way in for the column that is none.
    """
    try:
        return source.numbers(positions, gaps=gaps)
    except InputError:
        errors: dict[int, InputError] = {}
        for position in positions:
            try:
                source.numbers([position], gaps=gaps)
            except InputError as error:
                errors[position] = error
        if not errors:
            raise
        first, *others = errors
        more = ", ".join(source.column_name(i) for i in others[:_SHOWN])
        also = f"; also not all numbers: {more}" if others else ""
        left = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        way = way_in(source, first)
        raise InputError(f"{errors[first]}; {way}{also}{left}") from None


def counting_note(columns: Iterable[tuple[str, np.ndarray]]) -> list[str]:
    """A note where a column of numbers only counts the rows.

    Examples
    --------
    >>> counting_note([("age", np.array([3.0, 5.0, 9.0])), ("row", np.array([1.0, 2.0, 3.0]))])
    ["column 'row' counts the rows and was used as numbers; --id row names it"]
    """
    for name, values in columns:
        if len(values) >= 3 and (np.diff(values[:3]) == 1).all() and (np.diff(values) == 1).all():
            return [
                f"column {shown(name)} counts the rows and was used as numbers; --id "
                f"{_option(name)} names it"
            ]
    return []
