"""How long a model takes for a batch, measured so that two can be compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from damrep.pruning.examples import evaluating, mapped
from damrep.pruning.flow import tensors_in

__all__ = ["measure_latency", "repeated"]


def measure_latency(
    models: Sequence[nn.Module], inputs: tuple[Any, ...], repeats: int = 10, warm_up: int = 2
) -> list[float]:
    """Median milliseconds of a forward pass of each model, in eval mode, taken in turns.

    In turns, so that a machine that is busy for a while slows all of them and not one.

    Parameters
    ----------
    models
        Modules on the same device as the inputs; their mode is put back.
    inputs
        What they are called with.
    repeats, warm_up
        Passes that count, and passes before them that do not.

    Examples
    --------
    >>> len(measure_latency([nn.Linear(4, 4), nn.Linear(4, 2)], (torch.zeros(8, 4),), repeats=3))
    2
    """
    device = next(tensors_in(inputs)).device
    taken: list[list[float]] = [[] for _ in models]
    with torch.no_grad(), evaluating(*models):
        for turn in range(warm_up + repeats):
            for model, times in zip(models, taken, strict=True):
                _wait(device)
                started = time.perf_counter()
                model(*inputs)
                _wait(device)
                if turn >= warm_up:
                    times.append(1e3 * (time.perf_counter() - started))
    return [statistics.median(times) for times in taken]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def repeated(inputs: Sequence[Any], batch: int) -> tuple[Any, ...]:
    """Example inputs repeated along their first axis to a batch of the size wanted."""

    def to_batch(tensor: Tensor) -> Tensor:
        if not tensor.dim():
            return tensor
        times = -(-batch // max(tensor.shape[0], 1))
        return tensor.repeat(times, *(1,) * (tensor.dim() - 1))[:batch]

    return tuple(mapped(tuple(inputs), to_batch))
