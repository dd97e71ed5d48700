"""A fitted graph model on disk."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from damrep.graph.encoders import ENCODERS, make_encoder
from damrep.graph.inputs import FeaturePreparation
from damrep.graph.representation import CompactEmbedding
from damrep.graph.structure import StructureBasis
from damrep.training import damage_told, load_folder, local_seed, save_folder

__all__ = ["KIND", "load_model", "save_model"]

KIND = "graph-embedding"


def save_model(
    path: str | os.PathLike[str],
    preparation: FeaturePreparation,
    compact: CompactEmbedding,
    classifier: nn.Linear | None,
    meta: dict[str, Any],
) -> None:
    """Write the parts of a fitted model.

    Parameters
    ----------
    path
        The folder; one that damrep wrote is replaced.
    preparation, compact, classifier
        What the model is made of; classifier is None for a model fitted without labels.
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
        tensors["structure.node_ids"] = _ids_to_bytes(structure.node_ids)
    config = {
        **meta,
        "encoder": encoder,
        "num_features": preparation.num_features,
        "input_width": preparation.num_features if structure is None else structure.axes.shape[1],
        "smoothing": compact.smoothing,
        "steps": compact.steps,
    }
    save_folder(path, KIND, config, {k: v.contiguous().clone() for k, v in tensors.items()})


def load_model(
    path: str | os.PathLike[str],
) -> tuple[FeaturePreparation, CompactEmbedding, nn.Linear | None, dict[str, Any]]:
    """Read what `save_model` wrote: preparation, model, classifier, config.

    Raises
    ------
    InputError
        If the folder is not a graph model, or damaged.
    """
    config, tensors = load_folder(path, KIND)
    # Layers draw weights when they are made; that must not advance the global generator.
    with damage_told(path), local_seed(0):
        return _rebuild(config, tensors)


def _rebuild(
    config: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[FeaturePreparation, CompactEmbedding, nn.Linear | None, dict[str, Any]]:
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
    if "structure.axes" in tensors:
        structure = StructureBasis(
            _bytes_to_ids(tensors["structure.node_ids"]),
            tensors["structure.popularity"].numpy(),
            tensors["structure.axes"].numpy(),
        )
    offset, scale = tensors.get("features.offset"), tensors.get("features.scale")
    preparation = FeaturePreparation(
        config["num_features"],
        None if offset is None else offset.numpy(),
        None if scale is None else scale.numpy(),
        structure,
    )
    return preparation, compact, classifier, config


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
