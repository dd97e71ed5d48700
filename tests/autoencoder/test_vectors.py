"""Frames with a column of vectors: as a matrix, or one line that says why not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from damrep import DAMAutoencoder
from damrep.masking.validation import InputError

Z = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float64)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"v": Z.tolist()}),
        pd.DataFrame({"v": list(Z)}),
        pl.DataFrame({"v": Z.tolist()}),
        pl.DataFrame({"v": Z}),
        pa.table({"v": Z.tolist()}),
    ],
    ids=["pandas lists", "pandas arrays", "polars lists", "polars arrays", "arrow"],
)
def test_a_column_of_vectors_is_the_matrix(frame: object) -> None:
    model = DAMAutoencoder(hidden=(), n_components=2, random_state=0)
    expected = model.fit_transform(Z)
    np.testing.assert_allclose(model.fit(frame).transform(frame), expected, atol=1e-10)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"v": Z.tolist(), "n": 1.0}), "'v' holds vectors, beside 1 other column"),
        (pl.DataFrame({"v": [[1.0, 2.0], [3.0]]}), "row 2 holds 1 numbers, the first row 2"),
        (pd.DataFrame({"v": [[1.0], None]}), "row 2 is empty"),
        (pd.DataFrame({"v": [["a"], ["b"]]}), "expected vectors of numbers"),
        (pl.DataFrame({"v": [[1.0], [float("nan")]]}), "row 2 holds nan"),
    ],
)
def test_what_is_no_matrix(frame: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        DAMAutoencoder().fit(frame)
