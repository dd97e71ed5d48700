"""Tables in text: split at commas, tabs or semicolons, perhaps with .gz."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from damrep.autoencoder.arrays import first_odd_cell
from damrep.autoencoder.columns import HINT, Columns, Loaded
from damrep.masking.validation import InputError

__all__ = ["TEXT_ENDINGS", "TextColumns"]

TEXT_ENDINGS = (".csv", ".tsv")
_DELIMITERS = {".csv": ",\t;", ".tsv": "\t,;"}
_BLOCK_BYTES = 1 << 26  # the widest row must fit


class TextColumns(Columns):
    """Columns of a .csv or .tsv file.

    A first row that is all numbers is no header, unless it counts the columns, as a frame without
    column names is written.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file is not UTF-8 text, or holds no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, []
        ending = Path(path.name.lower().removesuffix(".gz")).suffix
        first = ""
        blank = 0
        for line in _lines(path):
            if line.strip():
                first = line
                break
            blank += 1
        if not first:
            raise InputError(f"{path}: the file holds no rows")
        wanted = _DELIMITERS[ending]
        self.delimiter = next((mark for mark in wanted if mark in first), wanted[0])
        try:
            _, cells = next(self._rows())
        except csv.Error as error:
            raise InputError(f"{path}: the first row is not readable ({error})") from None
        self.has_names = _is_header(cells)
        self.names = [cell.strip() for cell in cells]
        self._skipped = blank + 1 if self.has_names else 0
        if not self.has_names:
            self.names = [str(i + 1) for i in range(len(cells))]
            self.notes.append(
                "the first row is all numbers, so it was taken for data, not for names"
            )

    def holds_vectors(self, position: int) -> bool:
        """Never in text."""
        return False

    def load(self, taken: Sequence[int], ids: int | None, labels: int | None) -> Loaded:
        """Read numbers, names of the rows, and labels, in that order.

        Raises
        ------
        InputError
            Naming the first cell that is no finite number, or the first line of another length.
        """
        plain = [i for i in (ids, labels) if i is not None]
        keys = [str(i) for i in range(len(self.names))]
        options = {
            "read_options": pa.csv.ReadOptions(
                column_names=keys, block_size=_BLOCK_BYTES, skip_rows_after_names=self._skipped
            ),
            "parse_options": pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
        }
        # Truth values are told by their first rows; any other column has to be numbers.
        kinds: dict[str, Any] = dict.fromkeys((keys[i] for i in taken), pa.float64())
        try:
            with self._stream() as stream, pa.csv.open_csv(stream, **options) as peek:
                for i in taken:
                    if pa.types.is_boolean(peek.schema.field(keys[i]).type):
                        kinds[keys[i]] = pa.bool_()
            kinds |= dict.fromkeys((keys[i] for i in plain), pa.string())
            convert = pa.csv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), strings_can_be_null=False
            )
            with self._stream() as stream:
                table = pa.csv.read_csv(stream, convert_options=convert, **options)
        except (pa.ArrowInvalid, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
            raise InputError(self._trouble(taken, str(error))) from None
        if table.num_rows == 0:
            raise InputError(f"{self.path}: the file holds no rows below the names of its columns")
        values = np.empty((table.num_rows, len(taken)), dtype=np.float64)
        for place, i in enumerate(taken):
            column = table.column(keys[i])
            if column.null_count:
                raise InputError(self._trouble(taken, f"column {self.names[i]!r} has gaps"))
            if pa.types.is_boolean(column.type):
                column = pc.cast(column, pa.uint8())
            values[:, place] = column.to_numpy()
        if first_odd_cell(values) is not None:
            raise InputError(self._trouble(taken, "a number that is not finite"))
        names = None if ids is None else _integers(table.column(keys[ids])).to_pandas()
        classes = None if labels is None else _label_cells(table.column(keys[labels]))
        return values, names, classes

    def _stream(self) -> Any:
        if self.path.name.lower().endswith(".gz"):
            return gzip.open(self.path, "rb")
        return self.path.open("rb")

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of every row that is not blank, names included."""
        reader = csv.reader(_lines(self.path), delimiter=self.delimiter)
        for cells in reader:
            if cells and any(cell.strip() for cell in cells) or len(cells) > 1:
                yield reader.line_num, cells

    def _trouble(self, taken: Sequence[int], error: str) -> str:
        """What is wrong with the text, found by reading it once more, a row at a time."""
        width = len(self.names)
        try:
            for row, (line, cells) in enumerate(self._rows()):
                if len(cells) != width:
                    return (
                        f"{self.path}: line {line} has {len(cells)} columns; the first row has "
                        f"{width}"
                    )
                if row == 0 and self.has_names:
                    continue
                first = row == int(self.has_names)
                for i in taken:
                    said = _fault(cells[i].strip())
                    if said is not None:
                        # A column that begins as text was meant for something else.
                        advice = f"; {HINT}" if first and not _is_float(cells[i]) else ""
                        return f"{self.path}: column {self.names[i]!r}, line {line} {said}{advice}"
        except csv.Error as wrong:
            return f"{self.path}: not readable as a table ({wrong})"
        except InputError as wrong:
            return str(wrong)
        return f"{self.path}: not readable as a table ({error.splitlines()[0]})"


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file as `csv.reader` wants them."""
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as raw:
            yield from io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        odd = error.object[error.start]
        raise InputError(f"{path}: not UTF-8 text (it has the byte 0x{odd:02x})") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the first row names the columns."""
    if not all(_is_float(cell) for cell in cells):
        return True
    counted = [cell.strip() for cell in cells]
    return len(cells) > 1 and any(
        counted == [str(start + i) for i in range(len(cells))] for start in (0, 1)
    )


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _fault(cell: str) -> str | None:
    """What is wrong with a cell that should be a finite number."""
    if not cell:
        return "is empty; expected a number"
    shown = repr(cell if len(cell) <= 40 else f"{cell[:39]}…")
    if cell.lower() in ("true", "false"):
        return None
    if not _is_float(cell):
        return f"is {shown}; expected a number"
    return None if np.isfinite(float(cell)) else f"is {shown}; expected a finite number"


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as integers, if it reads the same when they are written again: "007" is not 7."""
    try:
        numbers = pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return column
    same = pc.all(pc.equal(pc.cast(numbers, pa.string()), column)).as_py()
    return numbers if same else column


def _label_cells(column: pa.ChunkedArray) -> pd.Series:
    """Labels of text: numbers as such, so that class 10 comes after class 9."""
    column = pc.utf8_trim_whitespace(column)
    known = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    try:
        return pc.cast(known, pa.int64()).to_pandas(integer_object_nulls=True).astype("Int64")
    except pa.ArrowInvalid:
        pass
    try:
        return pc.cast(known, pa.float64()).to_pandas()
    except pa.ArrowInvalid:
        return known.to_pandas().astype(object)
