"""`damrep neighbours`: what of an output is most similar to a node, a row or an item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.outputs import EMBEDDINGS, ID_NAMES, ITEMS, REPORT, USERS, VECTORS
from damrep.cli.running import tell

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["METRICS", "neighbours_command"]

# Written out, so that --help need not import what knows them; a test holds them against it.
METRICS = ("cosine", "euclidean")


@click.command("neighbours", short_help="The nodes, rows or items most similar to one.")
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("id", metavar="ID")
@click.option(
    "--k", type=click.IntRange(min=1), default=10, show_default=True, help="How many of them."
)
@click.option("--users", is_flag=True, help="Of a recommender: users in place of items.")
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="[default: cosine, or euclidean for a table that was fitted without --metric cosine]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def neighbours_command(
    out: Path, id: str, k: int, users: bool, metric: str | None, as_json: bool
) -> None:
    """Print what is most similar to ID, the nearest first.

    OUT is the output folder of a fit, or a .parquet that a fit or `damrep embed` wrote. ID is
    written as there; put -- before one that begins with a dash.
    """
    import numpy as np

    from damrep.training.nearest import nearest_in_blocks, place_of

    path = _file(out, users)
    ids = _ids(path)
    place = place_of(id, ids, str(path))
    metric = metric or _metric(out)
    asked = next(block for block in _vectors(path, place))[:1]
    rows, values = nearest_in_blocks(
        asked, _vectors(path), min(k, len(ids) - 1), np.array([place]), metric
    )
    found = [(ids[row], float(value)) for row, value in zip(rows[0], values[0], strict=True)]
    name = "cosine" if metric == "cosine" else "distance"
    if as_json:
        said = [{"id": _plain(one), name: round(value, 6)} for one, value in found]
        tell(json.dumps({"id": _plain(ids[place]), "metric": metric, "neighbours": said}))
        return
    from damrep.masking.printing import text_table

    head = (_names(path)[0], name)
    tell(text_table([head, *((str(one), f"{value:.3f}") for one, value in found)], left=(0,)))


def _file(out: Path, users: bool) -> Path:
    from damrep.masking.validation import InputError

    if not out.is_dir():
        if not out.exists():
            raise InputError(f"{out}: no such file or folder")
        if users:
            raise click.UsageError("--users is for the output folder of a recommender")
        return out
    if (out / ITEMS).exists():
        return out / (USERS if users else ITEMS)
    if users:
        raise click.UsageError("--users is for the output folder of a recommender")
    if not (out / EMBEDDINGS).exists():
        raise InputError(f"{out}: there is no {EMBEDDINGS} in it; expected the output of a fit")
    return out / EMBEDDINGS


def _metric(out: Path) -> str:
    """What the model's distances are; cosine where a file alone is given."""
    from damrep.masking.report import FitReport

    if not (out / REPORT).is_file():
        return METRICS[0]
    report = FitReport.load(out / REPORT)
    table = report.estimator == "DAMAutoencoder" and report.objective != METRICS[0]
    return METRICS[1] if table else METRICS[0]


def _names(path: Path) -> list[str]:
    """The columns: ids first, then numbers or vectors."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from damrep.masking.validation import InputError

    try:
        names = list(pq.read_schema(path).names)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: not a .parquet ({error})") from None
    known = names[:1] and names[0] in (*ID_NAMES, "user", "item")
    if not known or not any(name in ("dim_0", VECTORS) for name in names):
        raise InputError(f"{path} holds no embedding that damrep wrote; it begins with {names[:3]}")
    return names


def _ids(path: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    from damrep.reading.id_columns import as_ids

    name = _names(path)[0]
    return as_ids(pq.read_table(path, columns=[name])[name], f"{path}: {name}", infer=False)


def _vectors(path: Path, start: int = 0) -> Iterator[np.ndarray]:
    """The vectors in blocks, from a row on."""
    import pyarrow.parquet as pq

    from damrep.training.nearest import BLOCK

    columns = [name for name in _names(path)[1:] if name.startswith("dim_") or name == VECTORS]
    with pq.ParquetFile(path, buffer_size=1 << 20) as file:
        # Group by group: asked for all of them, pyarrow keeps every one it has read.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(BLOCK, row_groups=[group], columns=columns):
                if start < len(batch):
                    yield _matrix(batch, path)[start:]
                start = max(0, start - len(batch))


def _matrix(batch: pa.RecordBatch, path: Path) -> np.ndarray:
    import numpy as np
    import pyarrow.compute as pc

    from damrep.masking.validation import InputError

    try:
        if batch.schema.names == [VECTORS]:
            if len(pc.list_value_length(batch.column(0)).unique()) != 1:
                raise ValueError("ragged")
            values = np.asarray(batch.column(0).flatten()).reshape(len(batch), -1)
        else:
            columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
            values = np.stack(columns, axis=1)
        finite = bool(np.isfinite(values).all())
    except (AttributeError, TypeError, ValueError):
        finite = False
    if not finite:
        raise InputError(f"{path}: not every row is of numbers, as many in each and all finite")
    return values


def _plain(one: Any) -> Any:
    return one.item() if hasattr(one, "item") else str(one)
