"""One seed of every way to prune, trained and measured alike."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from benchmarks.pruning_data import Batches, ImageSplit
from benchmarks.pruning_latency import speedup
from benchmarks.pruning_networks import build
from benchmarks.pruning_peers import cut_to, slimming_penalty
from benchmarks.pruning_training import Recipe, accuracy, fit, flops, optimiser, parameters
from damrep.pruning.strategy import STAGES
from damrep.pruning.training import prune
from damrep.training.seeding import local_seed

__all__ = ["METHODS", "Run"]

SAME_COMPUTE = "damrep, as many training FLOPs"
_OURS: dict[str, dict[str, Any]] = {
    "damrep": {},
    SAME_COMPUTE: {},
    "damrep, by search": {"strategy": "search"},
    "damrep, by gradient": {"strategy": "gradient"},
    "damrep, paper's order": {"strategy": "gradient", "gate_order": "conv"},
}
METHODS = (
    "unpruned",
    "unpruned, fine-tuned",
    *_OURS,
    "network slimming",
    "network slimming, fine-tuned",
    "magnitude",
    "magnitude, fine-tuned",
    "random",
    "random, fine-tuned",
)
"""Rows of the table, in its order."""

_TUNED = ", fine-tuned"
_LATENCY_BATCH = 32


@dataclass
class Run:
    """A data set, a network and a seed, under which all methods are measured.

    Attributes
    ----------
    split : ImageSplit
    network : str
        A key of ``NETWORKS``.
    seed : int
    recipe, tuning : Recipe
        Of the peers' training, and of the fine-tuning that comes on top of it. damrep trains once,
        by the first recipe, for as many epochs, or FLOPs, as the two have together.
    target : mapping
        Of damrep; the peers are cut to the FLOPs it ends with.
    """

    split: ImageSplit
    network: str
    seed: int
    recipe: Recipe
    tuning: Recipe
    target: Mapping[str, float]
    _trained: dict[str, nn.Module] = field(default_factory=dict, repr=False)
    _seconds: dict[str, float] = field(default_factory=dict, repr=False)
    flops_share: float | None = None

    @cached_property
    def fresh(self) -> nn.Module:
        """The network before training, the same for every method."""
        return build(self.network, self.split.train[0].shape[1], self.split.classes, self.seed)

    def batches(self, recipe: Recipe, offset: int = 0) -> Batches:
        """The training part, in an order of the seed."""
        return Batches(*self.split.train, recipe.batch, self.seed + offset, recipe.augment)

    @property
    def latency_batch(self) -> Tensor:
        """What networks are called with to see how long they take."""
        return self.split.test[0][:_LATENCY_BATCH]

    def flops_left(self, model: nn.Module) -> float:
        """FLOPs of a model as a share of the network's."""
        return flops(model, self.split.example) / flops(self.fresh, self.split.example)

    def model(self, method: str) -> nn.Module:
        """The network that one of ``METHODS`` ends with."""
        if method == "unpruned":
            return self._plain("plain")
        if method in _OURS:
            return self._ours(self._epochs(method), **_OURS[method])
        return self._peer(method)

    def measure(self, method: str) -> dict[str, Any]:
        """Train, cut and measure.

        Parameters
        ----------
        method : str
            One of ``METHODS``. The peers need damrep's share of the FLOPs, so it comes first.

        Returns
        -------
        dict
            accuracy and valid (shares of test and validation images), params and flops (shares of
            the unpruned), speedup (of a forward pass at batch 32), seconds of training.
        """
        started = time.perf_counter()
        model = self.model(method)
        seconds = time.perf_counter() - started
        whole = self.fresh
        got = {
            "accuracy": accuracy(model, self.split.test),
            "valid": accuracy(model, self.split.valid),
            "params": parameters(model) / parameters(whole),
            "flops": self.flops_left(model),
            "seconds": seconds,
        }
        got["speedup"] = speedup(whole, model, self.latency_batch)
        # 1 / FLOPs is the speed-up there would be if time went by FLOPs alone.
        got["efficiency"] = got["speedup"] * got["flops"]
        if method == "damrep":
            self.flops_share = got["flops"]
        return got

    def _plain(self, kind: str) -> nn.Module:
        if kind not in self._trained:
            model = copy.deepcopy(self.fresh)
            with local_seed(self.seed):
                fit(
                    model,
                    self.batches(self.recipe),
                    self.recipe,
                    slimming_penalty() if kind == "slimming" else None,
                )
            self._trained[kind] = model
        return self._trained[kind]

    def _epochs(self, method: str) -> int:
        """As many as training and fine-tuning of a peer have, or as cost as many FLOPs."""
        epochs = self.recipe.epochs + self.tuning.epochs
        if method != SAME_COMPUTE:
            return epochs
        whole = STAGES["mask"][1]  # from there on only what is left is trained
        return round(epochs / (whole + (1 - whole) * self._share()))

    def _share(self) -> float:
        if self.flops_share is None:
            raise ValueError("damrep has to be measured first: it says how many FLOPs are left")
        return self.flops_share

    def _ours(self, epochs: int, **asked: Any) -> nn.Module:
        recipe = replace(self.recipe, epochs=epochs)
        batches = self.batches(recipe)
        steps = recipe.epochs * len(batches)
        result = prune(
            copy.deepcopy(self.fresh),
            batches,
            Batches(*self.split.valid, 500),
            nn.functional.cross_entropy,
            lambda weights: optimiser(weights, recipe, steps),
            epochs=recipe.epochs,
            target=self.target,
            example_inputs=self.split.example,
            device="cpu",
            random_state=self.seed,
            **asked,
        )
        return result.model

    def _peer(self, method: str) -> nn.Module:
        peer = method.removesuffix(_TUNED)
        if peer == "unpruned":
            return self._tuned(copy.deepcopy(self._plain("plain")))
        trained = self._plain("slimming" if peer == "network slimming" else "plain")
        model = cut_to(trained, self.split.example, peer, self._share(), self.seed)
        return self._tuned(model) if method.endswith(_TUNED) else model

    def _tuned(self, model: nn.Module) -> nn.Module:
        with local_seed(self.seed + 1):
            fit(model, self.batches(self.tuning, 1000), self.tuning)
        return model
