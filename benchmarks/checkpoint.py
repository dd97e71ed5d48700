"""A result that grows row by row on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environment import provenance
from benchmarks.results import Column, ResultError, read_result, write_result

__all__ = ["Checkpoint", "several_commits"]


@dataclass
class Checkpoint:
    """The rows of one result, each told from the others by a key.

    A row is kept under ``row["key"]``, with the settings it was measured under in
    ``row["under"]``: a row of other settings counts as not there.

    Attributes
    ----------
    name, title : str
        Of the result.
    columns : sequence of Column
    out : Path
        Folder.
    under : mapping
        What a row has to agree in: seeds, sizes. JSON values.
    again : bool
        Measure rows that are there once more.
    notes : sequence of str
    """

    name: str
    title: str
    columns: Sequence[Column]
    out: Path
    under: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Read what is there."""
        self._fresh: set[str] = set()
        self._rows: dict[str, dict[str, Any]] = {}
        if (Path(self.out) / f"{self.name}.json").exists():
            found = read_result(self.name, self.out)["rows"]
            self._rows = {row["key"]: row for row in found if "key" in row}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows there are, in order."""
        return list(self._rows.values())

    def has(self, key: str) -> bool:
        """Whether a row is there and counts."""
        return (key in self._fresh or not self.again) and self.finished(key) is not None

    def finished(self, key: str) -> dict[str, Any] | None:
        """A row of these settings, measured now or before: to measure others beside it."""
        row = self._rows.get(key)
        return row if row is not None and row.get("under") == _as_json(self.under) else None

    def get(self, key: str) -> dict[str, Any]:
        """A row that is there.

        Raises
        ------
        ResultError
            If it is not.
        """
        if key not in self._rows:
            raise ResultError(f"{self.name}: no row {key!r}")
        return self._rows[key]

    def row(
        self, key: str, measure: Callable[[], Mapping[str, Any] | None], order: Sequence[str] = ()
    ) -> dict[str, Any] | None:
        """The row under a key: measured, and written at once, where it is not there.

        Parameters
        ----------
        key : str
        measure : callable
            Gives the row, or None where there is nothing to measure.
        order : sequence of str
            Keys in the order of the table; others stay behind them.
        """
        if self.has(key):
            return self._rows[key]
        measured = measure()
        if measured is None:
            return None
        under = _as_json(self.under)
        self._rows[key] = {**measured, "key": key, "under": under, "commit": provenance()["commit"]}
        self._fresh.add(key)
        first = [name for name in order if name in self._rows]
        names = [*first, *(name for name in self._rows if name not in first)]
        self._rows = {name: self._rows[name] for name in names}
        self._write()
        self._rows[key] = read_result(self.name, self.out)["rows"][names.index(key)]
        return self._rows[key]

    def _write(self) -> None:
        write_result(
            self.name,
            self.rows,
            self.columns,
            title=self.title,
            settings=dict(self.under),
            notes=[*self.notes, *several_commits(self.rows)],
            out=self.out,
        )


def several_commits(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A note where rows of a table were not all measured at one commit.

    Examples
    --------
    >>> several_commits([{"commit": "a" * 40}, {"commit": "b" * 40}, {"commit": "a" * 40}])
    ['The rows were measured at several commits: aaaaaaaaaa, bbbbbbbbbb.']
    >>> several_commits([{"commit": "a" * 40}])
    []
    """
    commits = sorted({str(row.get("commit"))[:10] for row in rows})
    listed = ", ".join(commits)
    return [f"The rows were measured at several commits: {listed}."] if len(commits) > 1 else []


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_as_json(inner) for inner in value]
    return value
