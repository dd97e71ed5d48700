"""A list of pairs (u, v), or of triples (u, v, weight), as the edges of a graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from damrep.graph.data.edges import EdgeList
from damrep.masking.validation import InputError
from damrep.reading.ids import clean_ids

__all__ = ["edges_of_pairs", "is_pair"]

_WANTED = "expected a pair (u, v) or a triple (u, v, weight)"


def edges_of_pairs(pairs: Collection[Any], where: str = "edges") -> EdgeList:
    """The edges that a collection of pairs names.

    Parameters
    ----------
    pairs : list, tuple or set of tuples
        All of them (u, v), or all (u, v, weight), where the weight may be a dict with an entry
        "weight", as networkx gives edges out; one without it counts 1.
    where : str
        What error messages call them.

    Raises
    ------
    InputError
        If an entry is no pair, a weight no number, or there is no entry; and for a list of lists
        as long as it is wide, which could be a matrix as well.

    Examples
    --------
    >>> edges = edges_of_pairs([("ann", "bob"), ("bob", "cy")])
    >>> edges.ids.tolist(), edges.source.tolist(), edges.target.tolist()
    (['ann', 'bob', 'cy'], [0, 1], [1, 2])
    """
    rows = list(pairs)
    if not rows:
        raise InputError(f"{where}: the list has no edges")
    for place, row in enumerate(rows, start=1):
        if not is_pair(row):
            raise InputError(f"{where}: entry {place} is {_shown(row)}; {_WANTED}")
        if len(row) != len(rows[0]):
            raise InputError(
                f"{where}: entry 1 has {len(rows[0])} parts and entry {place} has {len(row)}; "
                "expected pairs throughout, or triples throughout"
            )
    if len(rows) == len(rows[0]) and not any(isinstance(row, tuple) for row in rows):
        raise InputError(
            f"{where}: {len(rows)} lists of {len(rows)} could be edges or a matrix; give tuples "
            "(u, v) for edges, or a NumPy array for an adjacency matrix"
        )
    weight = None
    if len(rows[0]) == 3:
        weight = np.array([_weight(row[2], place, where) for place, row in enumerate(rows, 1)])
    source, target = ([row[end] for row in rows] for end in (0, 1))
    return EdgeList.from_ids(_ids(source, where), _ids(target, where), weight, where)


def is_pair(row: Any) -> bool:
    """Whether something could be an edge: (u, v) or (u, v, weight), with ids that are no lists.

    Examples
    --------
    >>> is_pair(("ann", "bob", 2.0)), is_pair("ab"), is_pair(([1], [2]))
    (True, False, False)
    """
    return (
        isinstance(row, (tuple, list, np.ndarray))
        and len(row) in (2, 3)
        and not any(isinstance(end, (list, dict, set, np.ndarray)) for end in row[:2])
    )


def _ids(ends: list[Any], where: str) -> np.ndarray:
    return clean_ids(np.fromiter(ends, dtype=object, count=len(ends)), where, "entry")


def _weight(value: Any, place: int, where: str) -> float:
    if isinstance(value, Mapping):
        value = value.get("weight", 1.0)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{where}: entry {place} has weight {_shown(value)}; expected a number"
        ) from None


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
