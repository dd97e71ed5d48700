"""A fitted graph model on disk."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from damrep.graph.adjacency import canonical_adjacency, symmetrise
from damrep.graph.data import Graph, build_graph
from damrep.graph.encoders import ENCODERS, make_encoder
from damrep.graph.inputs import FeaturePreparation
from damrep.graph.joining import FittedNodes
from damrep.graph.representation import CompactEmbedding
from damrep.graph.structure import StructureBasis
from damrep.training import damage_told, load_folder, local_seed, save_folder

__all__ = ["KIND", "load_model", "save_model"]

KIND = "graph-embedding"

Parts = tuple[FeaturePreparation, CompactEmbedding, nn.Linear | None, FittedNodes, dict[str, Any]]


def save_model(
    path: str | os.PathLike[str],
    preparation: FeaturePreparation,
    compact: CompactEmbedding,
    classifier: nn.Linear | None,
    nodes: FittedNodes,
    meta: dict[str, Any],
) -> None:
    """Write the parts of a fitted model.

    Parameters
    ----------
    path
        The folder; one that damrep wrote is replaced.
    preparation, compact, classifier
        What the model is made of; classifier is None for a model fitted without labels.
    nodes
        Fitted on, with their graph where it is kept.
    meta
        More for the config, plain data.

    Raises
    ------
    InputError
        If something that is not a damrep model stands at `path`.
    """
    tensors: dict[str, Tensor] = {"bias": compact.bias}
    for name in ("head", "axes"):
        value = getattr(compact, name)
        if value is not None:
            tensors[name] = value
    encoder = None
    if compact.encoder is not None:
        names = {kind: name for name, kind in ENCODERS.items()}
        encoder = {"name": names[type(compact.encoder)], "widths": compact.encoder.widths}
        tensors |= {f"encoder.{k}": v for k, v in compact.encoder.state_dict().items()}
    if classifier is not None:
        tensors |= {f"classifier.{k}": v for k, v in classifier.state_dict().items()}
    for name in ("offset", "scale"):
        value = getattr(preparation, name)
        if value is not None:
            tensors[f"features.{name}"] = torch.from_numpy(value)
    structure = preparation.structure
    if structure is not None:
        tensors["structure.popularity"] = torch.from_numpy(structure.popularity)
        tensors["structure.axes"] = torch.from_numpy(np.ascontiguousarray(structure.axes))
    if preparation.names is not None:
        tensors["features.names"] = _ids_to_bytes(np.array(preparation.names, dtype=object))
    # Of a model of the structure, ids were among its tensors before they were of every model.
    ids = "graph.node_ids" if structure is None else "structure.node_ids"
    tensors[ids] = _ids_to_bytes(nodes.node_ids)
    if nodes.graph is not None:
        # Symmetric: one half says it all.
        tensors |= _matrix_parts("graph.edges", sp.csr_array(sp.triu(nodes.graph.adjacency)))
        if nodes.graph.features is not None:
            tensors |= _matrix_parts("graph.features", nodes.graph.features)
    config = {
        **meta,
        "encoder": encoder,
        "num_features": preparation.num_features,
        "input_width": preparation.num_features if structure is None else structure.axes.shape[1],
        "smoothing": compact.smoothing,
        "steps": compact.steps,
    }
    save_folder(path, KIND, config, {k: v.contiguous().clone() for k, v in tensors.items()})


def load_model(path: str | os.PathLike[str]) -> Parts:
    """Read what `save_model` wrote: preparation, model, classifier, nodes, config.

    Raises
    ------
    InputError
        If the folder is not a graph model, or damaged.
    """
    config, tensors = load_folder(path, KIND)
    # Layers draw weights when they are made; that must not advance the global generator.
    with damage_told(path), local_seed(0):
        return _rebuild(config, tensors)


def _rebuild(config: dict[str, Any], tensors: dict[str, Tensor]) -> Parts:
    encoder = None
    if config["encoder"] is not None:
        encoder = make_encoder(
            config["encoder"]["name"], config["input_width"], config["encoder"]["widths"]
        )
        encoder.load_state_dict(_below("encoder.", tensors))
        encoder.eval()
    compact = CompactEmbedding(
        encoder,
        tensors.get("head"),
        tensors.get("axes"),
        tensors["bias"],
        config["smoothing"],
        config["steps"],
    )
    classifier = None
    if "classifier.weight" in tensors:
        classes, width = tensors["classifier.weight"].shape
        classifier = nn.Linear(width, classes)
        classifier.load_state_dict(_below("classifier.", tensors))
    structure = None
    node_ids = np.empty(0, dtype=np.int64)  # not saved once, of a model with features
    if "graph.node_ids" in tensors:
        node_ids = _bytes_to_ids(tensors["graph.node_ids"])
    if "structure.axes" in tensors:
        node_ids = _bytes_to_ids(tensors["structure.node_ids"])
        structure = StructureBasis(
            node_ids,
            tensors["structure.popularity"].numpy(),
            tensors["structure.axes"].numpy(),
        )
    offset, scale = tensors.get("features.offset"), tensors.get("features.scale")
    names = None
    if "features.names" in tensors:
        names = tuple(_bytes_to_ids(tensors["features.names"]).tolist())
        if len(names) != config["num_features"]:
            raise ValueError(f"{len(names)} names of {config['num_features']} features")
    preparation = FeaturePreparation(
        config["num_features"],
        None if offset is None else offset.numpy(),
        None if scale is None else scale.numpy(),
        structure,
        names,
    )
    kept = None
    if any(name.startswith("graph.edges") for name in tensors):
        kept = _kept_graph(node_ids, config["num_features"], names, tensors)
    return preparation, compact, classifier, FittedNodes(node_ids, kept), config


def _kept_graph(
    node_ids: np.ndarray,
    num_features: int,
    names: tuple[str, ...] | None,
    tensors: dict[str, Tensor],
) -> Graph:
    half = _matrix("graph.edges", tensors)
    features = None
    if "graph.features" in tensors or "graph.features.shape" in tensors:
        features = _matrix("graph.features", tensors)
        if features.shape[1:] != (num_features,):
            raise ValueError(f"features of shape {features.shape}, {num_features} columns expected")
    # Checked as any graph that is read.
    whole = symmetrise(canonical_adjacency(half), edges_once=True)
    return build_graph(whole, features, node_ids=node_ids, feature_names=names)


def _matrix_parts(name: str, matrix: Any) -> dict[str, Tensor]:
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


def _matrix(name: str, tensors: dict[str, Tensor]) -> Any:
    if name in tensors:
        return tensors[name].numpy()
    data, indices, indptr, shape = (
        tensors[f"{name}.{part}"].numpy() for part in ("data", "indices", "indptr", "shape")
    )
    matrix = sp.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    matrix.check_format(full_check=True)  # an index out of range would be read from anywhere
    return matrix


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _ids_to_bytes(ids: np.ndarray) -> Tensor:
    """Integers as they are; strings as the bytes of a JSON list, for ids may hold anything."""
    if ids.dtype.kind in "iu":
        return torch.from_numpy(ids.astype(np.int64))
    return torch.from_numpy(np.frombuffer(json.dumps(ids.tolist()).encode(), np.uint8).copy())


def _bytes_to_ids(stored: Tensor) -> np.ndarray:
    if stored.dtype == torch.int64:
        return np.asarray(stored.numpy())
    names = json.loads(stored.numpy().tobytes().decode())
    return np.array([str(name) for name in names], dtype=object)
