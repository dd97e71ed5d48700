"""Tables of a known number of dimensions: the generators of the paper.

All of them draw k latent columns from a normal distribution and map them to the columns that are
observed (arXiv 2110.00684, experiments on dimensionality reduction).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.comparators.model import Array
from damrep.training.seeding import torch_generator

__all__ = ["KINDS", "make_table"]

KINDS = ("linear", "quadratic", "mlp")
_HIDDEN = 128


def make_table(
    kind: str,
    dims: int,
    seed: int,
    *,
    rows: int = 5000,
    columns: int = 100,
    scale: float = 1.0,
    noise: float = 0.0,
    double: bool = False,
) -> Array:
    """A table with a number of dimensions that is known.

    Parameters
    ----------
    kind : str
        ``linear``: X = Z W with W normal. ``quadratic``: h (Z W2') + h + b with h = Z W1', the
        weights uniform up to 1 / sqrt(dims). ``mlp``: two linear layers as torch initialises them,
        128 wide, with an ELU between.
    dims : int
        Latent columns.
    seed : int
    rows, columns : int
    scale : float
        What the table is multiplied by.
    noise : float
        Standard deviation of normal noise, as a share of the table's own.
    double : bool
        Keep the float64 it is computed in. In float32 a table without noise has that of the
        rounding, which is not the same in every direction.

    Returns
    -------
    ndarray, float32 or float64, shape (rows, columns)

    Raises
    ------
    ValueError
        If the kind is unknown.

    Examples
    --------
    >>> x = make_table("linear", 2, seed=0, rows=30, columns=6)
    >>> x.shape, int(np.linalg.matrix_rank(x, tol=1e-3))
    ((30, 6), 2)
    """
    if kind not in KINDS:
        raise ValueError(f"unknown generator {kind!r}; known are {', '.join(KINDS)}")
    generator = torch_generator(seed)
    latent = _normal(rows, dims, generator=generator)
    if kind == "linear":
        table = latent @ _normal(dims, columns, generator=generator)
    elif kind == "quadratic":
        bound = 1 / math.sqrt(dims)
        first = _uniform(bound, columns, dims, generator=generator)
        second = _uniform(bound, columns, dims, generator=generator)
        h = latent @ first.T
        table = h * (latent @ second.T) + h + _uniform(bound, columns, generator=generator)
    else:
        hidden = functional.elu(_layer(latent, _HIDDEN, generator))
        table = _layer(hidden, columns, generator)
    if noise:
        spread = float((table - table.mean(dim=0)).square().mean().sqrt())
        table = table + noise * spread * _normal(rows, columns, generator=generator)
    return np.asarray((scale * table).numpy(), dtype=np.float64 if double else np.float32)


def _normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _uniform(bound: float, *shape: int, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1) * bound


def _layer(x: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """What `torch.nn.Linear` computes with weights as it draws them."""
    bound = 1 / math.sqrt(x.shape[1])
    weight = _uniform(bound, width, x.shape[1], generator=generator)
    return x @ weight.T + _uniform(bound, width, generator=generator)
