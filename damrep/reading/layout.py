"""The rows of a text file of which is known how it is written, as lines and as bytes."""

from __future__ import annotations

import codecs
import dataclasses
import io
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from damrep.masking.validation import InputError
from damrep.reading.files import is_packed, native_bytes, open_bytes, reason

__all__ = ["BLOCK_BYTES", "Layout"]

BLOCK_BYTES = 1 << 26
"""What is parsed at once; the widest row must fit."""

_CHUNK = 1 << 24
_UNIT = "\x1f"  # stands for a separator of two characters


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a text file is written, nothing left open.

    Attributes
    ----------
    path : Path
    separator, decimal : str
    encoding : str or None
    marks : tuple of str
        A line that starts with one of them and a blank, or is one, is a comment.
    whole_marks : bool
        Whether no blank is needed after a mark.
    passed : frozenset of str
        Lines at the head of the file that are passed over.
    rows : list of list of str
        Cells of the first rows, stripped.
    notes : tuple of str
        What was decided without being told.
    """

    path: Path
    separator: str
    decimal: str
    encoding: str | None
    marks: tuple[str, ...]
    whole_marks: bool
    passed: frozenset[str]
    rows: list[list[str]]
    notes: tuple[str, ...]

    @property
    def delimiter(self) -> str:
        """The one character between cells, once lines are cleaned."""
        return _UNIT if self.separator == "::" else self.separator

    def is_comment(self, line: str) -> bool:
        """Whether a line, not of the head, is passed over."""
        for mark in self.marks:
            if line.startswith(mark):
                rest = line[len(mark) :]
                if self.whole_marks or not rest or rest[0] in " \t":
                    return True
        return False

    def lines(self) -> Iterator[tuple[int, str]]:
        """Number and cleaned text of every line that is a row or part of one."""
        at_head = True
        for number, line in enumerate(_text_lines(self.path, self.encoding), start=1):
            text = line.rstrip("\r\n")
            if not text.strip() or self.is_comment(text) or (at_head and text in self.passed):
                continue
            at_head = False
            yield number, self.cleaned(text)

    def cleaned(self, line: str) -> str:
        """A line as it is split: runs of blanks are one, a separator is one character."""
        if self.separator == " ":
            return " ".join(line.split())
        return line.replace("::", _UNIT) if self.separator == "::" else line

    def source(self, passed_over: list[int]) -> pa.NativeFile:
        """The rows as UTF-8, cleaned, without comments; how many these were is added to a list.

        A file that needs no cleaning is mapped, not read.
        """
        if self._is_clean():
            return pa.memory_map(str(self.path))
        return native_bytes(self._chunks(passed_over))

    def _is_clean(self) -> bool:
        """Whether the file can be parsed as it lies on disk."""
        plain = self.encoding is None and len(self.separator) == 1 and self.separator != " "
        if not plain or self.passed or is_packed(self.path):
            return False
        odd = [b"\n" + mark.encode() for mark in self.marks]
        odd += [b"\n ", b"\n\t", b"\r"]
        with (
            self.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            starts = (b"\n", b" ", b"\t", *(mark.encode() for mark in self.marks))
            return not data[:3].startswith(starts) and all(data.find(mark) < 0 for mark in odd)

    def _chunks(self, passed_over: list[int]) -> Iterator[bytes]:
        kept = b"|".join(re.escape(mark.encode()) for mark in self.marks)
        after = rb"" if self.whole_marks else rb"(?=[ \t\n]|\Z)"
        comment = re.compile(rb"(?m)^(?:" + kept + rb")" + after + rb"[^\n]*\n?")
        starts = tuple(mark.encode() for mark in self.marks)
        at_head = True
        for chunk in _line_chunks(self.path, self.encoding):
            if at_head:
                chunk = self._below_head(chunk, comment, passed_over)
                at_head = not chunk
            if chunk.startswith(starts) or any(b"\n" + start in chunk for start in starts):
                chunk, count = comment.subn(b"", chunk)
                passed_over.append(count)
            if b"\n " in chunk or b"\n\t" in chunk:  # lines of nothing but blanks
                chunk = re.sub(
                    rb"(?m)^ +\n" if self.separator == "\t" else rb"(?m)^[ \t]+\n", b"", chunk
                )
            if self.separator == " ":
                chunk = re.sub(rb"[ \t]+", b" ", chunk)
                chunk = re.sub(rb"(?m)^ | (?=$)", b"", chunk)
            elif self.separator == "::":
                chunk = chunk.replace(b"::", _UNIT.encode())
            if chunk:
                yield chunk

    def _below_head(
        self, chunk: bytes, comment: re.Pattern[bytes], passed_over: list[int]
    ) -> bytes:
        """A chunk without blank lines, comments and what else is passed over at its start."""
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", start) + 1 or len(chunk)
            line = chunk[start:end].rstrip(b"\n")
            passed = line.decode("utf-8", "replace") in self.passed
            if line.strip():
                if not passed and not comment.match(line):
                    break
                passed_over.append(not line.lstrip(b'"').startswith(b"sep="))
            start = end
        return chunk[start:]


def _line_chunks(path: Path, encoding: str | None) -> Iterator[bytes]:
    """The file as UTF-8 in chunks that end with a line, which ends with a line feed."""
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


def _text_lines(path: Path, encoding: str | None) -> Iterator[str]:
    number = 0
    for chunk in _line_chunks(path, encoding):
        for line in io.BytesIO(chunk):  # one at a time: often only the first ones are wanted
            number += 1
            try:
                yield line.decode("utf-8").removesuffix("\n")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}: not UTF-8 text (line {number} has the byte "
                    f"0x{line[error.start]:02x}); name its encoding, such as latin-1"
                ) from None
