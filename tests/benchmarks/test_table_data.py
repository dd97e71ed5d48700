from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.table_data import TABLES, Table, load_table, split_table
from damrep.masking.validation import InputError


def made(train_rows: int | None = None) -> Table:
    """100 rows that are their own number, of two classes."""
    x = np.arange(100, dtype=np.float32)[:, None]
    return Table("made", x, np.arange(100) % 2, train_rows)


def test_every_row_is_in_one_part_and_classes_are_shared_out() -> None:
    split = split_table(made(), seed=3)
    rows = np.concatenate([split.x_train, split.x_test])[:, 0]
    assert sorted(rows) == list(range(100))
    assert len(split.x_test) == 20 and split.y_test.mean() == 0.5
    assert np.array_equal(split.x_train[:, 0] % 2, split.y_train)


def test_a_seed_is_one_split() -> None:
    a, b, c = (split_table(made(), seed).x_test[:, 0] for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_tables_own_split_is_kept() -> None:
    split = split_table(made(70), seed=0)
    assert sorted(split.x_train[:, 0]) == list(range(70))
    assert split.x_test[:, 0].tolist() == list(range(70, 100))
    few = split_table(made(70), seed=0, rows=10)
    assert len(few.x_train) == len(few.x_test) == 10
    assert few.x_train.max() < 70 <= few.x_test.min()


def test_unknown_and_missing_tables_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="unknown table 'iris'; known are digits, mnist"):
        load_table("iris")
    with pytest.raises(InputError, match="isolet: cannot be read"):
        load_table("isolet", tmp_path)
    monkeypatch.delenv("DAMREP_DATA", raising=False)
    with pytest.raises(InputError, match="mnist: no folder of data sets"):
        load_table("mnist")


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 64), 10),
        ("isolet", (1560, 617), 26),
        ("coil20", (1440, 1024), 20),
        ("pbmc", (700, 765), 10),
        ("tox171", (171, 5748), 4),
        ("mnist", (70000, 784), 10),
    ],
)
def test_the_real_tables(name: str, shape: tuple[int, int], classes: int, data_root: Path) -> None:
    table = load_table(name, data_root)
    assert set(TABLES) >= {name}
    assert table.x.shape == shape and table.x.dtype == np.float32
    assert table.y.shape == shape[:1] and len(np.unique(table.y)) == classes
    assert np.isfinite(table.x).all()
    assert table.train_rows == (60000 if name == "mnist" else None)
