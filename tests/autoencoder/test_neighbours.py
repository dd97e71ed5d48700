from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from damrep.autoencoder.neighbours import FULL, METHODS, nearest, neighbour_table, recall_at
from damrep.masking.validation import InputError
from damrep.training import nearest as nearest_rows


def table(rows: int = 120, columns: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def test_the_nearest_by_hand() -> None:
    database = np.array([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0], [1.0, 1.0]])
    rows, similarity = nearest(np.array([[3.0, 0.0]]), database, 3)
    assert rows.tolist() == [[0, 3, 1]]
    assert similarity[0] == pytest.approx([1.0, 0.5**0.5, 0.0])


def test_of_equals_the_earlier_row_comes_first_and_a_row_is_not_its_own_neighbour() -> None:
    database = np.ones((6, 3))
    assert nearest(database[:1], database, 3)[0].tolist() == [[0, 1, 2]]
    assert nearest(database[1:2], database, 3, own=np.array([1]))[0].tolist() == [[0, 2, 3]]


def test_blocks_find_what_one_sort_of_everything_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    database, queries = table(130), table(33, seed=1)
    unit = database / np.linalg.norm(database, axis=1, keepdims=True)
    wanted = np.argsort(-(queries @ unit.T), axis=1)[:, :7]
    monkeypatch.setattr(nearest_rows, "_QUERIES", 5)
    monkeypatch.setattr(nearest_rows, "BLOCK", 3)
    assert np.array_equal(nearest(queries, database, 7)[0], wanted)


def test_the_length_of_a_row_does_not_matter_however_large() -> None:
    database = table().astype(np.float64)
    scale = 10.0 ** np.random.default_rng(0).uniform(-30, 30, size=(len(database), 1))
    assert recall_at(5, database, database * scale) == 1.0


def test_recall_by_hand() -> None:
    # From row 0 the others lie at 10, 20, 30 and 40 degrees; reduced, the last two come first.
    angles = np.deg2rad([0.0, 10.0, 20.0, 30.0, 40.0])
    full = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reduced = full[[0, 1, 4, 3, 2]]
    own = np.array([0])
    asked = full[:1], reduced[:1]
    assert recall_at(1, full, reduced, *asked, own) == 1.0
    assert recall_at(2, full, reduced, *asked, own) == 0.5
    assert recall_at(4, full, reduced, *asked, own) == 1.0


def test_any_of_equal_rows_will_do() -> None:
    full = np.ones((20, 3))
    assert recall_at(3, full, table(20, 2)) == 1.0


def test_a_rotation_keeps_every_neighbour() -> None:
    rows = table()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0]
    assert recall_at(10, rows, rows @ turn) == 1.0


def test_a_memory_mapped_table_gives_the_same(tmp_path: Path) -> None:
    rows = table()
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert recall_at(4, mapped, mapped[:, :5]) == recall_at(4, rows, rows[:, :5])


def test_the_table_has_each_method_at_each_width_and_what_it_takes() -> None:
    rows = table(400, 24)
    found = neighbour_table(rows[100:], lambda x: x[:, ::-1], rows[:100], rows[100:], [4, 8])
    assert [row["name"] for row in found] == [name for name in METHODS for _ in (4, 8)] + [FULL]
    assert {row["dims"]: row["bytes_per_million"] for row in found} == {
        4: 16_000_000,
        8: 32_000_000,
        24: 96_000_000,
    }
    assert found[-1]["recall_at_10"] == 1.0
    learned = recall_at(10, rows[100:], rows[100:, :-9:-1], rows[:100], rows[:100, :-9:-1])
    assert found[1]["recall_at_10"] == learned
    assert all(0 <= row["recall_at_10"] <= 1 for row in found)


def test_widths_go_up_by_doubling_to_that_of_the_codes() -> None:
    rows = table(60, 24)
    found = neighbour_table(rows[20:], lambda x: x[:, :20], rows[:20], rows[20:])
    assert [row["dims"] for row in found if row["name"] == METHODS[0]] == [8, 16, 20]


def test_a_width_that_pca_cannot_give_is_left_out_there() -> None:
    rows = table(60, 24)
    found = neighbour_table(rows[20:], lambda x: x, rows[:20], rows[20:26], [4, 16])
    assert [row["dims"] for row in found if row["name"] == "pca"] == [4]


def test_what_does_not_fit_is_one_clear_line() -> None:
    rows = table(12)
    with pytest.raises(InputError, match=r"as many columns, got \(12, 10\) and \(12, 4\)"):
        nearest(rows, rows[:, :4], 2)
    with pytest.raises(InputError, match="k must be between 1 and 11, got 12"):
        recall_at(12, rows, rows)
    with pytest.raises(InputError, match="both in full and reduced"):
        recall_at(2, rows, rows, queries=rows)
    with pytest.raises(InputError, match="got 5 reduced rows for 12 rows"):
        recall_at(2, rows, rows, rows, rows[:5])
    with pytest.raises(InputError, match="there are none"):
        recall_at(2, rows, rows, rows[:0], rows[:0])
    with pytest.raises(InputError, match="own: got 1 rows for 12 queries"):
        nearest(rows, rows, 2, own=np.array([0]))
