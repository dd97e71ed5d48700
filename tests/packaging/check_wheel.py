"""Build sdist and wheel, install the wheel alone, and run the demo from it: `make dist`.

    python tests/packaging/check_wheel.py DIST      writes the two files into DIST

Everything else happens in a temporary folder: the sdist is made of a copy of the tracked files, the
wheel of the sdist, and the demo runs in an environment that knows nothing of the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path, work: Path) -> tuple[Path, Path]:
    """Make sdist and wheel.

    Parameters
    ----------
    folder
        Where they go.
    work
        An empty folder to build in.

    Returns
    -------
    Path, Path
        The sdist and the wheel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (work / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, work / "source" / name)
    sdist = folder / _backend("build_sdist", folder, work / "source")
    with tarfile.open(sdist) as packed:
        packed.extractall(work / "unpacked", filter="data")
    (unpacked,) = (work / "unpacked").iterdir()
    return sdist, folder / _backend("build_wheel", folder, unpacked)


def _backend(what: str, folder: Path, source: Path) -> str:
    """Call the build backend of pyproject.toml in `source`; the name of the file it made."""
    program = (
        f"import sys; from setuptools import build_meta; print(build_meta.{what}(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder.resolve())],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.split()[-1]


def contents(wheel: Path) -> list[str]:
    """What is in a wheel."""
    with zipfile.ZipFile(wheel) as packed:
        return sorted(packed.namelist())


def foreign(names: list[str]) -> list[str]:
    """Files of a wheel that are neither the package's nor its metadata."""
    return [name for name in names if not name.startswith(("damrep/", "damrep-"))]


def run_demo(wheel: Path, work: Path) -> str:
    """Install the wheel into an environment of its own and run the demo; what was printed."""
    subprocess.run([sys.executable, "-m", "venv", work / "env"], check=True)
    bin_folder = work / "env" / ("Scripts" if os.name == "nt" else "bin")
    # One thread: several wait for each other where other work keeps the cores busy.
    clean = {"OMP_NUM_THREADS": "1", **os.environ}
    clean.pop("PYTHONPATH", None)
    constraints = str(ROOT / "constraints.txt")
    pip = [bin_folder / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-c", constraints, wheel.resolve()], check=True, cwd=work, env=clean)
    said = ""
    for words in (["doctor"], ["fit-embedding", "digits", "--out", "out"]):
        done = subprocess.run(
            [bin_folder / "damrep", *words],
            cwd=work, env=clean, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(
                f"damrep {' '.join(words)} ended with {done.returncode}:\n{done.stderr}"
            )
        said += done.stdout
    for name in ("embeddings.parquet", "report.html", "report.json", "model/config.json"):
        if not (work / "out" / name).is_file():
            raise SystemExit(f"the demo wrote no {name}")
    return said


def main() -> None:
    """Build into the folder named, check, and run the demo."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        sdist, wheel = build(folder, work / "build")
        strangers = foreign(contents(wheel))
        if strangers:
            raise SystemExit(f"{wheel.name} holds files that are not damrep's: {strangers[:5]}")
        (work / "elsewhere").mkdir()
        print(run_demo(wheel, work / "elsewhere"))
    print(f"{sdist}\n{wheel}")


if __name__ == "__main__":
    main()
