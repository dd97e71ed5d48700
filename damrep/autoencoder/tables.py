"""Files that hold a table of numbers, read with errors that say which cell is wrong.

Text and parquet have named columns, .npy and .npz hold arrays. Nothing in a file is ever executed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from damrep.autoencoder.arrays import ARRAY_ENDINGS, array_names, read_npy, read_npz
from damrep.autoencoder.columns import ID_NAMES, Columns
from damrep.autoencoder.parquet_columns import ParquetColumns
from damrep.autoencoder.text_columns import TEXT_ENDINGS, TextColumns
from damrep.masking.validation import InputError
from damrep.training.input_files import require_file

__all__ = ["TABLE_ENDINGS", "Table", "column_names", "read_table"]

TABLE_ENDINGS = (*TEXT_ENDINGS, ".parquet", *ARRAY_ENDINGS)


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


def read_table(
    path: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    columns: Sequence[str] | None = None,
) -> Table:
    """Read a table of numbers from a file.

    Parameters
    ----------
    path
        - .csv or .tsv, perhaps with .gz: a row of column names, which may be missing where every
          cell is a number, then one row a line.
        - .parquet: columns of plain numbers, or one column of vectors (lists of equal length).
        - .npy: a 2-D array, opened memory-mapped.
        - .npz: one 2-D array, or a matrix written by `scipy.sparse.save_npz`. The names of the
          arrays stand for column names.
    id_column
        Column that names the rows. If not given, the index of a pandas frame, or a first column
        called "id", "row_id", "node", "node_id" or nothing at all.
    label_column
        Column with the class of each row; an empty cell is an unknown class.
    columns
        Columns of numbers to take, or the one column of vectors; all others if not given.

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
    ending = require_file(path, TABLE_ENDINGS, "a table")
    name = path.name.split(".")[0] or "table"
    if ending == ".npy":
        given = {"--id": id_column, "--labels": label_column, "--columns": columns}
        for option, value in given.items():
            if value is not None:
                raise InputError(f"{path}: an .npy file has no named columns for {option} to name")
        return Table(name, read_npy(path))
    if ending == ".npz":
        values, key, ids, labels = read_npz(path, id_column, label_column, columns)
        names = None if key is None else (key,)
        codes, classes = _classes(labels, path, label_column)
        row_ids = _ids(ids, path, id_column)
        return Table(name, values, names, row_ids, id_column, codes, classes)
    return _from_columns(name, _open(path, ending), id_column, label_column, columns)


def column_names(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Names of a file's columns, or of the arrays of an .npz file; None where it has none.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    ending = require_file(path, TABLE_ENDINGS, "a table")
    if ending == ".npy":
        return None
    if ending == ".npz":
        return array_names(path)
    source = _open(path, ending)
    return tuple(source.names) if source.has_names else None


def _open(path: Path, ending: str) -> Columns:
    return TextColumns(path) if ending in TEXT_ENDINGS else ParquetColumns(path)


def _from_columns(
    name: str,
    source: Columns,
    id_column: str | None,
    label_column: str | None,
    columns: Sequence[str] | None,
) -> Table:
    path, notes = source.path, list(source.notes)
    label = None if label_column is None else source.position(label_column, "--labels")
    chosen = None if columns is None else [source.position(c, "--columns") for c in columns]
    if chosen is not None and len(set(chosen)) < len(chosen):
        raise InputError(f"{path}: --columns names a column twice")
    identity: int | None
    if id_column is not None:
        identity = source.position(id_column, "--id")
    else:
        identity = _guessed_ids(source, label, chosen)
        if identity is not None and source.names[identity] and source.index is None:
            notes.append(f"column {source.names[identity]!r} was taken for the names of the rows")
    for option, position in (("--id", identity), ("--labels", label)):
        if position is not None and position in (chosen or ()):
            raise InputError(
                f"{path}: column {source.names[position]!r} is named by {option} and --columns"
            )
    if identity is not None and identity == label:
        raise InputError(f"{path}: column {source.names[identity]!r} is named by --id and --labels")
    if chosen is not None:
        taken = chosen
    else:
        taken = [i for i in range(len(source.names)) if i not in (identity, label)]
        vectors = [i for i in taken if source.holds_vectors(i)]
        if len(vectors) == 1 and len(taken) > 1:
            others = len(taken) - 1
            what = "1 other column was" if others == 1 else f"{others} other columns were"
            notes.append(f"the vectors are in {source.names[vectors[0]]!r}; {what} left out")
            taken = vectors
    if not taken:
        raise InputError(f"{path}: no column of numbers is left")
    values, ids, labels = source.load(taken, identity, label)
    codes, classes = _classes(labels, path, label_column)
    names = tuple(source.names[i] for i in taken) if source.has_names else None
    id_name = None if identity is None else source.names[identity]
    row_ids = _ids(ids, path, id_name)
    return Table(name, values, names, row_ids, id_name, codes, classes, tuple(notes))


def _guessed_ids(source: Columns, label: int | None, chosen: list[int] | None) -> int | None:
    """The column that by custom names the rows, unless it was asked for as something else."""
    if source.index is not None:
        position = source.index
    elif source.has_names and source.names[0].strip().lower() in ID_NAMES:
        position = 0
    else:
        return None
    alone = len(source.names) == 1
    return None if alone or position == label or position in (chosen or ()) else position


def _ids(values: pd.Series | None, path: Path, column: str | None) -> np.ndarray | None:
    """Names of rows as integers or strings, each of which comes once."""
    if values is None:
        return None
    where = f"{path}: column {column!r} of row names"
    missing = values.isna().to_numpy()
    if pd.api.types.is_integer_dtype(values.dtype) and not missing.any():
        ids = values.to_numpy(dtype=np.int64)
    else:
        ids = values.astype(object).map(str).to_numpy(dtype=object)
        missing = missing | (ids == "")
        if missing.any():
            raise InputError(f"{where}: row {int(np.argmax(missing)) + 1} is empty")
    again = pd.Index(ids).duplicated()
    if again.any():
        row = int(np.argmax(again))
        shown = repr(ids[row]) if isinstance(ids[row], str) else str(ids[row])
        raise InputError(
            f"{where}: {shown} comes more than once (again in row {row + 1}); name another "
            "as --id, or the columns of numbers with --columns"
        )
    return ids


def _classes(
    values: pd.Series | None, path: Path, column: str | None
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Labels as numbers of classes and their names; numbers are sorted as numbers."""
    if values is None:
        return None, None
    where = f"{path}: column {column!r} of labels"
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
