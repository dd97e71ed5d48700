"""Training shared by the comparators: rows centred and scaled, Adam, one schedule, one budget.

The network is damrep's own, so that a comparator differs in its method alone. The learning rate
warms up over the first steps and then falls as a cosine.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.comparators.model import Array, Model
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.training.seeding import local_seed, torch_generator

__all__ = ["Budget", "Scaled", "Shape", "network_model", "optimise"]

_WARM_UP = 50
_LOOKS = 20  # times the held-out rows are looked at in a training


@dataclass(frozen=True)
class Shape:
    """The network.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the encoder's hidden layers, mirrored in the decoder.
    activation : str
        A name damrep's networks know.
    linear_path : bool
        With the linear path of damrep's network beside it, begun at the principal axes; False for
        an ordinary autoencoder.
    """

    hidden: tuple[int, ...] = (256, 256)
    activation: str = "elu"
    linear_path: bool = False

    def build(self, columns: int, width: int, seed: int, axes: Tensor | None = None) -> Network:
        """A network with fresh weights.

        Parameters
        ----------
        columns, width : int
        seed : int
        axes : Tensor, optional
            Principal axes for the linear path to begin at.
        """
        with local_seed(seed):
            made = Network(columns, self.hidden, width, self.activation, self.linear_path)
        if self.linear_path and self.hidden and axes is not None:
            made.start_linear(axes[:width])
        return made


Network = AutoencoderNetwork


@dataclass(frozen=True)
class Budget:
    """How much training a comparator gets.

    Attributes
    ----------
    steps : int
        Optimiser steps, all phases together.
    batch_size : int
    lr : float
        Largest learning rate of the schedule.
    """

    steps: int = 2000
    batch_size: int = 256
    lr: float = 2e-3

    def share(self, part: float) -> Budget:
        """A part of it, at least one step."""
        return replace(self, steps=max(1, round(part * self.steps)))


class Scaled:
    """Rows as a network sees them: less the column means, over one number for the whole table.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
        Means and scale are those of ``train``.
    """

    def __init__(self, train: Array, held_out: Array) -> None:
        self.mean = np.asarray(train, dtype=np.float64).mean(axis=0)
        centred = np.asarray(train, dtype=np.float64) - self.mean
        self.scale = math.sqrt(float(np.square(centred).mean())) or 1.0
        self.train = torch.from_numpy((centred / self.scale).astype(np.float32))
        self.held_out = self.to(held_out)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.train.shape[1])

    def to(self, x: Array) -> Tensor:
        """Rows of the table, centred and scaled."""
        rows = (np.asarray(x, dtype=np.float64) - self.mean) / self.scale
        return torch.from_numpy(rows.astype(np.float32))

    def back(self, x: Tensor) -> Array:
        """Centred and scaled rows in the table's own units."""
        return np.asarray(x.double().numpy() * self.scale + self.mean)

    def axes(self, count: int, seed: int) -> Tensor:
        """Principal axes (k, columns) of the training rows, strongest first."""
        count = min(count, *self.train.shape)
        return principal_axes(self.train.numpy(), count, seed)


def principal_axes(x: Array, count: int, seed: int) -> Tensor:
    """The first principal axes of centred rows, as scikit-learn finds them.

    Parameters
    ----------
    x : ndarray, shape (n, columns)
    count : int
    seed : int
        For the randomised solver, which it takes on large tables.

    Returns
    -------
    Tensor, float32, shape (count, columns)
    """
    from sklearn.decomposition import PCA

    found = PCA(count, random_state=seed).fit(x)
    return torch.from_numpy(np.ascontiguousarray(found.components_, dtype=np.float32))


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(n, generator=generator).split(size)


def optimise(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[Mapping[str, Any]] | Iterable[nn.Parameter],
    data: Scaled,
    budget: Budget,
    seed: int,
    keep_best: nn.Module | None = None,
) -> None:
    """Take the budget's steps.

    Parameters
    ----------
    loss : callable
        Of a batch of scaled rows.
    parameters : iterable
        As Adam takes them: parameters, or groups with an ``lr`` of their own.
    data : Scaled
    budget : Budget
    seed : int
        Of the order of the rows.
    keep_best : nn.Module, optional
        Left with the weights that did best on the held-out rows, looked at 20 times on the way.
    """
    optimiser = torch.optim.Adam([*parameters], lr=budget.lr)
    rates = [group["lr"] for group in optimiser.param_groups]
    stream = _batches(len(data.train), budget.batch_size, torch_generator(seed))
    look = max(1, budget.steps // _LOOKS)
    best, kept = math.inf, None
    for step in range(budget.steps):
        share = min(1.0, (step + 1) / min(_WARM_UP, budget.steps))
        share *= 0.5 * (1 + math.cos(math.pi * step / budget.steps))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share
        value = loss(data.train[next(stream)])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        last = step + 1 == budget.steps
        if keep_best is not None and ((step + 1) % look == 0 or last):
            with torch.no_grad():
                now = float(loss(data.held_out))
            if now < best:
                best, kept = now, copy.deepcopy(keep_best.state_dict())
    if keep_best is not None and kept is not None:
        keep_best.load_state_dict(kept)


def network_model(
    network: Network, data: Scaled, steps: int, details: Mapping[str, Any] | None = None
) -> Model:
    """A trained network as a ``Model``."""
    network.eval()

    @torch.no_grad()
    def encode(x: Array) -> Array:
        return network.encode(data.to(x)).numpy()

    @torch.no_grad()
    def reconstruct(x: Array) -> Array:
        return data.back(network(data.to(x)))

    return Model(network.width, steps, encode, reconstruct, dict(details or {}))
