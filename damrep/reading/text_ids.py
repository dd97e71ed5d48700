"""Columns of text as names: which are whole numbers, and which look like a slip."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from damrep.reading.ids import shown
from damrep.reading.written_numbers import GAP_WORDS

__all__ = ["odd_ids", "text_as_integers"]

_INTEGER = r"0|-?[1-9][0-9]{0,18}"


def text_as_integers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column of strings as int64, if all are whole numbers; None if not.

    Whole are those that read the same when they are written again, and those with a point and zeros
    behind, which pandas writes where a column has gaps.

    Examples
    --------
    >>> import pyarrow as pa
    >>> text_as_integers(pa.chunked_array([["10", "2.0"]])).to_pylist()
    [10, 2]
    >>> text_as_integers(pa.chunked_array([["10", "+2"]])) is None
    True
    """
    # What `numpy.savetxt` makes of whole numbers.
    form = r"\A-?\d\.\d{18}e[+-]\d{2,3}\z"
    if pc.all(pc.match_substring_regex(column.slice(0, 1), form)).as_py():
        try:
            return pc.cast(pc.cast(column, pa.float64()), pa.int64())
        except pa.ArrowInvalid:
            return None
    # A cast that fails takes longer than one that does not, as it fails for every cell.
    head = pc.match_substring_regex(column.slice(0, 100), rf"\A(?:{_INTEGER})(?:\.0+)?\z")
    if not pc.all(head).as_py():
        return None
    for text in (column, None):
        if text is None:
            text = pc.replace_substring_regex(column, r"\.0+\z", "")
        try:
            numbers = pc.cast(text, pa.int64())
        except pa.ArrowInvalid:
            continue
        if pc.all(pc.equal(pc.cast(numbers, pa.string()), text)).as_py():
            return numbers
    return None


def odd_ids(ids: np.ndarray) -> list[str]:
    """Notes on ids from text that look like a slip: a word among numbers, or a word for a gap.

    Parameters
    ----------
    ids : ndarray, shape (k,)
        Different ones.

    Examples
    --------
    >>> odd_ids(np.array([str(i) for i in range(50)] + ["Total"], dtype=object))
    ["1 of 51 ids is no whole number: 'Total'; so all of them are strings"]
    >>> odd_ids(np.array(["ann", "NULL", "bob"], dtype=object))
    ["'NULL' was read as a name, not as a gap"]
    """
    if ids.dtype != object or len(ids) == 0:
        return []
    text = pa.array(ids, pa.string())
    notes = []
    words = pc.filter(text, pc.is_in(pc.utf8_lower(text), value_set=pa.array(GAP_WORDS)))
    for word in words.to_pylist()[:2]:
        notes.append(f"{shown(word)} was read as a name, not as a gap")
    shortened = pc.filter(text, pc.match_substring_regex(text, r"\A\d(?:[.,]\d+)?E\+\d\d+\z"))
    if len(shortened):
        notes.append(f"{shown(shortened[0].as_py())} looks like a number that a spreadsheet cut")
    others = pc.invert(pc.match_substring_regex(text, r"\A-?\d+(?:\.0+)?\z"))
    count = int(pc.sum(others).as_py())
    if 0 < count <= 0.05 * len(ids) and count > len(words):
        first = shown(pc.filter(text, others)[0].as_py())
        what = f"is no whole number: {first}"
        if count > 1:
            what = f"are no whole numbers, such as {first}"
        notes.append(f"{count:,} of {len(ids):,} ids {what}; so all of them are strings")
    return notes
