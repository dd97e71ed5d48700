"""The shared-slope PReLU is torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from damrep.graph.encoding.activations import PReLU


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25, 1.0, 2.0])
@pytest.mark.parametrize("layout", ["plain", "strided", "scalar rows"])
def test_same_function_and_gradients_as_torch(slope: float, layout: str) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    values[0, 0] = 0.0
    values = {"plain": values, "strided": values.t(), "scalar rows": values[:, 0]}[layout]
    given = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    found = []
    for module in (nn.PReLU(), PReLU()):
        with torch.no_grad():
            module.double().weight.fill_(slope)
        x = values.clone().requires_grad_()
        out = module(x)
        out.backward(given)
        assert x.grad is not None and module.weight.grad is not None
        found.append((out.detach(), x.grad, module.weight.grad))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_gradients_by_finite_differences() -> None:
    module = PReLU().double()
    x = torch.tensor([[-1.5, 0.7], [2.0, -0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, x)


def test_parameters_load_from_and_into_torch() -> None:
    ours, theirs = PReLU(), nn.PReLU(init=0.7)
    ours.load_state_dict(theirs.state_dict())
    assert ours.weight.item() == pytest.approx(0.7)


def test_a_fixed_slope_gets_no_gradient() -> None:
    module = PReLU().requires_grad_(False)
    x = torch.tensor([-2.0], requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None and x.grad.item() == 0.25 and module.weight.grad is None


def test_half_precision_inputs_keep_their_dtype() -> None:
    module = PReLU()
    out = module(torch.tensor([-2.0, 1.0], dtype=torch.bfloat16))
    out.sum().backward()
    assert out.dtype == torch.bfloat16 and out.tolist() == [-0.5, 1.0]
    assert module.weight.grad is not None and module.weight.grad.dtype == torch.float32
