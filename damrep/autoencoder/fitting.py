"""Fitting an autoencoder: the linear one in closed form, the network by search, and the choice."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.autoencoder.completing import complete_prefixes
from damrep.autoencoder.cosine import STEPS_AN_EPOCH, fit_cosine_map
from damrep.autoencoder.goal import Price
from damrep.autoencoder.linear import principal_axes, projection_errors, projection_losses
from damrep.autoencoder.masked import fit_masked, learn_width
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.paper import train_as_in_the_paper
from damrep.autoencoder.rows import Rows, measure_columns
from damrep.autoencoder.settings import AutoencoderSettings
from damrep.masking.ranges import as_good
from damrep.training import local_seed

__all__ = ["Fitted", "fit_autoencoder", "refit_linear", "split_rows"]


@dataclass
class Fitted:
    """What a fit leaves.

    Parameters
    ----------
    network
        Cut to the learned width, strongest code first.
    initial
        Dimensions before the cut, the last of the curve.
    curve
        Pairs [dims, held-out loss].
    loss
        Held-out loss of `network`.
    history
        Columns of the training history; empty where nothing was trained.
    details
        More for the report.
    gate
        Of the mask that decided, all initial units, strongest first; empty where none did.
    prefixes
        Held-out loss of the first 1, 2, ... codes, where it is another than that of reconstruction.
    left
        Held-out share of the variance that the first 1, 2, ... codes leave over, where it is known.
    closed_form
        Whether `network` is PCA, which can be fitted to all rows once its width is known.
    """

    network: AutoencoderNetwork
    initial: int
    curve: list[list[float]]
    loss: float
    history: dict[str, list[Any]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    gate: list[float] = field(default_factory=list)
    prefixes: list[float] | None = None
    left: list[float] | None = None
    closed_form: bool = False

    @property
    def width(self) -> int:
        """Learned dimensions."""
        return self.network.width


def split_rows(count: int, held: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows to fit and of those to hold out; all are both where none are held out.

    Examples
    --------
    >>> fit, held_out = split_rows(10, 3, seed=0)
    >>> len(fit), len(held_out), len(set(fit) & set(held_out))
    (7, 3, 0)
    """
    order = np.random.default_rng(seed).permutation(count)
    if not held:
        return np.sort(order), np.sort(order)
    return np.sort(order[held:]), np.sort(order[:held])


def fit_autoencoder(settings: AutoencoderSettings, rows: Rows, held_out: Rows, seed: int) -> Fitted:
    """Fit what the settings ask for.

    Parameters
    ----------
    settings
        Checked arguments.
    rows, held_out
        Rows to fit, and to measure losses on.
    seed
        Of everything random.

    Raises
    ------
    DivergedError
        If the training loss becomes NaN or infinite.
    """
    initial = settings.widest(len(rows), rows.columns)
    if settings.metric == "cosine":
        return _by_cosine(settings, rows, held_out, initial, seed)
    if settings.paper_lambda is not None:
        return _as_in_the_paper(settings, rows, held_out, initial, seed)
    axes = principal_axes(rows, initial, seed)
    losses = projection_losses(held_out, axes)
    linear = _linear(settings, rows, held_out, axes, losses, initial)
    if settings.linear:
        return linear
    network = _network(settings, rows, held_out, axes, linear, initial, seed)
    if settings.hidden == "auto":
        goal = settings.goal
        costs = [goal.cost(one.loss, one.width) for one in (network, linear)]
        # They were taken, whichever is kept.
        linear.details["steps"] = network.details["steps"]
        linear.details["candidates"] = network.details["candidates"] = {
            name: {"dimensions": one.width, "loss": one.loss}
            for name, one in (("linear", linear), ("network", network))
        }
        if costs[0] >= costs[1]:
            return linear
    dtype, options = _training_dtype(settings), settings.training_options(len(rows), seed)
    network.details["steps of prefixes"] = complete_prefixes(
        network.network, rows.cast(dtype), held_out.cast(dtype), settings.batch_size, options
    )
    return network


def _linear(
    settings: AutoencoderSettings,
    rows: Rows,
    held_out: Rows,
    axes: Tensor,
    losses: list[float],
    initial: int,
) -> Fitted:
    if settings.budget is None:
        width = settings.goal.width(losses)
    else:
        width = min(settings.budget, len(losses))
    details: dict[str, Any] = {"hidden_widths": [], "steps": 0}
    if settings.budget is None and isinstance(settings.goal, Price) and not held_out.sparse:
        errors = projection_errors(held_out, axes)
        found = as_good([errors], range(1, len(losses) + 1), settings.goal.price, width)
        details["as good"] = list(found)
    return Fitted(
        _projection(axes[:width], rows.dtype),
        initial,
        _padded(losses, initial),
        losses[width - 1],
        details=details,
        left=losses[:width],
        closed_form=True,
    )


