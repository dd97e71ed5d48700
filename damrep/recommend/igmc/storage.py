"""A fitted IGMC on disk: its networks, the ids, and the ratings it looks at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.recommend.igmc.biases import Biases
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.interactions import Interactions
from damrep.recommend.storage import pack_ids, unpack_ids
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
    matrix = ratings.matrix
    tensors = {
        "levels": _tensor(levels),
        "ratings.ends": _tensor(matrix.indptr.astype(np.int64)),
        "ratings.items": _tensor(matrix.indices.astype(np.int32)),
        "ratings.values": _tensor(matrix.data),
    }
    if not networks:
        tensors |= {"biases.user": _tensor(biases.user), "biases.item": _tensor(biases.item)}
    for number, network in enumerate(networks):
        state = network.state_dict()
        tensors |= {f"network.{number}.{k}": v.contiguous().clone() for k, v in state.items()}
    ids = {}
    for name, index in (("user_ids", ratings.user_ids), ("item_ids", ratings.item_ids)):
        ids[name], more = pack_ids(index)
        tensors |= {f"{name}.{part}": tensor for part, tensor in more.items()}
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
        users, items = (
            unpack_ids(config["ids"][name], arrays, name, shape[count])
            for name, count in (("user_ids", "users"), ("item_ids", "items"))
        )
        matrix = sp.csr_matrix(
            (arrays["ratings.values"], arrays["ratings.items"], arrays["ratings.ends"]),
            shape=(len(users), len(items)),
        )
        matrix.check_format(full_check=True)
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
        if not networks and (len(of_users), len(of_items)) != (len(users), len(items)):
            raise ValueError("biases do not fit the ids")
        biases = Biases(float(shape["bias_mean"]), of_users, of_items)
    return networks, biases, levels, Interactions(matrix, users, items), config


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: those of a loaded model may be read-only
