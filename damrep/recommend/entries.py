"""The stored entries of a sparse matrix laid out by row and by column, and sums over them.

Two products carry all alternating regressions: what each entry's row says to its column, and what
each row sums over its columns. Neither ever holds a vector per entry. Both are as fast as the
cache lets them be, so the work is cut in two ways: into blocks of rows, each of which can be
regressed from beginning to end while it is at hand, and into panels of columns where there are
more columns than a cache holds.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = ["Block", "Entries", "both_ways", "stored_pairs"]

# Rows times columns of a block: what a regression keeps of a block is to stay in the cache.
_AT_HAND = 2**17
# Columns of a panel, and how many entries a row must have in each for panels to pay.
_PANEL, _FULL = 4096, 16


class _Tile:
    """Entries in a CSR of their own."""

    def __init__(self, starts: Tensor, columns: Tensor, values: Tensor, width: int) -> None:
        self.starts, self.columns, self.values = starts, columns, values
        with warnings.catch_warnings():  # torch calls its CSR support a beta at every first use
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            self.pattern = torch.sparse_csr_tensor(
                starts, columns, values, (len(starts) - 1, width), check_invariants=False
            )

    @cached_property
    def rows(self) -> Tensor:
        """Row of each entry."""
        rows = torch.arange(len(self.starts) - 1, dtype=self.starts.dtype)
        return rows.repeat_interleave(torch.diff(self.starts), output_size=len(self.columns))

    def part(self, first: int, last: int) -> _Tile:
        """The entries of some rows."""
        starts, width = self.starts[first : last + 1], self.pattern.shape[1]
        span = slice(int(starts[0]), int(starts[-1]))
        return _Tile(starts - starts[0], self.columns[span], self.values[span], width)


class Block:
    """Entries of consecutive rows.

    Attributes
    ----------
    rows : slice
        Which rows of the matrix.
    span : slice
        Which of its entries.
    """

    def __init__(self, tiles: list[_Tile], row: int, entry: int) -> None:
        ends = np.cumsum([0, *(len(tile.columns) for tile in tiles)]).tolist()
        self._tiles = [
            (tile, slice(*part)) for tile, part in zip(tiles, pairwise(ends), strict=True)
        ]
        self._count = len(tiles[0].starts) - 1
        self.rows, self.span = slice(row, row + self._count), slice(entry, entry + ends[-1])

    def __len__(self) -> int:
        return int(self.span.stop - self.span.start)

    def dots(self, rows: Tensor, columns: Tensor) -> Tensor:
        """``rows[i] @ columns[j]`` of every entry (i, j), in the order they are stored."""
        if not len(self) or not rows.shape[1]:
            return torch.zeros(len(self))
        found = [
            torch.sparse.sampled_addmm(tile.pattern, rows, columns.T, beta=0.0).values()
            for tile, _ in self._tiles
        ]
        return found[0] if len(found) == 1 else torch.cat(found)

    def sums(self, columns: Tensor, weights: Tensor | None = None) -> Tensor:
        """Sum of ``columns[j]`` over the entries (i, j) of each row i, each times its weight."""
        if not len(self) or not columns.shape[1]:
            return torch.zeros(self._count, columns.shape[1])
        found: Tensor | None = None
        for tile, part in self._tiles:
            more = torch.nn.functional.embedding_bag(
                tile.columns,
                columns,
                tile.starts,
                mode="sum",
                per_sample_weights=None if weights is None else weights[part],
                include_last_offset=True,
            )
            found = more if found is None else found.add_(more)
        assert found is not None
        return found

    def subtract(self, values: Tensor, amounts: Tensor, shares: Tensor) -> None:
        """Take from each entry's value its amount times the share of its row, in place.

        Parameters
        ----------
        values, amounts
            Of shape (entries,).
        shares
            Of shape (rows,).
        """
        for tile, part in self._tiles:
            share = shares.index_select(0, tile.rows)
            values[part].addcmul_(amounts[part], share, value=-1)


class Entries(Block):
    """Stored entries of a CSR matrix, rows by columns.

    Parameters
    ----------
    panels
        The matrix in CSR, with sorted column numbers; or several of its shape that have different
        columns of it: the entries are then kept in the order of these. Values are not copied
        unless their type has to change.

    Attributes
    ----------
    shape : tuple of int
    columns : Tensor of shape (entries,)
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

    def __init__(self, *panels: sp.csr_matrix) -> None:
        self.shape: tuple[int, int] = panels[0].shape
        count = sum(panel.nnz for panel in panels)
        index = np.int32 if max(count, *self.shape) < 2**31 else np.int64

        def joined(arrays: list[np.ndarray], kind: type) -> Tensor:
            whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            return torch.from_numpy(whole.astype(kind, copy=False))

        self.columns = joined([panel.indices for panel in panels], index)
        self.values = joined([panel.data for panel in panels], np.float32)
        tiles, end = [], 0
        for panel in panels:
            part = slice(end, end := end + panel.nnz)
            starts = torch.from_numpy(panel.indptr.astype(index, copy=False))
            tiles.append(_Tile(starts, self.columns[part], self.values[part], self.shape[1]))
        super().__init__(tiles, 0, 0)
        self._cut: dict[int, list[Block]] = {}
        self.counts = torch.stack([torch.diff(tile.starts) for tile in tiles]).sum(0).float()
        self.rated = self.counts > 0
        self.weights = None if bool((self.values == 1).all()) else self.values
        self.weight = (
            self.counts
            if self.weights is None
            else self.sums(torch.ones(self.shape[1], 1), self.values)[:, 0]
        )

    def blocks(self, width: int) -> list[Block]:
        """The entries in blocks of rows, for work that keeps so many numbers of a row.

        Those in panels are one block: there are few rows then, beside their entries.
        """
        if len(self._tiles) > 1 or not len(self):
            return [self]
        # A power of two, so that a model that loses columns goes on with the blocks it has.
        size = 1 << max(0, (_AT_HAND // max(width, 1)).bit_length() - 1)
        if size not in self._cut:
            (tile, _), total = self._tiles[0], self.shape[0]
            self._cut[size] = [
                Block([tile.part(row, min(row + size, total))], row, int(tile.starts[row]))
                for row in range(0, total, size)
            ]
        return self._cut[size]


def stored_pairs(matrix: sp.csr_matrix) -> tuple[Tensor, Tensor]:
    """Row and column of each stored entry, int64, in the order of the data.

    Examples
    --------
    >>> stored_pairs(sp.csr_matrix([[0, 2.0], [1.0, 3.0]]))
    (tensor([0, 1, 1]), tensor([1, 0, 1]))
    """
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return torch.from_numpy(rows), torch.from_numpy(matrix.indices.astype(np.int64))


def both_ways(
    matrix: sp.csr_matrix, item_panel: int | None = None
) -> tuple[Entries, Entries, Tensor]:
    """The entries by row and by column, and the order that takes the first to the second.

    Parameters
    ----------
    matrix
        CSR of shape (users, items).
    item_panel
        Items of a panel, for work that goes through the entries by user with one panel at hand;
        the entries by user are then in the order of the panels. By default one panel has all.

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
    users, items = matrix.shape
    kind = np.int32 if matrix.nnz < 2**31 else np.int64
    places = sp.csr_matrix(
        (np.arange(matrix.nnz, dtype=kind), matrix.indices, matrix.indptr), matrix.shape
    )
    cuts = _cuts(items, item_panel or items, users, matrix.nnz)
    if len(cuts) == 2:
        by_user = Entries(matrix)
    else:
        parts = [places[:, first:last] for first, last in pairwise(cuts)]
        by_user = Entries(
            *(
                _panel(part, matrix.data[part.data], first, matrix.shape)
                for part, first in zip(parts, cuts, strict=False)
            )
        )
        places.data[np.concatenate([part.data for part in parts])] = np.arange(matrix.nnz)
    # Users are many, items are few: the panels are of users.
    turned, orders = [], []
    for first, last in pairwise(_cuts(users, _PANEL, items, matrix.nnz)):
        part = places[first:last].T.tocsr()
        values = by_user.values.numpy()[part.data]
        turned.append(_panel(part, values, first, (items, users)))
        orders.append(torch.from_numpy(part.data))
    return by_user, Entries(*turned), torch.cat(orders)


def _panel(
    part: sp.csr_matrix, values: np.ndarray, first: int, shape: tuple[int, int]
) -> sp.csr_matrix:
    """Columns from `first` on, with these values, as a matrix of the shape of all."""
    return sp.csr_matrix((values, part.indices + first, part.indptr), shape, copy=False)


def _cuts(count: int, panel: int, rows: int, entries: int) -> list[int]:
    """Where panels of about so many columns begin and end, if the rows are full enough for them."""
    panels = max(1, min(-(-count // max(panel, 1)), entries // (_FULL * max(rows, 1))))
    return [int(cut) for cut in np.linspace(0, count, panels + 1)]
