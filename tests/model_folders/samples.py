"""A tiny fitted model of every kind that can be saved, and all the numbers it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.prepared_storage import load_prepared, save_prepared
from damrep.autoencoder.preparing import TablePreparation
from damrep.autoencoder.standardizing import standardize
from damrep.graph.data.graph import Graph
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.pruning.pruner import ChannelPruner
from damrep.pruning.storage import load_compact, save_compact
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.igmc.estimator import IGMC
from damrep.recommend.implicit import DAMImplicitMF
from tests.autoencoder.samples import low_rank
from tests.graph.samples import communities, without_features
from tests.pruning.samples import Stream, settled
from tests.recommend.samples import as_frame, grouped, rated

__all__ = ["SAMPLES", "Sample"]

QUICK: dict[str, Any] = {"random_state": 0, "device": "cpu"}
X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Sample:
    """A kind of model folder.

    Attributes
    ----------
    save
        Fits a model and saves it.
    load
        Loads it.
    outputs
        Everything that a model gives for the sample's data.
    """

    save: Callable[[Path], None]
    load: Callable[[Path], Any]
    outputs: Callable[[Any], list[np.ndarray]]


def _graph(graph: Graph, **changes: Any) -> Sample:
    def save(path: Path) -> None:
        options: dict[str, Any] = {"max_components": 6, "max_epochs": 2, **QUICK, **changes}
        DAMGraphEmbedding(**options).fit(graph).save(path)

    def outputs(model: DAMGraphEmbedding) -> list[np.ndarray]:
        given = [model.transform(graph)]
        return given if changes.get("objective") != "supervised" else [*given, model.predict(graph)]

    return Sample(save, DAMGraphEmbedding.load, outputs)


TABLE = low_rank(rows=60, columns=5, rank=2, noise=0.1)


def _autoencoder(**changes: Any) -> Sample:
    data = pd.DataFrame(TABLE, columns=list("abcde"))

    def save(path: Path) -> None:
        DAMAutoencoder(**{"max_epochs": 2, **QUICK, **changes}).fit(data).save(path)

    def outputs(model: DAMAutoencoder) -> list[np.ndarray]:
        codes = model.transform(data)
        return [codes, model.inverse_transform(codes), model.components_curve_]

    return Sample(save, DAMAutoencoder.load, outputs)


def _standardized() -> Sample:
    def save(path: Path) -> None:
        scaler, values = standardize(TABLE)
        model = DAMAutoencoder(hidden=(), **QUICK).fit(values)
        save_prepared(path, Pipeline([("standardize", scaler), ("reduce", model)]))

    return Sample(save, load_prepared, lambda model: [model.transform(TABLE)])


def _prepared() -> Sample:
    cities = [("Oslo", "Rome", "Bergen")[row % 3] for row in range(30)]
    days = pd.Timestamp("2020-03-01") + pd.to_timedelta(np.arange(30) ** 2 % 90, unit="D")
    table = pd.DataFrame({"age": np.arange(30.0) % 7, "city": cities, "joined": days})
    table.loc[[3, 5], "age"] = np.nan

    def save(path: Path) -> None:
        steps = [TablePreparation("median", "onehot"), StandardScaler()]
        steps.append(DAMAutoencoder(hidden=(), **QUICK))
        save_prepared(path, Pipeline([(type(step).__name__, step) for step in steps]).fit(table))

    return Sample(save, load_prepared, lambda model: [model.transform(table)])


def _factors(kind: type[Any], **changes: Any) -> Sample:
    table = as_frame((grouped if kind.implicit else rated)(users=24, items=16))
    table["user"] = "u" + table["user"].astype(str)
    new = table[table["user"].isin(["u1", "u2"])]

    def save(path: Path) -> None:
        options: dict[str, Any] = {"max_components": 4, "max_sweeps": 3, **QUICK, **changes}
        kind(**options).fit(table).save(path)

    def outputs(model: Any) -> list[np.ndarray]:
        items, scores = model.recommend(None, 4)
        folded = model.fold_in(new)
        pairs = model.predict(model.user_ids_[:9], model.item_ids_[:9])
        return [items, scores, pairs, folded.factors, folded.bias, model.user_ids_]

    return Sample(save, kind.load, outputs)


def _igmc(**changes: Any) -> Sample:
    ratings = rated(users=20, items=14)
    ratings.data = np.clip(np.round(ratings.data), 1, 5)

    def save(path: Path) -> None:
        options: dict[str, Any] = {"hidden": (3, 3), "num_bases": 2, "max_components": 4}
        options |= {"max_epochs": 2, "max_neighbours": 9, **QUICK, **changes}
        IGMC(**options).fit(ratings).save(path)

    return Sample(
        save, IGMC.load, lambda model: [model.predict(np.arange(14), np.arange(14)), model.levels_]
    )


def _compact() -> Sample:
    def build() -> nn.Module:
        return settled(Stream(True, blocks=3))

    def save(path: Path) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            pruner = ChannelPruner(build(), X)
            pruner.widths = {"stem": 5, "blocks.0.conv1": 0, "blocks.2.conv1": 2}
            save_compact(pruner.compact(), path, extra={"note": 1})

    def outputs(model: nn.Module) -> list[np.ndarray]:
        with torch.no_grad():
            return [model(X).numpy()]

    return Sample(save, lambda path: load_compact(path, build), outputs)


GRAPH = communities(n=30, d=5)
MEASURED = GRAPH.with_features(np.random.default_rng(0).normal(5, 3, size=(30, 4)))
NAMED = without_features(communities(n=30, ids=[f"node {i}" for i in range(30)]))

SAMPLES: dict[str, Sample] = {
    "graph": _graph(GRAPH, hidden=(4,), n_components=3),
    "graph-classes": _graph(MEASURED, objective="supervised", encoder="sage", n_components=2),
    "graph-structure": _graph(NAMED, objective="svd"),
    "autoencoder": _autoencoder(hidden=(4, 3)),
    "autoencoder-linear": _autoencoder(hidden=()),
    "autoencoder-standardized": _standardized(),
    "autoencoder-prepared": _prepared(),
    "explicit": _factors(DAMExplicitMF),
    "explicit-adam": _factors(DAMExplicitMF, solver="adam"),
    "implicit": _factors(DAMImplicitMF, rating=None),
    "implicit-softmax": _factors(DAMImplicitMF, rating=None, loss="softmax"),
    "implicit-bpr": _factors(DAMImplicitMF, rating=None, loss="bpr", solver="adam"),
    "igmc": _igmc(n_components=2, ensemble=2, max_epochs=4),
    "igmc-biases": _igmc(price=10.0),
    "compact": _compact(),
}
"""By name; the first word is the estimator."""
