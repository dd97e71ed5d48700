"""What an embedding is for, and what a width loses for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from damrep.graph import DAMGraphEmbedding
from damrep.graph.data.graph import build_graph
from damrep.graph.links import hold_out_links
from damrep.graph.purposes import PRICES, PURPOSES
from damrep.masking.validation import InputError
from tests.graph.samples import communities, without_features

QUICK: dict[str, Any] = {"max_components": 32, "max_epochs": 20, "random_state": 0}


def test_every_purpose_is_told_and_one_decides() -> None:
    graph = communities(80, 20)
    for purpose in PURPOSES:
        model = DAMGraphEmbedding(purpose=purpose, strategy="search", **QUICK).fit(graph)
        details = model.report_.details
        assert set(details["purposes"]) == set(PURPOSES)
        assert details["purpose"] == purpose
        assert model.n_components_ == details["purposes"][purpose]["dims"]
        assert model.report_.price == details["purposes"][purpose]["price"]
        for told in details["purposes"].values():
            losses = [loss for _, loss in told["curve"]]
            assert losses == sorted(losses, reverse=True)


def test_features_lose_no_more_along_directions_of_their_own() -> None:
    """Than along those of the links, at any width."""
    graph = communities(120, 40, seed=1)
    curves = {
        purpose: DAMGraphEmbedding(purpose=purpose, strategy="search", **QUICK)
        .fit(graph)
        .report_.details["purposes"]["features"]["curve"]
        for purpose in ("features", "links")
    }
    own, other = (np.array(curves[name])[:, 1] for name in ("features", "links"))
    assert (own[:12] <= other[:12] + 1e-3).all()
    assert own[:12].mean() < other[:12].mean() - 1e-4


def test_a_price_of_ones_own_is_of_the_purpose() -> None:
    graph = communities(80, 20)
    wide = DAMGraphEmbedding(purpose="links", price=0.0, **QUICK).fit(graph).n_components_
    narrow = DAMGraphEmbedding(purpose="links", price=0.5, **QUICK).fit(graph).n_components_
    assert narrow == 1 < wide


def test_a_purpose_that_cannot_be_measured_is_refused() -> None:
    graph = communities(40)
    unlabelled = build_graph(graph.adjacency, graph.features)
    with pytest.raises(InputError, match=r'purpose="labels" cannot be measured.*labels'):
        DAMGraphEmbedding(purpose="labels", **QUICK).fit(unlabelled)
    path = build_graph(np.eye(6, k=1) + np.eye(6, k=-1), np.eye(6))
    with pytest.raises(InputError, match=r'purpose="links" cannot be measured.*edges'):
        DAMGraphEmbedding(purpose="links", **QUICK).fit(path)
    with pytest.raises(InputError, match=r'purpose="features" cannot be measured.*no features'):
        DAMGraphEmbedding(purpose="features", **QUICK).fit(without_features(graph))
    with pytest.raises(InputError, match="purpose"):
        DAMGraphEmbedding(purpose="speed", **QUICK).fit(graph)
    with pytest.raises(InputError, match="two classes of two nodes"):
        DAMGraphEmbedding(purpose="labels", **QUICK).fit(unlabelled, ["one"] * 40)
    with pytest.raises(InputError, match="not all nodes in both"):
        DAMGraphEmbedding(purpose="labels", **QUICK).fit(unlabelled, np.ones((40, 3), dtype=int))


def test_a_purpose_that_nothing_is_held_out_for_is_refused_with_the_reason() -> None:
    graph = communities(40)
    with pytest.raises(InputError, match='objective="svd" holds out none'):
        DAMGraphEmbedding(purpose="links", objective="svd", **QUICK).fit(graph)
    with pytest.raises(InputError, match="validation_fraction=0 holds out none"):
        DAMGraphEmbedding(purpose="links", validation_fraction=0.0, **QUICK).fit(graph)
    for purpose in ("links", "features"):
        with pytest.raises(InputError, match="supervised"):
            DAMGraphEmbedding(purpose=purpose, objective="supervised", **QUICK).fit(graph)


def test_features_are_no_purpose_where_there_are_none() -> None:
    """Too few edges to hold some out: the smoothing stands in, and is not called features."""
    path = build_graph(np.eye(7, k=1) + np.eye(7, k=-1))
    model = DAMGraphEmbedding(**QUICK).fit(path)
    assert list(model.report_.details["purposes"]) == ["all"]
    with pytest.raises(InputError, match="no features"):
        DAMGraphEmbedding(purpose="features", **QUICK).fit(path)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_purpose_that_decided_is_told_with_what_was_learned(purpose: str) -> None:
    graph = communities(80, 20)
    model = DAMGraphEmbedding(purpose=purpose, price=0.02, **QUICK).fit(graph)
    told = model.report_.details["purposes"][purpose]
    assert (told["dims"], told["price"]) == (model.n_components_, 0.02)
    budget = DAMGraphEmbedding(purpose=purpose, n_components=7, **QUICK).fit(graph)
    assert budget.report_.details["purposes"][purpose]["price"] == PRICES[purpose]


def test_labels_may_be_given_beside_the_graph() -> None:
    graph = communities(80, 20)
    unlabelled = build_graph(graph.adjacency, graph.features)
    model = DAMGraphEmbedding(purpose="labels", **QUICK).fit(unlabelled, graph.labels)
    assert "labels" in model.report_.details["purposes"]
    assert model.report_.details["width told from"] == "80 labels"


def test_labels_outside_the_training_split_have_no_part() -> None:
    graph = communities(80, 20)
    train = np.arange(80) < 40
    parts = {"train": train, "val": ~train}
    other = np.where(train, graph.labels, 1 - graph.labels)
    fits = [
        DAMGraphEmbedding(purpose="labels", **QUICK).fit(
            build_graph(graph.adjacency, graph.features, labels=labels, splits=parts)
        )
        for labels in (graph.labels, other)
    ]
    assert np.array_equal(fits[0].embedding_, fits[1].embedding_)


@pytest.mark.parametrize("structural", [False, True])
def test_held_out_edges_are_no_part_of_the_fit(structural: bool) -> None:
    """The graph that is fitted lacks them; the nodes are embedded with them."""
    graph = communities(80, 20)
    graph = without_features(graph) if structural else graph
    part, pairs = hold_out_links(graph, 0.1, seed=0)
    assert pairs is not None
    held = len(pairs) // 2
    assert part.num_edges == graph.num_edges - held
    there = graph.adjacency[pairs[:, 0], pairs[:, 1]] != 0
    assert there[:held].all()
    assert not there[held:].any()
    model = DAMGraphEmbedding(**QUICK).fit(graph)
    assert f"{held} edges held out" in model.report_.details["width told from"]
    assert np.allclose(model.transform(graph), model.embedding_, atol=1e-5)


def test_nothing_is_held_out_where_little_is_there_or_nothing_is_asked() -> None:
    graph = communities(80, 20)
    assert hold_out_links(graph, 0.0, seed=0) == (graph, None)
    whole = build_graph(np.ones((12, 12)) - np.eye(12), np.eye(12))
    assert hold_out_links(whole, 0.1, seed=0) == (whole, None)  # no pair is without an edge
