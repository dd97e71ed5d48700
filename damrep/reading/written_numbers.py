"""Numbers as people write them: decimal marks, thousands, percent signs, words for a gap."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "COMMA",
    "GAP_WORDS",
    "POINT",
    "NumberMarks",
    "find_marks",
    "is_number",
    "is_unclear",
    "parse_numbers",
]

GAP_WORDS = (
    "", "na", "n/a", "#n/a", "#na", "#nv", "nan", "-nan", "+nan", "null", "none", "<na>", "?", "-",
    "--", ".", "\\n",
)  # fmt: skip
"""Of a number that is missing, in lower case."""

_NO_NUMBERS = ("inf", "infinity", "nan")
# Stand between thousands, and never before decimals: blanks that do not break a line, apostrophes.
_ALWAYS = "\u00a0\u202f\u2009 '\u2019"
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+")


@dataclasses.dataclass(frozen=True)
class NumberMarks:
    """Which marks a text has in its numbers.

    Attributes
    ----------
    decimal : str
        "." or ",".
    grouping : str
        The other one, if it may stand between thousands; nothing if that is not known.
    """

    decimal: str = "."
    grouping: str = ""

    @functools.cached_property
    def pattern(self) -> str:
        """A regular expression of all of a number in lower case, without a percent sign."""
        decimal, grouping = re.escape(self.decimal), re.escape(self.grouping)
        whole = rf"\d+|[1-9]\d{{0,2}}(?:[{grouping}{_ALWAYS}]\d{{3}})+"
        return rf"[+-]?(?:(?:{whole})(?:{decimal}\d*)?|{decimal}\d+)(?:e[+-]?\d+)?"


POINT, COMMA = NumberMarks(".", ","), NumberMarks(",", ".")


@functools.cache
def _compiled(marks: NumberMarks) -> re.Pattern[str]:
    return re.compile(rf"(?:{marks.pattern})(?:\s*%)?", re.ASCII)


def is_number(cell: str, marks: NumberMarks = POINT) -> bool:
    """Whether a cell of text reads as a number, NaN and infinity included.

    Examples
    --------
    >>> is_number("1e-3"), is_number("nan"), is_number("x1"), is_number("")
    (True, True, False, False)
    >>> is_number("1.234,5", COMMA), is_number("1.234,5"), is_number("12 %")
    (True, False, True)
    """
    if marks.decimal == ".":
        try:
            float(cell)
            return "_" not in cell and cell.isascii()
        except ValueError:
            pass
    elif cell.lower().lstrip("+-") in _NO_NUMBERS:
        return True
    return _compiled(marks).fullmatch(cell.lower().replace("\u2212", "-")) is not None


def is_unclear(cell: str) -> bool:
    """Whether a cell may be a number with a mark between thousands, or before decimals.

    Examples
    --------
    >>> is_unclear("1,234"), is_unclear("1.234,5"), is_unclear("0,234")
    (True, False, False)
    """
    return _GROUPED.fullmatch(cell) is not None


def find_marks(columns: Sequence[Sequence[str]]) -> NumberMarks:
    """Find out which marks numbers have, from cells that read as numbers in one way only.

    Parameters
    ----------
    columns
        Cells of the first rows, without names.

    Returns
    -------
    NumberMarks
        A point, and nothing between thousands, where no cell tells or they tell both.

    Examples
    --------
    >>> find_marks([["1.234", "1.234,5"], ["a,5", "b"]])
    NumberMarks(decimal=',', grouping='.')
    >>> find_marks([["1.234", "2.500"]])
    NumberMarks(decimal='.', grouping='')
    """
    told = {COMMA: 0, POINT: 0}
    for cells in columns:
        filled = [cell for cell in cells if cell.lower() not in GAP_WORDS]
        if not any("," in cell or "." in cell for cell in filled):
            continue
        reads = [(is_number(cell, COMMA), is_number(cell, POINT)) for cell in filled]
        if 2 * sum(comma or point for comma, point in reads) < len(filled):
            continue  # text
        told[COMMA] += sum(comma and not point for comma, point in reads)
        told[POINT] += sum(point and not comma for comma, point in reads)
    if bool(told[COMMA]) == bool(told[POINT]):
        return NumberMarks()
    return COMMA if told[COMMA] else POINT


def parse_numbers(
    column: pa.ChunkedArray, marks: NumberMarks = POINT
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """A column of text as float64.

    Parameters
    ----------
    column
        Strings.
    marks

    Returns
    -------
    values : ndarray, shape (n,)
        NaN where a cell is empty or a word for that; true and false are 1 and 0.
    bad : ndarray of bool, shape (n,)
        Which cells are something else than a number.
    said : list of str
        What was read that not everybody would read so: thousands, percent signs.

    Examples
    --------
    >>> values, bad, said = parse_numbers(pa.chunked_array([["1,234.5", "NA", "x", "5"]]))
    >>> values.tolist(), bad.tolist(), said
    ([1234.5, nan, nan, 5.0], [False, False, True, False], ["'1,234.5' was read as 1234.5"])
    >>> parse_numbers(pa.chunked_array([["50 %", "5%"]]))[0].tolist()
    [0.5, 0.05]
    """
    none = np.zeros(len(column), dtype=bool)
    if marks.decimal == ".":
        try:
            filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            return _floats(pc.cast(filled, pa.float64())), none, []
        except pa.ArrowInvalid:
            pass
    words = pc.fill_null(pc.utf8_lower(pc.utf8_trim_whitespace(column)), "")
    words = pc.replace_substring(words, "\u2212", "-")
    gap = pc.is_in(words, value_set=pa.array(GAP_WORDS))
    percent = pc.ends_with(words, "%")
    share = bool(pc.any(percent).as_py() and pc.all(pc.or_(percent, gap)).as_py())
    if share:
        words = pc.replace_substring_regex(words, r"\s*%\z", "")
    for word, number in (("true", "1"), ("false", "0")):
        words = pc.if_else(pc.equal(words, word), number, words)
    others = "|".join(f"[+-]?{word}" for word in _NO_NUMBERS)
    good = pc.match_substring_regex(words, rf"\A(?:{marks.pattern}|{others})\z")
    grouped = pc.and_(good, pc.match_substring_regex(words, rf"[{marks.grouping}{_ALWAYS}]"))
    plain = pc.replace_substring_regex(words, rf"[{marks.grouping}{_ALWAYS}]", "")
    if marks.decimal != ".":
        plain = pc.replace_substring(plain, marks.decimal, ".")
    plain = pc.if_else(pc.and_not(good, gap), plain, pa.scalar(None, pa.string()))
    values = _floats(pc.cast(plain, pa.float64()))
    if share:
        values = values / 100
    said = [
        f"{column[row].as_py().strip()[:40]!r} was read as {values[row]:.10g}"
        for row in (_first(grouped), _first(percent) if share else None)
        if row is not None
    ]
    return values, np.asarray(pc.invert(pc.or_(good, gap)).to_numpy()), list(dict.fromkeys(said))


def _floats(numbers: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(numbers, np.nan).to_numpy())


def _first(found: pa.ChunkedArray) -> int | None:
    row = int(pc.index(found, True).as_py())
    return None if row < 0 else row
