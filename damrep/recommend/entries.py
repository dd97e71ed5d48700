"""The stored entries of a sparse matrix laid out by row and by column, and sums over them.

Two products carry all alternating regressions: what each entry's row says to its column, and what
each row sums over its columns. Neither ever holds a vector per entry.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = ["Entries", "both_ways"]


class Entries:
    """Stored entries of a CSR matrix, rows by columns.

    Parameters
    ----------
    matrix
        CSR, with sorted column numbers; the values are not copied unless their type has to change.

    Attributes
    ----------
    shape : tuple of int
    values : Tensor of shape (entries,)
    counts : Tensor of shape (rows,)
        Stored entries of each row.
    rated : Tensor of shape (rows,), bool
        Which rows have any.
    weights : Tensor of shape (entries,), or None
        The values taken as weights; None where all are 1, which saves a product with them.
    weight : Tensor of shape (rows,)
        Sum of the values of each row.

    Examples
    --------
    >>> entries = Entries(sp.csr_matrix([[0, 2.0], [1.0, 1.0]]))
    >>> entries.dots(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([3., 2., 4.])
    >>> entries.sums(torch.tensor([[1.0], [10.0]]))
    tensor([[10.],
            [11.]])
    """

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self.shape: tuple[int, int] = matrix.shape
        index = np.int32 if max(matrix.nnz, *matrix.shape) < 2**31 else np.int64
        self._starts = torch.from_numpy(matrix.indptr.astype(index, copy=False))
        self.columns = torch.from_numpy(matrix.indices.astype(index, copy=False))
        self.values = torch.from_numpy(matrix.data.astype(np.float32, copy=False))
        with warnings.catch_warnings():  # torch calls its CSR support a beta at every first use
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            self._pattern = torch.sparse_csr_tensor(
                self._starts, self.columns, self.values, self.shape, check_invariants=False
            )
        self.counts = torch.diff(self._starts).float()
        self.rated = self.counts > 0
        self.weights = None if bool((self.values == 1).all()) else self.values
        self.weight = (
            self.counts
            if self.weights is None
            else self.sums(torch.ones(1, 1).expand(self.shape[1], 1).contiguous(), self.values)[
                :, 0
            ]
        )

    def __len__(self) -> int:
        return len(self.columns)

    def dots(self, rows: Tensor, columns: Tensor) -> Tensor:
        """``rows[i] @ columns[j]`` of every entry (i, j), in the order they are stored."""
        if not len(self) or not rows.shape[1]:
            return torch.zeros(len(self))
        return torch.sparse.sampled_addmm(self._pattern, rows, columns.T, beta=0.0).values()

    def sums(self, columns: Tensor, weights: Tensor | None = None) -> Tensor:
        """Sum of ``columns[j]`` over the entries (i, j) of each row i, each times its weight."""
        if not len(self) or not columns.shape[1]:
            return torch.zeros(self.shape[0], columns.shape[1])
        return torch.nn.functional.embedding_bag(
            self.columns,
            columns,
            self._starts,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )


def both_ways(matrix: sp.csr_matrix) -> tuple[Entries, Entries, Tensor]:
    """The entries by row and by column, and the order that takes the first to the second.

    Parameters
    ----------
    matrix
        CSR of shape (users, items).

    Returns
    -------
    by_user, by_item, order
        ``by_item.values == by_user.values[order]``.

    Examples
    --------
    >>> by_user, by_item, order = both_ways(sp.csr_matrix([[0, 2.0], [1.0, 3.0]]))
    >>> by_item.values.tolist(), by_user.values[order].tolist()
    ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    """
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    kind = np.int32 if matrix.nnz < 2**31 else np.int64
    places = sp.csr_matrix(
        (np.arange(matrix.nnz, dtype=kind), matrix.indices, matrix.indptr), matrix.shape
    ).T.tocsr()
    by_user = Entries(matrix)
    order = torch.from_numpy(places.data)
    values = by_user.values[order].numpy()
    by_item = Entries(sp.csr_matrix((values, places.indices, places.indptr), places.shape))
    return by_user, by_item, order
