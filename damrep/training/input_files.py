"""Whether there is a file to read, before anything reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from damrep.masking.validation import InputError

__all__ = ["TEXT_ENDINGS", "file_ending", "require_file"]

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
"""Of files of text, which may have ``.gz`` after them."""


def file_ending(path: Path) -> str:
    """The ending that says what a file holds, in lower case and without ``.gz``.

    Examples
    --------
    >>> file_ending(Path("roads.CSV.gz"))
    '.csv'
    """
    return Path(path.name.lower().removesuffix(".gz")).suffix


def require_file(path: Path, known: Sequence[str], what: str) -> str:
    """Check that there is a file with something in it and return its ending.

    Parameters
    ----------
    path
        The file.
    known
        Endings that can be read; those of text may have ``.gz`` after them.
    what
        What is in it, for the message: "a table", "ratings".

    Raises
    ------
    InputError
        If there is no such file, it is a directory, is empty, cannot be opened, or its ending is
        not known.
    """
    readable = f"{', '.join(known)}, and the text ones with .gz"
    if path.is_dir():
        raise InputError(f"{path}: is a directory; expected {what} ({readable})")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    ending = file_ending(path)
    packed = path.name.lower().endswith(".gz")
    if ending not in known or (packed and ending not in TEXT_ENDINGS):
        raise InputError(
            f"{path}: unknown ending {(path.suffix if packed else ending) or 'none'!r} for {what}; "
            f"known are {readable}"
        )
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return ending
