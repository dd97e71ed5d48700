"""Graphs whose features or edges have lost rank, embedded in every way there is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings

from damrep import DAMGraphEmbedding
from damrep.graph.data.graph import Graph
from damrep.graph.settings import EmbeddingSettings
from tests.autoencoder.samples import low_rank
from tests.degenerate import Spoiling, spoilings, spoilt
from tests.disturbing import disturb_moments
from tests.graph.samples import communities

FEW = {"max_components": 16, "max_epochs": 3, "random_state": 0, "device": "cpu"}
WAYS = {
    "spectral": {"objective": "svd"},
    "without rotation": {"rotate": False},
    "closed form": {"strategy": "search"},
    "with labels": {"objective": "supervised", "strategy": "mask"},
    "by mask": {},
    "masks on hidden layers": {"hidden": (8,), "mask_hidden": True},
    "a budget": {"n_components": 16},
}


@pytest.fixture(autouse=True, scope="module")
def few_mask_epochs() -> Iterator[None]:
    """Masks learn for as few epochs as everything else."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EmbeddingSettings, "mask_training", lambda self, options: options)
        yield


def measured() -> Graph:
    """Features in units of their own."""
    return communities().with_features(low_rank(40, 12, noise=0.1))


@settings(max_examples=3)
@pytest.mark.parametrize("way", WAYS)
@given(how=spoilings)
def test_graphs_of_any_rank_at_any_scale(way: str, how: Spoiling) -> None:
    for sound in (communities(), measured()):
        graph = spoilt(sound, how)
        model = DAMGraphEmbedding(**{**FEW, **WAYS[way]}).fit(graph)
        assert np.isfinite(model.transform(graph)).all()
        assert np.isfinite(model.components_curve_).all()


def test_how_moments_are_rounded_changes_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of rank 4: what the spectral embedding has to find, and no more."""
    graph = communities().with_features(low_rank(40, 12))
    asked = {**FEW, "objective": "svd", "price": 1e-6}
    sound = DAMGraphEmbedding(**asked).fit(graph)
    assert sound.n_components_ == 4
    for rounding in range(3):
        with monkeypatch.context() as patched:
            disturb_moments(patched, rounding)
            again = DAMGraphEmbedding(**asked).fit(graph)
        assert again.n_components_ == 4
        np.testing.assert_allclose(again.transform(graph), sound.transform(graph), atol=1e-4)
