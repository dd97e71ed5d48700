"""Fixtures every test may use."""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A figure must never look for a screen.
os.environ.setdefault("MPLBACKEND", "Agg")

# The same examples on every run, so that a failure in the CI is a failure at home;
# HYPOTHESIS_PROFILE=explore looks for new ones. No deadline: a busy machine is not a bug.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder of pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real data sets, not to be written to; skips the test where there is none."""
    named = os.environ.get("DAMREP_DATA")
    path = Path(named) if named else ROOT.parent / "shared" / "data"
    if not path.is_dir():
        where = f"DAMREP_DATA={named}" if named else "../shared/data"
        pytest.skip(f"real data sets needed: {where} is not a folder (set DAMREP_DATA to one)")
    return path


@pytest.fixture
def data_copy(data_root: Path, tmp_path: Path) -> Callable[[str], Path]:
    """``data_copy("planetoid/Cora")``: a writable copy, as some readers write beside raw files."""

    def copy(relative: str) -> Path:
        source = data_root / relative
        if not source.is_dir():
            pytest.skip(f"real data set needed: no folder {relative} among the data sets")
        target = tmp_path / "data" / relative
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
        return target

    return copy


@pytest.fixture
def global_rng_untouched() -> Iterator[None]:
    """Fails the test if it moved the global generator of Python, numpy or torch."""
    import torch

    before = (random.getstate(), np.random.get_state(), torch.random.get_rng_state())  # noqa: NPY002
    yield
    after = (random.getstate(), np.random.get_state(), torch.random.get_rng_state())  # noqa: NPY002
    assert before[0] == after[0], "Python's global random generator was used"
    assert all(np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True)), (
        "numpy's global random generator was used"
    )
    assert torch.equal(before[2], after[2]), "torch's global random generator was used"
