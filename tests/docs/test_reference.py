"""Everything that is public has a page in the reference, and what the pages name is there."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import damrep

# Packages whose names are for users; `cli` is a command, with a page of its own.
PACKAGES = [
    "damrep",
    *(
        found.name
        for found in pkgutil.walk_packages(damrep.__path__, "damrep.")
        if found.ispkg and found.name != "damrep.cli"
    ),
]
MODULES = [
    "damrep.autoencoder.plotting",
    "damrep.autoencoder.preparing",
    "damrep.graph.data.graph",
    "damrep.graph.encoding.stack",
    "damrep.graph.encoding.tasks",
    "damrep.reading.dialect",
    "damrep.recommend.evaluate",
    "damrep.recommend.splitting",
]


@pytest.fixture(scope="module")
def listed(project_root: Path) -> list[tuple[str, Any]]:
    """Full names of the reference, and what they are."""
    found = []
    for page in sorted((project_root / "docs/reference").glob("*.rst")):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if named := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = named[1]
            elif (name := re.match(r"   (\w+)$", line)) and module:
                value = getattr(importlib.import_module(module), name[1])
                found.append((f"{module}.{name[1]}", value))
    return found


@pytest.mark.parametrize("package", [*PACKAGES, *MODULES])
def test_every_public_name_is_there(package: str, listed: list[tuple[str, Any]]) -> None:
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        if name != "__version__":
            value = getattr(module, name)
            assert any(value is other for _, other in listed), f"{package}.{name} has no page"


def test_nothing_is_there_twice(listed: list[tuple[str, Any]]) -> None:
    assert len({id(value) for _, value in listed}) == len(listed)


def test_everything_is_described(listed: list[tuple[str, Any]]) -> None:
    assert len(listed) > 80
    for name, value in listed:
        if callable(value):
            assert (value.__doc__ or "").strip(), f"{name} has no docstring"


def test_pages_of_the_site_are_all_reachable(project_root: Path) -> None:
    docs = project_root / "docs"
    pages = [*docs.rglob("*.md"), *(docs / "reference").glob("*.rst")]
    for page in pages:
        if "_build" in page.parts or "tutorials" in page.parts or page == docs / "index.md":
            continue
        index = page.parent / "index.md"
        if page.stem == "index" or page.parent == docs:
            index, name = docs / "index.md", page.relative_to(docs).with_suffix("").as_posix()
        else:
            name = page.stem
            index = index if index.exists() else index.with_suffix(".rst")
        entries = index.read_text(encoding="utf-8").splitlines()
        assert name in [entry.strip() for entry in entries], f"{page} is in no table of contents"


def test_tables_of_results_are_in_step(project_root: Path) -> None:
    from benchmarks.tables import replace_tables

    pages = [project_root / "benchmarks/README.md", *(project_root / "docs/results").glob("*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert replace_tables(text) == text, f"python -m benchmarks.tables --update {page}"
