"""Which columns of a table name its rows, which class them, and which are fitted."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from damrep.masking.validation import InputError
from damrep.reading import tables
from damrep.reading.cells import as_numbers, is_gap
from damrep.reading.ids import listed, shown
from damrep.reading.names import ends_in_id, is_id_name
from damrep.reading.written_numbers import is_number

if TYPE_CHECKING:
    from damrep.autoencoder.preparing import TablePreparation

__all__ = ["ColumnRoles", "column_roles", "is_fitted"]


@dataclasses.dataclass(frozen=True)
class ColumnRoles:
    """Positions of columns by what they are for.

    Attributes
    ----------
    names : tuple of str
        Of all columns; "1", "2", ... where they have none.
    identity, label : int or None
        Of the names of the rows, and of their classes.
    taken : list of int
        To be fitted.
    notes : list of str
        What was decided without being told, and what was left out.
    """

    names: tuple[str, ...]
    identity: int | None
    label: int | None
    taken: list[int]
    notes: list[str]


def column_roles(
    source: tables.Table,
    id_column: str | None,
    label_column: str | None,
    columns: Sequence[str] | None,
    drop: Sequence[str],
    preparation: TablePreparation | None,
) -> ColumnRoles:
    """What each column is for, as was said or by custom; see `read_table`.

    Raises
    ------
    InputError
        If a column that is named is not there or has two roles, or none is left to be fitted.
    """
    where, notes = source.where, list[str]()
    names = source.names or tuple(str(i + 1) for i in range(source.width))
    label = None if label_column is None else source.position(label_column, "--labels")
    chosen = None if columns is None else [source.position(c, "--columns") for c in columns]
    if chosen is not None and len(set(chosen)) < len(chosen):
        raise InputError(f"{where}: --columns names a column twice")
    dropped = {source.position(c, "--drop") for c in drop}
    meant = {label, *dropped, *(chosen or ())}
    if preparation is not None and is_fitted(preparation):
        chosen = preparation.positions(source) if chosen is None else chosen
        meant |= {*chosen}
    elif preparation is not None:
        named = preparation.named()
        meant |= {i for i, name in enumerate(names) if name in named}
    identity: int | None
    if id_column is not None:
        identity = source.position(id_column, "--id")
    else:
        identity = _guessed_ids(source, meant)
        if identity is not None and names[identity] and source.index is None:
            notes.append(f"column {shown(names[identity])} was taken for the names of the rows")
    roles = {
        "--id": {identity},
        "--labels": {label},
        "--columns": {*(chosen or ())},
        "--drop": dropped,
    }
    for (one, first), (other, second) in itertools.combinations(roles.items(), 2):
        for position in (first & second) - {None}:
            name = shown(names[position])
            raise InputError(f"{where}: column {name} is named by {one} and {other}")
    taken = chosen
    if taken is None:
        taken = [i for i in range(source.width) if i not in {identity, label, *dropped}]
        vectors = [i for i in taken if source.holds_vectors(i)]
        if len(vectors) == 1 and len(taken) > 1:
            others = len(taken) - 1
            what = "1 other column was" if others == 1 else f"{others} other columns were"
            notes.append(f"the vectors are in {shown(names[vectors[0]])}; {what} left out")
            taken = vectors
    if not taken:
        raise InputError(f"{where}: no column of numbers is left")
    if dropped:
        notes.append(f"left out: {listed([names[i] for i in sorted(dropped)])}")
    return ColumnRoles(names, identity, label, taken, notes)


def is_fitted(preparation: TablePreparation) -> bool:
    """Whether a preparation has learned from a table, and is to be applied to others."""
    return hasattr(preparation, "columns_")


def _guessed_ids(source: tables.Table, taken: Collection[int | None]) -> int | None:
    """The column that by custom names the rows, unless it was asked for as something else."""
    if source.width == 1:
        return None
    if source.index is not None or (source.names and is_id_name(source.names[0])):
        position = source.index or 0
        return None if position in taken else position
    for position in range(source.width):
        called = source.names is not None and ends_in_id(source.names[position])
        if position in taken or source.holds_vectors(position) or not (called or position == 0):
            continue
        first = [row[position] for row in source.rows if position < len(row)]
        if len({*first}) < len(first) or not called and any(map(is_number, first)):
            continue  # without reading all of it
        (column,) = source.columns([position])
        numbers = column.type if not source.is_text else None
        whole = numbers is None or pa.types.is_integer(numbers) or pa.types.is_string(numbers)
        if whole and not is_gap(column).any() and len(column.unique()) == len(column) > 1:
            values, words = as_numbers(column, source.marks)
            fractions = np.isfinite(values) & (values != np.floor(values))
            if words.all() or called and not fractions.any():
                return position
    return None
