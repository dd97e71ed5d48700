"""What is saved comes back, and what was changed meanwhile is refused, in one line."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from damrep.masking.schema import Items, Record, Whole
from damrep.masking.validation import InputError
from damrep.training import saving
from damrep.training.saving import (
    ModelFormat,
    is_damrep_folder,
    load_folder,
    save_folder,
    saved_kind,
)
from damrep.training.stored_tensors import INT64, Stored
from tests.model_folders.editing import edit_config, sign

EXAMPLE = ModelFormat("Example")


def save(path: Path, value: float = 1.0) -> None:
    shared = torch.full((2, 3), value)
    save_folder(
        path,
        EXAMPLE,
        {"width": 3, "names": ("a", "b"), "price": None},
        {"w": shared, "tied": shared, "turned": shared.T, "n": torch.tensor(4)},
    )


def refuses(path: Path, match: str, model: ModelFormat = EXAMPLE) -> None:
    with pytest.raises(InputError, match=match) as caught:
        load_folder(path, model)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path / "model")
    config, tensors = load_folder(tmp_path / "model", EXAMPLE)
    assert config == {"width": 3, "names": ["a", "b"], "price": None}
    assert torch.equal(tensors["turned"], torch.ones(3, 2))
    assert tensors["n"].dtype == torch.int64
    assert set(tensors) == {"w", "tied", "turned", "n"}
    assert os.listdir(tmp_path) == ["model"]


def test_trained_parameters_and_no_tensors_at_all(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    save_folder(tmp_path / "a", EXAMPLE, {}, dict(layer.named_parameters()))
    assert torch.equal(load_folder(tmp_path / "a", EXAMPLE)[1]["weight"], layer.weight)
    save_folder(tmp_path / "b", EXAMPLE, {}, {})
    assert load_folder(tmp_path / "b", EXAMPLE) == ({}, {})


def test_our_own_folder_is_replaced_whole(tmp_path: Path) -> None:
    save(tmp_path / "model", 1.0)
    save_folder(tmp_path / "model", ModelFormat("Other"), {}, {"v": torch.zeros(1)})
    assert set(load_folder(tmp_path / "model", ModelFormat("Other"))[1]) == {"v"}
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
    refuses(folder, "theirs")


def test_missing_truncated_and_mismatched_files_are_named(tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        save(tmp_path / name)
        return tmp_path / name

    refuses(tmp_path / "none", "no model folder")
    refuses(fresh("kind"), "holds a 'Example', expected a 'Classifier'", ModelFormat("Classifier"))
    path = fresh("no-weights")
    (path / "weights.safetensors").unlink()
    refuses(path, r"weights\.safetensors is missing")
    path = fresh("no-config")
    (path / "config.json").unlink()
    refuses(path, "has no config.json")
    for name in ("config.json", "weights.safetensors"):
        size = (fresh(f"cut-{name}") / name).stat().st_size
        for keep in (0, 4, size // 2, size - 3):
            path = fresh(f"cut-{name}-{keep}")
            os.truncate(path / name, keep)
            refuses(path, "damaged or cut short")
    for version in (99, "2", True, None, [2]):
        path = fresh(f"version-{version}")
        edit_config(path, lambda whole, to=version: whole.update(format_version=to))
        refuses(path, "in format version")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w["tensors"].pop("w"), "tensor w is not part of such a model"),
        (lambda w: w["tensors"].update(v={"shape": [], "dtype": "bool"}), "tensor v is missing"),
        (
            lambda w: w["tensors"]["w"].update(shape=[3, 2]),
            r"tensor w has shape \[2, 3\], expected \[3, 2\]",
        ),
        (lambda w: w["tensors"]["w"].update(dtype="int32"), "tensor w is float32, expected int32"),
        (lambda w: w["tensors"]["w"].update(dtype="float8"), "tensors.w.dtype: expected one of"),
        (lambda w: w["tensors"]["w"].update(shape=[-1]), "tensors.w.shape"),
        (lambda w: w["tensors"]["w"].update(shape=[10**12]), "12 bytes|bytes for"),
        (lambda w: w["tensors"]["w"].update(shape=[2**52] * 8), "bytes for"),
        (lambda w: w.update(config=None), "incomplete or damaged: config: expected a record"),
        (lambda w: w.update(files=[]), "files: this is no known field"),
        (lambda w: w.pop("checksums"), "checksums: it is missing"),
        (lambda w: w.pop("kind"), "kind: it is missing"),
        (lambda w: w.update(kind=3), "kind: expected a text"),
    ],
)
def test_what_the_config_says_of_its_tensors(
    change: Callable[[dict[str, Any]], Any], said: str, tmp_path: Path
) -> None:
    save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    whole = json.loads(path.read_text())
    change(whole)
    if "checksums" in whole:  # signed, so that it is not the checksum alone that tells
        path.write_text(json.dumps(whole))
        sign(tmp_path / "model")
    else:
        path.write_text(json.dumps(whole))
    refuses(tmp_path / "model", said)


def test_every_single_byte_counts(tmp_path: Path) -> None:
    save(tmp_path / "model")
    for name in ("config.json", "weights.safetensors"):
        data = (tmp_path / "model" / name).read_bytes()
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 7
            (tmp_path / "model" / name).write_bytes(changed)
            try:
                config, _ = load_folder(tmp_path / "model", EXAMPLE)
            except InputError as error:
                assert "\n" not in str(error)
            else:  # a blank that became another one
                assert name == "config.json" and not data[place : place + 1].strip()
                assert config["width"] == 3
        (tmp_path / "model" / name).write_bytes(data)


def test_how_the_config_is_laid_out_makes_no_difference(tmp_path: Path) -> None:
    save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(whole.items())), ensure_ascii=False), newline="\r\n")
    assert load_folder(tmp_path / "model", EXAMPLE)[0]["width"] == 3


STRICT = ModelFormat(
    "Strict",
    Record({"width": Whole(1, 100), "names": Items(Whole(), most=0)}),
    lambda config, layout: {"w": Stored((config["width"], None)), "n": Stored((1,), INT64)},
)
NUMBER = torch.tensor([1])


def test_a_format_says_what_there_has_to_be(tmp_path: Path) -> None:
    good = {"width": 2, "names": []}, {"w": torch.ones(2, 7), "n": NUMBER}
    save_folder(tmp_path / "model", STRICT, *good)
    config, tensors = load_folder(tmp_path / "model", STRICT)
    assert (config, tensors["w"].shape) == (good[0], (2, 7))
    edit_config(tmp_path / "model", lambda whole: whole["config"].update(width=3))
    refuses(
        tmp_path / "model", r"damaged \(tensor w has shape \[2, 7\], expected \[3, any\]", STRICT
    )
    edit_config(tmp_path / "model", lambda whole: whole["config"].update(width="2"))
    refuses(tmp_path / "model", "width: expected an integer between 1 and 100, got '2'", STRICT)


@pytest.mark.parametrize(
    ("config", "tensors", "said"),
    [
        ({"width": 101, "names": []}, {"w": torch.ones(101, 1), "n": NUMBER}, "width"),
        ({"width": 2}, {"w": torch.ones(2, 1), "n": NUMBER}, "names: it is missing"),
        ({"width": 2, "names": []}, {"w": torch.ones(2, 1)}, "tensor n is missing"),
        ({"width": 2, "names": []}, {"w": torch.ones(3, 1), "n": NUMBER}, "has shape"),
        ({"width": 2, "names": []}, {"w": torch.ones(2, 1), "n": NUMBER.float()}, "float32"),
        ({"width": 2, "names": []}, {"w": torch.full((2, 1), torch.nan), "n": NUMBER}, "finite"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(
    config: dict[str, Any], tensors: dict[str, torch.Tensor], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"the model cannot be saved: .*{said}"):
        save_folder(tmp_path / "model", STRICT, config, tensors)
    assert not any(tmp_path.iterdir())


def test_a_config_that_is_too_large_to_be_read_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "LARGEST_JSON", 1000)
    save_folder(tmp_path / "model", EXAMPLE, {"name": "x" * 100}, {})
    with pytest.raises(
        InputError, match=r"cannot be saved: config\.json would have 1,\d\d\d bytes"
    ):
        save_folder(tmp_path / "model", EXAMPLE, {"name": "x" * 1000}, {})
    assert load_folder(tmp_path / "model", EXAMPLE)[0] == {"name": "x" * 100}


def test_values_that_are_not_finite_are_not_loaded(tmp_path: Path) -> None:
    save_folder(
        tmp_path / "model", STRICT, {"width": 2, "names": []}, {"w": torch.ones(2, 7), "n": NUMBER}
    )
    tensors = {"w": torch.full((2, 7), -torch.inf), "n": NUMBER}
    (tmp_path / "model" / "weights.safetensors").write_bytes(safetensors.torch.save(tensors))
    sign(tmp_path / "model")
    refuses(tmp_path / "model", "tensor w holds values that are not finite", STRICT)


def test_weights_whose_header_lies(tmp_path: Path) -> None:
    save_folder(tmp_path / "model", EXAMPLE, {}, {"w": torch.ones(4)})
    path = tmp_path / "model" / "weights.safetensors"
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    told = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    for changes in (
        {"shape": [10**12]},
        {"data_offsets": [0, 4 * 10**12]},
        {"shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"shape": [2**62, 2**62]},
        {"data_offsets": [8, 16]},
        {"data_offsets": [16, 0]},
        {"shape": [-4]},
        {"dtype": "F64"},
    ):
        header = json.dumps({"w": {**told, **changes}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + size :])
        sign(tmp_path / "model")
        refuses(tmp_path / "model", "damaged or cut short")
    for length in (0, 2**20, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + data[8:])
        sign(tmp_path / "model")
        refuses(tmp_path / "model", "damaged or cut short")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes, sockets and devices of Unix")
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
class TestWhatIsNoFile:
    def folder(self, tmp_path: Path, name: str) -> tuple[Path, Path]:
        save(tmp_path / "model")
        (tmp_path / "model" / name).rename(tmp_path / "elsewhere")
        return tmp_path / "model", tmp_path / "model" / name

    def test_a_pipe_that_nobody_writes_to(self, name: str, tmp_path: Path) -> None:
        folder, path = self.folder(tmp_path, name)
        os.mkfifo(path)
        began = time.monotonic()
        refuses(folder, f"{name} is a pipe, expected a file")
        assert not is_damrep_folder(folder) or name != "config.json"
        assert time.monotonic() - began < 5

    def test_a_socket(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder, path = self.folder(tmp_path, name)
        monkeypatch.chdir(folder)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
        refuses(folder, f"{name} is a socket, expected a file")

    @pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "/proc/self/mem", "elsewhere"])
    def test_a_link_that_leads_out(self, name: str, place: str, tmp_path: Path) -> None:
        folder, path = self.folder(tmp_path, name)
        path.symlink_to(tmp_path / place)
        refuses(folder, "link that leads out of its folder")

    def test_a_link_in_a_circle(self, name: str, tmp_path: Path) -> None:
        folder, path = self.folder(tmp_path, name)
        path.symlink_to(path)
        refuses(folder, "cannot be read")

    def test_a_link_within_the_folder_is_followed(self, name: str, tmp_path: Path) -> None:
        folder, path = self.folder(tmp_path, name)
        (tmp_path / "elsewhere").rename(folder / "blob")
        path.symlink_to("blob")
        load_folder(folder, EXAMPLE)
        folder.rename(tmp_path / "kept")
        folder.symlink_to("kept")  # the folder itself may be anywhere
        load_folder(folder, EXAMPLE)

    def test_a_folder(self, name: str, tmp_path: Path) -> None:
        folder, path = self.folder(tmp_path, name)
        path.mkdir()
        refuses(folder, f"{name} is a folder, expected a file")

    def test_a_file_without_end(self, name: str, tmp_path: Path) -> None:
        folder, path = self.folder(tmp_path, name)
        path.touch()
        os.truncate(path, 1 << 40)  # of which nothing is on the disk
        began = time.monotonic()
        refuses(folder, "too large|damaged or cut short: 1,099,511,627,776 bytes")
        assert time.monotonic() - began < 20

    def test_no_permission(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, _ = self.folder(tmp_path, name)
        (tmp_path / "elsewhere").rename(folder / name)
        opened = os.open

        def forbidden(path: Any, *more: Any, **options: Any) -> int:
            if str(path).endswith(name):  # root may read everything
                raise PermissionError(13, "Permission denied", path)
            return opened(path, *more, **options)

        monkeypatch.setattr(os, "open", forbidden)
        refuses(folder, f"{name} cannot be read: Permission denied")


def test_what_kind_of_model_a_folder_holds(tmp_path: Path) -> None:
    save_folder(tmp_path / "model", EXAMPLE, {}, {})
    assert saved_kind(tmp_path / "model") == "Example"
    (tmp_path / "model" / "weights.safetensors").unlink()
    assert saved_kind(tmp_path / "model") == "Example", "only the config is looked at"
    with pytest.raises(InputError, match="no model folder"):
        saved_kind(tmp_path / "gone")
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        saved_kind(tmp_path / "model")
