"""Tensors of a saved model: told, compared, and put into modules that took no memory before."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from damrep.masking.validation import InputError
from damrep.training.stored_tensors import (
    FLOATS,
    LAYOUT,
    Stored,
    blank_module,
    check_layout,
    filled_module,
    layout_of,
    module_tensors,
    read_layout,
)

KINDS = (torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16, *FLOATS)


def test_what_is_told_is_read_back() -> None:
    tensors = {str(kind): torch.zeros(2, 3, dtype=kind) for kind in KINDS} | {"s": torch.ones(())}
    plain = layout_of(tensors)
    LAYOUT.check(plain, "tensors")
    told = read_layout(plain)
    assert all(told[name].dtype == t.dtype for name, t in tensors.items())
    assert all(told[name].nbytes == t.nbytes for name, t in tensors.items())
    check_layout(told, {name: Stored(t.shape, (t.dtype,)) for name, t in tensors.items()})


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"w": Stored((2, 3))}, None),
        ({"w": Stored((None, 3), FLOATS)}, None),
        ({"w": Stored((2,))}, r"w has shape \[2, 3\], expected \[2\]"),
        ({"w": Stored((None, 2))}, r"expected \[any, 2\]"),
        ({"w": Stored((2, 3), (torch.int64,))}, "w is float32, expected int64"),
        ({}, "w is not part of such a model"),
        ({"w": Stored((2, 3)), "v": Stored(())}, "v is missing"),
    ],
)
def test_what_has_to_be(stored: dict[str, Stored], said: str | None) -> None:
    told = read_layout(layout_of({"w": torch.zeros(2, 3)}))
    if said is None:
        check_layout(told, stored)
        return
    with pytest.raises(InputError, match=said):
        check_layout(told, stored)


@pytest.mark.usefixtures("global_rng_untouched")
def test_a_module_without_memory_is_filled() -> None:
    with torch.random.fork_rng():
        whole = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    blank = blank_module(lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    assert {tensor.device.type for tensor in blank.state_dict().values()} == {"meta"}
    stored = {f"net.{name}": tensor for name, tensor in whole.state_dict().items()}
    assert set(module_tensors(blank, "net.")) == set(stored)
    filled = filled_module(blank, {**stored, "other": torch.ones(1)}, "net.")
    x = torch.ones(2, 3)
    assert torch.equal(filled(x), whole.eval()(x)) and not filled.training
    assert all(parameter.requires_grad for parameter in filled.parameters())
