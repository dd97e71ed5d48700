"""One training loop for every model, on lightning-fabric.

A model brings a `Task`: its module, its batches and its loss. A `Strategy` decides what happens to
the masks.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from damrep.masking.price import masks_in, weights_beside
from damrep.masking.validation import InputError
from damrep.training.history import History
from damrep.training.memory import keep_freed_memory
from damrep.training.options import TrainingOptions
from damrep.training.seeding import local_seed, resolve_seed, torch_generator
from damrep.training.stopping import EarlyStopping

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "Counted",
    "DivergedError",
    "Placed",
    "Strategy",
    "Task",
    "Validated",
    "Watching",
    "resolve_device",
    "train",
]


class DivergedError(RuntimeError):
    """The loss became NaN or infinite."""


class Task(Protocol):
    """What a model brings to be trained.

    A task may also be `Placed`, `Counted`, `Validated` or `Watching`, by having that method.

    Attributes
    ----------
    module
        The module to train; its parameters are trained in place.
    """

    @property
    def module(self) -> nn.Module:
        """The module to train."""

    def batches(self, generator: torch.Generator) -> Iterable[Any]:
        """The batches of one epoch; anything random comes from `generator` (on the CPU)."""

    def loss(self, batch: Any) -> Tensor:
        """Normalised task loss of a batch, a scalar, without any penalty on the masks."""


@runtime_checkable
class Placed(Protocol):
    """A task that holds tensors of its own, beside the module."""

    def place(self, device: torch.device) -> None:
        """Move them to the device; called once, before training."""


@runtime_checkable
class Counted(Protocol):
    """A task that knows how many batches an epoch has; a schedule needs to."""

    def num_batches(self) -> int:
        """Batches of every epoch."""


@runtime_checkable
class Validated(Protocol):
    """A task with a held-out loss."""

    def validation_loss(self) -> float:
        """Held-out normalised loss; called after each epoch, in eval mode, without gradients."""


@runtime_checkable
class Watching(Protocol):
    """A task that wants to know when an epoch is over."""

    def after_epoch(self, row: dict[str, Any]) -> None:
        """Look at the epoch's row of the history, and add to it if need be."""


class Strategy(Protocol):
    """What happens to the masks while the weights are trained."""

    @property
    def settled(self) -> bool:
        """False while the open units change: losses are then not comparable between epochs."""

    def parameter_groups(
        self, lr: float, weight_decay: float, beta_lr: float | None
    ) -> list[dict[str, Any]]:
        """Parameter groups for the optimiser."""

    def start_epoch(self, epoch: int, cold_start_epochs: int) -> None:
        """Called before an epoch; masks are held in the first `cold_start_epochs`."""

    def extra_loss(self) -> Tensor:
        """Added to the task loss of every batch."""

    def before_step(self) -> None:
        """Called between the backward pass and the optimiser's step."""

    def after_step(self) -> None:
        """Called after the optimiser's step."""

    def end_epoch(self) -> dict[str, Any]:
        """Values for the epoch's row of the history."""


class _Step(nn.Module):
    """The task's loss as a forward pass, so that fabric's precision and DDP wrap all of it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.module = task.module
        self.task_loss = task.loss

    def forward(self, batch: Any) -> Tensor:
        return self.task_loss(batch)


def resolve_device(device: str = "auto") -> torch.device:
    """The torch device a name stands for; "auto" is cuda, else mps, else cpu.

    Raises
    ------
    InputError
        If a named device is not there.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in has.items() if there)
    if not has.get(device, False):
        there = ", ".join(name for name, there in has.items() if there)
        raise InputError(f"device must be one that this machine has ({there}), got {device!r}")
    return (
        torch.device(device, torch.cuda.current_device())
        if device == "cuda"
        else torch.device(device)
    )


def train(
    task: Task, options: TrainingOptions | None = None, strategy: Strategy | None = None
) -> History:
    """Train a task's module in place and return what happened.

    Each epoch goes once over the task's batches with Adam (decoupled weight decay). Early stopping
    looks at the task loss, the held-out one where there is one, never at loss plus penalty, and
    waits while the number of open units is changing. No global random state is changed. The module
    is left in eval mode on the device it was trained on.

    Parameters
    ----------
    task
        The model's side: module, batches, loss.
    options
        See `TrainingOptions`.
    strategy
        What happens to the masks; without one they stay as they are.

    Returns
    -------
    History
        A row an epoch: epoch, loss, validation_loss (if any), what the strategy and the task add,
        seconds.

    Raises
    ------
    DivergedError
        If the loss becomes NaN or infinite.
    InputError
        If the device is not there, or an epoch has no batches.

    Examples
    --------
    >>> class Mean:
    ...     def __init__(self):
    ...         self.module = nn.Linear(1, 1)
    ...     def batches(self, generator):
    ...         yield torch.ones(8, 1)
    ...     def loss(self, batch):
    ...         return (self.module(batch) - 3).square().mean()
    >>> history = train(Mean(), TrainingOptions(max_epochs=200, lr=0.1, device="cpu", seed=0))
    >>> history["loss"][-1] < 1e-3
    True
    """
    options = options or TrainingOptions()
    device = resolve_device(options.device)
    seed = resolve_seed(options.seed)
    with local_seed(seed, [device]), _quiet():
        return _train(task, options, strategy, device, torch_generator(seed))


