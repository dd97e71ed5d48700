"""Turning the factors so that their columns stand in order of what they carry.

Any invertible map between the two sides of a factor model leaves every prediction as it is. The
one chosen here makes both sides' second moments diagonal and equal: the strongest direction comes
first, where the mask stays open longest, and a cut takes the weakest.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["realignment"]

_SMALLEST = 1e-12


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
    root_p, inverse_p = _roots(users.double())
    root_q, inverse_q = _roots(items.double())
    left, strengths, right = torch.linalg.svd(root_p @ root_q)
    half = strengths.sqrt()
    return inverse_p @ left * half, inverse_q @ right.T * half, strengths


def _roots(moments: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(moments)
    # Columns that carry nothing would be divided by nothing.
    largest = values.max().clamp_min(torch.finfo(values.dtype).tiny)
    roots = values.clamp_min(largest * _SMALLEST).sqrt()
    return vectors * roots @ vectors.T, vectors / roots @ vectors.T
