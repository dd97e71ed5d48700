"""Columns of a text file."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.files import reason
from damrep.reading.layout import BLOCK_BYTES, Layout, Streamed
from damrep.reading.layout_finding import find_layout
from damrep.reading.tables import Table
from damrep.reading.written_numbers import is_number

__all__ = ["TextTable"]


class TextTable(Table):
    """Columns of a text file.

    Parameters
    ----------
    path : Path
    dialect : Dialect
        What is known of how it is written.
    at_least : int
        Columns it should have.

    Raises
    ------
    InputError
        If it is no text of the encoding, or holds no rows.
    """

    is_text = True

    def __init__(self, path: Path, dialect: Dialect, at_least: int = 1) -> None:
        self._layout = find_layout(path, dialect, at_least=at_least)
        self.where, self.names = str(path), None
        self.rows, self.marks = self._layout.rows, self._layout.marks
        self.width = len(self.rows[0])
        self.notes = list(self._layout.notes)
        self.header = dialect.header
        self._texts: dict[int, pa.ChunkedArray] = {}
        if self.header:
            self.take_header()

    def take_header(self) -> None:
        """Take the first row for the names of the columns."""
        self.names = tuple(" ".join(cell.lstrip("#").split()) for cell in self.rows[0])
        self.rows = self.rows[1:]
        self._texts = {i: column.slice(1) for i, column in self._texts.items()}

    def columns(self, positions: Sequence[int]) -> list[pa.ChunkedArray]:
        """Some columns as strings, without blanks around them."""
        wanted = [i for i in positions if i not in self._texts]
        if wanted:
            read, streamed = self._parsed(dict.fromkeys(wanted, pa.string()))
            for i in wanted:
                column = read.column(str(i))
                if streamed.padded:
                    column = pc.utf8_trim_whitespace(column)
                if streamed.quotes and not self._layout.quoted:
                    column = _unquoted(column)
                self._texts[i] = column
        return [self._texts[i] for i in positions]

    def numbers(
        self, positions: Sequence[int], *, what: str = "", gaps: bool = False, finite: bool = True
    ) -> np.ndarray:
        """Some columns as numbers; see `Table.numbers`."""
        # Straight to numbers where every cell is one: text takes ten times the memory.
        if not set(positions) <= set(self._texts):
            try:
                read, _ = self._parsed(dict.fromkeys(positions, pa.float64()), strict=False)
            except pa.ArrowInvalid:
                read = None
            if read is not None and (gaps or not any(c.null_count for c in read.columns)):
                values = np.empty((read.num_rows, len(positions)), dtype=np.float64)
                for place, i in enumerate(positions):
                    values[:, place] = read.column(str(i)).to_numpy()
                odd = np.isinf(values) if gaps else ~np.isfinite(values)
                if not finite or not odd.any():
                    return values
        return super().numbers(positions, what=what, gaps=gaps, finite=finite)

    def row_name(self, row: int) -> str:
        """The line of a row."""
        wanted = row + (self.names is not None)
        reader, ends = self._reader()
        with contextlib.suppress(csv.Error):  # a cell of more than 128 kB
            for place, _ in enumerate(reader):
                if place == wanted:
                    return f"line {ends[reader.line_num - 1]}"
        return f"row {row + 1}"

    def _reader(self) -> tuple[Any, list[int]]:
        """The rows one by one, and the line of the file that each line read so far is."""
        numbers: list[int] = []

        def lines() -> Iterator[str]:
            for number, line in self._layout.lines():
                numbers.append(number)
                yield line + "\n"

        return self._layout.reader(lines()), numbers

    def _parsed(
        self, kinds: dict[int, pa.DataType], *, strict: bool = True
    ) -> tuple[pa.Table, Streamed]:
        """Some columns of a type each, and what was in the text."""
        if self.names is not None and not self.rows:
            raise InputError(f"{self.where}: a header and no rows")
        table, streamed, wrong = None, Streamed(), ""
        try:
            table = self._read(kinds, self._layout, streamed)
            one_a_line = table.num_rows + (self.names is not None) == streamed.lines
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            wrong = str(error)
            one_a_line = "CSV parse error" not in wrong
        if streamed.quotes and not one_a_line and self._layout.quoted and self.width > 1:
            # Where every line has the cells of a row by itself, a quotation mark is a letter: else
            # one that begins a title would swallow lines up to the next.
            layout, again = dataclasses.replace(self._layout, quoted=False), Streamed()
            try:
                table = self._read(kinds, layout, again)
                self._layout, streamed = layout, again
            except (pa.ArrowInvalid, UnicodeDecodeError):
                pass
        if table is None:
            if not strict:
                raise pa.ArrowInvalid(wrong)
            raise InputError(self._trouble(wrong))
        self._note(streamed)
        if table.num_rows == 0:
            raise InputError(f"{self.where}: a header and no rows")
        return table, streamed

    def _read(self, kinds: dict[int, pa.DataType], layout: Layout, streamed: Streamed) -> pa.Table:
        import pyarrow.csv

        keys = [str(i) for i in range(self.width + layout.spare)]
        types = {str(i): kind for i, kind in kinds.items()}
        types |= dict.fromkeys(keys[self.width :], pa.string())
        table = pyarrow.csv.read_csv(
            layout.source(streamed),
            read_options=pyarrow.csv.ReadOptions(
                column_names=keys,
                block_size=BLOCK_BYTES,
                skip_rows_after_names=int(self.names is not None),
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter,
                newlines_in_values=layout.quoted,
                quote_char='"' if layout.quoted else False,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                strings_can_be_null=False,
                null_values=[""],
                decimal_point=self.marks.decimal,
            ),
        )
        for key in keys[self.width :]:
            filled = pc.not_equal(pc.utf8_trim_whitespace(table.column(key)), "")
            if pc.any(filled).as_py():
                row = int(pc.index(filled, True).as_py())
                raise InputError(
                    f"{self.where}: {self.row_name(row)} has {int(key) + 1} cells; the first rows "
                    f"have {self.width}"
                )
        return table

    def _note(self, streamed: Streamed) -> None:
        for count, what, done in (
            (streamed.comments, "line", "passed over as comments"),
            (streamed.empty, "row", "left out at the end, as nothing is in them"),
        ):
            if count and not any(done in note for note in self.notes):
                several = f"{what} was" if count == 1 else f"{what}s were"
                self.notes.append(f"{count:,} {several} {done}")

    def _trouble(self, error: str) -> str:
        """What is wrong with the text, found by reading it once more, a row at a time."""
        reader, numbers = self._reader()
        width = self.width + self._layout.spare
        try:
            for place, row in enumerate(reader):
                if place and row and len(row) != width:
                    hint = ""
                    if row[0].startswith(("#", "%", "//")):
                        hint = "; comment= says how a comment starts"
                    elif len(row) > width and all(map(is_number, row)):
                        hint = "; if the comma is a decimal one, name it as the decimal mark"
                    return (
                        f"{self.where}: line {numbers[reader.line_num - 1]} has {len(row)} "
                        f"columns; the first row has {width}{hint}"
                    )
        except csv.Error as wrong:
            return f"{self.where}: not readable as a table ({reason(wrong)})"
        except InputError as wrong:
            return str(wrong)
        return f"{self.where}: not readable as a table ({error.splitlines()[0]})"


def _unquoted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells without quotation marks around all of them, as `Layout.cell` has them."""
    around = pc.match_substring_regex(column, r'\A".*"\z')
    inner = pc.replace_substring(pc.utf8_slice_codeunits(column, 1, -1), '""', '"')
    return pc.if_else(around, pc.utf8_trim_whitespace(inner), column)
