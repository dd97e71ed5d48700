"""Second moments as another machine might have them: every one disturbed by single precision.

Processors, libraries and numbers of threads sum in other orders. No setting of one machine shows
what all others do, but a moment whose entries are each off by half a unit of single precision's
last place is worse than any of them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.masking import moments

__all__ = ["LAST_PLACE", "disturb_moments", "disturbed"]

LAST_PLACE = 2.0**-24


def disturbed(moment: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Every entry up or down by 2^-24 of itself, both of a pair alike."""
    signs = np.tril(rng.integers(0, 2, size=tuple(moment.shape)) * 2 - 1)
    both = torch.from_numpy(signs + np.tril(signs, -1).T)
    return moment.double() * (1 + LAST_PLACE * both)


def disturb_moments(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """From now on every moment that is factorised is disturbed first, each in its own way."""
    rng, sound = np.random.default_rng(seed), moments._prepared

    def prepared(moment: torch.Tensor, of: str) -> tuple[torch.Tensor, float]:
        return sound(disturbed(moment.detach().cpu(), rng), of)

    monkeypatch.setattr(moments, "_prepared", prepared)
