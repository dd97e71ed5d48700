"""Comparators that learn which codes to keep by a penalty on a free mask."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.comparators.model import Array, Model
from benchmarks.comparators.training import Budget, Network, Scaled, Shape, network_model, optimise
from damrep.masking import slice_linear
from damrep.training.seeding import torch_generator

__all__ = ["fit_hard_concrete", "fit_l1_mask"]

# Of the steps, this share learns the mask; the rest refines what it left, without a penalty.
_MASKED = 0.5
# A free mask never reaches 0 by gradient descent: entries below this share of the largest are.
_CLOSED = 1e-2
# The mask and log alpha have to travel by about 1 and about 10, which Adam at the rate of the
# weights does not manage within the budget.
_MASK_RATE, _GATE_RATE = 2.0, 10.0
# Louizos, Welling and Kingma 2018: temperature and the interval gates are stretched to.
_TEMPERATURE, _LOW, _HIGH = 2 / 3, -0.1, 1.1


def fit_l1_mask(
    train: Array,
    held_out: Array,
    width: int,
    penalty: float,
    *,
    dims: int | None = None,
    shape: Shape | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Model:
    """A mask of free numbers under an L1 penalty: what the paper compares its mask with.

    The codes are multiplied by a vector that starts at 1, and the loss is the normalised
    reconstruction loss plus ``penalty`` times the sum of its absolute values. After half of the
    steps codes whose entry is below a hundredth of the largest are cut, and the rest is refined
    without the penalty: more than the paper grants it.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
    width : int
        Codes to start with.
    penalty : float
        On one entry of the mask; in the unit of damrep's price while the entry is 1.
    dims : int, optional
        Keep this many of the largest entries instead.
    shape : Shape, optional
    budget : Budget, optional
    seed : int

    Returns
    -------
    Model
        ``details["mask"]`` holds the absolute entries when it was cut, largest first.
    """
    budget = budget or Budget()
    data, network = _begin(train, held_out, width, shape or Shape(), seed)
    mask = nn.Parameter(torch.ones(width))

    def loss(x: Tensor) -> Tensor:
        fitted = functional.mse_loss(network.decode(network.encode(x) * mask), x)
        return fitted + penalty * mask.abs().sum()

    first = budget.share(_MASKED)
    groups: list[dict[str, Any]] = [
        {"params": [*network.parameters()]},
        {"params": [mask], "lr": _MASK_RATE * budget.lr},
    ]
    optimise(loss, groups, data, first, seed)
    gates = mask.detach()
    size = gates.abs()
    open_units = size > _CLOSED * size.max()
    return _refined(network, gates, size, open_units, dims, data, budget, seed)


def fit_hard_concrete(
    train: Array,
    held_out: Array,
    width: int,
    penalty: float,
    *,
    dims: int | None = None,
    shape: Shape | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Model:
    """L0 by hard-concrete gates (Louizos, Welling and Kingma, ICLR 2018).

    One gate a code, drawn anew for every batch, and the loss is the normalised reconstruction loss
    plus ``penalty`` times the expected number of open gates. Gates start four fifths open, as for
    the inputs in the paper. After half of the steps the codes whose gate is closed at its mean are
    cut and the rest is refined with fixed gates.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
    width : int
        Codes to start with.
    penalty : float
        On one open gate, so in the unit of damrep's price.
    dims : int, optional
        Keep this many of the gates most likely to be open instead.
    shape : Shape, optional
    budget : Budget, optional
    seed : int

    Returns
    -------
    Model
        ``details["mask"]`` holds the probabilities of being open when it was cut, largest first.
    """
    budget = budget or Budget()
    data, network = _begin(train, held_out, width, shape or Shape(), seed)
    draws = torch_generator(seed + 1)
    log_alpha = nn.Parameter(torch.full((width,), math.log(0.8 / 0.2)))
    shift = _TEMPERATURE * math.log(-_LOW / _HIGH)

    def loss(x: Tensor) -> Tensor:
        uniform = torch.rand(width, generator=draws).clamp(1e-6, 1 - 1e-6)
        soft = torch.sigmoid((uniform.logit() + log_alpha) / _TEMPERATURE)
        gate = (soft * (_HIGH - _LOW) + _LOW).clamp(0, 1)
        fitted = functional.mse_loss(network.decode(network.encode(x) * gate), x)
        return fitted + penalty * torch.sigmoid(log_alpha - shift).sum()

    first = budget.share(_MASKED)
    groups: list[dict[str, Any]] = [
        {"params": [*network.parameters()]},
        {"params": [log_alpha], "lr": _GATE_RATE * budget.lr},
    ]
    optimise(loss, groups, data, first, seed)
    with torch.no_grad():
        gates = (torch.sigmoid(log_alpha) * (_HIGH - _LOW) + _LOW).clamp(0, 1)
        likely = torch.sigmoid(log_alpha - shift)
    return _refined(network, gates, likely, gates > 0, dims, data, budget, seed)


def _begin(
    train: Array, held_out: Array, width: int, shape: Shape, seed: int
) -> tuple[Scaled, Network]:
    data = Scaled(train, held_out)
    axes = data.axes(width, seed) if shape.linear_path and shape.hidden else None
    return data, shape.build(data.columns, width, seed, axes)


def _refined(
    network: Network,
    gates: Tensor,
    order: Tensor,
    open_units: Tensor,
    dims: int | None,
    data: Scaled,
    budget: Budget,
    seed: int,
) -> Model:
    """Cut to the open codes, or to so many of the first in order, and train what is left."""
    ranked = order.argsort(descending=True, stable=True)
    # With nothing open there would be no model; one code is the least there is.
    keep = max(1, int(open_units.sum())) if dims is None else min(dims, network.width)
    small = keep_codes(network, ranked[:keep], gates)
    rest = Budget(max(1, budget.steps - budget.share(_MASKED).steps), budget.batch_size, budget.lr)
    optimise(
        lambda x: functional.mse_loss(small(x), x),
        small.parameters(),
        data,
        rest,
        seed + 1,
        keep_best=small,
    )
    details = {"mask": order[ranked].tolist(), "open": int(open_units.sum())}
    return network_model(small, data, budget.steps, details)


def keep_codes(network: Network, keep: Tensor, gates: Tensor) -> Network:
    """A copy of a network with some of its codes, their gates multiplied into the encoder.

    Parameters
    ----------
    network : AutoencoderNetwork
    keep : Tensor of int, shape (k,)
    gates : Tensor, shape (width,)
    """
    small = copy.deepcopy(network)
    heads = [small.encoder[-1], small.linear_encoder]
    with torch.no_grad():
        for head in heads:
            if isinstance(head, nn.Linear):
                head.weight.mul_(gates[:, None])
                if head.bias is not None:
                    head.bias.mul_(gates)
    small.encoder[-1] = slice_linear(_linear(small.encoder[-1]), rows=keep)
    small.decoder[0] = slice_linear(_linear(small.decoder[0]), cols=keep)
    if small.linear_encoder is not None and small.linear_decoder is not None:
        small.linear_encoder = slice_linear(small.linear_encoder, rows=keep)
        small.linear_decoder = slice_linear(small.linear_decoder, cols=keep)
    return small


def _linear(layer: nn.Module) -> nn.Linear:
    assert isinstance(layer, nn.Linear)
    return layer
