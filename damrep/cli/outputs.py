"""What the commands leave on disk: an output folder, or one file of embeddings."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = [
    "EMBEDDINGS",
    "ITEMS",
    "MODEL",
    "PAGE",
    "REPORT",
    "USERS",
    "VECTORS",
    "check_file",
    "check_folder",
    "check_recommendations",
    "is_output_folder",
    "write_embeddings",
    "write_factors",
    "write_recommendations",
]

EMBEDDINGS, REPORT, PAGE, MODEL = "embeddings.parquet", "report.json", "report.html", "model"
USERS, ITEMS = "users.parquet", "items.parquet"
_OURS = {EMBEDDINGS, USERS, ITEMS, REPORT, PAGE, MODEL}
FILE_ENDINGS = (".parquet", ".csv", ".npy")
# What names the rows of an embedding, and the column of vectors where there is only one.
ID_NAMES = ("node", "id")
VECTORS = "embedding"
_ROWS = 1 << 17  # of a group: what a reader has in memory at once
RECOMMENDED = ("user", "rank", "item", "score")


def is_output_folder(folder: Path) -> bool:
    """Whether a folder was written by a fit of damrep's and holds nothing else."""
    return _why_not_ours(folder) is None


def _why_not_ours(folder: Path) -> str | None:
    from damrep.masking.plain_files import read_json
    from damrep.masking.validation import InputError

    try:
        report = read_json(folder / REPORT, within=folder)
    except (OSError, InputError):
        return "was not written by damrep"
    if not isinstance(report, dict) or not {"estimator", "learned_dims"} <= set(report):
        return "was not written by damrep"
    # Somebody's own file beside ours would go with the folder.
    strange = sorted({entry.name for entry in folder.iterdir()} - _OURS)
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

    _check_place(path, FILE_ENDINGS)
    if path.exists():
        if any(other.exists() and path.samefile(other) for other in inputs):
            raise InputError(f"{path} is read by this command; give another file as --out")
        if not _is_embedding_file(path):
            raise InputError(
                f"{path} exists and holds no embedding; it is left alone, give another --out"
            )
    _check_parent(path)


def check_recommendations(path: Path) -> None:
    """Refuse a file of recommendations that cannot be written, before anything is computed.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the ending is neither .parquet nor .csv, the place cannot be written to, or what stands
        there is something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from damrep.masking.validation import InputError

    _check_place(path, FILE_ENDINGS[:2])
    if path.exists() and path.stat().st_size > 0:
        header = ",".join(f'"{name}"' for name in RECOMMENDED).encode()
        try:
            if path.suffix.lower() == ".parquet":
                ours = tuple(pq.read_schema(path).names) == RECOMMENDED
            else:
                with path.open("rb") as stream:
                    ours = stream.readline().rstrip() == header
        except (pa.ArrowException, OSError):
            ours = False
        if not ours:
            raise InputError(
                f"{path} exists and holds no recommendations; it is left alone, give another --out"
            )
    _check_parent(path)


def _check_place(path: Path, endings: Sequence[str]) -> None:
    from damrep.masking.validation import InputError

    if path.suffix.lower() not in endings:
        raise InputError(f"{path}: unknown ending; known are {', '.join(endings)}")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file as --out")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a pipe or a device; give a file as --out")


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
            pq.write_table(
                _table(ids, embedding, id_name, vectors), temporary, row_group_size=_ROWS
            )

    _replace(path, write)


def write_factors(
    path: Path,
    id_name: str,
    ids: np.ndarray,
    bias: np.ndarray,
    factors: np.ndarray,
    *,
    vectors: bool = False,
) -> None:
    """Write the factors of users or items as parquet, all of them or nothing.

    Parameters
    ----------
    path : Path
    id_name : str
        Name of the first column; "bias" is the second.
    ids, bias : ndarray, shape (n,)
    factors : ndarray, shape (n, d)
        As `write_embeddings` takes them.
    vectors : bool
        One column of lists in place of one a dimension.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Lists of no length are no vectors to anyone.
    table = _table(ids, np.asarray(factors, np.float32), id_name, vectors and factors.shape[1] > 0)
    table = table.add_column(1, "bias", pa.array(np.asarray(bias, dtype=np.float32)))
    _replace(path, lambda temporary: pq.write_table(table, temporary, row_group_size=_ROWS))


def write_recommendations(
    path: Path, users: np.ndarray, items: np.ndarray, scores: np.ndarray, there: np.ndarray
) -> None:
    """Write a row for each recommended item, all of them or nothing.

    Parameters
    ----------
    path : Path
        Ending in .parquet or .csv.
    users : ndarray, shape (k,)
    items, scores : ndarray, shape (k, n)
        The best first.
    there : ndarray of bool, shape (k, n)
        What of them is written.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    row, place = np.nonzero(there)
    columns = (users[row], (place + 1).astype(np.int32), items[there], scores[there])
    arrays = [_id_array(c) if c.dtype == object else pa.array(c) for c in columns]
    table = pa.Table.from_arrays(arrays, names=list(RECOMMENDED))
    write = pa_csv.write_csv if path.suffix.lower() == ".csv" else pq.write_table
    _replace(path, lambda temporary: write(table, temporary))


def _table(ids: np.ndarray, embedding: np.ndarray, id_name: str, vectors: bool) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    columns: dict[str, Any] = {id_name: _id_array(ids)}
    if vectors:
        flat = pa.array(embedding.reshape(-1))
        columns[VECTORS] = pa.FixedSizeListArray.from_arrays(flat, embedding.shape[1])
        return pa.table(columns)
    for index in range(embedding.shape[1]):
        columns[f"dim_{index}"] = pa.array(np.ascontiguousarray(embedding[:, index]))
    return pa.table(columns)


def _id_array(ids: np.ndarray) -> pa.Array:
    """Ids as they are, UUIDs as their text."""
    import uuid

    import pyarrow as pa

    return pa.array([str(one) if isinstance(one, uuid.UUID) else one for one in ids.tolist()])


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
