"""Fitted models on disk: config.json and weights.safetensors, written whole or not at all.

config.json says what the model is, which tensors it has, and the checksums of both files. A folder
that was damaged or edited afterwards is refused: it would be another model than the one that was
fitted. The checksums are no signature; whoever knows how can make new ones. So whatever is in a
folder is looked at before it is used: every field has a type and bounds, every tensor a name, shape
and type that follow from the fields, and nothing is allocated before they are known to agree.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from damrep.masking.plain import to_plain
from damrep.masking.plain_files import LARGEST_JSON, open_regular, parse_json, read_json
from damrep.masking.schema import ANYTHING, TEXT, Choice, Entries, Items, Record, Rule, Text, Whole
from damrep.masking.validation import InputError
from damrep.training.fitted import damage_told
from damrep.training.folders import atomic_folder
from damrep.training.stored_tensors import (
    LAYOUT,
    Layout,
    Stored,
    check_layout,
    check_values,
    layout_of,
    read_layout,
)

__all__ = [
    "ModelFormat",
    "config_checksum",
    "is_damrep_folder",
    "load_folder",
    "save_folder",
    "saved_kind",
    "write_files",
]

FORMAT = "damrep"
FORMAT_VERSION = 2
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"

# What the header of the weights may take: so much, and so much for each tensor beside its name.
_HEADER, _ENTRY = 1 << 16, 1 << 10
_CHECKSUM = Text(64)
_FRAME: dict[str, Rule] = {
    "format": Choice((FORMAT,)),
    "damrep_version": TEXT,
    "kind": TEXT,
    "config": Entries(ANYTHING),
    "tensors": LAYOUT,
}
_FRAMES: dict[int, Rule] = {
    # Without checksums; "files" was never more than an empty list.
    1: Record({**_FRAME, "format_version": Whole(1, 1), "files": Items(TEXT, most=0)}),
    2: Record(
        {
            **_FRAME,
            "format_version": Whole(2, 2),
            "checksums": Record({"config": _CHECKSUM, "weights": _CHECKSUM}),
        }
    ),
}


@dataclass(frozen=True)
class ModelFormat:
    """What is saved of a kind of model.

    Parameters
    ----------
    kind
        Its name, which a folder has to have.
    config
        What its config has to be.
    tensors
        Given a config, and names, shapes and types of the tensors that the folder says it has:
        what these have to be. Any will do if not given.
    """

    kind: str
    config: Rule = Entries(ANYTHING)
    tensors: Callable[[Mapping[str, Any], Layout], Mapping[str, Stored]] | None = None

    def check(self, config: Mapping[str, Any], layout: Layout) -> Mapping[str, Stored]:
        """Refuse a config and tensors that do not fit; what the tensors have to be.

        Raises
        ------
        InputError
            Naming the field or the tensor.
        """
        self.config.check(config, "")
        if self.tensors is None:
            return {name: Stored(told.shape, (told.dtype,), False) for name, told in layout.items()}
        expected = self.tensors(config, layout)
        check_layout(layout, expected)
        return expected


def is_damrep_folder(path: Path) -> bool:
    """Whether a folder has a config.json that damrep wrote."""
    try:
        config = read_json(path / CONFIG, within=path)
    except (OSError, InputError):
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT


def save_folder(
    path: str | os.PathLike[str],
    model: ModelFormat,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> None:
    """Save a fitted model as a folder, all of it or nothing.

    Parameters
    ----------
    path
        The folder. One that damrep wrote is replaced, anything else that exists is left alone.
    model
        What is saved; `load_folder` asks for the same.
    config
        Plain data: constructor arguments, learned widths.
    tensors
        Weights by name, on any device; they are saved from the CPU.

    Raises
    ------
    InputError
        If `path` holds something that damrep did not write, is being written by another process,
        or could not be loaded again: a value that is not finite, say.

    Examples
    --------
    >>> import tempfile, torch
    >>> out, model = Path(tempfile.mkdtemp()) / "model", ModelFormat("Example")
    >>> save_folder(out, model, {"width": 2}, {"w": torch.zeros(2)})
    >>> load_folder(out, model)
    ({'width': 2}, {'w': tensor([0., 0.])})
    """
    with atomic_folder(path, is_damrep_folder) as folder:
        write_files(folder, model, config, tensors)


def write_files(
    folder: Path, model: ModelFormat, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write the two files of a model into a folder that is being made; see `save_folder`."""
    # Cloned: safetensors refuses tensors that share memory.
    held = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    weights = safetensors.torch.save(held)
    whole: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "damrep_version": _version(),
        "kind": model.kind,
        "config": to_plain(config),
        "tensors": layout_of(held),
        "checksums": {"weights": hashlib.sha256(weights).hexdigest()},
    }
    whole["checksums"]["config"] = _checksum(whole)
    text = json.dumps(whole, indent=2, allow_nan=False) + "\n"
    try:
        if len(text) > LARGEST_JSON:
            raise InputError(f"{CONFIG} would have {len(text):,} bytes")
        _FRAMES[FORMAT_VERSION].check(parse_json(text.encode()), "")
        check_values(held, model.check(whole["config"], read_layout(whole["tensors"])))
    except ValueError as error:
        raise InputError(f"the model cannot be saved: {error}") from None
    (folder / CONFIG).write_text(text, encoding="utf-8")
    # Not save_file: it leaves a file that only its owner can read.
    (folder / WEIGHTS).write_bytes(weights)


