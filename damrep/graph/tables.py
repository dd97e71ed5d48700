"""Text and parquet files as columns, with the line every row came from.

Text is split at commas, tabs or semicolons, .txt also at blanks: at the first of these, in the
order that suits the file's ending, that is in the first row. Lines that start with # and blank
lines are passed over; ``.gz`` is unpacked. Every cell of a text file stays text until somebody
knows what it should be: "007" is not 7.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from damrep.graph.ids import clean_ids, shown
from damrep.masking.validation import InputError
from damrep.training.input_files import TEXT_ENDINGS, file_ending

__all__ = ["TABLE_ENDINGS", "Table", "is_number", "open_table"]

TABLE_ENDINGS = (*TEXT_ENDINGS, ".parquet")
_DELIMITERS = {".csv": ",\t;", ".tsv": "\t,;", ".txt": "\t,; "}


def is_number(cell: str) -> bool:
    """Whether a cell of text reads as a number, NaN and infinity included.

    Examples
    --------
    >>> is_number("1e-3"), is_number("nan"), is_number("x1"), is_number("")
    (True, True, False, False)
    """
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Columns of a file.

    Attributes
    ----------
    path : Path
    columns : list of pyarrow.ChunkedArray
        All of one length; strings where the file is text.
    names : tuple of str, or None
        Column names; None while nobody has said that the first row is a header.
    """

    path: Path
    columns: list[pa.ChunkedArray]
    names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @property
    def is_text(self) -> bool:
        """Whether cells are still the text of the file."""
        return file_ending(self.path) in TEXT_ENDINGS

    def first_row(self) -> list[str]:
        """The cells of the first row as text."""
        return [str(column[0].as_py()) for column in self.columns]

    def with_header(self) -> Table:
        """The same table with the first row taken as column names."""
        names = tuple(self.first_row())
        return Table(self.path, [column.slice(1) for column in self.columns], names)

    def row_name(self, row: int) -> str:
        """Where a row is in the file: a line number of text, a row number of parquet."""
        if not self.is_text:
            return f"row {row + 1}"
        wanted = row + (self.names is not None)
        for number, line in enumerate(_text(self.path).split(b"\n"), start=1):
            if line.strip() and not line.startswith(b"#"):
                if wanted == 0:
                    return f"line {number}"
                wanted -= 1
        return f"row {row + 1}"

    def column_name(self, column: int) -> str:
        """A column's name, or its number counted from 1."""
        return str(column + 1) if self.names is None else shown(self.names[column])

    def ids(self, column: int) -> np.ndarray:
        """One column as node ids: int64 or strings.

        Raises
        ------
        InputError
            If an id is empty, naming its row.
        """
        values = self.columns[column]
        if pa.types.is_integer(values.type) and values.null_count == 0:
            return values.to_numpy().astype(np.int64)
        series = pd.Series(values.to_pylist(), dtype=object)
        self.require_filled(column)
        return clean_ids(series, str(self.path))

    def require_filled(self, column: int) -> None:
        """Refuse an empty cell in a column of ids."""
        values = self.columns[column]
        empty = pc.is_null(values)
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            empty = pc.or_(empty, pc.fill_null(pc.equal(values, ""), True))
        if pc.any(empty).as_py():
            row = int(pc.index(empty, True).as_py())
            raise InputError(f"{self.path}: {self.row_name(row)} has an empty node id")

    def numbers(self, column: int, what: str) -> np.ndarray:
        """One column as float64.

        Parameters
        ----------
        column : int
        what : str
            What the numbers are, for the message.

        Raises
        ------
        InputError
            If a cell is not a number, naming column, row and cell.
        """
        values = self.columns[column]
        kind = values.type
        if pa.types.is_boolean(kind):
            values = values.cast(pa.uint8())
        if values.null_count == 0:
            try:
                return pc.cast(values, pa.float64()).to_numpy()
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass
        series = values.to_pandas()
        # "+1" and other spellings that pyarrow does not know are numbers all the same.
        parsed = pd.to_numeric(series, errors="coerce")
        text = series.astype(object).map(lambda cell: "" if cell is None else str(cell).strip())
        bad = parsed.isna() & ~text.map(str.lower).isin(["nan", "-nan", "+nan"])
        bad |= series.isna() & ~bool(pa.types.is_floating(kind))
        if bad.any():
            row = int(np.argmax(bad.to_numpy()))
            got = "empty" if not text[row] or series.isna()[row] else shown(text[row])
            raise InputError(
                f"{self.path}: {what}: column {self.column_name(column)}, {self.row_name(row)} "
                f"is {got}; expected a number"
            )
        return np.asarray(parsed.to_numpy(dtype=np.float64))

    def factorised(self, first: int, second: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Two columns of ids as positions in the list of the different ids of both.

        Returns
        -------
        first, second : ndarray of int, shape (m,)
        ids : ndarray, shape (k,)
        """
        self.require_filled(first)
        self.require_filled(second)
        a, b = (_as_integers(self.columns[column]) for column in (first, second))
        if a.type != b.type:
            a, b = self.columns[first], self.columns[second]
        if pa.types.is_integer(a.type) and pa.types.is_integer(b.type):
            left, right = a.to_numpy(), b.to_numpy()
            # Hashing millions of ids takes most of the time of reading; a table of all integers
            # up to the greatest needs none.
            if min(left.min(), right.min()) >= 0:
                size = int(max(left.max(), right.max())) + 1
                if size <= max(8 * len(left), 1 << 20):
                    return _counted(left, right, size)
        if a.type != b.type:
            a, b = pc.cast(a, pa.string()), pc.cast(b, pa.string())
        both = pa.chunked_array([*a.chunks, *b.chunks], type=a.type)
        if pa.types.is_dictionary(both.type):
            both = pc.cast(both, both.type.value_type)
        encoded = both.dictionary_encode().combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], both.type)
        codes = encoded.indices.to_numpy()
        ids = clean_ids(pd.Series(encoded.dictionary.to_pandas()), str(self.path))
        return codes[: len(a)], codes[len(a) :], ids


def _as_integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of text as integers, if it reads the same when they are written again."""
    if not pa.types.is_string(column.type):
        return column
    try:
        numbers = pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return column
    same = pc.all(pc.equal(pc.cast(numbers, pa.string()), column)).as_py()
    return numbers if same else column


def _counted(
    left: np.ndarray, right: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    present = np.zeros(size, dtype=bool)
    present[left] = True
    present[right] = True
    ids = np.flatnonzero(present).astype(np.int64)
    place = np.cumsum(present, dtype=np.int64) - 1
    return place[left], place[right], ids


def open_table(path: Path, *, index_first: bool = False) -> Table:
    """Read a text or parquet table without deciding what its columns mean.

    Parameters
    ----------
    path : Path
        Ending in .csv, .tsv, .txt (perhaps .gz) or .parquet.
    index_first : bool
        Whether the index that pandas stored in a parquet file is the first column (a table of
        nodes) or left out (a table of edges).

    Returns
    -------
    Table
        With names only if it is parquet.

    Raises
    ------
    InputError
        If the file is empty, corrupt, not UTF-8, or its rows differ in length.
    """
    if file_ending(path) == ".parquet":
        return _open_parquet(path, index_first)
    data = _text(path)
    if b"#" in data:
        data = re.sub(rb"(?m)^#.*\n?", b"", data)
    first = next((line for line in io.BytesIO(data) if line.strip()), None)
    if first is None:
        raise InputError(f"{path}: the file holds no rows")
    wanted = _DELIMITERS[file_ending(path)]
    stripped = first.strip(b" \r\n").decode("utf-8", errors="replace")
    delimiter = next((mark for mark in wanted if mark in stripped), wanted[0])
    if delimiter == " ":
        data = re.sub(rb"[ \t]+", b" ", data)
        data = re.sub(rb"(?m)^ | (?=$)", b"", data)
        stripped = " ".join(stripped.split())
    try:
        width = len(next(csv.reader([stripped], delimiter=delimiter)))
    except csv.Error as error:
        raise InputError(f"{path}: the first row is not readable ({error})") from None
    names = [str(i) for i in range(width)]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            # One row of a wide feature table must fit a block.
            read_options=pa.csv.ReadOptions(column_names=names, block_size=1 << 26),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputError(_csv_trouble(path, data, delimiter, width, str(error))) from None
    columns = list(table.columns)
    if delimiter != " " and (b" " in data or b"\t" in data):
        columns = [pc.utf8_trim_whitespace(column) for column in columns]
    return Table(path, columns, None)


def _open_parquet(path: Path, index_first: bool) -> Table:
    try:
        table = pa.parquet.ParquetFile(path).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path}: not a readable parquet file ({reason})") from None
    if table.num_columns == 0 or table.num_rows == 0:
        raise InputError(f"{path}: the file holds no rows")
    for name in table.column_names:
        kind = table.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind):
            raise InputError(f"{path}: column {name!r} is of type {kind}; expected plain values")
    names = list(table.column_names)
    for index in [name for name in _pandas_index(table) if name in names]:
        names.remove(index)
        if index_first:
            names.insert(0, index)
    return Table(path, [table.column(name) for name in names], tuple(names))


