"""One run on real data at the default settings: Cora, public split, linear probe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from damrep import datasets
from damrep.graph.comparison import evaluate_embedding
from damrep.graph.data.graph import Graph
from damrep.graph.estimator import DAMGraphEmbedding


@pytest.fixture(scope="module")
def cora(data_root: Path) -> Graph:
    if not (data_root / "planetoid" / "Cora" / "raw").is_dir():
        pytest.skip("real data set needed: no folder planetoid/Cora/raw among the data sets")
    return datasets.load("cora", data_root=data_root)


@pytest.fixture(scope="module")
def model(cora: Graph) -> DAMGraphEmbedding:
    fitted = DAMGraphEmbedding(random_state=0, device="cpu").fit(cora)
    evaluate_embedding(fitted, cora, evaluation="probe")
    return fitted


def test_few_dimensions_and_a_good_probe(model: DAMGraphEmbedding) -> None:
    rows = {row["name"]: row for row in model.report_.measures}
    probe = model.report_.details["evaluation"]["probe"]
    sizes = {"split": "given", "splits": 1, "seed": 0, "train": 140, "val": 500, "test": 1000}
    assert sizes.items() <= probe.items()
    learned = rows["learned"]
    assert learned["dims"] == model.n_components_ <= 40
    assert learned["accuracy"] >= 0.81
    assert learned["accuracy"] >= rows["svd"]["accuracy"] - 0.01
    assert rows["svd"]["dims"] == learned["dims"] < rows["full width"]["dims"]
    assert learned["accuracy"] >= rows["full width"]["accuracy"] - 0.02


def test_the_report_is_of_that_graph(model: DAMGraphEmbedding) -> None:
    data = model.report_.details["data"]
    assert (data["nodes"], data["edges"], data["features"]) == (2708, 5278, 1433)
    losses = model.components_curve_[:, 1]
    assert model.report_.loss == losses[model.n_components_ - 1] < 0.8
    trained = model.report_.history["loss"]
    assert np.mean(trained[-5:]) < 0.9 * trained[0]


def test_the_saved_model_embeds_cora_and_a_part_of_it(
    model: DAMGraphEmbedding, cora: Graph, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    size = sum(file.stat().st_size for file in (tmp_path / "model").iterdir())
    assert size < 4e6, "the cut model, not the wide one with its training graph"
    loaded = DAMGraphEmbedding.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(cora), model.transform(cora))
    part = cora.subgraph(np.arange(0, 2708, 2))
    assert loaded.transform(part).shape == (1354, model.n_components_)
