"""A narrower copy of existing embeddings that keeps who is near whom by cosine similarity.

Two steps, both linear and without an offset, so that a row's length never matters. The directions
that carry most of the rows brought to unit length, about zero and not about their mean, give the
best inner products of any subspace; a centred PCA turns every similarity into another one. Then the
directions are rotated among themselves. That changes no similarity at full width, so it is free to
make every prefix of the components keep near neighbours as well as it can: trained so that a row's
nearest others, as a soft choice among candidates, are told by the first m components, for all m at
once (Kusupati et al. 2022 train networks on such prefixes; the soft choice, with one temperature a
row, is that of stochastic neighbour embedding, Hinton and Roweis 2002). Where the width is settled,
there are twice as many directions to choose from, and the full width is asked in every step.

The components are orthonormal: the transpose of the map is its decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from damrep.autoencoder.linear import principal_axes
from damrep.autoencoder.rows import Rows
from damrep.masking.search import exact_width
from damrep.masking.validation import InputError, check_count
from damrep.training import TrainingOptions, torch_generator, train

__all__ = ["STEPS_AN_EPOCH", "CosineMap", "UnitRows", "fit_cosine_map", "neighbour_losses"]

# Nearest others that a row's soft choice is about: the perplexity of the choice.
_NEAR = 10.0
# Rows that are looked at in all, and those one row is compared with: enough for the nearest to be
# near, and few enough for a step to take milliseconds.
_POOL, _CANDIDATES = 10_000, 1024
_POOL_VALUES = 2**25  # 128 MiB of float32
_QUERIES = 256
# Two prefixes a step, drawn so that every doubling of the width is as likely as the next; with
# fewer than four components hardly any neighbour can be told, and trying spoils the wider ones.
_PREFIXES, _NARROWEST = 2, 4
STEPS_AN_EPOCH = 25
# Directions to choose from, for every component there will be.
_CHOICE = 2
# A temperature is found to 1e-4 of itself.
_BISECTIONS = 25
_NEVER = -1e4


class UnitRows(Rows):
    """Rows brought to length 1; a row of zeros stays one.

    Examples
    --------
    >>> rows = UnitRows(np.array([[3.0, 4.0], [0.0, 0.0]]), np.zeros(2), 1.0)
    >>> rows.take(np.array([0, 1]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """

    def take(self, places: np.ndarray | slice) -> Tensor:
        """Rows at these places, shape (len, d), each of length 1."""
        rows = super().take(places)
        # By their largest value first: in single precision the squares of 1e-30 are 0.
        largest = rows.abs().amax(dim=1, keepdim=True)
        return F.normalize(rows / largest.clamp(min=torch.finfo(rows.dtype).tiny), dim=1)

    def stored(self, size: int | None = None) -> Iterator[sp.csr_array]:
        """Rows of a sparse table, each of length 1."""
        for block in super().stored(size):
            largest = abs(block).max(axis=1).toarray().ravel()
            block = _divided(block, largest)  # the squares of 1e-200 are 0
            yield _divided(block, np.sqrt(block.multiply(block).sum(axis=1)))


def _divided(block: sp.csr_array, sizes: np.ndarray) -> sp.csr_array:
    """Each row by a number of its own, where that is not 0."""
    return sp.csr_array(sp.diags_array(1 / np.where(sizes > 0, sizes, 1.0)) @ block)


@dataclass(frozen=True)
class CosineMap:
    """A linear map that keeps cosine neighbours, and what each width of it leaves over.

    Parameters
    ----------
    weight
        Orthonormal rows (n, d), float32, most important first; codes are ``x @ weight.T``. Any
        first rows are a map of their own.
    losses
        Held-out normalised loss with the first m rows, m = 1 .. n; never rising. See
        `neighbour_losses`.
    curve
        The losses, width by width, that the width was chosen by; `losses` where it was given.
    start_losses
        Those of the directions as they are before the rotation, for as many widths as `curve`.
    history
        Columns of the training history of the last training; empty without one.
    """

    weight: Tensor
    losses: list[float]
    curve: list[float]
    start_losses: list[float]
    history: dict[str, list[Any]] = field(default_factory=dict)


def fit_cosine_map(
    rows: Rows,
    max_components: int,
    held_out: Rows | None = None,
    *,
    price: float | None = None,
    seed: int = 0,
    steps: int = 300,
    batch_size: int = 64,
    lr: float = 1e-2,
    device: str = "auto",
    verbose: int = 0,
) -> CosineMap:
    """Fit an ordered linear map whose every prefix keeps cosine neighbours.

    With a price, one map of `max_components` is trained for the curve, the width is the one at
    which another dimension no longer earns its price, and a map of that width is trained anew: it
    may choose among twice as many directions, and is asked at its full width in every step.

    Parameters
    ----------
    rows
        Rows to fit (N, d), as they are: neither their mean nor their length is looked at. Read a
        few at a time; 10,000 of them at most, drawn at random, are kept for the training.
    max_components
        Rows of the map, with a price at most; fewer are given where the rows span fewer.
    held_out
        Rows that the losses are measured on; some of `rows` if None or all zero.
    price
        Share of the loss that one dimension must earn; None for a map of `max_components`.
    seed
        Of everything random.
    steps
        Steps of each training; 0 for the directions in the order of what they carry. Rounded up to
        a whole number of epochs of 25.
    batch_size
        Rows a step asks the neighbours of.
    lr
        Learning rate at its height.
    device
        To train on, see `TrainingOptions`.
    verbose
        0 silent; 1 a progress bar if stderr is a terminal; 2 in any case.

    Returns
    -------
    CosineMap

    Raises
    ------
    InputError
        If there are fewer than two rows that are not zero, or an argument is out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 20))
    >>> found = fit_cosine_map(Rows(table, np.zeros(20), 1.0), 8, steps=25, device="cpu")
    >>> found.weight.shape, found.losses[2] < 1e-3
    (torch.Size([3, 20]), True)
    """
    check_count("max_components", max_components, minimum=1)
    check_count("steps", steps, minimum=0)
    check_count("batch_size", batch_size, minimum=1)
    unit = _unit(rows)
    generator = torch_generator(seed)
    pool = _draw(unit, min(_POOL, max(2, _POOL_VALUES // unit.columns)), generator)
    if len(pool) < 2:
        raise InputError("cosine similarity needs at least two rows that are not all zero")
    # In float64: what float32 rounds off would count as a direction of its own.
    exact = _unit(rows, torch.float64)
    axes = principal_axes(exact, _CHOICE * max_components, seed).float()
    most = min(max_components, len(axes))
    asked = pool[:0] if held_out is None else _draw(_unit(held_out), _QUERIES, generator)
    if len(asked) == 0:
        asked, candidates = _asked_of_themselves(pool, generator)
    else:
        candidates = _some(pool, _CANDIDATES, generator)
    options = TrainingOptions(
        max_epochs=max(1, math.ceil(steps / STEPS_AN_EPOCH)),
        lr=lr,
        schedule="cosine",
        device=device,
        seed=seed,
        verbose=verbose,
        description="cosine",
    )

    def trained(width: int, directions: int) -> tuple[Tensor, dict[str, list[Any]]]:
        if steps == 0 or len(pool) < 3:
            return _signed(axes[:width]), {}
        task = _RotationTask(pool, axes[:directions], width, batch_size)
        history = train(task, options)
        with torch.no_grad():
            turned = task.module.rows().cpu() @ axes[:directions]
        return _signed(turned), history.to_dict()

    start = neighbour_losses(asked, candidates, axes[:most])
    if price is None:
        weight, history = trained(most, min(len(axes), _CHOICE * most))
        losses = curve = neighbour_losses(asked, candidates, weight)
    else:
        weight, history = trained(most, most)
        curve = neighbour_losses(asked, candidates, weight)
        width = exact_width(curve, price)
        weight, history = trained(width, min(len(axes), _CHOICE * width))
        losses = neighbour_losses(asked, candidates, weight)
    return CosineMap(weight, losses, curve, start, history)


def neighbour_losses(asked: Tensor, candidates: Tensor, weight: Tensor) -> list[float]:
    """What the first m components do not tell about who is near whom, for every m.

    A row's similarities to the candidates are read as a soft choice among them, of perplexity 10.
    The loss is the divergence (Kullback and Leibler) of the choice by the first m codes from the
    choice by the rows themselves, as a share of the divergence of a blind choice.

    Parameters
    ----------
    asked, candidates
        Rows (Q, d) and (C, d) of unit length.
    weight
        Map (n, d), most important row first.

    Returns
    -------
    list of float
        For m = 1 .. n, between 0 and 1 and never rising: a width can be used as a narrower one,
        or not at all.

    Examples
    --------
    >>> rows = torch.eye(3).repeat(20, 1)
    >>> losses = neighbour_losses(rows, rows, torch.eye(3))
    >>> [round(loss, 2) for loss in losses]
    [0.67, 0.33, 0.0]
    """
    asked, candidates, weight = asked.float(), candidates.float(), weight.float()
    target = asked @ candidates.T
    heat = _temperatures(target)
    wanted = F.log_softmax(target / heat, dim=1)
    blind = float(_divergence(wanted, torch.full_like(wanted, -math.log(len(candidates)))))
    if not blind > 0:  # every candidate is as near as every other
        return [0.0] * len(weight)
    left, right = asked @ weight.T, candidates @ weight.T
    product = torch.zeros_like(target)
    sizes = left.square().cumsum(dim=1).sqrt(), right.square().cumsum(dim=1).sqrt()
    losses, best = [], 1.0
    for m in range(len(weight)):
        product.addr_(left[:, m], right[:, m])
        length = torch.outer(sizes[0][:, m], sizes[1][:, m]).clamp_(min=1e-12)
        told = F.log_softmax(product / length / heat, dim=1)
        best = min(best, max(0.0, float(_divergence(wanted, told)) / blind))
        losses.append(best)
    return losses


class _Rotation(nn.Module):
    """Orthonormal rows that start as the first of the identity's."""

    free: Tensor

    def __init__(self, width: int, directions: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.zeros(width, directions))
        # A turn towards an earlier row changes nothing, nor does one among the rows that are never
        # asked apart. What Adam sees there is rounding, which differs between processors.
        free = torch.ones(width, directions).triu(1)
        free[:, : min(_NARROWEST, width)] = 0
        self.register_buffer("free", free)

    def rows(self) -> Tensor:
        turn = self.turn.float() * self.free
        straight = torch.eye(*turn.shape, device=turn.device)
        # Made orthogonal from the first on: an earlier row is never bent by a later one. Not by a
        # moment's root, whose derivative has poles where two of its eigenvalues meet.
        basis: Tensor = torch.linalg.qr((straight + turn).T)[0]
        return basis.T


