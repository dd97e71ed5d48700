"""Everything `IGMC` can be asked for, checked once, before any rating is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from damrep.masking.validation import (
    InputError,
    check_choice,
    check_count,
    check_number,
    check_price,
    check_width,
)
from damrep.recommend.igmc.batches import AGGREGATIONS
from damrep.recommend.settings import STRATEGIES
from damrep.training import TrainingOptions, resolve_device
from damrep.training.history import Callback

__all__ = ["IGMCSettings"]

# Without max_epochs: as many as make this many steps, within limits.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 8_000, 4, 80


@dataclass(frozen=True)
class IGMCSettings:
    """Checked arguments of `IGMC`, where each is described.

    Raises
    ------
    InputError
        If a value is out of range.
    TypeError
        If it is of the wrong type.

    Examples
    --------
    >>> IGMCSettings(price=1e-3, n_components=200)
    Traceback (most recent call last):
    damrep.masking.validation.InputError: n_components must be between 1 and 128, got 200
    """

    price: float
    n_components: int | None = None
    max_components: int = 128
    strategy: str = "auto"
    hidden: Sequence[int] = (32, 32, 32, 32)
    num_bases: int = 4
    aggregation: str = "sum"
    max_neighbours: int | None = 200
    edge_dropout: float = 0.2
    rating_smoothness: float = 1e-3
    batch_size: int = 50
    max_epochs: int | None = None
    lr: float = 1e-3
    ensemble: int = 1
    validation_fraction: float = 0.1
    paper_lambda: float | None = None
    device: str = "auto"
    random_state: Any = field(default=None, repr=False)
    verbose: int = 0
    callback: Callback | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_price(self.price)
        check_count("max_components", self.max_components, minimum=1)
        if self.n_components is not None:
            check_width(self.n_components, self.max_components, "n_components")
        check_choice("strategy", self.strategy, STRATEGIES)
        if isinstance(self.hidden, str) or not hasattr(self.hidden, "__iter__"):
            raise TypeError(f"hidden must be a sequence of widths, got {self.hidden!r}")
        for width in self.hidden:
            check_count("hidden", width, minimum=1)
        if len(self.hidden) < 2:
            raise InputError(f"hidden must have two layers at least, got {list(self.hidden)}")
        check_count("num_bases", self.num_bases, minimum=1)
        check_choice("aggregation", self.aggregation, AGGREGATIONS)
        if self.max_neighbours is not None:
            check_count("max_neighbours", self.max_neighbours, minimum=1)
        for name in ("edge_dropout", "validation_fraction"):
            check_number(name, getattr(self, name), low=0.0)
            if getattr(self, name) >= 1:
                raise InputError(f"{name} must be below 1, got {getattr(self, name)}")
        check_number("rating_smoothness", self.rating_smoothness, low=0.0)
        check_count("batch_size", self.batch_size, minimum=1)
        if self.max_epochs is not None:
            check_count("max_epochs", self.max_epochs, minimum=2)
        check_count("ensemble", self.ensemble, minimum=1)
        if self.paper_lambda is not None:
            check_number("paper_lambda", self.paper_lambda, low=0.0)
            if self.n_components is not None:
                raise InputError("paper_lambda and n_components cannot both be given")
            if self.strategy != "auto":
                raise InputError(
                    f"paper_lambda and strategy={self.strategy!r} cannot both be given"
                )
            if self.ensemble > 1:
                raise InputError("ensemble must be 1 with paper_lambda, which has one training")
        if self.device == "mps":
            raise InputError('device must be "auto", "cpu" or "cuda" for IGMC, got \'mps\'')
        self.options(1, 0)

    @property
    def resolved_strategy(self) -> str:
        """The strategy "auto" stands for, or the one asked for; "gradient" is the paper's."""
        own = "mask" if self.paper_lambda is None else "gradient"
        return own if self.strategy == "auto" else self.strategy

    def epochs(self, pairs: int) -> int:
        """Passes over so many pairs."""
        if self.max_epochs is not None:
            return self.max_epochs
        return min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_STEPS * self.batch_size / pairs)))

    def options(self, epochs: int, seed: int, **changes: Any) -> TrainingOptions:
        """Options of so many epochs."""
        device = self.device
        if device == "auto" and resolve_device(device).type == "mps":
            device = "cpu"  # sums of rows by a weighted index list are not to be had there
        wanted: dict[str, Any] = {
            "max_epochs": epochs,
            "lr": self.lr,
            "schedule": "cosine",
            "device": device,
            "verbose": self.verbose,
            "seed": seed,
            "callback": self.callback,
        }
        return TrainingOptions(**{**wanted, **changes})
