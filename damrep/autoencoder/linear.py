"""The linear autoencoder in closed form: principal axes, and what each width leaves over.

The best linear autoencoder of m units reconstructs the first m principal components (Bourlard and
Kamp 1988; Baldi and Hornik 1989). No training is needed for it, and one decomposition gives every
width; the width is then chosen by the loss on rows that were not decomposed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from damrep.autoencoder.products import (
    column_moment,
    combined,
    moment_times,
    projected_squares,
    row_moment,
)
from damrep.autoencoder.rows import Rows
from damrep.masking.moments import ROUNDING, eigen
from damrep.training import torch_generator

__all__ = ["principal_axes", "projection_errors", "projection_losses"]

# Up to here an exact decomposition of one side's second moment takes seconds.
_EXACT = 3000
_ITERATIONS, _ITERATIONS_ON, _EXTRA = 8, 3, 16


def principal_axes(rows: Rows, count: int, seed: int, start: Tensor | None = None) -> Tensor:
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
    start
        Axes of rows much like these, at least `count`; from there a third of the iterations do.

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
        strength, vectors = eigen(column_moment(rows), of="the table's columns")
        axes = vectors.T
    elif len(rows) <= _EXACT:
        strength, vectors = eigen(row_moment(rows), of="the table's rows")
        strength = strength[strength > 0][:count]
        axes = combined(rows, vectors[:, : len(strength)] / strength.sqrt())
    else:
        axes, strength = _subspace_iteration(rows, count, seed, start)
    # Directions in which nothing varies would be arbitrary.
    axes = axes[: min(count, int((strength > ROUNDING * strength[0]).sum()))]
    # The sign is free; this one does not depend on how the decomposition came about.
    up = axes.amax(dim=1, keepdim=True) >= -axes.amin(dim=1, keepdim=True)
    return axes.mul_(torch.where(up, 1.0, -1.0))


def _subspace_iteration(
    rows: Rows, count: int, seed: int, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    width = min(count + _EXTRA, len(rows), rows.columns)
    drawn = torch.randn(rows.columns, width, dtype=torch.float64, generator=torch_generator(seed))
    iterations = _ITERATIONS
    if start is not None:
        known = min(len(start), width)
        drawn[:, :known], iterations = start[:known].T, _ITERATIONS_ON
    basis, image = drawn, drawn
    for _ in range(iterations):
        # QR here only makes columns orthonormal, of any rank.
        basis = torch.linalg.qr(image)[0]
        image = moment_times(rows, basis)
    # Rayleigh and Ritz: the strongest directions within the last subspace.
    within = basis.T @ image
    values, vectors = eigen((within + within.T) / 2, of="the table's columns")
    return (basis @ vectors).T, values


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
    kept, total = projected_squares(rows, axes)
    if total <= 0:
        return [0.0] * len(axes)
    return [float(loss) for loss in (1 - torch.cumsum(kept, 0) / total).clamp(min=0.0)]


def projection_errors(rows: Rows, axes: Tensor) -> np.ndarray:
    """`projection_losses` row by row, of which they are the means, (rows, k), float64."""
    kept, squares = list[Tensor](), list[Tensor]()
    for block in rows.blocks():
        x = block.double()
        kept.append((x @ axes.double().T).square().cumsum(dim=1))
        squares.append(x.square().sum(dim=1))
    along, total = torch.cat(kept), torch.cat(squares)
    mean = float(total.mean())
    errors: np.ndarray = ((total[:, None] - along).clamp(min=0.0) / (mean or 1.0)).numpy()
    return errors
