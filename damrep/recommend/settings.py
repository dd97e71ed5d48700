"""Everything a factor model can be asked for, checked once, before any rating is read."""

from __future__ import annotations

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
from damrep.training import TrainingOptions
from damrep.training.history import Callback

__all__ = [
    "EXPLICIT_LOSSES",
    "EXPLICIT_PRICE",
    "IMPLICIT_LOSSES",
    "IMPLICIT_PRICE",
    "MAX_COMPONENTS",
    "SOLVERS",
    "STRATEGIES",
    "FactorSettings",
]

STRATEGIES = ("auto", "mask", "search")
SOLVERS = ("als", "adam")
EXPLICIT_LOSSES = ("squared",)
IMPLICIT_LOSSES = ("ials", "bpr", "softmax")

EXPLICIT_PRICE = 1e-4
IMPLICIT_PRICE = 3e-4
MAX_COMPONENTS = 128


@dataclass(frozen=True)
class FactorSettings:
    """Checked arguments of the factor models, shared by explicit and implicit feedback.

    They are those of `DAMExplicitMF` and `DAMImplicitMF`, where each is told.

    Parameters
    ----------
    callback
        Given a row of the history after each sweep or epoch.

    Raises
    ------
    InputError
        If a value is out of range.
    TypeError
        If it is of the wrong type.

    Examples
    --------
    >>> FactorSettings(price=1e-4).max_components
    128
    >>> FactorSettings(price=1e-4, paper_lambda=0.1)
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: paper_lambda is for solver="adam", where it stands ...
    """

    price: float
    n_components: int | None = None
    max_components: int = MAX_COMPONENTS
    strategy: str = "auto"
    solver: str = "als"
    loss: str = "squared"
    reg: float | None = None
    unobserved_weight: float | None = None
    unobserved_exponent: float | None = None
    temperature: float | None = None
    max_sweeps: int | None = None
    lr: float | None = None
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
        check_choice("solver", self.solver, SOLVERS)
        check_choice("loss", self.loss, EXPLICIT_LOSSES + IMPLICIT_LOSSES)
        if self.strategy == "mask" and self._own_strategy == "search":
            raise InputError(
                f'strategy="mask" is not for loss={self.loss!r} with solver={self.solver!r}; leave '
                'it at "auto"'
            )
        if self.strategy != "auto" and self.paper_lambda is not None:
            raise InputError('paper_lambda trains as the paper does: leave strategy at "auto"')
        for name in ("reg", "unobserved_weight", "paper_lambda"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), low=0.0)
        if self.unobserved_exponent is not None:
            check_number("unobserved_exponent", self.unobserved_exponent, low=0.0, high=1.0)
        if self.lr is not None:
            check_number("lr", self.lr, low=0.0, low_open=True)
        if self.temperature is not None:
            # Below, the exponential of a cosine over it is more than a number can hold.
            check_number("temperature", self.temperature, low=0.02)
        if self.max_sweeps is not None:
            check_count("max_sweeps", self.max_sweeps, minimum=1)
        check_number("validation_fraction", self.validation_fraction, low=0.0, low_open=True)
        if self.validation_fraction >= 1:
            raise InputError(f"validation_fraction must be below 1, got {self.validation_fraction}")
        if self.paper_lambda is not None and self.solver != "adam":
            raise InputError('paper_lambda is for solver="adam", where it stands for price')
        TrainingOptions(device=self.device, verbose=self.verbose, callback=self.callback)

    def widths(self, shape: tuple[int, int]) -> tuple[int, int | None]:
        """Columns there may be for so many users and items, and how many of them are asked for."""
        most = max(1, min(self.max_components, min(shape) - 1))
        return most, None if self.n_components is None else min(self.n_components, most)

    @property
    def resolved_strategy(self) -> str:
        """The strategy "auto" stands for, or the one asked for; "gradient" is the paper's."""
        return self._own_strategy if self.strategy == "auto" else self.strategy

    @property
    def _own_strategy(self) -> str:
        if self.paper_lambda is not None:
            return "gradient"
        by_gradient = self.solver == "adam" or self.loss == "bpr"
        return "mask" if by_gradient or self.loss == "squared" else "search"

    @property
    def implicit(self) -> bool:
        """Whether the loss is one of implicit feedback."""
        return self.loss in IMPLICIT_LOSSES
