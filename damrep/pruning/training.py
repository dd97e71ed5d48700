"""The one-call path: train a network once and receive a smaller one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from damrep.masking.price import weights_beside
from damrep.masking.validation import InputError, check_count
from damrep.pruning.carrying import carry_over
from damrep.pruning.loader_task import LoaderTask, LossFunction, ValidatedLoaderTask, split_batch
from damrep.pruning.pruner import ChannelPruner
from damrep.pruning.schedule import MULTIPLE_OF
from damrep.pruning.strategy import PruningStrategy, chosen
from damrep.training.history import History
from damrep.training.loop import resolve_device, train
from damrep.training.options import TrainingOptions
from damrep.training.seeding import local_seed, resolve_seed

__all__ = ["OptimizerFactory", "PruningResult", "prune"]

OptimizerFactory = Callable[[list[nn.Parameter]], Any]
"""Given the weights: an optimiser, or an optimiser and a scheduler to step after every batch."""


@dataclass(frozen=True)
class PruningResult:
    """What `prune` gives.

    Attributes
    ----------
    model : nn.Module
        The smaller network, plain, in eval mode, on the device of the training.
    report_ : PruningReport
        Per layer and whole: what was kept, and what it costs before and after.
    history : History
        A row an epoch: losses as shares of the trivial predictor's, stage, FLOPs, widths.
    pruner : ChannelPruner
        With its gates taken off the given network: saves the compact model.
    seconds : float
        Of training.
    """

    model: nn.Module
    report_: Any
    history: History
    pruner: ChannelPruner
    seconds: float


def prune(
    model: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None,
    loss_fn: LossFunction,
    optimizer_factory: OptimizerFactory,
    *,
    epochs: int,
    price: float | None = None,
    target: Mapping[str, float] | None = None,
    example_inputs: Any = None,
    gate_order: str = "after_norm",
    ignore: Iterable[str] = (),
    reference_loss: float | None = None,
    cold: float | None = None,
    closed: float | None = None,
    strategy: str | None = None,
    order: str | None = None,
    closing: str | None = None,
    multiple_of: int = MULTIPLE_OF,
    device: str = "auto",
    verbose: int = 0,
    random_state: Any = None,
) -> PruningResult:
    """Train a network once, closing channels on the way, and give the network that is left.

    One training, with no fine-tuning after it: once the channels are closed they are cut out, and
    the same optimiser goes on with the network that is left, which takes less time. The given
    network is trained in place until then, and is whole again, without gates.

    Parameters
    ----------
    model
        A convolutional network; fresh, or trained before.
    train_loader
        Batches (inputs, target), with a length; the loss is a mean over the batch.
    val_loader
        Held-out batches for the history, or None. Nothing is chosen by them.
    loss_fn
        Of the model's output and the target.
    optimizer_factory
        Called once with the list of the network's weights; gives an optimiser, or a pair of
        optimiser and scheduler, the latter stepped after every batch.
    epochs
        Of the whole training.
    price
        Share of the trivial predictor's loss that one channel of average cost must earn.
    target
        Instead of a price, {"flops": share} or {"params": share} of the whole to be left.
    example_inputs
        What the model is called with; by default the first inputs of `train_loader`.
    gate_order, ignore
        See `ChannelPruner`.
    reference_loss
        Loss of the trivial predictor; by default that of the best constant output.
    cold, closed
        Shares of the training before the first unit closes, and after which none does; by default
        0.1 and 0.3, and by gradient 0.2 and 0.6.
    strategy
        What decides the widths: "mask" (default), the offset of each layer's mask, moved by what
        the next channel is worth over its price; "search", one channel closed after another by an
        estimate of that; "gradient", a penalty on the masks, as in the paper. See `MaskSchedule`,
        `PruningSchedule`, `GradientSchedule`.
    order
        Which channels of a layer close first: "worth", those worth least, or "index", the first,
        which is the only way by gradient and one of two with the mask.
    closing
        The two in one word, as they were given before: "worth" or "gradient".
    multiple_of
        With a target, widths end on multiples of this where that changes them little; 1 for any.
        On a CPU 9 channels take the time of 16.
    device
        "auto", "cpu", "cuda" or "mps".
    verbose
        0 silent; 1 a progress bar on a terminal; 2 a progress bar in any case.
    random_state
        Seed of everything random here; order and augmentation are the loader's.

    Returns
    -------
    PruningResult

    Raises
    ------
    InputError
        If the model, the target or the loaders cannot be used.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(
    ...     nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
    ...     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    ... )
    >>> x = torch.randn(64, 1, 6, 6)
    >>> batches = [(x, (x.mean(dim=(1, 2, 3)) > 0).long())]
    >>> result = prune(
    ...     net, batches, batches, nn.functional.cross_entropy,
    ...     lambda weights: torch.optim.Adam(weights, lr=0.01),
    ...     epochs=10, target={"flops": 0.5}, device="cpu", random_state=0,
    ... )
    >>> result.model[0].out_channels
    4
    """
    epochs = check_count("epochs", epochs, minimum=1)
    how = chosen(strategy, order, closing)
    seed = resolve_seed(random_state)
    place = resolve_device(device)
    model.to(place)
    started = time.perf_counter()
    with local_seed(seed, [place]):  # a loader may draw from the global state
        if example_inputs is None:
            example_inputs = _first_inputs(train_loader)
        pruner = ChannelPruner(
            model,
            example_inputs,
            price=price,
            target=target,
            gate_order=gate_order,
            ignore=tuple(ignore),
        )
        try:
            history, compact = _fit(
                pruner, train_loader, val_loader, loss_fn, optimizer_factory, epochs,
                reference_loss, cold, closed, how, multiple_of, device, verbose, seed,
            )  # fmt: skip
        finally:
            pruner.detach()
    return PruningResult(
        compact.eval(), pruner.report_, history, pruner, time.perf_counter() - started
    )


def _fit(
    pruner: ChannelPruner,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None,
    loss_fn: LossFunction,
    optimizer_factory: OptimizerFactory,
    epochs: int,
    reference_loss: float | None,
    cold: float | None,
    closed: float | None,
    how: tuple[str, str],
    multiple_of: int,
    device: str,
    verbose: int,
    seed: int,
) -> tuple[History, nn.Module]:
    """Train until the channels are closed, cut, and train what is left."""
    model = pruner.model

    def task_of(model: nn.Module, reference_loss: float | None) -> LoaderTask:
        if val_loader is None:
            return LoaderTask(model, train_loader, loss_fn, reference_loss)
        return ValidatedLoaderTask(model, train_loader, val_loader, loss_fn, reference_loss)

    task = task_of(model, reference_loss)
    made = optimizer_factory(weights_beside(model, pruner.gates.values()))
    optimizer, scheduler = made if isinstance(made, tuple) else (made, None)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            "optimizer_factory must give an optimiser, or an optimiser and a scheduler, got "
            f"{type(optimizer).__name__}"
        )
    strategy = PruningStrategy(
        pruner, task, optimizer, scheduler,
        steps=epochs * task.num_batches(), cold=cold, closed=closed, strategy=how[0],
        order=how[1], multiple_of=multiple_of, seed=seed,
    )  # fmt: skip
    first = min(epochs, math.ceil(strategy.schedule.steps_until_settled / task.num_batches()))
    options = TrainingOptions(
        max_epochs=first, device=device, verbose=verbose, seed=seed, description="pruning"
    )
    history = train(task, options, strategy)
    optimizer.zero_grad()  # the strategy leaves those of the last step
    compact = pruner.compact()
    if first < epochs:
        # The channels that are gone need not be computed any more.
        carry_over(optimizer, pruner.detach(), compact)
        options = replace(
            options, max_epochs=epochs - first, seed=seed + 1, description="training what is left"
        )
        seconds = history[-1]["seconds"]
        for row in train(task_of(compact, task.reference_loss), options, strategy):
            later = {"epoch": row["epoch"] + first, "seconds": row["seconds"] + seconds}
            history.append({**row, **later})
        optimizer.zero_grad()
    return history, compact


def _first_inputs(train_loader: Iterable[Any]) -> tuple[Any, ...]:
    for batch in train_loader:
        return split_batch(batch)[0]
    raise InputError("train_loader gave no batches")
