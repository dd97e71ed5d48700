from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from damrep.masking.validation import InputError
from damrep.training.saving import (
    atomic_folder,
    is_damrep_folder,
    load_folder,
    save_folder,
    saved_kind,
)


def save(path: Path, value: float = 1.0) -> None:
    shared = torch.full((2, 3), value)
    save_folder(
        path,
        "Example",
        {"width": 3, "names": ("a", "b"), "price": None},
        {"w": shared, "tied": shared, "turned": shared.T, "n": torch.tensor(4)},
        {"notes.txt": "grüße", "raw.bin": b"\x00"},
    )


def edit_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path / "model")
    config, tensors = load_folder(tmp_path / "model", "Example")
    assert config == {"width": 3, "names": ["a", "b"], "price": None}
    assert torch.equal(tensors["turned"], torch.ones(3, 2))
    assert tensors["n"].dtype == torch.int64
    assert set(tensors) == {"w", "tied", "turned", "n"}
    assert (tmp_path / "model" / "notes.txt").read_text(encoding="utf-8") == "grüße"
    assert os.listdir(tmp_path) == ["model"]


def test_trained_parameters_and_no_tensors_at_all(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    save_folder(tmp_path / "a", "X", {}, dict(layer.named_parameters()))
    assert torch.equal(load_folder(tmp_path / "a", "X")[1]["weight"], layer.weight)
    save_folder(tmp_path / "b", "X", {}, {})
    assert load_folder(tmp_path / "b", "X") == ({}, {})


def test_our_own_folder_is_replaced_whole(tmp_path: Path) -> None:
    save(tmp_path / "model", 1.0)
    save_folder(tmp_path / "model", "Other", {}, {"v": torch.zeros(1)})
    assert set(load_folder(tmp_path / "model", "Other")[1]) == {"v"}
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "weights.safetensors"]
    assert os.listdir(tmp_path) == ["model"]


def test_an_empty_folder_and_missing_parents_are_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty")
    save(tmp_path / "x" / "y")
    assert is_damrep_folder(tmp_path / "empty")
    assert is_damrep_folder(tmp_path / "x" / "y")


@pytest.mark.parametrize(
    "foreign", ['{"model_type": "bert"}', "not json", '["damrep"]', None], ids=str
)
def test_a_foreign_folder_is_neither_overwritten_nor_loaded(
    tmp_path: Path, foreign: str | None
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    if foreign is not None:
        (folder / "config.json").write_text(foreign)
    with pytest.raises(InputError, match="not written by damrep"):
        save(folder)
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["theirs"]
    with pytest.raises(InputError) as caught:
        load_folder(folder, "Example")
    assert "\n" not in str(caught.value)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="not a folder"):
        save(tmp_path / "out")
    with pytest.raises(InputError, match="cannot write to"):
        save(tmp_path / "out" / "below")
    with pytest.raises(InputError, match="no model folder"):
        load_folder(tmp_path / "out", "Example")


def test_missing_truncated_and_mismatched_files_are_named(tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        save(tmp_path / name)
        return tmp_path / name

    def refuses(path: Path, match: str, kind: str = "Example") -> None:
        with pytest.raises(InputError, match=match) as caught:
            load_folder(path, kind)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)

    refuses(tmp_path / "none", "no model folder")
    refuses(fresh("kind"), "holds a 'Example', expected a 'Classifier'", "Classifier")
    for missing in ("weights.safetensors", "notes.txt"):
        path = fresh(f"no-{missing}")
        (path / missing).unlink()
        refuses(path, f"{missing} is missing")
    path = fresh("no-config")
    (path / "config.json").unlink()
    refuses(path, "has no config.json")
    for name in ("config.json", "weights.safetensors"):
        size = (fresh(f"cut-{name}") / name).stat().st_size
        for keep in (0, 4, size // 2, size - 3):
            path = fresh(f"cut-{name}-{keep}")
            os.truncate(path / name, keep)
            refuses(path, "damaged or cut short")
    path = fresh("newer")
    edit_config(path, format_version=99)
    refuses(path, "format version 99")
    path = fresh("odd")
    edit_config(path, tensors={"w": {"shape": [2, 3]}})
    refuses(path, "does not match config.json: tensors n, tied, turned")
    path = fresh("shape")
    shapes = json.loads((path / "config.json").read_text())["tensors"]
    edit_config(path, tensors=shapes | {"w": {"shape": [3, 3]}})
    refuses(path, r"tensor w has shape \[2, 3\], expected \[3, 3\]")
    path = fresh("bare")
    edit_config(path, config=None)
    refuses(path, "incomplete")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_interrupted_leaves_nothing_and_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    save(tmp_path / "model", 1.0)
    for target in (tmp_path / "model", tmp_path / "fresh"):
        with pytest.raises(error), atomic_folder(target, is_damrep_folder) as folder:
            (folder / "half").write_text("written")
            raise error
    assert os.listdir(tmp_path) == ["model"]
    assert torch.equal(load_folder(tmp_path / "model", "Example")[1]["w"], torch.ones(2, 3))


def test_a_failed_rename_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "model", 1.0)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".tmp-" in self.name:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "model", 2.0)
    assert os.listdir(tmp_path) == ["model"]
    assert torch.equal(load_folder(tmp_path / "model", "Example")[1]["w"], torch.ones(2, 3))


def test_the_caller_says_what_may_be_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("{}")
    with (
        pytest.raises(InputError, match="was not written by damrep"),
        atomic_folder(out, lambda folder: False),
    ):
        pytest.fail("the check comes before the work")
    with atomic_folder(out, lambda folder: (folder / "report.json").exists()) as folder:
        (folder / "new").write_text("")
    assert os.listdir(out) == ["new"]


@pytest.mark.parametrize("name", ["../x", "a/b", "config.json", "weights.safetensors", ""])
def test_extra_files_stay_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plain, free file name"):
        save_folder(tmp_path / "m", "X", {}, {}, {name: "x"})
    assert os.listdir(tmp_path) == []


def test_what_kind_of_model_a_folder_holds(tmp_path: Path) -> None:
    save_folder(tmp_path / "model", "Example", {}, {})
    assert saved_kind(tmp_path / "model") == "Example"
    (tmp_path / "model" / "weights.safetensors").unlink()
    assert saved_kind(tmp_path / "model") == "Example", "only the config is looked at"
    with pytest.raises(InputError, match="no model folder"):
        saved_kind(tmp_path / "gone")
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        saved_kind(tmp_path / "model")
