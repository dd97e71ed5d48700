"""The lines of a text file, whatever ends them, in chunks of bytes and one by one."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from damrep.masking.validation import InputError
from damrep.reading.files import open_bytes, reason

__all__ = ["line_chunks", "require_utf8", "text_lines"]

_CHUNK = 1 << 24


def line_chunks(path: Path, encoding: str | None) -> Iterator[bytes]:
    """The file as UTF-8 in chunks that end with a line, which ends with a line feed.

    Parameters
    ----------
    path
    encoding
        Of the file; UTF-8 if None, which is not checked.

    Raises
    ------
    InputError
        If the file cannot be read, or is no text of its encoding.
    """
    decoder = None if encoding is None else codecs.getincrementaldecoder(encoding)()
    left, first = b"", True
    with open_bytes(path) as stream:
        while True:
            data = stream.read(_CHUNK)
            last = not data
            if decoder is not None:
                try:
                    data = decoder.decode(data, final=last).encode("utf-8", "strict")
                except UnicodeError as error:
                    raise InputError(f"{path}: not {encoding} text ({reason(error)})") from None
            if first:
                data, first = data.removeprefix(codecs.BOM_UTF8), False
            data = left + data
            if b"\r" in data:
                # A line feed may come with the next chunk.
                tail = b"\r" if data.endswith(b"\r") and not last else b""
                data = data[: len(data) - len(tail)]
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
            end = len(data) if last else data.rfind(b"\n") + 1
            left = data[end:]
            if end:
                yield data[:end]
            if last:
                return


def text_lines(path: Path, encoding: str | None) -> Iterator[str]:
    """The lines of a file, without what ends them.

    Raises
    ------
    InputError
        As `line_chunks`, and if a line is not UTF-8 although the file should be.
    """
    number = 0
    for chunk in line_chunks(path, encoding):
        for line in io.BytesIO(chunk):  # one at a time: often only the first ones are wanted
            number += 1
            yield require_utf8(line, path, number).removesuffix("\n")


def require_utf8(line: bytes, path: Path, number: int) -> str:
    """A line as text.

    Raises
    ------
    InputError
        If it is not UTF-8, naming the line.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text (line {number} has the byte 0x{line[error.start]:02x}); name "
            "its encoding, such as latin-1"
        ) from None
