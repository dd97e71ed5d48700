"""Fitting IGMC: train under the mask, which listens to held-out ratings, cut, train on all.

The subgraphs tell nothing of who a user is, so the weights fit any rating matrix: what was learned
on a part of the ratings goes on being trained with all of them in the graph.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.masking import DAM, GradientWidth, lambda_to_price, step_alpha
from damrep.recommend.biases import Biases, fit_biases
from damrep.recommend.igmc.batches import GraphBatch
from damrep.recommend.igmc.levels import nearest_level, rating_levels
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.igmc.pairs import Pairs
from damrep.recommend.igmc.readout import Readout
from damrep.recommend.igmc.settings import IGMCSettings
from damrep.recommend.igmc.subgraphs import RatingGraph
from damrep.training import History, local_seed, numpy_generator, train

__all__ = ["IGMCFit", "fit_igmc"]

_MASKED = 0.5  # share of the epochs under the mask; it ends when the width is settled
_ANY = 1e30  # more than any loss
_MOST_HELD_OUT = 10_000
_LEAST_REFERENCE = 1e-4  # of the variance


@dataclass
class IGMCFit:
    """What fitting leaves.

    Parameters
    ----------
    networks
        Without masks, `width` columns each; their mean is the prediction. None where biases alone
        are left.
    levels, mean, scale
        Levels of the ratings; a rating is `mean + scale * network`.
    biases
        Of all ratings.
    width, gate
        Columns kept; gates of the mask, most important column first, 0 for the ones cut.
    curve
        Pairs [columns, held-out normalised loss], when their number was settled.
    loss, reference_loss
        Held-out normalised loss at the width kept when the training under the mask ends, and the
        mean squared error of biases alone that 1 stands for.
    history, candidates, warnings, details
        For the report.
    """

    networks: list[IGMCNetwork]
    levels: np.ndarray
    mean: float
    scale: float
    biases: Biases
    width: int
    gate: list[float]
    curve: list[list[float]]
    loss: float
    reference_loss: float
    history: dict[str, list[Any]] = field(default_factory=dict)
    candidates: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class _Ratings:
    """Mean squared error of pairs' standardised ratings."""

    def __init__(
        self,
        module: IGMCNetwork,
        pairs: Pairs,
        targets: Tensor,
        smoothness: float,
        settings: IGMCSettings,
    ) -> None:
        self.module, self._pairs, self._targets = module, pairs, targets
        self._smoothness = smoothness
        self._size, self._dropout = settings.batch_size, settings.edge_dropout
        self.snapshots: dict[int, dict[str, Tensor]] = {}
        self.wanted: set[int] = set()

    def __len__(self) -> int:
        return len(self._pairs)

    def num_batches(self) -> int:
        """Batches of every epoch."""
        return -(-len(self._pairs) // self._size)

    def batches(self, generator: torch.Generator) -> Iterable[tuple[GraphBatch, Tensor]]:
        """All pairs in random order."""
        rng = numpy_generator(int(torch.randint(2**31, (1,), generator=generator)))
        for which in torch.randperm(len(self._pairs), generator=generator).split(self._size):
            yield self._pairs.batch(which.numpy(), self._dropout, rng), self._targets[which]

    def loss(self, batch: tuple[GraphBatch, Tensor]) -> Tensor:
        """Share of the error of biases alone, and adjacent rating regularisation."""
        graph, targets = batch
        error = (self.module(graph) - targets).square().mean()
        return error + self._smoothness * self.module.rating_difference()

    def after_epoch(self, row: dict[str, Any]) -> None:
        """Keep the weights of the epochs that are wanted for an ensemble."""
        if row["epoch"] + 1 in self.wanted:
            state = self.module.state_dict()
            self.snapshots[row["epoch"]] = {k: v.cpu().clone() for k, v in state.items()}


def fit_igmc(ratings: sp.csr_matrix, settings: IGMCSettings, seed: int) -> IGMCFit:
    """Learn to tell a rating from the ratings around it, and how many columns that takes.

    Parameters
    ----------
    ratings
        (users, items), each pair once; stored entries are the ratings.
    settings, seed
        See `IGMCSettings`.

    Returns
    -------
    IGMCFit
    """
    data = _Data(ratings, settings, seed)
    order = numpy_generator(seed).permutation(len(data.values))
    held = min(int(settings.validation_fraction * len(order)), _MOST_HELD_OUT)
    held = held if held > 1 and settings.paper_lambda is None else 0
    fitted, trial = np.sort(order[held:]), np.sort(order[:held])
    reference = data.reference(fitted, trial if held else fitted)
    biases = fit_biases(ratings)
    if len(data.levels) == 1:
        return _biases_alone(biases, data.levels, settings, reference, "all ratings are the same")
    # Biases may tell additive ratings to the last digit; that is no unit to measure in.
    reference = max(reference, _LEAST_REFERENCE * float(data.values.var()))
    mean, scale = float(data.values[fitted].mean()), float(np.sqrt(reference))
    target = torch.from_numpy(((data.values - mean) / scale).astype(np.float32))
    # A regularisation published beside the squared error of ratings from 1 to 5.
    unit = float(data.levels[-1] - data.levels[0]) / 4
    smoothness = settings.rating_smoothness * (unit / scale) ** 2

    n = settings.n_components or settings.max_components
    paper, priced = settings.paper_lambda is not None, settings.n_components is None
    mask = DAM(n) if paper else DAM(n, alpha=step_alpha(n), min_active=0)
    with local_seed(seed):
        network = IGMCNetwork(len(data.levels), settings.hidden, settings.num_bases, n, mask)
    history, readout = _train_masked(
        network, data, fitted, trial, target, smoothness, scale, settings, seed
    )
    losses = readout.errors().mean(axis=0)
    curve = losses[: mask.n_active + 1] if paper else readout.judged.mean(axis=0)
    details: dict[str, Any] = {"levels": data.levels.tolist()}
    if priced and not paper:
        found = readout.range()
        details["as good"] = None if found is None else list(found)
        if found is None:
            mask.set_width(0)
            curve[0] = 1.0  # of biases alone, which are what is left
    width = mask.n_active
    judged: dict[str, Any] = {
        "gate": mask.gate().detach().flip(0).tolist(),
        # Columns that were not trained need not be used.
        "curve": [[m, loss] for m, loss in enumerate(np.minimum.accumulate(curve).tolist())],
        "history": history.to_dict(),
    }
    if width == 0:
        why = "no column of the readout earns its price"
        return replace(_biases_alone(biases, data.levels, settings, reference, why), **judged)
    loss, notes = float(losses[width]), []
    if not len(trial):
        notes.append("no ratings were held out: losses are those of ratings trained on")
    elif loss > 1:
        notes.append(
            "biases alone predict the held-out ratings better: their loss is 1, that of the "
            f"network {loss:.3f}"
        )
    with local_seed(seed):
        networks = [network.compact()]
    if not paper:
        everything = np.arange(len(order))
        pairs = data.pairs(data.graph(everything), everything)
        left = 1 - len(history) / settings.epochs(len(fitted))
        epochs = max(1, round(left * settings.epochs(len(order))))
        networks, more = _finish(networks[0], pairs, target, smoothness, settings, epochs, seed)
        history.extend(more)
        judged["history"] = history.to_dict()
    return IGMCFit(
        [made.cpu().eval() for made in networks],
        data.levels, mean, scale, biases, width, loss=loss, reference_loss=reference,
        warnings=notes,
        candidates={
            "biases": {"dimensions": 0, "loss": 1.0},
            "masked": {"dimensions": width, "loss": loss},
        },
        details=details,
        **judged,
    )  # fmt: skip


class _Data:
    """Ratings as numbers of users, of items and of levels."""

    def __init__(self, ratings: sp.csr_matrix, settings: IGMCSettings, seed: int) -> None:
        entries = ratings.tocoo()
        self._shape, self._settings, self._seed = ratings.shape, settings, seed
        self._users, self._items = entries.row, entries.col
        self.values = entries.data.astype(np.float64)
        self.levels = rating_levels(self.values)
        self._level = nearest_level(self.values, self.levels)

    def graph(self, part: np.ndarray) -> RatingGraph:
        """The graph of some ratings."""
        at = (self._users[part], self._items[part])
        matrix = sp.csr_matrix((self._level[part], at), shape=self._shape)
        return RatingGraph.from_levels(matrix, len(self.levels))

    def pairs(self, graph: RatingGraph, part: np.ndarray) -> Pairs:
        """Some ratings, to be told from a graph."""
        most, aggregation = self._settings.max_neighbours, self._settings.aggregation
        return Pairs(graph, self._users[part], self._items[part], most, aggregation, self._seed)

    def reference(self, fitted: np.ndarray, judged: np.ndarray) -> float:
        """Mean squared error of biases alone."""
        at = (self._users[fitted], self._items[fitted])
        biases = fit_biases(sp.csr_matrix((self.values[fitted], at), shape=self._shape))
        told = biases.predict(self._users[judged], self._items[judged])
        return float(np.square(self.values[judged] - told).mean())


def _train_masked(
    network: IGMCNetwork,
    data: _Data,
    fitted: np.ndarray,
    trial: np.ndarray,
    target: Tensor,
    smoothness: float,
    scale: float,
    settings: IGMCSettings,
    seed: int,
) -> tuple[History, Readout]:
    """The first part of the epochs, under the mask; and what ratings held out lose."""
    graph = data.graph(fitted)
    task = _Ratings(network, data.pairs(graph, fitted), target[fitted], smoothness, settings)
    judged = trial if len(trial) else fitted[numpy_generator(seed).permutation(len(fitted))]
    judged = judged[:_MOST_HELD_OUT]
    readout = Readout(network, data.pairs(graph, judged), target[judged], settings)
    epochs = settings.epochs(len(fitted))
    if settings.paper_lambda is None:
        epochs = max(1, round(_MASKED * epochs))
        # Any loss is low enough once the width is settled: what is left is for all ratings.
        options = settings.options(epochs, seed, description="masked", target_loss=_ANY)
        strategy: Any = readout.strategy(epochs * task.num_batches(), seed)
    else:
        # In the paper lambda stands beside the loss in rating units.
        price = lambda_to_price(settings.paper_lambda / scale**2, network.width)
        strategy = GradientWidth(network, price)
        options = settings.options(epochs, seed, schedule="constant", description="masked")
    return train(task, options, strategy), readout


def _finish(
    network: IGMCNetwork,
    pairs: Pairs,
    target: Tensor,
    smoothness: float,
    settings: IGMCSettings,
    epochs: int,
    seed: int,
) -> tuple[list[IGMCNetwork], History]:
    """The other epochs, of what is left, on all ratings."""
    task = _Ratings(network, pairs, target, smoothness, settings)
    ends = np.linspace(0, epochs, settings.ensemble + 1)[1:]
    task.wanted = {max(1, round(end)) for end in ends}
    schedule = "cosine" if settings.ensemble == 1 else "constant"
    described = f"{network.width} columns"
    options = settings.options(epochs, seed, schedule=schedule, description=described)
    history = train(task, options)
    return [_restored(network, state) for state in task.snapshots.values()], history


def _restored(network: IGMCNetwork, state: dict[str, Tensor]) -> IGMCNetwork:
    made = copy.deepcopy(network).cpu()
    made.load_state_dict(state)
    return made


def _biases_alone(
    biases: Biases, levels: np.ndarray, settings: IGMCSettings, reference: float, why: str
) -> IGMCFit:
    gate = [0.0] * settings.max_components
    note = f"{why}: the model is biases of users and items alone"
    return IGMCFit(
        [], levels, biases.mean, 1.0, biases, 0, gate, [[0, 1.0]], 1.0, reference,
        warnings=[note], details={"levels": levels.tolist()},
    )  # fmt: skip
