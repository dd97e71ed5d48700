"""Files that hold a table of numbers, read with errors that say which cell is wrong.

Text, parquet, Arrow and JSON lines have named columns, .npy and .npz hold arrays. Nothing in a file
is ever executed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from damrep.autoencoder.arrays import array_names, read_npy, read_npz
from damrep.masking.validation import InputError
from damrep.reading import tables
from damrep.reading.arrays import ARRAY_ENDINGS
from damrep.reading.cells import as_labels, as_numbers, is_gap
from damrep.reading.dialect import Dialect, is_number
from damrep.reading.files import TABLE_ENDINGS as COLUMN_ENDINGS
from damrep.reading.files import require_file, stem
from damrep.reading.headers import (
    counts_columns,
    decide_header,
    words_above_numbers,
)
from damrep.reading.ids import require_unique, shown
from damrep.reading.names import is_id_name, plain_name
from damrep.reading.opening import open_table

__all__ = ["TABLE_ENDINGS", "Table", "column_names", "read_table"]

TABLE_ENDINGS = (*COLUMN_ENDINGS, *ARRAY_ENDINGS)
_HINT = "take such a column with --labels or --id, or name the columns of numbers with --columns"


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table of finite numbers and what names its rows.

    Attributes
    ----------
    name : str
        The file's name without its endings.
    values : ndarray, csr_array or memmap, shape (n, d)
        float32 or float64.
    columns : tuple of str, or None
        The columns it was read from, as `read_table` takes them: of plain numbers one for each
        column of `values`, of vectors the one that held them. None where nothing has a name.
    row_ids : ndarray of int64 or of str objects, shape (n,), or None
        Each comes once.
    id_column : str or None
        Where they were read.
    labels : ndarray of int64, shape (n,), or None
        Class numbers, -1 where the class is unknown.
    label_names : tuple of str, or None
        Of the classes.
    notes : tuple of str
        What the reader decided without being told.
    """

    name: str
    values: Any
    columns: tuple[str, ...] | None = None
    row_ids: np.ndarray | None = None
    id_column: str | None = None
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def described(self) -> str:
        """Numbers of rows and columns, and what names and classes them, in words."""
        rows, columns = self.values.shape
        parts = [f"{rows:,} rows of {columns:,} columns"]
        if self.id_column:
            parts.append(f"names in {shown(self.id_column)}")
        if self.label_names is not None:
            parts.append(f"{len(self.label_names)} classes")
        return ", ".join(parts)


def read_table(
    path: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    columns: Sequence[str] | None = None,
    dialect: Dialect | None = None,
) -> Table:
    """Read a table of numbers from a file.

    Parameters
    ----------
    path
        - .csv, .tsv, .txt, .dat, .data, perhaps packed, or "-" for standard input: a row of column
          names, which may be missing, then one row a line.
        - .parquet, .feather, .arrow, .jsonl: columns of plain numbers, or one column of vectors
          (lists of equal length).
        - .npy: a 2-D array, opened memory-mapped.
        - .npz: one 2-D array, or a matrix written by `scipy.sparse.save_npz`. The names of the
          arrays stand for column names.
    id_column
        Column that names the rows. If not given, the index of a pandas frame, a first column called
        "id", "name", "index" or nothing at all, or a column whose cells all differ and whose name
        ends in "id", or which is the first and holds words.
    label_column
        Column with the class of each row; an empty cell is an unknown class.
    columns
        Columns of numbers to take, or the one column of vectors; all others if not given.
    dialect
        What is known of how a text file is written.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read as a table of finite numbers, naming file, column and row.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "iris.csv"
    >>> _ = path.write_text("id,length,width,kind\\na,5.1,3.5,setosa\\nb,6.2,2.9,virginica\\n")
    >>> table = read_table(path, label_column="kind")
    >>> table.values.tolist(), table.columns, table.row_ids.tolist(), table.label_names
    ([[5.1, 3.5], [6.2, 2.9]], ('length', 'width'), ['a', 'b'], ('setosa', 'virginica'))
    """
    path = Path(path)
    dialect = dialect or Dialect()
    ending = require_file(path, TABLE_ENDINGS, "a table", as_text=bool(dialect.separator))
    name = stem(path, "table")
    if ending == ".npy":
        given = {"--id": id_column, "--labels": label_column, "--columns": columns}
        for option, value in given.items():
            if value is not None:
                raise InputError(f"{path}: an .npy file has no named columns for {option} to name")
        return Table(name, read_npy(path))
    if ending == ".npz":
        values, key, ids, labels = read_npz(path, id_column, label_column, columns)
        codes, classes = _classes(labels, path, label_column)
        if ids is not None:
            _require_unique(ids, path, shown(id_column))
        return Table(name, values, None if key is None else (key,), ids, id_column, codes, classes)
    return _from_columns(name, _open(path, dialect), id_column, label_column, columns)


