"""What every reader of a file with named columns gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from damrep.masking.validation import InputError

__all__ = ["HINT", "ID_NAMES", "Columns", "Loaded"]

# A first column of this name names the rows; the empty name is what pandas gives a written index.
ID_NAMES = ("id", "ids", "row_id", "node", "node_id", "")
HINT = "take such a column with --labels or --id, or name the columns of numbers with --columns"

Loaded = tuple[np.ndarray, pd.Series | None, pd.Series | None]


class Columns(ABC):
    """The columns of a file, of which nothing but the names has been read yet.

    Attributes
    ----------
    path : Path
    names : list of str
    has_names : bool
        False: the columns are called "1", "2", ... for want of names.
    index : int or None
        The column that the file itself says names the rows.
    notes : list of str
        What was decided without being told.
    """

    path: Path
    names: list[str]
    has_names: bool = True
    index: int | None = None
    notes: list[str]

    def position(self, name: str, option: str) -> int:
        """Where a column of that name is; `option` is who asks.

        Raises
        ------
        InputError
            If there is none, or more than one.
        """
        found = self.names.count(name)
        if found == 0:
            listed = ", ".join(map(repr, self.names[:8]))
            more = ", ..." if len(self.names) > 8 else ""
            raise InputError(f"{self.path}: no column {name!r} for {option}; it has {listed}{more}")
        if found > 1:
            raise InputError(
                f"{self.path}: {found} columns are called {name!r}; {option} needs one"
            )
        return self.names.index(name)

    @abstractmethod
    def holds_vectors(self, position: int) -> bool:
        """Whether each cell of a column is a list of numbers."""

    @abstractmethod
    def load(self, taken: Sequence[int], ids: int | None, labels: int | None) -> Loaded:
        """Read numbers, names of the rows, and labels, in that order.

        Raises
        ------
        InputError
            Naming the first cell that is no finite number, or the first row of another length.
        """
