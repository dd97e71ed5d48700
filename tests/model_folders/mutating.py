"""Changes to a saved model, drawn from a seed: what a bad disk, a hand or a program does to it."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from tests.model_folders.editing import sign

__all__ = ["mutate", "mutate_json"]

CONFIG, WEIGHTS = "config.json", "weights.safetensors"
# What an earlier change has left cannot be taken apart any more.
_UNREADABLE = (
    OSError, ValueError, TypeError, AttributeError, LookupError, RuntimeError, SafetensorError,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 7, 10**9, 10**18, 2**63, -(2**63), 10**400, 0.0, 0.5, -2.5,
    1e308, 5e-324, float("nan"), float("inf"), "", "8", "gcn", "als", "x" * 10**5, "\x1b[2J",
    "\ud800", "../../etc/passwd", [], {}, [1], [[1, 2.0]], {"a": 1}, [None] * 50, list(range(1000)),
)  # fmt: skip


def mutate(folder: Path, rng: random.Random, signed: bool = False) -> str:
    """Change a model folder in one to three ways; says how.

    Parameters
    ----------
    folder
        Changed in place.
    rng
        Decides.
    signed
        Make the checksums anew, where two files are left to make them of.
    """
    said = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        try:
            said.append(rng.choice(_CHANGES)(folder, rng))
        except _UNREADABLE:
            said.append("nothing further")
    if rng.random() < 0.08:  # the last, as nobody can read it any more
        return "; ".join([*said, _file(folder, rng)])
    if signed:
        try:
            sign(folder)
        except _UNREADABLE:
            said.append("not signed")
    return "; ".join(said)


def mutate_json(path: Path, rng: random.Random) -> str:
    """Change a file of JSON in one way; says how."""
    return rng.choice((_tree, _tree, _tree, _text, _bytes))(path, rng)


def _config(folder: Path, rng: random.Random) -> str:
    return mutate_json(folder / CONFIG, rng)


def _tree(path: Path, rng: random.Random) -> str:
    whole = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(whole))
    if not places:
        return f"{path.name} is empty"
    owner, key = rng.choice(places)
    said = rng.choice((_replace, _replace, _nudge, _swap_type, _drop, _add, _exchange))(
        owner, key, rng
    )
    path.write_text(json.dumps(whole), encoding="utf-8", errors="surrogatepass")
    return f"{path.name}: {said}"


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _replace(owner: Any, key: Any, rng: random.Random) -> str:
    owner[key] = copy.deepcopy(rng.choice(VALUES))
    return f"{key} = {str(owner[key])[:40]!r}"


def _nudge(owner: Any, key: Any, rng: random.Random) -> str:
    value = owner[key]
    if isinstance(value, (int, float)):
        close = value * 1.0000001 if abs(value) < 1e300 else 1.0
        owner[key] = rng.choice((value + 1, value - 1, value * 2, -value, close, value * 10**9))
    elif isinstance(value, str):
        owner[key] = rng.choice((value + "x", value[:-1], value.upper()))
    elif isinstance(value, list):
        owner[key] = rng.choice((value * 2, value[:-1], value[::-1], [*value, 1]))
    else:
        return _replace(owner, key, rng)
    return f"{key} from {str(value)[:20]!r} to {str(owner[key])[:40]!r}"


def _swap_type(owner: Any, key: Any, rng: random.Random) -> str:
    value = owner[key]
    to: Callable[[Any], Any] = rng.choice(
        (str, lambda v: [v], bool, lambda v: {"value": v}, lambda v: {str(v)[:20]: v}, json.dumps)
    )
    owner[key] = to(value)
    return f"{key} as {type(owner[key]).__name__}"


def _drop(owner: Any, key: Any, rng: random.Random) -> str:
    del owner[key]
    return f"no {key}"


def _add(owner: Any, key: Any, rng: random.Random) -> str:
    if isinstance(owner, list):
        owner.insert(key, copy.deepcopy(rng.choice(VALUES)))
    else:
        owner[rng.choice(("extra", "__class__", "", "smoothing", "é\x00"))] = rng.choice(VALUES)
    return f"one more beside {key}"


def _exchange(owner: Any, key: Any, rng: random.Random) -> str:
    other = rng.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
    owner[key], owner[other] = owner[other], owner[key]
    return f"{key} and {other} exchanged"


def _text(path: Path, rng: random.Random) -> str:
    """What no JSON writer does."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    deep = rng.choice((200, 10_000, 200_000))
    changes: dict[str, Callable[[], str]] = {
        "nothing in it": lambda: "",
        "null": lambda: "null",
        "a list of it": lambda: f"[{text}]",
        "nested deep": lambda: text.replace("null", "[" * deep + "]" * deep, 1),
        "nested deep and left open": lambda: "[" * deep,
        "a key twice": lambda: text.replace("{", '{"config": {}, "kind": 1, ', 1),
        "a number without end": lambda: text.replace(": 1", ": " + "1" * deep, 1),
        "a number too large": lambda: text.replace("0.", "1e999", 1),
        "not a number": lambda: text.replace("null", rng.choice(("NaN", "-Infinity")), 1),
        "a mark at the beginning": lambda: f"\ufeff{text}",
        "more behind it": lambda: text + text,
        "many values": lambda: text.replace("null", f"[{'0,' * 300_000}0]", 1),
        "single quotes": lambda: text.replace('"', "'"),
        "another layout": lambda: text.replace("\n", "\r\n\t"),
    }
    what = rng.choice(list(changes))
    path.write_text(changes[what](), encoding="utf-8", errors="surrogateescape", newline="")
    return f"{path.name}: {what}"


