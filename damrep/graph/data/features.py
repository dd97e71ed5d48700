"""Node features: float32, dense or CSR, every value finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.ids import shown

__all__ = ["clean_features", "column_order"]


def clean_features(
    features: Any,
    node_ids: np.ndarray,
    feature_names: Sequence[str] | None = None,
    where: str = "features",
) -> tuple[np.ndarray | sp.csr_array | None, tuple[str, ...] | None]:
    """Check node features and bring them into float32, dense or CSR.

    Parameters
    ----------
    features : array-like or scipy sparse, shape (n, d), or None
    node_ids : ndarray, shape (n,)
        Used for the number of rows expected, and to name a node with a bad value.
    feature_names : sequence of d str, optional
    where : str
        What error messages call the features.

    Returns
    -------
    features : ndarray or csr_array, float32, shape (n, d), or None
    feature_names : tuple of str, or None

    Raises
    ------
    InputError
        If the shape is wrong or a value is NaN, infinite or too large for float32.
    TypeError
        If the values are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> ids = np.array(["a", "b"], dtype=object)
    >>> try:
    ...     clean_features([[1.0], [float("nan")]], ids, ["age"])
    ... except InputError as error:
    ...     print(str(error).split(";")[0])
    features: node 'b', column 'age' is nan
    """
    if features is None:
        return None, None
    values = features if sp.issparse(features) else np.asarray(features)
    if values.dtype.kind not in "buif":
        raise TypeError(f"{where}: expected numbers, got dtype {values.dtype}")
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(f"{where}: expected shape (nodes, columns), got {tuple(values.shape)}")
    if values.shape[0] != len(node_ids):
        raise InputError(f"{where}: got {values.shape[0]} rows for {len(node_ids)} nodes")
    names = None if feature_names is None else tuple(str(name) for name in feature_names)
    if names is not None and len(names) != values.shape[1]:
        raise InputError(f"{where}: got {len(names)} names for {values.shape[1]} columns")
    if sp.issparse(values):
        values = sp.csr_array(values, copy=True)
        values.sum_duplicates()
    clean: Any
    with np.errstate(over="ignore", invalid="ignore"):  # invalid: of a NaN that signals
        clean = values.astype(np.float32)
    finite = np.isfinite(clean.data if sp.issparse(clean) else clean)
    if not finite.all():
        if sp.issparse(clean):
            entry = int(np.flatnonzero(~finite)[0])
            row = int(np.searchsorted(clean.indptr, entry, side="right")) - 1
            column, value = int(clean.indices[entry]), values.data[entry]
        else:
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            value = values[row, column]
        called = repr(names[column]) if names else str(column)
        raise InputError(
            f"{where}: node {shown(node_ids[row])}, column {called} is {value:g}; "
            "expected a finite number that fits float32"
        )
    return clean, names


def column_order(
    names: Sequence[str], wanted: Sequence[str], where: str = "features"
) -> np.ndarray | None:
    """Positions of the wanted columns among those there are; None where the order is the same.

    Parameters
    ----------
    names : sequence of d str
        Of the columns there are.
    wanted : sequence of d str
        Of the columns a model was fitted on.
    where : str
        What error messages call the columns.

    Raises
    ------
    InputError
        If a wanted column is missing, one is there that was not at the fit, or a name comes twice.

    Examples
    --------
    >>> column_order(["height", "age"], ["age", "height"]).tolist()
    [1, 0]
    >>> column_order(["age", "size"], ["age", "height"])
    Traceback (most recent call last):
    ...
    damrep.masking.validation.InputError: features: no column 'height', which the model was fitted \
on; 'size' was not there then
    """
    if tuple(names) == tuple(wanted):
        return None
    place = {name: position for position, name in enumerate(names)}
    lost = [name for name in wanted if name not in place]
    known = set(wanted)
    strange = [name for name in names if name not in known]
    if lost:
        more = f"; {_few(strange)} not there then" if strange else ""
        raise InputError(
            f"{where}: no column {_few(lost, verb=False)}, which the model was fitted on{more}"
        )
    if strange:
        raise InputError(
            f"{where}: column {_few(strange)} not there when the model was fitted; leave it out"
        )
    if len(place) < len(names) or len(known) < len(wanted):
        columns = list(names if len(place) < len(names) else wanted)
        twice = next(name for name in columns if columns.count(name) > 1)
        raise InputError(
            f"{where}: column {shown(twice)} comes twice, and not as it did at the fit"
        )
    return np.array([place[name] for name in wanted])


def _few(names: Sequence[str], verb: bool = True) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    was = (" were" if more else " was") if verb else ""
    return f"{shown(names[0])}{more}{was}"