class _RotationTask:
    """Trains rows within some directions so that every prefix keeps near neighbours."""

    def __init__(self, pool: Tensor, axes: Tensor, width: int, batch_size: int) -> None:
        self.module = _Rotation(width, len(axes))
        self._pool = pool
        self._codes = pool @ axes.T
        self._width = width
        # A rotation of all the directions is the same at full width whatever it is.
        self._always = [width] if len(axes) > width else []
        self._batch = min(batch_size, len(pool) - 1)

    def place(self, device: torch.device) -> None:
        """Move the pool to the device of the training."""
        self._pool, self._codes = self._pool.to(device), self._codes.to(device)

    def num_batches(self) -> int:
        """Steps of an epoch."""
        return STEPS_AN_EPOCH

    def batches(self, generator: torch.Generator) -> Iterator[tuple[Tensor, list[int]]]:
        """Rows of the pool, the first of them asked, and the widths to ask at."""
        narrow, wide = math.log(min(_NARROWEST, self._width)), math.log(self._width)
        for _ in range(STEPS_AN_EPOCH):
            chosen = torch.randperm(len(self._pool), generator=generator)
            drawn = torch.rand(_PREFIXES, generator=generator, dtype=torch.float64)
            widths = (narrow + drawn * (wide - narrow)).exp().round().long().tolist()
            yield chosen[: self._batch + _CANDIDATES], [*self._always, *widths][:_PREFIXES]

    def loss(self, batch: tuple[Tensor, list[int]]) -> Tensor:
        """Mean logarithm of the divergence at the widths drawn.

        The logarithm, because a divergence falls by orders of magnitude with the width: each width
        is to lose the same share of its own, and not only the narrowest to count.
        """
        chosen, widths = batch
        rows = self._pool[chosen]
        own = torch.zeros(self._batch, len(rows), dtype=torch.bool, device=rows.device)
        own.fill_diagonal_(True)
        target = (rows[: self._batch] @ rows.T).masked_fill(own, _NEVER)
        heat = _temperatures(target)
        wanted = F.log_softmax(target / heat, dim=1)
        codes = self._codes[chosen] @ self.module.rows().T
        total = codes.new_zeros(())
        for m in widths:
            short = F.normalize(codes[:, :m], dim=1)
            told = (short[: self._batch] @ short.T).masked_fill(own, _NEVER) / heat
            total = total + _divergence(wanted, F.log_softmax(told, dim=1)).clamp(min=1e-8).log()
        return total / len(widths)


