"""Memory: how much there is, and what training steps take and give back."""

from __future__ import annotations

import os

import torch

__all__ = ["keep_freed_memory", "physical_memory"]

# Just below 32 MiB, the largest that moves glibc's threshold.
_BYTES = 30 * 2**20


def keep_freed_memory() -> None:
    """Let a step use the memory that the one before it has freed.

    The C library hands freed blocks back to the system above a threshold, and every page of the
    next step is then a fault: up to four tenths of the time where a step takes some megabytes
    (100,000 ratings, 128 factors). Freeing one block raises glibc's threshold to twice its size,
    which is never touched; see M_TRIM_THRESHOLD in mallopt(3). Elsewhere it does nothing.

    Examples
    --------
    >>> keep_freed_memory()
    """
    torch.empty(_BYTES, dtype=torch.uint8)


def physical_memory() -> int | None:
    """Bytes of memory this machine has; None where the system does not say.

    Examples
    --------
    >>> physical_memory() is None or physical_memory() > 2**20
    True
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
