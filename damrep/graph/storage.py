"""A fitted graph model on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from damrep.graph.encoding.encoders import ENCODERS, make_encoder
from damrep.graph.encoding.inputs import FeaturePreparation
from damrep.graph.encoding.representation import CompactEmbedding
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.encoding.structure import StructureBasis
from damrep.graph.joining import FittedNodes
from damrep.graph.node_storage import expected_nodes, node_tensors, stored_nodes
from damrep.graph.settings import MOST_STEPS
from damrep.masking.schema import (
    COUNT,
    TEXT,
    AnyOf,
    Choice,
    Flag,
    Items,
    Maybe,
    Number,
    Record,
    Whole,
)
from damrep.masking.validation import InputError
from damrep.training import ModelFormat, damage_told, fitted_fields, load_folder, save_folder
from damrep.training.fitted import OUTPUT_FIELDS
from damrep.training.stored_tensors import (
    FLOATS,
    Layout,
    Stored,
    blank_module,
    filled_module,
    module_tensors,
)

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
    for name in ("head", "axes", "positions"):
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
    tensors |= node_tensors(nodes, preparation.names, structure=not preparation.num_features)
    columns = preparation.num_features
    if structure is not None and not columns:
        columns = structure.axes.shape[1]
    config = {
        **meta,
        "encoder": encoder,
        "num_features": preparation.num_features,
        "input_width": columns,
        "smoothing": compact.smoothing,
        "steps": {"count": compact.steps, "restart": compact.restart},
        **({"directed": True} if preparation.directed else {}),
    }
    save_folder(path, FORMAT, config, tensors)


def load_model(path: str | os.PathLike[str]) -> Parts:
    """Read what `save_model` wrote: preparation, model, classifier, nodes, config.

    Raises
    ------
    InputError
        If the folder is not a graph model, or damaged.
    """
    config, tensors = load_folder(path, FORMAT)
    with damage_told(path):
        return _rebuild(config, tensors)


def _expected(config: Mapping[str, Any], layout: Layout) -> dict[str, Stored]:
    """What the tensors have to be, by the config."""
    width, columns = config["report"]["learned_dims"], config["input_width"]
    expected = {"bias": Stored((width,))}
    encoder = _blank_encoder(config)
    if encoder is not None:
        expected["head"] = Stored((width, encoder.widths[-1]))
        expected |= module_tensors(encoder, "encoder.")
    ways = 2 if config.get("directed") else 1
    if _steps(config)[0]:
        expected["axes"] = Stored((ways * columns, width))
    if "positions" in layout:
        expected["positions"] = Stored((2, None, width))
    elif encoder is None and not _steps(config)[0]:
        raise InputError("there is neither an encoder nor a step")
    if config["classes"] is not None:
        classes = len(config["classes"])
        expected |= module_tensors(blank_module(lambda: nn.Linear(width, classes)), "classifier.")
    if config["num_features"]:
        if columns != config["num_features"]:
            raise InputError(f"input_width is {columns}, num_features {config['num_features']}")
        if {"features.offset", "features.scale"} & set(layout):
            expected["features.offset"] = expected["features.scale"] = Stored((columns,))
    if not config["num_features"] or "structure.popularity" in layout:
        nodes = layout["structure.popularity"].shape[0] if "structure.popularity" in layout else 0
        expected["structure.popularity"] = Stored((nodes, 2) if ways > 1 else (nodes,), FLOATS)
        axes = (nodes, None) if config["num_features"] else (nodes, columns)
        expected["structure.axes"] = Stored(axes)
    return expected | expected_nodes(config, layout)


FORMAT = ModelFormat(
    KIND,
    Record(
        {
            **fitted_fields(),
            "classes": Maybe(Items(AnyOf((TEXT, Whole(-(2**63), 2**63 - 1))), least=1)),
            "encoder": Maybe(
                Record({"name": Choice(ENCODERS), "widths": Items(COUNT, least=1, most=1000)})
            ),
            "num_features": COUNT,
            "input_width": COUNT,
            "smoothing": Whole(0, MOST_STEPS),
            # A number alone was the mean over so many steps.
            "steps": AnyOf(
                (
                    Whole(0, MOST_STEPS),
                    Record({"count": Whole(0, MOST_STEPS), "restart": Number(0.0, 1.0)}),
                )
            ),
        },
        optional={**OUTPUT_FIELDS, "directed": Flag()},
    ),
    _expected,
)


def _steps(config: Mapping[str, Any]) -> tuple[int, float]:
    """Propagation steps of the features, and the restart."""
    given = config["steps"]
    return (given, 0.0) if isinstance(given, int) else (given["count"], given["restart"])


def _blank_encoder(config: Mapping[str, Any]) -> GraphEncoder | None:
    given = config["encoder"]
    if given is None:
        return None
    return blank_module(lambda: make_encoder(given["name"], config["input_width"], given["widths"]))


def _rebuild(config: dict[str, Any], tensors: dict[str, Tensor]) -> Parts:
    encoder = _blank_encoder(config)
    if encoder is not None:
        encoder = filled_module(encoder, tensors, "encoder.")
    compact = CompactEmbedding(
        encoder,
        tensors.get("head"),
        tensors.get("axes"),
        tensors["bias"],
        config["smoothing"],
        *_steps(config),
        tensors.get("positions"),
    )
    classifier = None
    if config["classes"] is not None:
        classes, width = tensors["classifier.weight"].shape
        classifier = blank_module(lambda: nn.Linear(width, classes))
        classifier = filled_module(classifier, tensors, "classifier.")
    nodes, names = stored_nodes(config, tensors)
    structure = None
    if "structure.axes" in tensors:
        structure = StructureBasis(
            nodes.node_ids,
            tensors["structure.popularity"].numpy(),
            tensors["structure.axes"].numpy(),
        )
    offset, scale = tensors.get("features.offset"), tensors.get("features.scale")
    preparation = FeaturePreparation(
        config["num_features"],
        None if offset is None else offset.numpy(),
        None if scale is None else scale.numpy(),
        structure,
        names,
        bool(config.get("directed")),
    )
    return preparation, compact, classifier, nodes, config
