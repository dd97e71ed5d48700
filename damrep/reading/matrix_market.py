"""Matrix Market files (.mtx), perhaps packed.

Read here and not with `scipy.io.mmread`, which ends the process on some damaged files and takes the
memory that a first line promises.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.arrays import require_sane_shape
from damrep.reading.files import open_bytes, reason
from damrep.reading.ids import shown
from damrep.reading.layout import Layout, Streamed

__all__ = ["read_matrix_market"]

_FIELDS = ("real", "double", "integer", "unsigned-integer", "pattern")
_SYMMETRIES = ("general", "symmetric", "skew-symmetric")


def read_matrix_market(path: Path) -> sp.coo_array:
    """The matrix of a Matrix Market file.

    Parameters
    ----------
    path

    Returns
    -------
    coo_array, float64
        Both halves of a symmetric matrix; 1 where the file holds only a pattern.

    Raises
    ------
    InputError
        If the file is not one, holds complex numbers, or other than its first lines say.

    Notes
    -----
    The format: https://math.nist.gov/MatrixMarket/formats.html

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.mtx"
    >>> _ = path.write_text("%%MatrixMarket matrix coordinate pattern symmetric\\n2 2 1\\n2 1\\n")
    >>> read_matrix_market(path).toarray().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    with open_bytes(path) as stream:
        first = stream.readline(1000).decode("utf-8", "replace").strip()
    words = first.lower().split()
    if len(words) != 5 or words[0] != "%%matrixmarket" or words[1] != "matrix":
        raise InputError(
            f"{path}: not a Matrix Market file; its first line is {shown(first)}, expected "
            "%%MatrixMarket matrix coordinate real general, say"
        )
    kind, field, symmetry = words[2:]
    if kind not in ("coordinate", "array") or field not in _FIELDS or symmetry not in _SYMMETRIES:
        raise InputError(
            f"{path}: line 1 says {shown(first)}; expected coordinate or array, "
            f"one of {', '.join(_FIELDS)}, one of {', '.join(_SYMMETRIES)}"
        )
    layout = Layout(path, " ", comments=("%",), bare_comments=True, quoted=False)
    number, sizes = _sizes(layout, 3 if kind == "coordinate" else 2)
    if kind == "array":
        return _dense(layout, sizes, symmetry)
    rows, columns, entries = sizes
    kinds = [pa.int64(), pa.int64(), *([] if field == "pattern" else [pa.float64()])]
    table = _parsed(layout, kinds)
    if table.num_rows != entries:
        raise InputError(
            f"{path}: line {number} announces {entries} entries, the file holds {table.num_rows}"
        )
    require_sane_shape((rows, columns), entries, str(path))
    row, column = (table.column(i).to_numpy() - 1 for i in range(2))
    outside = (row < 0) | (row >= rows) | (column < 0) | (column >= columns)
    if outside.any():
        place = int(np.argmax(outside))
        raise InputError(
            f"{path}: entry {place + 1} is in row {row[place] + 1}, column {column[place] + 1}; "
            f"the matrix has {rows} rows and {columns} columns, counted from 1"
        )
    data = np.ones(entries) if field == "pattern" else table.column(2).to_numpy()
    if symmetry != "general":
        off = row != column
        sign = -1 if symmetry == "skew-symmetric" else 1
        row, column = np.r_[row, column[off]], np.r_[column, row[off]]
        data = np.r_[data, sign * data[off]]
        if rows != columns:
            raise InputError(f"{path}: a {symmetry} matrix of {rows} rows and {columns} columns")
    return sp.coo_array((data, (row, column)), shape=(rows, columns))


def _sizes(layout: Layout, count: int) -> tuple[int, list[int]]:
    """The line of the sizes, and what it says."""
    number, line = next(layout.lines(), (0, ""))
    cells = line.split()
    if len(cells) != count or not all(cell.isdecimal() and len(cell) < 19 for cell in cells):
        what = "rows, columns and entries" if count == 3 else "rows and columns"
        raise InputError(
            f"{layout.path}: line {number} is {shown(line)}; expected the numbers of {what}"
        )
    return number, [int(cell) for cell in cells]


def _dense(layout: Layout, sizes: list[int], symmetry: str) -> sp.coo_array:
    rows, columns = sizes
    values = _parsed(layout, [pa.float64()]).column(0).to_numpy()
    half = symmetry != "general"
    strictly = symmetry == "skew-symmetric"
    expected = rows * (rows + (-1 if strictly else 1)) // 2 if half else rows * columns
    if len(values) != expected or half and rows != columns or not expected:
        raise InputError(
            f"{layout.path}: {len(values)} numbers for a {symmetry} matrix of {rows} rows and "
            f"{columns} columns"
        )
    if not half:
        return sp.coo_array(values.reshape(columns, rows).T)
    matrix = np.zeros((rows, rows))
    # Column by column, from the diagonal down.
    column, row = np.triu_indices(rows, k=int(strictly))
    matrix[row, column] = values
    matrix[column, row] = -values if strictly else values
    return sp.coo_array(matrix)


def _parsed(layout: Layout, kinds: list[pa.DataType]) -> pa.Table:
    """The lines below the one of the sizes."""
    import pyarrow.csv

    keys = [str(i) for i in range(len(kinds))]
    try:
        return pyarrow.csv.read_csv(
            layout.source(Streamed()),
            read_options=pyarrow.csv.ReadOptions(column_names=keys, skip_rows=1),
            parse_options=pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict(zip(keys, kinds, strict=True)), null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{layout.path}: not a readable Matrix Market file ({reason(error)})"
        ) from None
