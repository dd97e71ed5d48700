"""Arrow columns as names of nodes, users, items and rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading.cells import is_opaque
from damrep.reading.ids import clean_ids
from damrep.reading.text_ids import text_as_integers

__all__ = ["as_ids", "factorised"]


def as_ids(column: pa.ChunkedArray, where: str, *, infer: bool) -> np.ndarray:
    """A column without gaps as int64 or strings.

    Parameters
    ----------
    column
        Whole floats count as integers, because a gap elsewhere makes floats of integers.
    where
        What messages call it.
    infer
        Whether strings that are all whole numbers become integers.

    Raises
    ------
    InputError
        If its cells are lists or bytes, or integers that do not fit 64 bits.
    """
    found = _as_integers(column, where, infer=infer)
    if pa.types.is_integer(found.type):
        return np.asarray(found.to_numpy())
    if pa.types.is_string(found.type):
        return np.asarray(found.to_numpy(), dtype=object)
    return clean_ids(found.to_pandas(), where)


def factorised(
    a: pa.ChunkedArray, b: pa.ChunkedArray, where: str, *, infer: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two columns of ids as positions in the list of the different ids of both."""
    left, right = (_as_integers(column, where, infer=infer) for column in (a, b))
    if pa.types.is_integer(left.type) and pa.types.is_integer(right.type):
        first, second = left.to_numpy(), right.to_numpy()
        # Hashing millions of ids takes most of the time of reading; a table of all integers up to
        # the greatest needs none.
        if len(first) and min(first.min(), second.min()) >= 0:
            size = int(max(first.max(), second.max())) + 1
            if size <= max(8 * len(first), 1 << 20):
                return _counted(first, second, size)
    if left.type != right.type:
        left, right = (
            column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
            for column in (a, b)
        )
    both = pa.chunked_array([*left.chunks, *right.chunks], type=left.type)
    encoded = both.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], both.type)
    codes = encoded.indices.to_numpy()
    ids = as_ids(pa.chunked_array([encoded.dictionary]), where, infer=infer)
    return codes[: len(a)], codes[len(a) :], ids


def _as_integers(column: pa.ChunkedArray, where: str, *, infer: bool) -> pa.ChunkedArray:
    """A column of ids as int64, if all of them are whole numbers; strings only to be inferred."""
    kind = column.type
    if is_opaque(kind):
        raise InputError(f"{where}: ids are of type {kind}; expected integers or strings")
    if pa.types.is_string(kind):
        found = text_as_integers(column) if infer else None
        return column if found is None else found
    whole = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not whole:
        return column
    if pa.types.is_floating(kind):
        largest = pc.max(pc.abs(column)).as_py()
        if largest is not None and np.isfinite(largest) and largest > 2**53:
            raise InputError(
                f"{where}: the id {largest:.0f} is a float, which has not as many digits; give "
                "such ids as strings"
            )
    try:
        return pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        if not pa.types.is_integer(kind):  # fractions
            return column
    raise InputError(
        f"{where}: the id {pc.max(column).as_py()} does not fit 64 bits; give such ids as strings"
    )


def _counted(
    left: np.ndarray, right: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    present = np.zeros(size, dtype=bool)
    present[left] = True
    present[right] = True
    ids = np.flatnonzero(present).astype(np.int64)
    place = np.cumsum(present, dtype=np.int64) - 1
    return place[left], place[right], ids
