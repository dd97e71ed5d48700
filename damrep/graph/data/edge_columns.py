"""Which columns of an edge table are the ends of an edge and its weight."""

from __future__ import annotations

from collections.abc import Sequence

from damrep.masking.validation import InputError
from damrep.reading.ids import listed, shown
from damrep.reading.names import ITEM_NAMES, RATING_NAMES, USER_NAMES, plain_name

__all__ = ["choose_edge_columns", "known_ends", "two_kinds"]

_ENDS = (
    ("source", "target"), ("src", "dst"), ("from", "to"), ("src", "dest"), ("u", "v"),
    ("head", "tail"), ("node1", "node2"), ("id1", "id2"), ("start", "end"), ("citing", "cited"),
    ("subject", "object"), ("sourceid", "targetid"), ("i", "j"),
)  # fmt: skip
_WEIGHTS = ("weight", "weights", "w", "edgeweight", "value", "strength", "count")


def known_ends(names: Sequence[str]) -> tuple[int, int] | None:
    """Where two columns are that are called like the ends of an edge.

    They are one of the usual pairs, or begin or end with one and are alike for the rest, as "from
    product" and "to product".

    Examples
    --------
    >>> known_ends(["w", "Source", "Target"]), known_ends(["from product", "to product"])
    ((1, 2), (0, 1))
    """
    plain = [plain_name(name) for name in names]
    for first, second in _ENDS:
        if plain.count(first) == plain.count(second) == 1:
            return plain.index(first), plain.index(second)
    for first, second in _ENDS[:4] + _ENDS[8:11]:
        for i, name in enumerate(plain):
            other = second + name.removeprefix(first)
            if name.startswith(first) and len(name) > len(first) + 1 and plain.count(other) == 1:
                return i, plain.index(other)
            other = name.removesuffix(first) + second
            if name.endswith(first) and len(name) > len(first) + 1 and plain.count(other) == 1:
                return i, plain.index(other)
    return None


def two_kinds(names: Sequence[str] | None) -> tuple[int, int] | None:
    """Where two columns are that are called like things of two kinds: users and items, say.

    Examples
    --------
    >>> two_kinds(["userId", "movieId", "rating"]), two_kinds(["authorId", "paperId"])
    ((0, 1), (0, 1))
    """
    plain = [plain_name(name) for name in names or ()]
    users = [i for i, name in enumerate(plain) if name in USER_NAMES]
    items = [i for i, name in enumerate(plain) if name in ITEM_NAMES]
    if len(users) == 1 and items:
        return users[0], items[0]
    if len(plain) == 2 and known_ends(list(names or ())) is None:
        stems = [name.removesuffix("id") for name in plain]
        if all(stem and stem != name for stem, name in zip(stems, plain, strict=True)):
            return (0, 1) if stems[0] != stems[1] else None
    return None


def choose_edge_columns(
    names: Sequence[str] | None,
    width: int,
    where: str,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
) -> tuple[int, int, int | None]:
    """Positions of the source, target and weight columns of an edge table.

    Parameters
    ----------
    names : sequence of str, or None
        Column names; None where the table has none, and columns are called "1", "2", ...
    width : int
        Number of columns.
    where : str
        What error messages call the table.
    source, target, weight : str, optional
        Columns asked for by name.

    Raises
    ------
    InputError
        If a column asked for is not there, one end was named without the other, or of more than two
        columns none is known.

    Examples
    --------
    >>> choose_edge_columns(["w", "Source", "Target"], 3, "edges")
    (1, 2, 0)
    >>> choose_edge_columns(None, 3, "edges")
    (0, 1, 2)
    """
    exact = [str(name) for name in names or range(1, width + 1)]
    asked = {"source": source, "target": target, "weight": weight}
    for role, name in asked.items():
        if name is not None and exact.count(name) != 1:
            problem = "no column" if name not in exact else f"{exact.count(name)} columns"
            none = "" if names else ", which has no header"
            raise InputError(
                f"{where}{none}: {problem} {shown(name)} for {role}; the columns are "
                f"{listed(exact)}"
            )
    if (source is None) != (target is None):
        named = "source" if target is None else "target"
        other = "target" if target is None else "source"
        raise InputError(f"{where}: {named} was named but not {other}; name both, or neither")
    heavy = None if weight is None else exact.index(weight)
    if source is not None and target is not None:
        ends: tuple[int, int] | None = (exact.index(source), exact.index(target))
    elif names is None:
        if width not in (2, 3):
            way = "; name the ends with --source 1 --target 2 (source=, target=)"
            raise InputError(
                f"{where}: {width} columns without a header; expected source, target and "
                f"perhaps weight{way if width > 3 else ''}"
            )
        return 0, 1, 2 if heavy is None and width == 3 else heavy
    else:
        ends = known_ends(exact) or two_kinds(exact)
    taken = (heavy, *(ends or ()))
    if heavy is None:
        plain = [plain_name(name) for name in exact]
        usual = _WEIGHTS if ends is None or ends != two_kinds(exact) else (*_WEIGHTS, *RATING_NAMES)
        found = (plain.index(name) for name in usual if name in plain)
        heavy = next((i for i in found if i not in taken), None)
    if ends is None:
        rest = [i for i in range(width) if i != heavy]
        if len(rest) < 2:
            raise InputError(f"{where}: expected two columns of node ids, got {listed(exact)}")
        if len(rest) > 2:
            raise InputError(
                f"{where}: which columns are the ends of an edge? it has {listed(exact)}; "
                "name them with --source and --target (source=, target=)"
            )
        ends = rest[0], rest[1]
    if len({*ends, heavy}) < 3:
        raise InputError(f"{where}: source, target and weight name one column twice")
    return *ends, heavy
