"""Tables in parquet: columns of plain numbers, or one column of vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from damrep.autoencoder.arrays import first_odd_cell
from damrep.autoencoder.columns import HINT, Columns, Loaded
from damrep.masking.validation import InputError

__all__ = ["ParquetColumns"]


class ParquetColumns(Columns):
    """Columns of a parquet file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file is damaged or holds no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, []
        try:
            self._file = pa.parquet.ParquetFile(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(self._damaged(error)) from None
        self._schema = self._file.schema_arrow
        self.names = list(self._schema.names)
        if not self.names or self._file.metadata.num_rows == 0:
            raise InputError(f"{path}: the file holds no rows")
        if len(set(self.names)) < len(self.names):
            again = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"{path}: two columns are called {again!r}")
        kept = [name for name in _pandas_index(self._schema) if name in self.names]
        self.index = self.names.index(kept[0]) if kept else None

    def holds_vectors(self, position: int) -> bool:
        """Whether each cell of a column is a list of numbers."""
        kind = self._schema.field(position).type
        return _is_list(kind) and _is_number(kind.value_type)

    def load(self, taken: Sequence[int], ids: int | None, labels: int | None) -> Loaded:
        """Read numbers, names of the rows, and labels, in that order.

        Raises
        ------
        InputError
            Naming the first cell that is no finite number, or the first row of another length.
        """
        vectors = [i for i in taken if _is_list(self._schema.field(i).type)]
        if vectors and len(taken) > 1:
            listed = ", ".join(repr(self.names[i]) for i in vectors[:4])
            raise InputError(
                f"{self.path}: several columns and vectors among them ({listed}); name one column "
                "of vectors with --columns"
            )
        for i in taken:
            kind = self._schema.field(i).type
            if not (_is_number(kind) or self.holds_vectors(i)):
                raise InputError(
                    f"{self.path}: column {self.names[i]!r} is of type {kind}; expected numbers; "
                    f"{HINT}"
                )
        for option, position in (("--id", ids), ("--labels", labels)):
            if position is not None and pa.types.is_nested(self._schema.field(position).type):
                raise InputError(
                    f"{self.path}: column {self.names[position]!r} for {option} is of type "
                    f"{self._schema.field(position).type}; expected plain values"
                )
        wanted = [i for i in (*taken, ids, labels) if i is not None]
        try:
            table = self._file.read(columns=[self.names[i] for i in wanted])
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(self._damaged(error)) from None
        columns = {i: table.column(self.names[i]) for i in wanted}
        values = (
            self._vectors(columns[vectors[0]], self.names[vectors[0]])
            if vectors
            else self._numbers({i: columns[i] for i in taken})
        )
        cell = first_odd_cell(values)
        if cell is not None:
            name = self.names[vectors[0] if vectors else taken[cell[1]]]
            raise InputError(
                f"{self.path}: column {name!r}, row {cell[0] + 1} "
                f"{'holds' if vectors else 'is'} {values[cell]:g}; expected finite numbers"
            )
        names = None if ids is None else _plain_cells(columns[ids])
        classes = None if labels is None else _plain_cells(columns[labels])
        return values, names, classes

    def _numbers(self, columns: dict[int, pa.ChunkedArray]) -> np.ndarray:
        narrow = all(_fits_float32(column.type) for column in columns.values())
        length = len(next(iter(columns.values())))
        values = np.empty((length, len(columns)), dtype=np.float32 if narrow else np.float64)
        for place, (i, column) in enumerate(columns.items()):
            if column.null_count:
                row = int(pc.index(pc.is_null(column), True).as_py())
                raise InputError(
                    f"{self.path}: column {self.names[i]!r}, row {row + 1} is empty; "
                    "expected a number"
                )
            values[:, place] = _floats(column, narrow).to_numpy()
        return values

    def _vectors(self, column: pa.ChunkedArray, name: str) -> np.ndarray:
        where = f"{self.path}: column {name!r}"
        if column.null_count:
            row = int(pc.index(pc.is_null(column), True).as_py())
            raise InputError(f"{where}, row {row + 1} is empty; expected a vector")
        lengths = pc.list_value_length(column).to_numpy()
        width = int(lengths[0])
        if (lengths != width).any():
            row = int(np.argmax(lengths != width))
            raise InputError(
                f"{where}, row {row + 1} holds {lengths[row]} numbers, the first row {width}; "
                "expected vectors of one length"
            )
        if width == 0:
            raise InputError(f"{where} holds vectors without numbers")
        narrow = _fits_float32(column.type.value_type)
        values = np.empty((len(column), width), dtype=np.float32 if narrow else np.float64)
        start = 0
        for chunk in column.chunks:
            flat = chunk.flatten()
            if flat.null_count:
                row = start + int(pc.index(pc.is_null(flat), True).as_py()) // width
                raise InputError(f"{where}, row {row + 1} has a gap in its vector")
            numbers = _floats(flat, narrow).to_numpy(zero_copy_only=False)
            values[start : start + len(chunk)] = numbers.reshape(-1, width)
            start += len(chunk)
        return values

    def _damaged(self, error: BaseException) -> str:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return f"{self.path}: not a readable parquet file ({reason})"


def _plain_cells(column: pa.ChunkedArray) -> pd.Series:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
    if pa.types.is_integer(column.type):
        return column.to_pandas(integer_object_nulls=True).astype("Int64")
    if pa.types.is_floating(column.type):
        return column.to_pandas()
    return column.to_pandas().astype(object)


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def _fits_float32(kind: pa.DataType) -> bool:
    """Whether float32 holds every value of a type exactly."""
    if pa.types.is_floating(kind):
        return bool(kind.bit_width <= 32)
    return bool(pa.types.is_boolean(kind) or (pa.types.is_integer(kind) and kind.bit_width <= 16))


def _floats(values: Any, narrow: bool) -> Any:
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.uint8())
    return pc.cast(values, pa.float32() if narrow else pa.float64(), safe=False)


def _pandas_index(schema: pa.Schema) -> list[str]:
    """Columns that were the index of the DataFrame the file was written from."""
    metadata = (schema.metadata or {}).get(b"pandas")
    try:
        columns = json.loads(metadata or b"{}")["index_columns"]
    except (ValueError, KeyError, TypeError):
        return []
    return [column for column in columns if isinstance(column, str)]
