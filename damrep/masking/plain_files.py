"""Files of plain data that somebody else may have written: read with bounds, and never waited for.

A folder that was copied, unpacked or shared may hold a pipe, a device, a link to somewhere else, or
JSON that no program wrote. None of it is opened, or read, before it is known to be a regular file
of a size that makes sense.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from damrep.masking.validation import InputError

__all__ = ["LARGEST_JSON", "open_regular", "parse_json", "read_json"]

LARGEST_JSON = 64 << 20
"""Bytes of a file of JSON, at most: names of a million columns fit."""
DEEPEST, MOST_VALUES = 100, 4_000_000
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def open_regular(path: Path, within: Path | None = None) -> BinaryIO:
    """Open a regular file for reading.

    Parameters
    ----------
    path
        The file.
    within
        A folder that the file has to lie in, wherever links lead; anywhere if not given.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is a folder, a pipe, a device or a socket, if it lies elsewhere, or cannot be read.
    """
    try:
        place = os.path.realpath(path, strict=True)
        if within is not None and not Path(place).is_relative_to(os.path.realpath(within)):
            raise InputError(f"{path} is a link that leads out of its folder; it is not followed")
        # Before it is opened, as opening alone makes some devices do something.
        _require_regular(os.stat(place), path)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(place, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        _require_regular(os.fstat(handle), path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _require_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {
            stat.S_IFDIR: "a folder",
            stat.S_IFIFO: "a pipe",
            stat.S_IFSOCK: "a socket",
        }
        what = kinds.get(stat.S_IFMT(found.st_mode), "a device")
        raise InputError(f"{path} is {what}, expected a file")


def read_json(path: Path, within: Path | None = None) -> Any:
    """Read a file of JSON.

    Parameters
    ----------
    path, within
        As for `open_regular`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is not a regular file, larger than `LARGEST_JSON`, or not JSON as `parse_json` takes
        it.
    """
    with open_regular(path, within) as stream:
        # One byte more than there may be: a file can be longer than it says.
        data = stream.read(LARGEST_JSON + 1)
    if len(data) > LARGEST_JSON:
        raise InputError(f"{path} is too large: expected {LARGEST_JSON >> 20} MiB at most")
    try:
        return parse_json(data)
    except ValueError as error:
        raise InputError(f"{path} is damaged or cut short: {error}") from None


def parse_json(data: bytes, most_values: int | None = MOST_VALUES) -> Any:
    """JSON as it is written by damrep, and nothing beyond.

    Parameters
    ----------
    data
        In UTF-8.
    most_values
        There may be in it; None where something else has bounded its size.

    Returns
    -------
    None, bool, int, float, str, list or dict

    Raises
    ------
    ValueError
        If it is not JSON, holds NaN, an infinity or a key twice, is nested too deep or too long.

    Examples
    --------
    >>> parse_json(b'{"steps": 8}')
    {'steps': 8}
    >>> parse_json(b'{"steps": 8, "steps": 9}')
    Traceback (most recent call last):
    ValueError: the key 'steps' comes more than once
    """
    text = data.decode("utf-8")
    # Counted before it is parsed, which takes a call for every level, and memory for every value.
    bare = np.frombuffer(_STRING.sub(b"", data), np.uint8)
    opened, closed = ((bare == ord(a)) | (bare == ord(b)) for a, b in ("[{", "]}"))
    depth = np.cumsum(opened.astype(np.int8) - closed, dtype=np.int32)
    if depth.max(initial=0) > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    if most_values is not None and np.count_nonzero(bare == ord(",")) > most_values:
        raise ValueError(f"more than {most_values:,} values")
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {again[:80]!r} comes more than once")
    return made


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is not a number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (np.inf, -np.inf):
        raise ValueError(f"{digits[:80]} is too large a number")
    return number
