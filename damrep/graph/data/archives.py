"""Graphs in binary files: .npz and .pt, neither of which may run code when read."""

from __future__ import annotations

import pickle
import re
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from damrep.graph.data.adjacency import adjacency_from_edges, canonical_adjacency, symmetrise
from damrep.graph.data.splits import SPLITS
from damrep.masking.validation import InputError
from damrep.reading.arrays import Arrays
from damrep.reading.files import reason

_CELLS = 10**8  # nodes times classes that so few memberships may have

__all__ = ["FEATURE_KEYS", "LABEL_KEYS", "read_npz_graph", "read_pt"]

FEATURE_KEYS = ("node_features", "features", "x", "attr_matrix", "arr_0")
LABEL_KEYS = ("labels", "node_labels", "label", "y", "target")


def read_npz_graph(path: Path, directed: bool | None = None) -> tuple[sp.csr_array, dict[str, Any]]:
    """Read one of the ways in which graphs are kept in .npz files.

    - `scipy.sparse.save_npz`: the adjacency, nothing else (data may be absent: all ones);
    - adj_data, adj_indices, adj_indptr, adj_shape, attr_* and labels (gnn-benchmark);
    - edges (m, 2), each edge once unless `directed`, with features as a matrix (node_features,
      features, x) or as attr_indices, attr_indptr, attr_shape; labels or node_labels, or
      label_node and label_group for several a node; train_masks (splits, nodes); num_nodes.

    Parameters
    ----------
    path : Path
    directed : bool, optional
        For a list of edges: whether row u, v is an arc; None means not.

    Returns
    -------
    adjacency : csr_array, shape (n, n)
    own : dict
        What else was there, as `damrep.graph.data.convert.assemble` takes it.

    Raises
    ------
    InputError
        If the file is corrupt or laid out in no way known here.
    """
    arrays = Arrays(path)
    own = _attributes(arrays)
    matrix = arrays.matrix()
    if matrix is None and "adj_indptr" in arrays:
        matrix = arrays.csr("adj_")
    if matrix is not None:
        if "features" in own and own["features"].shape[0] != matrix.shape[0]:
            own = {}
        return canonical_adjacency(matrix, str(path)), own
    if "edges" not in arrays and "edge_index" not in arrays:
        raise InputError(
            f"{path}: no graph in it; expected a sparse matrix, adj_* or edges among its arrays, "
            f"got {arrays.listed()}"
        )
    edges = arrays["edges"] if "edges" in arrays else arrays["edge_index"].T
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise InputError(
            f"{path}: edges must be integers of shape (m, 2), got {edges.dtype} of shape "
            f"{edges.shape}"
        )
    weight = arrays.first(("edge_weight", "weights", "weight"))
    count = _num_nodes(arrays, own, edges)
    adjacency = adjacency_from_edges(edges[:, 0], edges[:, 1], weight, count, where=str(path))
    if not directed:
        adjacency = symmetrise(adjacency)
    return adjacency, own


def _num_nodes(arrays: Arrays, own: dict[str, Any], edges: np.ndarray) -> int:
    if "num_nodes" in arrays:
        return arrays.whole("num_nodes")
    for key in ("features", "labels"):
        if key in own:
            return int(own[key].shape[0])
    return int(edges.max(initial=-1)) + 1


def _attributes(arrays: Arrays) -> dict[str, Any]:
    own: dict[str, Any] = {"name": arrays.path.name.removesuffix(".npz")}
    if "attr_indptr" in arrays:
        own["features"] = arrays.csr("attr_")
        if "attr_names" in arrays and len(arrays["attr_names"]) == own["features"].shape[1]:
            own["feature_names"] = arrays["attr_names"].tolist()
    else:
        features = arrays.first(FEATURE_KEYS)
        if features is not None:
            own["features"] = features
    labels = arrays.first(LABEL_KEYS)
    for what, part in (("features", own.get("features")), ("labels", labels)):
        if part is not None and part.ndim == 0:
            raise InputError(f"{arrays.path}: {what} are a single value; expected one a node")
    if labels is not None:
        own["labels"] = labels
        names = arrays["class_names"] if "class_names" in arrays else None
        if names is not None and labels.ndim == 1 and labels.dtype.kind in "iu":
            own["label_names"] = names.tolist()
    elif "label_node" in arrays and "label_group" in arrays:
        own["labels"] = _memberships(arrays)
    splits = {}
    for key in SPLITS:
        if f"{key}_masks" in arrays:
            splits[key] = arrays[f"{key}_masks"].T
        elif f"{key}_mask" in arrays:
            splits[key] = arrays[f"{key}_mask"]
    if splits:
        own["splits"] = splits
    return own