def _pandas_index(table: pa.Table) -> list[str]:
    """Columns that were the index of the DataFrame the file was written from."""
    metadata = (table.schema.metadata or {}).get(b"pandas")
    if metadata is None:
        return []
    try:
        columns = json.loads(metadata)["index_columns"]
    except (ValueError, KeyError, TypeError):
        return []
    return [column for column in columns if isinstance(column, str)]


def _text(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.removeprefix(b"\xef\xbb\xbf")


def _csv_trouble(path: Path, data: bytes, delimiter: str, width: int, error: str) -> str:
    """The message for text that does not parse: the first line that is not like the first."""
    try:
        _text(path).decode("utf-8")
    except UnicodeDecodeError as wrong:
        return f"{path}: not UTF-8 text (byte {wrong.start} is 0x{wrong.object[wrong.start]:02x})"
    table = Table(path, [], None)
    rows = (line for line in io.StringIO(data.decode("utf-8")) if line.strip())
    try:
        for number, cells in enumerate(csv.reader(rows, delimiter=delimiter)):
            if len(cells) != width:
                return (
                    f"{path}: {table.row_name(number)} has {len(cells)} columns; the first row "
                    f"has {width}"
                )
    except csv.Error:
        pass
    return f"{path}: not readable as a table ({error.splitlines()[0]})"
