"""Files that hold a table of numbers, read with errors that say which cell is wrong.

Text, parquet, Arrow and JSON lines have named columns, .npy and .npz hold arrays. Nothing in a file
is ever executed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from damrep.autoencoder.arrays import array_names, read_npy, read_npz
from damrep.autoencoder.column_kinds import counting_note, read_numbers
from damrep.autoencoder.column_roles import ColumnRoles, column_roles, is_fitted
from damrep.masking.validation import InputError
from damrep.reading import tables
from damrep.reading.arrays import ARRAY_ENDINGS
from damrep.reading.cells import as_labels
from damrep.reading.dialect import Dialect
from damrep.reading.files import TABLE_ENDINGS as COLUMN_ENDINGS
from damrep.reading.files import require_file, stem
from damrep.reading.headers import (
    counts_columns,
    decide_header,
    words_above_numbers,
)
from damrep.reading.ids import infer_integers, require_unique, shown
from damrep.reading.in_memory import array_table
from damrep.reading.names import is_id_name
from damrep.reading.opening import open_table
from damrep.reading.totals import last_is_total
from damrep.reading.written_numbers import NumberMarks, is_number

if TYPE_CHECKING:
    from damrep.autoencoder.preparing import TablePreparation

__all__ = ["TABLE_ENDINGS", "Table", "column_names", "read_table"]

TABLE_ENDINGS = (*COLUMN_ENDINGS, *ARRAY_ENDINGS)


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
        What the reader decided without being told, and what was done to which columns.
    preparation : TablePreparation, or None
        What filled the gaps and encoded the columns, which `values` are no more.
    """

    name: str
    values: Any
    columns: tuple[str, ...] | None = None
    row_ids: np.ndarray | None = None
    id_column: str | None = None
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    preparation: TablePreparation | None = None

    @property
    def features(self) -> tuple[str, ...] | None:
        """What the columns of `values` are called: "age", "city_Oslo", "city_Rome", ..."""
        if self.preparation is None:
            return self.columns
        return tuple(self.preparation.get_feature_names_out())

    def described(self) -> str:
        """Numbers of rows and columns, and what names and classes them, in words."""
        rows, columns = self.values.shape
        read = columns if self.preparation is None else self.preparation.n_features_in_
        parts = [f"{rows:,} rows of {read:,} columns"]
        if read != columns:
            parts.append(f"{columns:,} once encoded")
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
    drop: Sequence[str] = (),
    preparation: TablePreparation | None = None,
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
        Columns of numbers to take, or the one column of vectors; all others if not given. For a
        fitted preparation they stand for those of its fit, in that order.
    drop
        Columns to leave out.
    preparation
        Fills gaps and encodes words and dates, which are refused otherwise. One that is not fitted
        yet learns from this table; one that is takes the columns of its fit by their names.
    dialect
        What is known of how a text file is written.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read, or prepared, as a table of finite numbers, naming file, column
        and row.

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
    if ending in ARRAY_ENDINGS:
        return _from_arrays(path, ending, id_column, label_column, columns, drop, preparation)
    name, source = stem(path, "table"), _open(path, dialect)
    roles = column_roles(source, id_column, label_column, columns, drop, preparation)
    return _from_columns(name, source, roles, label_column, preparation)


def _from_arrays(
    path: Path,
    ending: str,
    id_column: str | None,
    label_column: str | None,
    columns: Sequence[str] | None,
    drop: Sequence[str],
    preparation: TablePreparation | None,
) -> Table:
    key = ids = labels = None
    if ending == ".npy":
        given = {"--id": id_column, "--labels": label_column, "--columns": columns}
        for option, value in {**given, "--drop": drop or None}.items():
            if value is not None:
                raise InputError(f"{path}: an .npy file has no named columns for {option} to name")
        values: Any = read_npy(path, gaps=preparation is not None)
    else:
        if drop:
            raise InputError(f"{path}: an .npz file has no named columns for --drop to name")
        values, key, ids, labels = read_npz(
            path, id_column, label_column, columns, gaps=preparation is not None
        )
    notes: list[str] = []
    if preparation is not None:
        if sp.issparse(values):
            raise InputError(f"{path}: --impute and --encode are not for a sparse matrix")
        source = array_table(values, str(path))
        values, notes = _prepared(preparation, source, range(source.width))
    codes, classes = _classes(labels, path, label_column)
    if ids is not None:
        _require_unique(ids, path, shown(id_column))
    named = None if key is None else (key,)
    name = stem(path, "table")
    return Table(name, values, named, ids, id_column, codes, classes, tuple(notes), preparation)


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
    decide_header(table, _is_header(rows, table.marks))
    if undecided and table.names is None:
        numbers = any(is_number(cell, table.marks) for cell in rows[0])
        what = "holds numbers" if numbers else "holds a word that comes again"
        table.notes.append(f"the first row {what}, so it was taken for data, not for names")
    return table


