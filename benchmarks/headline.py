"""The four rows of the README: one of each use, out of the tables of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import RESULTS, ResultError, read_result

__all__ = ["HEADLINE", "headline"]

HEADLINE = "headline"
_HEADS = ("data", "width of damrep", "its quality", "beside it")
_ROWS = (
    (
        "graph: Amazon computers",
        "{graph[all_dims]:.0f} of 384 dimensions",
        "links found, AUC {graph[all_auc]:.3f}",
        "at as many: Cleora {graph[cleora_auc]:.3f}, SVD {graph[svd_auc]:.3f}",
    ),
    (
        "table: scikit-learn's digits",
        "{table[dims]:.0f} of 64 columns",
        "loss {table[loss]:.4f}",
        "PCA at as many: {pca[loss]:.4f}",
    ),
    (
        "ratings: MovieLens 100K",
        "{ratings[dims]:.0f} of 128 factors",
        "RMSE {ratings[rmse]:.4f}",
        "best of seven widths: {tried[rmse]:.4f}; cornac MF, tuned: {cornac[rmse]:.4f}",
    ),
    (
        "network: PreResNet-20, CIFAR-10",
        "{network[flops]:.2f} of the FLOPs",
        "accuracy {network[accuracy]:.4f}",
        "unpruned: {whole[accuracy]:.4f}",
    ),
)


def headline(results: Path = RESULTS) -> str:
    """The table.

    Parameters
    ----------
    results : Path
        Folder with the JSON files.

    Returns
    -------
    str
        Markdown without a line break at its end.

    Raises
    ------
    ResultError
        If a result or a row of it is missing.
    """
    wanted: dict[str, tuple[str, dict[str, str]]] = {
        "graph": ("graph-summary", {"dataset": "amazon-computers"}),
        "table": ("autoencoder-tables", {"dataset": "digits", "method": "damrep"}),
        "pca": ("autoencoder-tables", {"dataset": "digits", "method": "PCA"}),
        "ratings": ("recommenders-explicit", {"dataset": "ml-100k", "method": "damrep"}),
        "tried": (
            "recommenders-explicit",
            {"dataset": "ml-100k", "method": "damrep, best width without a mask"},
        ),
        "cornac": ("recommenders-explicit", {"dataset": "ml-100k", "method": "cornac MF"}),
        "network": ("pruning-cifar10", {"method": "damrep"}),
        "whole": ("pruning-cifar10", {"method": "unpruned"}),
    }
    found = {name: _row(results, file, keys) for name, (file, keys) in wanted.items()}
    rows = [_HEADS, ["---"] * len(_HEADS), *_ROWS]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows).format(**found)


def _row(results: Path, name: str, keys: Mapping[str, str]) -> dict[str, float]:
    """The numbers of the row with these values; a mean over seeds as one number."""
    for row in read_result(name, results)["rows"]:
        if all(row.get(key) == value for key, value in keys.items()):
            return {key: _number(value) for key, value in row.items()}
    raise ResultError(f"{name}: no row with {dict(keys)}")


def _number(value: Any) -> Any:
    return value.get("mean") if isinstance(value, Mapping) else value
