"""The best items: as a plain sort finds them, in blocks, without what was seen."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from damrep.masking.validation import InputError
from damrep.recommend import recommending
from damrep.recommend.recommending import best, nearest, pair_scores, top_items

SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5, 2.0])


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=SCORES),
    st.integers(1, 14),
)
def test_the_best_are_those_of_a_stable_sort(scores: np.ndarray, n: int) -> None:
    places, values = best(scores, n)
    assert places.shape == values.shape == (len(scores), n)
    for row, place, value in zip(scores, places, values, strict=True):
        order = [i for i in np.argsort(-row, kind="stable") if row[i] > -np.inf][:n]
        assert place.tolist() == order + [-1] * (n - len(order))
        assert value.tolist() == [*row[order], *[-np.inf] * (n - len(order))]


def model(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = ((40, 5), (25, 5), (40,), (25,))
    user, item, user_bias, item_bias = (rng.normal(size=s).astype(np.float32) for s in shapes)
    return user, item, user_bias, item_bias


def test_blocks_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = model()
    seen = sp.random(40, 25, density=0.3, format="csr", random_state=0)
    whole = top_items(*parts, 6, seen=seen)
    scores = parts[0] @ parts[1].T + parts[2][:, None] + parts[3]
    scores[seen.toarray() != 0] = -np.inf
    expected = np.argsort(-scores, axis=1)[:, :6]
    assert np.array_equal(whole[0], expected)
    np.testing.assert_allclose(whole[1], np.take_along_axis(scores, expected, 1), rtol=1e-5)
    for rows in (1, 7, 39):
        monkeypatch.setattr(recommending, "_BLOCK_BYTES", 4 * 25 * rows)
        small = top_items(*parts, 6, seen=seen)
        assert np.array_equal(small[0], whole[0])
        np.testing.assert_allclose(small[1], whole[1], rtol=1e-5)


def test_memory_stays_within_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    plain = best
    monkeypatch.setattr(
        recommending, "best", lambda scores, n: sizes.append(scores.nbytes) or plain(scores, n)
    )
    monkeypatch.setattr(recommending, "_BLOCK_BYTES", 4000)
    top_items(*model(), 3)
    assert max(sizes) <= 4000 and len(sizes) == 1


def test_candidates_alone_are_ranked_and_the_first_named_wins_a_tie() -> None:
    user, item, user_bias, item_bias = model()
    item[3], item_bias[3] = item[9], item_bias[9]
    seen = sp.csr_matrix(([1.0], ([0], [4])), shape=(40, 25))
    for candidates in (np.array([3, 9, 4]), np.array([9, 3, 4])):
        places, scores = top_items(
            user, item, user_bias, item_bias, 5, seen=seen, candidates=candidates
        )
        assert set(places[0]) == {3, 9, -1} and set(places[1]) == {3, 4, 9, -1}
        two = [place for place in places[1] if place in (3, 9)]
        assert two == candidates[:2].tolist()
        assert (np.diff(scores[1, :3]) <= 0).all() and scores[1, 3] == -np.inf


def test_pairs() -> None:
    user, item, *_ = model()
    rows, columns = np.array([0, 3, 3]), np.array([24, 1, 1])
    expected = [float(user[r] @ item[c]) for r, c in zip(rows, columns, strict=True)]
    assert pair_scores(user, item, rows, columns) == pytest.approx(expected, rel=1e-5)
    none = np.zeros((3, 0), dtype=np.float32)
    assert pair_scores(none, none, np.array([0, 1]), np.array([2, 2])).tolist() == [0, 0]


def test_neighbours_by_cosine_leave_out_the_row_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    _, item, *_ = model()
    item[5] = 0
    rows = np.arange(25)
    places, cosines = nearest(item, rows, 24)
    assert all(row not in found for row, found in zip(rows, places, strict=True))
    there = places >= 0
    assert (np.abs(cosines[there]) <= 1).all() and (cosines[~there] == -np.inf).all()
    assert (places[5] == -1).all() and 5 not in places, "a row of zeros has no direction"
    unit = item[0] / np.linalg.norm(item[0])
    expected = max(float(unit @ item[k] / np.linalg.norm(item[k])) for k in range(1, 25) if k != 5)
    assert cosines[0, 0] == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr(recommending, "_BLOCK_BYTES", 4 * 25 * 4)
    assert np.array_equal(nearest(item, rows, 24)[0], places)
    assert nearest(item, rows[:1], 30)[0][0, 23:].tolist() == [-1] * 7


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one(n: int) -> None:
    with pytest.raises(InputError, match="n must be >= 1"):
        top_items(*model(), n)
