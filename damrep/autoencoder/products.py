"""Products of a table's rows with matrices, of which a decomposition is made.

Every sum is in double precision. A sparse table is multiplied by what it stores, and its mean is
taken off the product; rows are made dense only where that would lose too much to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.rows import Rows, block_rows, stored_squares
from damrep.masking.moments import second_moment

__all__ = [
    "column_moment",
    "combined",
    "encoded",
    "moment_times",
    "projected",
    "projected_squares",
    "row_moment",
]


def column_moment(rows: Rows) -> Tensor:
    """Second moment of the columns, the sum of x x' over all rows x.

    Returns
    -------
    Tensor, float64, shape (d, d)

    Examples
    --------
    >>> table = np.array([[0.0, 2.0], [4.0, 0.0]])
    >>> dense, sparse = (Rows(t, table.mean(axis=0), 1.0) for t in (table, sp.csr_array(table)))
    >>> column_moment(dense), bool((column_moment(dense) == column_moment(sparse)).all())
    (tensor([[ 8., -4.],
            [-4.,  2.]], dtype=torch.float64), True)
    """
    if not rows.sparse:
        out = torch.zeros(rows.columns, rows.columns, dtype=torch.float64)
        for block in rows.blocks():
            out += second_moment(block)
        return out
    mean, total = rows.mean, np.zeros(rows.columns)
    moment = np.zeros((rows.columns, rows.columns))
    for stored in rows.stored():
        moment += (stored.T @ stored).toarray()
        total += _sums(stored)
    moment -= np.outer(total, mean)
    moment -= np.outer(mean, total - len(rows) * mean)
    return torch.from_numpy(moment / rows.scale**2)


def row_moment(rows: Rows) -> Tensor:
    """Inner products of the rows with each other.

    Returns
    -------
    Tensor, float64, shape (N, N)

    Examples
    --------
    >>> row_moment(Rows(np.array([[0.0, 2.0], [4.0, 0.0]]), np.array([2.0, 1.0]), 1.0))
    tensor([[ 5., -5.],
            [-5.,  5.]], dtype=torch.float64)
    """
    if not rows.sparse:
        dense = torch.cat(list(rows.blocks())).double()
        return dense @ dense.T
    mean = rows.mean
    (stored,) = rows.stored(len(rows))
    along = stored @ mean
    moment = (stored @ stored.T).toarray() - along[:, None] - along + mean @ mean
    return torch.from_numpy(moment / rows.scale**2)


def moment_times(rows: Rows, matrix: Tensor) -> Tensor:
    """The second moment of the columns times a matrix, without the moment itself.

    Parameters
    ----------
    rows
        Rows (N, d).
    matrix
        Shape (d, k), float64.

    Returns
    -------
    Tensor, float64, shape (d, k)

    Examples
    --------
    >>> rows = Rows(np.array([[0.0, 2.0], [4.0, 0.0]]), np.array([2.0, 1.0]), 1.0)
    >>> moment_times(rows, torch.eye(2, dtype=torch.float64))
    tensor([[ 8., -4.],
            [-4.,  2.]], dtype=torch.float64)
    """
    out = torch.zeros(matrix.shape, dtype=torch.float64)
    if not rows.sparse:
        for block in rows.blocks():
            wide = block.double()
            out.addmm_(wide.T, wide @ matrix)
        return out
    mean, total = rows.mean, np.zeros(matrix.shape[1])
    for stored, codes in _products(rows, matrix.T):
        out += torch.from_numpy(stored.T @ codes)
        total += codes.sum(axis=0)
    return (out - torch.from_numpy(np.outer(mean, total))) / rows.scale


def combined(rows: Rows, weights: Tensor) -> Tensor:
    """Sums of the rows, each times a number of its own.

    Parameters
    ----------
    rows
        Rows (N, d).
    weights
        Shape (N, k), float64.

    Returns
    -------
    Tensor, float64, shape (k, d)

    Examples
    --------
    >>> rows = Rows(np.array([[0.0, 2.0], [4.0, 0.0]]), np.array([2.0, 1.0]), 1.0)
    >>> combined(rows, torch.tensor([[1.0], [-1.0]], dtype=torch.float64))
    tensor([[-4.,  2.]], dtype=torch.float64)
    """
    at = 0
    if not rows.sparse:
        out = torch.zeros(weights.shape[1], rows.columns, dtype=torch.float64)
        for block in rows.blocks():
            out.addmm_(weights[at : at + len(block)].T, block.double())
            at += len(block)
        return out
    weights = weights / rows.scale
    total = torch.zeros(0)
    for stored in rows.stored():
        part = torch.from_numpy(stored.T @ weights[at : at + stored.shape[0]].numpy())
        total = total.add_(part) if at else part
        at += stored.shape[0]
    # Each row brings the mean along, as often as its weight says.
    return total.addr_(torch.from_numpy(rows.mean), weights.sum(dim=0), alpha=-1.0).T


def projected(rows: Rows, axes: Tensor) -> Iterator[Tensor]:
    """The rows' products with some axes, a few rows at a time.

    Parameters
    ----------
    rows
        Rows (N, d).
    axes
        Shape (k, d), float64.

    Yields
    ------
    Tensor, float64, shape (rows of the block, k)

    Examples
    --------
    >>> rows = Rows(sp.csr_array(np.array([[0.0, 2.0], [4.0, 0.0]])), np.array([2.0, 1.0]), 1.0)
    >>> torch.cat(list(projected(rows, torch.tensor([[1.0, 0.0]], dtype=torch.float64))))
    tensor([[-2.],
            [ 2.]], dtype=torch.float64)
    """
    if rows.sparse:
        for _, codes in _products(rows, axes):
            yield torch.from_numpy(codes)
        return
    for block in rows.blocks():
        yield block.double() @ axes.T


@torch.no_grad()
def encoded(network: AutoencoderNetwork, rows: Rows) -> Iterator[Tensor]:
    """Codes of all rows, a few rows at a time.

    Parameters
    ----------
    network
        Trained on rows centred and scaled as these.
    rows
        Rows (N, d).

    Yields
    ------
    Tensor, shape (rows of the block, n)

    Examples
    --------
    >>> rows = Rows(sp.csr_array(np.eye(3)), np.zeros(3), 1.0, torch.float64)
    >>> network = AutoencoderNetwork(3, (), 2).double()
    >>> network.start_linear(torch.eye(3, dtype=torch.float64)[:2])
    >>> torch.cat(list(encoded(network, rows))).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    if rows.sparse and not network.hidden:
        for codes in projected(rows, network.axes().double()):
            yield codes + network.offset()
        return
    for block in rows.blocks():
        yield network.encode(block)


