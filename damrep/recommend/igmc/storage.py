"""A fitted IGMC on disk: its networks, the ids, and the ratings it looks at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.recommend.biases import Biases
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.interactions import Interactions
from damrep.recommend.storage import pack_interactions, unpack_interactions
from damrep.training import damage_told, load_folder, local_seed, save_folder

__all__ = ["load_igmc", "save_igmc"]

_KIND = "igmc"


def save_igmc(
    path: str | os.PathLike[str],
    networks: list[IGMCNetwork],
    biases: Biases,
    levels: np.ndarray,
    ratings: Interactions,
    config: Mapping[str, Any],
) -> None:
    """Write a fitted model, all of it or nothing.

    Parameters
    ----------
    path
        The folder; one that damrep wrote is replaced.
    networks, biases, levels, ratings
        What the model is made of. Biases are kept where there are no networks.
    config
        More, plain data.

    Raises
    ------
    InputError
        If something that is not a damrep model stands at `path`.
    """
    ids, tensors = pack_interactions(ratings)
    tensors["levels"] = _tensor(levels)
    if not networks:
        tensors |= {"biases.user": _tensor(biases.user), "biases.item": _tensor(biases.item)}
    for number, network in enumerate(networks):
        state = network.state_dict()
        tensors |= {f"network.{number}.{k}": v.contiguous().clone() for k, v in state.items()}
    shape = {
        "hidden": list(networks[0].hidden) if networks else [],
        "num_bases": networks[0].num_bases if networks else 0,
        "widths": [network.width for network in networks],
        "users": ratings.n_users,
        "items": ratings.n_items,
        "bias_mean": biases.mean,
    }
    save_folder(path, _KIND, {**config, "network": shape, "ids": ids}, tensors)


def load_igmc(
    path: str | os.PathLike[str],
) -> tuple[list[IGMCNetwork], Biases, np.ndarray, Interactions, dict[str, Any]]:
    """Read what `save_igmc` wrote.

    Raises
    ------
    InputError
        If the folder is not such a model, or damaged.
    """
    config, tensors = load_folder(path, _KIND)
    with damage_told(path):
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        shape, levels = config["network"], arrays["levels"]
        users, items = shape["users"], shape["items"]
        ratings = unpack_interactions(config["ids"], arrays, users, items)
        networks = []
        for number, width in enumerate(shape["widths"]):
            # Layers draw weights when they are made; that must not advance the global generator.
            with local_seed(0):
                network = IGMCNetwork(
                    len(levels), shape["hidden"], shape["num_bases"], width, masked=False
                )
            start = f"network.{number}."
            network.load_state_dict(
                {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            )
            networks.append(network.eval())
        none = np.zeros(0, dtype=np.float32)
        of_users = arrays.get("biases.user", none)
        of_items = arrays.get("biases.item", none)
        if not networks and (len(of_users), len(of_items)) != (users, items):
            raise ValueError("biases do not fit the ids")
        biases = Biases(float(shape["bias_mean"]), of_users, of_items)
    return networks, biases, levels, ratings, config


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: those of a loaded model may be read-only
