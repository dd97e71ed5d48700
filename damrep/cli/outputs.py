"""What the commands leave on disk: an output folder, or one file of embeddings."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = [
    "EMBEDDINGS",
    "MODEL",
    "PAGE",
    "REPORT",
    "check_file",
    "check_folder",
    "is_output_folder",
    "write_embeddings",
]

EMBEDDINGS, REPORT, PAGE, MODEL = "embeddings.parquet", "report.json", "report.html", "model"
FILE_ENDINGS = (".parquet", ".csv", ".npy")


def is_output_folder(folder: Path) -> bool:
    """Whether a folder was written by `damrep fit-embedding` and holds nothing else."""
    return _why_not_ours(folder) is None


def _why_not_ours(folder: Path) -> str | None:
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "was not written by damrep"
    if not isinstance(report, dict) or not {"estimator", "learned_dims"} <= set(report):
        return "was not written by damrep"
    # Somebody's own file beside ours would go with the folder.
    strange = sorted({entry.name for entry in folder.iterdir()} - {EMBEDDINGS, REPORT, PAGE, MODEL})
    return f"also holds {strange[0]}, which damrep did not write" if strange else None


def check_folder(folder: Path) -> None:
    """Refuse an output folder that cannot be written to, before anything is computed.

    Parameters
    ----------
    folder : Path
        May be missing, empty, or an earlier output.

    Raises
    ------
    InputError
        If it holds something else, or its parent cannot be written to.
    """
    from damrep.masking.validation import InputError

    if folder.exists() or folder.is_symlink():
        if not folder.is_dir():
            raise InputError(f"{folder} exists and is not a folder; give another place as --out")
        reason = _why_not_ours(folder) if any(folder.iterdir()) else None
        if reason is not None:
            raise InputError(f"{folder} exists and {reason}; it is left alone, give another --out")
    _check_parent(folder)


def check_file(path: Path, inputs: list[Path]) -> None:
    """Refuse a file of embeddings that cannot be written, before anything is computed.

    Parameters
    ----------
    path : Path
    inputs : list of Path
        What the command reads; none of it is written over.

    Raises
    ------
    InputError
        If the ending is not one of `FILE_ENDINGS`, the place cannot be written to, or what stands
        there is not an embedding.
    """
    from damrep.masking.validation import InputError

    if path.suffix.lower() not in FILE_ENDINGS:
        raise InputError(f"{path}: unknown ending; known are {', '.join(FILE_ENDINGS)}")
    if path.exists():
        if path.is_dir():
            raise InputError(f"{path} is a folder; give a file as --out")
        if any(other.exists() and path.samefile(other) for other in inputs):
            raise InputError(f"{path} is read by this command; give another file as --out")
        if not _is_embedding_file(path):
            raise InputError(
                f"{path} exists and holds no embedding; it is left alone, give another --out"
            )
    _check_parent(path)


def _check_parent(path: Path) -> None:
    from damrep.masking.validation import InputError

    parent = path.expanduser().resolve().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise InputError(f"cannot write to {path}: {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write to {path}: no permission in {parent}")


def _is_embedding_file(path: Path) -> bool:
    """Whether a file begins as ours do, or is empty."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        return True
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_schema(path).names[:2] == ["node", "dim_0"]
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return bool(array.ndim == 2 and array.dtype == np.float32)
        with path.open("rb") as stream:
            return stream.readline().startswith(b'"node","dim_0"')
    except (pa.ArrowException, OSError, ValueError):
        return False


def write_embeddings(path: Path, node_ids: np.ndarray, embedding: np.ndarray) -> None:
    """Write embeddings, all of them or nothing.

    Parameters
    ----------
    path : Path
        Ending in .parquet or .csv: column "node", then "dim_0", "dim_1", ..., most important first;
        or in .npy: the (n, d) array alone.
    node_ids : ndarray, shape (n,)
    embedding : ndarray, float32, shape (n, d)
    """
    import numpy as np
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    def write(temporary: Path) -> None:
        if path.suffix.lower() == ".npy":
            with temporary.open("wb") as stream:
                np.save(stream, np.ascontiguousarray(embedding, dtype=np.float32))
        elif path.suffix.lower() == ".csv":
            pa_csv.write_csv(_table(node_ids, embedding), temporary)
        else:
            pq.write_table(_table(node_ids, embedding), temporary)

    _replace(path, write)


def _table(node_ids: np.ndarray, embedding: np.ndarray) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    columns: dict[str, Any] = {"node": pa.array(node_ids.tolist())}
    for index in range(embedding.shape[1]):
        values = np.ascontiguousarray(embedding[:, index], dtype=np.float32)
        columns[f"dim_{index}"] = pa.array(values)
    return pa.table(columns)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` write a file beside `path`, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{secrets.token_hex(4)}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
