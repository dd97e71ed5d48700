"""Turning the factors so that their columns stand in order of what they carry.

A map of one side that is undone on the other leaves every prediction as it is. The one chosen here
makes both sides' second moments diagonal and equal: the strongest direction comes first, where the
mask stays open longest, and a cut takes the weakest.
"""

from __future__ import annotations

from torch import Tensor

from damrep.masking.moments import any_root, eigen, reciprocal

__all__ = ["realignment"]


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
        ``(P @ map_users) @ (Q @ map_items).T == P @ Q.T``. Columns that carry nothing come out as
        zeros.
    strengths : Tensor of shape (m,)
        Singular values of the product, largest first.

    Examples
    --------
    >>> import torch
    >>> p, q = torch.randn(5, 3, dtype=torch.double), torch.randn(4, 3, dtype=torch.double)
    >>> a, b, strengths = realignment(p.T @ p, q.T @ q)
    >>> torch.allclose((p @ a) @ (q @ b).T, p @ q.T)
    True
    >>> torch.allclose(strengths, torch.linalg.svdvals(p @ q.T)[:3])
    True
    """
    root, inverse = any_root(users, of="the users' factors")
    # One symmetric problem: with users = root root^T, its eigenvalues are the strengths' squares.
    values, vectors = eigen(root.T @ items.double() @ root, of="the items' factors")
    strengths = values.clamp_min(0).sqrt()
    half = strengths.sqrt()
    return inverse.T @ vectors * half, root @ vectors * reciprocal(half), strengths
