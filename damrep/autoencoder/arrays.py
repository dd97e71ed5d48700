"""Tables in NumPy's files: .npy memory-mapped, .npz with one array or one sparse matrix."""

from __future__ import annotations

import pickle
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from damrep.masking.validation import InputError

__all__ = ["ARRAY_ENDINGS", "array_names", "as_floats", "first_odd_cell", "read_npy", "read_npz"]

ARRAY_ENDINGS = (".npy", ".npz")
# What NumPy and zipfile raise on damaged bytes: a header of an array is parsed as Python source.
_BROKEN = (
    OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, OverflowError, MemoryError,
    NotImplementedError, RuntimeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
    pickle.UnpicklingError,
)  # fmt: skip
_SPARSE = {"format", "shape", "data"}
_BLOCK = 1 << 24  # numbers looked at together


def read_npy(path: Path) -> np.ndarray:
    """The 2-D array of an .npy file, memory-mapped where its numbers are float32 or float64.

    Raises
    ------
    InputError
        If the file is damaged, or its array is not a table of finite numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _BROKEN as error:
        raise InputError(_unreadable(path, ".npy file", error)) from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path}: an .npz archive under the ending .npy")
    _require_table(array, str(path))
    values = as_floats(array)
    _require_finite(values, str(path))
    return values


def read_npz(
    path: Path, id_key: str | None, label_key: str | None, keys: Sequence[str] | None
) -> tuple[Any, str | None, pd.Series | None, pd.Series | None]:
    """The table of an .npz file: its one 2-D array, or a matrix of `scipy.sparse.save_npz`.

    Parameters
    ----------
    path
    id_key, label_key
        1-D arrays beside the table, or None.
    keys
        The name of the table, where there are several 2-D arrays.

    Returns
    -------
    values : ndarray or csr_array
    key : str or None
        Name of the array; None for a sparse matrix.
    ids, labels : Series or None

    Raises
    ------
    InputError
        If there is no such table, or more than one.
    """
    with _archive(path) as archive:
        if set(archive.files) >= _SPARSE:
            for option, given in (("--id", id_key), ("--labels", label_key), ("--columns", keys)):
                if given is not None:
                    raise InputError(f"{path}: a sparse matrix has no names for {option} to name")
            return _sparse(path), None, None, None
        beside = {}
        for option, name in (("--id", id_key), ("--labels", label_key)):
            if name is not None:
                beside[option] = _member(archive, path, name, option)
        key, array = _the_table(archive, path, keys, {id_key, label_key})
    values = as_floats(array)
    _require_finite(values, f"{path}: array {key!r}")
    for option, column in beside.items():
        if column.shape != (len(values),):
            raise InputError(
                f"{path}: the array of {option} has shape {column.shape}, the table {key!r} has "
                f"{len(values)} rows"
            )
    # Strings of NumPy have a fixed length each; objects are what the rest of the readers give.
    series = {
        option: pd.Series(column.astype(object) if column.dtype.kind in "US" else column)
        for option, column in beside.items()
    }
    return values, key, series.get("--id"), series.get("--labels")


def array_names(path: Path) -> tuple[str, ...] | None:
    """Names of the arrays in an .npz file; None for a sparse matrix.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with _archive(path) as archive:
        return None if set(archive.files) >= _SPARSE else tuple(archive.files)


def _archive(path: Path) -> Any:
    try:
        archive = np.load(path, allow_pickle=False)
    except _BROKEN as error:
        raise InputError(_unreadable(path, ".npz file", error)) from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: holds a single array, not an .npz archive")
    return archive


def _the_table(
    archive: Any, path: Path, keys: Sequence[str] | None, beside: set[str | None]
) -> tuple[str, np.ndarray]:
    names = list(archive.files)
    if keys is not None:
        if len(keys) != 1:
            raise InputError(f"{path}: --columns names {len(keys)} arrays; expected one")
        array = _member(archive, path, keys[0], "--columns")
        _require_table(array, f"{path}: array {keys[0]!r}")
        return keys[0], array
    arrays = {name: _member(archive, path, name) for name in names if name not in beside}
    tables = [name for name, array in arrays.items() if array.ndim == 2]
    if len(tables) > 1:
        listed = ", ".join(map(repr, tables[:6]))
        raise InputError(f"{path}: several 2-D arrays ({listed}); name one with --columns")
    if not tables:
        if len(arrays) == 1:
            (name,) = arrays
            _require_table(arrays[name], f"{path}: array {name!r}")
        shapes = ", ".join(f"{name!r} {array.shape}" for name, array in list(arrays.items())[:6])
        raise InputError(f"{path}: no 2-D array in it; it has {shapes or 'none'}")
    (name,) = tables
    _require_table(arrays[name], f"{path}: array {name!r}")
    return name, arrays[name]


def _member(archive: Any, path: Path, name: str, option: str = "") -> np.ndarray:
    if name not in archive.files:
        listed = ", ".join(map(repr, archive.files[:6])) or "none"
        raise InputError(f"{path}: no array {name!r} for {option}; it has {listed}")
    try:
        return np.asarray(archive[name])
    except _BROKEN as error:
        raise InputError(_unreadable(path, f"array {name!r}", error)) from None


def _sparse(path: Path) -> sp.csr_array:
    try:
        matrix = sp.csr_array(sp.load_npz(path))
        matrix.check_format(full_check=True)
    except (*_BROKEN, IndexError) as error:
        raise InputError(_unreadable(path, "sparse matrix", error)) from None
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
        raise InputError(
            f"{where}: row {cell[0] + 1}, column {cell[1] + 1} is {values[cell]:g}; "
            "expected a finite number"
        )


def _unreadable(path: Path, what: str, error: BaseException) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    if "pickle" in reason or "Python objects" in reason or "Object arrays" in reason:
        reason = "Python objects in it, which are never read"
    return f"{path}: not a readable {what} ({reason})"
