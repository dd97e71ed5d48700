"""Where and with what a number was measured, and the one place that sets thread counts."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parent.parent

_PACKAGES = (
    "damrep",
    "torch",
    "torch-geometric",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "lightning-fabric",
    "dgl",
    "torch-pruning",
    "pycleora",
    "pecanpy",
    "scikit-dimension",
    "gensim",
    "numba",
)
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def set_threads(n: int) -> None:
    """Let torch, BLAS and OpenMP use ``n`` threads, here and in processes started from here.

    Parameters
    ----------
    n : int
        Threads, >= 1.

    Raises
    ------
    ValueError
        If ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"threads must be >= 1, got {n}")
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(n)
    import torch

    torch.set_num_threads(n)
    if torch.get_num_interop_threads() != n:
        try:
            torch.set_num_interop_threads(n)
        except RuntimeError:
            # Torch fixes this at its first parallel work; nothing measured here runs inter-op.
            pass
    # Without `with` the limit holds for the rest of the process, which is what is wanted.
    threadpool_limits(limits=n)


def _git(*arguments: str, root: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith(("model name", "Hardware")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _accelerator(torch: Any) -> str | None:
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def provenance(root: Path = ROOT) -> dict[str, Any]:
    """Everything needed to judge whether two numbers can be compared.

    Parameters
    ----------
    root : Path
        Folder of the git checkout.

    Returns
    -------
    dict
        ``commit`` (None outside a checkout), ``dirty`` (code differs from the commit; results
        written by earlier benchmarks do not count), ``versions``, ``python``, ``cpu``, ``cores``,
        ``threads``, ``load`` (1-minute load average when it was asked: a busy machine makes wall
        time useless), ``accelerator``, ``system``, ``date`` (UTC) and ``command``.
    """
    import torch

    status = _git("status", "--porcelain", "--", ".", ":(exclude)benchmarks/results", root=root)
    return {
        "commit": _git("rev-parse", "--verify", "--quiet", "HEAD", root=root),
        "dirty": None if status is None else bool(status),
        "versions": _versions(),
        "python": platform.python_version(),
        "cpu": _cpu_model(),
        "cores": _usable_cores(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "accelerator": _accelerator(torch),
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
    }


def _command() -> str:
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    program = f"python -m {module.name}" if module is not None else Path(sys.argv[0]).name
    # Of a path from the root only the last part: the rest names somebody's machine.
    return " ".join([program, *(re.sub(r"(^|=)/(\S*/)?", r"\1", word) for word in sys.argv[1:])])
