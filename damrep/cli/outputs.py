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
    "VECTORS",
    "check_file",
    "check_folder",
    "is_output_folder",
    "write_embeddings",
]

EMBEDDINGS, REPORT, PAGE, MODEL = "embeddings.parquet", "report.json", "report.html", "model"
FILE_ENDINGS = (".parquet", ".csv", ".npy")
# What names the rows of an embedding, and the column of vectors where there is only one.
ID_NAMES = ("node", "id")
VECTORS = "embedding"


def is_output_folder(folder: Path) -> bool:
    """Whether a folder was written by a fit of damrep's and holds nothing else."""
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
            names = pq.read_schema(path).names
            return names[0] in ID_NAMES and names[1:2] in (["dim_0"], [VECTORS])
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return bool(array.ndim == 2 and array.dtype == np.float32)
        with path.open("rb") as stream:
            return stream.readline().startswith(
                tuple(f'"{name}","dim_0"'.encode() for name in ID_NAMES)
            )
    except (pa.ArrowException, OSError, ValueError, IndexError):
        return False


def write_embeddings(
    path: Path,
    ids: np.ndarray | None,
    embedding: np.ndarray,
    *,
    id_name: str = "node",
    vectors: bool = False,
) -> None:
    """Write embeddings, all of them or nothing.

    Parameters
    ----------
    path : Path
        Ending in .parquet or .csv: the ids, then "dim_0", "dim_1", ..., most important first;
        or in .npy: the (n, d) array alone.
    ids : ndarray, shape (n,), or None
        None: the rows are counted from 0.
    embedding : ndarray, shape (n, d)
        Written as float32.
    id_name : str
        One of `ID_NAMES`.
    vectors : bool
        Parquet only: one column "embedding" of lists of a fixed size in place of one a dimension,
        as vector databases take it.
    """
    import numpy as np
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    ids = np.arange(len(embedding)) if ids is None else ids

    def write(temporary: Path) -> None:
        if path.suffix.lower() == ".npy":
            with temporary.open("wb") as stream:
                np.save(stream, embedding)
        elif path.suffix.lower() == ".csv":
            pa_csv.write_csv(_table(ids, embedding, id_name, False), temporary)
        else:
            pq.write_table(_table(ids, embedding, id_name, vectors), temporary)

    _replace(path, write)


def _table(ids: np.ndarray, embedding: np.ndarray, id_name: str, vectors: bool) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    columns: dict[str, Any] = {id_name: pa.array(ids.tolist())}
    if vectors:
        flat = pa.array(embedding.reshape(-1))
        columns[VECTORS] = pa.FixedSizeListArray.from_arrays(flat, embedding.shape[1])
        return pa.table(columns)
    for index in range(embedding.shape[1]):
        columns[f"dim_{index}"] = pa.array(np.ascontiguousarray(embedding[:, index]))
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
