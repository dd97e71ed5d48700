"""What the page on extending damrep says can be done from outside of the package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damrep import DAMGraphEmbedding, InputError, datasets
from damrep.graph.data.files import READERS, read_graph
from damrep.graph.encoding.encoders import ENCODERS
from damrep.graph.encoding.objectives import OBJECTIVES

QUICK: dict[str, Any] = {"max_components": 24, "max_epochs": 5, "random_state": 0}


@pytest.fixture(scope="module", autouse=True)
def followed(project_root: Path) -> Iterator[list[str]]:
    """The code of the page, run; the tables are as before when the tests are done."""
    text = (project_root / "docs/architecture/extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    before = [(table, dict(table)) for table in (ENCODERS, OBJECTIVES, READERS)]
    for block in blocks:
        exec(block, {"__name__": "outside"})
    yield blocks
    for table, entries in before:
        table.clear()
        table.update(entries)  # type: ignore[call-overload]


def test_each_takes_few_lines(followed: list[str]) -> None:
    assert len(followed) == 3
    assert all(len(block.splitlines()) <= 120 for block in followed)


def test_an_encoder_is_fitted_saved_and_loaded(tmp_path: Path) -> None:
    graph = datasets.load("karate")
    model = DAMGraphEmbedding(encoder="sgc", **QUICK).fit(graph)
    model.save(tmp_path / "model")
    again = DAMGraphEmbedding.load(tmp_path / "model")
    assert type(again._compact.encoder).__name__ == "SGCEncoder"
    np.testing.assert_allclose(again.transform(graph), model.transform(graph), atol=1e-6)


def test_a_model_of_an_encoder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    DAMGraphEmbedding(encoder="sgc", **QUICK).fit(datasets.load("karate")).save(tmp_path / "model")
    encoder = ENCODERS.pop("sgc")
    try:
        with pytest.raises(InputError, match="sgc"):
            DAMGraphEmbedding.load(tmp_path / "model")
    finally:
        ENCODERS["sgc"] = encoder


def test_an_objective_learns(tmp_path: Path) -> None:
    graph = datasets.load("karate")
    model = DAMGraphEmbedding(objective="degree", **{**QUICK, "max_epochs": 60}).fit(graph)
    losses = model.report_.history["loss"]
    assert losses[-1] < 0.7 * losses[0] and losses[0] < 3
    assert model.transform(graph).shape == (34, model.n_components_)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "club.neighbours"
    path.write_text("ann: bob cy\nbob: cy\ndan: ann\n", encoding="utf-8")
    graph = read_graph(path)
    assert (graph.name, graph.num_nodes, graph.node_ids[0]) == ("club", 4, "ann")
    assert graph.adjacency.nnz == 8
    with pytest.raises(InputError, match="column names were given"):
        read_graph(path, source="a", target="b")


def test_an_ending_without_a_reader_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "club.other"
    path.write_text("ann: bob\n", encoding="utf-8")
    with pytest.raises(InputError, match="unknown ending"):
        read_graph(path)
