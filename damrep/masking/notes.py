"""What a user should know although nothing failed: one kind of warning, at the user's own line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["DamrepWarning", "noted", "warn_of"]

# Frames of these stand between what a user wrote and damrep: a pipeline fits, a search clones.
_NOT_THE_USERS = {"damrep", "joblib", "sklearn"}
_listener: ContextVar[list[str] | None] = ContextVar("_listener", default=None)


class DamrepWarning(UserWarning):
    """Every warning of damrep's is of this class.

    What a fit warns of stands in the model's `report_.warnings` too.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", DamrepWarning)
    ...     warn_of("all 8 dimensions earn their price")
    """


def warn_of(*notes: str) -> None:
    """Warn of each of these once, at the line outside of damrep that led here.

    Parameters
    ----------
    notes
        Sentences of one line.
    """
    listening = _listener.get()
    for note in dict.fromkeys(notes):
        if listening is None:
            warnings.warn(note, DamrepWarning, stacklevel=_users_level())
        elif note not in listening:
            listening.append(note)


@contextmanager
def noted() -> Iterator[list[str]]:
    """Collect what damrep would warn of inside the block, and warn of nothing.

    For whoever says it in another way: a report, the command line. Filters of the process are not
    touched, so threads do not disturb each other.

    Returns
    -------
    list of str
        Grows inside the block.

    Examples
    --------
    >>> with noted() as notes:
    ...     warn_of("2 of 9 labelled ids are not in the graph")
    >>> notes
    ['2 of 9 labelled ids are not in the graph']
    """
    notes: list[str] = []
    token = _listener.set(notes)
    try:
        yield notes
    finally:
        _listener.reset(token)


def _users_level() -> int:
    """The `stacklevel` that points out of damrep, for a warning given by the caller."""
    level, frame = 1, sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USERS:
        if frame.f_back is None:
            break
        level, frame = level + 1, frame.f_back
    return level
