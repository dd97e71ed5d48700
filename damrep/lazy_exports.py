"""Names that a package offers from its modules, imported on first use.

So that a package can be imported, and asked for one of them, without what the others need.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_exports"]


def lazy_exports(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package has as ``__getattr__`` and ``__dir__`` (PEP 562).

    Parameters
    ----------
    package
        Its full name.
    homes
        Name offered -> module that has it.

    Examples
    --------
    >>> find, names = lazy_exports("damrep", {"DAM": "damrep.masking.dam"})
    >>> find("DAM")(8).n_active
    8
    >>> find("Dam")
    Traceback (most recent call last):
        ...
    AttributeError: module 'damrep' has no attribute 'Dam'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
