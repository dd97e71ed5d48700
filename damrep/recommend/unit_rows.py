"""Rows of unit length, moved by Adam along the sphere; only the rows a batch touches are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["UnitRows"]

_MOMENTUM, _SQUARES, _TINY = 0.9, 0.99, 1e-12


class UnitRows:
    """Factors of one side, each of length 1, with what Adam remembers of each.

    Kingma and Ba, "Adam", ICLR 2015, with the gradient's part along the row left out (a step
    there changes no cosine) and without the correction for the start: at the first touch momentum
    and root of squares are both the gradient's tenth.

    Parameters
    ----------
    start
        Of shape (rows, m); rows are scaled to length 1.

    Attributes
    ----------
    values : Tensor of shape (rows, m)

    Examples
    --------
    >>> rows = UnitRows(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    >>> rows.values[0].tolist()
    [0.6..., 0.8...]
    >>> rows.step(torch.tensor([1, 1]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]), rate=0.1)
    >>> bool(rows.values[1, 0] < 0), round(float(rows.values[1].norm()), 4)
    (True, 1.0)
    """

    def __init__(self, start: Tensor) -> None:
        self.values = nn.functional.normalize(start, eps=_TINY)
        self._momentum = torch.zeros_like(self.values)
        self._squares = torch.zeros_like(self.values)

    def step(self, rows: Tensor, gradients: Tensor, rate: float) -> None:
        """Go down the gradients.

        Parameters
        ----------
        rows
            Which row each gradient is of, (n,); one may come several times.
        gradients
            Of shape (n, m).
        rate
            Length of a step, as a share of the row's.
        """
        touched, place = torch.unique(rows, return_inverse=True)
        values = self.values.index_select(0, touched)
        gradient = torch.zeros_like(values).index_add_(0, place, gradients)
        along = torch.linalg.vecdot(gradient, values)[:, None]
        gradient.addcmul_(along, values, value=-1)
        momentum = self._momentum.index_select(0, touched).lerp_(gradient, 1 - _MOMENTUM)
        squares = self._squares.index_select(0, touched).mul_(_SQUARES)
        squares.addcmul_(gradient, gradient, value=1 - _SQUARES)
        self._momentum.index_copy_(0, touched, momentum)
        self._squares.index_copy_(0, touched, squares)
        # A step of 1 in every column is one of the root of their number in all.
        step = rate / values.shape[1] ** 0.5
        values.addcdiv_(momentum, squares.sqrt_().add_(_TINY), value=-step)
        self.values.index_copy_(0, touched, nn.functional.normalize(values, eps=_TINY))
