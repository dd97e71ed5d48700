"""What a dimension costs: price and lambda, the penalty over a model, the normalised loss.

The paper's objective is task loss + lambda * mean over masks of clamp(beta, min=-span) (arXiv
2110.00684, eq. 3). lambda there has the units of the loss, and what it means changes with the
number of units. The price does not: it is the share of the normalised loss (1: the trivial
predictor, 0: perfect) that one dimension must earn. Closing one of n units moves beta by span / n,
so lambda = price * n / span.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.validation import InputError, check_count, check_number, check_price

__all__ = [
    "column_mean_loss",
    "lambda_to_price",
    "masks_in",
    "normalised_loss",
    "penalty",
    "price_to_lambda",
    "priced_penalty",
    "weights_beside",
]

Loss = TypeVar("Loss", float, Tensor)


def price_to_lambda(price: float, n: int, span: float = 5.0) -> float:
    """The weight on beta under which closing one of n units saves exactly `price`.

    Parameters
    ----------
    price
        Share of the normalised loss one dimension must earn, >= 0.
    n
        Number of units of the mask.
    span
        Spread of the offsets.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> price_to_lambda(1e-3, 50)
    0.01
    """
    n = check_count("n", n, minimum=1)
    span = check_number("span", span, low=0.0, low_open=True)
    return check_price(price) * n / span


def lambda_to_price(lam: float, n: int, span: float = 5.0) -> float:
    """The price that a weight `lam` on beta amounts to at n units; inverse of `price_to_lambda`.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> lambda_to_price(0.01, 50)
    0.001
    """
    n = check_count("n", n, minimum=1)
    span = check_number("span", span, low=0.0, low_open=True)
    return check_number("lambda", lam, low=0.0) * span / n


def masks_in(model: nn.Module) -> dict[str, DAM]:
    """The masks of a model by their module path, in the order they are registered, each once.

    A model that is itself a mask is called "mask".

    Examples
    --------
    >>> list(masks_in(nn.Sequential(nn.Linear(3, 4), DAM(4))))
    ['1']
    """
    return {
        name or "mask": module for name, module in model.named_modules() if isinstance(module, DAM)
    }


def weights_beside(model: nn.Module, masks: Iterable[DAM]) -> list[nn.Parameter]:
    """What an optimiser trains of a model, the offsets of these masks aside.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 4, bias=False), DAM(4))
    >>> [tuple(p.shape) for p in weights_beside(model, masks_in(model).values())]
    [(4, 3)]
    """
    betas = {id(mask.beta) for mask in masks}
    return [p for p in model.parameters() if id(p) not in betas and p.requires_grad]


def _some_masks(model: nn.Module) -> dict[str, DAM]:
    masks = masks_in(model)
    if not masks:
        raise InputError(
            f"the model ({type(model).__name__}) has no DAM in it, so nothing to price"
        )
    return masks


def penalty(model: nn.Module) -> Tensor:
    """The paper's penalty over a model: the mean over its masks of clamp(beta, min=-span).

    Raises
    ------
    InputError
        If the model has no mask.

    Examples
    --------
    >>> penalty(nn.Sequential(DAM(4), DAM(8))).item()
    1.0
    """
    return torch.stack([mask.penalty() for mask in _some_masks(model).values()]).mean()


def priced_penalty(model: nn.Module, price: float) -> Tensor:
    """The penalty under which closing one unit of any mask saves exactly `price`.

    The sum over masks of price * n / span * clamp(beta, min=-span), each mask with its own n and
    span. Add it to a normalised loss.

    Raises
    ------
    InputError
        If the model has no mask or the price is negative or not finite.

    Examples
    --------
    >>> mask = DAM(8)
    >>> mask.set_width(5)
    >>> five = priced_penalty(mask, 0.01).item()
    >>> mask.set_width(4)
    >>> round(five - priced_penalty(mask, 0.01).item(), 6)
    0.01
    """
    terms = [
        price_to_lambda(price, mask.num_features, mask.span) * mask.penalty()
        for mask in _some_masks(model).values()
    ]
    return torch.stack(terms).sum()


def normalised_loss(loss: Loss, reference: float) -> Loss:
    """A task loss divided by the loss of the trivial zero-dimension predictor.

    1 means nothing learned, 0 perfect. The reference is that of the task: predicting column means
    for reconstruction, a bias-only model for ratings, popularity for implicit feedback, the class
    prior for classification.

    Raises
    ------
    InputError
        If the reference is not a positive, finite number.

    Examples
    --------
    >>> normalised_loss(0.5, reference=2.0)
    0.25
    """
    reference = float(reference)
    if not math.isfinite(reference) or reference <= 0:
        raise InputError(
            "the reference loss (of the trivial predictor) must be positive and finite, got "
            f"{reference:g}; 0 means there is nothing to learn"
        )
    return loss / reference


def column_mean_loss(x: Tensor) -> float:
    """Mean squared error of predicting every column of x (rows, columns) by its mean.

    The reference of a reconstruction task, in the units of x squared.

    Raises
    ------
    InputError
        If x is not a non-empty matrix.

    Examples
    --------
    >>> column_mean_loss(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    0.5
    """
    if x.dim() != 2 or x.numel() == 0:
        raise InputError(
            f"x must be a non-empty matrix (rows, columns), got shape {tuple(x.shape)}"
        )
    return float(x.detach().double().var(dim=0, correction=0).mean())
