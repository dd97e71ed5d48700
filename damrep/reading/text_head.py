"""The first lines of a text file, and whether it is one."""

from __future__ import annotations

import codecs
from pathlib import Path

from damrep.masking.validation import InputError
from damrep.reading.files import open_bytes
from damrep.reading.layout import BLOCK_BYTES
from damrep.reading.line_chunks import require_utf8

__all__ = ["read_head"]

_HEAD = 1 << 18
# What files begin with that are no table, in lower case; those that hold zero bytes are no text.
_NO_TEXT = {
    b"<!doctype html": "a web page: the download failed, or needs a login",
    b"<html": "a web page: the download failed, or needs a login",
    b"version https://git-lfs": "a pointer to a file of Git LFS; git lfs pull fetches it",
    b"bzh91ay": "packed by bzip2; its name has to end in .bz2",
}
_NO_TEXT_WITH_ZEROS = {
    b"pk\x03\x04": "a zip archive or a spreadsheet (.xlsx); save it as .csv",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls); save it as .csv",
    b"\x1f\x8b": "packed by gzip; its name has to end in .gz",
    b"\xfd7zxz": "packed by xz; its name has to end in .xz",
    b"par1": "parquet; its name has to end in .parquet",
    b"arrow1": "Arrow; its name has to end in .feather",
    b"\x93numpy": "an array of NumPy; its name has to end in .npy",
}
_ENCODINGS = {  # the longer marks first, as one begins like another
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_head(path: Path, encoding: str | None) -> tuple[list[str], str | None]:
    """The first lines of a file, the last of which is whole, and the encoding unless it is UTF-8.

    Parameters
    ----------
    path
        The file, perhaps packed, or "-".
    encoding
        If it is known.

    Raises
    ------
    InputError
        If it is no text, or not of that encoding.
    """
    with open_bytes(path) as stream:
        data = bytearray(stream.read(_HEAD))
        while len(data) >= _HEAD and b"\n" not in data[-_HEAD:] and b"\r" not in data[-_HEAD:]:
            more = stream.read(_HEAD)
            if not more:
                break
            data += more
            if len(data) > BLOCK_BYTES:
                raise InputError(f"{path}: a line of more than {BLOCK_BYTES >> 20} MB")
        whole = not stream.read(1)
    kinds = _NO_TEXT | (_NO_TEXT_WITH_ZEROS if b"\0" in data else {})
    for start, what in kinds.items():
        if data[:40].lstrip().lower().startswith(start):
            raise InputError(f"{path}: no table in text but {what}")
    if encoding is None:
        encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), None)
    if encoding is None and b"\0" in data:
        raise InputError(
            f"{path}: not text (it holds a zero byte); of UTF-16 without a mark the encoding "
            "has to be named: utf-16-le"
        )
    try:
        text = data.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError:  # perhaps within the last line, which may be cut
        text = data.decode(encoding or "utf-8-sig", "replace" if encoding else "surrogateescape")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines if whole or len(lines) == 1 else lines[:-1]
    if not encoding and not text.isascii():
        for number, line in enumerate(lines, start=1):
            require_utf8(line.encode("utf-8", "surrogateescape"), path, number)
    return lines, encoding
