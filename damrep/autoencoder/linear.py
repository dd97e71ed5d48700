"""The linear autoencoder in closed form: principal axes, and what each width leaves over.

The best linear autoencoder of m units reconstructs the first m principal components (Bourlard and
Kamp 1988; Baldi and Hornik 1989). No training is needed for it, and one decomposition gives every
width; the width is then chosen by the loss on rows that were not decomposed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from damrep.autoencoder.rows import Rows
from damrep.masking.moments import ROUNDING, eigen, second_moment
from damrep.training import torch_generator

__all__ = ["principal_axes", "projection_losses"]

# Up to here an exact decomposition of one side's second moment takes seconds.
_EXACT = 3000
_ITERATIONS, _EXTRA = 8, 16


def principal_axes(rows: Rows, count: int, seed: int) -> Tensor:
    """The directions along which rows vary most.

    Exact by the second moment of the columns, or of the rows where there are fewer of them; where
    both are more than 3,000, by subspace iteration (Halko, Martinsson and Tropp 2011), a few passes
    over the table.

    Parameters
    ----------
    rows
        Centred rows (N, d).
    count
        Number of directions; no more than min(N, d) are given.
    seed
        Of the iteration's start.

    Returns
    -------
    Tensor, float64, shape (k, d)
        Orthonormal rows, strongest first. Fewer than `count` where the rows span fewer.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Rows(np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), np.zeros(2), 1.0)
    >>> principal_axes(rows, 1, seed=0).abs()
    tensor([[1., 0.]], dtype=torch.float64)
    """
    count = min(count, len(rows), rows.columns)
    if rows.columns <= min(_EXACT, 4 * len(rows)):
        moment = torch.zeros(rows.columns, rows.columns, dtype=torch.float64)
        for block in rows.blocks():
            moment += second_moment(block)
        strength, vectors = eigen(moment, of="the table's columns")
        axes = vectors.T
    elif len(rows) <= _EXACT:
        dense = torch.cat(list(rows.blocks())).double()
        strength, vectors = eigen(dense @ dense.T, of="the table's rows")
        strength = strength[strength > 0][:count]
        axes = ((dense.T @ vectors[:, : len(strength)]) / strength.sqrt()).T
    else:
        axes, strength = _subspace_iteration(rows, count, seed)
    axes, strength = axes[:count], strength[:count]
    # Directions in which nothing varies would be arbitrary.
    axes = axes[strength > ROUNDING * strength[0]]
    # The sign is free; this one does not depend on how the decomposition came about.
    at = axes.abs().argmax(dim=1, keepdim=True)
    return (axes * axes.gather(1, at).sign()).contiguous()


def _subspace_iteration(rows: Rows, count: int, seed: int) -> tuple[Tensor, Tensor]:
    width = min(count + _EXTRA, len(rows), rows.columns)
    start = torch.randn(rows.columns, width, dtype=torch.float64, generator=torch_generator(seed))
    # QR here only makes columns orthonormal, of any rank.
    basis = torch.linalg.qr(start)[0]
    image = basis
    for _ in range(_ITERATIONS):
        image = torch.zeros_like(basis)
        for block in rows.blocks():
            wide = block.double()
            image += wide.T @ (wide @ basis)
        previous, basis = basis, torch.linalg.qr(image)[0]
    # Rayleigh and Ritz: the strongest directions within the last subspace.
    within = previous.T @ image
    values, vectors = eigen(within, of="the table's columns")
    return (previous @ vectors).T, values


def projection_losses(rows: Rows, axes: Tensor) -> list[float]:
    """Share of the rows' squares that is lost when only the first m axes are kept, for every m.

    Parameters
    ----------
    rows
        Rows (M, d), centred about the mean the axes belong to.
    axes
        Orthonormal rows (k, d), strongest first.

    Returns
    -------
    list of float
        For m = 1 .. k; 0 where there is nothing to lose.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Rows(np.array([[3.0, 1.0]]), np.zeros(2), 1.0)
    >>> projection_losses(rows, torch.eye(2, dtype=torch.float64))
    [0.09999999999999998, 0.0]
    """
    kept = torch.zeros(len(axes), dtype=torch.float64)
    total = 0.0
    into = axes.to(rows.dtype).T
    for block in rows.blocks():
        kept += (block @ into).double().square().sum(dim=0)
        total += float(block.double().square().sum())
    if total <= 0:
        return [0.0] * len(axes)
    return [float(loss) for loss in (1 - torch.cumsum(kept, 0) / total).clamp(min=0.0)]
