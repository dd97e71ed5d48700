"""Public tables of ratings and of implicit feedback, with the splits they were published with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from damrep.masking.validation import InputError

__all__ = ["Ratings", "read_item_lists", "read_ml_100k", "read_ml_latest_small", "read_monti"]

_ML_FOLDS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")


@dataclasses.dataclass(frozen=True, eq=False)
class Ratings:
    """Who rated what, or had to do with it.

    Attributes
    ----------
    name : str
    table : DataFrame
        All of it: user, item, and, unless it is implicit feedback, rating.
    splits : mapping of mapping of DataFrame
        By the name of a split, then of a part: "train", "test", perhaps "valid". Rows of `table`.
    implicit : bool
        There are no ratings.
    shape : tuple of int, or None
        Users and items, where ids count from 0; some may be in no row.
    graphs : mapping of csr_matrix
        "user": links between users, "item": between items, where there are any.
    """

    name: str
    table: pd.DataFrame
    splits: Mapping[str, Mapping[str, pd.DataFrame]] = dataclasses.field(default_factory=dict)
    implicit: bool = False
    shape: tuple[int, int] | None = None
    graphs: Mapping[str, sp.csr_matrix] = dataclasses.field(default_factory=dict)

    @property
    def rating(self) -> str | None:
        """Name of the column of ratings; None for implicit feedback."""
        return None if self.implicit else "rating"

    def matrix(self, part: pd.DataFrame) -> sp.csr_matrix:
        """Rows of the table as a matrix of all users and items.

        Parameters
        ----------
        part : DataFrame

        Returns
        -------
        csr_matrix, shape (users, items), float32
            Of ones for implicit feedback.

        Raises
        ------
        InputError
            If ids do not count from 0.
        """
        if self.shape is None:
            raise InputError(f"{self.name}: its ids do not count from 0, so they are no places")
        values = np.ones(len(part)) if self.implicit else part["rating"].to_numpy()
        places = (part["user"].to_numpy(), part["item"].to_numpy())
        return sp.csr_matrix((values.astype(np.float32), places), shape=self.shape)

    def __repr__(self) -> str:
        users, items = self.table["user"].nunique(), self.table["item"].nunique()
        what = "interactions" if self.implicit else "ratings"
        facts = [f"{users} users", f"{items} items", f"{len(self.table)} {what}"]
        facts += [f"splits {', '.join(self.splits)}"] if self.splits else []
        return f"Ratings({self.name!r}: {', '.join(facts)})"


def read_ml_100k(folder: Path) -> Ratings:
    """MovieLens-100K with its five folds u1 to u5, and ua and ub of ten test ratings a user.

    Parameters
    ----------
    folder : Path
        With u.data, u1.base, u1.test, ...

    Raises
    ------
    InputError
        If a file is not what it should be.
    """
    splits = {
        fold: {
            part: _ml_table(folder / f"{fold}.{ending}")
            for part, ending in (("train", "base"), ("test", "test"))
        }
        for fold in _ML_FOLDS
    }
    return Ratings("ml-100k", _ml_table(folder / "u.data"), splits)


def _ml_table(path: Path) -> pd.DataFrame:
    names = ["user", "item", "rating", "time"]
    table = _csv(path, sep="\t", names=names, dtype=np.int64)
    return table.astype({"rating": np.float32})


def read_ml_latest_small(folder: Path) -> Ratings:
    """MovieLens latest-small; it has no split.

    Parameters
    ----------
    folder : Path
        With ratings.csv.

    Raises
    ------
    InputError
        If the file is not what it should be.
    """
    names = {"userId": "user", "movieId": "item", "rating": "rating", "timestamp": "time"}
    kinds = {"userId": np.int64, "movieId": np.int64, "rating": np.float32, "timestamp": np.int64}
    table = _csv(folder / "ratings.csv", usecols=list(names), dtype=kinds)
    return Ratings("ml-latest-small", table[list(names)].rename(columns=names))


def _csv(path: Path, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(path, **options)
    except (OSError, ValueError) as error:  # pandas' own are ValueErrors
        raise InputError(f"{path}: not the file it should be ({error})") from None


def read_monti(path: Path, name: str) -> Ratings:
    """Flixster and Douban as Monti, Bronstein and Bresson (NIPS 2017) cut and split them.

    Parameters
    ----------
    path : Path
        An .npz with shape, train_user, train_item, train_rating and the same of test; perhaps
        user_graph_row, user_graph_col, user_graph_weight and user_graph_shape, and of items.
    name : str

    Raises
    ------
    InputError
        If the file is not one of those.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {key: held[key] for key in held.files}
        parts = {
            part: pd.DataFrame(
                {
                    "user": arrays[f"{part}_user"].astype(np.int64),
                    "item": arrays[f"{part}_item"].astype(np.int64),
                    "rating": arrays[f"{part}_rating"].astype(np.float32),
                }
            )
            for part in ("train", "test")
        }
        graphs = {
            side: sp.csr_matrix(
                (
                    arrays[f"{side}_graph_weight"],
                    (arrays[f"{side}_graph_row"], arrays[f"{side}_graph_col"]),
                ),
                shape=tuple(arrays[f"{side}_graph_shape"]),
            )
            for side in ("user", "item")
            if f"{side}_graph_row" in arrays
        }
        users, items = (int(size) for size in arrays["shape"])
    except Exception as error:  # zip, NumPy, pandas: whatever it is, it is not that file
        raise InputError(f"{path}: not a file of ratings ({error})") from None
    table = pd.concat(parts.values(), ignore_index=True)
    return Ratings(name, table, {"monti": parts}, shape=(users, items), graphs=graphs)


def read_item_lists(folder: Path, name: str) -> Ratings:
    """Implicit feedback as lists of items: a line is a user and the items of that user.

    A user without items may have a line of its own id alone, or no line; an item that comes twice
    in a line counts once.

    Parameters
    ----------
    folder : Path
        With train.txt, valid.txt, test.txt, and perhaps links.txt: a line is a user and another.
    name : str

    Raises
    ------
    InputError
        Naming the line that is not one of numbers.
    """
    parts = {part: _item_lists(folder / f"{part}.txt") for part in ("train", "valid", "test")}
    table = pd.concat(parts.values(), ignore_index=True)
    users, items = int(table["user"].max()) + 1, int(table["item"].max()) + 1
    graphs = {}
    if (folder / "links.txt").is_file():
        links = _item_lists(folder / "links.txt")
        ends = (links["user"].to_numpy(), links["item"].to_numpy())
        graphs["user"] = sp.csr_matrix((np.ones(len(links), np.float32), ends), (users, users))
    return Ratings(name, table, {"published": parts}, True, (users, items), graphs)


def _item_lists(path: Path) -> pd.DataFrame:
    words: list[str] = []
    users: list[str] = []
    counts: list[int] = []
    try:
        with path.open(encoding="ascii") as lines:
            for line in lines:
                user, *items = line.split() or ("",)
                if items:
                    words += items
                    users.append(user)
                    counts.append(len(items))
        first, second = np.array(users, dtype=np.int64), np.array(words, dtype=np.int64)
        if min(first.min(initial=0), second.min(initial=0)) < 0:
            raise ValueError("an id below 0")
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(f"{path}: not lists of items ({error})") from None
    table = pd.DataFrame({"user": np.repeat(first, counts), "item": second})
    return table.drop_duplicates(ignore_index=True)
