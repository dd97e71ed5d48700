"""The rows of a text file of which is known how it is written, as lines and as a stream."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from damrep.reading.files import is_packed, native_bytes
from damrep.reading.line_chunks import line_chunks, text_lines
from damrep.reading.written_numbers import NumberMarks

__all__ = ["BLOCK_BYTES", "Layout", "Streamed"]

BLOCK_BYTES = 1 << 26
"""What is parsed at once; the widest row must fit."""

_CHUNK = 1 << 22
_UNIT = "\x1f"  # stands for a separator of two characters


@dataclasses.dataclass
class Streamed:
    """What a stream of rows had in it.

    Attributes
    ----------
    comments : int
        Lines that were passed over.
    empty : int
        Rows of nothing but separators at the end, which were passed over.
    lines : int
        That are left; not counted where a file without quotation marks is taken as it is.
    quotes : bool
        Whether there is a quotation mark.
    padded : bool
        Whether a cell may have blanks around it.
    """

    comments: int = 0
    empty: int = 0
    lines: int = 0
    quotes: bool = False
    padded: bool = False


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a text file is written, nothing left open.

    Attributes
    ----------
    path : Path
    separator : str
    encoding : str or None
    marks : NumberMarks
    comments : tuple of str
        A line that starts with one of them and a blank, or is one, is a comment.
    bare_comments : bool
        Whether no blank is needed after that.
    passed : frozenset of str
        Lines at the head of the file that are passed over.
    quoted : bool
        Whether quotation marks keep a cell together that has separators or lines in it.
    spare : int
        Columns at the end that have neither name nor cells.
    rows : list of list of str
        Cells of the first rows, stripped.
    notes : tuple of str
        What was decided without being told.
    """

    path: Path
    separator: str
    encoding: str | None = None
    marks: NumberMarks = NumberMarks()
    comments: tuple[str, ...] = ()
    bare_comments: bool = False
    passed: frozenset[str] = frozenset()
    quoted: bool = True
    spare: int = 0
    rows: list[list[str]] = dataclasses.field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def delimiter(self) -> str:
        """The one character between cells, once lines are cleaned."""
        return _UNIT if self.separator == "::" else self.separator

    def is_comment(self, line: str) -> bool:
        """Whether a line, not of the head, is passed over."""
        for mark in self.comments:
            if line.startswith(mark):
                rest = line[len(mark) :]
                if self.bare_comments or not rest or rest[0] in " \t":
                    return True
        return False

    def lines(self) -> Iterator[tuple[int, str]]:
        """Number and cleaned text of every line that is a row or part of one."""
        at_head, numbers = True, [0]

        def numbered() -> Iterator[str]:
            for numbers[0], line in enumerate(text_lines(self.path, self.encoding), start=1):
                yield line.rstrip("\r\n")

        for line in self.rows_of(numbered()):
            if not (at_head and line in self.passed):
                at_head = False
                yield numbers[0], self.cleaned(line)

    def rows_of(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines that are neither blank nor comments; within a cell nothing is a comment."""
        inside = False
        for line in lines:
            if line.strip() and (inside or not self.is_comment(line)):
                inside ^= self.quoted and line.count('"') % 2 == 1
                yield line

    def cleaned(self, line: str) -> str:
        """A line as it is split: runs of blanks are one, a separator is one character."""
        if self.separator == " ":
            return " ".join(line.split())
        if self.separator == "::":
            line = line.replace("::", _UNIT)
        if '"' in line:
            for blanks in _around_quotes(self.delimiter):
                line = re.sub(blanks, "", line)
        return line

    def cell(self, text: str) -> str:
        """A cell without blanks around it, nor quotation marks that hold nothing together."""
        text = text.strip()
        if not self.quoted and len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1].replace('""', '"').strip()
        return text

    def reader(self, lines: Iterable[str]) -> Any:
        """Cleaned lines as rows, which know the number of the line they end in."""
        quoting: Any = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting)

    def source(self, streamed: Streamed) -> pa.NativeFile:
        """The rows as UTF-8, cleaned, without comments; what was in them is noted.

        A file that needs no cleaning is mapped, not read.
        """
        plain = self.encoding is None and len(self.separator) == 1 and self.separator != " "
        if plain and not self.passed and not is_packed(self.path) and self._clean is not None:
            vars(streamed).update(vars(self._clean))
            return pa.memory_map(str(self.path))
        return native_bytes(self._chunks(streamed))

    @functools.cached_property
    def _clean(self) -> Streamed | None:
        """What is in a file that can be parsed as it lies on disk; None for any other."""
        seen, delimiter = Streamed(), self.delimiter.encode()
        odd = [b"\n", *(mark.encode() for mark in self.comments), b" ", b"\t", codecs.BOM_UTF8]
        with self.path.open("rb") as file:
            chunk = last = file.readline()
            while chunk:
                if chunk.startswith(tuple(odd)) or b"\r" in chunk:
                    return None
                if any(_holds(chunk, b"\n", mark) for mark in odd[1:-1]):
                    return None
                if b'"' in chunk:
                    seen.quotes = True
                    if delimiter + b' "' in chunk or b'" ' + delimiter in chunk:
                        return None
                seen.padded |= _is_padded(chunk, delimiter)
                last = chunk
                chunk = file.read(_CHUNK) + file.readline()
        if seen.quotes:  # else a line is a row, and nobody asks
            seen.lines = sum(map(_count_lines, line_chunks(self.path, None)))
        return seen if last == _without_empty_end(last, delimiter, Streamed()) else None

    def _chunks(self, streamed: Streamed) -> Iterator[bytes]:
        at_head, inside = True, False
        delimiter = self.delimiter.encode()
        for chunk, following in pairwise(chain(line_chunks(self.path, self.encoding), [b""])):
            if at_head:
                chunk = self._below_head(chunk, streamed)
                at_head = not chunk
            quotes = self.quoted and b'"' in chunk
            chunk, inside = self._without_comments(chunk, quotes, inside, streamed)
            if b"\n " in chunk or b"\n\t" in chunk:  # lines of nothing but blanks
                blanks = rb"(?m)^ +\n" if self.separator == "\t" else rb"(?m)^[ \t]+\n"
                chunk = re.sub(blanks, b"", chunk)
            if self.separator == " ":
                chunk = re.sub(rb"[ \t]+", b" ", chunk)
                chunk = re.sub(rb"(?m)^ | (?=$)", b"", chunk)
            else:
                if self.separator == "::":
                    chunk = chunk.replace(b"::", delimiter)
                if quotes:
                    for pattern in _around_quotes(self.delimiter):
                        chunk = re.sub(pattern.encode(), b"", chunk)
                streamed.padded |= quotes or _is_padded(chunk, delimiter)
            if not following:
                chunk = _without_empty_end(chunk, delimiter, streamed)
            if chunk:
                streamed.quotes |= b'"' in chunk
                streamed.lines += _count_lines(chunk)
                yield chunk

    @functools.cached_property
    def _comment(self) -> re.Pattern[bytes]:
        kept = b"|".join(re.escape(mark.encode()) for mark in self.comments)
        after = rb"" if self.bare_comments else rb"(?=[ \t\n]|\Z)"
        return re.compile(rb"(?m)^(?:" + kept + rb")" + after + rb"[^\n]*\n?")

    def _without_comments(
        self, chunk: bytes, quotes: bool, inside: bool, streamed: Streamed
    ) -> tuple[bytes, bool]:
        """A chunk without comments, and whether it ends between quotation marks."""
        starts = tuple(mark.encode() for mark in self.comments)
        found = bool(starts) and (
            chunk.startswith(starts) or any(b"\n" + start in chunk for start in starts)
        )
        if not quotes and not inside:
            if found:
                chunk, count = self._comment.subn(b"", chunk)
                streamed.comments += count
            return chunk, False
        kept, start = [], 0
        for comment in self._comment.finditer(chunk) if found else ():
            inside ^= chunk.count(b'"', start, comment.start()) % 2 == 1
            kept.append(chunk[start : comment.start()])
            start = comment.end()
            if inside:
                kept.append(comment.group())
                inside ^= comment.group().count(b'"') % 2 == 1
            else:
                streamed.comments += 1
        inside ^= chunk.count(b'"', start) % 2 == 1
        return b"".join([*kept, chunk[start:]]), inside

    def _below_head(self, chunk: bytes, streamed: Streamed) -> bytes:
        """A chunk without blank lines, comments and what else is passed over at its start."""
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", start) + 1 or len(chunk)
            line = chunk[start:end].rstrip(b"\n")
            text = line.decode("utf-8", "replace")
            if line.strip():
                if text not in self.passed and not self.is_comment(text):
                    break
                streamed.comments += not line.lstrip(b'"').startswith(b"sep=")
            start = end
        return chunk[start:]


@functools.cache
def _around_quotes(delimiter: str) -> tuple[str, str]:
    """What people write between a separator and a quotation mark: ``"a", "b"``."""
    mark = re.escape(delimiter)
    return rf'(?m)(?:(?<={mark})|^) +(?=")', rf'(?m)(?<=") +(?={mark}|$)'


def _holds(chunk: bytes, first: bytes, second: bytes) -> bool:
    """Whether one comes right after the other; one byte is found ten times as fast as two."""
    return second[:1] in chunk and first + second in chunk


def _count_lines(chunk: bytes) -> int:
    """Lines; only those that are not empty where it matters, as marks keep several together."""
    if b'"' in chunk and (b"\n\n" in chunk or chunk.startswith(b"\n")):
        return len(re.findall(rb"[^\n](?:\n|\Z)", chunk))
    return chunk.count(b"\n") + (not chunk.endswith(b"\n"))


def _is_padded(chunk: bytes, delimiter: bytes) -> bool:
    """Whether there is a blank before or after a separator, or at an end of a line."""
    blanks = (b" ",) if delimiter == b"\t" else (b" ", b"\t")
    return any(
        chunk.startswith(blank)
        or chunk.endswith(blank)
        or any(mark + blank in chunk or blank + mark in chunk for mark in (delimiter, b"\n"))
        for blank in blanks
        if blank in chunk
    )


def _without_empty_end(chunk: bytes, delimiter: bytes, streamed: Streamed) -> bytes:
    """The last chunk without rows of nothing but separators at its end, as spreadsheets have."""
    if delimiter == b" ":
        return chunk
    while True:
        stripped = chunk.rstrip(b"\n")
        start = stripped.rfind(b"\n") + 1
        line = stripped[start:]
        if not line or line.strip(delimiter + b' \t"'):
            return chunk
        chunk = chunk[:start]
        streamed.empty += 1
