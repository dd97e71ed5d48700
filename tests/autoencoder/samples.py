"""Small tables for the tests of the autoencoder."""

from __future__ import annotations

import numpy as np

__all__ = ["curved", "low_rank"]


def low_rank(
    rows: int = 200, columns: int = 12, rank: int = 4, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Rows of a given rank, float32, with components of falling size."""
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(rows, rank)) * 0.8 ** np.arange(rank)
    table = codes @ rng.normal(size=(rank, columns))
    return (table + noise * rng.normal(size=table.shape)).astype(np.float32)


def curved(rows: int = 600, seed: int = 0) -> np.ndarray:
    """A surface of two dimensions bent through eight columns, float32."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, size=(2, rows))
    columns = [a, b, a * b, a**2, b**2, np.sin(2 * a), np.sin(2 * b), np.cos(2 * a + b)]
    return np.stack(columns, axis=1).astype(np.float32)
