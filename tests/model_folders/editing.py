"""Changing a saved model, as somebody would who knows how its checksums are made, or does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["edit_config", "sign"]


def edit_config(folder: Path, change: Callable[[dict[str, Any]], Any], signed: bool = True) -> None:
    """Change what config.json holds; with new checksums, unless not `signed`."""
    path = folder / "config.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    change(whole)
    path.write_text(json.dumps(whole), encoding="utf-8")
    if signed:
        sign(folder)


def sign(folder: Path) -> None:
    """Make the checksums of a folder anew, where its format has them."""
    path = folder / "config.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    if whole.get("format_version") != 2:
        return
    weights = (folder / "weights.safetensors").read_bytes()
    whole["checksums"] = {"weights": hashlib.sha256(weights).hexdigest()}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    whole["checksums"]["config"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(whole), encoding="utf-8")
