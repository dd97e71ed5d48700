"""A fitted factor model on disk: its factors, the ids, and the ratings it was fitted to."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.lazy_imports import postponed
from damrep.recommend.factors import FactorFit
from damrep.recommend.ids import kind_of_ids
from damrep.recommend.interactions import Interactions
from damrep.training import damage_told, load_folder, save_folder

with postponed("pandas"):
    import pandas as pd

__all__ = [
    "load_factors",
    "pack_ids",
    "pack_interactions",
    "save_factors",
    "unpack_ids",
    "unpack_interactions",
]

_ARRAYS = ("user_factors", "item_factors", "user_bias", "item_bias")
_PLAIN = ("mean", "initial", "open_gates", "loss", "reference_loss", "candidates", "details")
# What the report holds already, under the names it has there.
_REPORTED = {"gates": "gate", "curve": "curve", "history": "history"}
_RANGE, _INTEGERS, _STRINGS, _UUIDS = "range", "integers", "strings", "uuids"


def save_factors(
    path: str | os.PathLike[str],
    kind: str,
    fit: FactorFit,
    ratings: Interactions,
    meta: Mapping[str, Any],
) -> None:
    """Write a fitted model, all of it or nothing.

    Parameters
    ----------
    path
        The folder; one that damrep wrote is replaced.
    kind
        What is saved; `load_factors` asks for the same.
    fit, ratings
        What the model is made of.
    meta
        More for the config, plain data, the report among it.

    Raises
    ------
    InputError
        If something that is not a damrep model stands at `path`.
    """
    tensors = {name: _tensor(getattr(fit, name)) for name in _ARRAYS}
    tensors |= {f"penalty.{name}": _tensor(value) for name, value in fit.penalty.items()}
    ids, held = pack_interactions(ratings)
    tensors |= held
    plain = {name: getattr(fit, name) for name in _PLAIN}
    save_folder(path, kind, {**meta, "fit": plain, "ids": ids}, tensors)


def load_factors(
    path: str | os.PathLike[str], kind: str
) -> tuple[FactorFit, Interactions, dict[str, Any]]:
    """Read what `save_factors` wrote: the fit, the ratings, the config.

    Raises
    ------
    InputError
        If the folder is not such a model, or damaged.
    """
    config, tensors = load_folder(path, kind)
    with damage_told(path):
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        parts |= {name: config["fit"][name] for name in _PLAIN}
        parts |= {name: config["report"][called] for name, called in _REPORTED.items()}
        fit = FactorFit(
            **parts,
            penalty={
                name.removeprefix("penalty."): value
                for name, value in arrays.items()
                if name.startswith("penalty.")
            },
        )
        users, items = len(fit.user_factors), len(fit.item_factors)
        ratings = unpack_interactions(config["ids"], arrays, users, items)
        widths = {fit.user_factors.shape[1], fit.item_factors.shape[1]}
        biases = (fit.user_bias.shape, fit.item_bias.shape)
        if len(widths) > 1 or biases != ((users,), (items,)):
            raise ValueError("factors and biases do not fit each other")
    return fit, ratings, config


def pack_interactions(ratings: Interactions) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Ratings and their ids as tensors.

    Returns
    -------
    ids : dict of str
        Kinds of the ids, for `unpack_interactions`.
    tensors : dict of Tensor
    """
    matrix = ratings.matrix
    tensors = {
        "ratings.ends": _tensor(matrix.indptr.astype(np.int64)),
        "ratings.items": _tensor(matrix.indices.astype(np.int32)),
        "ratings.values": _tensor(matrix.data),
    }
    ids = {}
    for name, index in (("user_ids", ratings.user_ids), ("item_ids", ratings.item_ids)):
        ids[name], more = pack_ids(index)
        tensors |= {f"{name}.{part}": tensor for part, tensor in more.items()}
    return ids, tensors


def unpack_interactions(
    ids: Mapping[str, str], arrays: Mapping[str, np.ndarray], users: int, items: int
) -> Interactions:
    """What `pack_interactions` made tensors of.

    Parameters
    ----------
    ids
        From `pack_interactions`.
    arrays
        Its tensors as arrays, among others.
    users, items
        How many there should be.

    Raises
    ------
    ValueError
        If they do not fit each other.
    """
    index = [
        unpack_ids(ids[name], arrays, name, count)
        for name, count in (("user_ids", users), ("item_ids", items))
    ]
    matrix = sp.csr_matrix(
        (arrays["ratings.values"], arrays["ratings.items"], arrays["ratings.ends"]),
        shape=(users, items),
    )
    matrix.check_format(full_check=True)
    return Interactions(matrix, *index)


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: those of a loaded model may be read-only


def pack_ids(index: pd.Index) -> tuple[str, dict[str, Tensor]]:
    """Ids as tensors: none for 0, 1, ...; strings as the bytes of all and where each ends.

    Parameters
    ----------
    index
        Ids, int64, strings or UUIDs.

    Returns
    -------
    kind : str
        For `unpack_ids`.
    tensors : dict of Tensor
    """
    if isinstance(index, pd.RangeIndex):
        return _RANGE, {}
    if index.dtype == np.int64:
        return _INTEGERS, {"values": _tensor(index.to_numpy())}
    if kind_of_ids(index) == "UUIDs":
        values = np.frombuffer(b"".join(one.bytes for one in index), dtype=np.uint8)
        return _UUIDS, {"bytes": _tensor(values.reshape(-1, 16))}
    encoded = [text.encode("utf-8", "surrogatepass") for text in index]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    whole = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return _STRINGS, {"bytes": _tensor(whole), "ends": _tensor(ends)}


def unpack_ids(kind: str, arrays: Mapping[str, np.ndarray], name: str, count: int) -> pd.Index:
    """Ids that `pack_ids` made tensors of.

    Parameters
    ----------
    kind
        From `pack_ids`.
    arrays
        Holds its tensors as arrays, under ``name.key``.
    name
        Of the ids.
    count
        How many there should be.

    Raises
    ------
    ValueError
        If there are others.
    """
    if kind == _RANGE:
        return pd.RangeIndex(count)
    if kind == _INTEGERS:
        index = pd.Index(arrays[f"{name}.values"])
    elif kind == _STRINGS:
        whole, ends = arrays[f"{name}.bytes"].tobytes(), arrays[f"{name}.ends"].tolist()
        starts = [0, *ends[:-1]]
        texts = [
            whole[start:end].decode("utf-8", "surrogatepass")
            for start, end in zip(starts, ends, strict=True)
        ]
        index = pd.Index(np.array(texts, dtype=object), dtype=object)
    elif kind == _UUIDS:
        held = arrays[f"{name}.bytes"].reshape(-1, 16)
        index = pd.Index([uuid.UUID(bytes=row.tobytes()) for row in held], dtype=object)
    else:
        raise ValueError(f"ids of the kind {kind!r}")
    if len(index) != count or not index.is_unique:
        raise ValueError(f"{len(index)} {name} for {count} rows")
    return index