def saved_kind(path: str | os.PathLike[str]) -> str:
    """What kind of model a folder holds, without loading it.

    Raises
    ------
    InputError
        If the folder is missing, foreign, of a newer format, or its config is damaged.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "model"
    >>> save_folder(out, ModelFormat("Example"), {}, {})
    >>> saved_kind(out)
    'Example'
    """
    return str(_read_config(path)["kind"])


def config_checksum(path: str | os.PathLike[str]) -> str:
    """Checksum of all that a folder holds, for a folder that it is a part of."""
    return _checksum(_read_config(path))


def load_folder(
    path: str | os.PathLike[str], model: ModelFormat
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load what `save_folder` wrote; the tensors are on the CPU.

    Raises
    ------
    InputError
        If the folder is missing, foreign, of another kind or a newer format, incomplete, damaged or
        changed since it was saved.
    """
    whole = _read_config(path)
    if whole["kind"] != model.kind:
        raise InputError(f"{path} holds a {whole['kind']!r}, expected a {model.kind!r}")
    layout = read_layout(whole["tensors"])
    with damage_told(f"{path}/{CONFIG}"):
        expected = model.check(whole["config"], layout)
    checksums = whole.get("checksums")
    if checksums is not None and checksums["config"] != _checksum(whole):
        raise InputError(
            f"{path}/{CONFIG} was damaged or changed since it was saved: its checksum is another"
        )
    data = _read_weights(path, layout)
    try:
        found = safetensors.torch.load(data)
        there = read_layout(layout_of(found))
        check_layout(there, {name: Stored(t.shape, (t.dtype,)) for name, t in layout.items()})
        if checksums is not None and checksums["weights"] != hashlib.sha256(data).hexdigest():
            raise InputError("its checksum is another since it was saved")
        check_values(found, expected)
    except (SafetensorError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}/{WEIGHTS} is damaged or cut short: {reason}") from None
    # Copied to where torch puts tensors: results depend on it in their last bits.
    return whole["config"], {name: found.pop(name).clone() for name in sorted(found)}


def _read_weights(path: str | os.PathLike[str], layout: Layout) -> bytes:
    folder = Path(path).expanduser()
    least, most = _sizes(layout)
    try:
        with open_regular(folder / WEIGHTS, within=folder) as stream:
            size = os.fstat(stream.fileno()).st_size
            if not least <= size <= most:
                raise InputError(
                    f"{path}/{WEIGHTS} is damaged or cut short: {size:,} bytes for {least:,} bytes "
                    "of tensors"
                )
            return stream.read(most)
    except FileNotFoundError:
        raise InputError(f"{path} is incomplete: {WEIGHTS} is missing") from None


def _sizes(layout: Layout) -> tuple[int, int]:
    """Bytes that weights have at least and at most."""
    least = sum(told.nbytes for told in layout.values())
    return least, least + _HEADER + sum(_ENTRY + 6 * len(name) for name in layout)


def _read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise InputError(f"no model folder at {path}")
    try:
        whole = read_json(folder / CONFIG, within=folder)
    except FileNotFoundError:
        raise InputError(f"{path} is not a damrep model folder: it has no {CONFIG}") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise InputError(f"{path} is not a damrep model folder: its {CONFIG} is not damrep's")
    version = whole.get("format_version")
    frame = _FRAMES.get(version) if type(version) is int else None
    if frame is None:
        by = whole.get("damrep_version")
        raise InputError(
            f"{path} is in format version {str(version)[:80]}, this damrep reads "
            f"{' and '.join(map(str, _FRAMES))}; it was written by damrep {str(by)[:80]}"
        )
    try:
        frame.check(whole, "")
    except InputError as error:
        raise InputError(f"{path}/{CONFIG} is incomplete or damaged: {error}") from None
    return whole


def _checksum(whole: Mapping[str, Any]) -> str:
    """Of a config with all in it but this checksum; how it is laid out makes no difference."""
    checksums = {k: v for k, v in (whole.get("checksums") or {}).items() if k != "config"}
    text = json.dumps({**whole, "checksums": checksums}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _version() -> str:
    try:
        return importlib.metadata.version("damrep")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"
