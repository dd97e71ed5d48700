"""PReLU with one slope, whose backward pass does not dominate a training step on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PReLU"]


class PReLU(nn.PReLU):
    """`torch.nn.PReLU` with one slope for all units: the same function, parameters and gradients.

    On the CPU torch's backward pass makes a second array of the input's size for the slope's
    gradient, an element at a time, and is a good part of a training step on a graph; here it is a
    vectorised pass and a dot product. On other devices, and without gradients, it is torch's.

    Examples
    --------
    >>> PReLU()(torch.tensor([-2.0, 3.0])).tolist()
    [-0.5, 3.0]
    """

    def __init__(self) -> None:
        super().__init__(num_parameters=1)

    def forward(self, x: Tensor) -> Tensor:
        """Positive inputs as they are, negative ones times the slope."""
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        out: Tensor = _SharedSlope.apply(x, self.weight.to(x.dtype))
        return out


class _SharedSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.leaky_relu(x, slope.item())

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, slope = ctx.saved_tensors
        into_x = into_slope = None
        if ctx.needs_input_grad[0]:
            into_x = torch.ops.aten.leaky_relu_backward(grads[0], x, slope.item(), False)
        if ctx.needs_input_grad[1]:
            into_slope = torch.dot(grads[0].reshape(-1), x.clamp(max=0).reshape(-1)).reshape(1)
        return into_x, into_slope
