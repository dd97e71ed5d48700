"""Markdown tables from the JSON results, and the pages that show them kept in step.

    python -m benchmarks.tables                      print every table
    python -m benchmarks.tables graph                print one
    python -m benchmarks.tables --update README.md docs/results/*.md    rewrite their tables
    python -m benchmarks.tables --check README.md    exit 1 if that would change something

A marked place looks like this, the name being that of the JSON file::

    <!-- results:graph -->
    ...
    <!-- /results -->

``headline`` is the name of the README's four rows, see `benchmarks.headline`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.headline import HEADLINE, headline
from benchmarks.results import RESULTS, ResultError, read_result, write_atomically

_OPEN = re.compile(r"<!-- results:(?P<name>\S+) -->")
_CLOSE = "<!-- /results -->"
_EMPTY = "–"


def format_cell(value: Any, digits: int) -> str:
    """One cell as text.

    Parameters
    ----------
    value : None, str, bool, int, float or dict
        A dict is a number over seeds, with ``mean`` and ``std``.
    digits : int
        Decimals of a number that is not whole by type.

    Returns
    -------
    str

    Examples
    --------
    >>> format_cell({"mean": 0.8346, "std": 0.0042, "n": 5, "values": []}, 3)
    '0.835 ± 0.004'
    >>> format_cell(19717, 3), format_cell(0.5, 1), format_cell(None, 3), format_cell(True, 3)
    ('19,717', '0.5', '–', 'yes')
    """
    if value is None:
        return _EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.{digits}f}"
    if isinstance(value, Mapping):
        mean = format_cell(float(value["mean"]), digits)
        return mean if value["std"] is None else f"{mean} ± {value['std']:,.{digits}f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Mapping)) and not isinstance(value, bool)


def _provenance_line(provenance: Mapping[str, Any]) -> str:
    parts = []
    if provenance["commit"]:
        changed = " with local changes" if provenance.get("dirty") else ""
        parts.append(f"commit {provenance['commit'][:10]}{changed}")
    versions = provenance["versions"]
    parts += [
        f"{name} {versions[name]}" for name in ("torch", "torch-geometric") if name in versions
    ]
    threads = provenance["threads"]
    parts.append(f"{threads} thread{'' if threads == 1 else 's'} of {provenance['cpu']}")
    if provenance.get("accelerator"):
        parts.append(provenance["accelerator"])
    parts.append(str(provenance["date"])[:10])
    return ", ".join(parts)


def render(result: Mapping[str, Any]) -> str:
    """The table of a result, its notes, and a line that says where it was measured.

    Parameters
    ----------
    result : mapping
        From ``read_result``.

    Returns
    -------
    str
        Markdown without a line break at its end. Columns of numbers stand at the right.
    """
    columns, rows = result["columns"], result["rows"]
    table = [[format_cell(row.get(c["key"]), c["digits"]) for c in columns] for row in rows]
    rules = []
    for column in columns:
        filled = [row[column["key"]] for row in rows if row.get(column["key"]) is not None]
        rules.append("---:" if filled and all(map(_is_number, filled)) else "---")
    heads = [format_cell(column["label"], 0) for column in columns]
    lines = ["| " + " | ".join(cells) + " |" for cells in [heads, rules, *table]]
    foot = [*result["notes"], f"Measured with {_provenance_line(result['provenance'])}."]
    return "\n".join([*lines, "", "<sub>" + " ".join(foot) + "</sub>"])


def replace_tables(text: str, results: Path = RESULTS) -> str:
    """The text with the table of every marked place made anew.

    Parameters
    ----------
    text : str
        Of a page.
    results : Path
        Folder with the JSON files.

    Returns
    -------
    str

    Raises
    ------
    ResultError
        If a marker is not closed, is closed without being open, or names a result that is missing.
    """
    done: list[str] = []
    rest = text
    while (start := _OPEN.search(rest)) is not None:
        before, after = rest[: start.end()], rest[start.end() :]
        inside, close, rest = after.partition(_CLOSE)
        if not close or _OPEN.search(inside):
            raise ResultError(f"{start.group()} is not closed by {_CLOSE}")
        if _CLOSE in before:
            raise ResultError(f"{_CLOSE} before {start.group()} closes nothing")
        name = start["name"]
        table = headline(results) if name == HEADLINE else render(read_result(name, results))
        done += [before, "\n", table, "\n", _CLOSE]
    if _CLOSE in rest:
        raise ResultError(f"{_CLOSE} closes nothing")
    return "".join([*done, rest])


def _read(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    texts = []
    for path in paths:
        try:
            texts.append((path, path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ResultError(f"{path}: cannot be read ({error.strerror})") from error
    return texts


def all_tables(names: Sequence[str] = (), results: Path = RESULTS) -> str:
    """Tables under their titles.

    Parameters
    ----------
    names : sequence of str
        Of the results; all of the folder if none is named.
    results : Path
        Folder with the JSON files.

    Returns
    -------
    str
    """
    wanted = names or sorted(path.stem for path in results.glob("*.json"))
    read = [read_result(name, results) for name in wanted]
    return "\n".join(f"### {result['title']}\n\n{render(result)}\n" for result in read)


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, optional
        The process's own if not given.

    Returns
    -------
    int
        0; 1 when ``--check`` finds a difference; 2 when a file is missing or damaged.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tables",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="results to print; all if none is named")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with the JSON files")
    what = parser.add_mutually_exclusive_group()
    page: Any = {"type": Path, "metavar": "FILE", "nargs": "+", "default": []}
    what.add_argument("--update", help="rewrite the tables of these files", **page)
    what.add_argument("--check", help="say whether these files are in step", **page)
    options = parser.parse_args(arguments)
    paths = options.update or options.check
    try:
        if not paths:
            print(all_tables(options.names, options.results))
            return 0
        if options.names:
            parser.error("names cannot be given with --update or --check")
        # All are made before any is written.
        pages = [(path, old, replace_tables(old, options.results)) for path, old in _read(paths)]
    except ResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path, old, new in pages:
        if new == old:
            print(f"{path} is in step with {options.results}")
        elif options.check:
            print(
                f"{path} is not in step with {options.results}; "
                f"run: python -m benchmarks.tables --update {path}",
                file=sys.stderr,
            )
        else:
            write_atomically(path, new)
            print(f"{path} rewritten")
    return int(bool(options.check) and any(old != new for _, old, new in pages))


if __name__ == "__main__":
    sys.exit(main())
