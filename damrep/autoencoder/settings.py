"""Everything `DAMAutoencoder` can be asked for, checked once, before any data are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from damrep.autoencoder.goal import Goal, Price, Share
from damrep.autoencoder.network import ACTIVATIONS
from damrep.masking.validation import (
    InputError,
    check_choice,
    check_count,
    check_number,
    check_price,
)
from damrep.training import TrainingOptions

__all__ = ["METRICS", "STRATEGIES", "AutoencoderSettings"]

STRATEGIES = ("auto", "mask", "search")
METRICS = ("euclidean", "cosine")

# The rotation of a cosine map costs the cube of its width a step.
_WIDEST = {"euclidean": 512, "cosine": 128}
# Without max_epochs: as many as make this many steps, within limits.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 3000, 10, 150
_MOST_HELD_OUT = 5000


@dataclass(frozen=True)
class AutoencoderSettings:
    """Checked arguments of `DAMAutoencoder`, where each is described.

    Raises
    ------
    InputError
        If a value is out of range.
    TypeError
        If it is of the wrong type.
    """

    price: float
    n_components: int | float | None
    hidden: str | Sequence[int]
    activation: str
    strategy: str
    metric: str
    max_components: int | None
    batch_size: int
    max_epochs: int | None
    lr: float
    validation_fraction: float
    linear_path: bool
    paper_lambda: float | None
    device: str
    precision: str
    random_state: Any = field(repr=False)
    verbose: int = 0

    def __post_init__(self) -> None:
        check_price(self.price)
        check_choice("activation", self.activation, ACTIVATIONS)
        if self.strategy == "gradient":
            raise InputError(
                'strategy="gradient" is no more: "mask" learns the width while it trains, and '
                "paper_lambda is the paper's own way"
            )
        check_choice("strategy", self.strategy, STRATEGIES)
        check_choice("metric", self.metric, METRICS)
        for name in ("max_components", "max_epochs"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), minimum=1)
        self._check_dimensions()
        if self.hidden != "auto":
            if isinstance(self.hidden, str | int) or not hasattr(self.hidden, "__iter__"):
                raise TypeError(
                    f'hidden must be "auto" or a sequence of widths, got {self.hidden!r}'
                )
            for width in self.hidden:
                check_count("hidden", width, minimum=1)
        check_count("batch_size", self.batch_size, minimum=1)
        check_number("validation_fraction", self.validation_fraction, low=0.0)
        if self.validation_fraction >= 1:
            raise InputError(f"validation_fraction must be below 1, got {self.validation_fraction}")
        if not isinstance(self.linear_path, bool):
            raise TypeError(f"linear_path must be True or False, got {self.linear_path!r}")
        if self.paper_lambda is not None:
            check_number("paper_lambda", self.paper_lambda, low=0.0)
            if (
                self.strategy == "search"
                or self.metric == "cosine"
                or self.n_components is not None
            ):
                raise InputError(
                    "paper_lambda stands for the price in the paper's own training, which has no "
                    'strategy="search", no metric="cosine" and no n_components'
                )
        if self.metric == "cosine":
            # A map without layers, so that queries are brought into it by one product.
            if self.strategy == "mask":
                raise InputError(
                    'strategy="mask" is not for metric="cosine", whose width is read off its curve'
                )
            if self.hidden_widths(8) and self.hidden != "auto":
                raise InputError(
                    f'hidden must be () or "auto" with metric="cosine", which is linear, got '
                    f"{self.hidden!r}"
                )
        self.training_options(rows=1, seed=0)

    def _check_dimensions(self) -> None:
        if self.share is not None:
            if not 0 < self.share < 1:
                # 2.0 is neither, as nowhere a float stands for a count.
                kind = TypeError if self.share.is_integer() and self.share >= 1 else InputError
                raise kind(
                    "n_components must be a number of dimensions, an integer >= 1, or a share of "
                    f"the variance, between 0 and 1, got {self.n_components!r}"
                )
            if self.metric == "cosine":
                raise InputError(
                    f"n_components={self.share:g} is a share of the variance, which "
                    'metric="cosine" does not look at; give a number of dimensions, or a price'
                )
        elif self.n_components is not None:
            check_count("n_components", self.n_components, minimum=1)
        if self.max_components is not None and (self.budget or 0) > self.max_components:
            raise InputError(
                f"n_components must be between 1 and max_components={self.max_components}, got "
                f"{self.n_components}"
            )

    @property
    def resolved_strategy(self) -> str:
        """The strategy "auto" stands for, or the one asked for."""
        if self.strategy != "auto":
            return self.strategy
        return "mask" if self.metric == "euclidean" else "search"

    @property
    def share(self) -> float | None:
        """Of the variance, that is to be explained; None where that was not asked for."""
        asked = self.n_components
        return float(asked) if isinstance(asked, float | np.floating) else None

    @property
    def budget(self) -> int | None:
        """So many dimensions exactly; None where that was not asked for."""
        return None if self.share is not None else self.n_components  # type: ignore[return-value]

    @property
    def goal(self) -> Goal:
        """What decides about the width where it is no budget."""
        return Price(self.price) if self.share is None else Share(self.share)

    @property
    def linear(self) -> bool:
        """Whether no network is asked for."""
        return not isinstance(self.hidden, str) and not len(self.hidden)

    def held_out(self, rows: int) -> int:
        """Rows to measure the loss on instead of fitting them; 0 where there are too few."""
        held = min(int(self.validation_fraction * rows), _MOST_HELD_OUT)
        if self.budget is not None:  # those that are fitted have to have so many dimensions
            held = min(held, rows - 1 - self.budget)
        return held if held > 1 else 0

    def widest(self, rows: int, columns: int) -> int:
        """Dimensions to start from, for so many rows to fit and columns."""
        widest = self.max_components or max(_WIDEST[self.metric], self.budget or 0)
        return min(widest, self.possible(rows, columns))

    def possible(self, rows: int, columns: int) -> int:
        """Dimensions that so many rows to fit and columns can have."""
        return max(1, min(rows - 1, columns))

    def hidden_widths(self, columns: int) -> tuple[int, ...]:
        """Widths of hidden layers; "auto" is two of four times the columns, 32 to 256."""
        if isinstance(self.hidden, str):
            return (min(256, max(32, 4 * columns)),) * 2
        return tuple(int(width) for width in self.hidden)

    def training_options(self, rows: int, seed: int, **changes: Any) -> TrainingOptions:
        """Options of a fit at one width, of so many rows."""
        epochs = self.max_epochs
        if epochs is None:
            batches = max(1, rows // min(self.batch_size, rows))
            epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, math.ceil(_STEPS / batches)))
        options: dict[str, Any] = {
            "max_epochs": epochs,
            "lr": self.lr,
            "device": self.device,
            "precision": self.precision,
            "verbose": self.verbose,
            "seed": seed,
        }
        return TrainingOptions(**{**options, **changes})
