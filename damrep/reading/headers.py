"""Whether a first row names the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from damrep.reading.tables import Table
from damrep.reading.text_tables import TextTable
from damrep.reading.written_numbers import POINT, NumberMarks, is_number

__all__ = [
    "counts_columns",
    "decide_header",
    "first_pair_is_alone",
    "words_above_numbers",
]


def words_above_numbers(rows: Sequence[Sequence[str]], marks: NumberMarks = POINT) -> bool:
    """Whether some column starts with a word and holds nothing but numbers below it.

    Examples
    --------
    >>> words_above_numbers([["a", "age"], ["x", "3"]])
    True
    >>> words_above_numbers([["x", "3"], ["y", "4"]])
    False
    """
    below = [row for row in rows[1:] if len(row) == len(rows[0])]
    return bool(below) and any(
        not is_number(cell, marks) and all(is_number(row[i], marks) for row in below)
        for i, cell in enumerate(rows[0])
    )


def counts_columns(row: Sequence[str]) -> bool:
    """Whether a row counts the columns from 0 or 1, as a frame without names is written.

    A first cell without a number may stand above the index.
    """
    cells = list(row[1:] if row and not is_number(row[0]) else row)
    return len(cells) > 1 and any(
        cells == [str(start + i) for i in range(len(cells))] for start in (0, 1)
    )


def first_pair_is_alone(first: np.ndarray, second: np.ndarray, row: Sequence[str]) -> bool:
    """Whether the first row of two columns of ids names them.

    It does if neither of its cells comes again, while of every other row at least one does; unless
    they are written as the others are, with digits.

    Parameters
    ----------
    first, second : ndarray of int, shape (m,)
        Ids as numbers; the same number in both means the same id.
    row : sequence of two str
        Cells of the first row.

    Examples
    --------
    >>> first_pair_is_alone(np.array([0, 2, 2]), np.array([1, 3, 4]), ["follower", "followee"])
    True
    >>> first_pair_is_alone(np.array([0, 2, 1]), np.array([1, 3, 4]), ["ann", "bob"])
    False
    """
    if len(first) < 3 or any(re.search(r"\d", cell) for cell in row):
        return False
    counts = np.bincount(np.concatenate([first, second]))
    alone = (counts[first] == 1) & (counts[second] == 1)
    return bool(alone[0] and not alone[1:].any())


def decide_header(table: Table, found: bool) -> None:
    """Take the first row of a text table for names, unless that was decided before.

    What was decided is noted.
    """
    if isinstance(table, TextTable) and table.names is None and table.header is None and found:
        table.take_header()
