"""Results on disk: one JSON file a table, checked when written and when read.

A file holds ``schema``, ``name``, ``title``, ``columns`` (key, label, digits), ``rows``,
``settings``, ``notes`` and ``provenance``. A cell is null, text, a truth value, a number, or a
number over seeds (``mean``, ``std``, ``n``, ``values``). Whatever a row holds beyond the columns is
kept and not shown.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import provenance
from benchmarks.seeds import Spread

RESULTS = Path(__file__).resolve().parent / "results"
SCHEMA = 1
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SPREAD_KEYS = {"mean", "std", "n", "values"}


class ResultError(ValueError):
    """A result is missing, damaged or not one of ours."""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes
    ----------
    key : str
        Where a row holds the value.
    label : str
        What the table says above it.
    digits : int
        Decimals of a number.
    """

    key: str
    label: str
    digits: int = 3


def write_atomically(path: Path, text: str) -> None:
    """Put ``text`` in ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
        Its folder is made if there is none.
    text : str
        Written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes it readable by its owner only.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Spread):
        return value.to_dict()
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ResultError(f"{where} is {value}; a number that is not finite has no place here")
        return value
    if isinstance(value, Path):
        # Only its last part: the rest names somebody's machine.
        return value.name
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    raise ResultError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def write_result(
    name: str,
    rows: Iterable[Mapping[str, Any]],
    columns: Iterable[Column],
    *,
    title: str,
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    out: Path = RESULTS,
) -> Path:
    """Write a table and where it came from to ``out/NAME.json``.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and single hyphens; also the name of the README's marker.
    rows : iterable of mapping
        One a line of the table; a missing key is an empty cell.
    columns : iterable of Column
        What the table shows, in order.
    title : str
        One line that says what was measured.
    settings : mapping, optional
        What the benchmark was called with.
    notes : sequence of str
        Sentences the table needs to be read rightly.
    out : Path
        Folder.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If the name, a column or a cell cannot be used; nothing is written then.
    """
    document = {
        "schema": SCHEMA,
        "name": name,
        "title": title,
        "columns": [asdict(column) for column in columns],
        "rows": [_plain(row, f"rows[{index}]") for index, row in enumerate(rows)],
        "settings": _plain(settings or {}, "settings"),
        "notes": list(notes),
        "provenance": _plain(provenance(), "provenance"),
    }
    path = Path(out) / f"{name}.json"
    check_result(document, str(path))
    write_atomically(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path


def read_result(name: str, out: Path = RESULTS) -> dict[str, Any]:
    """Read ``out/NAME.json`` and check it.

    Raises
    ------
    ResultError
        If the file is missing, is not JSON or is not a result.
    """
    path = Path(out) / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{path}: no such result ({error.strerror})") from error
    except ValueError as error:
        raise ResultError(f"{path}: not JSON ({error})") from error
    check_result(document, str(path))
    if document["name"] != name:
        raise ResultError(f"{path}: holds the result {document['name']!r}, expected {name!r}")
    return dict(document)


def check_result(document: Any, where: str) -> None:
    """See that a document is a result.

    Parameters
    ----------
    document : object
        What a JSON file held.
    where : str
        Named in the message.

    Raises
    ------
    ResultError
        With the first field that is wrong.
    """

    def require(condition: bool, message: str) -> None:
        if not condition:
            raise ResultError(f"{where}: {message}")

    wanted: dict[str, type] = {
        "schema": int,
        "name": str,
        "title": str,
        "columns": list,
        "rows": list,
        "settings": dict,
        "notes": list,
        "provenance": dict,
    }
    require(isinstance(document, dict), f"expected an object, got {type(document).__name__}")
    for key, kind in wanted.items():
        require(key in document, f"has no {key!r}")
        got = type(document[key]).__name__
        require(isinstance(document[key], kind), f"{key} is a {got}, expected {kind.__name__}")
    require(
        document["schema"] == SCHEMA, f"schema is {document['schema']}, this code reads {SCHEMA}"
    )
    require(
        _NAME.fullmatch(document["name"]) is not None,
        f"name {document['name']!r} is not lower-case words joined by hyphens",
    )
    require(bool(document["columns"]), "has no columns")
    require(bool(document["rows"]), "has no rows")
    keys = []
    for index, column in enumerate(document["columns"]):
        require(
            isinstance(column, dict) and set(column) == {"key", "label", "digits"},
            f"columns[{index}] is not of key, label and digits",
        )
        keys.append(column["key"])
    require(len(set(keys)) == len(keys), f"a column comes twice: {keys}")
    for index, row in enumerate(document["rows"]):
        require(isinstance(row, dict), f"rows[{index}] is not an object")
        require(any(key in row for key in keys), f"rows[{index}] has none of the columns {keys}")
        for key in keys:
            require(
                is_cell(row.get(key)),
                f"rows[{index}].{key} is {row.get(key)!r}, "
                "neither a value nor mean, std, n, values",
            )
    for key in ("commit", "versions", "cpu", "threads", "date"):
        require(key in document["provenance"], f"provenance has no {key!r}")


def is_cell(value: Any) -> bool:
    """True for what a table can show: null, text, truth, number, or a number over seeds."""
    if isinstance(value, dict):
        return set(value) == _SPREAD_KEYS and value["n"] == len(value["values"])
    return value is None or isinstance(value, (str, bool, int, float))
