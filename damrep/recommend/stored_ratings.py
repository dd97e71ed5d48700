"""Ratings, and the ids of users and items, as tensors of a saved model."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.lazy_imports import postponed
from damrep.masking.schema import Choice, Record
from damrep.recommend.ids import kind_of_ids
from damrep.recommend.interactions import Interactions
from damrep.training.stored_tensors import INT32, INT64, UINT8, Stored

with postponed("pandas"):
    import pandas as pd

__all__ = [
    "IDS",
    "pack_ids",
    "pack_interactions",
    "stored_interactions",
    "to_tensor",
    "unpack_ids",
    "unpack_interactions",
]

_RANGE, _INTEGERS, _STRINGS, _UUIDS = "range", "integers", "strings", "uuids"

IDS = Record(dict.fromkeys(("user_ids", "item_ids"), Choice((_RANGE, _INTEGERS, _STRINGS, _UUIDS))))
"""Of the kinds of ids, which `pack_interactions` gives."""


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
        "ratings.ends": to_tensor(matrix.indptr.astype(np.int64)),
        "ratings.items": to_tensor(matrix.indices.astype(np.int32)),
        "ratings.values": to_tensor(matrix.data),
    }
    ids = {}
    for name, index in (("user_ids", ratings.user_ids), ("item_ids", ratings.item_ids)):
        ids[name], more = pack_ids(index)
        tensors |= {f"{name}.{part}": tensor for part, tensor in more.items()}
    return ids, tensors


def stored_interactions(ids: Mapping[str, str], users: int, items: int) -> dict[str, Stored]:
    """What the tensors of `pack_interactions` have to be.

    Parameters
    ----------
    ids
        From `pack_interactions`.
    users, items
        How many there are.
    """
    expected = {
        "ratings.ends": Stored((users + 1,), INT64),
        "ratings.items": Stored((None,), INT32),
        "ratings.values": Stored((None,)),
    }
    for name, count in (("user_ids", users), ("item_ids", items)):
        parts = {
            _RANGE: {},
            _INTEGERS: {"values": Stored((count,), INT64)},
            _STRINGS: {"bytes": Stored((None,), UINT8), "ends": Stored((count,), INT64)},
            _UUIDS: {"bytes": Stored((count, 16), UINT8)},
        }
        expected |= {f"{name}.{part}": stored for part, stored in parts[ids[name]].items()}
    return expected


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
    if len(matrix.data) != len(arrays["ratings.values"]) or not matrix.has_canonical_format:
        raise ValueError("the ratings are not in order, or come twice")
    return Interactions(matrix, *index)


def to_tensor(array: Any) -> Tensor:
    """A copy as a tensor: arrays of a loaded model may be read-only."""
    return torch.from_numpy(np.array(array))


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
        return _INTEGERS, {"values": to_tensor(index.to_numpy())}
    if kind_of_ids(index) == "UUIDs":
        values = np.frombuffer(b"".join(one.bytes for one in index), dtype=np.uint8)
        return _UUIDS, {"bytes": to_tensor(values.reshape(-1, 16))}
    encoded = [text.encode("utf-8", "surrogatepass") for text in index]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    whole = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return _STRINGS, {"bytes": to_tensor(whole), "ends": to_tensor(ends)}


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
        if sorted(ends) != ends or (ends[-1] if ends else 0) != len(whole) or ends[:1] < [0]:
            raise ValueError(f"{name} do not fit their ends")
        texts = [
            whole[start:end].decode("utf-8", "surrogatepass")
            for start, end in zip(starts, ends, strict=True)
        ]
        index = pd.Index(np.array(texts, dtype=object), dtype=object)
    elif kind == _UUIDS:
        held = arrays[f"{name}.bytes"]
        index = pd.Index([uuid.UUID(bytes=row.tobytes()) for row in held], dtype=object)
    else:
        raise ValueError(f"ids of the kind {kind!r}")
    if len(index) != count or not index.is_unique:
        raise ValueError(f"{len(index)} {name} for {count} rows")
    return index
