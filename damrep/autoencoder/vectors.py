"""A data frame whose one column holds vectors, as language models' embeddings are kept."""

from __future__ import annotations

from typing import Any

from damrep.masking.validation import InputError
from damrep.reading.frames import frame_columns, vector_columns, vector_matrix

__all__ = ["unfolded"]


def unfolded(X: Any) -> Any:
    """A frame with one column of vectors as a matrix; anything else as it is.

    Parameters
    ----------
    X
        Whatever a fit is given.

    Returns
    -------
    ndarray, shape (n, d), or X

    Raises
    ------
    InputError
        If the vectors differ in length, one has a gap, or they stand beside other columns.

    Examples
    --------
    >>> import pandas as pd
    >>> unfolded(pd.DataFrame({"v": [[1.0, 2.0], [3.0, 4.0]]})).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    lists = vector_columns(X)
    if not lists:
        return X
    names = frame_columns(X) or []
    if len(names) > 1:
        raise InputError(
            f"X: column {lists[0]!r} holds vectors, beside {len(names) - 1} other columns; give it "
            f"alone, as X[[{lists[0]!r}]]"
        )
    return vector_matrix(X, lists[0], f"X: column {lists[0]!r}")
