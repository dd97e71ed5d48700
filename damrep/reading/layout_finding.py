"""How a text file is written, found out from its first rows where nobody said it.

A separator is taken if it splits all of them into the same number of cells. A line is a comment if
it starts with ``#``, ``%`` or ``//`` and a blank; at the head of a file also without the blank, if
it does not have the cells of a row.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.files import file_ending, reason
from damrep.reading.layout import Layout
from damrep.reading.text_head import read_head
from damrep.reading.written_numbers import (
    COMMA,
    POINT,
    NumberMarks,
    find_marks,
    is_number,
    is_unclear,
)

__all__ = ["find_layout"]

_SAMPLE = 200  # rows
_COMMENTS = ("#", "%", "//")
# In the order they are tried: a comma is also a decimal mark and part of what people write.
_SEPARATORS = ("\t", ";", "|", "::", ",", " ")
_USUAL = {".csv": ",\t;", ".tsv": "\t,;"}
_SEP = re.compile(r'"?sep=([\t !#-/:-@\[-`{-~])"?')
_MARKS = {".": POINT, ",": COMMA}


def find_layout(path: Path, dialect: Dialect, *, at_least: int = 1) -> Layout:
    """Find out how a text file is written.

    Parameters
    ----------
    path
        The file, perhaps packed, or "-".
    dialect
        What is known.
    at_least
        Columns it should have: with 2, blanks may separate the cells of a .csv, too.

    Raises
    ------
    InputError
        If there is no row, or it is not text of the encoding.
    """
    lines, encoding = read_head(path, dialect.encoding)
    comments = _COMMENTS if dialect.comment is None else (dialect.comment,)
    layout = Layout(
        path, ",", encoding, comments=comments, bare_comments=dialect.comment is not None
    )
    passed: list[str] = []
    separator = dialect.separator
    if lines and (said := _SEP.fullmatch(lines[0])) is not None:
        passed.append(lines[0])  # what Excel writes and reads
        separator = separator or said.group(1)
    rest = itertools.islice(lines, len(passed), None)
    proper = list(itertools.islice(layout.rows_of(rest), 10 * _SAMPLE))
    body = list(proper)
    if dialect.comment is None:
        while body and body[0].startswith(comments):
            body.pop(0)
    if not body:  # all lines look alike
        body = proper
    if not body:
        what = "only comments" if any(line.strip() for line in lines) else "no rows"
        raise InputError(f"{path}: the file holds {what}")
    if separator is None:
        _refuse_quoted_lines(body, path)
        separator = _separator(body, path, dialect.decimal, at_least)
    layout = dataclasses.replace(layout, separator=separator)
    layout = dataclasses.replace(layout, quoted=_is_quoted(body, layout))
    width = len(_cells(body[:1], layout)[0])
    # At the head a line that starts like a comment is a row only if it has the cells of one.
    for line in proper[: len(proper) - len(body)]:
        if len(_cells([line], layout)[0]) != width or width == 1:
            passed.append(line)
    rows = _cells([line for line in proper if line not in passed], layout)
    while len(rows) > 1 and len(rows[-1]) > 1 and not any(rows[-1]):
        rows.pop()  # as spreadsheets have them at the end
    rows, spare = _without_spare(_completed(rows, separator))
    marks = _MARKS[dialect.decimal] if dialect.decimal else _marks(rows)
    notes = []
    if marks.decimal == "," and dialect.decimal is None:
        notes.append("numbers were read with a decimal comma")
    if separator == ";" and not marks.grouping:
        cells = (cell for row in rows[1:] for cell in row)
        if (unclear := next(filter(is_unclear, cells), None)) is not None and "." in unclear:
            notes.append(f"{unclear} was read with a decimal point, not as a thousand")
    return dataclasses.replace(
        layout, passed=frozenset(passed), rows=rows, spare=spare, marks=marks, notes=tuple(notes)
    )


def _refuse_quoted_lines(lines: Sequence[str], path: Path) -> None:
    """Refuse a table each line of which became one cell, as exports of exports have it."""
    inner = [line[1:-1] for line in lines[:_SAMPLE] if len(line) > 1 and line[0] == line[-1] == '"']
    if len(inner) < len(lines[:_SAMPLE]) or any('"' in line.replace('""', "") for line in inner):
        return
    for mark in (",", ";", "\t"):
        names, *rows = (line.split(mark) for line in inner)
        if len(names) < 2 or not rows or any(len(row) != len(names) for row in rows):
            continue
        if not any(map(is_number, names)) and any(
            all(map(is_number, column)) for column in zip(*rows, strict=True)
        ):
            raise InputError(
                f"{path}: every line is between quotation marks as a whole, and so one cell; take "
                "these marks away"
            )


def _is_quoted(lines: Sequence[str], layout: Layout) -> bool:
    """Whether quotation marks hold cells together.

    They do not where the lines have equally many separators, and taking the marks for more than
    letters makes one row of several lines: a title that begins with one and does not end with one.
    """
    sample = [layout.cleaned(line) for line in lines[:_SAMPLE]]
    if not any('"' in line for line in sample):
        return True
    counts = {line.count(layout.delimiter) for line in sample}
    return len(counts) > 1 or counts == {0} or len(_cells(lines[:_SAMPLE], layout)) == len(sample)


def _completed(rows: list[list[str]], separator: str) -> list[list[str]]:
    """Rows whose first one has a name for every column where it lacks one.

    R writes none above the names of the rows, and some programs a mark at the end of all rows but
    that of the names.
    """
    first, others = rows[0], rows[1:]
    if not others or any(len(row) != len(first) + 1 for row in others):
        return rows
    if not any(row[-1] for row in others):
        return [[*first, ""], *others]
    distinct = len({row[0] for row in others}) == len(others)
    words = len(first) > 1 and not any(map(is_number, first))
    if separator in " \t" and words and distinct:
        return [["", *first], *others]
    return rows


def _without_spare(rows: list[list[str]]) -> tuple[list[list[str]], int]:
    """Rows without empty columns at their end, and how many these are.

    A mark at the end of every line makes one, and spreadsheets write more of them.
    """
    width = len(rows[0])
    if len(rows) < 2 or any(len(row) != width for row in rows):
        return rows, 0
    spare = 0
    while spare < width - 1 and not any(row[width - 1 - spare] for row in rows):
        spare += 1
    return [row[: width - spare] for row in rows], spare


def _marks(rows: list[list[str]]) -> NumberMarks:
    below = rows[1:] or rows
    return find_marks([[row[i] for row in below if i < len(row)] for i in range(len(rows[0]))])


def _all_numbers(rows: list[list[str]]) -> bool:
    return bool(rows) and all(is_number(cell) for row in rows for cell in row)


def _cells(lines: Sequence[str], layout: Layout) -> list[list[str]]:
    text = io.StringIO("\n".join(layout.cleaned(line) for line in lines), newline="")
    rows: list[list[str]] = []
    try:
        for cells in layout.reader(text):
            if cells:
                rows.append([layout.cell(cell) for cell in cells])
            if len(rows) == _SAMPLE:
                break
    except csv.Error as error:
        if not rows:
            raise InputError(
                f"{layout.path}: the first row is not readable ({reason(error)})"
            ) from None
    return rows or [[""]]


def _separator(lines: Sequence[str], path: Path, decimal: str | None, at_least: int) -> str:
    """The first mark that splits all of the first rows alike; else the one that splits most so."""
    ending = file_ending(path)
    usual = [mark for mark in _USUAL.get(ending, "\t,; ") if mark != decimal]
    best, share = usual[0], 0.0
    # A decimal mark separates nothing, unless there have to be columns and nothing else makes them.
    marks = [mark for mark in _SEPARATORS if mark != decimal]
    for mark in [*marks, *([decimal] if decimal == "," and at_least > 1 else [])]:
        layout = Layout(path, mark)
        try:
            layout = dataclasses.replace(layout, quoted=_is_quoted(lines, layout))
            rows = _completed(_cells(lines[:_SAMPLE], layout), mark)
        except InputError:
            continue
        widths, width = Counter(map(len, rows)), len(rows[0])
        if width < 2:
            continue
        if mark == " " and at_least < 2 and ending in _USUAL and not _all_numbers(rows[1:]):
            continue  # words of one cell
        if len(widths) == 1:
            return mark
        # The usual one of the ending where none splits all rows alike.
        found = widths[width] / widths.total() + (mark in usual) * 0.1 - (mark == " ") * 0.5
        if found > share:
            best, share = mark, found
    return best
