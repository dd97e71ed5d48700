"""Named tables of ratings: what their authors count, and one line for what is not theirs."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damrep import datasets
from damrep.datasets.ratings import read_item_lists, read_ml_100k, read_ml_latest_small, read_monti
from damrep.masking.validation import InputError

# name: users, items, rows, and the rows of each part of its first split
REAL = {
    "ml-100k": (943, 1682, 100000, {"train": 80000, "test": 20000}),
    "ml-latest-small": (671, 9066, 100004, {}),
    "flixster": (2341, 2956, 26173, {"train": 23556, "test": 2617}),
    "douban": (2999, 3000, 136891, {"train": 123202, "test": 13689}),
    "gowalla": (29858, 40981, 1027370, {"train": 719081, "valid": 91047, "test": 217242}),
    "yelp-social": (17235, 37378, 207945, {"train": 185869, "valid": 3497, "test": 18579}),
    "lastfm": (1885, 17388, 91779, {"train": 64315, "valid": 9143, "test": 18321}),
    # 24 items come twice in the list of one user.
    "citeulike": (5551, 16980, 210504, {"train": 151895, "valid": 18727, "test": 39882}),
    "amazon-beauty": (52204, 57289, 394908, {"train": 284530, "valid": 29796, "test": 80582}),
}


def _load(name: str, data_root: Path) -> datasets.Ratings:
    entry = datasets.describe(name)
    if not all((data_root / entry.folder / file).is_file() for file in entry.files):
        pytest.skip(f"{name} is not under {data_root}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would mean another file than the known one
        return datasets.load_ratings(name, data_root)


def _pairs(frame: pd.DataFrame) -> np.ndarray:
    """A sorted number for each pair."""
    return np.sort(frame["user"].to_numpy() * 1_000_000 + frame["item"].to_numpy())


@pytest.mark.parametrize("name", REAL)
def test_real_data_sets(name: str, data_root: Path) -> None:
    ratings = _load(name, data_root)
    users, items, rows, parts = REAL[name]
    table = ratings.table
    assert (table["user"].nunique(), table["item"].nunique(), len(table)) == (users, items, rows)
    assert (np.diff(_pairs(table)) > 0).all(), "no pair comes twice"
    assert ratings.name == name and str(users) in repr(ratings)
    first = next(iter(ratings.splits.values()), {})
    assert {part: len(frame) for part, frame in first.items()} == parts
    if ratings.implicit:
        assert ratings.rating is None and list(table.columns) == ["user", "item"]
    else:
        assert 0.5 <= table["rating"].min() and table["rating"].max() == 5
    for split in ratings.splits.values():  # disjoint, and all of it
        assert np.array_equal(_pairs(pd.concat(split.values())), _pairs(table))
    if ratings.shape is not None:
        matrix = ratings.matrix(table)
        assert matrix.shape == ratings.shape and matrix.nnz == rows


def test_the_folds_of_movielens(data_root: Path) -> None:
    ratings = _load("ml-100k", data_root)
    assert list(ratings.splits) == ["u1", "u2", "u3", "u4", "u5", "ua", "ub"]
    tests = [_pairs(ratings.splits[f"u{k}"]["test"]) for k in range(1, 6)]
    assert len(np.unique(np.concatenate(tests))) == 100000, "five tests that share nothing"
    for name in ("ua", "ub"):
        assert (ratings.splits[name]["test"].groupby("user").size() == 10).all()
    with pytest.raises(InputError, match="ids do not count from 0"):
        ratings.matrix(ratings.table)


def test_graphs_beside_the_ratings(data_root: Path) -> None:
    flixster, douban = (_load(name, data_root) for name in ("flixster", "douban"))
    assert (flixster.graphs["user"].nnz, flixster.graphs["item"].nnz) == (59354, 50918)
    assert set(douban.graphs) == {"user"} and douban.graphs["user"].nnz == 2690
    assert _load("yelp-social", data_root).graphs["user"].nnz == 143765


def test_ratings_and_graphs_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gowalla is ratings, expected a graph .*load_ratings"):
        datasets.load("gowalla", tmp_path)
    with pytest.raises(InputError, match=r"cora is a graph, expected ratings"):
        datasets.load_ratings("Cora", tmp_path)
    with pytest.raises(InputError, match="did you mean 'gowalla'"):
        datasets.load_ratings("gowala")
    graphs, tables = datasets.names("graph"), datasets.names("ratings")
    assert datasets.names() == graphs + tables and set(REAL) == set(tables)
    for name in tables:
        entry = datasets.describe(name)
        assert entry.summary and entry.source and entry.licence and entry.files


def test_what_is_not_here_is_said_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMREP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"ml-100k: no .*grouplens.*<root>/ml-100k") as caught:
        datasets.load_ratings("ml-100k", tmp_path)
    assert "\n" not in str(caught.value)


def test_lists_of_items(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 4 2 4\n2\n\n3 1 \n")
    (tmp_path / "valid.txt").write_text("0 0\n")
    (tmp_path / "test.txt").write_text("")
    ratings = read_item_lists(tmp_path, "little")
    assert ratings.splits["published"]["train"].to_numpy().tolist() == [[0, 4], [0, 2], [3, 1]]
    assert len(ratings.splits["published"]["test"]) == 0
    assert ratings.shape == (4, 5) and not ratings.graphs
    assert ratings.matrix(ratings.table).toarray().sum() == 4


@pytest.mark.parametrize("text", ["0 1\n1 x\n", "0 -1\n", "0 1.5\n", "0 99999999999999999999\n"])
def test_a_line_that_is_no_list(text: str, tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text(text)
    with pytest.raises(InputError, match=r"train\.txt: not lists of items") as caught:
        read_item_lists(tmp_path, "bad")
    assert "\n" not in str(caught.value)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,film\n1,2\n")
    with pytest.raises(InputError, match=r"ratings\.csv: not the file"):
        read_ml_latest_small(tmp_path)
    (tmp_path / "u1.base").write_text("1\t2\tgood\t0\n")
    with pytest.raises(InputError, match=r"u1\.base: not the file"):
        read_ml_100k(tmp_path)
    np.savez(tmp_path / "ratings.npz", shape=[3, 3])
    with pytest.raises(InputError, match="not a file of ratings"):
        read_monti(tmp_path / "ratings.npz", "flixster")
    (tmp_path / "ratings.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="not a file of ratings"):
        read_monti(tmp_path / "ratings.npz", "flixster")
