"""The masks that act in a default fit of a graph, and what the report says where none did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from damrep import DAMGraphEmbedding
from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.contrast import NeighbourContrast, train_bottleneck
from damrep.masking.bottleneck import Bottleneck
from damrep.masking.dam import DAM
from damrep.training import TrainingOptions
from tests.graph.samples import communities

OPTIONS = TrainingOptions(lr=1e-3, schedule="cosine", device="cpu", seed=0)
PURPOSES = ({}, {"objective": "supervised", "price": 0.05})


def fit(graph: Graph | None = None, **changes: Any) -> DAMGraphEmbedding:
    asked = {"max_components": 16, "max_epochs": 20, "random_state": 0, "device": "cpu"}
    return DAMGraphEmbedding(**{**asked, **changes}).fit(graph or communities(60, classes=3))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows whenever a mask is passed through while it is trained."""
    found: list[int] = []
    forward = DAM.forward

    def counted(self: DAM, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            found.append(1)
        return forward(self, x)

    monkeypatch.setattr(DAM, "forward", counted)
    return iter([found])


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_mask_acts_in_training_and_its_open_units_are_the_dimensions(
    purpose: dict[str, Any], calls: Iterator[list[int]]
) -> None:
    model = fit(communities(120, classes=6), **purpose)
    assert len(next(calls)) >= 20
    report = model.report_
    assert report.strategy == "mask"
    assert model.n_components_ == sum(gate > 0 for gate in report.gate) < len(report.gate)
    assert report.history["mask.n_active"][-1] == model.n_components_
    assert len(report.history["mask.beta"]) >= 20


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_mask_that_is_not_moved_cuts_nothing(
    purpose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DAM, "set_width", lambda self, m: None)
    model = fit(communities(120, classes=6), **purpose)
    assert model.n_components_ == len(model.report_.gate) > 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "search"}, "search"),
        ({"objective": "supervised", "strategy": "search"}, "search"),
        ({"objective": "svd", "strategy": "mask"}, "closed form"),
        ({"rotate": False}, "closed form"),
    ],
)
def test_where_no_mask_acts_no_gate_is_shown(
    changes: dict[str, Any], said: str, calls: Iterator[list[int]]
) -> None:
    report = fit(**changes).report_
    assert next(calls) == [] and report.gate == [] and report.strategy == said


def test_a_graph_with_hardly_an_edge_keeps_the_closed_form() -> None:
    edges = np.zeros((12, 12))
    edges[0, 1] = edges[1, 0] = 1
    features = np.random.default_rng(0).normal(size=(12, 5))
    assert fit(build_graph(edges, features)).report_.strategy == "closed form"


def test_which_nodes_told_the_width_is_said() -> None:
    told = "width told from"
    assert fit().report_.details[told] == "30 nodes and 54 edges held out"
    assert fit(validation_fraction=0.0).report_.details[told] == "the nodes fitted, none held out"
    labelled = fit(objective="supervised")
    assert labelled.report_.details[told] == "6 nodes held out"


def test_a_budget_is_trained_too_and_keeps_all_it_asked_for() -> None:
    model = fit(n_components=5)
    assert model.n_components_ == 5 and model.report_.gate[-1] > 0
    assert model.report_.strategy == "budget"


def two_groups() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two columns in which neighbours agree, four of noise."""
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(200) % 4
    own = torch.stack([group % 2, group // 2], dim=1) * 2.0 - 1
    z = torch.cat([2 * own, torch.randn(200, 4, generator=generator)], dim=1)
    pairs = torch.randint(200, (2000, 2), generator=generator)
    pairs = pairs[(group[pairs[:, 0]] == group[pairs[:, 1]]) & (pairs[:, 0] < pairs[:, 1])]
    partner = torch.zeros_like(z)
    partner.index_add_(0, pairs[:, 0], z[pairs[:, 1]]).index_add_(0, pairs[:, 1], z[pairs[:, 0]])
    count = torch.bincount(pairs.flatten(), minlength=200).clamp(min=1)
    return z, partner / count[:, None], pairs


def test_training_keeps_open_what_neighbours_share() -> None:
    z, partner, pairs = two_groups()
    rows = torch.arange(200)
    wide = Bottleneck(6)
    wide.fit_rotation(z, partner=partner)
    head = wide.strongest(4)
    batch = NeighbourContrast(head, z, partner, rows, pairs).batches(torch.Generator())[0]
    assert batch["pairs"].shape == pairs.shape and batch["rows"].shape == (200,)

    def curve(last: bool) -> np.ndarray:
        return np.array(head.left_over())

    history = train_bottleneck(head, z, partner, rows, pairs, curve, 0.1, OPTIONS)
    assert head.mask.n_active == 2 and len(history["loss"]) == 40
    codes = head.compact()(z)
    torch.testing.assert_close(codes, head(z)[:, 2:].flip(1))
    group = torch.arange(200) % 4
    middle = torch.stack([codes[group == k].mean(dim=0) for k in range(4)])
    assert float(torch.pdist(middle).min()) > 0.5


def test_planted_groups_are_found_whatever_the_order_of_the_rows() -> None:
    graph = nx.planted_partition_graph(3, 30, 0.35, 0.02, seed=1)
    edges = nx.to_numpy_array(graph)
    widths = []
    for seed in range(2):
        for order in range(2):
            rows = np.random.default_rng(order).permutation(90)
            mixed = build_graph(edges[np.ix_(rows, rows)])
            widths.append(DAMGraphEmbedding(random_state=seed).fit(mixed).n_components_)
    assert all(2 <= width <= 4 for width in widths)
