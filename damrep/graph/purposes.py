"""What an embedding is for, and what each of its widths loses for that: links, features, labels.

Every loss is 0 for codes that tell everything and 1 for codes that tell nothing, and is measured on
what the codes were not fitted on: edges held out, nodes held out, or each label in turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from damrep.masking.bottleneck import Bottleneck
from damrep.masking.validation import InputError

__all__ = ["PRICES", "PURPOSES", "Trials", "label_losses", "link_losses"]

PRICES = {"all": 0.003, "links": 0.001, "features": 0.006, "labels": 0.0005}
"""What a dimension must earn by default: of some losses all is had with few dimensions."""
PURPOSES = tuple(PRICES)

_NEWTON = 12
_PRIOR = 1e-3  # keeps the slope finite where a width tells all pairs
_LOOKED_AT = 2000  # pairs, while a mask learns
WIDEST = 160  # units that links and labels are told from, and that a mask begins with


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

    Least squares on the memberships, each node told by the map fitted to all others, which has a
    closed form. The loss is the Brier score as a share of that of the class frequencies.

    Parameters
    ----------
    codes
        Of the nodes with labels, (k, n), strongest first.
    classes
        Their memberships, (k, c), 0 or 1.

    Returns
    -------
    Tensor, float64, shape (k, m)
        For 1 .. m codes: m is n, or fewer where the nodes are too few for more.

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
    most = max(1, min(x.shape[1], nodes // 2))
    basis, sizes = torch.linalg.qr(x[:, :most])
    there = sizes.diagonal().abs() > 1e-9 * sizes.diagonal().abs().max().clamp(min=1e-30)
    basis = basis * there
    reach = (basis.square().cumsum(dim=1) + 1 / nodes).clamp(max=1 - 1e-6)
    losses = torch.zeros(nodes, most, dtype=torch.float64)
    for column in y.T:  # one class at a time: all at once would be (k, m, c)
        left = column[:, None] - (basis * (column @ basis)).cumsum(dim=1)
        losses += (left / (1 - reach)).square()
    trivial = (y * nodes / max(nodes - 1, 1)).square().sum(dim=1).mean()
    return losses / trivial.clamp(min=1e-30)


@dataclass
class Trials:
    """What the widths of a bottleneck are judged on.

    Parameters
    ----------
    z
        Representation of all nodes, (n, width).
    pairs
        Held out, (k, 2): edges in the first half and others in the second; None if there are none.
    nodes, neighbours
        Representation of the nodes held out and of their neighbours, for the features.
    labelled, classes
        Nodes whose labels are known and may be looked at, (l,), and their memberships, (l, c).
    featured
        Whether the nodes have features of their own.
    """

    z: Tensor
    pairs: Tensor | None
    nodes: Tensor
    neighbours: Tensor
    labelled: Tensor | None = None
    classes: Tensor | None = None
    featured: bool = True
    _some: Tensor | None = field(default=None, init=False)

    @property
    def measured(self) -> list[str]:
        """The purposes that can be measured, "all" last."""
        there = {
            "links": self.pairs is not None,
            "features": self.featured,
            "labels": self.classes is not None,
        }
        return [*(name for name, can in there.items() if can), "all"]

    def check(self, purpose: str) -> None:
        """Refuse a purpose that cannot be measured.

        Raises
        ------
        InputError
            That says what is missing.
        """
        if purpose not in self.measured:
            missing = {
                "links": "the graph has too few edges to hold some out, or too few pairs without",
                "labels": "too few labels are known; expected two classes of two nodes or more",
                "features": "the graph has no features",
            }[purpose]
            raise InputError(f'purpose="{purpose}" cannot be measured: {missing}')

    def losses(self, head: Bottleneck, purpose: str, quick: bool = False) -> np.ndarray:
        """Losses at 1 .. n units of a bottleneck whose moments are set (`fit_rotation`).

        Parameters
        ----------
        head
            The bottleneck, as it is now.
        purpose
            One of `PURPOSES`; "all" is the mean of links and features.
        quick
            On some of the pairs only.
        """
        if purpose == "features":
            return np.array(head.left_over())
        if purpose != "all":
            return self.by_row(head, purpose, quick)[0].mean(dim=0).numpy()
        return _mean([self.losses(head, name, quick) for name in self._parts()])

    def curves(self, head: Bottleneck, quick: bool = False) -> dict[str, np.ndarray]:
        """The losses for every purpose that can be measured."""
        named = {*self.measured, *self._parts()} - {"all"}
        found = {name: self.losses(head, name, quick) for name in PURPOSES if name in named}
        whole = _mean([found[name] for name in self._parts()])
        return {**{name: found[name] for name in self.measured if name != "all"}, "all": whole}

    def _parts(self) -> list[str]:
        # What neighbours share of their places alone is the smoothing, and never ends: it stands in
        # where there is nothing else.
        there = [name for name in self.measured if name in ("links", "features")]
        return there or ["features"]

    def by_row(self, head: Bottleneck, purpose: str, quick: bool = False) -> list[Tensor]:
        """What each pair, node or label adds to the loss, (rows, widths), in blocks."""
        if purpose == "features":
            return [head.rows_left_over(self.nodes, self.neighbours)]
        if purpose == "links":
            assert self.pairs is not None
            pairs = self.some() if quick else self.pairs
            linked = torch.arange(len(pairs)) < len(pairs) // 2
            codes = self._codes(head, pairs.reshape(-1))[:, :WIDEST].unflatten(0, (-1, 2))
            return [_padded(link_losses(codes[:, 0], codes[:, 1], linked), head)]
        if purpose == "labels":
            assert self.labelled is not None and self.classes is not None
            codes = self._codes(head, self.labelled)[:, :WIDEST]
            return [_padded(label_losses(codes, self.classes), head)]
        parts = [self.by_row(head, name)[0] for name in self._parts()]
        # Shared out so that the mean over all rows is the mean of the two losses.
        rows = sum(len(part) for part in parts)
        return [part * (rows / (len(parts) * len(part))) for part in parts]

    def some(self) -> Tensor:
        """Some of the pairs, edges in the first half."""
        assert self.pairs is not None
        if self._some is None:
            half = len(self.pairs) // 2
            few = min(half, _LOOKED_AT // 2)
            self._some = torch.cat([self.pairs[:few], self.pairs[half : half + few]])
        return self._some

    def _codes(self, head: Bottleneck, nodes: Tensor) -> Tensor:
        weight = head.encoder.weight.detach().cpu()
        return ((self.z[nodes] - self.z.mean(dim=0)) @ weight.T).flip(1)


def _mean(losses: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(losses, axis=0))


def _padded(losses: Tensor, head: Bottleneck) -> Tensor:
    """As if no further unit told anything, up to those there are."""
    past = head.mask.num_features - losses.shape[1]
    return torch.cat([losses, losses[:, -1:].expand(-1, past)], dim=1)
