"""How many processor threads a computation takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits

__all__ = ["limited_threads"]


@contextlib.contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Let torch, OpenMP and BLAS use so many threads inside the block.

    Parameters
    ----------
    count
        Threads; None: as many as they do.

    Examples
    --------
    >>> with limited_threads(1):
    ...     torch.get_num_threads()
    1
    """
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
