"""Plain training and measuring of the networks in the pruning benchmark, peers and ours alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.pruning_data import Batches

__all__ = ["Recipe", "accuracy", "fit", "flops", "loss_of", "optimiser", "parameters"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under one cycle of the learning rate.

    Attributes
    ----------
    epochs : int
    lr : float
        The highest learning rate.
    batch : int
    weight_decay : float
    augment : bool
        Shift by up to four pixels and mirror.
    """

    epochs: int
    lr: float = 0.1
    batch: int = 128
    weight_decay: float = 5e-4
    augment: bool = False


def optimiser(
    parameters: object, recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """SGD and its schedule over a number of steps."""
    made = torch.optim.SGD(
        parameters,  # type: ignore[arg-type]
        lr=recipe.lr,
        momentum=0.9,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        made, recipe.lr, total_steps=max(steps, 8), pct_start=0.25, cycle_momentum=False
    )
    return made, cycle


def fit(
    model: nn.Module,
    batches: Batches,
    recipe: Recipe,
    regularise: Callable[[nn.Module], object] | None = None,
) -> None:
    """Train in place.

    Parameters
    ----------
    model : nn.Module
    batches : Batches
        Of the training part.
    recipe : Recipe
    regularise : callable, optional
        Called with the model between the backward pass and the step, to add to the gradients.
    """
    made, cycle = optimiser(model.parameters(), recipe, recipe.epochs * len(batches))
    model.train()
    for _ in range(recipe.epochs):
        for x, y in batches:
            made.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            if regularise is not None:
                regularise(model)
            made.step()
            cycle.step()
    model.eval()


@torch.no_grad()
def _logits(model: nn.Module, x: Tensor, size: int = 500) -> Tensor:
    model.eval()
    return torch.cat([model(part) for part in x.split(size)])


def accuracy(model: nn.Module, part: tuple[Tensor, Tensor]) -> float:
    """Share of images whose class is the greatest logit's; the model is left in eval mode."""
    x, y = part
    return float((_logits(model, x).argmax(dim=1) == y).double().mean())


def loss_of(model: nn.Module, part: tuple[Tensor, Tensor]) -> float:
    """Mean cross-entropy, in nats; the model is left in eval mode."""
    x, y = part
    return float(nn.functional.cross_entropy(_logits(model, x), y))


@torch.no_grad()
def flops(model: nn.Module, example: Tensor) -> int:
    """Floating-point operations for one image: twice the multiply-adds."""
    was = model.training
    model.eval()
    with FlopCounterMode(display=False) as counter:
        model(example[:1])
    model.train(was)
    return int(counter.get_total_flops())


def parameters(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(p.numel() for p in model.parameters())
