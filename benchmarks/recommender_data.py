"""Ratings and interactions as the recommenders' benchmark splits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.datasets.registry import load_ratings

__all__ = [
    "EXPLICIT",
    "IMPLICIT",
    "RankingSplit",
    "RatingSplit",
    "held_out_part",
    "ranking_split",
    "rating_splits",
    "synthetic",
]

EXPLICIT = ("ml-100k", "flixster", "douban")
IMPLICIT = ("ml-latest-small", "lastfm", "citeulike", "gowalla", "amazon-beauty")
_FOLDS = ("u1", "u2", "u3", "u4", "u5")
_TEST = 0.2
_LIKED = 4.0  # stars of ml-latest-small that count as an interaction


@dataclass(frozen=True)
class RatingSplit:
    """Ratings to fit and to test on, as matrices of the same users and items.

    Attributes
    ----------
    name : str
        Of the fold.
    train : csr_matrix, shape (users, items)
    users, items, ratings : ndarray, shape (n,)
        The test part.
    """

    name: str
    train: sp.csr_matrix
    users: np.ndarray[Any, Any]
    items: np.ndarray[Any, Any]
    ratings: np.ndarray[Any, Any]


@dataclass(frozen=True)
class RankingSplit:
    """Interactions to fit and to test on.

    Attributes
    ----------
    train, test : csr_matrix, shape (users, items)
    """

    train: sp.csr_matrix
    test: sp.csr_matrix


def rating_splits(name: str, data_root: Path | None, seeds: tuple[int, ...]) -> list[RatingSplit]:
    """The published folds of a table of ratings; one fold under every seed where there is one only.

    Parameters
    ----------
    name : str
        One of `EXPLICIT`.
    data_root : Path or None
    seeds : tuple of int

    Raises
    ------
    InputError
        If the data are not there.
    """
    data = load_ratings(name, data_root)
    folds = _FOLDS if name == "ml-100k" else tuple(data.splits) * len(seeds)
    made = []
    for fold in folds:
        parts = data.splits[fold]
        users, items = int(data.table["user"].max()) + 1, int(data.table["item"].max()) + 1
        train, test = parts["train"], parts["test"]
        places = (train["user"].to_numpy(), train["item"].to_numpy())
        matrix = sp.csr_matrix(
            (train["rating"].to_numpy(dtype=np.float32), places), shape=(users, items)
        )
        asked = [test[column].to_numpy() for column in ("user", "item", "rating")]
        made.append(RatingSplit(fold, matrix, *asked))
    return made


def ranking_split(name: str, data_root: Path | None, seed: int) -> RankingSplit:
    """Interactions: the published split, training and validation part together.

    Where none was published (ml-latest-small), films with four stars or more, a fifth of them drawn
    by the seed to test on.

    Parameters
    ----------
    name : str
        One of `IMPLICIT`.
    data_root : Path or None
    seed : int

    Raises
    ------
    InputError
        If the data are not there.
    """
    data = load_ratings(name, data_root)
    if not data.implicit:
        liked = data.table[data.table["rating"] >= _LIKED]
        users = np.unique(liked["user"], return_inverse=True)[1]
        items = np.unique(liked["item"], return_inverse=True)[1]
        whole = sp.csr_matrix(
            (np.ones(len(users), np.float32), (users, items)), (users.max() + 1, items.max() + 1)
        )
        return RankingSplit(*held_out_part(whole, seed, _TEST))
    parts = data.splits["published"]
    train = data.matrix(parts["train"]) + data.matrix(parts["valid"])
    return RankingSplit(sp.csr_matrix(train), data.matrix(parts["test"]))


def held_out_part(
    matrix: sp.csr_matrix, seed: int, share: float = 0.1
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """The stored entries in two parts, the second with a share of them.

    Parameters
    ----------
    matrix : csr_matrix
    seed : int
    share : float

    Examples
    --------
    >>> rest, part = held_out_part(sp.csr_matrix(np.ones((10, 10))), seed=0)
    >>> rest.nnz, part.nnz
    (90, 10)
    """
    entries = matrix.tocoo()
    order = np.random.default_rng(seed).permutation(entries.nnz)
    cut = round(share * entries.nnz)

    def part(chosen: np.ndarray[Any, Any]) -> sp.csr_matrix:
        places = (entries.row[chosen], entries.col[chosen])
        return sp.csr_matrix((entries.data[chosen], places), shape=matrix.shape)

    return part(order[cut:]), part(order[:cut])


def synthetic(kind: str, rank: int, seed: int) -> sp.csr_matrix:
    """A matrix with a number of factors that is known.

    Explicit: 2,000 users, 1,500 items, a tenth of the pairs rated, normal factors, noise of a tenth
    of the signal's deviation. Implicit: every user belongs to one of `rank` groups, every item too;
    a user has had a third of the group's items and a hundredth of the others.

    Parameters
    ----------
    kind : {"explicit", "implicit"}
    rank : int
    seed : int

    Examples
    --------
    >>> synthetic("explicit", 3, seed=0).shape
    (2000, 1500)
    """
    rng = np.random.default_rng(seed)
    users, items = 2000, 1500
    if kind == "explicit":
        seen = sp.random(users, items, density=0.1, format="csr", dtype=np.float32, rng=rng)
        rows = np.repeat(np.arange(users), np.diff(seen.indptr))
        left, right = rng.normal(size=(users, rank)), rng.normal(size=(items, rank))
        signal = (left[rows] * right[seen.indices]).sum(axis=1) / np.sqrt(rank)
        seen.data = (3 + signal + 0.1 * rng.normal(size=seen.nnz)).astype(np.float32)
        return seen
    same = rng.integers(rank, size=users)[:, None] == rng.integers(rank, size=items)
    had = rng.random((users, items)) < np.where(same, 1 / 3, 0.01)
    return sp.csr_matrix(had.astype(np.float32))


def trials(grid: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Every combination of a grid's values.

    Parameters
    ----------
    grid : dict
        Values by parameter.

    Examples
    --------
    >>> [*trials({"a": (1, 2), "b": (3,)})]
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    from sklearn.model_selection import ParameterGrid

    yield from ({**chosen} for chosen in ParameterGrid({k: list(v) for k, v in grid.items()}))
