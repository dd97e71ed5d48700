"""The plain tables the autoencoder is measured on, read in place and split by a seed."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.comparators.model import Array
from damrep.masking.validation import InputError

__all__ = ["TABLES", "Table", "Split", "load_table", "split_table"]


@dataclass(frozen=True)
class Table:
    """Rows with a class each.

    Attributes
    ----------
    name : str
    x : ndarray, float32, shape (n, columns)
    y : ndarray of int, shape (n,)
    train_rows : int or None
        Where the data brings a split of its own, the first rows are its training part.
    """

    name: str
    x: Array
    y: Array
    train_rows: int | None = None


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows nothing is chosen by."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


def _idx(path: Path, skip: int) -> Array:
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8)[skip:]


def _mnist(root: Path) -> Table:
    folder = root / "mnist" / "MNIST" / "raw"
    parts = [
        (
            _idx(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784),
            _idx(folder / f"{part}-labels-idx1-ubyte.gz", 8),
        )
        for part in ("train", "t10k")
    ]
    x = np.concatenate([images for images, _ in parts]).astype(np.float32) / 255
    return Table("mnist", x, np.concatenate([y for _, y in parts]).astype(int), len(parts[0][1]))


def _mat(name: str, file: str) -> Callable[[Path], Table]:
    def read(root: Path) -> Table:
        found = loadmat(root / "tabular" / file)
        return Table(name, found["X"].astype(np.float32), found["Y"].ravel().astype(int))

    return read


def _pbmc(root: Path) -> Table:
    with np.load(root / "tabular" / "pbmc68k_reduced.npz") as found:
        return Table("pbmc", found["X"].astype(np.float32), found["label"].astype(int))


def _digits(root: Path) -> Table:
    found = load_digits()
    return Table("digits", found.data.astype(np.float32), found.target)


TABLES: dict[str, Callable[[Path], Table]] = {
    "digits": _digits,
    "mnist": _mnist,
    "isolet": _mat("isolet", "Isolet.mat"),
    "coil20": _mat("coil20", "COIL20.mat"),
    "pbmc": _pbmc,
    "tox171": _mat("tox171", "TOX-171.mat"),
}
"""Name -> reader, given the folder of the data sets."""


def load_table(name: str, data_root: str | os.PathLike[str] | None = None) -> Table:
    """Read a table by name.

    Parameters
    ----------
    name : str
        A key of ``TABLES``.
    data_root : path, optional
        Folder of the data sets; by default the environment variable DAMREP_DATA.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the name is unknown, or its files are not there or cannot be read.

    Examples
    --------
    >>> load_table("digits").x.shape
    (1797, 64)
    """
    if name not in TABLES:
        raise InputError(f"unknown table {name!r}; known are {', '.join(TABLES)}")
    root = data_root if data_root is not None else os.environ.get("DAMREP_DATA")
    if root is None and name != "digits":
        raise InputError(f"{name}: no folder of data sets (--data-root or DAMREP_DATA)")
    try:
        return TABLES[name](Path(root or ""))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{name}: cannot be read: {error}") from error


def split_table(table: Table, seed: int, rows: int | None = None) -> Split:
    """Training and test rows: the table's own parts, or a fifth of every class for the test.

    Parameters
    ----------
    table : Table
    seed : int
        Of the split, and of the choice of rows where fewer are wanted.
    rows : int, optional
        Most training rows; all by default. Test rows are then cut to as many.

    Returns
    -------
    Split

    Examples
    --------
    >>> split = split_table(load_table("digits"), seed=0, rows=100)
    >>> len(split.x_train), len(split.x_test)
    (100, 100)
    """
    if table.train_rows is None:
        index = np.arange(len(table.y))
        train, test = train_test_split(index, test_size=0.2, random_state=seed, stratify=table.y)
    else:
        order = np.random.default_rng(seed).permutation(table.train_rows)
        train, test = order, np.arange(table.train_rows, len(table.y))
    if rows is not None:
        test = np.random.default_rng(seed).permutation(test)
        train, test = train[:rows], test[:rows]
    return Split(table.x[train], table.y[train], table.x[test], table.y[test])
