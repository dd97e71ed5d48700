"""Splits of nodes into those to learn from, to choose by and to judge by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from damrep.masking.validation import InputError

__all__ = ["SPLITS", "checked_splits"]

SPLITS = ("train", "val", "test")


def checked_splits(splits: Mapping[str, Any] | None, n: int) -> dict[str, np.ndarray] | None:
    """Masks of the nodes to learn from, to choose by and to judge by, checked against each other.

    Parameters
    ----------
    splits
        Boolean masks (n,) or (n, s) under some of `SPLITS`; or None.
    n
        Number of nodes.

    Returns
    -------
    dict or None
        None where there are none.

    Raises
    ------
    InputError
        If a name is unknown or the shapes do not fit.
    TypeError
        If a mask is not boolean.

    Examples
    --------
    >>> checked_splits({"train": [1, 0], "test": [0, 1]}, n=2)
    {'train': array([ True, False]), 'test': array([False,  True])}
    """
    if not splits:
        return None
    result: dict[str, np.ndarray] = {}
    for key, mask in splits.items():
        if key not in SPLITS:
            raise InputError(f"splits: {key!r} is not one of {', '.join(SPLITS)}")
        values = np.asarray(mask)
        if values.dtype != bool:
            if not np.isin(values, (0, 1)).all():
                raise TypeError(f"splits: {key!r} must be a boolean mask, got {values.dtype}")
            values = values.astype(bool)
        if values.ndim not in (1, 2) or len(values) != n:
            raise InputError(f"splits: {key!r} has shape {values.shape} for {n} nodes")
        result[key] = values
    if len({mask.shape for mask in result.values()}) > 1:
        raise InputError(f"splits: shapes differ: {[m.shape for m in result.values()]}")
    return result
