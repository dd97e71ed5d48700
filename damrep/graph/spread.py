"""A measure and how far it is chance: over several splits, or over what one split tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """A measure as the mean of what it was measured on.

    Parameters
    ----------
    groups
        Of several splits: one group, the measure of each. Of one split: what each node tested
        contributes; or, for an area under the curve, each edge and each other pair.
    over_splits
        Which of the two: the spread is then that of the splits, and else that of the mean.

    Examples
    --------
    >>> four = Sample((np.array([0.7, 0.8, 0.9, 0.8]),), over_splits=True)
    >>> round(four.value, 3), round(four.spread, 3)
    (0.8, 0.082)
    >>> Sample((np.array([1, 1, 1, 0]),), over_splits=False).spread
    0.25
    """

    groups: tuple[np.ndarray, ...]
    over_splits: bool

    @property
    def value(self) -> float:
        """The mean."""
        return float(self.groups[0].mean())

    @property
    def spread(self) -> float | None:
        """Standard deviation over the splits, or standard error; None of a single number."""
        if any(len(group) < 2 for group in self.groups):
            return None
        variances = [float(np.var(group.astype(np.float64), ddof=1)) for group in self.groups]
        if self.over_splits:
            return variances[0] ** 0.5
        return sum(v / len(g) for v, g in zip(variances, self.groups, strict=True)) ** 0.5

    def less(self, other: Sample) -> Sample:
        """The difference to another's measure, on the same splits, nodes or pairs.

        Examples
        --------
        >>> ours = Sample((np.array([0.7, 0.8, 0.9]),), over_splits=True)
        >>> theirs = Sample((np.array([0.6, 0.7, 0.8]),), over_splits=True)
        >>> round(ours.less(theirs).spread, 12)
        0.0
        """
        pairs = zip(self.groups, other.groups, strict=True)
        return Sample(
            tuple(np.subtract(a, b, dtype=np.float64) for a, b in pairs), self.over_splits
        )
