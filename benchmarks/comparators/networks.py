"""Comparators without a mask: an autoencoder of a given width, IRMAE, nested dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.comparators.model import Array, Model
from benchmarks.comparators.training import Budget, Network, Scaled, Shape, network_model, optimise
from damrep.masking.search import exact_width
from damrep.training.seeding import local_seed, torch_generator

__all__ = ["fit_irmae", "fit_nested_dropout", "fit_plain"]

# Latent directions of IRMAE with less than this share of the strongest one's variance count as
# unused. Its paper reads the number off a plot of singular values.
_USED = 1e-3


def fit_plain(
    train: Array,
    held_out: Array,
    dims: int,
    *,
    shape: Shape | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Model:
    """An autoencoder of the width that was asked for.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
    dims : int
    shape : Shape, optional
    budget : Budget, optional
    seed : int

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((40, 5))
    >>> model = fit_plain(x, x, 2, shape=Shape((8,)), budget=Budget(steps=3))
    >>> model.dims, model.encode(x).shape, model.reconstruct(x).shape
    (2, (40, 2), (40, 5))
    """
    shape, budget = shape or Shape(), budget or Budget()
    data = Scaled(train, held_out)
    network = shape.build(data.columns, dims, seed, _start(data, shape, dims, seed))
    optimise(
        lambda x: functional.mse_loss(network(x), x),
        network.parameters(),
        data,
        budget,
        seed,
        keep_best=network,
    )
    return network_model(network, data, budget.steps)


def _start(data: Scaled, shape: Shape, dims: int, seed: int) -> Tensor | None:
    return data.axes(dims, seed) if shape.linear_path and shape.hidden else None


def fit_nested_dropout(
    train: Array,
    held_out: Array,
    width: int,
    *,
    dims: int | None = None,
    price: float = 1e-3,
    shape: Shape | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Model:
    """Nested dropout (Rippel, Gelbart and Adams, ICML 2014).

    Every step keeps the first m codes of a batch, m from a geometric distribution of mean
    ``width / 2``, cut off at ``width``. The paper's sweep, which freezes a code once it has
    converged, is left out: it is for codes of a thousand bits.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
    width : int
        Codes to train.
    dims : int, optional
        First codes to keep. By default as damrep has it: the number with the least held-out loss
        plus ``price`` each.
    price : float
    shape : Shape, optional
    budget : Budget, optional
    seed : int
    """
    shape, budget = shape or Shape(), budget or Budget()
    data = Scaled(train, held_out)
    network = shape.build(data.columns, width, seed, _start(data, shape, width, seed))
    draws = torch_generator(seed + 1)
    lengths = torch.arange(1, width + 1)
    weights = (1 - 2 / max(2, width)) ** lengths.double()
    if width <= 2:
        weights = torch.ones(width, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        m = int(lengths[torch.multinomial(weights, 1, generator=draws)])
        return functional.mse_loss(network(x, m), x)

    optimise(loss, network.parameters(), data, budget, seed)
    curve = _prefix_losses(network, data.held_out)
    chosen = exact_width(curve, price) if dims is None else min(dims, width)
    return network_model(network.cut(chosen), data, budget.steps, {"curve": curve})


@torch.no_grad()
def _prefix_losses(network: Network, x: Tensor) -> list[float]:
    codes, reference = network.encode(x), x.square().mean()
    return [
        float(functional.mse_loss(network.decode(codes[:, :m]), x) / reference)
        for m in range(1, network.width + 1)
    ]


def fit_irmae(
    train: Array,
    held_out: Array,
    width: int,
    *,
    dims: int | None = None,
    layers: int = 4,
    shape: Shape | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Model:
    """IRMAE (Jing, Zbontar and LeCun, NeurIPS 2020): linear layers that lower the latent's rank.

    Square linear layers without bias behind the encoder, trained with it, make gradient descent
    prefer codes of low rank. The dimensions are the principal directions of the codes with more
    than a thousandth of the strongest one's variance.

    Parameters
    ----------
    train, held_out : ndarray, shape (n, columns)
    width : int
        Codes to train.
    dims : int, optional
        Leading directions to keep, whatever their variance.
    layers : int
        Extra linear layers; 4 as in most of the paper.
    shape : Shape, optional
        Without a linear path: around the extra layers it would undo them.
    budget : Budget, optional
    seed : int

    Returns
    -------
    Model
        ``details["variances"]`` holds those of the codes, relative to the strongest.
    """
    shape, budget = shape or Shape(), budget or Budget()
    if shape.linear_path and shape.hidden:
        shape = Shape(shape.hidden, shape.activation)
    data = Scaled(train, held_out)
    network = shape.build(data.columns, width, seed)
    with local_seed(seed + 1):
        extra = nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(layers)))
    whole = nn.ModuleList([network, extra])
    optimise(
        lambda x: functional.mse_loss(network.decode(extra(network.encode(x))), x),
        whole.parameters(),
        data,
        budget,
        seed,
        keep_best=whole,
    )
    with torch.no_grad():
        codes = extra(network.encode(data.train))
        centre = codes.mean(dim=0)
        _, values, directions = torch.linalg.svd((codes - centre).double(), full_matrices=False)
    variances = (values.square() / values[0].square()).tolist()
    chosen = sum(v > _USED for v in variances) if dims is None else min(dims, width)
    basis = directions[:chosen].float()

    @torch.no_grad()
    def encode(x: Array) -> Array:
        z = extra(network.encode(data.to(x))) - centre
        return (z @ basis.T).numpy()

    @torch.no_grad()
    def reconstruct(x: Array) -> Array:
        z = torch.from_numpy(encode(x)) @ basis + centre
        return data.back(network.decode(z))

    return Model(chosen, budget.steps, encode, reconstruct, {"variances": variances})
