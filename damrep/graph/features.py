"""Node features: float32, dense or CSR, every value finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.masking.validation import InputError
from damrep.reading.ids import shown

__all__ = ["clean_features"]


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
    with np.errstate(over="ignore"):
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
