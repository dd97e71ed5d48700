"""What damrep's pruning is measured against: the usual ways of choosing channels, at equal FLOPs.

All three are those of torch-pruning: Network Slimming (Liu et al. 2017, arXiv 1708.06519: an L1
penalty on the scale of BatchNorm while training, then one threshold for all layers), the L1 norm of
filters (Li et al. 2017, arXiv 1608.08710, the same share of every layer) and channels at random.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pruning_training import flops
from damrep.training.seeding import local_seed

__all__ = ["PEERS", "cut_to", "slimming_penalty"]

PEERS = ("network slimming", "magnitude", "random")
_HALVINGS = 12


class slimming_penalty:  # noqa: N801 - called like a function
    """Adds the gradient of `strength` times the sum of |BatchNorm scales|.

    Parameters
    ----------
    strength : float
        The paper's lambda; it chose 1e-4 for CIFAR-10.
    """

    def __init__(self, strength: float = 1e-4) -> None:
        self.strength = strength

    def __call__(self, model: nn.Module) -> None:
        """Add to the gradients of a model after its backward pass."""
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
                scale = module.weight
                if scale.grad is not None:
                    scale.grad.add_(self.strength * torch.sign(scale.detach()))


def _pruner(
    model: nn.Module, example: Tensor, peer: str, ratio: float, last: nn.Module | None
) -> Any:
    import torch_pruning as tp

    importance = {
        "network slimming": tp.importance.BNScaleImportance,
        "magnitude": lambda: tp.importance.MagnitudeImportance(p=1),
        "random": tp.importance.RandomImportance,
    }[peer]()
    return tp.pruner.BasePruner(
        model,
        example,
        importance=importance,
        pruning_ratio=ratio,
        # A layer that one threshold would empty keeps a few channels.
        max_pruning_ratio=0.95,
        global_pruning=peer == "network slimming",
        ignored_layers=[] if last is None else [last],
    )


def _cut(model: nn.Module, example: Tensor, peer: str, ratio: float, seed: int) -> nn.Module:
    made = copy.deepcopy(model).eval()
    # The layer that gives the logits keeps all of them.
    linear = [module for module in made.modules() if isinstance(module, nn.Linear)]
    with local_seed(seed):
        _pruner(made, example, peer, ratio, linear[-1] if linear else None).step()
    return made


def cut_to(model: nn.Module, example: Tensor, peer: str, share: float, seed: int = 0) -> nn.Module:
    """A smaller copy of a trained network, of a share of its FLOPs.

    Parameters
    ----------
    model : nn.Module
        Left as it is.
    example : Tensor, shape (N, C, H, W)
    peer : str
        One of ``PEERS``.
    share : float
        Of the FLOPs; the cut nearest to it is taken.
    seed : int
        Of random channels.

    Returns
    -------
    nn.Module
        In eval mode, not fine-tuned.
    """
    goal = share * flops(model, example)
    low, high = 0.0, 1.0
    best, gap = None, float("inf")
    for _ in range(_HALVINGS):
        ratio = (low + high) / 2
        made = _cut(model, example, peer, ratio, seed)
        got = flops(made, example)
        if abs(got - goal) < gap:
            best, gap = made, abs(got - goal)
        low, high = (ratio, high) if got > goal else (low, ratio)
    assert best is not None
    return best
