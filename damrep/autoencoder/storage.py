"""A fitted autoencoder on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from damrep.autoencoder.completion import Completion
from damrep.autoencoder.network import ACTIVATIONS, AutoencoderNetwork
from damrep.masking.schema import (
    NUMBER,
    NUMBERS,
    TEXT,
    Choice,
    Flag,
    Items,
    Maybe,
    Number,
    Record,
    Row,
    Whole,
)
from damrep.masking.validation import InputError
from damrep.training import ModelFormat, damage_told, fitted_fields, load_folder, save_folder
from damrep.training.fitted import OUTPUT_FIELDS
from damrep.training.stored_tensors import (
    FLOAT32,
    FLOAT64,
    FLOATS,
    Layout,
    Stored,
    blank_module,
    filled_module,
    module_tensors,
)

__all__ = ["KIND", "load_model", "save_model"]

KIND = "autoencoder"


def save_model(
    path: str | os.PathLike[str],
    network: AutoencoderNetwork,
    mean: np.ndarray,
    scale: float,
    meta: dict[str, Any],
) -> None:
    """Write the parts of a fitted model.

    Parameters
    ----------
    path
        The folder; one that damrep wrote is replaced.
    network, mean, scale
        What the model is made of.
    meta
        More for the config, plain data.

    Raises
    ------
    InputError
        If something that is not a damrep model stands at `path`.
    """
    tensors = {f"network.{k}": v.contiguous().clone() for k, v in network.state_dict().items()}
    tensors["mean"] = torch.from_numpy(np.array(mean, dtype=np.float64))
    config = {
        **meta,
        "columns": network.columns,
        "hidden": network.hidden,
        "width": network.width,
        "activation": network.activation,
        "linear_path": network.linear_encoder is not None,
        "scale": scale,
    }
    if network.completion is not None:
        config["told"] = network.completion.told
    save_folder(path, FORMAT, config, tensors)


def load_model(
    path: str | os.PathLike[str],
) -> tuple[AutoencoderNetwork, np.ndarray, float, dict[str, Any]]:
    """Read what `save_model` wrote: network, mean, scale, config.

    Raises
    ------
    InputError
        If the folder is not an autoencoder, or damaged.
    """
    config, tensors = load_folder(path, FORMAT)
    with damage_told(path):
        network = filled_module(_blank_network(config), tensors, "network.")
    return network, tensors["mean"].numpy(), float(config["scale"]), config


def _blank_network(config: Mapping[str, Any]) -> AutoencoderNetwork:
    names = ("columns", "hidden", "width", "activation", "linear_path")

    def build() -> AutoencoderNetwork:
        network = AutoencoderNetwork(*(config[name] for name in names))
        if "told" in config:
            network.completion = Completion(network.width, network.hidden, config["told"])
        return network

    return blank_module(build)


def _expected(config: Mapping[str, Any], layout: Layout) -> dict[str, Stored]:
    """What the tensors have to be, by the config."""
    columns, names = config["columns"], config["feature_names"]
    if config["width"] != config["report"]["learned_dims"]:
        raise InputError(f"width is {config['width']}, the report says otherwise")
    if names is not None and len(names) != columns:
        raise InputError(f"{len(names)} feature_names for {columns} columns")
    told = config.get("told")
    if told is not None and (len(told) != config["width"] - 1 or not config["hidden"]):
        raise InputError(f"told is of {len(told)} prefixes, of {config['width']} codes")
    if any(used > m for m, used in enumerate(told or (), start=1)):
        raise InputError("told names codes that prefixes do not have")
    # Of the table it was fitted to; all of one kind.
    kind = {told.dtype for name, told in layout.items() if name.startswith("network.")} & {*FLOATS}
    dtypes = tuple(kind) if len(kind) == 1 else FLOAT32
    return {
        **module_tensors(_blank_network(config), "network.", dtypes),
        "mean": Stored((columns,), FLOAT64),
    }


_WIDTH = Whole(1)
FORMAT = ModelFormat(
    KIND,
    Record(
        {
            **fitted_fields(),
            "feature_names": Maybe(Items(TEXT)),
            "curve": Items(Row((NUMBER, Maybe(NUMBER)))),
            "prefixes": NUMBERS,
            "variance": NUMBERS,
            "columns": _WIDTH,
            "hidden": Items(_WIDTH, most=1000),
            "width": _WIDTH,
            "activation": Choice(tuple(ACTIVATIONS)),
            "linear_path": Flag(),
            "scale": Number(0.0, low_open=True),
        },
        optional={**OUTPUT_FIELDS, "told": Items(Whole())},
    ),
    _expected,
)
