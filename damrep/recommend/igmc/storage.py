"""A fitted IGMC on disk: its networks, the ids, and the ratings it looks at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from damrep.masking.schema import COUNT, NUMBER, Choice, Items, Maybe, Record, Whole
from damrep.masking.validation import InputError
from damrep.recommend.biases import Biases
from damrep.recommend.igmc.batches import AGGREGATIONS
from damrep.recommend.igmc.levels import MOST_LEVELS
from damrep.recommend.igmc.network import IGMCNetwork
from damrep.recommend.interactions import Interactions
from damrep.recommend.storage import READING
from damrep.recommend.stored_ratings import (
    IDS,
    pack_interactions,
    stored_interactions,
    to_tensor,
    unpack_interactions,
)
from damrep.training import ModelFormat, damage_told, fitted_fields, load_folder, save_folder
from damrep.training.stored_tensors import (
    Layout,
    Stored,
    blank_module,
    filled_module,
    module_tensors,
)

__all__ = ["load_igmc", "save_igmc"]


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
    tensors["levels"] = to_tensor(levels)
    if not networks:
        tensors |= {"biases.user": to_tensor(biases.user), "biases.item": to_tensor(biases.item)}
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
    save_folder(path, FORMAT, {**config, "network": shape, "ids": ids}, tensors)


def load_igmc(
    path: str | os.PathLike[str],
) -> tuple[list[IGMCNetwork], Biases, np.ndarray, Interactions, dict[str, Any]]:
    """Read what `save_igmc` wrote.

    Raises
    ------
    InputError
        If the folder is not such a model, or damaged.
    """
    config, tensors = load_folder(path, FORMAT)
    with damage_told(path):
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        shape, levels = config["network"], arrays["levels"]
        if (np.diff(levels) <= 0).any():
            raise InputError("levels: expected rising numbers")
        ratings = unpack_interactions(config["ids"], arrays, shape["users"], shape["items"])
        networks = []
        for number in range(len(shape["widths"])):
            network = _blank_network(config, len(levels))
            networks.append(filled_module(network, tensors, f"network.{number}."))
        none = np.zeros(0, dtype=np.float32)
        biases = Biases(
            float(shape["bias_mean"]),
            arrays.get("biases.user", none),
            arrays.get("biases.item", none),
        )
    return networks, biases, levels, ratings, config


def _blank_network(config: Mapping[str, Any], levels: int) -> IGMCNetwork:
    shape, width = config["network"], config["report"]["learned_dims"]
    return blank_module(lambda: IGMCNetwork(levels, shape["hidden"], shape["num_bases"], width))


def _expected(config: Mapping[str, Any], layout: Layout) -> dict[str, Stored]:
    """What the tensors have to be, by the config."""
    shape, width = config["network"], config["report"]["learned_dims"]
    levels = layout["levels"].shape[0] if "levels" in layout and layout["levels"].shape else 0
    if not 1 <= levels <= MOST_LEVELS:
        raise InputError(f"expected 1 to {MOST_LEVELS} levels, got {levels}")
    expected = {
        "levels": Stored((levels,)),
        **stored_interactions(config["ids"], shape["users"], shape["items"]),
    }
    if not shape["widths"]:
        if width:
            raise InputError(f"there is no network, and the report says {width} columns")
        return {
            **expected,
            "biases.user": Stored((shape["users"],)),
            "biases.item": Stored((shape["items"],)),
        }
    if set(shape["widths"]) != {width} or len(shape["hidden"]) < 2:
        raise InputError(f"network: expected {width} columns and two layers at least")
    network = _blank_network(config, levels)
    for number in range(len(shape["widths"])):
        expected |= module_tensors(network, f"network.{number}.")
    return expected


_SIZE = Whole(0, 10**8)  # ids that are numbers need no tensor, and memory nevertheless
FORMAT = ModelFormat(
    "igmc",
    Record(
        {
            **fitted_fields(
                **READING, aggregation=Choice(AGGREGATIONS), max_neighbours=Maybe(Whole(1))
            ),
            "scores": Record({"mean": NUMBER, "scale": NUMBER, "seed": Whole(0, 2**32 - 1)}),
            "network": Record(
                {
                    "hidden": Items(Whole(1), most=1000),
                    "num_bases": COUNT,
                    "widths": Items(Whole(1), most=1000),
                    "users": _SIZE,
                    "items": _SIZE,
                    "bias_mean": NUMBER,
                }
            ),
            "ids": IDS,
        }
    ),
    _expected,
)
