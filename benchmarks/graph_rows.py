"""Rows of `benchmarks.graph`: which there are, and how runs and results are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.checkpoint import several_commits
from benchmarks.results import Column, read_result
from benchmarks.seeds import Spread

__all__ = [
    "ALL",
    "CLEORA_ALL",
    "CLEORA_LINKS",
    "COLUMNS",
    "FULL",
    "GROUPS",
    "LABELS",
    "LINKS",
    "METHODS",
    "PCA_ALL",
    "PCA_LABELS",
    "PUBLISHED",
    "PURPOSES",
    "SVD_ALL",
    "SVD_LABELS",
    "SVD_LINKS",
    "Method",
    "dataset_results",
    "known_widths",
    "merge_notes",
    "over_runs",
    "seed_notes",
    "summary_rows",
]

PURPOSES = ("all", "links", "labels")


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes
    ----------
    group : str
        What ``--methods`` calls it.
    kind : str
        How it is made: "damrep", "full", "pca", "svd", or the name of a peer.
    width : str or int
        Dimensions, or the purpose whose learned number it takes; for "damrep", "full" and "pca" the
        purpose of the fit too.
    """

    group: str
    kind: str
    width: str | int


_PEERS = (
    ("Cleora", "cleora", "pycleora"),
    ("node2vec", "node2vec", "node2vec"),
    ("ProNE", "prone", "prone"),
    ("NetMF", "netmf", "netmf"),
    ("FastRP", "fastrp", "fastrp"),
)
_CLEORAS_OWN = 256


def _table() -> dict[str, Method]:
    ours = {f"damrep --for {p}": Method("damrep", "damrep", p) for p in PURPOSES}
    ours |= {f"full width, --for {p}": Method("full", "full", p) for p in PURPOSES}
    for kind, label in (("pca", "pca of full"), ("svd", "svd")):
        ours |= {f"{label}, dims of --for {p}": Method(kind, kind, p) for p in PURPOSES}
    for label, group, kind in _PEERS:
        ours[f"{label}, dims of --for all"] = Method(group, kind, "all")
        if group == "cleora":
            ours[f"{label}, dims of --for links"] = Method(group, kind, "links")
        ours[f"{label}, 128"] = Method(group, kind, 128)
        if group == "cleora":
            # Its users' usual 128 above, its defaults here.
            ours[f"{label}, its own settings"] = Method(group, kind, _CLEORAS_OWN)
    # Its walks cost the same whatever the width.
    del ours["node2vec, dims of --for all"]
    return ours


# The rows of one data set's table, in order.
METHODS = _table()
GROUPS = tuple(dict.fromkeys(method.group for method in METHODS.values()))
ALL, LINKS, LABELS = (f"damrep --for {purpose}" for purpose in PURPOSES)
FULL = {purpose: f"full width, --for {purpose}" for purpose in PURPOSES}
PCA_ALL, PCA_LINKS, PCA_LABELS = (f"pca of full, dims of --for {p}" for p in PURPOSES)
SVD_ALL, SVD_LINKS, SVD_LABELS = (f"svd, dims of --for {p}" for p in PURPOSES)
CLEORA_ALL, CLEORA_LINKS = "Cleora, dims of --for all", "Cleora, dims of --for links"

COLUMNS = (
    Column("method", "Method"),
    Column("dims", "Dims", 1),
    Column("accuracy", "Accuracy"),
    Column("auc", "AUC"),
    Column("ap", "AP"),
    Column("cpu_s", "CPU s", 1),
)

_CCA = "Published, not ours: CCA-SSG (Zhang et al., NeurIPS 2021, as later papers quote it; "
_BGRL = "BGRL (Thakoor et al., ICLR 2022; 20 random splits of 10/10/80)"
# What networks without labels, with hundreds of dims and a linear probe, are published with.
PUBLISHED: dict[str, str] = {
    "cora": f"{_CCA}the public split): .840.",
    "citeseer": f"{_CCA}the public split): .731.",
    "pubmed": f"{_CCA}the public split): .810.",
    "amazon-computers": f"{_CCA}random splits of 10/10/80): .887; {_BGRL}: .903.",
    "coauthor-physics": f"{_CCA}random splits of 10/10/80): .954; {_BGRL}: .957.",
}

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


def known_widths(document: Row | None, seeds: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Widths damrep learned, by seed and purpose: on the graph, and without the held-out links.

    Parameters
    ----------
    document : mapping or None
        A data set's result, from `read_result`; None if there is none.
    seeds : sequence of int

    Returns
    -------
    dict
        Only what the result holds for all of these seeds.

    Examples
    --------
    >>> rows = [{"method": "damrep --for all", "seeds": [0, 1], "widths": [[8, 9], [8, 7]]}]
    >>> known_widths({"rows": rows}, [1])
    {1: {'all': [8, 7]}}
    """
    known: dict[int, dict[str, Any]] = {seed: {} for seed in seeds}
    for row in [] if document is None else document["rows"]:
        method = METHODS.get(row["method"])
        if method is None or "widths" not in row or not set(seeds) <= set(row["seeds"]):
            continue
        by_seed = dict(zip(row["seeds"], row["widths"], strict=True))
        for seed in seeds:
            known[seed][str(method.width)] = by_seed[seed]
    return known


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
