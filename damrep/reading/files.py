"""Whether there is a file to read, how it is packed, and its bytes."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from damrep.masking.validation import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ARROW_ENDINGS",
    "STDIN",
    "TABLE_ENDINGS",
    "TEXT_ENDINGS",
    "file_ending",
    "is_packed",
    "native_bytes",
    "open_bytes",
    "reason",
    "require_file",
    "stem",
]

TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".data", ".edgelist", ".edges")
"""Of tables in text, which may be packed."""

ARROW_ENDINGS = (".parquet", ".feather", ".arrow", ".jsonl")
"""Of tables whose columns have names and types."""

TABLE_ENDINGS = (*TEXT_ENDINGS, *ARROW_ENDINGS)

STDIN = "-"
"""The name of standard input, which is read as text."""

_PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_CALLED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
_TEXT_LIKE = (*TEXT_ENDINGS, ".jsonl", ".json", ".gml", ".gexf", ".graphml", ".mtx")


def _packing(path: Path) -> str:
    last = path.suffix.lower()
    return last if last in _PACKED else ""


def is_packed(path: Path) -> bool:
    """Whether the bytes of a file are not what lies on disk: packed, or standard input."""
    return bool(_packing(path)) or str(path) == STDIN


def file_ending(path: Path) -> str:
    """The ending that says what a file holds, in lower case, without how it is packed.

    Standard input counts as .txt.

    Examples
    --------
    >>> file_ending(Path("roads.CSV.gz")), file_ending(Path("-"))
    ('.csv', '.txt')
    """
    if str(path) == STDIN:
        return ".txt"
    name = path.name.lower()
    ending = Path(name.removesuffix(_packing(path))).suffix
    return ".jsonl" if ending == ".ndjson" else ending


def stem(path: Path, default: str) -> str:
    """A file's name without its endings, or `default` where nothing is left.

    Examples
    --------
    >>> stem(Path("data/roads.csv.gz"), "graph"), stem(Path("-"), "graph")
    ('roads', 'graph')
    """
    return path.name.split(".")[0].removeprefix(STDIN) or default


def require_file(path: Path, known: Sequence[str], what: str, *, as_text: bool = False) -> str:
    """Check that there is a file with something in it and return its ending.

    Parameters
    ----------
    path
        The file, or "-" for standard input where text is among what is known.
    known
        Endings that can be read; those of text may have .gz, .bz2 or .xz after them.
    what
        What is in it, for the message: "a table", "ratings".
    as_text
        Whether a file of another ending is text: its separator was named.

    Raises
    ------
    InputError
        If there is no such file, it is a directory or a device, is empty, cannot be opened, or its
        ending is not known.
    """
    if str(path) == STDIN:
        if not _stdin_bytes():
            raise InputError("-: nothing on standard input")
        return ".txt"
    readable = f"{', '.join(known)}, and text packed as .gz, .bz2 or .xz"
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory; expected {what} ({readable})")
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if not path.is_file():
            raise InputError(f"{path}: not a regular file; a pipe is read as - (standard input)")
    except (OSError, ValueError) as error:  # a name with a zero byte, or far too long
        raise InputError(f"{path}: cannot be read: {reason(error)}") from None
    ending = file_ending(path)
    packed = _packing(path)
    if ending not in known or (packed and ending not in _TEXT_LIKE):
        if as_text and not packed:
            ending = ".txt"
        else:
            other = (packed or ending)[:20] or "none"
            raise InputError(
                f"{path}: unknown ending {other!r} for {what}; known are {readable}; a text "
                "file of another ending is read where its separator is named"
            )
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return ending


@functools.cache
def _stdin_bytes() -> bytes:
    return b"" if sys.stdin is None else sys.stdin.buffer.read()


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file or of standard input, unpacked, as a stream.

    Raises
    ------
    InputError
        If it cannot be read, or is not packed as its ending says; also while it is being read.
    """
    packing = _packing(path)
    what = _CALLED.get(packing, "text")
    try:
        if str(path) == STDIN:
            yield io.BytesIO(_stdin_bytes())
        elif packing:
            with _PACKED[packing](path, "rb") as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path}: not a readable {what} file ({reason(error)})") from None
    except OSError as error:
        if packing and error.errno is None:  # what gzip and bz2 say of damaged bytes
            raise InputError(f"{path}: not a readable {what} file ({reason(error)})") from None
        raise InputError(f"{path}: cannot be read: {reason(error)}") from None


def native_bytes(chunks: Iterable[bytes]) -> pa.BufferReader:
    """Bytes for a parser of pyarrow, in memory of its own.

    Its threads may let go of what they read after the interpreter has ended. That aborts the
    process where it is memory of Python's.
    """
    import pyarrow as pa

    held = pa.BufferOutputStream()
    for chunk in chunks:
        held.write(chunk)
    return pa.BufferReader(held.getvalue())


def reason(error: BaseException) -> str:
    """The first line of what another library says, short and printable.

    Examples
    --------
    >>> reason(ValueError("bad\\nvery bad."))
    'bad'
    >>> reason(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    'it promises more than the memory holds'
    """
    said = getattr(error, "strerror", None) or str(error)
    # What torch raises for it is no MemoryError.
    if isinstance(error, MemoryError) or "allocate memory" in said:
        said = "it promises more than the memory holds"
    lines = str(said).strip().splitlines() or [type(error).__name__]
    text = "".join(c if c.isprintable() else "?" for c in lines[0]).rstrip(".")
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    return text if len(text) <= 120 else f"{text[:117]}..."
