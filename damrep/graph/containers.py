"""Embeddings as data frames: a row a node, under the node's id."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from damrep.lazy_imports import postponed
from damrep.masking.validation import check_choice

with postponed("pandas"):
    import pandas as pd

__all__ = ["NodeFrames"]

OUTPUTS = ("default", "pandas", "polars")


class NodeFrames:
    """scikit-learn's `set_output`, for rows that are nodes.

    scikit-learn's own would give a frame the index of what was transformed; of a frame of edges
    that is one of edges.
    """

    def set_output(self, *, transform: str | None = None) -> Self:
        """Say what `transform` and `fit_transform` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None
            An array, a pandas frame with the node ids as its index, or a polars frame, which has no
            index: its rows are in the order of the nodes. None changes nothing.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there is no such container.
        """
        if transform is not None:
            check_choice("transform", transform, OUTPUTS)
            # The name scikit-learn's clone copies.
            self._sklearn_output_config = {"transform": transform}
        return self

    def _contained(self, values: np.ndarray, node_ids: np.ndarray) -> Any:
        """Rows in the container asked for, by `set_output` or in scikit-learn's configuration."""
        from sklearn import get_config

        asked = getattr(self, "_sklearn_output_config", {}).get("transform")
        kind = asked or get_config()["transform_output"]
        names = [f"dim_{i}" for i in range(values.shape[1])]
        if kind == "pandas":
            return pd.DataFrame(values, index=pd.Index(node_ids, name="node"), columns=names)
        if kind == "polars":
            import polars

            return polars.DataFrame(values, schema=names)
        return values
