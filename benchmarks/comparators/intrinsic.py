"""Estimators of intrinsic dimension, from scikit-dimension; they give a number and no codes."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from benchmarks.comparators.model import Array
from benchmarks.peers import PeerMissingError

__all__ = ["INTRINSIC", "intrinsic_dimension"]

INTRINSIC: dict[str, str] = {
    "two-nn": "TwoNN",
    "neighbour-mle": "MLE",
    "local-pca": "lPCA",
}
"""Name in the tables -> class of scikit-dimension, each with its own defaults: the ratio of the two
nearest neighbours' distances (Facco and others 2017), the likelihood of the distances to the
neighbours (Levina and Bickel 2004), PCA (Fukunaga and Olsen's rule)."""


def intrinsic_dimension(name: str, x: Array, *, seed: int = 0, most_rows: int = 5000) -> float:
    """The dimension a table has by one estimator.

    Parameters
    ----------
    name : str
        A key of ``INTRINSIC``.
    x : ndarray, shape (n, columns)
    seed : int
        Of the choice of rows where there are more.
    most_rows : int
        Rows to look at: the neighbours' distances are found between all pairs.

    Returns
    -------
    float
        Not rounded.

    Raises
    ------
    PeerMissingError
        If scikit-dimension is not installed.
    KeyError
        If the name is unknown.
    """
    kind = INTRINSIC[name]
    try:
        skdim: Any = importlib.import_module("skdim")
    except ImportError as error:
        raise PeerMissingError(
            f"scikit-dimension is not installed ({error}); "
            "install the benchmark peers with: pip install -c constraints.txt 'damrep[bench]'"
        ) from error
    rows = np.asarray(x, dtype=np.float64)
    if len(rows) > most_rows:
        rows = rows[np.random.default_rng(seed).permutation(len(rows))[:most_rows]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(getattr(skdim.id, kind)().fit(rows).dimension_)
