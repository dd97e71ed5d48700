"""Propagation: the sparse operators that average a signal over neighbours.

Full-batch training multiplies by the same sparse matrix many times, forwards and backwards. A CSR
product with its transpose kept beside it is several times faster than PyG's gather and scatter over
an edge list, and computes the same.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = [
    "Features",
    "SparseOperator",
    "as_csr",
    "gcn_matrix",
    "mean_matrix",
    "restarted",
    "smooth",
    "with_loops",
]


def gcn_matrix(adjacency: sp.csr_array) -> sp.csr_array:
    """Kipf and Welling's propagation matrix (arXiv 1609.02907, eq. 2).

    Existing self-loops are replaced by one of weight 1, then D^-1/2 (A + I)' D^-1/2 with the
    in-degrees D. As in PyG's `gcn_norm`, an arc u -> v carries u's signal to v.

    Parameters
    ----------
    adjacency
        csr_array (n, n), entry [u, v] the weight of the arc u -> v.

    Returns
    -------
    csr_array, float32, shape (n, n)

    Examples
    --------
    >>> gcn_matrix(sp.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))).toarray()
    array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    looped = with_loops(adjacency)
    degree = np.asarray(looped.sum(axis=0)).ravel()
    scale = sp.diags_array(1.0 / np.sqrt(degree))
    return as_csr(scale @ looped.T @ scale)


def with_loops(adjacency: sp.csr_array) -> sp.csr_array:
    """An adjacency whose self-loops are of weight 1, float64, shape (n, n)."""
    matrix = sp.csr_array(adjacency, dtype=np.float64)
    return matrix + sp.diags_array(1.0 - matrix.diagonal())


def mean_matrix(adjacency: sp.csr_array) -> sp.csr_array:
    """Mean over the in-neighbours, by edge weight (GraphSAGE's mean aggregator, arXiv 1706.02216).

    A node without in-neighbours gets zero, as in PyG's `SAGEConv`.

    Parameters
    ----------
    adjacency
        csr_array (n, n), entry [u, v] the weight of the arc u -> v.

    Returns
    -------
    csr_array, float32, shape (n, n)

    Examples
    --------
    >>> mean_matrix(sp.csr_array(np.array([[0.0, 0, 1], [0, 0, 3], [0, 0, 0]]))).toarray()[2]
    array([0.25, 0.75, 0.  ], dtype=float32)
    """
    matrix = sp.csr_array(adjacency, dtype=np.float64)
    degree = np.asarray(matrix.sum(axis=0)).ravel()
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    return as_csr(sp.diags_array(inverse) @ matrix.T)


def smooth(matrix: Any, signal: Any, steps: int, average: bool = False) -> Any:
    """Propagate a signal `steps` times; or the mean of the results of 1 .. steps.

    Works for scipy matrices with arrays and for `SparseOperator` with tensors. The mean is the
    smoothing of S2GC (Zhu and Koniusz, ICLR 2021).

    Parameters
    ----------
    matrix
        Propagation matrix (n, n).
    signal
        Shape (n, k).
    steps
        0 leaves the signal as it is.
    average
        Whether to take the mean over the steps instead of the last one.

    Examples
    --------
    >>> A = gcn_matrix(sp.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]])))
    >>> smooth(A, np.array([[1.0], [0.0]]), 2).ravel()
    array([0.5, 0.5])
    """
    total = None
    for _ in range(steps):
        signal = matrix @ signal
        if average:
            total = signal if total is None else total + signal
    return signal if total is None else total / steps


def restarted(matrix: Any, signal: Any, steps: int, restart: float) -> Any:
    """Personalised PageRank of a signal: the mean over walks that stop with chance `restart`.

    A node's own signal is in it, which the mean over 1 .. steps leaves out (APPNP, Gasteiger et
    al., ICLR 2019, arXiv 1810.05997, eq. 5).

    Parameters
    ----------
    matrix, signal, steps
        As for `smooth`.
    restart
        Chance to stop at each step, above 0.

    Examples
    --------
    >>> A = gcn_matrix(sp.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]])))
    >>> restarted(A, np.array([[1.0], [0.0]]), 1, restart=0.5).ravel()
    array([0.75, 0.25])
    """
    out = signal
    for _ in range(steps):
        out = (1 - restart) * (matrix @ out) + restart * signal
    return out


class SparseOperator:
    """A fixed sparse matrix that multiplies dense tensors, with a fast backward pass.

    Parameters
    ----------
    matrix
        scipy sparse, shape (n, m).

    Examples
    --------
    >>> A = SparseOperator(sp.csr_array(np.array([[0.0, 2.0], [1.0, 0.0]])))
    >>> x = torch.ones(2, 1, requires_grad=True)
    >>> (A @ x).sum().backward()
    >>> x.grad.ravel().tolist()
    [1.0, 2.0]
    """

    def __init__(self, matrix: Any) -> None:
        csr = as_csr(matrix)
        self.shape: tuple[int, int] = (int(csr.shape[0]), int(csr.shape[1]))
        self._forward = _to_torch(csr)
        symmetric = csr.shape[0] == csr.shape[1] and abs(csr - csr.T).nnz == 0
        self._backward = self._forward if symmetric else _to_torch(as_csr(csr.T))

    def to(self, device: torch.device | str) -> SparseOperator:
        """The same operator on a device."""
        if torch.device(device).type == "mps":  # no sparse tensors there: products run on the CPU
            return self
        moved = object.__new__(SparseOperator)
        moved.shape = self.shape
        moved._forward = self._forward.to(device)
        same = self._backward is self._forward
        moved._backward = moved._forward if same else self._backward.to(device)
        return moved

    def __matmul__(self, dense: Tensor) -> Tensor:
        place = self._forward.device
        product: Tensor = _Product.apply(self._forward, self._backward, dense.to(place))
        return product.to(dense.device)


Features = Tensor | SparseOperator


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:
        ctx.transpose = transpose
        return _multiply(matrix, dense)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, None, _multiply(ctx.transpose, grads[0].contiguous())


def _multiply(matrix: Tensor, dense: Tensor) -> Tensor:
    """The product in the dtype of `dense`; torch has no sparse ones in half precision."""
    kind = torch.float64 if dense.dtype == torch.float64 else torch.float32
    right = dense.to(kind)
    # `matrix @ right` fills the result with zeros and copies it before it multiplies: three passes
    # over what is most of the memory of a step. With beta=0 what is in `out` is not read.
    out = right.new_empty(matrix.shape[0], right.shape[1])
    with torch.autocast(dense.device.type, enabled=False):
        return torch.addmm(out, matrix.to(kind), right, beta=0, out=out).to(dense.dtype)


def as_csr(matrix: Any) -> sp.csr_array:
    """A copy in float32, without duplicates or zeros."""
    csr = sp.csr_array(matrix, dtype=np.float32, copy=True)  # as the rest works in place
    csr.sum_duplicates()
    csr.eliminate_zeros()
    return csr


def _to_torch(csr: sp.csr_array) -> Tensor:
    with warnings.catch_warnings():
        # torch says once that CSR tensors are in beta; that is no news to a user.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(csr.indptr.astype(np.int64)),
            torch.from_numpy(csr.indices.astype(np.int64)),
            torch.from_numpy(csr.data),
            csr.shape,
            check_invariants=False,
        )
