"""The raw files of Cora, CiteSeer and PubMed as Yang, Cohen and Salakhutdinov (2016) split them.

They are pickles of NumPy arrays, SciPy matrices and one dict, written by Python 2. The unpickler
here knows the six names they consist of and refuses any other, so a file cannot run code; and no
torch-geometric is imported, which would take longer than the reading.
"""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import adjacency_from_edges
from damrep.graph.data.graph import Graph, build_graph
from damrep.masking.validation import InputError

__all__ = ["CLASS_NAMES", "read_planetoid"]

CLASS_NAMES = {
    "cora": (
        "Theory",
        "Reinforcement_Learning",
        "Genetic_Algorithms",
        "Neural_Networks",
        "Probabilistic_Methods",
        "Case_Based",
        "Rule_Learning",
    ),
    "citeseer": ("AI", "ML", "IR", "DB", "Agents", "HCI"),
    "pubmed": ("Diabetes Experimental", "Diabetes Type 1", "Diabetes Type 2"),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Loads arrays, CSR matrices and dicts of lists, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        match (module, name):
            case ("numpy.core.multiarray", "_reconstruct"):
                return _empty_array
            case ("numpy", "ndarray"):
                return np.ndarray
            case ("numpy", "dtype"):
                return np.dtype
            case ("scipy.sparse.csr", "csr_matrix"):
                return sp.csr_matrix
            case ("collections", "defaultdict"):
                return collections.defaultdict
            case ("__builtin__" | "builtins", "list"):
                return list
        raise pickle.UnpicklingError(f"asks for {module}.{name}")


def _empty_array(kind: type, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.ndarray.__new__(kind, shape, dtype)


def read_planetoid(folder: Path, name: str) -> Graph:
    """Read the eight ``ind.<name>.*`` files.

    Parameters
    ----------
    folder : Path
        The raw folder, which is only read.
    name : str
        "cora", "citeseer" or "pubmed".

    Returns
    -------
    Graph
        Undirected, without the few loops of the files, with sparse features and the public split
        (20 nodes a class, 500, 1000). Nodes of CiteSeer that no file says anything about are
        isolated, without features and without label.

    Raises
    ------
    InputError
        If a file is missing, is not what it should be, or would need other classes to load.
    """
    parts = {
        part: _load(folder / f"ind.{name}.{part}")
        for part in ("y", "tx", "allx", "ty", "ally", "graph")
    }
    try:
        test = np.loadtxt(folder / f"ind.{name}.test.index", dtype=np.int64)
        return _assemble(parts, test, name)
    except (OSError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{folder}: not the raw files of {name} ({error})") from None


def _assemble(parts: dict[str, Any], test: np.ndarray, name: str) -> Graph:
    known = parts["allx"].shape[0]
    span = int(test.max() - test.min()) + 1
    n = known + span
    if test.min() != known:
        raise ValueError(f"test nodes start at {test.min()}, not at {known}")
    # Row i of tx and ty is node test[i]; nodes of the range that are not tested have no row.
    rows = np.concatenate([np.arange(known), test])
    stacked = sp.vstack([parts["allx"], parts["tx"]]).tocoo()
    features = sp.csr_array(
        sp.coo_array((stacked.data, (rows[stacked.row], stacked.col)), (n, stacked.shape[1]))
    )
    memberships = np.concatenate([parts["ally"], parts["ty"]])
    labels = np.full(n, -1, dtype=np.int64)
    labels[rows] = np.where(memberships.any(axis=1), memberships.argmax(axis=1), -1)
    neighbours = parts["graph"]
    source = np.repeat(
        np.fromiter(neighbours.keys(), np.int64, len(neighbours)),
        np.fromiter(map(len, neighbours.values()), np.int64, len(neighbours)),
    )
    target = np.fromiter((v for near in neighbours.values() for v in near), np.int64, len(source))
    proper = source != target
    trained = len(parts["y"])
    places = {
        "train": np.arange(trained),
        "val": np.arange(trained, trained + 500),
        "test": test,
    }
    splits = {key: np.isin(np.arange(n), where) for key, where in places.items()}
    return build_graph(
        adjacency_from_edges(source[proper], target[proper], None, n),
        features,
        labels=labels,
        label_names=CLASS_NAMES[name],
        splits=splits,
        name=name,
    )


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            return _ArrayUnpickler(stream, encoding="latin1").load()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        raise InputError(f"{path}: not a readable raw file ({error})") from None
