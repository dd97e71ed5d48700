"""Directions that the two ends of an edge have in common, in the order of how much they do.

For codes that are linear in z, what a contrast of neighbours with all other nodes learns is known
in closed form: the spectral contrastive loss (HaoChen et al., NeurIPS 2021, arXiv 2106.04156, eq.
6) is least at the leading canonical correlations between the ends of an edge, at every width at
once. A training that tells neighbours from others begins here. Where labels are to count, nodes of
one class are pairs beside the edges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from damrep.graph.encoding.arcs import RoundTrips
from damrep.graph.encoding.propagation import SparseOperator
from damrep.masking.moments import eigen, positive_part, second_moment

__all__ = ["EdgeMoments", "class_moment"]

# Below `_SHARED` of the spread, what the ends of edges have in common is rounding.
_LEAST, _SHARED, _FAINT = 1e-9, 1e-6, 1e-4


@dataclass(frozen=True)
class EdgeMoments:
    """Second moments of a representation over its nodes and over its edges.

    Parameters
    ----------
    spread
        Of the nodes, (n, n): all alike, and as often as they have edges, each of trace 1, and of
        these the mean.
    shared
        What nodes have in common with the mean of their neighbours, and the ends of edges with each
        other, (n, n): the mean of both, as shares of the same traces.
    alike
        What nodes of one class have in common (`class_moment`), (n, n), or None.
    say
        Of `alike`, beside 1 - say of `shared`.
    """

    spread: tuple[Tensor, Tensor]
    shared: tuple[Tensor, Tensor]
    alike: Tensor | None = None
    say: float = 0.0

    @classmethod
    def of(
        cls, z: Tensor, operator: SparseOperator | RoundTrips, rows: Tensor, pairs: Tensor
    ) -> EdgeMoments:
        """Those of a representation.

        Parameters
        ----------
        z
            Of all nodes, (k, n).
        operator
            Gives the means of their neighbours, (k, k).
        rows
            Nodes to look at.
        pairs
            Edges among these, (m, 2); there may be none.

        Examples
        --------
        >>> import scipy.sparse as sp
        >>> z = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, 0.0]])
        >>> operator = SparseOperator(sp.block_diag([[[0.0, 1.0], [1.0, 0.0]]] * 2))
        >>> pairs = torch.tensor([[0, 1], [2, 3]])
        >>> EdgeMoments.of(z, operator, torch.arange(4), pairs).axes(ridge=1.0)[0].abs().argmax()
        tensor(0)
        """
        centre = z[rows].mean(dim=0, dtype=torch.float64)
        share = torch.bincount(pairs.reshape(-1), minlength=len(z)).double()
        if len(pairs):
            share /= share.sum()
            # Centred on either of the two means, the other is far off.
            centre = (centre + share @ z.double()) / 2
        x = z - centre.float()
        own = second_moment(x[rows]) / len(rows)
        told = second_moment(x[rows], (operator @ x)[rows]) / len(rows)
        if not len(pairs):
            return cls((own, own), (told, told))
        often = second_moment(x * share.sqrt().float()[:, None])
        linked = second_moment(x[pairs[:, 0]], x[pairs[:, 1]]) / len(pairs)
        return cls((own, often), (told, linked))

    def scaled(self, scale: Tensor) -> EdgeMoments:
        """Those of z with its columns times `scale`, (n,)."""

        def times(of: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            one, two = (scale[:, None] * moment * scale for moment in of)
            return one, two

        alike = None if self.alike is None else scale[:, None] * self.alike * scale
        return EdgeMoments(times(self.spread), times(self.shared), alike, self.say)

    def hearing(self, alike: Tensor, say: float) -> EdgeMoments:
        """The same, with pairs of nodes of one class beside the edges.

        Parameters
        ----------
        alike
            From `class_moment`, of the same representation.
        say
            How much they count, 0 to 1, the edges counting for the rest.
        """
        return replace(self, alike=alike, say=say)

    def axes(self, ridge: float) -> Tensor:
        """Rows t, strongest first, so that the codes of z are z @ t', (n, n) float64.

        Parameters
        ----------
        ridge
            What is added to the spread in every direction, in means of its own: much of it lets
            directions in which nodes differ much count for more.
        """
        return self.paths((ridge,))[0]

    def paths(self, ridges: tuple[float, ...]) -> list[Tensor]:
        """The axes at several ridges."""
        prepared = self._prepared()
        return [self._axes(prepared, ridge) for ridge in ridges]

    def _prepared(self) -> tuple[Tensor, Tensor, Tensor]:
        traces = [float(moment.trace()) for moment in self.spread]
        spread = sum(
            (
                moment / max(trace, _LEAST)
                for moment, trace in zip(self.spread, traces, strict=True)
            ),
            torch.zeros_like(self.spread[0]),
        )
        shared = sum(
            (
                positive_part(moment, of="the representation") / max(trace, _LEAST)
                for moment, trace in zip(self.shared, traces, strict=True)
            ),
            torch.zeros_like(self.shared[0]),
        )
        if float(shared.trace()) <= _SHARED:  # neighbours have nothing in common
            shared = spread
        if self.alike is not None:
            told = self.alike / max(traces[0], _LEAST)
            shared = (1 - self.say) * shared + 2 * self.say * told
        values, vectors = eigen(spread / 2, of="the representation")
        return values, vectors, shared / 2

    @staticmethod
    def _axes(prepared: tuple[Tensor, Tensor, Tensor], ridge: float) -> Tensor:
        values, vectors, shared = prepared
        whiten = vectors * (values.clamp(min=0.0) + ridge / len(values)).rsqrt()
        strength, found = eigen(whiten.T @ shared @ whiten, of="the representation")
        # What the ends of edges do not share comes last and small, for those who ask for so many.
        least = _FAINT * float(strength[0].clamp(min=_LEAST))
        return strength.clamp(min=least).sqrt()[:, None] * (whiten @ found).T


def class_moment(z: Tensor, classes: Tensor) -> Tensor:
    """What two nodes of one class have in common: mean product over pairs of different nodes.

    A node is no pair with itself, so labels that say nothing have a mean of 0 at any number of
    columns.

    Parameters
    ----------
    z
        Representation of the nodes with labels, (k, n).
    classes
        Their memberships, (k, c), 0 or 1. A class counts by the number of its nodes.

    Returns
    -------
    Tensor, float64, shape (n, n)

    Examples
    --------
    >>> z = torch.tensor([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]])
    >>> class_moment(z, torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1]]))
    tensor([[ 1.,  0.],
            [ 0., -4.]], dtype=torch.float64)
    """
    x = z.double() - z.mean(dim=0, dtype=torch.float64)
    y = classes.double()
    counts = y.sum(dim=0)
    y, counts = y[:, counts > 1], counts[counts > 1]
    if not len(counts):
        return torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64)
    weights = 1 / ((counts - 1) * counts.sum())  # of the sums over all ordered pairs of a class
    sums = y.T @ x
    return sums.T @ (weights[:, None] * sums) - x.T @ ((y @ weights)[:, None] * x)
