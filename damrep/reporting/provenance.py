"""What a number was computed with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from typing import Any

import torch

__all__ = ["provenance"]

_PACKAGES = ("damrep", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


def provenance(command: str | None = None) -> dict[str, Any]:
    """Versions, machine, threads and time, as plain data for `FitReport.details`.

    Parameters
    ----------
    command : str, optional
        The command line that was run.

    Returns
    -------
    dict

    Examples
    --------
    >>> sorted(provenance("damrep fit-embedding karate"))
    ['command', 'date', 'platform', 'processors', 'python', 'threads', 'versions']
    """
    known: dict[str, Any] = {} if command is None else {"command": command}
    return {
        **known,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    if package == "damrep":
        from damrep import __version__

        return __version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
