"""Arrow columns as numbers, vectors, words and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading.ids import shown
from damrep.reading.text_ids import text_as_integers
from damrep.reading.written_numbers import (
    GAP_WORDS,
    POINT,
    NumberMarks,
    is_unclear,
    parse_numbers,
)

__all__ = [
    "as_labels",
    "as_matrix",
    "as_numbers",
    "as_words",
    "fault",
    "fits_float32",
    "has_gap",
    "is_gap",
    "is_gap_word",
    "is_list",
    "is_numeric",
    "is_opaque",
]


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of values."""
    return bool(
        pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    )


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a type is one of numbers or truth values."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def is_opaque(kind: pa.DataType) -> bool:
    """Whether a type is one of bytes, or of several values a cell."""
    return bool(
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def fits_float32(kind: pa.DataType) -> bool:
    """Whether float32 holds every value of a type exactly."""
    if pa.types.is_floating(kind):
        return bool(kind.bit_width <= 32)
    return bool(pa.types.is_boolean(kind) or (pa.types.is_integer(kind) and kind.bit_width <= 16))


def is_gap(column: pa.ChunkedArray) -> np.ndarray:
    """Which cells are empty.

    Examples
    --------
    >>> is_gap(pa.chunked_array([["a", "", None]])).tolist()
    [False, True, True]
    """
    empty = pc.is_null(column)
    if pa.types.is_string(column.type):
        empty = pc.or_(empty, pc.fill_null(pc.equal(column, ""), True))
    return np.asarray(empty.to_numpy())


def is_gap_word(column: pa.ChunkedArray) -> np.ndarray:
    """Which cells of a column of text are empty, or say that a number is missing (NA, null, ...).

    Examples
    --------
    >>> is_gap_word(pa.chunked_array([["a", " ", "N/A", None]])).tolist()
    [False, True, True, True]
    """
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    found = pc.is_in(words, value_set=pa.array(GAP_WORDS))
    return np.asarray(pc.or_(found, pc.is_null(column)).to_numpy())


def has_gap(column: pa.ChunkedArray) -> bool:
    """Whether some cell is empty."""
    is_text = pa.types.is_string(column.type)
    return bool(column.null_count or is_text and pc.any(pc.equal(column, "")).as_py())


def as_numbers(
    column: pa.ChunkedArray, marks: NumberMarks = POINT
) -> tuple[np.ndarray, np.ndarray]:
    """A column as float64, and which cells are no number.

    An empty cell and the words for one (NA, null, ...) are NaN; true and false are 1 and 0.

    Examples
    --------
    >>> as_numbers(pa.chunked_array([["1", "+2", "NA", "x"]]))[1].tolist()
    [False, False, False, True]
    """
    kind = column.type
    if pa.types.is_string(kind):
        values, bad, _ = parse_numbers(column, marks)
        return values, bad
    none = np.zeros(len(column), dtype=bool)
    if is_numeric(kind):
        if pa.types.is_boolean(kind):
            column = pc.cast(column, pa.uint8())
        elif pa.types.is_decimal(kind):  # straight to floats, they are off by one in the last bit
            column = pc.cast(column, pa.string())
        numbers = pc.cast(column, pa.float64(), safe=False)
        return np.asarray(pc.fill_null(numbers, np.nan).to_numpy()), none
    return np.full(len(column), np.nan), none if pa.types.is_null(kind) else ~none


def fault(cell: Any, *, finite: bool = True) -> str:
    """What is wrong with a cell that should be a number, for a message.

    Examples
    --------
    >>> fault("x"), fault(None), fault(float("inf"))
    ("is 'x'; expected a number", 'is empty; expected a number', 'is inf; expected a finite number')
    """
    if cell is None or cell == "":
        return "is empty; expected a number"
    if isinstance(cell, (list, dict, bytes)):
        return f"is a {type(cell).__name__}; expected a number"
    try:
        if finite and not np.isfinite(float(cell)):
            return (
                f"is {cell if isinstance(cell, float) else shown(cell)}; expected a finite number"
            )
    except (TypeError, ValueError):
        pass
    if isinstance(cell, str) and is_unclear(cell):
        mark = "comma" if "," in cell else "point"
        return (
            f"is {shown(cell)}; expected a number; is {shown(cell)} a thousand or a decimal "
            f"{mark}? give the decimal mark"
        )
    return f"is {shown(cell)}; expected a number"


def as_matrix(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """A column of lists of equal length as a matrix; see `Table.vectors`."""
    if not is_list(column.type) or not is_numeric(column.type.value_type):
        raise InputError(f"{where} holds {column.type}; expected vectors of numbers")
    if column.null_count:
        row = int(pc.index(pc.is_null(column), True).as_py())
        raise InputError(f"{where}, row {row + 1} is empty; expected a vector")
    lengths = pc.list_value_length(column).to_numpy()
    width = int(lengths[0])
    if (lengths != width).any():
        row = int(np.argmax(lengths != width))
        raise InputError(
            f"{where}, row {row + 1} holds {lengths[row]} numbers, the first row {width}; "
            "expected vectors of one length"
        )
    if width == 0:
        raise InputError(f"{where} holds vectors without numbers")
    narrow = fits_float32(column.type.value_type)
    values = np.empty((len(column), width), dtype=np.float32 if narrow else np.float64)
    start = 0
    for chunk in column.chunks:
        flat = chunk.flatten()
        if flat.null_count:
            row = start + int(pc.index(pc.is_null(flat), True).as_py()) // width
            raise InputError(f"{where}, row {row + 1} has a gap in its vector")
        numbers, _ = as_numbers(pa.chunked_array([flat]))
        values[start : start + len(chunk)] = numbers.reshape(-1, width)
        start += len(chunk)
    odd = ~np.isfinite(values)
    if odd.any():
        row, place = divmod(int(np.argmax(odd)), width)
        raise InputError(
            f"{where}, row {row + 1} holds {values[row, place]:g}; expected finite numbers"
        )
    return values


def as_words(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """A column as strings without blanks around them, "" where a cell is empty.

    Raises
    ------
    InputError
        If its cells are lists, records or bytes.

    Examples
    --------
    >>> as_words(pa.chunked_array([["a ", None]]), "t.csv").tolist()
    ['a', '']
    >>> as_words(pa.chunked_array([[True, False]]), "t.parquet").tolist()
    ['true', 'false']
    """
    kind = column.type
    if is_opaque(kind):
        raise InputError(f"{where} holds cells of type {kind}; expected words")
    if not pa.types.is_string(kind):
        try:
            column = pc.cast(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InputError(f"{where} holds cells of type {kind}; expected words") from None
    words = pc.fill_null(pc.utf8_trim_whitespace(column), "")
    return np.asarray(words.to_numpy(), dtype=object)


def as_labels(column: pa.ChunkedArray, where: str = "labels") -> tuple[np.ndarray, list[str]]:
    """A column of classes, and notes on what was made of it.

    Returns
    -------
    labels : ndarray, shape (n,)
        Strings or numbers, None where a cell is empty. Text that is all numbers is numbers, so that
        class 10 comes after class 9; only there are words such as NA gaps.
    notes : list of str

    Raises
    ------
    InputError
        If its cells are lists or bytes.

    Examples
    --------
    >>> as_labels(pa.chunked_array([["10", "9.0", "", "NA"]]))[0].tolist()
    [10, 9, None, None]
    >>> as_labels(pa.chunked_array([["b", "", "NA"]]))
    (array(['b', None, 'NA'], dtype=object), ["'NA' was read as a class, not as a gap"])
    """
    if is_opaque(column.type):
        raise InputError(f"{where} are of type {column.type}; expected numbers or words")
    notes: list[str] = []
    if pa.types.is_string(column.type):
        words = pc.utf8_trim_whitespace(column)
        nothing = pa.scalar(None, pa.string())
        gap = pa.array(is_gap_word(words))
        numbers = pc.if_else(gap, nothing, words)
        filled = pc.drop_null(numbers)
        column = pc.if_else(pc.equal(words, ""), nothing, words)
        if len(filled):
            whole = text_as_integers(filled)
            floats, bad, _ = parse_numbers(filled)
            if whole is not None:
                floats = whole.to_numpy()
            elif bad.any() or pc.any(pc.match_substring_regex(filled, r"\A[+-]?0\d")).as_py():
                said = [word for word in pc.unique(pc.filter(column, gap)).to_pylist() if word]
                notes = [f"{shown(word)} was read as a class, not as a gap" for word in said[:2]]
                return np.array(column.to_pylist(), dtype=object), notes
            elif (floats == np.floor(floats)).all() and (np.abs(floats) < 2**53).all():
                floats = floats.astype(np.int64)
            labels = np.full(len(words), None, dtype=object)
            labels[~is_gap_word(words)] = floats
            return labels, notes
    if pa.types.is_floating(column.type):
        try:
            column = pc.cast(pc.if_else(pc.is_nan(column), None, column), pa.int64())
        except pa.ArrowInvalid:  # fractions
            pass
    return np.array(column.to_pylist(), dtype=object), notes
