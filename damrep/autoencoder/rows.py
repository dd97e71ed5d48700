"""The rows of a table a few at a time: centred, scaled, dense, whatever the table is kept in.

An array larger than memory and a sparse matrix are never made whole: only the rows that are asked
for are read, and made dense.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.masking.validation import InputError

__all__ = ["Rows", "block_rows", "measure_columns", "stored_squares"]

_BLOCK_VALUES = 2**21  # 16 MiB of float64
_BLOCK_STORED = 2**23
# Mean over standard deviation, squared: of 16 digits at least ten are left.
_LARGEST_OFFSET = 1e6


def block_rows(columns: int) -> int:
    """Rows of so many columns to look at in one go.

    Examples
    --------
    >>> block_rows(200)
    10485
    """
    return max(1, _BLOCK_VALUES // max(1, columns))


class Rows:
    """Rows of a table, less the mean of each column, over one number for the whole table.

    One number and not one a column: how much a column varies is what tells how much it matters to
    a squared error.

    Parameters
    ----------
    values
        Table (N, d): ndarray, memory-mapped or not, of any real dtype, or scipy CSR.
    mean
        Mean of each column (d,), float64.
    scale
        What every value is divided by.
    dtype
        Of what is given out.
    indices
        The rows of the table this is about; all if None.

    Examples
    --------
    >>> rows = Rows(np.array([[1.0, 2.0], [3.0, 6.0]]), mean=np.array([2.0, 4.0]), scale=2.0)
    >>> rows.take(np.array([1]))
    tensor([[0.5000, 1.0000]])
    """

    def __init__(
        self,
        values: np.ndarray | sp.csr_matrix | sp.csr_array,
        mean: np.ndarray,
        scale: float,
        dtype: torch.dtype = torch.float32,
        indices: np.ndarray | None = None,
    ) -> None:
        self.values = values
        self.mean = np.asarray(mean, dtype=np.float64)
        self.scale = scale
        self.dtype = dtype
        self.indices = indices

    def __len__(self) -> int:
        return int(self.values.shape[0]) if self.indices is None else len(self.indices)

    @property
    def columns(self) -> int:
        """Number of columns d."""
        return int(self.values.shape[1])

    def part(self, indices: np.ndarray) -> Rows:
        """Some of the rows, by their places among these, to be read in the table's order."""
        chosen = indices if self.indices is None else self.indices[indices]
        return Rows(self.values, self.mean, self.scale, self.dtype, np.sort(chosen))

    def cast(self, dtype: torch.dtype) -> Rows:
        """The same rows in another dtype."""
        return Rows(self.values, self.mean, self.scale, dtype, self.indices)

    def take(self, places: np.ndarray | slice) -> Tensor:
        """Rows at these places, shape (len, d)."""
        if self.indices is not None:
            places = self.indices[places]
        chosen: Any = self.values[places]
        dense = chosen.toarray() if sp.issparse(chosen) else np.asarray(chosen)
        # Centred in the table's own precision: only then are the numbers near 1 and may be rounded.
        kind = np.result_type(dense.dtype, _NUMPY[self.dtype])
        # A copy in any case: an array may be read-only, and is somebody else's.
        out = torch.from_numpy(np.array(dense, dtype=kind))
        return out.sub_(torch.from_numpy(self.mean.astype(kind))).div_(self.scale).to(self.dtype)

    def blocks(self) -> Iterator[Tensor]:
        """All rows, block by block, in order."""
        size = block_rows(self.columns)
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    @property
    def sparse(self) -> bool:
        """Whether to compute with what a sparse table stores, and to take the mean off the result.

        Not where the mean is so much larger than what varies about it that rounding would tell.
        """
        if not sp.issparse(self.values):
            return False
        offset = float(np.square(self.mean).mean())
        return offset <= _LARGEST_OFFSET * self.scale**2

    def stored(self, size: int | None = None) -> Iterator[sp.csr_array]:
        """The rows of a sparse table in float64, neither centred nor scaled, block by block.

        Parameters
        ----------
        size
            Rows of a block; as many as store about 8 million values if None.
        """
        if size is None:
            stored: int = self.values.nnz  # type: ignore[union-attr]  # of a sparse table
            size = max(1, int(len(self) * min(1.0, _BLOCK_STORED / max(1, stored))))
        for start in range(0, len(self), size):
            places: Any = slice(start, start + size)
            if self.indices is not None:
                places = self.indices[places]
            yield sp.csr_array(self.values[places], dtype=np.float64)

    def num_batches(self, size: int) -> int:
        """Batches of `size` rows in an epoch: rows that do not fill one wait for another epoch."""
        return max(1, len(self) // size)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """An epoch's batches, the rows in random order."""
        order = torch.randperm(len(self), generator=generator).numpy()
        for batch in range(self.num_batches(size)):
            # In the table's order, for one that lies on a disk.
            yield self.take(np.sort(order[batch * size : (batch + 1) * size]))


_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}