def _train(
    task: Task,
    options: TrainingOptions,
    strategy: Strategy | None,
    device: torch.device,
    generator: torch.Generator,
) -> History:
    module = task.module
    fabric = _fabric(device.type, device.index, options.precision)
    if device.type == "mps":  # which has no float64
        module.to(torch.float32)
    module.to(device)
    if device.type == "cpu":
        keep_freed_memory()
    if isinstance(task, Placed):
        task.place(device)
    # One pass over the weights in place of ten; where there is a GPU torch chooses by itself.
    fused = True if device.type == "cpu" else None
    optimiser = torch.optim.AdamW(_groups(module, options, strategy), lr=options.lr, fused=fused)
    schedule = _schedule(task, optimiser, options)
    step, wrapped_optimiser = fabric.setup(_Step(task), optimiser)

    stopper = EarlyStopping(options.patience, options.min_delta)
    held_out = task if isinstance(task, Validated) else None
    watching = task if isinstance(task, Watching) else None
    history = History(options.callback)
    started = time.perf_counter()
    with _progress(options) as bar:
        for epoch in range(options.max_epochs):
            if strategy is not None:
                strategy.start_epoch(epoch, options.cold_start_epochs)
            module.train()
            loss = _epoch(fabric, task, step, wrapped_optimiser, schedule, strategy, generator)
            module.eval()
            row: dict[str, Any] = {"epoch": epoch, "loss": _finite(loss, "loss", epoch)}
            if held_out is not None:
                with torch.no_grad():
                    found = float(held_out.validation_loss())
                row["validation_loss"] = _finite(found, "validation loss", epoch)
            if strategy is not None:
                row.update(strategy.end_epoch())
            row["seconds"] = time.perf_counter() - started
            if watching is not None:
                watching.after_epoch(row)
            history.append(row)
            bar.update()
            bar.set_postfix_str(_postfix(row), refresh=False)
            watched = row.get("validation_loss", row["loss"])
            if strategy is not None and not strategy.settled:
                stopper.restart()
            elif stopper.update(watched) or (
                options.target_loss is not None and watched < options.target_loss
            ):
                history.stopped_early = True
                break
    return history


@cache
def _fabric(kind: str, index: int | None, precision: Any) -> Fabric:
    """One for all trainings alike: making it looks through every package that is installed."""
    from lightning_fabric import Fabric

    fabric = Fabric(
        accelerator=kind,
        devices=1 if index is None or kind != "cuda" else [index],
        precision=precision,
    )
    fabric.launch()
    return fabric


def _groups(
    module: nn.Module, options: TrainingOptions, strategy: Strategy | None
) -> list[dict[str, Any]]:
    if strategy is not None:
        return strategy.parameter_groups(options.lr, options.weight_decay, options.beta_lr)
    # A mask that nobody prices stays where it is.
    weights = weights_beside(module, masks_in(module).values())
    if not weights:
        raise InputError(f"the module ({type(module).__name__}) has no weights to train")
    return [{"params": weights, "lr": options.lr, "weight_decay": options.weight_decay}]


def _schedule(
    task: Task, optimiser: torch.optim.Optimizer, options: TrainingOptions
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if options.schedule == "constant":
        return None
    if not isinstance(task, Counted):
        raise TypeError(f"a schedule needs a task that has num_batches, {type(task).__name__} not")
    steps = options.max_epochs * task.num_batches()
    # Adam's first steps go by moments of a few batches; they are kept short.
    rise = min(50, max(1, steps // 10))

    def share(step: int) -> float:
        risen = min(1.0, (step + 1) / rise)
        if options.schedule == "warmup":
            return risen
        return risen * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, share)


def _epoch(
    fabric: Fabric,
    task: Task,
    step: Any,
    optimiser: Any,
    schedule: torch.optim.lr_scheduler.LRScheduler | None,
    strategy: Strategy | None,
    generator: torch.Generator,
) -> float:
    """One pass over the batches; the mean task loss over them."""
    total: Tensor | None = None
    count = 0
    for batch in task.batches(generator):
        optimiser.zero_grad()
        loss = step(fabric.to_device(batch))
        fabric.backward(loss if strategy is None else loss + strategy.extra_loss())
        if strategy is not None:
            strategy.before_step()
        optimiser.step()
        if strategy is not None:
            strategy.after_step()
        if schedule is not None:
            schedule.step()
        # Summed on the device: reading a number off it every step would make it wait.
        total = loss.detach() if total is None else total + loss.detach()
        count += 1
    if total is None:
        raise InputError(f"the task ({type(task).__name__}) gave no batches to train on")
    return float(total) / count


def _finite(value: float, what: str, epoch: int) -> float:
    if not math.isfinite(value):
        raise DivergedError(
            f"the {what} became {value} in epoch {epoch}: training diverged, try a smaller lr, or "
            "look for NaN, infinite or very large values in the data"
        )
    return value


def _postfix(row: dict[str, Any]) -> str:
    shown = [f"loss {row.get('validation_loss', row['loss']):.4f}"]
    if "n_active" in row:
        shown.append(f"dims {row['n_active']}")
    return ", ".join(shown)


def _progress(options: TrainingOptions) -> Any:
    from tqdm import tqdm

    wanted = options.verbose >= 2 or (options.verbose == 1 and sys.stderr.isatty())
    return tqdm(
        total=options.max_epochs,
        desc=options.description,
        unit="epoch",
        disable=not wanted,
        file=sys.stderr,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep fabric from announcing devices and warning about accelerators left unused."""
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning_fabric.*")
            yield
    finally:
        logger.setLevel(level)