def _divergence(wanted: Tensor, told: Tensor) -> Tensor:
    """Of one soft choice from another, both as logarithms, mean over rows."""
    chance = wanted.exp()
    # 0 times the difference of two vast negative numbers is 0, but may come out as NaN.
    gap = torch.where(chance > 0, wanted - told, torch.zeros_like(wanted))
    return (chance * gap).sum(dim=1).mean()


def _temperatures(similarity: Tensor) -> Tensor:
    """One temperature a row, at which its soft choice is as wide as among `_NEAR` equals."""
    near = min(_NEAR, similarity.shape[1] / 3)
    low = similarity.new_full((len(similarity), 1), 1e-4)
    high = similarity.new_full((len(similarity), 1), 10.0)
    for _ in range(_BISECTIONS):
        middle = (low * high).sqrt()
        choice = F.log_softmax(similarity / middle, dim=1)
        chance = choice.exp()
        too_wide = -(chance * choice).nan_to_num(0.0).sum(dim=1, keepdim=True) > math.log(near)
        high = torch.where(too_wide, middle, high)
        low = torch.where(too_wide, low, middle)
    return (low * high).sqrt()


def _unit(rows: Rows, dtype: torch.dtype = torch.float32) -> UnitRows:
    return UnitRows(rows.values, np.zeros(rows.columns), 1.0, dtype, rows.indices)


def _draw(rows: Rows, most: int, generator: torch.Generator) -> Tensor:
    """Some rows, drawn at random, read in the table's order; those of zeros have no neighbours."""
    places = torch.randperm(len(rows), generator=generator)[:most].sort().values
    drawn = rows.take(places.numpy())
    return drawn[drawn.square().sum(dim=1) > 0]


def _some(rows: Tensor, most: int, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:most]]


def _asked_of_themselves(pool: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two parts of the pool, so that no row is asked about itself."""
    mixed = _some(pool, len(pool), generator)
    cut = max(1, min(_QUERIES, len(mixed) // 4))
    return mixed[:cut], mixed[cut : cut + _CANDIDATES]


def _signed(weight: Tensor) -> Tensor:
    """The sign of a direction is free; this one does not depend on how it was found."""
    at = weight.abs().argmax(dim=1, keepdim=True)
    return (weight * weight.gather(1, at).sign()).contiguous()
