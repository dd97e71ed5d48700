"""Edges from tables in files: which row is a header, which columns are what, and what to say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from damrep.graph.data.edge_columns import choose_edge_columns, known_ends, two_kinds
from damrep.graph.data.edges import EdgeList
from damrep.masking.printing import counted
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.headers import decide_header, first_pair_is_alone, words_above_numbers
from damrep.reading.ids import match_kinds
from damrep.reading.names import plain_name
from damrep.reading.opening import open_table
from damrep.reading.tables import Table
from damrep.reading.text_tables import TextTable
from damrep.reading.written_numbers import is_number

__all__ = ["EdgeColumns", "drop_unknown_header", "read_edges"]


@dataclasses.dataclass(frozen=True)
class EdgeColumns:
    """How an edge table is to be read.

    Parameters
    ----------
    source, target, weight : str, optional
        Columns, where they are not the usual ones.
    weighted : bool
        Whether a column of weights is used at all.
    bipartite : bool
        Whether the two columns name things of two kinds: the same name in both is then two nodes,
        called by the column and the name, as "user:7".
    dialect : Dialect
        What is known of how a text file is written.
    """

    source: str | None = None
    target: str | None = None
    weight: str | None = None
    weighted: bool = True
    bipartite: bool = False
    dialect: Dialect = Dialect()

    @property
    def given(self) -> bool:
        """Whether anything was said."""
        return self != EdgeColumns()


def read_edges(path: Path, asked: EdgeColumns) -> tuple[EdgeList, list[str]]:
    """Edges of a table in a file.

    Returns
    -------
    edges : EdgeList
    notes : list of str
        What was taken for what.

    Raises
    ------
    InputError
        If the columns cannot be told, an end is empty or a weight is no number.
    """
    table = open_table(path, asked.dialect, at_least=2)
    decide_header(table, _names_columns(table, asked))
    try:
        edges, notes = _edges(table, asked)
    except InputError as error:
        if table.names is not None and str(error).endswith("a header and no rows"):
            raise InputError(f"{path}: a header and no edges") from None
        raise
    return edges, [*table.notes, *notes]


def drop_unknown_header(
    path: Path, asked: EdgeColumns, edges: EdgeList, known: np.ndarray
) -> tuple[EdgeList, list[str]] | None:
    """The edges again without the first row, if of all rows only that names no known node.

    Parameters
    ----------
    path, asked
        As for `read_edges`.
    edges
        What that gave.
    known : ndarray
        Ids of the nodes, from their features.

    Returns
    -------
    edges, notes
        As `read_edges` returns them; None where the first row is an edge.
    """
    if asked.dialect.header is not None or len(edges.source) < 2:
        return None
    ours, theirs = match_kinds(edges.ids, known)
    lost = pd.Index(theirs).get_indexer(ours) < 0
    ends = lost[edges.source], lost[edges.target]
    if not (ends[0][0] and ends[1][0]) or ends[0][1:].any() or ends[1][1:].any():
        return None
    dialect = dataclasses.replace(asked.dialect, header=True)
    return read_edges(path, dataclasses.replace(asked, dialect=dialect))


def _names_columns(table: Table, asked: EdgeColumns) -> bool:
    """Whether the first row of a text table names its columns."""
    if not table.rows:
        return False
    named = [name for name in (asked.source, asked.target, asked.weight) if name is not None]
    # Columns without names are called "1", "2", ...
    if named and not set(named) <= {str(i + 1) for i in range(table.width)}:
        return True
    first = table.rows[0]
    if known_ends(first) is not None or two_kinds(first) is not None:
        return True
    if any(is_number(cell, table.marks) for cell in first[:2]):
        return False
    if words_above_numbers(table.rows, table.marks):
        return True
    if table.width != 2 or not isinstance(table, TextTable) or table.header is not None:
        return False
    left, right, _ = table.id_pairs(0, 1, "node id")
    return first_pair_is_alone(left, right, first)


def _edges(table: Table, asked: EdgeColumns) -> tuple[EdgeList, list[str]]:
    first, second, heavy = _chosen(table, asked)
    if not asked.weighted:
        heavy = None
    ends = " and ".join(table.column_name(i) for i in (first, second))
    if table.names is None:
        taken = "the first two" if asked.source is None else f"columns {ends}"
        notes = [f"no row names the columns: {taken} are the ends of an edge"]
    else:
        where = "line 1 names the columns: " if isinstance(table, TextTable) else ""
        notes = [f"{where}{ends} are the ends of an edge"]
    weights = None
    if heavy is not None:
        weights = _weights(table, heavy)
        notes.append(_weight_note(table, heavy, weights))
    unused = [i for i in range(table.width) if i not in (first, second, heavy)]
    if unused and table.names is not None:
        listed = ", ".join(table.column_name(i) for i in unused[:6])
        notes.append(f"not used: {listed}{', ...' if len(unused) > 6 else ''}")
    left, right, ids = table.id_pairs(first, second, "node id")
    _refuse_names(table, (first, second), (left, right), ids)
    if table.names is None and heavy is not None and asked.source is None:
        if len(left) > 2 and (np.diff(left) == 1).all() and ids.dtype != object:
            notes.append(
                "the first column counts the rows; if it is no end of an edge, name these with "
                "--source 2 --target 3"
            )
    if asked.bipartite:
        both = len(np.intersect1d(left, right))
        if both:
            notes.append(
                f"{counted(both, 'name')} in both {ends}: a node on either side, told apart by the "
                "name of the column"
            )
        left, right, ids = _two_sides(left, right, ids, table, first, second)
    elif table.names is not None and two_kinds(table.names) == (first, second):
        both = len(np.intersect1d(left, right))
        if both:
            notes.append(
                f"{ends} seem to be of two kinds, yet {both} names stand in both and are one node "
                "each; --bipartite (bipartite=True) keeps the sides apart"
            )
    edges = EdgeList(left, right, ids, weights, table.where, table.row_name)
    return edges, notes


def _refuse_names(
    table: Table, ends: tuple[int, int], codes: tuple[np.ndarray, np.ndarray], ids: np.ndarray
) -> None:
    """Refuse a row that is the row of names again, as where files were put together."""
    if not isinstance(table, TextTable) or table.names is None or ids.dtype != object:
        return
    again = np.ones(len(codes[0]), dtype=bool)
    for end, code in zip(ends, codes, strict=True):
        again &= code == next(iter(np.flatnonzero(ids == table.names[end])), -1)
    if again.any():
        row = table.row_name(int(np.argmax(again)))
        raise InputError(f"{table.where}: {row} is the row of names again; leave it out")


def _chosen(table: Table, asked: EdgeColumns) -> tuple[int, int, int | None]:
    """Positions of the ends and the weight, where a column that only names the rows is neither."""
    names = table.names or ()
    index = table.index
    if index is None and len(names) > 2 and plain_name(names[0]) in ("", "unnamed0"):
        index = 0  # as pandas writes it
    asked_for = asked.source is not None or asked.weight is not None
    known = asked_for or known_ends(names) is not None or two_kinds(names) is not None
    kept = [i for i in range(table.width) if known or i != index]
    first, second, heavy = choose_edge_columns(
        tuple(names[i] for i in kept) if table.names else None,
        len(kept),
        table.where,
        asked.source,
        asked.target,
        asked.weight,
    )
    return kept[first], kept[second], None if heavy is None else kept[heavy]


def _weights(table: Table, heavy: int) -> np.ndarray:
    try:
        values = table.numbers([heavy], what="weight", finite=False)[:, 0]
    except InputError as error:
        if table.names is not None:
            raise
        raise InputError(
            f"{error}; name other columns as the ends with --source 1 --target 3, or leave weights "
            "out with --unweighted"
        ) from None
    return np.asarray(values, dtype=np.float64)


def _weight_note(table: Table, heavy: int, weights: np.ndarray) -> str:
    if not len(weights) or not np.isfinite(weights).all():
        return ""
    low, high = weights.min(), weights.max()
    called = "the third column" if table.names is None else table.column_name(heavy)
    note = f"{called} was taken for weights, {low:.10g} to {high:.10g}"
    if low >= 1e8 and (weights == np.floor(weights)).all():
        note += " (they look like times; --unweighted leaves them out)"
    return note


def _two_sides(
    left: np.ndarray, right: np.ndarray, ids: np.ndarray, table: Table, first: int, second: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ids of each side for itself, called by their column."""
    names = table.names or ("source", "target")
    sides: list[np.ndarray] = []
    named: list[str] = []
    for codes, position in ((left, first), (right, second)):
        own, place = np.unique(codes, return_inverse=True)
        sides.append(place + len(named))
        title = names[position] if table.names else names[position == second]
        named += [f"{title}:{name}" for name in ids[own].tolist()]
    return sides[0], sides[1], np.array(named, dtype=object)