def column_names(
    path: str | os.PathLike[str], dialect: Dialect | None = None
) -> tuple[str, ...] | None:
    """Names of a file's columns, or of the arrays of an .npz file; None where it has none.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    dialect = dialect or Dialect()
    ending = require_file(path, TABLE_ENDINGS, "a table", as_text=bool(dialect.separator))
    if ending == ".npy":
        return None
    if ending == ".npz":
        return array_names(path)
    return _open(path, dialect).names


def _open(path: Path, dialect: Dialect) -> tables.Table:
    table = open_table(path, dialect)
    rows, undecided = table.rows, table.names is None and dialect.header is None
    decide_header(table, _is_header(rows, table.decimal))
    if undecided and table.names is None:
        table.notes.append("the first row holds numbers, so it was taken for data, not for names")
    return table


def _is_header(rows: list[list[str]], decimal: str) -> bool:
    """Whether the first row names the columns."""
    if not rows:
        return False
    numbers = [cell for cell in rows[0] if is_number(cell, decimal)]
    if not numbers or words_above_numbers(rows, decimal) or counts_columns(rows[0]):
        return True
    if len(numbers) == len(rows[0]):
        return False
    # "city,2019,2020": words beside numbers that count something.
    counted = all(cell.isdecimal() for cell in numbers) and len(numbers) > 1
    rising = [int(cell) for cell in numbers] if counted else []
    return is_id_name(rows[0][0]) or counted and rising == sorted(set(rising))


def _from_columns(
    name: str,
    source: tables.Table,
    id_column: str | None,
    label_column: str | None,
    columns: Sequence[str] | None,
) -> Table:
    where, notes = source.where, list(source.notes)
    names = source.names or tuple(str(i + 1) for i in range(source.width))
    label = None if label_column is None else source.position(label_column, "--labels")
    chosen = None if columns is None else [source.position(c, "--columns") for c in columns]
    if chosen is not None and len(set(chosen)) < len(chosen):
        raise InputError(f"{where}: --columns names a column twice")
    identity: int | None
    if id_column is not None:
        identity = source.position(id_column, "--id")
    else:
        identity = _guessed_ids(source, label, chosen)
        if identity is not None and names[identity] and source.index is None:
            notes.append(f"column {shown(names[identity])} was taken for the names of the rows")
    for option, position in (("--id", identity), ("--labels", label)):
        if position is not None and position in (chosen or ()):
            raise InputError(
                f"{where}: column {shown(names[position])} is named by {option} and --columns"
            )
    if identity is not None and identity == label:
        raise InputError(f"{where}: column {shown(names[identity])} is named by --id and --labels")
    taken = chosen
    if taken is None:
        taken = [i for i in range(source.width) if i not in (identity, label)]
        vectors = [i for i in taken if source.holds_vectors(i)]
        if len(vectors) == 1 and len(taken) > 1:
            others = len(taken) - 1
            what = "1 other column was" if others == 1 else f"{others} other columns were"
            notes.append(f"the vectors are in {shown(names[vectors[0]])}; {what} left out")
            taken = vectors
    if not taken:
        raise InputError(f"{where}: no column of numbers is left")
    values = _numbers(source, taken)
    notes += _counting_note(names, taken, values)
    ids = None if identity is None else source.ids(identity, "name")
    id_name = None if identity is None else names[identity]
    if ids is not None:
        _require_unique(ids, where, shown(id_name))
    labels = None if label is None else _label_cells(source, label)
    codes, classes = _classes(labels, where, label_column)
    named = None if source.names is None else tuple(names[i] for i in taken)
    return Table(name, values, named, ids, id_name, codes, classes, tuple(notes))


def _numbers(source: tables.Table, taken: Sequence[int]) -> np.ndarray:
    vectors = [i for i in taken if source.holds_vectors(i)]
    if not vectors:
        try:
            return source.numbers(taken)
        except InputError as error:
            # A column of something else than numbers was meant for something else.
            raise InputError(f"{error}; {_HINT}" if " is '" in str(error) else str(error)) from None
    if len(taken) > 1:
        listed = ", ".join(source.column_name(i) for i in vectors[:4])
        raise InputError(
            f"{source.where}: several columns and vectors among them ({listed}); name one column "
            "of vectors with --columns"
        )
    return source.vectors(taken[0])


def _label_cells(source: tables.Table, position: int) -> np.ndarray:
    (column,) = source.columns([position])
    if source.holds_vectors(position):
        raise InputError(
            f"{source.where}: column {source.column_name(position)} for --labels holds vectors; "
            "expected plain values"
        )
    return as_labels(column)


def _guessed_ids(source: tables.Table, label: int | None, chosen: list[int] | None) -> int | None:
    """The column that by custom names the rows, unless it was asked for as something else."""
    taken = {label, *(chosen or ())}
    if source.width == 1:
        return None
    if source.index is not None or (source.names and is_id_name(source.names[0])):
        position = source.index or 0
        return None if position in taken else position
    for position in range(source.width):
        called = source.names is not None and plain_name(source.names[position]).endswith("id")
        if position in taken or source.holds_vectors(position) or not (called or position == 0):
            continue
        (column,) = source.columns([position])
        numbers = column.type if not source.is_text else None
        whole = numbers is None or pa.types.is_integer(numbers) or pa.types.is_string(numbers)
        if whole and not is_gap(column).any() and len(column.unique()) == len(column) > 1:
            if called or as_numbers(column, source.decimal)[1].all():
                return position
    return None


def _counting_note(names: Sequence[str], taken: Sequence[int], values: np.ndarray) -> list[str]:
    """A note where a column of numbers only counts the rows."""
    if len(values) < 3 or values.shape[1] != len(taken):
        return []
    for place, position in enumerate(taken):
        if (np.diff(values[:3, place]) == 1).all() and (np.diff(values[:, place]) == 1).all():
            name = shown(names[position])
            return [f"column {name} counts the rows and was used as numbers; --id {name} names it"]
    return []


def _require_unique(ids: np.ndarray, where: Any, column: str) -> None:
    hint = "name another as --id, or the columns of numbers with --columns"
    require_unique(ids, f"{where}: column {column} of row names", "name", hint)


def _classes(
    cells: np.ndarray | None, path: Any, column: str | None
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Labels as numbers of classes and their names; numbers are sorted as numbers."""
    if cells is None:
        return None, None
    where = f"{path}: column {shown(column)} of labels"
    values = pd.Series(cells).infer_objects()
    if pd.api.types.is_float_dtype(values.dtype):
        known = values.dropna().to_numpy(dtype=np.float64)
        if not (np.isfinite(known) & (known == np.floor(known))).all():
            odd = known[~(np.isfinite(known) & (known == np.floor(known)))][0]
            raise InputError(
                f"{where} holds {odd:g}; expected class numbers or names (a number to predict is "
                "no class)"
            )
        values = values.astype("Int64")
    elif not pd.api.types.is_integer_dtype(values.dtype):
        text = values.astype(object).where(values.notna(), "").map(str).str.strip()
        values = text.where(text != "", None).astype(object)
    codes, found = pd.factorize(values, sort=True)
    if len(found) == 0:
        raise InputError(f"{where}: every cell is empty")
    return codes.astype(np.int64), tuple(str(name) for name in found)
