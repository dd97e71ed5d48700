from __future__ import annotations

import json

import numpy as np
import pytest

from damrep.training.history import History


def test_a_callback_is_given_a_copy_of_each_row() -> None:
    told: list[dict[str, object]] = []
    history = History(told.append)
    history.append({"epoch": 0, "loss": float("nan")})
    assert told == [{"epoch": 0, "loss": None}]
    told[0]["loss"] = 1
    assert history[0]["loss"] is None


def test_rows_and_columns() -> None:
    history = History()
    history.append({"loss": np.float32(0.5)})
    history.append({"loss": float("nan"), "dims": np.int64(3)})
    assert history["loss"] == [0.5, None]
    assert history["dims"] == [None, 3]
    assert history[-1] == {"loss": None, "dims": 3}
    assert history.columns == ["loss", "dims"]
    assert [row["loss"] for row in history] == history["loss"]
    assert json.loads(json.dumps(history.to_dict(), allow_nan=False)) == history.to_dict()
    with pytest.raises(KeyError, match="no column 'acc'; there are loss, dims"):
        history["acc"]
