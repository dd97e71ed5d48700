"""Which data sets there are, where each comes from and how it is found."""

from __future__ import annotations

import difflib
import hashlib
import os
import warnings
from pathlib import Path

from damrep.datasets.catalogue import ENTRIES, Dataset
from damrep.datasets.download import cache_root, fetch
from damrep.graph.data import Graph
from damrep.masking.validation import InputError

__all__ = ["Dataset", "describe", "load", "names"]

_BY_NAME = {entry.name: entry for entry in ENTRIES}


def names() -> tuple[str, ...]:
    """The names `load` knows, those without files of their own first.

    Examples
    --------
    >>> names()[:3]
    ('karate', 'digits', 'cora')
    """
    return tuple(_BY_NAME)


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
    """Load a data set by name.

    Its files are read in place and nothing is written beside them. They are looked for under
    `data_root`, or else the environment variable DAMREP_DATA, then in the cache
    (DAMREP_CACHE or ~/.cache/damrep), and downloaded there through torch-geometric if it can.

    Parameters
    ----------
    name : str
        One of `names()`.
    data_root : path, optional
        A folder with, for example, planetoid/Cora/raw in it.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If the name is unknown, the data root is no folder, a file is damaged, or the files are
        neither here nor to be had.

    Warns
    -----
    UserWarning
        If a file is not the one whose digest the registry knows.

    Examples
    --------
    >>> load("digits")
    Graph('digits': 1797 nodes, 12339 edges, 64 features, 10 classes)
    """
    entry = describe(name)
    if entry.folder is None:
        return entry.read(Path())
    folder = _find(entry, _root(data_root))
    for file, digest in entry.files.items():
        if digest is not None and _digest(folder / file) != digest:
            warnings.warn(
                f"{folder / file} is not the file damrep's numbers for {entry.name} were made with",
                stacklevel=2,
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
