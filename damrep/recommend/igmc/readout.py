"""Which columns of the readout carry something: dropped one by one, the rest refitted.

The readout is linear in its columns, so what a column is worth, once the others have taken over as
much of it as they can, has a closed form: dropping column j from a least-squares fit with weights w
and inverse moments P raises the mean squared error by w_j^2 / P_jj. Dropping the cheapest, again
and again, gives an order of the columns and the loss at every width (Hassibi and Stork, "Second
order derivatives for network pruning: optimal brain surgeon", NeurIPS 1992, on the last layer).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from damrep.masking.moments import inverse, second_moment

__all__ = ["Elimination", "eliminate"]

# A little ridge, as a share of a column's variance: columns that are nearly alike would otherwise
# get large weights of opposite signs, which the next step of training cannot bear.
_RIDGE = 1e-3


@dataclass(frozen=True)
class Elimination:
    """Columns in order of worth, and what each width leaves over.

    Attributes
    ----------
    order : Tensor, shape (k,)
        Columns that carry anything, most important first.
    earned : Tensor, shape (k,)
        Mean squared error by which dropping a column raised that of the fit with the columns
        before it, in `order`.
    losses : list of float, length k + 1
        Mean squared error on the held-out rows with the first 0, 1, ..., k columns.
    weights : list of Tensor
        Least-squares weights at each width, (0,), (1,), ..., (k,), in `order`.
    biases : list of float
        And the constants.
    """

    order: Tensor
    earned: Tensor
    losses: list[float]
    weights: list[Tensor]
    biases: list[float]


def eliminate(
    columns: Tensor, targets: Tensor, held_out: Tensor, held_out_targets: Tensor
) -> Elimination:
    """Drop the columns of a linear readout one by one, cheapest first.

    Parameters
    ----------
    columns
        Values of the n columns at the pairs fitted, shape (N, n).
    targets
        What they are to predict, shape (N,).
    held_out, held_out_targets
        The same, of pairs to measure losses on, (M, n) and (M,).

    Returns
    -------
    Elimination

    Examples
    --------
    Two columns tell the target, the third is empty, the fourth is a copy of the first.

    >>> draw = torch.Generator().manual_seed(0)
    >>> x = torch.randn(100, 4, generator=draw)
    >>> x[:, 2], x[:, 3] = 0.0, x[:, 0]
    >>> found = eliminate(x, 3 * x[:, 0] + x[:, 1], x, 3 * x[:, 0] + x[:, 1])
    >>> len(found.order), 1 in found.order.tolist(), round(found.losses[2], 4)
    (3, True, 0.0)
    """
    x, y = columns.double().cpu(), targets.double().cpu()
    mean, level = x.mean(dim=0), y.mean()
    size = x.var(dim=0, unbiased=False).sqrt()
    # A dead unit of a ReLU never fires; a constant one says nothing the bias does not.
    left = torch.nonzero(size > 1e-6 * float(size.max())).flatten()
    x = (x[:, left] - mean[left]) / size[left]
    moment = second_moment(x) / len(x) + _RIDGE * torch.eye(len(left), dtype=torch.float64)
    cross = x.T @ (y - level) / len(x)
    inverted = inverse(moment, of="the readout's columns")
    kept = torch.arange(len(left))
    fits: list[tuple[Tensor, Tensor]] = []
    dropped, earned = [], []
    while len(kept):
        weight = inverted @ cross[kept]
        fits.append((kept, weight))
        worth = weight.square() / torch.diagonal(inverted)
        j = int(worth.argmin())
        dropped.append(int(kept[j]))
        earned.append(float(worth[j]))
        rest = torch.arange(len(kept)) != j
        column = inverted[rest, j]
        inverted = inverted[rest][:, rest] - torch.outer(column, column) / inverted[j, j]
        kept = kept[rest]
    order = torch.tensor(dropped[::-1], dtype=torch.long)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))

    trial, truth = held_out.double().cpu(), held_out_targets.double().cpu()
    trial = trial[:, left]
    weights, biases = [torch.zeros(0, dtype=torch.float64)], [float(level)]
    losses = [float((truth - level).square().mean())]
    for kept, weight in reversed(fits):
        scaled = torch.zeros(len(kept), dtype=torch.float64)
        scaled[place[kept]] = weight / size[left][kept]
        inside = left[order[: len(kept)]]
        bias = float(level - scaled @ mean[inside])
        told = trial[:, order[: len(kept)]] @ scaled + bias
        losses.append(float((truth - told).square().mean()))
        weights.append(scaled)
        biases.append(bias)
    return Elimination(
        left[order], torch.tensor(earned[::-1], dtype=torch.float64), losses, weights, biases
    )