def _memberships(arrays: Arrays) -> np.ndarray:
    node, group = (arrays[key] for key in ("label_node", "label_group"))
    if any(part.ndim != 1 or part.dtype.kind not in "iu" for part in (node, group)):
        raise InputError(f"{arrays.path}: label_node and label_group must be whole numbers")
    nodes = arrays.whole("num_nodes") if "num_nodes" in arrays else int(node.max(initial=-1)) + 1
    groups = (
        arrays.whole("num_groups") if "num_groups" in arrays else int(group.max(initial=-1)) + 1
    )
    fits = node.shape == group.shape and min(node.min(initial=0), group.min(initial=0)) >= 0
    fits = fits and nodes * groups <= max(_CELLS, 1000 * len(node))
    if not fits or node.max(initial=-1) >= nodes or group.max(initial=-1) >= groups:
        raise InputError(
            f"{arrays.path}: label_node and label_group do not fit {nodes} nodes and {groups} "
            "groups"
        )
    result = np.zeros((nodes, groups), dtype=bool)
    result[node, group] = True
    return result


def read_pt(path: Path) -> Any:
    """Read a .pt file with a torch_geometric Data, or a dict of tensors named as in one.

    Only tensors, plain containers and the classes of torch_geometric that hold graphs are loaded;
    anything else the file asks for is refused instead of run.

    Parameters
    ----------
    path : Path

    Returns
    -------
    object
        With the attributes edge_index, x, y, ... as far as they are in the file.

    Raises
    ------
    InputError
        If the file is corrupt, needs more than that, or holds no graph.
    """
    loaded = _torch_load(path)
    if isinstance(loaded, list):
        if len(loaded) != 1:
            raise InputError(f"{path}: holds {len(loaded)} graphs; expected one")
        loaded = loaded[0]
    if isinstance(loaded, tuple) and loaded and len(loaded) in (2, 3):
        # What InMemoryDataset writes: the data of all graphs, and where each one starts.
        several = isinstance(loaded[1], dict) and any(
            hasattr(cuts, "__len__") and len(cuts) > 2 for cuts in loaded[1].values()
        )
        if several:
            raise InputError(f"{path}: holds several graphs; expected one")
        loaded = loaded[0]
    if isinstance(loaded, dict):
        if not any(key in loaded for key in ("edge_index", "adj_t")):
            keys = ", ".join(str(key) for key in list(loaded)[:8]) or "none"
            raise InputError(f"{path}: a dict without edge_index; its keys are {keys}")
        loaded = types.SimpleNamespace(**{str(key): value for key, value in loaded.items()})
    try:
        found = hasattr(loaded, "edge_index")
    except Exception:  # classes of other versions of torch_geometric fail in many ways
        found = False
    if not found:
        raise InputError(
            f"{path}: holds a {type(loaded).__name__}; expected torch_geometric Data or a dict "
            "with edge_index"
        )
    return loaded


def _torch_load(path: Path) -> Any:
    import torch

    def load() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other protocols; what cannot be read is refused
            return torch.load(path, weights_only=True, map_location="cpu")

    try:
        return load()
    except pickle.UnpicklingError as error:
        if "torch_geometric" not in str(error):
            raise InputError(_refusal(path, error)) from None
    except Exception as error:  # its unpickler can fail on damaged bytes in any way
        raise InputError(f"{path}: not a readable .pt file ({reason(error)})") from None
    try:
        from torch_geometric.data import data as classes
        from torch_geometric.data import storage

        # Plain holders of attributes: they declare Data safe to load themselves, not its parts.
        parts = [
            classes.DataEdgeAttr,
            classes.DataTensorAttr,
            storage.GlobalStorage,
            storage.NodeStorage,
            storage.EdgeStorage,
        ]
        with torch.serialization.safe_globals(parts):
            return load()
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, error)) from None
    except Exception as error:  # its unpickler can fail on damaged bytes in any way
        raise InputError(f"{path}: not a readable .pt file ({reason(error)})") from None


def _refusal(path: Path, error: Exception) -> str:
    asked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if asked is None:
        return f"{path}: not a readable .pt file (no tensors and plain containers)"
    return (
        f"{path}: asks for {asked.group(1)}, which is not loaded because a file must not run "
        "code; save a torch_geometric Data or a dict of tensors"
    )
