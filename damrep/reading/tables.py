"""Columns of a file, each read when it is asked for.

Cells of a text file stay text until somebody knows what they should be: "007" is not 7.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from damrep.masking.validation import InputError
from damrep.reading import cells
from damrep.reading.id_columns import as_ids, factorised
from damrep.reading.ids import listed, shown
from damrep.reading.text_ids import odd_ids
from damrep.reading.written_numbers import NumberMarks, parse_numbers

__all__ = ["Table"]


class Table(ABC):
    """Columns, of which only the names and the first rows are known at the start.

    Attributes
    ----------
    where : str
        What messages call it.
    names : tuple of str, or None
        None while nobody has said that the first row is a header, and where there is none.
    width : int
        Number of columns.
    rows : list of list of str
        Cells of the first rows, a header included; empty where names are known for certain.
    index : int or None
        The column that the file itself says names the rows.
    notes : list of str
        What was decided without being told.
    marks : NumberMarks
        That text has in its numbers.
    is_text : bool
        Whether cells are the text of a file: "7" may be the number.
    """

    where: str
    names: tuple[str, ...] | None
    width: int
    rows: list[list[str]]
    index: int | None = None
    notes: list[str]
    marks: NumberMarks = NumberMarks()
    is_text: bool = False

    @abstractmethod
    def columns(self, positions: Sequence[int]) -> list[pa.ChunkedArray]:
        """Some columns as they are: strings where the table is text."""

    @abstractmethod
    def row_name(self, row: int) -> str:
        """Where a row is, counted from 0 below the header: "line 12", "row 3"."""

    def holds_vectors(self, position: int) -> bool:
        """Whether each cell of a column is a list of numbers."""
        return False

    def vectors(self, position: int) -> np.ndarray:
        """A column of vectors as a matrix (n, d), float32 where that holds every value, or float64.

        Raises
        ------
        InputError
            If they differ in length, or one has a gap or a number that is not finite.
        """
        (column,) = self.columns([position])
        return cells.as_matrix(column, f"{self.where}: column {self.column_name(position)}")

    def column_name(self, position: int) -> str:
        """A column's name as a message shows it, or its number counted from 1."""
        return str(position + 1) if self.names is None else shown(self.names[position])

    def listed(self) -> str:
        """The names of the columns, for a message."""
        return listed(self.names or [str(i + 1) for i in range(self.width)])

    def position(self, name: str, option: str) -> int:
        """Where the column of that name is; `option` is who asks.

        Without a header, columns are called "1", "2", ...

        Raises
        ------
        InputError
            If there is none, or more than one.
        """
        names = self.names or tuple(str(i + 1) for i in range(self.width))
        found = names.count(name)
        if found == 0:
            none = "" if self.names else ", the table has no header"
            raise InputError(
                f"{self.where}: no column {shown(name)} for {option}{none}; it has {self.listed()}"
            )
        if found > 1:
            raise InputError(
                f"{self.where}: {found} columns are called {shown(name)}; {option} needs one"
            )
        return names.index(name)

    def numbers(
        self, positions: Sequence[int], *, what: str = "", gaps: bool = False, finite: bool = True
    ) -> np.ndarray:
        """Some columns as numbers.

        Parameters
        ----------
        positions
            k columns.
        what
            What the numbers are, for the message.
        gaps
            Whether an empty cell is allowed, and NaN.
        finite
            Whether a number must be finite.

        Returns
        -------
        ndarray, shape (n, k)
            float32 where that holds every value of their types, else float64.

        Raises
        ------
        InputError
            Naming the column and row of the first cell that is no such number.
        """
        columns = self.columns(positions)
        narrow = all(cells.fits_float32(column.type) for column in columns)
        length = len(columns[0]) if columns else 0
        values = np.empty((length, len(positions)), dtype=np.float32 if narrow else np.float64)
        for place, column in enumerate(columns):
            numbers, bad = self._as_numbers(column, positions[place])
            if not gaps or finite:
                odd = ~np.isfinite(numbers) if finite else np.zeros(length, dtype=bool)
                bad = bad | odd if not gaps else bad | np.isinf(numbers)
            if not gaps:
                bad |= cells.is_gap(column) | self._is_other_gap(column, numbers)
            if bad.any():
                row = int(np.argmax(bad))
                raise InputError(
                    f"{self.where}: {what and what + ': '}column "
                    f"{self.column_name(positions[place])}, {self.row_name(row)} "
                    f"{cells.fault(column[row].as_py(), finite=finite)}"
                )
            values[:, place] = numbers
        return values

    def _is_other_gap(self, column: pa.ChunkedArray, numbers: np.ndarray) -> np.ndarray:
        """Which cells are NaN because of a word that does not say so."""
        unknown = np.isnan(numbers)
        if not pa.types.is_string(column.type) or not unknown.any():
            return np.zeros(len(numbers), dtype=bool)
        words = pc.ascii_trim(pc.utf8_lower(column), "+- ")
        return unknown & (np.asarray(words.to_numpy()) != "nan")

    def _as_numbers(self, column: pa.ChunkedArray, position: int) -> tuple[np.ndarray, np.ndarray]:
        if not pa.types.is_string(column.type):
            return cells.as_numbers(column)
        numbers, bad, said = parse_numbers(column, self.marks)
        for read in said:
            note = f"column {self.column_name(position)}: {read}"
            if note not in self.notes:
                self.notes.append(note)
        return numbers, bad

    def ids(self, position: int, what: str = "id") -> np.ndarray:
        """One column of names: int64, or strings.

        Raises
        ------
        InputError
            If one is empty, naming its row.
        """
        (column,) = self.columns([position])
        self._require_filled(column, position, what)
        ids = as_ids(column, self.where, infer=self.is_text)
        if self.is_text:
            self._note_ids([column], ids)
        return ids

    def id_pairs(
        self, first: int, second: int, what: str = "id"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Two columns of names as positions in the list of the different names of both.

        Returns
        -------
        first, second : ndarray of int, shape (m,)
        ids : ndarray, shape (k,)
            int64, or strings.

        Raises
        ------
        InputError
            If one is empty, naming its row.
        """
        a, b = self.columns([first, second])
        for column, position in ((a, first), (b, second)):
            self._require_filled(column, position, what)
        first_codes, second_codes, ids = factorised(a, b, self.where, infer=self.is_text)
        if self.is_text:
            self._note_ids([a, b], ids)
        return first_codes, second_codes, ids

    def _note_ids(self, columns: list[pa.ChunkedArray], ids: np.ndarray) -> None:
        """Note what was made of ids that not everybody would make of them."""
        if ids.dtype == object:
            notes = odd_ids(ids)
        else:
            notes = [
                f"{shown(column[0].as_py())} and other ids were read as whole numbers"
                for column in columns
                if len(column) and not column[0].as_py().lstrip("-").isdecimal()
            ][:1]
        self.notes += [note for note in notes if note not in self.notes]

    def _require_filled(self, column: pa.ChunkedArray, position: int, what: str) -> None:
        if pa.types.is_floating(column.type):  # of integers with gaps
            column = pc.if_else(pc.is_nan(column), None, column)
        if cells.has_gap(column):
            empty = cells.is_gap(column)
            row = int(np.argmax(empty))
            raise InputError(
                f"{self.where}: {self.row_name(row)} has an empty {what} in column "
                f"{self.column_name(position)}"
            )
