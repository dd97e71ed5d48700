"""Columns brought to one scale before a fit, and saved with it.

A column counts by its variance. Where columns have units of their own (an income, an age) that is
decided by the units, unless each is divided by its standard deviation first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.masking.validation import InputError
from damrep.training.saving import atomic_folder, is_damrep_folder, load_folder, save_folder

__all__ = ["KIND", "load_standardized", "range_note", "save_standardized", "standardize"]

KIND = "standardized-autoencoder"
INSIDE = "autoencoder"
# Ranges that differ by less are no reason for a word.
_TOLERATED = 100.0
_BLOCK = 1 << 22  # numbers looked at together


def standardize(X: Any) -> tuple[StandardScaler, Any]:
    """A scaler to unit variance, and the table scaled with it, in memory.

    A sparse matrix stays sparse: its columns are divided, not centred, as the fit centres them.

    Parameters
    ----------
    X : array or sparse matrix, shape (n, d)

    Returns
    -------
    scaler : StandardScaler
    values : array or sparse matrix, shape (n, d)

    Examples
    --------
    >>> scaler, values = standardize(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> values.tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    scaler = StandardScaler(with_mean=not sp.issparse(X)).fit(X)
    return scaler, scaler.transform(X)


def save_standardized(path: str | os.PathLike[str], model: Pipeline) -> None:
    """Save a pipeline of a `StandardScaler` and a `DAMAutoencoder` as one folder.

    It has a kind of its own, so that `DAMAutoencoder.load` refuses it in place of giving numbers
    that lack the scaling.

    Raises
    ------
    InputError
        If something that is not a damrep model stands at `path`.
    """
    scaler: StandardScaler = model[0]
    tensors = {"scale": torch.from_numpy(np.asarray(scaler.scale_, dtype=np.float64))}
    if scaler.with_mean:
        tensors["mean"] = torch.from_numpy(np.asarray(scaler.mean_, dtype=np.float64))
    with atomic_folder(path, is_damrep_folder) as folder:
        save_folder(folder, KIND, {"rows": int(np.max(scaler.n_samples_seen_))}, tensors)
        model[1].save(folder / INSIDE)


def load_standardized(path: str | os.PathLike[str]) -> Pipeline:
    """Load what `save_standardized` wrote.

    Raises
    ------
    InputError
        If the folder is not such a model, or damaged.
    """
    config, tensors = load_folder(path, KIND)
    model = DAMAutoencoder.load(Path(path).expanduser() / INSIDE)
    try:
        scale = tensors["scale"].numpy()
        if scale.shape != (model.n_features_in_,):
            raise InputError(f"{path}: the model is damaged (its scaling has another width)")
        scaler = StandardScaler(with_mean="mean" in tensors)
        scaler.scale_, scaler.var_ = scale, scale**2
        scaler.mean_ = tensors["mean"].numpy() if "mean" in tensors else None
        scaler.n_features_in_, scaler.n_samples_seen_ = len(scale), config["rows"]
    except KeyError as error:
        raise InputError(f"{path}: the model is damaged (no {error} in it)") from None
    return Pipeline([("standardize", scaler), ("reduce", model)])


def range_note(X: Any, names: Sequence[str] | None = None) -> str | None:
    """A sentence if columns have very different ranges, so that a few decide nearly alone.

    Ranges and not standard deviations: a pixel that is seldom lit varies little in the same unit.

    Parameters
    ----------
    X : array, sparse matrix or memmap, shape (n, d)
    names : sequence of str, optional
        Of the columns, else they are counted from 1.

    Examples
    --------
    >>> print(range_note(np.array([[20.0, 1000.0], [70.0, 90000.0]]), ["age", "income"]))
    columns differ in scale: the range of 'income' is 1,780 times that of 'age' and counts for more
    >>> range_note(np.eye(3)) is None
    True
    """
    low, high = _extremes(X)
    spread = high.astype(np.float64) - low
    varying = np.flatnonzero(spread > 0)
    if len(varying) < 2:
        return None
    least = varying[int(np.argmin(spread[varying]))]
    most = varying[int(np.argmax(spread[varying]))]
    ratio = spread[most] / spread[least]
    if not ratio > _TOLERATED:
        return None
    first, second = (
        repr(names[place]) if names is not None and len(names) == len(spread) else str(place + 1)
        for place in (most, least)
    )
    times = f"{float(f'{ratio:.3g}'):,.0f}"
    return (
        f"columns differ in scale: the range of {first} is {times} times that of {second} and "
        "counts for more"
    )


def _extremes(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest value of each column; a memory map is read in parts."""
    if sp.issparse(X):
        return X.min(axis=0).toarray().ravel(), X.max(axis=0).toarray().ravel()
    low, high = np.array(X[0]), np.array(X[0])
    step = max(1, _BLOCK // X.shape[1])
    for start in range(0, len(X), step):
        block = np.asarray(X[start : start + step])
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
    return low, high
