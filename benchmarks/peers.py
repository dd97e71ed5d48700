"""Outside embedding libraries the benchmarks compare with, behind one signature.

Every function takes a scipy sparse adjacency matrix, a width and a seed, and returns one float32
row a node in the matrix's own order. The libraries come with ``pip install "damrep[bench]"`` and
are imported on the first call only, so the rest of the benchmarks runs without them.

Both peers see the graph without its features, as undirected and without self-loops; what each
library would do with direction differs too much to be compared. Both run with their published
defaults and on one thread (call ``set_threads(1)`` first: it binds the BLAS they use).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp

Embedding = np.ndarray[Any, np.dtype[np.float32]]


class PeerMissingError(ImportError):
    """A peer library is not installed; the message says how to get it."""


def require(module: str, package: str) -> ModuleType:
    """Import a peer library.

    Parameters
    ----------
    module, package : str
        Names to import and to install it by.

    Raises
    ------
    PeerMissingError
        If it is not there.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PeerMissingError(
            f"{package} is not installed ({error}); "
            "install the benchmark peers with: pip install -c constraints.txt 'damrep[bench]'"
        ) from error


def undirected(adjacency: Any) -> sp.csr_matrix:
    """The graph as both peers see it: symmetric, no self-loops, no explicit zeros.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
        Entry (i, j) is the weight of the edge from i to j.

    Returns
    -------
    scipy.sparse.csr_matrix, (nodes, nodes), float32
        Each pair carries the larger weight of its two directions; indices are sorted.

    Raises
    ------
    ValueError
        If the matrix is not square or holds a negative or non-finite weight.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> undirected(sp.csr_matrix([[5, 2], [0, 0]])).toarray().tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    matrix = sp.csr_matrix(adjacency, dtype=np.float32)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"adjacency must be square, got shape {matrix.shape}")
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise ValueError("adjacency must hold finite weights >= 0")
    matrix = sp.csr_matrix(matrix.maximum(matrix.T))
    matrix = sp.csr_matrix(matrix - sp.diags(matrix.diagonal()))
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _check_request(dims: int, seed: int) -> None:
    if dims < 1:
        raise ValueError(f"dims must be >= 1, got {dims}")
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")


def pycleora_embedding(adjacency: Any, dims: int, seed: int) -> Embedding:
    """Cleora (pycleora 3.2): Markov propagation of random vectors, whitened after every step.

    The library's defaults: 40 iterations, left (random walk) propagation with its own self-loop of
    one half, L2 rows, whitening. Edge weights are not used: the library's ``embed_weighted`` scales
    whole rows and normalises them again, which leaves the weights without any effect.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    dims : int
        Width of the embedding.
    seed : int
        Seed of the initial vectors.

    Returns
    -------
    numpy.ndarray, (nodes, dims), float32
        Nodes without an edge are unknown to the library and get a row of zeros.

    Raises
    ------
    PeerMissingError
        If pycleora is not installed.
    ValueError
        If the matrix, the width or the seed cannot be used.
    """
    _check_request(dims, seed)
    matrix = undirected(adjacency)
    pycleora = require("pycleora", "pycleora")
    embedding = np.zeros((matrix.shape[0], dims), dtype=np.float32)
    upper = sp.triu(matrix, k=1, format="coo")
    if upper.nnz == 0:
        return embedding
    lines = (f"{i} {j}" for i, j in zip(upper.row.tolist(), upper.col.tolist(), strict=True))
    graph = pycleora.SparseMatrix.from_iterator(lines, "complex::reflexive::node", num_workers=1)
    rows = pycleora.embed(graph, feature_dim=dims, seed=seed, num_workers=1)
    # The library numbers nodes in the order it met them.
    embedding[np.asarray(graph.entity_ids, dtype=np.int64)] = rows
    return embedding


# nptyping, which PecanPy imports only for its annotations, reads these names at import time. numpy
# 2 dropped them, and the only releases of nptyping that admit numpy 2 are older than it.
_NUMPY_1_NAMES = {
    "bool8": np.bool_,
    "object0": np.object_,
    "int0": np.intp,
    "uint0": np.uintp,
    "float_": np.float64,
    "longfloat": np.longdouble,
    "singlecomplex": np.complex64,
    "complex_": np.complex128,
    "cfloat": np.complex128,
    "clongfloat": np.clongdouble,
    "longcomplex": np.clongdouble,
    "void0": np.void,
    "string_": np.bytes_,
    "bytes0": np.bytes_,
    "unicode_": np.str_,
    "str0": np.str_,
}


@contextmanager
def _numpy_1_names() -> Iterator[None]:
    added = [name for name in _NUMPY_1_NAMES if name not in vars(np)]
    for name in added:
        setattr(np, name, _NUMPY_1_NAMES[name])
    try:
        yield
    finally:
        for name in added:
            delattr(np, name)


@contextmanager
def _one_numba_thread() -> Iterator[None]:
    numba = require("numba", "numba")
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@contextmanager
def _global_numpy_state_kept() -> Iterator[None]:
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def node2vec_embedding(adjacency: Any, dims: int, seed: int) -> Embedding:
    """node2vec (PecanPy 2.0.9) with p = q = 1: 10 walks of 80 steps a node, skip-gram, window 10.

    These are the defaults of the paper (Grover and Leskovec, KDD 2016) and of PecanPy's command.
    With p = q = 1 the walks are of first order, so PecanPy's first-order modes draw them; its
    authors recommend that, and it is several times faster than the general mode. Edge weights are
    used where they differ. PecanPy compiles its walk anew on every call: 2 to 4 CPU seconds that a
    caller cannot save.

    Parameters
    ----------
    adjacency : scipy sparse matrix or array, (nodes, nodes)
    dims : int
        Width of the embedding.
    seed : int
        Seed of the walks and of the skip-gram model.

    Returns
    -------
    numpy.ndarray, (nodes, dims), float32
        Nodes without an edge keep the vector they started with.

    Raises
    ------
    PeerMissingError
        If PecanPy is not installed.
    ValueError
        If the matrix, the width or the seed cannot be used.
    """
    _check_request(dims, seed)
    matrix = undirected(adjacency)
    with _numpy_1_names():
        pecanpy = require("pecanpy.pecanpy", "pecanpy")
    if matrix.shape[0] == 0:
        return np.zeros((0, dims), dtype=np.float32)
    unweighted = matrix.nnz == 0 or bool((matrix.data == matrix.data[0]).all())
    mode = pecanpy.FirstOrderUnweighted if unweighted else pecanpy.PreCompFirstOrder
    model = mode(p=1, q=1, workers=1, verbose=False, random_state=seed)
    # PecanPy has no reader for a sparse matrix in memory, only for files; these are the fields its
    # own ``read_npz`` fills.
    model.set_node_ids(None, implicit_ids=True, num_nodes=matrix.shape[0])
    model.indptr = matrix.indptr.astype(np.uint32)
    model.indices = matrix.indices.astype(np.uint32)
    model.data = matrix.data
    # It seeds numpy's global generator.
    with _one_numba_thread(), _global_numpy_state_kept():
        rows = model.embed(dim=dims, num_walks=10, walk_length=80, window_size=10, epochs=1)
    return np.asarray(rows, dtype=np.float32)


PEERS: dict[str, Callable[[Any, int, int], Embedding]] = {
    "pycleora": pycleora_embedding,
    "node2vec": node2vec_embedding,
}
"""Name in the tables -> function; the packages are pycleora and pecanpy."""
