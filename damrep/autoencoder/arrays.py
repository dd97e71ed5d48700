"""Tables in NumPy's files: .npy memory-mapped, .npz with one array or one sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.arrays import Arrays, open_npy
from damrep.reading.ids import clean_ids, shown

__all__ = ["array_names", "as_floats", "read_npy", "read_npz"]

_BLOCK = 1 << 24  # numbers looked at together


def read_npy(path: Path, *, gaps: bool = False) -> np.ndarray:
    """The 2-D array of an .npy file, memory-mapped where its numbers are float32 or float64.

    Parameters
    ----------
    path
    gaps
        Whether NaN and infinity are let through, to whoever looks at them next.

    Raises
    ------
    InputError
        If the file is damaged, or its array is not a table of finite numbers.
    """
    array = open_npy(path, mapped=True)
    _require_table(array, str(path))
    values = as_floats(array)
    if not gaps:
        _require_finite(values, str(path))
    return values


def read_npz(
    path: Path,
    id_key: str | None,
    label_key: str | None,
    keys: Sequence[str] | None,
    *,
    gaps: bool = False,
) -> tuple[Any, str | None, np.ndarray | None, np.ndarray | None]:
    """The table of an .npz file: its one 2-D array, or a matrix of `scipy.sparse.save_npz`.

    Parameters
    ----------
    path
    id_key, label_key
        1-D arrays beside the table, or None.
    keys
        The name of the table, where there are several 2-D arrays.
    gaps
        Whether NaN and infinity of an array are let through, to whoever looks at them next.

    Returns
    -------
    values : ndarray or csr_array
    key : str or None
        Name of the array; None for a sparse matrix.
    ids, labels : ndarray or None

    Raises
    ------
    InputError
        If there is no such table, or more than one.
    """
    arrays = Arrays(path)
    matrix = arrays.matrix()
    if matrix is not None:
        for option, given in (("--id", id_key), ("--labels", label_key), ("--columns", keys)):
            if given is not None:
                raise InputError(f"{path}: a sparse matrix has no names for {option} to name")
        return _sparse(matrix, path), None, None, None
    ids, labels = (
        None if name is None else _named(arrays, name, option)
        for name, option in ((id_key, "--id"), (label_key, "--labels"))
    )
    key, array = _the_table(arrays, keys, {id_key, label_key})
    values = as_floats(array)
    if not gaps:
        _require_finite(values, f"{path}: array {shown(key)}")
    for option, column in (("--id", ids), ("--labels", labels)):
        if column is not None and column.shape != (len(values),):
            raise InputError(
                f"{path}: the array of {option} has shape {column.shape}, the table "
                f"{shown(key)} has {len(values)} rows"
            )
    clean = None if ids is None else clean_ids(ids, f"{path}: column {shown(id_key)} of row names")
    return values, key, clean, labels


def array_names(path: Path) -> tuple[str, ...] | None:
    """Names of the arrays in an .npz file; None for a sparse matrix.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    arrays = Arrays(path)
    return None if arrays.holds_matrix() else arrays.keys


def _named(arrays: Arrays, name: str, option: str) -> np.ndarray:
    if name not in arrays:
        raise InputError(
            f"{arrays.path}: no array {shown(name)} for {option}; it has {arrays.listed()}"
        )
    return arrays[name]


def _the_table(
    arrays: Arrays, keys: Sequence[str] | None, beside: set[str | None]
) -> tuple[str, np.ndarray]:
    path = arrays.path
    if keys is not None:
        if len(keys) != 1:
            raise InputError(f"{path}: --columns names {len(keys)} arrays; expected one")
        array = _named(arrays, keys[0], "--columns")
        _require_table(array, f"{path}: array {shown(keys[0])}")
        return keys[0], array
    found = {name: arrays[name] for name in arrays.keys if name not in beside}
    tables = [name for name, array in found.items() if array.ndim == 2]
    if len(tables) > 1:
        listed = ", ".join(map(repr, tables[:6]))
        raise InputError(f"{path}: several 2-D arrays ({listed}); name one with --columns")
    if not tables:
        if len(found) == 1:
            (name,) = found
            _require_table(found[name], f"{path}: array {shown(name)}")
        shapes = ", ".join(
            f"{shown(name)} {array.shape}" for name, array in list(found.items())[:6]
        )
        raise InputError(f"{path}: no 2-D array in it; it has {shapes or 'none'}")
    (name,) = tables
    _require_table(found[name], f"{path}: array {shown(name)}")
    return name, found[name]


def _sparse(matrix: sp.csr_array, path: Path) -> sp.csr_array:
    _require_table(matrix, str(path))
    matrix.sum_duplicates()
    matrix = sp.csr_array(
        (as_floats(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape
    )
    _require_finite(matrix, str(path))
    return matrix


def _require_table(array: Any, where: str) -> None:
    if array.dtype.kind not in "buif":
        what = "complex numbers" if array.dtype.kind == "c" else f"dtype {array.dtype}"
        raise InputError(f"{where}: expected real numbers, got {what}")
    if array.ndim != 2:
        flat = "" if array.ndim < 3 else f"; reshape it to {(len(array), array[0].size)}"
        raise InputError(
            f"{where}: expected a table of rows and columns, got shape {array.shape}{flat}"
        )
    if 0 in array.shape:
        raise InputError(f"{where}: expected at least one row and column, got shape {array.shape}")


def as_floats(array: np.ndarray) -> np.ndarray:
    """float32 and float64 as they are, what float32 holds exactly as that, all else as float64.

    Examples
    --------
    >>> [str(as_floats(np.zeros(1, kind)).dtype) for kind in ("f4", "u1", "i8", ">f8", "f2")]
    ['float32', 'float32', 'float64', 'float64', 'float32']
    """
    if array.dtype in (np.float32, np.float64) and array.dtype.isnative:
        return array
    small = array.dtype.itemsize <= (4 if array.dtype.kind == "f" else 2)
    # What is no number, or beyond float64, is found where values have to be finite.
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(array, dtype=np.float32 if small else np.float64)


def first_odd_cell(values: Any) -> tuple[int, int] | None:
    """Row and column of the first NaN or infinity, or None; a memory map is read in parts.

    Examples
    --------
    >>> first_odd_cell(np.array([[1.0, 2.0], [3.0, np.inf]]))
    (1, 1)
    """
    if sp.issparse(values):
        odd = ~np.isfinite(values.data)
        if not odd.any():
            return None
        place = int(np.argmax(odd))
        within = int(np.searchsorted(values.indptr, place, side="right")) - 1
        return within, int(values.indices[place])
    step = max(1, _BLOCK // values.shape[1])
    for start in range(0, len(values), step):
        odd = ~np.isfinite(values[start : start + step])
        if odd.any():
            row, column = divmod(int(np.argmax(odd)), odd.shape[1])
            return start + row, column
    return None


def _require_finite(values: Any, where: str) -> None:
    cell = first_odd_cell(values)
    if cell is not None:
        with np.errstate(invalid="ignore"):  # of a NaN that signals
            found = float(values[cell])
        filled = np.isnan(found) and not sp.issparse(values)
        raise InputError(
            f"{where}: row {cell[0] + 1}, column {cell[1] + 1} is {found:g}; "
            "expected a finite number"
            + ("; fit-autoencoder fills gaps with --impute median" if filled else "")
        )
