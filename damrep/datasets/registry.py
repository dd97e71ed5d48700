"""Which data sets there are, where each comes from and how it is found."""

from __future__ import annotations

import difflib
import hashlib
import os
from pathlib import Path
from typing import Any

from damrep.datasets.catalogue import ENTRIES, Dataset
from damrep.datasets.download import cache_root, fetch
from damrep.datasets.rating_catalogue import RATING_ENTRIES
from damrep.datasets.ratings import Ratings
from damrep.graph.data.graph import Graph
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError, check_choice

__all__ = ["Dataset", "describe", "load", "load_ratings", "names"]

_BY_NAME = {entry.name: entry for entry in (*ENTRIES, *RATING_ENTRIES)}


def names(kind: str | None = None) -> tuple[str, ...]:
    """The names that are known: graphs, those without files of their own first, then ratings.

    Parameters
    ----------
    kind : {"graph", "ratings"}, optional
        Those that `load` reads, or those that `load_ratings` does; both if not given.

    Examples
    --------
    >>> names()[:3]
    ('karate', 'digits', 'cora')
    >>> names("ratings")[:2]
    ('ml-100k', 'ml-latest-small')
    """
    if kind is not None:
        check_choice("kind", kind, ("graph", "ratings"))
    return tuple(name for name, entry in _BY_NAME.items() if kind in (None, entry.kind))


def describe(name: str) -> Dataset:
    """The registry's entry: source, licence, files and their digests.

    Parameters
    ----------
    name : str
        In any case, with - or _.

    Raises
    ------
    InputError
        If there is no such data set, with the nearest name.

    Examples
    --------
    >>> describe("Cora").folder
    'planetoid/Cora/raw'
    """
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted in _BY_NAME:
        return _BY_NAME[wanted]
    near = difflib.get_close_matches(wanted, _BY_NAME, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_BY_NAME)}"
    raise InputError(f"unknown data set {name!r}; {hint}")


def load(name: str, data_root: str | os.PathLike[str] | None = None) -> Graph:
    """Load a graph by name.

    Its files are read in place and nothing is written beside them. They are looked for under
    `data_root`, or else the environment variable DAMREP_DATA, then in the cache
    (DAMREP_CACHE or ~/.cache/damrep), and downloaded there through torch-geometric if it can.

    Parameters
    ----------
    name : str
        One of `names("graph")`.
    data_root : path, optional
        A folder with, for example, planetoid/Cora/raw in it.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If the name is unknown or that of ratings, the data root is no folder, a file is damaged,
        or the files are neither here nor to be had.

    Warns
    -----
    DamrepWarning
        If a file is not the one whose digest the registry knows.

    Examples
    --------
    >>> load("digits")
    Graph('digits': 1797 nodes, 12339 edges, 64 features, 10 classes)
    """
    graph: Graph = _load(name, data_root, "graph")
    return graph


def load_ratings(name: str, data_root: str | os.PathLike[str] | None = None) -> Ratings:
    """Load a table of ratings, or of implicit feedback, by name; files are found as by `load`.

    Parameters
    ----------
    name : str
        One of `names("ratings")`.
    data_root : path, optional
        A folder with, for example, ml-100k in it.

    Returns
    -------
    Ratings
        With the splits it was published with.

    Raises
    ------
    InputError
        If the name is unknown or that of a graph, the data root is no folder, a file is damaged,
        or the files are not here.

    Warns
    -----
    DamrepWarning
        If a file is not the one whose digest the registry knows.
    """
    ratings: Ratings = _load(name, data_root, "ratings")
    return ratings


def _load(name: str, data_root: str | os.PathLike[str] | None, kind: str) -> Any:
    entry = describe(name)
    if entry.kind != kind:
        what, other = ("a graph", "load") if entry.kind == "graph" else ("ratings", "load_ratings")
        wanted = "a graph" if kind == "graph" else "ratings"
        raise InputError(f"{entry.name} is {what}, expected {wanted} (damrep.datasets.{other})")
    if entry.folder is None:
        return entry.read(Path())
    folder = _find(entry, _root(data_root))
    for file, digest in entry.files.items():
        if digest is not None and _digest(folder / file) != digest:
            warn_of(
                f"{folder / file} is not the file damrep's numbers for {entry.name} were made with"
            )
    return entry.read(folder)


def _root(data_root: str | os.PathLike[str] | None) -> Path | None:
    given, called = data_root, "data_root"
    if given is None:
        given, called = os.environ.get("DAMREP_DATA") or None, "DAMREP_DATA"
    if given is None:
        return None
    if not Path(given).is_dir():
        raise InputError(f"{called}: {given} is not a folder")
    return Path(given)


def _find(entry: Dataset, root: Path | None) -> Path:
    assert entry.folder is not None
    places = [place / entry.folder for place in (root, cache_root()) if place is not None]
    for place in places:
        if all((place / file).is_file() for file in entry.files):
            return place
    reason = "there is no download for it"
    if entry.recipe is not None:
        try:
            return fetch(entry.recipe, entry.folder)
        except InputError as error:
            reason = str(error)
    raise InputError(
        f"{entry.name}: no {', '.join(list(entry.files)[:2])}"
        f"{', ...' if len(entry.files) > 2 else ''} in {' or '.join(map(str, places))} and "
        f"{reason}; get it from {entry.source}, put it into <root>/{entry.folder} and give "
        "<root> as the data root or in DAMREP_DATA"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
