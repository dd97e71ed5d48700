"""`damrep doctor`: what damrep finds on this machine, to look at or to put into a report."""

from __future__ import annotations

import json
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import click

import damrep
from damrep.cli.running import tell

__all__ = ["doctor_command", "findings"]

_MISSING = "missing"


@click.command("doctor", short_help="Versions, threads, devices and extras found.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_context
def doctor_command(context: click.Context, as_json: bool) -> None:
    """Print versions, threads, devices and optional packages: what a report of a fault needs.

    No path, name of a user or of the machine is printed. Ends with 2 where a package that damrep
    needs is missing.
    """
    found = findings()
    tell(json.dumps(found, indent=2) if as_json else _text(found))
    if _MISSING in found["versions"].values():
        context.exit(2)


def findings() -> dict[str, Any]:
    """What is found, as plain data.

    Returns
    -------
    dict
        "damrep", "python", "platform"; "versions" of what damrep needs, by package; "extras": for
        each, the packages of it that are not installed; "threads" and "devices", None where torch
        cannot be imported, and then "torch" says why.

    Examples
    --------
    >>> found = findings()
    >>> found["damrep"] == damrep.__version__, found["threads"]["processors"] >= 1
    (True, True)
    """
    needed, extras = _requirements()
    found: dict[str, Any] = {
        "damrep": damrep.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "versions": {name: _version(name) or _MISSING for name in needed},
        "extras": {
            extra: [name for name in names if _version(name) is None]
            for extra, names in sorted(extras.items())
        },
        "threads": None,
        "devices": None,
    }
    try:
        import torch
    except (ImportError, OSError) as error:  # not there, or one of its libraries is not
        return found | {"torch": str(error)}
    return found | {"threads": _threads(torch), "devices": _devices(torch)}


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Packages that damrep needs, and those of each extra; nothing where it is not installed."""
    try:
        entries = requires("damrep") or []
    except PackageNotFoundError:
        entries = []
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for entry in entries:
        name = re.split(r"[^\w.-]", entry, maxsplit=1)[0]
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", entry)
        (needed if extra is None else extras.setdefault(extra[1], [])).append(name)
    return needed, extras


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _threads(torch: Any) -> dict[str, Any]:
    usable = getattr(os, "sched_getaffinity", None)
    return {
        "processors": os.cpu_count() or 1,
        "usable": os.cpu_count() or 1 if usable is None else len(usable(0)),
        "torch": torch.get_num_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
    }


def _devices(torch: Any) -> list[str]:
    devices = ["cpu"]
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(count)]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def _text(found: dict[str, Any]) -> str:
    rows = [(key, found[key]) for key in ("damrep", "python", "platform")]
    threads = found["threads"]
    if threads is None:
        rows.append(("torch", f"cannot be imported: {found['torch']}"))
    else:
        told = threads["OMP_NUM_THREADS"]
        asked = f", OMP_NUM_THREADS={told}" if told is not None else ""
        usable = f"{threads['torch']} of {threads['usable']} usable processors{asked}"
        rows += [("threads", usable), ("devices", ", ".join(found["devices"]))]
    rows.append(("versions", "" if found["versions"] else "unknown: damrep is not installed"))
    rows += [(f"  {name}", told) for name, told in found["versions"].items()]
    if found["extras"]:
        rows.append(("extras", ""))
    for extra, missing in found["extras"].items():
        rows.append((f"  {extra}", f"without {', '.join(missing)}" if missing else "complete"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}".rstrip() for name, value in rows)
