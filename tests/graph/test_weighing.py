"""The weight of the spectral block, told from the edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep import DAMGraphEmbedding
from damrep.graph.data import build_graph
from damrep.graph.inputs import GraphInputs, fit_preparation
from damrep.graph.weighing import SPECTRAL_WEIGHTS, choose_spectral_weight
from damrep.masking.validation import InputError
from tests.graph.samples import communities

QUICK = {"max_epochs": 3, "max_components": 16, "random_state": 0, "device": "cpu"}


def ring(n: int = 60) -> GraphInputs:
    shift = np.roll(np.eye(n), 1, axis=1)
    graph = build_graph(shift + shift.T, np.eye(n))
    return fit_preparation(graph, rank=4, seed=0).prepare(graph)


def places(n: int = 60) -> torch.Tensor:
    angle = torch.arange(n) * (2 * torch.pi / n)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def noise(n: int = 60, k: int = 2) -> torch.Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(0))


def test_the_block_that_knows_who_is_near_gets_the_weight() -> None:
    both = (noise(), places())
    assert choose_spectral_weight(torch.cat(both, 1), 2, ring(), 0) == max(SPECTRAL_WEIGHTS)
    assert choose_spectral_weight(torch.cat(both[::-1], 1), 2, ring(), 0) == min(SPECTRAL_WEIGHTS)


def test_where_the_weight_makes_no_difference_it_is_the_usual_one() -> None:
    both_know = torch.cat([places(), places()], dim=1)
    assert choose_spectral_weight(both_know, 2, ring(), seed=0) == 1.5


def test_the_same_seed_gives_the_same_weight_and_the_input_stays_as_it_was() -> None:
    z = torch.cat([noise(k=3), places()], dim=1)
    before = z.clone()
    found = {choose_spectral_weight(z, 2, ring(), seed=5) for _ in range(3)}
    assert len(found) == 1
    torch.testing.assert_close(z, before, rtol=0, atol=0)


def test_without_edges_there_is_nothing_to_tell_it_from() -> None:
    graph = build_graph(sp.csr_array((6, 6)), np.eye(6))
    inputs = fit_preparation(graph, rank=2, seed=0).prepare(graph)
    assert choose_spectral_weight(noise(6, 4), 2, inputs, seed=0) == 1.5


def test_the_estimator_takes_the_weight_it_reports() -> None:
    graph = communities()
    auto = DAMGraphEmbedding(spectral_weight="auto", **QUICK).fit(graph)
    weight = auto.report_.details["spectral_weight"]
    assert weight in SPECTRAL_WEIGHTS
    named = DAMGraphEmbedding(spectral_weight=weight, **QUICK).fit(graph)
    np.testing.assert_allclose(auto.embedding_, named.embedding_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective", ["svd", "ggd"])
def test_auto_is_stored_and_loaded(objective: str, tmp_path: object) -> None:
    graph = communities()
    model = DAMGraphEmbedding(spectral_weight="auto", objective=objective, **QUICK).fit(graph)
    model.save(f"{tmp_path}/model")
    again = DAMGraphEmbedding.load(f"{tmp_path}/model")
    assert again.spectral_weight == "auto"
    np.testing.assert_allclose(again.transform(graph), model.embedding_, rtol=1e-5, atol=1e-6)


def test_another_word_is_refused() -> None:
    with pytest.raises((InputError, TypeError), match="spectral_weight"):
        DAMGraphEmbedding(spectral_weight="best", **QUICK).fit(communities())
