""".npy and .npz files, never unpickled, and sparse matrices in them."""

from __future__ import annotations

import lzma
import math
import pickle
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.files import reason
from damrep.reading.ids import listed, shown

__all__ = ["ARRAY_ENDINGS", "Arrays", "open_npy", "require_sane_shape"]

ARRAY_ENDINGS = (".npy", ".npz")
# Arrays beside "data" of what `scipy.sparse.save_npz` writes.
_PARTS = {
    "csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "bsr": ("indices", "indptr"),
    "coo": ("row", "col"), "dia": ("offsets",),
}  # fmt: skip
# What NumPy and zipfile raise on damaged bytes: a header of an array is parsed as Python source.
_BROKEN = (
    OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, OverflowError, MemoryError,
    NotImplementedError, RuntimeError, IndexError, AttributeError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, pickle.UnpicklingError,
)  # fmt: skip
_DEFLATED = 1100  # times as many bytes at most are in a zip archive
_SIDE = 10_000_000
_SPARSE = {"format", "shape", "data"}


def _unreadable(path: Path, what: str, error: BaseException) -> InputError:
    said = reason(error)
    if any(word in said for word in ("pickle", "Python objects", "Object arrays")):
        said = "Python objects in it, which are never read"
    return InputError(f"{path}: not a readable {what} ({said})")


