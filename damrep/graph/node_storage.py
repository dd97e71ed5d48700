"""The nodes a model was fitted on, on disk: their ids, names of features, and the graph if kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.graph.data.adjacency import canonical_adjacency, symmetrise
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.joining import FittedNodes
from damrep.masking.plain_files import parse_json
from damrep.masking.schema import TEXT, Items
from damrep.masking.validation import InputError
from damrep.training.stored_tensors import FLOATS, INT32, INT64, UINT8, Layout, Stored

__all__ = ["expected_nodes", "node_tensors", "stored_nodes"]

_NAMES, _EDGES, _FEATURES = "features.names", "graph.edges", "graph.features"
# Of a model of the structure, ids were among its tensors before they were of every model.
_IDS, _STRUCTURE_IDS = "graph.node_ids", "structure.node_ids"


def node_tensors(
    nodes: FittedNodes, names: tuple[str, ...] | None, *, structure: bool
) -> dict[str, Tensor]:
    """The nodes as tensors.

    Parameters
    ----------
    nodes
        Fitted on.
    names
        Of their features.
    structure
        Whether the model is one of the structure alone.
    """
    tensors = {_STRUCTURE_IDS if structure else _IDS: _to_bytes(nodes.node_ids)}
    if names is not None:
        tensors[_NAMES] = _to_bytes(np.array(names, dtype=object))
    if nodes.graph is not None:
        edges = nodes.graph.adjacency
        # Of a symmetric matrix one half says it all.
        tensors |= _parts(_EDGES, edges if nodes.graph.directed else sp.csr_array(sp.triu(edges)))
        if nodes.graph.features is not None:
            tensors |= _parts(_FEATURES, nodes.graph.features)
    return tensors


def expected_nodes(config: Mapping[str, Any], layout: Layout) -> dict[str, Stored]:
    """What those tensors have to be, as far as the folder says that they are there."""
    expected: dict[str, Stored] = {}
    nodes: int | None = None
    if not config["num_features"]:
        popularity = layout.get("structure.popularity")
        nodes = popularity.shape[0] if popularity is not None and popularity.shape else 0
    for name in (_IDS, _STRUCTURE_IDS):
        if name in layout or (name == _STRUCTURE_IDS and nodes is not None):
            numbers = name in layout and layout[name].dtype == torch.int64
            expected[name] = Stored((nodes,), INT64) if numbers else Stored((None,), UINT8)
    if _NAMES in layout:
        expected[_NAMES] = Stored((None,), UINT8)
    for name in (_EDGES, _FEATURES):
        if name in layout:
            expected[name] = Stored((None, config["num_features"]))
        elif any(part.startswith(f"{name}.") for part in layout):
            expected |= {
                f"{name}.shape": Stored((2,), INT64),
                f"{name}.indptr": Stored((None,), INT32 + INT64),
                f"{name}.indices": Stored((None,), INT32 + INT64),
                f"{name}.data": Stored((None,), FLOATS),
            }
    return expected


def stored_nodes(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[FittedNodes, tuple[str, ...] | None]:
    """The nodes, and the names of their features.

    Raises
    ------
    InputError, ValueError
        If they do not fit each other.
    """
    ids = np.empty(0, dtype=np.int64)  # not saved once, of a model with features
    for name in (_IDS, _STRUCTURE_IDS):
        if name in tensors:
            ids = _from_bytes(tensors[name], name)
    count, names = config["num_features"], None
    wanted = len(tensors.get("structure.popularity", ()))
    if wanted != len(ids) and (wanted or not count):
        name = _IDS if count else _STRUCTURE_IDS
        raise InputError(f"{name}: expected {wanted} different ids, got {len(ids)}")
    if _NAMES in tensors:
        names = tuple(_from_bytes(tensors[_NAMES], _NAMES, different=False).tolist())
        if len(names) != count:
            raise InputError(f"{_NAMES}: {len(names)} names of {count} features")
    if f"{_EDGES}.data" not in tensors:
        return FittedNodes(ids, None), names
    half, features = _matrix(_EDGES, tensors), None
    if _FEATURES in tensors or f"{_FEATURES}.data" in tensors:
        features = _matrix(_FEATURES, tensors)
        if features.shape[1:] != (count,):
            raise InputError(f"{_FEATURES}: shape {features.shape}, {count} columns expected")
    elif count:
        raise InputError(f"tensor {_FEATURES} is missing")
    # Checked as any graph that is read.
    whole = canonical_adjacency(half)
    if not config.get("directed"):
        whole = symmetrise(whole, edges_once=True)
    graph: Graph = build_graph(whole, features, node_ids=ids, feature_names=names)
    return FittedNodes(ids, graph), names


def _to_bytes(ids: np.ndarray) -> Tensor:
    """Integers as they are; strings as the bytes of a JSON list, for ids may hold anything."""
    if ids.dtype.kind in "iu":
        return torch.from_numpy(ids.astype(np.int64))
    return torch.from_numpy(np.frombuffer(json.dumps(ids.tolist()).encode(), np.uint8).copy())


def _from_bytes(stored: Tensor, name: str, *, different: bool = True) -> np.ndarray:
    if stored.dtype == torch.int64:
        ids = np.asarray(stored.numpy())
    else:
        strings = parse_json(stored.numpy().tobytes(), most_values=None)
        Items(TEXT).check(strings, name)
        ids = np.array([*strings, None], dtype=object)[:-1]
    if different and len(set(ids.tolist())) != len(ids):
        raise InputError(f"{name}: one id comes twice")
    return ids


def _parts(name: str, matrix: Any) -> dict[str, Tensor]:
    """A matrix as tensors: dense as it is, sparse as shape and compressed rows."""
    if not sp.issparse(matrix):
        return {name: torch.from_numpy(np.ascontiguousarray(matrix))}
    return {
        f"{name}.shape": torch.tensor(matrix.shape),
        **{
            f"{name}.{part}": torch.from_numpy(np.ascontiguousarray(getattr(matrix, part)))
            for part in ("indptr", "indices", "data")
        },
    }


def _matrix(name: str, tensors: Mapping[str, Tensor]) -> Any:
    if name in tensors:
        return tensors[name].numpy()
    data, indices, indptr, shape = (
        tensors[f"{name}.{part}"].numpy() for part in ("data", "indices", "indptr", "shape")
    )
    if len(indptr) != shape[0] + 1:  # before anything of that size is made
        raise InputError(f"{name}: {len(indptr)} row starts, {shape[0]} rows")
    matrix = sp.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    matrix.check_format(full_check=True)  # an index out of range would be read from anywhere
    return matrix
