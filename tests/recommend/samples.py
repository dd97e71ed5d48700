"""Small tables of ratings whose right answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

__all__ = ["as_frame", "checkerboard", "grouped", "rated", "tastes"]


def checkerboard(side: int = 50) -> sp.csr_matrix:
    """Even users have all even items, odd ones the odd items, but none the item of its number."""
    same = np.arange(side)[:, None] % 2 == np.arange(side) % 2
    np.fill_diagonal(same, False)
    return sp.csr_matrix(same.astype(np.float32))


def tastes(users: int = 60, items: int = 40, density: float = 0.6, seed: int = 0) -> sp.csr_matrix:
    """Ratings 5 where user and item are both even or both odd, else 1, some of them not given."""
    rng = np.random.default_rng(seed)
    same = np.arange(users)[:, None] % 2 == np.arange(items) % 2
    given = rng.random(same.shape) < density
    row, column = np.nonzero(given)
    return sp.csr_matrix((np.where(same[given], 5.0, 1.0), (row, column)), shape=same.shape)


def rated(
    users: int = 70,
    items: int = 50,
    rank: int = 3,
    density: float = 0.5,
    noise: float = 0.3,
    seed: int = 0,
) -> sp.csr_matrix:
    """Ratings of a given rank about 3, with biases and noise."""
    rng = np.random.default_rng(seed)
    strength = 0.8 ** np.arange(rank)
    dense = (rng.normal(size=(users, rank)) * strength) @ rng.normal(size=(rank, items))
    dense += 3 + 0.5 * rng.normal(size=(users, 1)) + 0.5 * rng.normal(size=items)
    dense += noise * rng.normal(size=dense.shape)
    given = rng.random(dense.shape) < density
    row, column = np.nonzero(given)
    return sp.csr_matrix((dense[given], (row, column)), shape=dense.shape)


def grouped(users: int = 70, items: int = 50, groups: int = 3, seed: int = 0) -> sp.csr_matrix:
    """Who had to do with what: much within a group, a little across, some items more than most."""
    rng = np.random.default_rng(seed)
    same = np.arange(users)[:, None] % groups == np.arange(items) % groups
    chance = np.where(same, 0.7, 0.05) * np.linspace(1.0, 0.6, items)
    return sp.csr_matrix((rng.random(same.shape) < chance).astype(np.float32))


def as_frame(matrix: sp.csr_matrix) -> pd.DataFrame:
    """The same as a row a rating, in no order, with the places as ids."""
    coo = matrix.tocoo()
    places = {"user": coo.row.astype(np.int64), "item": coo.col.astype(np.int64)}
    table = pd.DataFrame({**places, "rating": coo.data})
    return table.sample(frac=1, random_state=0)
