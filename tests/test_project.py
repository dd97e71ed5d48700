"""The files around the code agree with each other and with it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

# Each may import what stands before it. Applications do not import each other either.
TOP = ["__init__", "__main__", "lazy_exports", "lazy_imports"]
APPLICATIONS = ["autoencoder", "graph", "pruning", "recommend"]
LAZY = ["damrep", "damrep.autoencoder", "damrep.graph", "damrep.recommend"]
IMPORT_ORDER = ["masking", "reading", "training", "reporting", *APPLICATIONS, "datasets", "cli"]


@pytest.fixture(scope="module")
def pyproject(project_root: Path) -> dict[str, Any]:
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(project_root: Path) -> dict[str, str]:
    lines = (project_root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.]+", entry) for entry in entries)
    return dict(entry.split("==") for entry in entries)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_is_the_same_everywhere(project_root: Path, pyproject: dict[str, Any]) -> None:
    import damrep

    version = pyproject["project"]["version"]
    assert damrep.__version__ == version
    assert f"\nversion: {version}\n" in (project_root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{version}]" in (project_root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_constraints_pin_every_requirement(pyproject: dict[str, Any], pins: dict[str, str]) -> None:
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == {"dgl", "pruning", "bench", "test", "docs"}
    wanted = [*project["dependencies"], *(entry for group in extras.values() for entry in group)]
    names = {_canonical(re.match(r"[\w.-]+", entry)[0]) for entry in wanted}  # type: ignore[index]
    assert names <= set(pins)


def test_constraints_pin_all_that_is_installed_for_the_tests(pins: dict[str, str]) -> None:
    """What the package and its test extra pull in, followed to the end."""
    from importlib.metadata import PackageNotFoundError, distribution

    from packaging.requirements import Requirement

    def needs(name: str, extra: str = "") -> set[str]:
        wanted = [Requirement(entry) for entry in distribution(name).requires or []]
        return {
            _canonical(entry.name)
            for entry in wanted
            if entry.marker is None or entry.marker.evaluate({"extra": extra})
        }

    try:
        waiting = needs("damrep", "test")
    except PackageNotFoundError:
        pytest.skip("damrep is not installed here, only on the path")
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= needs(name) - seen
    # With a CUDA build of torch come libraries that a CPU build does not have; torch pins these.
    accelerator = {
        name for name in seen if name.startswith(("nvidia-", "cuda-")) or name == "triton"
    }
    assert seen - accelerator <= set(pins)


def test_torch_is_the_pinned_release(pins: dict[str, str]) -> None:
    assert pins["torch"] == "2.13.0"


@pytest.mark.parametrize("package", [*LAZY, "damrep.masking", "damrep.training"])
def test_importing_a_package_does_not_import_torch(package: str) -> None:
    program = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("package", LAZY)
def test_packages_offer_the_names_they_list(package: str) -> None:
    import damrep

    module = importlib.import_module(package)
    for name in module.__all__:
        assert name in dir(module)
        assert getattr(module, name) is getattr(damrep, name)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nothing'"):
        _ = module.Nothing


def test_imports_only_go_down(project_root: Path) -> None:
    """cli -> graph -> reporting -> training -> masking, and no way back."""
    for path in (project_root / "damrep").rglob("*.py"):
        part = path.relative_to(project_root / "damrep").parts[0].removesuffix(".py")
        if part in TOP:
            continue
        assert part in IMPORT_ORDER, f"{part} has no floor"
        above = IMPORT_ORDER[IMPORT_ORDER.index(part) + 1 :]
        if part in APPLICATIONS:
            above = [*APPLICATIONS, "datasets", "cli"]
            above.remove(part)
        source = path.read_text(encoding="utf-8")
        for upper in above:
            found = re.search(rf"^\s*(from|import) damrep\.{upper}\b", source, re.MULTILINE)
            assert not found, f"{path.relative_to(project_root)} imports damrep.{upper}"


def test_all_warnings_are_of_one_class(project_root: Path) -> None:
    """`damrep.masking.notes.warn_of` gives them, of `DamrepWarning`, at the user's line."""
    for path in (project_root / "damrep").rglob("*.py"):
        if path.name != "notes.py":
            source = path.read_text(encoding="utf-8")
            assert not re.search(r"\bwarnings\.warn\b|import warn\b", source), path.name


def test_readme_tables_are_in_step_with_the_results(project_root: Path) -> None:
    from benchmarks.tables import replace_tables

    readme = (project_root / "README.md").read_text(encoding="utf-8")
    assert replace_tables(readme) == readme


def test_readme_names_the_two_commands(project_root: Path) -> None:
    readme = (project_root / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"^\s*(make [a-z]+)\b", readme, re.MULTILINE))
    assert commands == {"make demo", "make test"}


def test_every_file_the_makefile_names_is_there(project_root: Path) -> None:
    """A test that moved must not be left out, nor stop `make test-numerics`."""
    named = re.findall(r"tests/[\w/.]+", (project_root / "Makefile").read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (project_root / path).exists()] == []