def refit_linear(
    axes: Tensor, width: int, values: Any, dtype: torch.dtype, seed: int
) -> tuple[AutoencoderNetwork, np.ndarray, float]:
    """PCA on all rows, those that were held out to find its width included.

    Parameters
    ----------
    axes
        Of the rows that were fitted, (k, d).
    width
        Dimensions; as many as all rows have where these are fewer.
    values
        Table (N, d).
    dtype
        To compute in.
    seed
        Of everything random.

    Returns
    -------
    network, mean, scale
    """
    everything = np.arange(values.shape[0])
    mean, scale = measure_columns(values, everything)
    rows = Rows(values, mean, scale, dtype, everything)
    return _projection(principal_axes(rows, width, seed, axes.double()), dtype), mean, scale


def _padded(losses: list[float], width: int) -> list[list[float]]:
    """A curve up to a width; past the last direction that varies nothing more is taken away."""
    return [[m, losses[min(m, len(losses)) - 1]] for m in range(1, width + 1)]


def _projection(axes: Tensor, dtype: torch.dtype) -> AutoencoderNetwork:
    """The linear network that keeps what lies along some axes."""
    with local_seed(0):
        network = AutoencoderNetwork(axes.shape[1], (), len(axes)).to(dtype)
    network.start_linear(axes)
    return network


def _fresh(
    settings: AutoencoderSettings, columns: int, width: int, seed: int, linear_path: bool
) -> AutoencoderNetwork:
    with local_seed(seed):
        return AutoencoderNetwork(
            columns, settings.hidden_widths(columns), width, settings.activation, linear_path
        )


def _start(
    settings: AutoencoderSettings, columns: int, axes: Tensor, width: int, seed: int
) -> AutoencoderNetwork:
    """A fresh network; with a linear path, one that begins as PCA."""
    network = _fresh(settings, columns, width, seed, settings.linear_path)
    if settings.linear_path:
        network.start_linear(axes[:width])
    return network


def _network(
    settings: AutoencoderSettings,
    rows: Rows,
    held_out: Rows,
    axes: Tensor,
    linear: Fitted,
    initial: int,
    seed: int,
) -> Fitted:
    options = settings.training_options(len(rows), seed)
    dtype = _training_dtype(settings)
    rows, held_out, stored = rows.cast(dtype), held_out.cast(dtype), rows.dtype
    budget, size, goal = settings.budget, settings.batch_size, settings.goal
    # A network needs hardly more codes than PCA does.
    width = min(initial, math.ceil(1.25 * linear.width) + 4 if budget is None else budget)

    def fresh() -> AutoencoderNetwork:
        return _start(settings, rows.columns, axes, width, seed)

    if budget is not None:
        found = fit_masked(fresh(), rows, held_out, size, options)
    else:
        cost = goal.cost(linear.loss, linear.width) if settings.linear_path else None
        search = settings.resolved_strategy == "search"
        found = learn_width(fresh, rows, held_out, size, goal, cost, axes, options, search)
    return Fitted(
        found.network.to(stored),
        width,
        found.curve,
        found.loss,
        found.history,
        {
            "hidden_widths": list(settings.hidden_widths(rows.columns)),
            "steps": found.steps,
            "steps of one width": options.max_epochs * rows.num_batches(settings.batch_size),
            **found.details,
        },
        [] if settings.resolved_strategy == "search" else found.gate,
    )


def _as_in_the_paper(
    settings: AutoencoderSettings, rows: Rows, held_out: Rows, initial: int, seed: int
) -> Fitted:
    assert settings.paper_lambda is not None
    network = _fresh(settings, rows.columns, initial, seed, linear_path=False)
    dtype = _training_dtype(settings)
    found = train_as_in_the_paper(
        network.to(dtype),
        rows.cast(dtype),
        held_out.cast(dtype),
        settings.batch_size,
        settings.paper_lambda,
        rows.scale**2,
        settings.training_options(len(rows), seed),
    )
    return Fitted(
        found.network.to(rows.dtype),
        initial,
        found.curve,
        found.loss,
        found.history,
        {"hidden_widths": network.hidden, "steps": found.steps},
        found.gate,
    )


def _by_cosine(
    settings: AutoencoderSettings, rows: Rows, held_out: Rows, initial: int, seed: int
) -> Fitted:
    budget = settings.budget
    found = fit_cosine_map(
        rows,
        initial if budget is None else min(budget, initial),
        held_out,
        price=settings.price if budget is None else None,
        seed=seed,
        **({} if settings.max_epochs is None else {"steps": STEPS_AN_EPOCH * settings.max_epochs}),
        device=settings.device,
        verbose=settings.verbose,
    )
    widest = initial if budget is None else len(found.weight)
    return Fitted(
        _projection(found.weight, rows.dtype),
        widest,
        _padded(found.curve, widest),
        found.losses[-1],
        found.history,
        {"hidden_widths": []},
        prefixes=found.losses,
    )


def _training_dtype(settings: AutoencoderSettings) -> torch.dtype:
    """Weights are trained in single precision, unless they are asked for in double."""
    return torch.float64 if settings.precision == "64-true" else torch.float32
