"""Columns of dates."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading.cells import as_words, is_gap_word

__all__ = ["as_dates", "check_form", "holds_dates", "shown_date"]

# Year, month and day as ISO 8601 has them, perhaps with a time. "2024" alone is a number.
_ISO = r"^\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:.*)?$"
_NONE = np.datetime64("NaT", "us")


def as_dates(column: pa.ChunkedArray, form: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A column as dates, and which cells are none.

    Parameters
    ----------
    column
        Dates and times, or text.
    form
        How text is written, as `datetime.strptime` takes it; ISO 8601 if None.

    Returns
    -------
    dates : ndarray of datetime64, shape (n,)
        In UTC where a cell says how far from it; NaT where a cell is empty or a word for that.
    bad : ndarray of bool, shape (n,)

    Examples
    --------
    >>> dates, bad = as_dates(pa.chunked_array([["2024-05-31", "NA", "soon"]]))
    >>> str(dates[0])[:10], bad.tolist()
    ('2024-05-31', [False, False, True])
    """
    kind = column.type
    nothing = np.full(len(column), _NONE)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        dates = pc.cast(column, pa.timestamp("us"), safe=False).to_numpy()
        return np.asarray(dates, dtype=nothing.dtype), np.zeros(len(column), dtype=bool)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return nothing, np.ones(len(column), dtype=bool)
    words = pa.array(as_words(column, ""), pa.string())
    gap = is_gap_word(pa.chunked_array([words]))
    text = pd.Series(words.to_numpy(zero_copy_only=False), dtype=object)
    read = pd.to_datetime(text, format=form or "ISO8601", errors="coerce", utc=True)
    dates = read.dt.tz_localize(None).to_numpy(dtype=nothing.dtype)
    dates = np.where(gap, _NONE, dates)
    return dates, np.isnat(dates) & ~gap


def holds_dates(column: pa.ChunkedArray) -> bool:
    """Whether more than half of the cells that are not empty are dates, in text as of ISO 8601.

    Examples
    --------
    >>> holds_dates(pa.chunked_array([["2024-05-31", "", "2024-06-01 12:30"]]))
    True
    >>> holds_dates(pa.chunked_array([["31/05/2024"]])), holds_dates(pa.chunked_array([["2024"]]))
    (False, False)
    """
    kind = column.type
    if pa.types.is_string(kind):
        alike = pc.fill_null(pc.match_substring_regex(column, _ISO), False).to_numpy()
        filled = int((~is_gap_word(column)).sum())
        if 2 * alike.sum() <= filled:
            return False
        dates, _ = as_dates(column)
        return bool(2 * (alike & ~np.isnat(dates)).sum() > filled)
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def check_form(form: str) -> None:
    """Refuse what is no way to write a date.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_form("%d/%m/%Y")
    >>> check_form("%Q")
    Traceback (most recent call last):
    damrep.masking.validation.InputError: '%Q' does not say how dates are written; %d/%m/%Y would
    """
    try:
        when = datetime.datetime(2024, 5, 31).strftime(form)
        pd.to_datetime(pd.Series([when]), format=form, errors="coerce")
    except (ValueError, TypeError, UnicodeError):
        raise InputError(f"{form!r} does not say how dates are written; %d/%m/%Y would") from None


def shown_date(date: np.datetime64) -> str:
    """A date in words, with the time where that is not midnight.

    Examples
    --------
    >>> shown_date(np.datetime64("2024-05-31")), shown_date(np.datetime64("2024-05-31T12:30"))
    ('2024-05-31', '2024-05-31 12:30:00')
    """
    text = str(date.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00").replace("T", " ")
