"""Public data sets in .npz and .mat files, each with what its authors' own loader does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import canonical_adjacency, symmetrise
from damrep.graph.data.archives import read_npz_graph
from damrep.graph.data.assembly import assemble
from damrep.graph.data.graph import Graph, build_graph
from damrep.masking.validation import InputError
from damrep.reading.arrays import Arrays

__all__ = ["read_cnr", "read_edges_npz", "read_facebook100", "read_gnn_benchmark", "read_osm_roads"]


def read_gnn_benchmark(path: Path, name: str) -> Graph:
    """Amazon and Coauthor graphs of Shchur et al. (2018): undirected, no loops, binary features.

    Parameters
    ----------
    path : Path
        An .npz file with adj_*, attr_* and labels.
    name : str

    Raises
    ------
    InputError
        If the file is not one of those.
    """
    matrix, own = read_npz_graph(path)
    coo = matrix.tocoo()
    proper = coo.row != coo.col
    arcs = sp.coo_array(
        (np.ones(int(proper.sum()), np.float32), (coo.row[proper], coo.col[proper])), coo.shape
    )
    features = own.get("features")
    if features is not None and sp.issparse(features):
        features.data = (features.data > 0).astype(np.float32)
        features.eliminate_zeros()
    return assemble(symmetrise(canonical_adjacency(arcs)), None, own, name=name)


def read_edges_npz(path: Path, name: str) -> Graph:
    """A graph kept as a list of undirected edges with whatever features, labels and splits it has.

    Parameters
    ----------
    path : Path
    name : str

    Raises
    ------
    InputError
        If the file holds no such list.
    """
    matrix, own = read_npz_graph(path, directed=False)
    return assemble(matrix, None, own, name=name)


# Columns of local_info in the Facebook100 files; the second one, gender, is the label.
_FACEBOOK_COLUMNS = ("status", "gender", "major", "minor", "dorm", "year", "school")


def read_facebook100(path: Path, name: str) -> Graph:
    """One university of Facebook100 (Traud et al. 2012), as LINKX (Lim et al. 2021) uses it.

    The label is the gender, unknown where nobody gave it; every value of the other six entries of
    a profile is a binary feature.

    Parameters
    ----------
    path : Path
        A MATLAB file with A and local_info.
    name : str

    Raises
    ------
    InputError
        If the file is not one of those.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=("A", "local_info"))
        adjacency, info = content["A"], content["local_info"].astype(np.int64)
        gender = info[:, 1] - 1
    except (MatReadError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path}: not a Facebook100 file ({error})") from None
    blocks, titles = [], []
    for column in (0, *range(2, info.shape[1])):
        values, codes = np.unique(info[:, column], return_inverse=True)
        shape = (len(info), len(values))
        ones = np.ones(len(info), np.float32)
        blocks.append(sp.coo_array((ones, (np.arange(len(info)), codes.ravel())), shape))
        titles += [f"{_FACEBOOK_COLUMNS[column]}={value}" for value in values]
    return build_graph(
        symmetrise(canonical_adjacency(adjacency)),
        sp.hstack(blocks, format="csr"),
        feature_names=titles,
        labels=gender,
        label_names=("gender 1", "gender 2"),
        name=name,
    )


def read_osm_roads(path: Path, name: str) -> Graph:
    """The road networks of five cities; the label is the city.

    Features are the two coordinates, centred and divided by their standard deviation city by city,
    because the files give them about each city's centre in a unit of its own.

    Parameters
    ----------
    path : Path
    name : str

    Raises
    ------
    InputError
        If the file holds no xy and city.
    """
    matrix, own = read_npz_graph(path, directed=False)
    arrays = Arrays(path)
    if "xy" not in arrays or "city" not in arrays:
        raise InputError(f"{path}: expected the arrays xy and city")
    place, city = arrays["xy"].astype(np.float64), arrays["city"].astype(np.int64)
    for one in np.unique(city):
        inside = city == one
        place[inside] -= place[inside].mean(axis=0)
        place[inside] /= place[inside].std()
    extra: dict[str, Any] = {
        "features": place,
        "feature_names": ("x", "y"),
        "labels": city,
        "label_names": arrays["city_names"].tolist(),
    }
    return assemble(matrix, None, {**own, **extra}, name=name)


def read_cnr(path: Path, name: str) -> Graph:
    """The web graph cnr-2000: arcs are links between pages.

    Parameters
    ----------
    path : Path
    name : str

    Raises
    ------
    InputError
        If the file holds no CSR matrix.
    """
    matrix = Arrays(path).matrix()
    if matrix is None:
        raise InputError(f"{path}: expected a CSR matrix (indptr, indices, shape)")
    return build_graph(matrix, name=name)
