"""A last row that adds the others up, as spreadsheets have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.reading.ids import shown
from damrep.reading.names import plain_name

__all__ = ["last_is_total"]

_TOTALS = (
    "total", "totals", "grandtotal", "sum", "summe", "gesamt", "gesamtsumme", "insgesamt", "somme",
    "suma", "somma", "totale", "all", "overall", "mean", "average", "avg", "mittelwert",
    "durchschnitt", "moyenne", "media", "promedio",
)  # fmt: skip


def last_is_total(names: np.ndarray | None, values: Any) -> tuple[bool, list[str]]:
    """Whether the last row is the sum or the mean of the others, by its name and its numbers.

    Parameters
    ----------
    names : ndarray, shape (n,), or None
        Of the rows.
    values : ndarray, shape (n, d)

    Returns
    -------
    found : bool
    notes : list of str
        What to say of it; also of a row that is only called so.

    Examples
    --------
    >>> rows = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 7.0]])
    >>> last_is_total(np.array(["a", "b", "Total"]), rows)
    (True, ["the last row, 'Total', adds the others up and was left out"])
    >>> last_is_total(np.array(["a", "b", "c"]), rows)
    (False, [])
    """
    if names is None or len(names) < 3 or sp.issparse(values) or names.dtype.kind in "iu":
        return False, []
    if plain_name(names[-1]) not in _TOTALS or not values.shape[1]:
        return False, []
    others, last = values[:-1].astype(np.float64), values[-1]
    close = [np.isclose(last, reduced(axis=0), rtol=1e-3) for reduced in (others.sum, others.mean)]
    if not np.logical_or(*close).all():
        return False, [f"the last row is called {shown(names[-1])} and was read as all others"]
    return True, [f"the last row, {shown(names[-1])}, adds the others up and was left out"]
