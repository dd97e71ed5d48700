"""What gates add to a step of training."""

from __future__ import annotations

import copy
from statistics import median
from typing import Any

from torch import nn

from benchmarks.harness import interleave
from benchmarks.pruning_data import ImageSplit
from benchmarks.pruning_networks import build
from benchmarks.pruning_settings import Setting
from benchmarks.pruning_training import optimiser
from damrep.pruning import ChannelPruner
from damrep.pruning.loader_task import LoaderTask
from damrep.pruning.strategy import PruningStrategy

__all__ = ["measure_overhead"]


def measure_overhead(setting: Setting, split: ImageSplit, rounds: int) -> dict[str, Any]:
    """Milliseconds of a step without and with gates, in turns.

    Parameters
    ----------
    setting : Setting
        Network, batch and target.
    split : ImageSplit
        At least a batch to train on.
    rounds : int
        Steps of each that count.

    Returns
    -------
    dict
        plain and gated (milliseconds, medians), ratio (median over rounds).
    """
    x, y = (part[: setting.recipe.batch] for part in split.train)
    plain = build(setting.network, x.shape[1], split.classes, seed=0).train()
    gated = copy.deepcopy(plain)
    pruner = ChannelPruner(gated, split.example, target=setting.target)
    task = LoaderTask(gated, [(x, y)], nn.functional.cross_entropy)
    weights = [*plain.parameters()]
    made, cycle = optimiser(weights, setting.recipe, 10_000)
    betas = {id(mask.beta) for mask in pruner.gates.values()}
    own = [p for p in gated.parameters() if id(p) not in betas]
    ours, schedule = optimiser(own, setting.recipe, 10_000)
    # In the closing stage from the first step to the last: where it does the most.
    strategy = PruningStrategy(pruner, task, ours, schedule, steps=10_000, cold=0.0, closed=1.0)

    def step() -> None:
        made.zero_grad()
        nn.functional.cross_entropy(plain(x), y).backward()
        made.step()
        cycle.step()

    def gated_step() -> None:
        (task.loss((x, y)) + strategy.extra_loss()).backward()
        strategy.before_step()
        strategy.after_step()

    timed = interleave({"plain": step, "gated": gated_step}, rounds, warmup=2)
    return {
        "plain": 1e3 * median(timed.wall["plain"]),
        "gated": 1e3 * median(timed.wall["gated"]),
        "ratio": timed.ratio("gated", "plain"),
        "cpu_ratio": timed.ratio("gated", "plain", "cpu"),
    }
