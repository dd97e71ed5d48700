"""Users who were not there when a model was fitted, expressed in its factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from damrep.lazy_imports import postponed

with postponed("pandas"):
    import pandas as pd

__all__ = ["NewUsers"]


@dataclass(frozen=True, eq=False)
class NewUsers:
    """What `fold_in` gives; takes the place of ids of users in `recommend` and `predict`.

    Attributes
    ----------
    index : Index, shape (n,)
        Ids as in the data frame; 0, 1, ... for the rows of a matrix.
    factors : ndarray, shape (n, n_components_), float32
    bias : ndarray, shape (n,), float32
    seen : csr_matrix, shape (n, items)
        What they were folded in with.
    skipped : int
        Rows that were left out, as their item is unknown.

    Examples
    --------
    >>> zeros = np.zeros((2, 3), dtype=np.float32)
    >>> NewUsers(pd.Index(["ann", "bo"]), zeros, zeros[:, 0], sp.csr_matrix((2, 5)))
    NewUsers(2 users, 3 dimensions)
    """

    index: pd.Index
    factors: NDArray[np.float32]
    bias: NDArray[np.float32]
    seen: sp.csr_matrix
    skipped: int = 0

    @property
    def ids(self) -> NDArray[Any]:
        """Their ids, in the order of the rows."""
        return self.index.to_numpy()

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"NewUsers({len(self)} users, {self.factors.shape[1]} dimensions)"
