"""Folders are whole or not there, and only one writes at a time."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from damrep.masking.notes import DamrepWarning
from damrep.masking.validation import InputError
from damrep.training import folders
from damrep.training.folders import atomic_folder, claimed
from damrep.training.saving import ModelFormat, is_damrep_folder, load_folder, save_folder

EXAMPLE = ModelFormat("Example")


def save(path: Path, value: float = 1.0) -> None:
    save_folder(path, EXAMPLE, {}, {"w": torch.full((2, 3), value)})


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="not a folder"):
        save(tmp_path / "out")
    with pytest.raises(InputError, match="cannot write to"):
        save(tmp_path / "out" / "below")
    with pytest.raises(InputError, match="no model folder"):
        load_folder(tmp_path / "out", EXAMPLE)


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
    assert torch.equal(load_folder(tmp_path / "model", EXAMPLE)[1]["w"], torch.ones(2, 3))


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
    assert torch.equal(load_folder(tmp_path / "model", EXAMPLE)[1]["w"], torch.ones(2, 3))


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


# What `claimed` does, in a process that starts in no time.
HOLD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
os.write(handle, f"damrep {os.getpid()} on here".encode())
print("mine", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_second_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    out = tmp_path / "out"
    save(out, 1.0)
    command = [sys.executable, "-S", "-c", HOLD, str(tmp_path / ".out.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"mine\n"
        for path in (out, tmp_path / "x" / ".." / "out"):
            with pytest.raises(InputError, match=f"by another process .{process.pid} on here."):
                save(path, 2.0)
        save(tmp_path / "beside", 2.0)
        assert torch.equal(load_folder(out, EXAMPLE)[1]["w"], torch.ones(2, 3))
        process.send_signal(signal.SIGKILL)
    assert sorted(os.listdir(tmp_path)) == [".out.lock", "beside", "out"], "its file outlived it"
    save(out, 3.0)
    assert sorted(os.listdir(tmp_path)) == ["beside", "out"]
    assert torch.equal(load_folder(out, EXAMPLE)[1]["w"], torch.full((2, 3), 3.0))


def test_threads_do_not_share_a_claim(tmp_path: Path) -> None:
    said: list[str] = []

    def other() -> None:
        try:
            save(tmp_path / "out")
        except InputError as error:
            said.append(str(error))

    with claimed(tmp_path / "out"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        save(tmp_path / "out")  # this one's own claim is no hindrance
    assert len(said) == 1 and "being written by another" in said[0]
    assert os.listdir(tmp_path) == ["out"]


def test_many_savers_at_once_leave_one_whole_model(tmp_path: Path) -> None:
    done: list[float] = []
    refused: list[str] = []

    def one(value: float) -> None:
        for _ in range(8):
            try:
                save_folder(
                    tmp_path / "out", EXAMPLE, {"value": value},
                    {name: torch.full((50,), value) for name in "abc"},
                )  # fmt: skip
                done.append(value)
            except InputError as error:
                refused.append(str(error))

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, map(float, range(5))))  # whatever else one of them raises is raised
    config, tensors = load_folder(tmp_path / "out", EXAMPLE)
    assert done and config["value"] in done
    assert all((tensor == config["value"]).all() for tensor in tensors.values())
    assert all("being written by another" in text for text in refused)
    assert os.listdir(tmp_path) == ["out"]


def test_a_file_of_somebody_elses_with_that_name_stays(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").write_text("diary")
    save(tmp_path / "out")
    assert (tmp_path / ".out.lock").read_text() == "diary"
    (tmp_path / ".more.lock").mkdir()
    with pytest.raises(InputError, match=r"cannot write to .*\.more\.lock"):
        save(tmp_path / "more")
    assert not (tmp_path / "more").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of Unix")
def test_a_pipe_or_link_with_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("")
    (tmp_path / ".out.lock").symlink_to(tmp_path / "diary")
    with pytest.raises(InputError, match="cannot write to"):
        save(tmp_path / "out")
    assert (tmp_path / "diary").read_text() == ""


def test_a_lock_that_was_replaced_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before removes its file between our opening and locking it."""
    taken, times = folders._take, []

    def late(handle: int) -> None:
        if not times:
            (tmp_path / ".out.lock").unlink()
        times.append(handle)
        taken(handle)

    monkeypatch.setattr(folders, "_take", late)
    with claimed(tmp_path / "out"):
        assert len(times) == 2
        assert (tmp_path / ".out.lock").exists()


def test_folders_made_for_a_claim_go_with_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "a" / "b" / "out"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not any(tmp_path.iterdir())
    with claimed(tmp_path / "a" / "b" / "out"):
        (tmp_path / "a" / "kept").touch()
    assert os.listdir(tmp_path / "a") == ["kept"]


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(InputError, match="cannot write to .*Read-only file system"):
        save(tmp_path / "out")


def test_a_file_system_without_locks_is_worth_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(handle: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folders, "_take", none)
    with pytest.warns(DamrepWarning, match="has no locks .No locks available"):
        save(tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"]
    load_folder(tmp_path / "out", EXAMPLE)