def _bytes(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data) + 1)
    what = rng.choice(("cut", "flip", "flip", "insert", "delete", "zero", "append"))
    if what == "cut":
        del data[place:]
    elif what == "flip" and data:
        data[place % len(data)] ^= 1 << rng.randrange(8)
    elif what == "insert":
        data[place:place] = rng.randbytes(rng.randrange(1, 20))
    elif what == "delete":
        del data[place : place + rng.randrange(1, 20)]
    elif what == "zero":
        data[place : place + 16] = bytes(len(data[place : place + 16]))
    else:
        data += rng.randbytes(rng.randrange(1, 50))
    path.write_bytes(data)
    return f"{path.name}: {what} at {place}"


def _weights_bytes(folder: Path, rng: random.Random) -> str:
    return _bytes(folder / WEIGHTS, rng)


def _tensors(folder: Path, rng: random.Random) -> str:
    """Another tensor, one more or one less; the config is told of it, or is not."""
    tensors = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    if not tensors:
        return f"{WEIGHTS} has no tensor"
    name = rng.choice(sorted(tensors))
    tensor = tensors[name]
    what = rng.choice(
        ("drop", "rename", "add", "flatten", "turn", "grow", "shrink", "dtype", "value", "nan",
         "exchange", "empty")
    )  # fmt: skip
    if what in ("drop", "rename"):
        del tensors[name]
    if what == "rename":
        tensors[f"{name}.x"] = tensor
    elif what == "add":
        tensors[rng.choice(("extra", "axes", "head", "classifier.weight"))] = torch.ones(2, 2)
    elif what == "flatten":
        tensors[name] = tensor.reshape(-1, 1) if tensor.dim() == 1 else tensor.reshape(-1)
    elif what == "turn":
        tensors[name] = tensor.T.contiguous() if tensor.dim() == 2 else tensor.flip(0)
    elif what == "grow":
        tensors[name] = torch.cat([tensor, tensor])
    elif what == "shrink":
        tensors[name] = tensor[:-1].contiguous()
    elif what == "empty":
        tensors[name] = tensor[:0].contiguous()
    elif what == "dtype":
        tensors[name] = tensor.to(rng.choice((torch.float64, torch.float16, torch.int64)))
    elif what == "value" and tensor.numel():
        tensors[name] = tensor + torch.ones((), dtype=tensor.dtype)
    elif what == "nan" and tensor.is_floating_point():
        tensors[name] = torch.full_like(tensor, rng.choice((torch.nan, torch.inf)))
    elif what == "exchange":
        other = rng.choice(sorted(tensors))
        tensors[name], tensors[other] = tensors[other], tensors[name]
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(tensors))
    if rng.random() < 0.5:
        return f"{WEIGHTS}: {what} {name}"
    whole = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    whole["tensors"] = {
        key: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
        for key, t in tensors.items()
    }
    (folder / CONFIG).write_text(json.dumps(whole), encoding="utf-8")
    return f"both files: {what} {name}"


def _file(folder: Path, rng: random.Random) -> str:
    """A file that is gone, or is none."""
    path = folder / rng.choice((CONFIG, WEIGHTS))
    what = rng.choice(("gone", "folder", "pipe", "endless", "link", "more", "large"))
    if what == "more":
        (folder / rng.choice(("notes.txt", ".DS_Store", "config.json.bak"))).write_text("mine")
        return "one more file"
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if what == "folder":
        path.mkdir()
    elif what == "pipe" and hasattr(os, "mkfifo"):
        os.mkfifo(path)
    elif what == "endless":
        path.symlink_to("/dev/zero")
    elif what == "link":
        path.symlink_to(path)
    elif what == "large":
        path.touch()
        os.truncate(path, 1 << 40)
    return f"{path.name}: {what}"


_CHANGES = (_config,) * 3 + (_tensors,) * 2 + (_weights_bytes,)
