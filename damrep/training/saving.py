"""Fitted models on disk: config.json and weights.safetensors, written whole or not at all."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from damrep.masking.plain import to_plain
from damrep.masking.validation import InputError

__all__ = ["atomic_folder", "is_damrep_folder", "load_folder", "save_folder", "saved_kind"]

FORMAT = "damrep"
FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Write a folder under a temporary name beside `path`; rename it once all is written.

    If anything is raised inside the block, KeyboardInterrupt included, the temporary folder is
    removed and whatever stood at `path` is left as it was.

    Parameters
    ----------
    path
        Where the folder shall be. It may exist if it is an empty folder or one that may be
        overwritten.
    is_ours
        Given the existing folder, says whether it may be overwritten.

    Yields
    ------
    Path
        The temporary folder to write into.

    Raises
    ------
    InputError
        If something else stands at `path`, or its parent cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "out"
    >>> with atomic_folder(out, is_ours=lambda folder: False) as folder:
    ...     _ = (folder / "a.txt").write_text("a")
    >>> sorted(file.name for file in out.iterdir())
    ['a.txt']
    """
    target = Path(path).expanduser().resolve()
    _check_replaceable(target, is_ours, path)
    temporary = _beside(target, "tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
    except OSError as error:
        raise InputError(f"cannot write to {target.parent}: {error.strerror}") from None
    try:
        yield temporary
        _check_replaceable(target, is_ours, path)  # it may have changed while we were writing
        _swap(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}-{secrets.token_hex(4)}")


def _check_replaceable(
    target: Path, is_ours: Callable[[Path], bool], shown: str | os.PathLike[str]
) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{shown} exists and is not a folder; give another place to write to")
    if any(target.iterdir()) and not is_ours(target):
        raise InputError(
            f"{shown} exists and was not written by damrep; it is left alone, give another folder"
        )


def _swap(temporary: Path, target: Path) -> None:
    """Put `temporary` in the place of `target`; what was there goes only once that worked."""
    if not target.exists():
        temporary.rename(target)
        return
    old = _beside(target, "old")
    target.rename(old)
    try:
        temporary.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def is_damrep_folder(path: Path) -> bool:
    """Whether a folder has a config.json that damrep wrote."""
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT


def save_folder(
    path: str | os.PathLike[str],
    kind: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    extra_files: Mapping[str, bytes | str] | None = None,
) -> None:
    """Save a fitted model as a folder, all of it or nothing.

    Parameters
    ----------
    path
        The folder. One that damrep wrote is replaced, anything else that exists is left alone.
    kind
        What is saved, for instance the class name; `load_folder` asks for the same.
    config
        Plain data: constructor arguments, learned widths.
    tensors
        Weights by name, on any device; they are saved from the CPU.
    extra_files
        Further files by plain name.

    Raises
    ------
    InputError
        If `path` holds something that damrep did not write, or a file name is not a plain one.

    Examples
    --------
    >>> import tempfile, torch
    >>> out = Path(tempfile.mkdtemp()) / "model"
    >>> save_folder(out, "Example", {"width": 2}, {"w": torch.zeros(2)})
    >>> load_folder(out, "Example")
    ({'width': 2}, {'w': tensor([0., 0.])})
    """
    extra_files = extra_files or {}
    for name in extra_files:
        if name in (CONFIG, WEIGHTS, "", ".", "..") or Path(name).name != name:
            raise InputError(f"extra file name must be a plain, free file name, got {name!r}")
    # Cloned: safetensors refuses tensors that share memory.
    held = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    whole = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "damrep_version": _version(),
        "kind": kind,
        "config": to_plain(config),
        "tensors": {
            name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
            for name, t in held.items()
        },
        "files": sorted(extra_files),
    }
    with atomic_folder(path, is_damrep_folder) as folder:
        (folder / CONFIG).write_text(
            json.dumps(whole, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
        # Not save_file: it leaves a file that only its owner can read.
        (folder / WEIGHTS).write_bytes(safetensors.torch.save(held))
        for name, content in extra_files.items():
            data = content.encode("utf-8") if isinstance(content, str) else content
            (folder / name).write_bytes(data)


def saved_kind(path: str | os.PathLike[str]) -> str:
    """What `save_folder` was told that it saves, without loading the rest.

    Raises
    ------
    InputError
        If the folder is missing, foreign, of a newer format, or its config is damaged.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "model"
    >>> save_folder(out, "Example", {}, {})
    >>> saved_kind(out)
    'Example'
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise InputError(f"no model folder at {path}")
    return str(_read_config(folder, path).get("kind"))


def load_folder(
    path: str | os.PathLike[str], kind: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load what `save_folder` wrote; the tensors are on the CPU.

    Raises
    ------
    InputError
        If the folder is missing, foreign, of another kind or a newer format, incomplete or cut
        short.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise InputError(f"no model folder at {path}")
    whole = _read_config(folder, path)
    if whole.get("kind") != kind:
        raise InputError(f"{path} holds a {whole.get('kind')!r}, expected a {kind!r}")
    shapes, config = whole.get("tensors"), whole.get("config")
    if not isinstance(shapes, dict) or not isinstance(config, dict):
        raise InputError(f"{path}/{CONFIG} is incomplete: expected 'config' and 'tensors' in it")
    for name in (WEIGHTS, *(whole.get("files") or ())):
        if not (folder / str(name)).is_file():
            raise InputError(f"{path} is incomplete: {name} is missing")
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(folder / WEIGHTS, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}/{WEIGHTS} is damaged or cut short: {reason}") from None
    if set(tensors) != set(shapes):
        odd = ", ".join(sorted(set(tensors) ^ set(shapes)))
        raise InputError(f"{path}/{WEIGHTS} does not match {CONFIG}: tensors {odd} are in one only")
    for name, tensor in tensors.items():
        wanted = shapes[name].get("shape") if isinstance(shapes[name], dict) else None
        if list(tensor.shape) != wanted:
            raise InputError(
                f"{path}/{WEIGHTS} does not match {CONFIG}: tensor {name} has shape "
                f"{list(tensor.shape)}, expected {wanted}"
            )
    return config, tensors


def _read_config(folder: Path, shown: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        whole = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{shown} is not a damrep model folder: it has no {CONFIG}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{shown}/{CONFIG} is damaged or cut short: {error}") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise InputError(f"{shown} is not a damrep model folder: its {CONFIG} is not damrep's")
    version = whole.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{shown} is in format version {version!r}, this damrep reads {FORMAT_VERSION}; it was "
            f"written by damrep {whole.get('damrep_version')}"
        )
    return whole


def _version() -> str:
    try:
        return importlib.metadata.version("damrep")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"
