"""Any table of columns, whatever its ending."""

from __future__ import annotations

from pathlib import Path

from damrep.masking.validation import InputError
from damrep.reading.arrow_tables import open_arrow
from damrep.reading.dialect import Dialect
from damrep.reading.files import TEXT_ENDINGS, file_ending
from damrep.reading.tables import Table
from damrep.reading.text_tables import TextTable

__all__ = ["open_table"]


def open_table(path: Path, dialect: Dialect | None = None, *, at_least: int = 1) -> Table:
    """Open a text, parquet, Arrow or JSON-lines table without deciding what its columns mean.

    Parameters
    ----------
    path
        The file, or "-" for text on standard input.
    dialect
        What is known of how a text file is written.
    at_least
        Columns it should have.

    Raises
    ------
    InputError
        If it is empty, damaged, or of an ending not known here.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("1;0,5\\n2;1,5\\n")
    >>> table = open_table(path)
    >>> table.numbers([1]).tolist(), table.notes
    ([[0.5], [1.5]], ['numbers were read with a decimal comma'])
    """
    dialect = dialect or Dialect()
    ending = file_ending(path)
    if ending in TEXT_ENDINGS or dialect.separator is not None:
        return TextTable(path, dialect, at_least)
    if dialect.given:
        raise InputError(f"{path}: how text is written was given, but the file is not text")
    return open_arrow(path, ending)
