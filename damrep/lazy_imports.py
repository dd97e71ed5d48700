"""Modules of other packages that are imported when something of theirs is used.

For those that take long and that most runs need nothing of.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["postponed"]


def _stand_in(name: str) -> ModuleType:
    module = ModuleType(name)

    def find(attribute: str) -> Any:
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    module.__getattr__ = find  # type: ignore[method-assign]  # PEP 562
    return module


@contextmanager
def postponed(*names: str) -> Iterator[None]:
    """Within the block, importing one of these modules waits until something of it is used.

    What is imported is a stand-in, which imports the module when it is first asked for something
    and hands on what it is asked for. After the block the module counts as not imported, so that
    whoever else imports it gets it as usual.

    Parameters
    ----------
    names
        Full names of modules, to be imported whole (``import pandas as pd``). A module of a package
        only if the package imports it when asked for it, as scipy does. Those that have been
        imported already stay as they are.

    Examples
    --------
    >>> with postponed("pandas"):
    ...     import pandas as pd
    >>> len(pd.Series([1, 2]))
    2
    """
    waiting = {name: _stand_in(name) for name in names if name not in sys.modules}
    sys.modules.update(waiting)
    try:
        yield
    finally:
        for name, module in waiting.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
