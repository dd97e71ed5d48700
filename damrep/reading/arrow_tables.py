"""Columns of parquet, Arrow (feather) and JSON-lines files, whose columns have names and types."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading import cells
from damrep.reading.files import native_bytes, open_bytes, reason
from damrep.reading.ids import shown
from damrep.reading.tables import Table

__all__ = ["ArrowTable", "open_arrow"]

ReadColumns = Callable[[Sequence[str]], pa.Table]


class ArrowTable(Table):
    """Columns of an Arrow table, or of a parquet file, which are read when asked for.

    Parameters
    ----------
    where : str
    schema : pyarrow.Schema
    read : callable
        Gives a pyarrow.Table of some columns by name.
    num_rows : int

    Raises
    ------
    InputError
        If it holds no rows, or two columns of one name.
    """

    def __init__(self, where: str, schema: pa.Schema, read: ReadColumns, num_rows: int) -> None:
        self.where, self.rows, self.notes = where, [], []
        self._schema, self._read, self._num_rows = schema, read, num_rows
        self.names = tuple(schema.names)
        self.width = len(self.names)
        self._held: dict[int, pa.ChunkedArray] = {}
        if not self.names or num_rows == 0:
            raise InputError(f"{where}: it holds no rows")
        if len(set(self.names)) < self.width:
            again = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"{where}: two columns are called {shown(again)}")
        kept = [name for name in _pandas_index(schema) if name in self.names]
        self.index = self.names.index(kept[0]) if kept else None

    def columns(self, positions: Sequence[int]) -> list[pa.ChunkedArray]:
        """Some columns as they are, decoded where they are dictionaries."""
        assert self.names is not None
        wanted = [i for i in positions if i not in self._held]
        if wanted:
            try:
                table = self._read([self.names[i] for i in wanted])
                table.validate(full=True)  # strings that are not UTF-8, offsets out of bounds
                if table.num_rows != self._num_rows:
                    raise ValueError(f"{table.num_rows} of {self._num_rows} rows are there")
                for i in wanted:
                    self._held[i] = _plain(table.column(self.names[i]))
            except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
                raise InputError(f"{self.where}: cannot be read ({reason(error)})") from None
        return [self._held[i] for i in positions]

    def holds_vectors(self, position: int) -> bool:
        """Whether each cell of a column is a list of numbers."""
        kind = self._schema.field(position).type
        return cells.is_list(kind) and cells.is_numeric(kind.value_type)

    def row_name(self, row: int) -> str:
        """The number of a row, counted from 1."""
        return f"row {row + 1}"


def open_arrow(path: Path, ending: str) -> ArrowTable:
    """Open a file whose columns have names and types.

    Parameters
    ----------
    path
    ending
        ".parquet", ".feather", ".arrow" or ".jsonl".

    Returns
    -------
    ArrowTable
        Parquet is read a column at a time.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    where = str(path)
    try:
        if ending == ".parquet":
            import pyarrow.parquet

            file = pyarrow.parquet.ParquetFile(path)

            def columns(names: Sequence[str]) -> pa.Table:
                return file.read(columns=list(names))

            return ArrowTable(where, file.schema_arrow, columns, file.metadata.num_rows)
        table = _json_lines(path) if ending == ".jsonl" else _ipc(path)
        return ArrowTable(where, table.schema, table.select, table.num_rows)
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError) as error:
        what = {".jsonl": "JSON-lines", ".parquet": "parquet"}.get(ending, "Arrow")
        raise InputError(f"{path}: not a readable {what} file ({reason(error)})") from None


def _json_lines(path: Path) -> pa.Table:
    import pyarrow.json

    with open_bytes(path) as stream:
        return pyarrow.json.read_json(native_bytes([stream.read()]))


def _ipc(path: Path) -> pa.Table:
    import pyarrow.ipc

    # All of it: from a stream, pyarrow takes the memory that a damaged length promises.
    content = path.read_bytes()
    if content.startswith(b"FEA1"):  # its reader in pyarrow ends the process on damaged files
        raise InputError(
            f"{path}: the first version of feather, of before 2020; write it anew with "
            "pyarrow.feather.write_feather"
        )
    held = native_bytes([content])
    if content.startswith(b"ARROW1"):
        return pyarrow.ipc.open_file(held).read_all()
    return pyarrow.ipc.open_stream(held).read_all()


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without a dictionary, with text and UUIDs as strings of the usual type."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if isinstance(column.type, getattr(pa, "UuidType", ())):  # since pyarrow 18
        names = [None if cell is None else str(cell) for cell in column.to_pylist()]
        return pa.chunked_array([pa.array(names, pa.string())])
    if isinstance(column.type, pa.BaseExtensionType):
        column = pc.cast(column, column.type.storage_type)
    if _is_text(column.type) and not pa.types.is_string(column.type):
        column = pc.cast(column, pa.string())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        with contextlib.suppress(pa.ArrowInvalid):  # text that was not said to be text
            column = pc.cast(column, pa.string())
    return column


def _pandas_index(schema: pa.Schema) -> list[str]:
    """Columns that were the index of the pandas frame a file was written from."""
    metadata = (schema.metadata or {}).get(b"pandas")
    try:
        columns = json.loads(metadata or b"{}")["index_columns"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    if not isinstance(columns, list):
        return []
    return [column for column in columns if isinstance(column, str)]