def _is_header(rows: list[list[str]], marks: NumberMarks) -> bool:
    """Whether the first row names the columns."""
    if not rows:
        return False
    numbers = [cell for cell in rows[0] if is_number(cell, marks)]
    if words_above_numbers(rows, marks) or counts_columns(rows[0]):
        return True
    if len(numbers) == len(rows[0]) or _comes_again(rows, marks):
        return False
    if not numbers:
        return True
    # "city,2019,2020": words beside numbers that count something.
    counted = all(cell.isdecimal() for cell in numbers) and len(numbers) > 1
    rising = [int(cell) for cell in numbers] if counted else []
    return is_id_name(rows[0][0]) or counted and rising == sorted(set(rising))


def _comes_again(rows: list[list[str]], marks: NumberMarks) -> bool:
    """Whether a word of the first row is one of the words below it, as no column's name is."""
    again = False
    for place, cell in enumerate(rows[0]):
        below = [row[place] for row in rows[1:] if place < len(row)]
        if not is_number(cell, marks):
            if any(is_number(one, marks) for one in below):
                return False  # a header that stands in the file twice comes again, too
            again = again or bool(cell) and cell in below
    return again


def _from_columns(
    name: str,
    source: tables.Table,
    roles: ColumnRoles,
    label_column: str | None,
    preparation: TablePreparation | None,
) -> Table:
    where, taken = source.where, roles.taken
    if preparation is None:
        values, said = _numbers(source, taken, roles.names)
    else:
        values, said = _prepared(preparation, source, taken)
    ids = None if roles.identity is None else source.ids(roles.identity, "name")
    id_name = None if roles.identity is None else roles.names[roles.identity]
    if ids is not None:
        _require_unique(ids, where, shown(id_name))
    labels = None if roles.label is None else _label_cells(source, roles.label)
    if preparation is None:
        total, more = last_is_total(ids, values)
        said = [*said, *more]
        if total and ids is not None:
            values, ids = values[:-1], infer_integers(ids[:-1])
            labels = None if labels is None else labels[:-1]
    codes, classes = _classes(labels, where, label_column)
    kept = None if source.names is None else tuple(roles.names[i] for i in taken)
    notes = (*source.notes, *roles.notes, *said)
    return Table(name, values, kept, ids, id_name, codes, classes, notes, preparation)


def _numbers(
    source: tables.Table, taken: Sequence[int], names: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    vectors = [i for i in taken if source.holds_vectors(i)]
    if not vectors:
        values = read_numbers(source, taken)
        return values, counting_note((names[i], values[:, k]) for k, i in enumerate(taken))
    if len(taken) > 1:
        listed = ", ".join(source.column_name(i) for i in vectors[:4])
        raise InputError(
            f"{source.where}: several columns and vectors among them ({listed}); name one column "
            "of vectors with --columns"
        )
    return source.vectors(taken[0]), []


def _prepared(
    preparation: TablePreparation, source: tables.Table, taken: Sequence[int]
) -> tuple[Any, list[str]]:
    for position in taken:
        if source.holds_vectors(position):
            raise InputError(
                f"{source.where}: column {source.column_name(position)} holds vectors; --impute "
                "and --encode are for plain columns"
            )
    if not is_fitted(preparation):
        return preparation.fit_columns(source, taken)
    if len(taken) != preparation.n_features_in_:
        raise InputError(
            f"{source.where}: {len(taken)} columns, the model was fitted on "
            f"{preparation.n_features_in_}; name those with --columns"
        )
    return preparation.apply(source, taken)


def _label_cells(source: tables.Table, position: int) -> np.ndarray:
    (column,) = source.columns([position])
    if source.holds_vectors(position):
        raise InputError(
            f"{source.where}: column {source.column_name(position)} for --labels holds vectors; "
            "expected plain values"
        )
    labels, notes = as_labels(column, f"{source.where}: cells for --labels")
    source.notes += notes
    return labels


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
