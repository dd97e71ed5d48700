"""Rows of `benchmarks.graph`: their names and order, what is still to do, how they are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.checkpoint import several_commits
from benchmarks.results import Column, read_result
from benchmarks.seeds import Spread

__all__ = [
    "CLEORA",
    "CLEORA_NARROW",
    "COLUMNS",
    "DAMREP",
    "FULL",
    "GROUPS",
    "METHODS",
    "NODE2VEC",
    "NODE2VEC_NARROW",
    "PCA_OF_FULL",
    "SVD",
    "TRAINED",
    "UNROTATED",
    "UNROTATED_NARROW",
    "dataset_results",
    "known_widths",
    "merge_notes",
    "merge_rows",
    "over_runs",
    "seed_notes",
    "summary_rows",
    "to_do",
]

DAMREP = "damrep"
FULL = "full width"
TRAINED = "trained at that width"
UNROTATED = "mask without rotation"
UNROTATED_NARROW = "mask without rotation, same dims"
SVD = "svd, same dims"
PCA_OF_FULL = "pca of full, same dims"
CLEORA = "Cleora"
CLEORA_NARROW = "Cleora, same dims"
NODE2VEC = "node2vec"
NODE2VEC_NARROW = "node2vec, same dims"

# What --methods takes -> the rows it makes, in the order of the table.
GROUPS: dict[str, tuple[str, ...]] = {
    "damrep": (DAMREP,),
    "full": (FULL,),
    "trained": (TRAINED,),
    "unrotated": (UNROTATED, UNROTATED_NARROW),
    "svd": (SVD,),
    "pca": (PCA_OF_FULL,),
    "cleora": (CLEORA, CLEORA_NARROW),
    "node2vec": (NODE2VEC, NODE2VEC_NARROW),
}
METHODS = tuple(label for labels in GROUPS.values() for label in labels)

COLUMNS = (
    Column("method", "Method"),
    Column("dims", "Dims", 1),
    Column("accuracy", "Accuracy"),
    Column("auc", "AUC"),
    Column("ap", "AP"),
    Column("cpu_s", "CPU s", 1),
)

Row = Mapping[str, Any]


def over_runs(
    method: str, runs: Sequence[Mapping[str, float | None]], **more: Any
) -> dict[str, Any]:
    """One row out of one run a seed.

    Parameters
    ----------
    method : str
    runs : sequence of mapping
        Numbers by name, the same names in each; None where one could not be measured.
    **more
        Further cells of the row.

    Returns
    -------
    dict
        A number that is the same and whole under every seed stays a plain one; one that is
        missing under some seed is missing.

    Examples
    --------
    >>> row = over_runs("a", [{"dims": 8, "auc": 0.5}, {"dims": 8, "auc": 1.0}])
    >>> row["dims"], row["auc"].mean
    (8, 0.75)
    """
    row: dict[str, Any] = {"method": method}
    for key in runs[0]:
        values = [run[key] for run in runs]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            row[key] = None
        elif all(isinstance(value, int) and value == known[0] for value in known):
            row[key] = known[0]
        else:
            row[key] = Spread(tuple(float(value) for value in known))
    return {**row, **more}


def to_do(document: Row | None, methods: Iterable[str], seeds: Sequence[int]) -> list[str]:
    """Methods that a result does not hold yet for exactly these seeds, nor as too slow.

    Parameters
    ----------
    document : mapping or None
        A data set's result, from `read_result`; None if there is none.
    methods : iterable of str
        Wanted.
    seeds : sequence of int

    Examples
    --------
    >>> document = {"rows": [{"method": "damrep", "seeds": [0, 1]}], "settings": {}}
    >>> to_do(document, ["damrep", "full width"], (0, 1))
    ['full width']
    """
    rows = [] if document is None else document["rows"]
    done = {row["method"] for row in rows if row.get("seeds") == list(seeds)}
    if document is not None:
        done |= set(document["settings"].get("too_slow", ()))
    return [method for method in methods if method not in done]


def merge_rows(old: Iterable[Row], new: Iterable[Row]) -> list[dict[str, Any]]:
    """New rows in the place of old ones of the same method, in the order of the table.

    Examples
    --------
    >>> old = [{"method": "svd, same dims", "auc": 1}, {"method": "damrep", "auc": 2}]
    >>> merge_rows(old, [{"method": "damrep", "auc": 3}])
    [{'method': 'damrep', 'auc': 3}, {'method': 'svd, same dims', 'auc': 1}]
    """
    rows = {row["method"]: dict(row) for row in [*old, *new]}
    return [rows[method] for method in METHODS if method in rows]


def known_widths(document: Row | None, seeds: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Widths damrep learned by seed, on the graph and on the one without the held-out links.

    Parameters
    ----------
    document : mapping or None
    seeds : sequence of int

    Returns
    -------
    dict
        Empty if the result does not hold them for all of these seeds.

    Examples
    --------
    >>> rows = [{"method": "damrep", "seeds": [0, 1], "widths": [[8, 9], [8, 7]]}]
    >>> known_widths({"rows": rows}, [1])
    {1: (8, 7)}
    """
    for row in [] if document is None else document["rows"]:
        if row["method"] == DAMREP and set(seeds) <= set(row["seeds"]):
            by_seed = dict(zip(row["seeds"], row["widths"], strict=True))
            return {seed: (by_seed[seed][0], by_seed[seed][1]) for seed in seeds}
    return {}


def seed_notes(rows: Iterable[Row]) -> list[str]:
    """A sentence for rows whose number of seeds is not that of the first.

    Examples
    --------
    >>> seed_notes([{"method": "a", "seeds": [0, 1]}, {"method": "b", "seeds": [0]}])
    ['b: 1 seed.']
    """
    counts = [(row["method"], len(row["seeds"])) for row in rows]
    return [
        f"{method}: {count} seed{'' if count == 1 else 's'}."
        for method, count in counts
        if count != counts[0][1]
    ]


def merge_notes(by_name: Mapping[str, Sequence[str]]) -> list[str]:
    """Notes of several results, each once, with the names it is of unless it is of all.

    Examples
    --------
    >>> merge_notes({"cora": ["One thread.", "No node2vec."], "karate": ["One thread."]})
    ['One thread.', 'cora: No node2vec.']
    """
    holders: dict[str, list[str]] = {}
    for name, notes in by_name.items():
        for note in notes:
            holders.setdefault(note, []).append(name)
    return [
        note if len(names) == len(by_name) else f"{', '.join(names)}: {note}"
        for note, names in holders.items()
    ]


def dataset_results(out: Path) -> dict[str, dict[str, Any]]:
    """The results of single data sets in a folder, by data set.

    Raises
    ------
    ResultError
        If one is damaged.
    """
    found = {}
    for path in sorted(out.glob("graph-*.json")):
        result = read_result(path.stem, out)
        if "dataset" in result["settings"]:
            found[str(result["settings"]["dataset"])] = result
    return found


def summary_rows(documents: Mapping[str, Row]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and notes of all data sets in one table.

    Parameters
    ----------
    documents : mapping of str to result
        By data set.

    Returns
    -------
    rows, notes
        Each row with its data set; what only the single results need is left out.
    """
    keys = [column.key for column in COLUMNS]
    rows = [
        {"dataset": name, **{key: row.get(key) for key in keys}, "commit": row.get("commit")}
        for name, document in documents.items()
        for row in document["rows"]
    ]
    notes = merge_notes({name: document["notes"] for name, document in documents.items()})
    notes += several_commits(rows)
    return rows, notes