@contextmanager
def _unwarned() -> Iterator[None]:
    """NumPy parses headers as Python source, which warns of escapes in damaged ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
        with path.open("rb") as stream, _unwarned():
            if stream.read(2) == b"PK":
                raise InputError(f"{path}: an .npz archive under the ending .npy")
            stream.seek(0)
            _check_header(stream, path.stat().st_size)
            stream.seek(0)
            if not mapped:
                return np.lib.format.read_array(stream, allow_pickle=False)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except InputError:
        raise
    except _BROKEN as error:
        raise _unreadable(path, ".npy file", error) from None


def _check_header(stream: IO[bytes], room: int) -> None:
    """Refuse an array of objects, and one for which there is no room, before memory is taken."""
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:  # only columns with names have a third
        raise ValueError(f"an array of version {version}")
    try:
        shape, _, kind = read(stream)
    except _BROKEN:
        raise ValueError("its header is damaged") from None
    if kind.hasobject:
        raise ValueError("Python objects")
    if any(isinstance(side, bool) or not 0 <= side < 2**40 for side in shape):
        raise ValueError(f"its header says shape {shape}")
    promised = math.prod(shape) * max(kind.itemsize, 1)
    if promised > room:
        raise ValueError(f"its header promises {promised} bytes")


def require_sane_shape(shape: tuple[int, ...], entries: int, where: str) -> None:
    """Refuse a sparse matrix whose sides no number of its entries can have made.

    Its rows alone may fill the memory, and damaged files have such.

    Raises
    ------
    InputError
        If a side is above ten million and a thousand times the entries.

    Examples
    --------
    >>> require_sane_shape((5_000_000, 10), 3, "a.mtx")
    >>> require_sane_shape((10**12, 10), 3, "a.mtx")
    Traceback (most recent call last):
    damrep.masking.validation.InputError: a.mtx: a matrix of 1000000000000 x 10 with ...
    """
    if max(shape, default=0) > max(_SIDE, 1000 * entries):
        raise InputError(
            f"{where}: a matrix of {' x '.join(map(str, shape))} with {entries} entries; expected "
            "rows and columns that count from 0"
        )


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
        with path.open("rb") as stream:
            if stream.read(6) == b"\x93NUMPY":
                raise InputError(f"{path}: holds a single array, not an .npz archive")
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except _BROKEN as error:
            raise _unreadable(path, ".npz file", error) from None
        self.keys = tuple(dict.fromkeys(name.removesuffix(".npy") for name in names))

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self:
            raise InputError(f"{self.path}: no array {shown(key)}; it has {self.listed()}")
        try:
            with zipfile.ZipFile(self.path) as archive, _unwarned():
                member = key if key in archive.namelist() else f"{key}.npy"
                with archive.open(member) as stream:
                    _check_header(stream, _DEFLATED * self.path.stat().st_size)
                with archive.open(member) as stream:
                    array = np.lib.format.read_array(stream, allow_pickle=False)
            # scipy ends the process on indices of another processor's byte order.
            return array.astype(array.dtype.newbyteorder("="), copy=False)
        except _BROKEN as error:
            raise _unreadable(self.path, f"array {shown(key)}", error) from None

    def listed(self) -> str:
        """The names of the arrays, for a message."""
        return listed(self.keys)

    def first(self, keys: Sequence[str]) -> np.ndarray | None:
        """The first of some arrays that is there."""
        return next((self[key] for key in keys if key in self), None)

    def whole(self, key: str) -> int:
        """An array that is one whole number.

        Raises
        ------
        InputError
            If it is something else.
        """
        array = self[key]
        if array.size != 1 or array.dtype.kind not in "iu":
            raise InputError(
                f"{self.path}: {key} must be one whole number, got {array.dtype} of shape "
                f"{array.shape}"
            )
        return int(array.item())

    def csr(self, prefix: str) -> sp.csr_array:
        """The CSR matrix stored as prefix_data (1 if absent), _indices, _indptr and _shape."""
        parts = [self[f"{prefix}{part}"] for part in ("indices", "indptr")]
        data = self[f"{prefix}data"] if f"{prefix}data" in self else np.ones(parts[0].shape, "f4")
        what = f"{prefix}data, {prefix}indices and {prefix}indptr are no CSR matrix"
        return self._made("csr", prefix, (data, *parts), what)

    def matrix(self) -> sp.csr_array | None:
        """The matrix that `scipy.sparse.save_npz` wrote, if that wrote the file."""
        if not self.holds_matrix():
            return None
        kind = self["format"] if "format" in self else np.array("csr")
        name = kind.item() if kind.size == 1 else ""
        name = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        if name not in _PARTS:
            raise InputError(
                f"{self.path}: a sparse matrix of format {shown(name)}; known are "
                f"{', '.join(_PARTS)}"
            )
        if name == "csr":
            return self.csr("")
        parts = tuple(self[part] for part in ("data", *_PARTS[name]))
        what = f"{', '.join(('data', *_PARTS[name]))} are no {name.upper()} matrix"
        return self._made(name, "", parts, what)

    def holds_matrix(self) -> bool:
        """Whether it is what `scipy.sparse.save_npz` writes; data may be absent from CSR."""
        return {"indptr", "indices", "shape"} <= set(self.keys) or _SPARSE <= set(self.keys)

    def _made(
        self, kind: str, prefix: str, parts: tuple[np.ndarray, ...], what: str
    ) -> sp.csr_array:
        """A matrix of its parts, as CSR."""
        sides = self[f"{prefix}shape"]
        if sides.shape != (2,) or sides.dtype.kind not in "iu" or (sides < 0).any():
            raise InputError(f"{self.path}: {prefix}shape must be two whole numbers")
        rows, columns = (int(side) for side in sides)
        require_sane_shape((rows, columns), parts[0].size + parts[-1].size, str(self.path))
        if parts[0].dtype.kind not in "buif":
            raise InputError(
                f"{self.path}: expected a matrix of real numbers, got dtype {parts[0].dtype}"
            )
        if parts[0].dtype == np.float16:  # which scipy does not know
            parts = (parts[0].astype(np.float32), *parts[1:])
        try:
            if any(part.ndim != 1 or part.dtype.kind not in "iu" for part in parts[1:]):
                raise ValueError("expected whole numbers in one dimension")
            # scipy does not look where the last of them is 0, and goes by them all the same.
            if "indptr" in _PARTS[kind] and (parts[-1][1:] < parts[-1][:-1]).any():
                raise ValueError("indptr must never fall")
            inner = (parts[0], parts[1:]) if kind == "coo" else parts
            matrix = getattr(sp, f"{kind}_array")(inner, shape=(rows, columns))
            if hasattr(matrix, "check_format"):
                matrix.check_format(full_check=True)
            result = sp.csr_array(matrix)
            result.check_format(full_check=True)
        except _BROKEN as error:
            raise InputError(f"{self.path}: {what} ({reason(error)})") from None
        return result
