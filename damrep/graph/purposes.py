"""What an embedding is for, and what each of its widths loses for that: links, features, labels.

Every loss is 0 for codes that tell everything and 1 for codes that tell nothing, and is measured on
what the codes were not fitted on: edges held out, nodes held out, or each label in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from damrep.graph.losses import label_losses, link_losses
from damrep.masking.bottleneck import Bottleneck
from damrep.masking.validation import InputError

__all__ = ["PRICES", "PURPOSES", "WIDEST", "Held", "Trials"]

PRICES = {"all": 0.003, "links": 0.001, "features": 0.006, "labels": 0.0005}
"""What a dimension must earn by default: of some losses all is had with few dimensions."""
PURPOSES = tuple(PRICES)

WIDEST = 160
"""Units that links and labels are told from, and that a mask begins with."""

_LOOKED_AT = 2000  # pairs and labels, while a mask learns
_MOST_LABELS = 10_000  # looked at: more take time and change nothing


@dataclass
class Held:
    """What a width is told from beside nodes held out.

    Parameters
    ----------
    pairs
        Edges held out and as many others behind them, (k, 2); None if there are none.
    labelled, classes
        Nodes whose labels may be looked at, (l,), and their memberships, (l, c); or None.
    featured
        Whether nodes have features of their own.
    """

    pairs: Tensor | None = None
    labelled: Tensor | None = None
    classes: Tensor | None = None
    featured: bool = True

    @classmethod
    def of(
        cls,
        pairs: np.ndarray | None,
        labels: tuple[np.ndarray, np.ndarray] | None,
        seed: int,
        featured: bool,
    ) -> Held:
        """From `hold_out_links` and `training_labels`."""
        held = cls(None if pairs is None else torch.from_numpy(pairs), featured=featured)
        if labels is not None:
            some = np.random.default_rng(seed).permutation(len(labels[0]))[:_MOST_LABELS]
            held.labelled, held.classes = (torch.from_numpy(part[some]) for part in labels)
        return held

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
                "labels": "no labels are known, or few; expected two classes of two nodes or more, "
                "and not all nodes in both",
                "features": "the graph has no features",
            }[purpose]
            raise InputError(f'purpose="{purpose}" cannot be measured: {missing}')

    def some_pairs(self) -> Tensor:
        """Some of the pairs, edges in the first half."""
        assert self.pairs is not None
        half = len(self.pairs) // 2
        few = min(half, _LOOKED_AT // 2)
        return torch.cat([self.pairs[:few], self.pairs[half : half + few]])


@dataclass
class Trials:
    """What the widths of a bottleneck are judged on.

    Parameters
    ----------
    z
        Representation of all nodes, (n, width).
    nodes, neighbours
        Representation of the nodes held out and of their neighbours, for the features.
    held
        What is held out beside nodes.
    more_of_labels
        What the first 1, 2, ... units lose of labels beyond what leaving one out says, where the
        units were chosen by those labels; or None.
    """

    z: Tensor
    nodes: Tensor
    neighbours: Tensor
    held: Held = field(default_factory=Held)
    more_of_labels: Tensor | None = None

    def losses(self, head: Bottleneck, purpose: str, quick: bool = False) -> np.ndarray:
        """Losses at 1 .. n units of a bottleneck whose moments are set (`fit_rotation`).

        Parameters
        ----------
        head
            The bottleneck, as it is now.
        purpose
            One of `PURPOSES`; "all" is the mean of links and features.
        quick
            On some of the pairs or labels only.
        """
        if purpose == "features":
            return np.array(head.left_over())
        if purpose != "all":
            return self.by_row(head, purpose, quick)[0].mean(dim=0).numpy()
        return _mean([self.losses(head, name, quick) for name in self._parts()])

    def curves(self, head: Bottleneck, quick: bool = False) -> dict[str, np.ndarray]:
        """The losses for every purpose that can be measured."""
        named = {*self.held.measured, *self._parts()} - {"all"}
        found = {name: self.losses(head, name, quick) for name in PURPOSES if name in named}
        whole = _mean([found[name] for name in self._parts()])
        return {**{name: found[name] for name in self.held.measured if name != "all"}, "all": whole}

    def _parts(self) -> list[str]:
        # What neighbours share of their places alone is the smoothing, and never ends: it stands in
        # where there is nothing else.
        there = [name for name in self.held.measured if name in ("links", "features")]
        return there or ["features"]

    def by_row(self, head: Bottleneck, purpose: str, quick: bool = False) -> list[Tensor]:
        """What each pair, node or label adds to the loss, (rows, widths), in blocks."""
        if purpose == "features":
            return [head.rows_left_over(self.nodes, self.neighbours)]
        if purpose == "links":
            assert self.held.pairs is not None
            pairs = self.held.some_pairs() if quick else self.held.pairs
            linked = torch.arange(len(pairs)) < len(pairs) // 2
            codes = self._codes(head, pairs.reshape(-1)).unflatten(0, (-1, 2))
            return [_padded(link_losses(codes[:, 0], codes[:, 1], linked), head)]
        if purpose == "labels":
            return [_padded(self._of_labels(head, quick), head)]
        parts = [self.by_row(head, name)[0] for name in self._parts()]
        # Shared out so that the mean over all rows is the mean of the two losses.
        rows = sum(len(part) for part in parts)
        return [part * (rows / (len(parts) * len(part))) for part in parts]

    def _of_labels(self, head: Bottleneck, quick: bool) -> Tensor:
        assert self.held.labelled is not None and self.held.classes is not None
        some = slice(_LOOKED_AT if quick else None)
        losses = label_losses(self._codes(head, self.held.labelled[some]), self.held.classes[some])
        if self.more_of_labels is None:
            return losses
        return losses + self.more_of_labels[: losses.shape[1]]

    def _codes(self, head: Bottleneck, nodes: Tensor) -> Tensor:
        weight = head.encoder.weight.detach().cpu()
        return ((self.z[nodes] - self.z.mean(dim=0)) @ weight.T).flip(1)[:, :WIDEST]


def _mean(losses: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(losses, axis=0))


def _padded(losses: Tensor, head: Bottleneck) -> Tensor:
    """As if no further unit told anything, up to those there are."""
    past = head.mask.num_features - losses.shape[1]
    return torch.cat([losses, losses[:, -1:].expand(-1, past)], dim=1)
