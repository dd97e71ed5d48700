"""How many threads a computation takes."""

from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from damrep.training import limited_threads


def _threads() -> set[int]:
    return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}


def test_threads_are_limited_inside_the_block_alone() -> None:
    before = _threads()
    with pytest.raises(RuntimeError, match="stop"), limited_threads(1):
        assert _threads() == {1}
        raise RuntimeError("stop")
    assert _threads() == before


def test_without_a_number_they_stay_as_they_are() -> None:
    before = _threads()
    with limited_threads(None):
        assert _threads() == before
