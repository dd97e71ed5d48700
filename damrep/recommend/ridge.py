"""Ridge regressions of many rows at once, by a few steps of preconditioned conjugate gradients.

Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method for implicit feedback
collaborative filtering", RecSys 2011: warm-started from the sweep before, a few steps are enough.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["conjugate_gradient"]

_TINY = 1e-30


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    residual: Tensor,
    start: Tensor,
    diagonal: Tensor,
    steps: int,
) -> Tensor:
    """Solve one positive definite system per row, all of them at once.

    Parameters
    ----------
    product
        Takes x of shape (rows, m) to A_i x_i in each row i.
    residual
        Right side minus ``product(start)``, (rows, m).
    start
        Where to begin, (rows, m).
    diagonal
        Diagonals of the A_i, or something near: the preconditioner, positive.
    steps
        m of them solve exactly, but for rounding.

    Returns
    -------
    Tensor of shape (rows, m)

    Examples
    --------
    >>> import torch
    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> right = torch.tensor([[4.0, 7.0]])
    >>> solve = conjugate_gradient(
    ...     lambda x: x @ matrix, right, torch.zeros(1, 2), matrix.diagonal(), steps=2
    ... )
    >>> [round(x, 4) for x in solve[0].tolist()]
    [1.0, 2.0]
    """
    solution = start
    scaled = residual / diagonal
    direction = scaled
    size = (residual * scaled).sum(1, keepdim=True)
    for step in range(steps):
        image = product(direction)
        # A row that is solved has a zero direction, and stays where it is.
        length = size / (direction * image).sum(1, keepdim=True).clamp_min(_TINY)
        solution = solution + length * direction
        if step + 1 == steps:
            break
        residual = residual - length * image
        scaled = residual / diagonal
        size, before = (residual * scaled).sum(1, keepdim=True), size
        direction = scaled + size / before.clamp_min(_TINY) * direction
    return solution
