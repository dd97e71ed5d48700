"""Ratings out of matrices and frames: the same whichever way, and refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.validation import InputError
from damrep.recommend.interactions import read_interactions


def frame(*rows: tuple[Any, Any, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["user", "item", "rating"])


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 5)), min_size=1),
    st.sampled_from(["last", "mean", "sum"]),
    st.sampled_from(["coo", "csr", "csc"]),
)
def test_a_frame_and_a_matrix_mean_the_same(
    rows: list[tuple[int, int, int]], rule: str, kind: str
) -> None:
    """By a plain dict of lists, duplicates and explicit zeros among them."""
    held: dict[tuple[int, int], list[int]] = {}
    for user, item, rating in rows:
        held.setdefault((user, item), []).append(rating)
    pick = {"last": lambda v: v[-1], "mean": np.mean, "sum": sum}[rule]
    expected = np.full((6, 5), np.nan)
    for pair, values in held.items():
        expected[pair] = pick(values)

    def dense(matrix: sp.csr_matrix) -> np.ndarray:
        out = np.full(matrix.shape, np.nan)
        coo = matrix.tocoo()
        out[coo.row, coo.col] = coo.data
        return out

    read = read_interactions(frame(*rows), duplicates=rule)
    users, items = read.user_ids.to_numpy(), read.item_ids.to_numpy()
    assert users.tolist() == sorted({u for u, _ in held})
    np.testing.assert_allclose(dense(read.matrix), expected[np.ix_(users, items)], rtol=1e-6)
    assert read.matrix.nnz == len(held) and read.matrix.has_sorted_indices

    user, item, rating = (np.array(column) for column in zip(*rows, strict=True))
    coo = sp.coo_array((rating, (user, item)), shape=(6, 5))
    if kind == "csr":  # as it stands, with what comes twice
        order = np.argsort(user, kind="stable")
        ends = np.searchsorted(user[order], np.arange(7))
        given_matrix: Any = sp.csr_matrix((rating[order], item[order], ends), shape=(6, 5))
    elif kind == "csc" and rule == "sum":
        given_matrix = coo.tocsc()  # scipy adds them up itself
    else:
        given_matrix = coo
    assert_same = read_interactions(given_matrix, duplicates=rule).matrix
    np.testing.assert_allclose(dense(assert_same), expected, rtol=1e-6)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [("b", "y", 1.0), ("a", "x", 2.0), ("b", "x", 3.0)]
    one, two = read_interactions(frame(*rows)), read_interactions(frame(*rows[::-1]))
    assert one.matrix.toarray().tolist() == two.matrix.toarray().tolist() == [[2, 0], [3, 1]]
    assert list(one.user_ids) == list(two.user_ids) == ["a", "b"]


@pytest.mark.parametrize(
    "ids",
    [
        ["ann", "bo", "ann"],
        [3, -7, 3],
        [2**62, -(2**62), 2**62],
        np.array([3, 1, 3], dtype=np.uint8),
        pd.Series([3, 1, 3], dtype="Int64"),
        pd.Series(["x", "y", "x"], dtype="category"),
        pd.Series([10, 20, 10], dtype="category"),
        pd.Series([3, 1, 3], dtype=object),
        pd.Series(["x", "y", "x"], dtype="string"),
        pd.Series(["x", "y", "x"], dtype=object),
        ["7", "07", "7"],
    ],
    ids=str,
)
def test_ids_of_any_kind(ids: Any) -> None:
    read = read_interactions(pd.DataFrame({"user": ids, "item": ["a", "a", "b"], "rating": 1.0}))
    assert read.user_ids.tolist() == sorted(set(pd.Series(ids).tolist()))
    assert read.user_ids.dtype in (np.int64, object)


def test_a_rating_of_zero_is_a_rating_and_a_weight_of_zero_is_none() -> None:
    rows = frame((0, 0, 0.0), (0, 1, 2.0), (1, 0, 3.0))
    assert read_interactions(rows).matrix.nnz == 3
    assert read_interactions(rows, implicit=True).matrix.nnz == 2
    stored = sp.csr_matrix(([0.0, 2.0], ([0, 0], [0, 1])), shape=(1, 2))
    assert read_interactions(stored).matrix.nnz == 2


def test_users_and_items_without_ratings_are_kept() -> None:
    read = read_interactions(sp.csr_matrix(([2.0], ([1], [3])), shape=(4, 5)))
    assert read.matrix.shape == (4, 5)
    assert read.described() == {
        "users": 4, "items": 5, "ratings": 1, "users without ratings": 3,
        "items without ratings": 4,
    }  # fmt: skip


def test_without_ratings_every_row_weighs_one() -> None:
    read = read_interactions(frame((0, 0, 9), (1, 1, 9)), rating=None)
    assert read.matrix.data.tolist() == [1.0, 1.0]


def test_columns_by_other_names() -> None:
    table = frame((1, 2, 3.0)).rename(columns={"user": "uid", "item": 7})
    assert read_interactions(table, user="uid", item=7).matrix.nnz == 1


def test_what_is_given_is_not_changed() -> None:
    matrix = sp.csr_matrix(([0.0, 2.0, 4.0], ([0, 0, 1], [1, 0, 1])), shape=(2, 2))
    table = frame((1, 2, 3.0), (0, 2, 0.0))
    before = matrix.copy(), table.copy()
    for implicit in (False, True):
        read_interactions(matrix, implicit=implicit).matrix.data[:] = 99
        read_interactions(table, implicit=implicit)
    assert matrix.data.tolist() == before[0].data.tolist() and matrix.nnz == 3
    pd.testing.assert_frame_equal(table, before[1])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(1, 2, np.nan), (1, 3, 1.0)], "user 1, item 2: expected a finite number, got nan"),
        ([(1, 2, 1.0), (1, 3, np.inf)], "user 1, item 3: expected a finite number, got inf"),
        ([("a", 2, 1e300)], "user 'a', item 2: expected a finite number"),
        ([(1, 2, 3.0), (4, 5, 1.0), (1, 2, 3.0)], "pair of user 1 and item 2 comes more than once"),
        (
            [(1, 2, 3.0), (1, 2, 3.0), (1, 3, 1.0), (1, 3, 1.0)],
            "item 2 and 1 more pairs come more than once; duplicates=",
        ),
        ([(None, 2, 3.0)], "column 'user': row 1 has no id"),
        ([("a", "x", 3.0), ("", "y", 3.0)], "column 'user': row 2 has an empty id"),
        ([(1, 2.5, 3.0)], "column 'item': ids must be integers or strings, got floats"),
        ([(True, 2, 3.0)], "column 'user': ids must be integers or strings, got booleans"),
        ([(1, "a", 1.0), (1, 1, 1.0)], "column 'item': ids must be .* got integers and strings"),
        ([(2**64, 1, 1.0)], "the id 18446744073709551616 of row 1 does not fit 64 bits"),
        ([(1, 2**63, 1.0)], "column 'item': the id 9223372036854775808 of row 1 does not fit"),
        ([(pd.Timestamp("2020-01-01"), 1, 1.0)], "column 'user': ids must be .* got datetime"),
        ([(1, 2, "good")], "column 'rating': expected numbers"),
    ],
)
def test_bad_frames(rows: list[tuple[Any, Any, Any]], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_interactions(frame(*rows))
    assert "\n" not in str(caught.value)


def test_bad_columns() -> None:
    with pytest.raises(
        InputError, match=r"no column 'rating' \(columns are 'user', 'item'\).*None"
    ):
        read_interactions(frame((1, 2, 3.0))[["user", "item"]])
    with pytest.raises(InputError, match=r"no column 'user' .*user= names it"):
        read_interactions(frame((1, 2, 3.0)).rename(columns={"user": "who"}))
    twice = pd.DataFrame([[1, 2, 3, 4]], columns=["user", "item", "rating", "rating"])
    with pytest.raises(InputError, match="2 columns 'rating'"):
        read_interactions(twice)
    with pytest.raises(InputError, match="one column twice"):
        read_interactions(frame((1, 2, 3.0)), item="user")
    with pytest.raises(InputError, match="holds no ratings"):
        read_interactions(frame())
    with pytest.raises(InputError, match="duplicates must be one of"):
        read_interactions(frame((1, 2, 3.0)), duplicates="first")


def test_negative_weights() -> None:
    with pytest.raises(InputError, match=r"user 1, item 2: .*implicit.*, got -0\.5 \(2 such"):
        read_interactions(frame((1, 2, -0.5), (1, 3, -1), (1, 4, 1)), implicit=True)
    assert read_interactions(frame((1, 2, -0.5))).matrix.nnz == 1, "a rating may be negative"


@pytest.mark.parametrize(
    ("given_matrix", "error", "said"),
    [
        (np.ones((2, 2)), TypeError, "got ndarray; scipy.sparse.csr_matrix"),
        ([[1, 2]], TypeError, "got list"),
        ("ratings.csv", TypeError, "got str"),
        (None, TypeError, "got NoneType"),
        (sp.coo_array(np.ones(3)), InputError, r"shape \(users, items\), got \(3,\)"),
        (sp.csr_matrix((2, 3)), InputError, "holds no ratings"),
        (sp.csr_matrix((0, 0)), InputError, "holds no ratings"),
        (sp.csr_matrix(np.ones((2, 2)) * 1j), InputError, "must hold numbers, got complex"),
        (sp.bsr_array(np.ones((2, 2))), InputError, "formats csr, csc, coo, lil, dok, got bsr"),
        (sp.csr_matrix([[np.nan]]), InputError, "user 0, item 0: expected a finite number"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_bad_matrices(given_matrix: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        read_interactions(given_matrix)
    assert "\n" not in str(caught.value)


def test_a_matrix_whose_indices_lie_outside() -> None:
    matrix = sp.csr_matrix(np.eye(3))
    matrix.indices[1] = 7
    with pytest.raises(InputError, match="not a sound sparse matrix"):
        read_interactions(matrix)


def test_items_a_model_knows() -> None:
    known = pd.Index(np.array(["x", "y", "z"], dtype=object))
    read = read_interactions(frame((9, "z", 1.0)), item_ids=known)
    assert read.matrix.toarray().tolist() == [[0, 0, 1]]
    with pytest.raises(InputError, match=r"column 'item': unknown id 'w'; known are 3 such as 'x'"):
        read_interactions(frame((9, "w", 1.0)), item_ids=known)
    with pytest.raises(InputError, match=r"unknown id 0"):
        read_interactions(frame((9, 0, 1.0)), item_ids=known)
    with pytest.raises(InputError, match=r"\(new users, 3 items\), got \(3, 2\); it looks transp"):
        read_interactions(sp.csr_matrix(np.ones((3, 2))), item_ids=known)
    with pytest.raises(InputError, match=r"\(new users, 3 items\), got \(2, 4\)$"):
        read_interactions(sp.csr_matrix(np.ones((2, 4))), item_ids=known)
    assert read_interactions(sp.csr_matrix((1, 3)), item_ids=known).matrix.nnz == 0
