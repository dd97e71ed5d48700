""".npy and .npz files, never unpickled, and sparse matrices in them."""

from __future__ import annotations

import pickle
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.files import reason

__all__ = ["ARRAY_ENDINGS", "Arrays", "open_npy"]

ARRAY_ENDINGS = (".npy", ".npz")
# What NumPy and zipfile raise on damaged bytes: a header of an array is parsed as Python source.
_BROKEN = (
    OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, OverflowError, MemoryError,
    NotImplementedError, RuntimeError, IndexError, AttributeError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error, pickle.UnpicklingError,
)  # fmt: skip


def _unreadable(path: Path, what: str, error: BaseException) -> InputError:
    said = reason(error)
    if any(word in said for word in ("pickle", "Python objects", "Object arrays")):
        said = "Python objects in it, which are never read"
    return InputError(f"{path}: not a readable {what} ({said})")


def open_npy(path: Path, *, mapped: bool = False) -> np.ndarray:
    """The array of an .npy file.

    Parameters
    ----------
    path
    mapped
        Whether to leave it on disk and read what is looked at.

    Raises
    ------
    InputError
        If the file is not one, or its array would have to be unpickled.
    """
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except _BROKEN as error:
        raise _unreadable(path, ".npy file", error) from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path}: an .npz archive under the ending .npy")
    return array


class Arrays:
    """The arrays of an .npz file, each read when asked for and never unpickled.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    keys : tuple of str

    Raises
    ------
    InputError
        If the file is not an .npz archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            archive = np.load(path, allow_pickle=False)
        except _BROKEN as error:
            raise _unreadable(path, ".npz file", error) from None
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path}: holds a single array, not an .npz archive")
        self._archive = archive
        self.keys = tuple(archive.files)

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self:
            raise InputError(f"{self.path}: no array {key!r}; it has {self.listed()}")
        try:
            return np.asarray(self._archive[key])
        except _BROKEN as error:
            raise _unreadable(self.path, f"array {key!r}", error) from None

    def listed(self) -> str:
        """The names of the arrays, for a message."""
        return ", ".join(map(repr, self.keys[:8])) or "none"

    def first(self, keys: Sequence[str]) -> np.ndarray | None:
        """The first of some arrays that is there."""
        return next((self[key] for key in keys if key in self), None)

    def csr(self, prefix: str) -> sp.csr_array:
        """The CSR matrix stored as prefix_data (1 if absent), _indices, _indptr and _shape."""
        indices, indptr = self[f"{prefix}indices"], self[f"{prefix}indptr"]
        data = self[f"{prefix}data"] if f"{prefix}data" in self else np.ones(len(indices), "f4")
        try:
            shape = tuple(int(side) for side in self[f"{prefix}shape"])
            matrix = sp.csr_array((data, indices, indptr), shape=shape)
            matrix.check_format(full_check=True)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self.path}: {prefix}data, {prefix}indices and {prefix}indptr are no CSR matrix "
                f"({reason(error)})"
            ) from None
        return matrix

    def matrix(self) -> sp.csr_array | None:
        """The matrix that `scipy.sparse.save_npz` wrote, if that wrote the file."""
        if "indptr" in self and "indices" in self and "shape" in self:
            kind = self["format"].item() if "format" in self else b"csr"
            if kind in (b"csr", "csr"):
                return self.csr("")
        if "format" not in self or "shape" not in self:
            return None
        try:
            matrix = sp.csr_array(sp.load_npz(self.path))
            matrix.check_format(full_check=True)
        except _BROKEN as error:
            raise _unreadable(self.path, "sparse matrix", error) from None
        return matrix
