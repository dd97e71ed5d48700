"""The same experiment under several seeds: mean and spread of every number it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True)
class Spread:
    """One number under several seeds.

    Attributes
    ----------
    values : tuple of float
        In the order of the seeds.

    Examples
    --------
    >>> Spread((1.0, 2.0, 3.0)).mean, Spread((1.0, 2.0, 3.0)).std
    (2.0, 1.0)
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what has no mean."""
        if not self.values:
            raise ValueError("a spread needs at least one value")
        if not all(math.isfinite(value) for value in self.values):
            raise ValueError(f"values must be finite, got {self.values}")

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return fmean(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation (n - 1); None for a single value, which has none."""
        return stdev(self.values) if len(self.values) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """The cell a result holds."""
        return {
            "mean": self.mean,
            "std": self.std,
            "n": len(self.values),
            "values": list(self.values),
        }


def over_seeds(fn: Callable[[int], Mapping[str, float]], seeds: Iterable[int]) -> dict[str, Spread]:
    """Run ``fn`` under every seed and put its numbers together.

    Parameters
    ----------
    fn : callable
        Takes a seed, gives name -> number, the same names for every seed.
    seeds : iterable of int
        Different from each other, at least one.

    Returns
    -------
    dict of str to Spread

    Raises
    ------
    ValueError
        If there is no seed, one comes twice, the names differ between seeds or a number is not
        finite.

    Examples
    --------
    >>> over_seeds(lambda seed: {"accuracy": seed / 2}, [0, 1])["accuracy"].mean
    0.25
    """
    order = list(seeds)
    if not order:
        raise ValueError("no seeds given")
    if len(set(order)) < len(order):
        raise ValueError(f"a seed was given twice: {order}")
    columns: dict[str, list[float]] = {}
    for position, seed in enumerate(order):
        row = fn(seed)
        if position == 0:
            columns = {name: [] for name in row}
        elif set(row) != set(columns):
            raise ValueError(
                f"seed {seed} gave {sorted(row)}, seed {order[0]} gave {sorted(columns)}"
            )
        for name, value in row.items():
            columns[name].append(float(value))
    return {name: Spread(tuple(values)) for name, values in columns.items()}
