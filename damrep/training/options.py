"""Everything a training run can be asked for, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field

from damrep.masking.validation import check_choice, check_count, check_number
from damrep.training.history import Callback
from damrep.training.seeding import resolve_seed

__all__ = ["DEVICES", "PRECISIONS", "SCHEDULES", "TrainingOptions"]

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("32-true", "64-true", "16-mixed", "bf16-mixed", "bf16-true")
SCHEDULES = ("constant", "warmup", "cosine")


@dataclass(frozen=True)
class TrainingOptions:
    """Options of one training run.

    Parameters
    ----------
    max_epochs
        Passes over the batches, at most.
    lr
        Learning rate of the weights (Adam).
    weight_decay
        Decoupled weight decay of the weights; beta never gets any.
    beta_lr
        Learning rate of the masks' beta; None for the same as `lr`. Adam moves beta by about this
        much a step, whatever the price.
    device
        "auto", "cpu", "cuda" or "mps".
    precision
        A lightning-fabric precision: "32-true", "64-true", "16-mixed", "bf16-mixed", ...
    patience
        Epochs without improvement of the task loss before stopping; None trains all of
        `max_epochs`.
    min_delta
        Improvement that counts, as a share of the normalised loss.
    target_loss
        Stop as soon as the task loss of an epoch is below this; None never does.
    schedule
        Of the learning rates: "constant"; "warmup", which rises over the first steps; or "cosine",
        which then falls to nothing at the end of `max_epochs`. For the latter two the task has to
        be `Counted`.
    cold_start_epochs
        Epochs at the beginning in which beta is held.
    verbose
        0 silent; 1 a progress bar on stderr if it is a terminal; 2 a progress bar in any case.
    description
        Words in front of the progress bar.
    seed
        Seed of everything random in the run; None for a fresh one.
    callback
        Given the row of the history after each epoch; what it raises ends the training.

    Raises
    ------
    InputError
        If a value is out of range.
    TypeError
        If it is of the wrong type.

    Examples
    --------
    >>> TrainingOptions(max_epochs=20, seed=0).lr
    0.001
    >>> TrainingOptions(lr=0)
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: lr must be a finite number > 0, got 0
    """

    max_epochs: int = 100
    lr: float = 1e-3
    weight_decay: float = 0.0
    beta_lr: float | None = None
    device: str = "auto"
    precision: str = "32-true"
    patience: int | None = None
    min_delta: float = 0.0
    target_loss: float | None = None
    schedule: str = "constant"
    cold_start_epochs: int = 0
    verbose: int = 0
    description: str = "training"
    seed: int | None = None
    callback: Callback | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_count("max_epochs", self.max_epochs, minimum=1)
        check_number("lr", self.lr, low=0.0, low_open=True)
        check_number("weight_decay", self.weight_decay, low=0.0)
        if self.beta_lr is not None:
            check_number("beta_lr", self.beta_lr, low=0.0, low_open=True)
        check_choice("device", self.device, DEVICES)
        check_choice("precision", self.precision, PRECISIONS)
        if self.patience is not None:
            check_count("patience", self.patience, minimum=1)
        check_number("min_delta", self.min_delta, low=0.0)
        if self.target_loss is not None:
            check_number("target_loss", self.target_loss, low=0.0)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_count("cold_start_epochs", self.cold_start_epochs, minimum=0)
        if not isinstance(self.verbose, bool):
            check_count("verbose", self.verbose, minimum=0)
        if not isinstance(self.description, str):
            raise TypeError(f"description must be a string, got {self.description!r}")
        if self.seed is not None:
            resolve_seed(self.seed)
        if self.callback is not None and not callable(self.callback):
            raise TypeError(f"callback must be a function, got {type(self.callback).__name__}")
