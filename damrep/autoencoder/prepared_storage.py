"""An autoencoder on disk with what stands before it: gaps filled, words encoded, columns scaled."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.prepared_columns import PreparedColumn
from damrep.autoencoder.preparing import TablePreparation
from damrep.masking.validation import InputError
from damrep.training.fitted import damage_told
from damrep.training.saving import (
    atomic_folder,
    is_damrep_folder,
    load_folder,
    save_folder,
    saved_kind,
)

__all__ = ["KIND", "STANDARDIZED", "load_prepared", "save_prepared"]

KIND = "prepared-autoencoder"
STANDARDIZED = "standardized-autoencoder"
"""What a folder with a scaler alone was called before there was more."""

INSIDE = "autoencoder"
PREPARE, SCALE, REDUCE = "prepare", "standardize", "reduce"


def save_prepared(path: str | os.PathLike[str], model: Pipeline) -> None:
    """Save a fitted pipeline that ends in a `DAMAutoencoder` as one folder.

    Before it may stand a `TablePreparation` and a `StandardScaler`, or one of them. The folder has
    a kind of its own, so that `DAMAutoencoder.load` refuses it in place of giving numbers that lack
    the preparation.

    Raises
    ------
    InputError
        If the pipeline has other steps, or something that is not a damrep model stands at `path`.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [30, None, 50, 41], "city": ["Oslo", "Rome", "Oslo", "Rome"]})
    >>> steps = [TablePreparation("median", "onehot"), StandardScaler(), DAMAutoencoder(hidden=())]
    >>> model = Pipeline([(type(step).__name__, step) for step in steps]).fit(table)
    >>> folder = tempfile.mkdtemp()
    >>> save_prepared(folder, model)
    >>> np.allclose(load_prepared(folder).transform(table), model.transform(table))
    True
    """
    preparation, scaler, autoencoder = _parts(model)
    config: dict[str, Any] = {"preparation": None, "standardized": scaler is not None}
    tensors: dict[str, Tensor] = {}
    if preparation is not None:
        config["preparation"] = {
            "params": preparation.get_params(),
            "columns": [dataclasses.asdict(column) for column in preparation.columns_],
        }
    if scaler is not None:
        config["rows"] = int(np.max(scaler.n_samples_seen_))
        tensors["scale"] = torch.from_numpy(np.asarray(scaler.scale_, dtype=np.float64))
        if scaler.with_mean:
            tensors["mean"] = torch.from_numpy(np.asarray(scaler.mean_, dtype=np.float64))
    with atomic_folder(path, is_damrep_folder) as folder:
        save_folder(folder, KIND, config, tensors)
        autoencoder.save(folder / INSIDE)


def _parts(
    model: Pipeline,
) -> tuple[TablePreparation | None, StandardScaler | None, DAMAutoencoder]:
    kinds = (TablePreparation, StandardScaler, DAMAutoencoder)
    found: list[Any] = [None, None, None]
    last = -1
    for _, step in model.steps:
        place = next((i for i, kind in enumerate(kinds) if type(step) is kind), -1)
        if place <= last:
            raise InputError(
                f"cannot save a pipeline with {type(step).__name__} there; expected a "
                "TablePreparation, a StandardScaler, or both, and a DAMAutoencoder"
            )
        found[place], last = step, place
    if found[2] is None:
        raise InputError("cannot save a pipeline that does not end in a DAMAutoencoder")
    return found[0], found[1], found[2]


def load_prepared(path: str | os.PathLike[str]) -> Pipeline:
    """Load what `save_prepared` wrote; nothing in the folder is executed.

    Returns
    -------
    Pipeline
        Of the steps "prepare", "standardize" and "reduce", those that there are.

    Raises
    ------
    InputError
        If the folder is not such a model, or damaged.
    """
    kind = STANDARDIZED if saved_kind(path) == STANDARDIZED else KIND
    config, tensors = load_folder(path, kind)
    model = DAMAutoencoder.load(Path(path).expanduser() / INSIDE)
    steps: list[tuple[str, Any]] = []
    with damage_told(path):
        if kind == KIND and config["preparation"] is not None:
            preparation = _preparation(config["preparation"])
            _require_width(len(preparation.get_feature_names_out()), model)
            steps.append((PREPARE, preparation))
        if kind == STANDARDIZED or config["standardized"]:
            scaler = _scaler(tensors, config["rows"])
            _require_width(scaler.n_features_in_, model)
            steps.append((SCALE, scaler))
    return Pipeline([*steps, (REDUCE, model)])


def _preparation(config: Mapping[str, Any]) -> TablePreparation:
    columns = [
        PreparedColumn(**{**column, "categories": tuple(column["categories"])})
        for column in config["columns"]
    ]
    return TablePreparation.restored(config["params"], columns)


def _scaler(tensors: Mapping[str, Tensor], rows: int) -> StandardScaler:
    scaler = StandardScaler(with_mean="mean" in tensors)
    scaler.scale_ = tensors["scale"].numpy()
    scaler.var_ = scaler.scale_**2
    scaler.mean_ = tensors["mean"].numpy() if "mean" in tensors else None
    scaler.n_features_in_, scaler.n_samples_seen_ = len(scaler.scale_), rows
    return scaler


def _require_width(width: int, model: DAMAutoencoder) -> None:
    if width != model.n_features_in_:
        raise ValueError(f"{width} columns prepared for {model.n_features_in_}")
