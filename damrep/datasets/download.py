"""Public data sets through torch-geometric's downloads, into a cache of damrep's own."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import os
import shutil
import tempfile
from pathlib import Path

from damrep.masking.validation import InputError

__all__ = ["Recipe", "cache_root", "fetch"]


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """Which class of `torch_geometric.datasets` knows where a data set is.

    Attributes
    ----------
    kind : str
        Name of the class.
    name : str
        What the class calls the data set.
    """

    kind: str
    name: str


def cache_root() -> Path:
    """Where downloads are kept: the environment variable DAMREP_CACHE, or ~/.cache/damrep."""
    return Path(os.environ.get("DAMREP_CACHE") or Path.home() / ".cache" / "damrep")


def _download_only(kind: type) -> type:
    """A dataset class that stops after the download.

    What follows in torch-geometric unpickles some of the files without a check and writes a second
    copy; damrep has readers of its own.
    """
    nothing = {"process": lambda self: None, "load": lambda self, *paths: None}
    return type(kind.__name__, (kind,), nothing)


def fetch(recipe: Recipe, folder: str) -> Path:
    """Download a data set's raw files into the cache.

    They are downloaded beside the cache and moved in when complete, so an interrupted download
    leaves nothing that looks like a data set.

    Parameters
    ----------
    recipe : Recipe
    folder : str
        Where the raw files belong under the cache, ending in "raw".

    Returns
    -------
    Path
        The folder of the raw files.

    Raises
    ------
    InputError
        If torch-geometric is not installed, the download fails, or the cache cannot be written.
    """
    root = cache_root()
    goal = root / folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    except OSError as error:
        raise InputError(f"the cache {root} cannot be written ({error.strerror})") from None
    try:
        datasets = importlib.import_module("torch_geometric.datasets")
        # The layout under a data root is torch-geometric's own: root/Name/raw.
        above = Path(folder).parent.parent
        kind = _download_only(getattr(datasets, recipe.kind))
        with contextlib.redirect_stderr(io.StringIO()):
            kind(str(scratch / above), recipe.name)
        goal.parent.mkdir(parents=True, exist_ok=True)
        if not goal.exists():
            os.replace(scratch / folder, goal)
    except Exception as error:  # sockets, TLS, HTTP, parsing: whatever it is, there is no data
        text = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"the download failed ({text})") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return goal
