"""Randomness from a seed, without touching the global generators."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from damrep.masking.validation import check_count

__all__ = ["local_seed", "numpy_generator", "resolve_seed", "torch_generator"]

_LARGEST_SEED = 2**32 - 1


def resolve_seed(random_state: Any = None) -> int:
    """One integer seed from what scikit-learn calls a random_state.

    Parameters
    ----------
    random_state
        None (a fresh seed from the operating system), an integer between 0 and 2**32 - 1, or a
        `numpy.random.Generator` or `RandomState`, from which one draw is taken.

    Raises
    ------
    TypeError
        If it is something else.
    InputError
        If the integer is out of range.

    Examples
    --------
    >>> resolve_seed(7)
    7
    """
    if random_state is None:
        return secrets.randbelow(_LARGEST_SEED + 1)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(0, _LARGEST_SEED, endpoint=True))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(0, _LARGEST_SEED, dtype=np.int64))
    return check_count("random_state", random_state, minimum=0, maximum=_LARGEST_SEED)


def torch_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator of its own, seeded."""
    return torch.Generator(device=device).manual_seed(seed)


def numpy_generator(seed: int) -> np.random.Generator:
    """A NumPy generator of its own, seeded."""
    return np.random.default_rng(seed)


@contextlib.contextmanager
def local_seed(seed: int, devices: Sequence[torch.device | str] = ()) -> Iterator[None]:
    """Seed torch's global generators inside the block and put their states back after it.

    For code that draws from them and takes no generator: weight initialisation, dropout. The CPU
    generator is always covered, and those of `devices` as well; no other is touched.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with local_seed(0):
    ...     first = torch.rand(3)
    >>> with local_seed(0):
    ...     again = torch.rand(3)
    >>> bool((first == again).all()), bool((torch.get_rng_state() == before).all())
    (True, True)
    """
    places = [torch.device(device) for device in devices]
    cuda = [device for device in places if device.type == "cuda"]
    mps = any(device.type == "mps" for device in places)
    cpu_state = torch.get_rng_state()
    cuda_states = [torch.cuda.get_rng_state(device) for device in cuda]
    mps_state = torch.mps.get_rng_state() if mps else None
    try:
        # Not torch.manual_seed: that one reseeds every device there is, and those would stay
        # changed.
        torch.default_generator.manual_seed(seed)
        for device in cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        if mps:
            torch.mps.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(cpu_state)
        for device, state in zip(cuda, cuda_states, strict=True):
            torch.cuda.set_rng_state(state, device)
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)
