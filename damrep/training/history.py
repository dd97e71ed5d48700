"""What happened in each epoch, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from damrep.masking.plain import to_plain

__all__ = ["Callback", "History"]


Callback = Callable[[dict[str, Any]], object]


class History:
    """A list of rows, one an epoch, each a dict of plain values.

    Rows need not have the same keys: a column has None where a row has no such value.

    Parameters
    ----------
    callback
        Given a copy of each row as it is added; what it raises ends the training.

    Examples
    --------
    >>> history = History()
    >>> history.append({"epoch": 0, "loss": 0.9})
    >>> history.append({"epoch": 1, "loss": 0.4})
    >>> history["loss"], history[-1], len(history)
    ([0.9, 0.4], {'epoch': 1, 'loss': 0.4}, 2)
    """

    def __init__(self, callback: Callback | None = None) -> None:
        self._callback = callback
        self.rows: list[dict[str, Any]] = []
        self.stopped_early = False

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; its values are made plain (a NaN becomes None)."""
        self.rows.append(to_plain(row))
        if self._callback is not None:
            self._callback(dict(self.rows[-1]))

    def extend(self, later: History, **same: Any) -> None:
        """Add the rows of a training that went on from here: epochs and seconds count on.

        Parameters
        ----------
        later
            Its history.
        **same
            Values of all of these rows.

        Examples
        --------
        >>> history, more = History(), History()
        >>> history.append({"epoch": 0, "seconds": 2.0})
        >>> more.append({"epoch": 0, "seconds": 1.5})
        >>> history.extend(more, stage="last")
        >>> history[-1]
        {'epoch': 1, 'seconds': 3.5, 'stage': 'last'}
        """
        epochs, seconds = len(self), self.rows[-1]["seconds"] if self.rows else 0.0
        for row in later:
            on = {"epoch": epochs + row["epoch"], "seconds": seconds + row["seconds"]}
            self.rows.append({**row, **on, **same})

    @property
    def columns(self) -> list[str]:
        """Names of the columns in the order they first appeared."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, key: str | int) -> Any:
        """A column by its name, a row by its number.

        Raises
        ------
        KeyError
            If no row has such a column.
        """
        if isinstance(key, int):
            return self.rows[key]
        if key not in self.columns:
            raise KeyError(f"no column {key!r}; there are {', '.join(self.columns) or 'none'}")
        return [row.get(key) for row in self.rows]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns by name."""
        return {name: self[name] for name in self.columns}

    def __repr__(self) -> str:
        return f"History({len(self)} epochs: {', '.join(self.columns)})"
