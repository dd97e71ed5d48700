"""What the directions and the width of an embedding are chosen from."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from damrep.graph import DAMGraphEmbedding
from damrep.graph.data.graph import build_graph
from damrep.masking.validation import InputError
from tests.graph.samples import communities, without_features


def test_nodes_are_held_out_only_for_their_features() -> None:
    graph = communities(80, 20)
    model = DAMGraphEmbedding(max_components=16, max_epochs=5, random_state=0)
    assert "40 nodes" in model.fit(graph).report_.details["width told from"]
    told = model.fit(without_features(graph)).report_.details["width told from"]
    assert "edges held out, and the nodes fitted" in told


def test_too_few_nodes_are_left_to_fit() -> None:
    with pytest.raises(InputError, match="validation_fraction=0.999 leaves 1 of 40 nodes"):
        DAMGraphEmbedding(max_components=16, max_epochs=5, validation_fraction=0.999).fit(
            communities()
        )


def test_the_karate_club_falls_in_two() -> None:
    """A graph too small for chance to decide: one dimension or a few tell who went where."""
    club = nx.karate_club_graph()
    sides = np.array([club.nodes[node]["club"] == "Officer" for node in club])
    for seed in range(3):
        z = DAMGraphEmbedding(random_state=seed).fit_transform(club)
        design = np.column_stack([z, np.ones(34)])
        told = design @ np.linalg.lstsq(design, sides.astype(float))[0] > 0.5
        assert (told == sides).mean() >= 0.9


def test_nothing_that_neighbours_share_is_no_rounding_blown_up() -> None:
    """Each is everyone's neighbour: held-out nodes are told no worse than by their mean."""
    whole = np.ones((12, 12)) - np.eye(12)
    features = np.random.default_rng(1).normal(size=(12, 6))
    model = DAMGraphEmbedding(random_state=0, max_epochs=20).fit(build_graph(whole, features))
    assert model.components_curve_[:, 1].max() < 1.5
