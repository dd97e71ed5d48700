from __future__ import annotations

import sys
from pathlib import Path

import pytest

from damrep.lazy_imports import postponed


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`slow`, which imports its module `slow.part` when asked, and `user`, which imports both."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "__init__.py").write_text(
        "import importlib\n"
        "value = 1\n"
        "def __getattr__(name):\n"
        "    if name != 'part': raise AttributeError(name)\n"
        "    return importlib.import_module('slow.part')\n"
    )
    (tmp_path / "slow" / "part.py").write_text("value = 2\n")
    (tmp_path / "user.py").write_text(
        "import slow as short\n"
        "import slow.part\n"
        "def values(): return short.value, slow.part.value\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("slow", "slow.part", "user"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("modules")
def test_a_postponed_module_is_imported_when_it_is_used() -> None:
    with postponed("slow.part", "slow"):
        import user  # type: ignore[import-not-found]
    assert not {"slow", "slow.part"} & set(sys.modules)
    assert user.values() == (1, 2)
    import slow  # type: ignore[import-not-found]

    assert {"slow", "slow.part"} <= set(sys.modules)
    assert slow.part.value == 2 and not hasattr(user.short, "other")


@pytest.mark.usefixtures("modules")
def test_a_name_taken_from_it_imports_it_at_once() -> None:
    with postponed("slow"):
        from slow import value

        assert value == 1 and "slow" in sys.modules
    assert sys.modules["slow"].value == 1


@pytest.mark.usefixtures("modules")
def test_a_module_that_is_there_stays() -> None:
    import slow

    with postponed("slow"):
        import slow as again
    assert again is slow is sys.modules["slow"]


@pytest.mark.usefixtures("modules")
def test_an_error_leaves_no_stand_in_behind() -> None:
    with pytest.raises(ZeroDivisionError), postponed("slow"):
        _ = 1 / 0
    assert "slow" not in sys.modules


def test_a_missing_module_is_told_when_it_is_used() -> None:
    with postponed("no_such_module"):
        import no_such_module  # type: ignore[import-not-found]
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = no_such_module.value
