"""How much faster a cut network is, where it was trained and where it would be served."""

from __future__ import annotations

import multiprocessing
import pickle

import torch
from torch import Tensor, nn

from damrep.pruning.latency import measure_latency

__all__ = ["measure_speedup", "speedup_alone"]

_REPEATS = 30


def measure_speedup(whole: nn.Module, cut: nn.Module, batch: Tensor) -> float:
    """Milliseconds of a forward pass of the whole network over those of the cut one.

    Parameters
    ----------
    whole, cut : Module
    batch : Tensor
        What both are called with, in turns.
    """
    before, after = measure_latency([whole, cut], (batch,), repeats=_REPEATS)
    return before / after


def speedup_alone(whole: nn.Module, cut: nn.Module, batch: Tensor, processes: int) -> list[float]:
    """The same in processes that have done nothing else, one after another.

    After a training an allocator holds on to large blocks; in a process that only serves it gives
    those of a large network back at every pass and asks for them again, which costs the large
    network more than the small one.

    Parameters
    ----------
    whole, cut, batch
        As for `measure_speedup`; they are pickled.
    processes : int

    Returns
    -------
    list of float
        One speed-up a process.
    """
    context = multiprocessing.get_context("spawn")
    sent = pickle.dumps((whole, cut, batch))
    found = []
    for _ in range(processes):
        with context.Pool(1) as pool:
            found.append(pool.apply(_served, (sent, torch.get_num_threads())))
    return found


def _served(sent: bytes, threads: int) -> float:
    torch.set_num_threads(threads)
    return measure_speedup(*pickle.loads(sent))
