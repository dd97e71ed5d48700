"""Test parts of ratings: who gives how many, and which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.validation import InputError
from damrep.recommend.splitting import leave_last_out, train_test_split
from tests.recommend.samples import as_frame, rated


@given(
    st.lists(st.integers(0, 5), min_size=12, max_size=60),
    st.sampled_from([0.2, 0.3, 0.5, 0.9]),
    st.integers(0, 3),
)
def test_each_user_gives_a_share_and_keeps_one(users: list[int], share: float, seed: int) -> None:
    frame = pd.DataFrame({"user": users, "item": range(len(users))})
    counts = frame["user"].value_counts()
    wanted = {u: min(int(np.rint(share * n)), n - 1) for u, n in counts.items()}
    if not any(wanted.values()):
        return
    train, test = train_test_split(frame, share, random_state=seed)
    assert sorted([*train["item"], *test["item"]]) == list(range(len(users)))
    assert train["item"].is_monotonic_increasing and test["item"].is_monotonic_increasing
    taken = test["user"].value_counts()
    assert {u: int(taken.get(u, 0)) for u in counts.index} == wanted


def test_matrices_and_seeds() -> None:
    matrix = rated()
    train, test = train_test_split(matrix, random_state=3)
    assert train.shape == test.shape == matrix.shape
    assert (abs(train + test - matrix) > 1e-6).nnz == 0 and train.multiply(test).nnz == 0
    again = train_test_split(matrix, random_state=3)[1]
    assert (again != test).nnz == 0
    assert (train_test_split(matrix, random_state=4)[1] != test).nnz > 0
    kept = np.diff(sp.csr_matrix(train).indptr)
    assert (kept >= 1).all()


def test_frames_stay_what_they_are() -> None:
    table = as_frame(rated()).rename(columns={"user": "userId"})
    expected = train_test_split(table, random_state=0)[1]
    test = train_test_split(pl.DataFrame(table.to_dict("list")), random_state=0)[1]
    assert isinstance(test, pl.DataFrame)
    assert test["item"].to_list() == expected["item"].tolist()


@pytest.mark.parametrize(
    "times",
    [
        [3, 1, 2, 5, 4],
        pd.to_datetime(["2020-03-01", "2020-01-01", "2020-02-01", "2020-05-01", "2020-04-01"]),
        ["2020-03-01", "2020-01-01T00:00", "2020-02-01", "2020-05-01", "2020-04-01T08:30:00Z"],
    ],
    ids=["numbers", "dates", "texts"],
)
def test_the_last_of_each_user(times: Any) -> None:
    frame = pd.DataFrame({"user": list("aaabb"), "item": range(5), "timestamp": times})
    train, test = leave_last_out(frame)
    assert test["item"].tolist() == [0, 3] and train["item"].tolist() == [1, 2, 4]
    assert leave_last_out(frame, 5)[0]["item"].tolist() == [1, 4], "one always stays"
    assert leave_last_out(frame, time=None)[1]["item"].tolist() == [2, 4]
    assert isinstance(leave_last_out(pl.from_pandas(frame))[1], pl.DataFrame)


def test_of_equal_times_the_later_row_is_the_last() -> None:
    frame = pd.DataFrame({"user": [1] * 4, "item": range(4), "timestamp": [7, 7, 7, 1]})
    assert leave_last_out(frame)[1]["item"].tolist() == [2]


def test_what_cannot_be_split() -> None:
    frame = pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "timestamp": ["3/4/2020", None]})
    for share in (0, 1, 1.5):
        with pytest.raises(InputError, match="share must be"):
            train_test_split(frame, share)
    with pytest.raises(InputError, match="no user has ratings enough"):
        train_test_split(frame)
    with pytest.raises(InputError, match="no user has ratings enough"):
        leave_last_out(frame, time=None)
    with pytest.raises(InputError, match="column 'timestamp': row 2 has no time"):
        leave_last_out(frame)
    with pytest.raises(InputError, match="expected numbers, dates, or texts as 2024-05-17T08:30"):
        leave_last_out(frame[:1])
    with pytest.raises(InputError, match=r"no column 'when' \(columns are .*time= names it"):
        leave_last_out(frame, time="when")
    with pytest.raises(InputError, match="no column 'who'"):
        train_test_split(frame, user="who")
    with pytest.raises(TypeError, match="got ndarray"):
        train_test_split(np.ones((2, 2)))
