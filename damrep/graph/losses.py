"""What the first m codes of nodes lose for links and for labels, for every m at once.

Every loss is 0 for codes that tell everything and 1 for codes that tell nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["label_losses", "link_losses", "losses_elsewhere"]

_NEWTON = 12
_PRIOR = 1e-3  # keeps the slope finite where a width tells all pairs
# Of the map to the classes, in mean squares of a row; the best is taken at each width.
_RIDGES = (0.01, 0.1, 1.0, 10.0)


def link_losses(one: Tensor, other: Tensor, linked: Tensor) -> Tensor:
    """How badly the cosine of the first m codes tells linked pairs from others, for every m.

    Parameters
    ----------
    one, other
        Codes of the two ends of each pair, (k, n), strongest first.
    linked
        Whether there is an edge, (k,), bool.

    Returns
    -------
    Tensor, float64, shape (k, n)
        Cross-entropy over that of a coin, of the best threshold and steepness at each m.

    Examples
    --------
    >>> one = torch.tensor([[1.0, 0.1], [1.0, 0.2], [1.0, 0.3], [1.0, 0.1]])
    >>> other = torch.tensor([[1.0, 0.3], [1.0, 0.1], [-1.0, 0.2], [-1.0, 0.1]])
    >>> link_losses(one, other, torch.tensor([True, True, False, False])).mean(dim=0) < 0.1
    tensor([True, True])
    """
    one, other = one.double(), other.double()
    sizes = (one.square().cumsum(dim=1) * other.square().cumsum(dim=1)).sqrt()
    cosines = (one * other).cumsum(dim=1) / sizes.clamp(min=1e-30)
    spread = cosines.std(dim=0, unbiased=False).clamp(min=1e-9)
    x, y = (cosines - cosines.mean(dim=0)) / spread, linked.double()[:, None]
    slope = torch.zeros(x.shape[1], dtype=torch.float64)
    shift = torch.zeros_like(slope)
    for _ in range(_NEWTON):
        wrong = torch.sigmoid(x * slope + shift)
        weight = wrong * (1 - wrong)
        wrong = wrong - y
        up, to = (x * wrong).mean(dim=0) + _PRIOR * slope, wrong.mean(dim=0)
        both, mixed = (x * x * weight).mean(dim=0) + _PRIOR, (x * weight).mean(dim=0)
        level = weight.mean(dim=0) + _PRIOR
        size = both * level - mixed**2
        slope = slope - (level * up - mixed * to) / size
        shift = shift - (both * to - mixed * up) / size
    scores = x * slope + shift
    return (F.softplus(scores) - y * scores) / math.log(2)


def label_losses(codes: Tensor, classes: Tensor) -> Tensor:
    """How badly a linear map of the first m codes tells each node's class from the others' labels.

    Ridge regression on the memberships, each node told by the map fitted to all others, which has a
    closed form. The loss is the Brier score as a share of that of the class frequencies.

    Parameters
    ----------
    codes
        Of the nodes with labels, (k, n), strongest first.
    classes
        Their memberships, (k, c), 0 or 1.

    Returns
    -------
    Tensor, float64, shape (k, n)

    Examples
    --------
    >>> codes = torch.tensor([[1.0, 0.3], [1.1, -0.2], [0.9, 0.1], [-1.0, 0.2], [-0.9, -0.1]])
    >>> classes = torch.tensor([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    >>> bool(label_losses(codes, classes).mean(dim=0)[0] < 0.1)
    True
    """
    y = classes.double()
    nodes = len(y)
    y = y - y.mean(dim=0)
    x = codes.double() - codes.double().mean(dim=0)
    trivial = (y * nodes / max(nodes - 1, 1)).square().sum(dim=1).mean()

    def left(basis: Tensor) -> Tensor:
        reach = (basis.square().cumsum(dim=1) + 1 / nodes).clamp(max=1 - 1e-6)
        return _squares(y, basis, basis.T @ y) / (1 - reach).square()

    return _best(left(basis) for basis, _ in _bases(x, x)) / trivial.clamp(min=1e-30)


def losses_elsewhere(codes: Tensor, classes: Tensor, others: Tensor, truth: Tensor) -> Tensor:
    """How badly the map fitted to some nodes tells the classes of others.

    Parameters
    ----------
    codes, classes
        Of the nodes it is fitted to, as in `label_losses`.
    others, truth
        Codes (l, n) and memberships (l, c) of nodes it is not.

    Returns
    -------
    Tensor, float64, shape (l, n)
        As shares of what the class frequencies of the former lose on these.
    """
    middle, often = codes.double().mean(dim=0), classes.double().mean(dim=0)
    x, y, wanted = codes.double() - middle, classes.double() - often, truth.double() - often
    trivial = wanted.square().sum(dim=1).mean()
    found = _best(
        _squares(wanted, basis, own.T @ y) for own, basis in _bases(x, others.double() - middle)
    )
    return found / trivial.clamp(min=1e-30)


def _bases(x: Tensor, others: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For each ridge, coordinates of both in which the map is nested: the first m need the first m.

    They are the upper part of the QR decomposition of x with the ridge's root below it.
    """
    size = float(x.square().sum(dim=1).mean().clamp(min=1e-30)) if len(x) else 1.0
    moment = x.T @ x
    identity = torch.eye(x.shape[1], dtype=x.dtype)
    found = []
    for ridge in _RIDGES:
        root = torch.linalg.cholesky(moment + ridge * size * identity)
        own, other = (
            torch.linalg.solve_triangular(root, rows.T, upper=False).T for rows in (x, others)
        )
        found.append((own, other))
    return found


def _squares(y: Tensor, basis: Tensor, map_: Tensor) -> Tensor:
    """Squared distances of memberships from what the first 1 .. n coordinates say, (k, n)."""
    total = torch.zeros(len(y), basis.shape[1], dtype=y.dtype)
    for column, weights in zip(y.T, map_.T, strict=True):  # all at once would be (k, n, c)
        total += (column[:, None] - (basis * weights).cumsum(dim=1)).square()
    return total


def _best(losses: Iterable[Tensor]) -> Tensor:
    """At each width the rows of the ridge with the least mean."""
    whole = torch.stack(list(losses))
    which = whole.mean(dim=1).argmin(dim=0)
    return whole.gather(0, which.expand(1, whole.shape[1], -1))[0]
