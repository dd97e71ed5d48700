"""Ridge regressions of many rows at once, by a few steps of preconditioned conjugate gradients.

Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method for implicit feedback
collaborative filtering", RecSys 2011: warm-started from the sweep before, a few steps are enough.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from damrep.recommend.entries import Block

__all__ = ["LEAST_DIAGONAL", "Regressions", "conjugate_gradient"]

# Of a preconditioner: without a penalty a column that nothing is known of has none.
LEAST_DIAGONAL = 1e-20
_TINY = 1e-30
# A direction whose curvature is below this share of what the preconditioner has for it is rounding:
# without a penalty nothing says how far to go along it.
_FLAT = 1e-6


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    residual: Tensor,
    start: Tensor,
    diagonal: Tensor,
    steps: int,
    energy: Callable[[Tensor], Tensor] | None = None,
    went: Callable[[Tensor], None] | None = None,
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
    energy
        Takes x to x_i A_i x_i, (rows,), where there is a shorter way to it than the product: the
        last step needs no more.
    went
        Told after each step how far along its x each row went, (rows,).

    Returns
    -------
    Tensor of shape (rows, m)

    Examples
    --------
    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> right = torch.tensor([[4.0, 7.0]])
    >>> solve = conjugate_gradient(
    ...     lambda x: x @ matrix, right, torch.zeros(1, 2), matrix.diagonal(), steps=2
    ... )
    >>> [round(x, 4) for x in solve[0].tolist()]
    [1.0, 2.0]
    """
    solution = start.clone()
    direction = residual / diagonal
    scaled = torch.empty_like(direction)
    size = torch.linalg.vecdot(residual, direction)
    # The direction's square as the preconditioner has it; residuals stand at right angles to
    # directions before them, so it adds up.
    reach = size
    for left in reversed(range(steps)):
        if left or energy is None:
            image = product(direction)
            curvature = torch.linalg.vecdot(direction, image)
        else:
            curvature = energy(direction)
        # A row that is solved has a zero direction, and stays where it is.
        length = size / curvature.clamp_min(_TINY) * (curvature > _FLAT * reach)
        solution.addcmul_(length[:, None], direction)
        if went is not None:
            went(length)
        if left:
            residual = torch.addcmul(residual, length[:, None], image, value=-1)
            torch.div(residual, diagonal, out=scaled)
            size, before = torch.linalg.vecdot(residual, scaled), size
            kept = size / before.clamp_min(_TINY)
            reach = size + kept.square() * reach
            direction.mul_(kept[:, None]).add_(scaled)
    return solution


class Regressions:
    """A ridge regression of every row of a block on the columns that its entries are in.

    Row i has the matrix ``sum of w q_j q_j^T over its entries + c_i moments + diag(ridge_i)``.

    Parameters
    ----------
    block
        The entries.
    columns
        The q_j, (columns, m).
    ridge
        Of shape (rows, m) or (rows, 1).
    weights
        The w of each entry; None for 1.
    moments
        What all rows have in common, (m, m).
    share
        The c_i, (rows, 1); None for 1.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from damrep.recommend.entries import Entries
    >>> entries, columns = Entries(sp.csr_matrix([[1.0, 1.0]])), torch.tensor([[1.0], [2.0]])
    >>> rest, start = torch.tensor([2.0, 4.0]), torch.zeros(1, 1)
    >>> one = Regressions(entries, columns, torch.zeros(1, 1))
    >>> float(one.solve(entries.sums(columns, rest), start, torch.ones(1, 1), 1, rest))
    2.0
    >>> bool(rest.abs().max() < 1e-6)
    True
    """

    def __init__(
        self,
        block: Block,
        columns: Tensor,
        ridge: Tensor,
        weights: Tensor | None = None,
        moments: Tensor | None = None,
        share: Tensor | None = None,
    ) -> None:
        self._block, self._columns, self._ridge = block, columns, ridge
        self._weights, self._moments, self._share = weights, moments, share
        self._said = columns.new_zeros(0)

    def solve(
        self,
        residual: Tensor,
        start: Tensor,
        diagonal: Tensor,
        steps: int,
        rest: Tensor | None = None,
    ) -> Tensor:
        """Steps of `conjugate_gradient` in all rows.

        Parameters
        ----------
        residual, start, diagonal, steps
            As there.
        rest
            What the start leaves over of each entry, times its weight; brought up to date in place.
            None where nobody will ask for it.
        """

        def went(length: Tensor) -> None:
            if rest is not None:
                self._block.subtract(rest, self._said, length)

        return conjugate_gradient(
            self._product, residual, start, diagonal, steps, self._energy, went
        )

    def _common(self, x: Tensor) -> Tensor:
        image = self._ridge * x
        if self._moments is None:
            return image
        return image.addmm_(x if self._share is None else x * self._share, self._moments)

    def _product(self, x: Tensor) -> Tensor:
        self._said = said = self._block.dots(x, self._columns)
        if self._weights is not None:
            said.mul_(self._weights)
        return self._block.sums(self._columns, said).add_(self._common(x))

    def _energy(self, x: Tensor) -> Tensor:
        self._said = said = self._block.dots(x, self._columns)
        squares = said.square()
        if self._weights is not None:
            squares.mul_(self._weights)
            said.mul_(self._weights)
        one = self._columns.new_ones(len(self._columns), 1)
        return self._block.sums(one, squares)[:, 0].add_(torch.linalg.vecdot(x, self._common(x)))
