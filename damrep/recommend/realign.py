"""Turning the factors so that their columns stand in order of what they carry.

Any invertible map between the two sides of a factor model leaves every prediction as it is. The
one chosen here makes both sides' second moments diagonal and equal: the strongest direction comes
first, where the mask stays open longest, and a cut takes the weakest.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["realignment"]

# Shares of the largest moment, and of the largest eigenvalue, taken for nothing.
_SMALLEST, _ROUNDING = 1e-12, 1e-14


def realignment(users: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maps for the two sides that keep their product and order the columns by strength.

    Parameters
    ----------
    users, items
        Second moments of the sides, (m, m), symmetric and not negative: ``P.T @ P`` and
        ``Q.T @ Q``, plus the factors' summed variances where they have any.

    Returns
    -------
    map_users, map_items : Tensor of shape (m, m)
        ``(P @ map_users) @ (Q @ map_items).T == P @ Q.T``.
    strengths : Tensor of shape (m,)
        Singular values of the product, largest first.

    Examples
    --------
    >>> p, q = torch.randn(5, 3, dtype=torch.double), torch.randn(4, 3, dtype=torch.double)
    >>> a, b, strengths = realignment(p.T @ p, q.T @ q)
    >>> torch.allclose((p @ a) @ (q @ b).T, p @ q.T)
    True
    >>> torch.allclose(strengths, torch.linalg.svdvals(p @ q.T)[:3])
    True
    """
    users, items = users.double(), items.double()
    root = _root(users)
    # One symmetric problem: with users = root root^T, its eigenvalues are the strengths' squares.
    values, vectors = torch.linalg.eigh(root.T @ items @ root)
    values, vectors = values.flip(0), vectors.flip(1)
    largest = values.max().clamp_min(torch.finfo(values.dtype).tiny)
    strengths = values.clamp_min(largest * _ROUNDING).sqrt()
    half = strengths.sqrt()
    by_user = torch.linalg.solve_triangular(root.T, vectors, upper=True) * half
    return by_user, root @ vectors / half, strengths


def _root(moments: Tensor) -> Tensor:
    """Lower triangle L with L L^T = moments."""
    # Columns that carry nothing would be divided by nothing.
    least = moments.diagonal().sum() * _SMALLEST
    least = least.clamp_min(torch.finfo(moments.dtype).eps)
    return torch.linalg.cholesky(moments + torch.eye(len(moments), dtype=moments.dtype) * least)
