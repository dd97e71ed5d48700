"""`damrep doctor`."""

from __future__ import annotations

import builtins
import json
import platform
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

import damrep
from damrep.cli import doctor
from tests.cli.conftest import Run


def test_the_text_says_what_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    result = run("doctor")
    assert result.exit_code == 0, result.output
    for part in (damrep.__version__, platform.python_version(), "cpu", "OMP_NUM_THREADS=3"):
        assert part in result.output
    assert str(Path.home()) not in result.output and platform.node() not in result.output.split()


def test_the_json_is_the_same(run: Run) -> None:
    result = run("doctor", "--json")
    found = json.loads(result.output)
    assert found == doctor.findings()
    assert found["devices"][0] == "cpu" and 1 <= found["threads"]["usable"]
    assert all(isinstance(missing, list) for missing in found["extras"].values())


def test_missing_packages_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        "numpy>=1.26",
        "no-such-thing>=2",
        'dgl==1.1.3; python_version < "3.12" and extra == "dgl"',
    ]
    monkeypatch.setattr(doctor, "requires", lambda _: [*wanted, "numpy; extra == 'both'"])
    monkeypatch.setattr(doctor, "_version", lambda name: "2.4" if name == "numpy" else None)
    result = run("doctor")
    assert result.exit_code == 2
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    for line in ("numpy 2.4", "no-such-thing missing", "dgl without dgl", "both complete"):
        assert line in lines


def test_a_package_that_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_: str) -> Any:
        raise PackageNotFoundError

    monkeypatch.setattr(doctor, "requires", nowhere)
    result = run("doctor")
    assert result.exit_code == 0 and "damrep is not installed" in result.output


def test_torch_that_cannot_be_imported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    result = run("doctor")
    assert "cannot be imported: libgomp.so.1" in result.output