def projected_squares(rows: Rows, axes: Tensor) -> tuple[Tensor, float]:
    """Squares of the rows along each of some axes, and in all, summed over the rows.

    Parameters
    ----------
    rows
        Rows (N, d).
    axes
        Shape (k, d), float64.

    Returns
    -------
    along : Tensor, float64, shape (k,)
    total : float

    Examples
    --------
    >>> rows = Rows(sp.csr_array(np.array([[0.0, 2.0], [4.0, 0.0]])), np.array([2.0, 1.0]), 1.0)
    >>> projected_squares(rows, torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    (tensor([8.], dtype=torch.float64), 10.0)
    """
    along, total = torch.zeros(len(axes), dtype=torch.float64), 0.0
    if rows.sparse:
        for codes in projected(rows, axes):
            along += codes.square().sum(dim=0)
        return along, float(stored_squares(rows).sum()) / rows.scale**2
    into = axes.to(rows.dtype).T
    for block in rows.blocks():
        along += (block @ into).double().square().sum(dim=0)
        total += float(block.double().square().sum())
    return along, total


def _products(rows: Rows, axes: Tensor) -> Iterator[tuple[sp.csr_array, np.ndarray]]:
    """Rows as they are stored, and their products, centred, with some axes."""
    into = np.ascontiguousarray(axes.numpy().T)
    off = rows.mean @ into
    for stored in rows.stored(block_rows(into.shape[1])):
        yield stored, (stored @ into - off) / rows.scale


def _sums(stored: sp.csr_array) -> np.ndarray:
    return np.asarray(stored.sum(axis=0)).ravel()
