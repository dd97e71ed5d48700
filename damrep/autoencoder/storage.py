"""A fitted autoencoder on disk."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from damrep.autoencoder.network import AutoencoderNetwork
from damrep.training import damage_told, load_folder, local_seed, save_folder

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
    save_folder(path, KIND, config, tensors)


def load_model(
    path: str | os.PathLike[str],
) -> tuple[AutoencoderNetwork, np.ndarray, float, dict[str, Any]]:
    """Read what `save_model` wrote: network, mean, scale, config.

    Raises
    ------
    InputError
        If the folder is not an autoencoder, or damaged.
    """
    config, tensors = load_folder(path, KIND)
    with damage_told(path):
        weights = {
            k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")
        }
        # Layers draw weights when they are made; that must not advance the global generator.
        with local_seed(0):
            network = AutoencoderNetwork(
                config["columns"],
                config["hidden"],
                config["width"],
                config["activation"],
                config["linear_path"],
            )
        network.to(next(iter(weights.values())).dtype).load_state_dict(weights)
        mean = tensors["mean"].numpy()
        if mean.shape != (network.columns,):
            raise ValueError(f"{len(mean)} means for {network.columns} columns")
        return network.eval(), mean, float(config["scale"]), config
