"""The wheel holds the package and nothing else, and works without the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.check_wheel import ROOT, build, contents, foreign, run_demo


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("work"))[1]


@pytest.mark.slow
def test_no_file_of_tests_or_benchmarks_is_in_it(wheel: Path) -> None:
    names = contents(wheel)
    assert foreign(names) == []
    assert not [name for name in names if "test" in Path(name).name or "bench" in name]


@pytest.mark.slow
def test_every_module_and_template_is_in_it(wheel: Path) -> None:
    package = ROOT / "damrep"
    wanted = [path for end in ("*.py", "*.j2", "py.typed") for path in package.rglob(end)]
    names = set(contents(wheel))
    assert {path.relative_to(ROOT).as_posix() for path in wanted} <= names


@pytest.mark.slow
def test_it_runs_the_demo_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    said = run_demo(wheel, tmp_path)
    assert "dimensions" in said and str(ROOT) not in said