def stored_squares(rows: Rows) -> np.ndarray:
    """Sum of each column's squares about the mean, (d,), from what a sparse table stores.

    Examples
    --------
    >>> stored_squares(Rows(sp.csr_array(np.array([[0.0, 2.0], [4.0, 0.0]])), np.ones(2), 1.0))
    array([10.,  2.])
    """
    mean = rows.mean
    # A value that is not stored is 0, and as far from the mean as that is large.
    squares, missing = np.zeros(rows.columns), np.full(rows.columns, float(len(rows)))
    for block in rows.stored():
        squares += np.bincount(
            block.indices, np.square(block.data - mean[block.indices]), rows.columns
        )
        missing -= np.bincount(block.indices, minlength=rows.columns)
    return squares + missing * np.square(mean)


def _sums(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each column, and the sum of its squares about that."""
    total = torch.zeros(rows.columns, dtype=torch.float64)
    for block in rows.blocks():
        total += block.sum(dim=0)
    rows.mean = mean = total.numpy() / len(rows)
    squares = torch.zeros(rows.columns, dtype=torch.float64)
    for block in rows.blocks():
        squares += block.square().sum(dim=0)
    return mean, squares.numpy()


def _stored_sums(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The same of a sparse table, from what it stores."""
    total = np.zeros(rows.columns)
    for block in rows.stored():
        total += np.asarray(block.sum(axis=0)).ravel()
    rows.mean = mean = total / len(rows)
    return mean, stored_squares(rows)


def measure_columns(
    values: np.ndarray | sp.csr_matrix | sp.csr_array, indices: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Mean of each column, and the root of their mean variance.

    Parameters
    ----------
    values
        Table (N, d).
    indices
        The rows to look at; all if None.

    Returns
    -------
    mean : ndarray, float64, shape (d,)
    scale : float
        Dividing by it makes the variance of a column 1 on average, so that a loss means the same
        at any scale of the data.

    Raises
    ------
    InputError
        If every column is constant, or the values are too large to be squared.

    Examples
    --------
    >>> measure_columns(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), 0.7071067811865476)
    """
    columns = int(values.shape[1])
    raw = Rows(values, np.zeros(columns), 1.0, torch.float64, indices)
    mean, squares = _stored_sums(raw) if sp.issparse(values) else _sums(raw)
    variances = squares / len(raw)
    if not np.isfinite(variances).all():
        raise InputError("X holds values too large to be squared: scale it down first")
    # What is left of a constant column after its mean is taken off is rounding.
    constant = variances <= (1e-14 * mean) ** 2
    if constant.all():
        raise InputError(
            "X: every column is constant, there is nothing to reduce; expected rows that differ"
        )
    variances[constant] = 0.0
    rounded = constant & (mean != 0)
    if rounded.any():  # or it would vary, by chance, where the others are much smaller
        raw.mean = np.zeros(columns)
        mean[rounded] = raw.take(slice(0, 1)).numpy()[0, rounded]
    return mean, math.sqrt(float(variances.mean()))
