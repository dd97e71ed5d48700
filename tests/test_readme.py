"""What the README and the how-to pages show works as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from damrep.cli import main


@pytest.fixture(scope="module")
def readme(project_root: Path) -> str:
    return (project_root / "README.md").read_text(encoding="utf-8")


def _python(readme: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)


def test_the_graph_example_runs(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(_python(readme)[0], names)
    assert "dimensions" in capsys.readouterr().out
    np.testing.assert_allclose(names["again"], names["z"], atol=1e-5)


def test_the_table_example_runs(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(_python(readme)[1], names)
    dims, score = capsys.readouterr().out.split()
    assert names["z"].shape == (1797, int(dims)) and 10 < int(dims) < 40
    assert names["again"].shape == (1797, 64) and 0.8 < float(score) < 1


def test_the_ratings_example_runs(
    readme: str,
    project_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project_root)
    names: dict[str, Any] = {}
    exec(_python(readme)[2], names)
    assert int(capsys.readouterr().out) == names["model"].n_components_ >= 1
    seen = names["ratings"].loc[lambda table: table["user"] == table["user"].iloc[0], "item"]
    assert len(names["ids"]) == 5 and not set(names["ids"]) & set(seen)


def test_the_network_example_ends_on_its_target(
    readme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from damrep.training import local_seed

    names: dict[str, Any] = {}
    with local_seed(0):
        exec(_python(readme)[3], names)
    assert "FLOPs" in capsys.readouterr().out
    assert names["result"].report_.flops_ratio == pytest.approx(1 / 0.4, rel=0.02)
    found = names["small"](names["images"]).argmax(1)
    assert (found == torch.tensor(names["digits"].target)).float().mean() > 0.9


def test_the_layer_example_finds_the_rank_it_says(
    project_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from damrep.training import local_seed

    page = (project_root / "docs/how-to/layer.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    with local_seed(0):
        exec(_python(page)[0], names)
    assert capsys.readouterr().out == "5\n"
    small, model, x = (names[key] for key in ("small", "model", "x"))
    assert callable(small) and callable(model)
    assert torch.allclose(small(x), model(x), atol=1e-4)
    assert "DAM" not in str(small)


def test_the_readme_is_one_screen(readme: str) -> None:
    assert len(readme.splitlines()) <= 150 and len(readme.encode()) <= 12_000


@pytest.mark.parametrize(
    "page", ["get-started.md", "how-to/models.md", "how-to/price.md", "how-to/saving.md"]
)
def test_the_examples_of_a_page_run(
    page: str,
    project_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data").symlink_to(project_root / "data")
    monkeypatch.chdir(tmp_path)
    blocks = _python((project_root / "docs" / page).read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(block, {})
    if page == "how-to/price.md":
        dims = [int(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
        assert dims == sorted(dims) and dims[0] < dims[-1]


def test_the_commands_are_commands(readme: str, project_root: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (project_root / "docs").rglob("*.md")]
    text = "\n".join([readme, *pages])
    lines = re.findall(r"^    (damrep .*?)(?:  +#.*)?$", text, re.MULTILINE)
    assert len(lines) >= 15
    for line in lines:
        _, name, *words = shlex.split(line)
        command = main.commands[name]
        # Parsed, not run.
        command.make_context(name, words, parent=click.Context(main, info_name="damrep"))


def test_the_files_it_names_are_there(readme: str, project_root: Path) -> None:
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", readme)
    shown = re.findall(r"\bdata/sample/[\w.]+", readme)
    assert linked and shown
    for name in (*linked, *shown):
        assert (project_root / name).is_file(), name


def test_files_that_pages_name_are_there(project_root: Path) -> None:
    """Modules and tests that the pages send a reader to."""
    for page in (project_root / "docs/architecture").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`((?:damrep|tests|data|docs)/[\w./]+)`", text):
            assert (project_root / name).exists(), f"{page.name}: {name}"
        for name in re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", text):
            found = (project_root / name, project_root / "damrep" / name)
            assert any(path.is_file() for path in found), f"{page.name}: {name}"
