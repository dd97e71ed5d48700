from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.masking.validation import InputError
from damrep.training.seeding import local_seed, numpy_generator, resolve_seed, torch_generator


def test_local_seed_repeats_and_gives_the_state_back_even_after_an_error() -> None:
    before = torch.get_rng_state()
    with local_seed(3):
        first = torch.rand(4)
    with pytest.raises(KeyboardInterrupt), local_seed(3):
        assert torch.equal(torch.rand(4), first)
        raise KeyboardInterrupt
    assert torch.equal(torch.get_rng_state(), before)
    with local_seed(4):
        assert not torch.equal(torch.rand(4), first)


def test_generators_are_their_own() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert torch.equal(
        torch.rand(3, generator=torch_generator(1)), torch.rand(3, generator=torch_generator(1))
    )
    assert numpy_generator(1).random() == numpy_generator(1).random()
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_a_seed_comes_from_any_random_state() -> None:
    assert resolve_seed(np.int64(5)) == 5
    assert resolve_seed(np.random.default_rng(0)) == resolve_seed(np.random.default_rng(0))
    old = np.random.RandomState  # noqa: NPY002
    assert resolve_seed(old(0)) == resolve_seed(old(0))
    assert len({resolve_seed(None) for _ in range(4)}) > 1
    generator = np.random.default_rng(0)
    assert resolve_seed(generator) != resolve_seed(generator)
    for bad in (-1, 2**32):
        with pytest.raises(InputError, match="random_state"):
            resolve_seed(bad)
    with pytest.raises(TypeError):
        resolve_seed("7")
