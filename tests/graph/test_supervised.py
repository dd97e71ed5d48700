"""The classifier: what it is charged, which labels it learns from, where it is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from damrep.graph.classification import Classification, Distillation
from damrep.graph.encoding.encoders import make_encoder
from damrep.graph.encoding.inputs import fit_preparation
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.settings import EmbeddingSettings
from damrep.graph.supervised import fit_supervised
from damrep.masking.search import exact_width
from damrep.training import local_seed
from tests.graph.samples import communities

GRAPH = communities(n=60, d=20, classes=3)


def fitted(**changes: object) -> object:
    arguments = {
        **DAMGraphEmbedding().get_params(),
        "objective": "supervised", "max_components": 16, "max_epochs": 100, "device": "cpu",
    }  # fmt: skip
    rows, held_out = changes.pop("rows", np.arange(60)), changes.pop("held_out", None)
    labels = changes.pop("labels", GRAPH.labels)
    inputs = fit_preparation(GRAPH, rank=8, seed=0).prepare(GRAPH)
    settings = EmbeddingSettings(**{**arguments, **changes})  # type: ignore[arg-type]
    return fit_supervised(settings, inputs, labels, rows, held_out, seed=0)


def classification(labels: np.ndarray, rows: np.ndarray) -> Classification:
    inputs = fit_preparation(GRAPH, rank=8, seed=0).prepare(GRAPH)
    with local_seed(0):
        encoder = make_encoder("gcn", inputs.num_features, [8])
        return Classification(encoder, inputs, 0.0, labels, rows, np.arange(40, 60), smoothing=1)


def test_guessing_by_the_class_frequencies_is_charged_one() -> None:
    labels = np.array([0] * 30 + [1] * 20 + [2] * 10)
    task = classification(labels, np.arange(60))
    shares = torch.tensor([3 / 6, 2 / 6, 1 / 6])
    assert task.reference == pytest.approx(float(-(shares * shares.log()).sum()))
    with torch.no_grad():
        task.module["classifier"].weight.zero_()
        task.module["classifier"].bias.copy_(shares.log())
    (batch,) = task.batches(torch.Generator().manual_seed(0))
    without_decay = float((task.loss(batch) - task.decay()).detach())
    assert without_decay == pytest.approx(1.0, abs=1e-6)
    # The last twenty: ten of the second class, ten of the third.
    held = -(np.log(2 / 6) + np.log(1 / 6)) / 2 / task.reference
    with torch.no_grad():
        assert task.validation_loss() == pytest.approx(held, rel=1e-5)


def test_a_class_nobody_shows_has_no_share_in_the_reference() -> None:
    labels = np.array([0] * 30 + [1] * 10 + [2] * 20)
    task = classification(labels, np.arange(40))
    assert task.classes == 3
    assert task.reference == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))


def test_the_cut_is_where_a_unit_no_longer_earns_its_price() -> None:
    for price in (0.0, 0.01, 0.1, 1.0):
        found = fitted(price=price, strategy="search")
        losses = [loss for _, loss in found.curve]
        assert [m for m, _ in found.curve] == [1, 2], "only differences between scores count"
        assert found.compact.width == exact_width(losses, price)
        assert found.loss == losses[found.compact.width - 1]
    assert losses[1] < losses[0] - 0.1, "three classes need two dimensions"


@pytest.mark.parametrize("budget", [None, 2, 5])
def test_the_loss_reported_is_that_of_the_small_model(budget: int | None) -> None:
    held_out = np.arange(45, 60)
    found = fitted(rows=np.arange(45), held_out=held_out, n_components=budget)
    inputs = fit_preparation(GRAPH, rank=8, seed=0).prepare(GRAPH)
    z = torch.from_numpy(found.compact.transform(inputs))
    logits = found.classifier(z)[held_out]
    entropy = torch.nn.functional.cross_entropy(logits, torch.as_tensor(GRAPH.labels[held_out]))
    reference = found.reference_loss
    assert float(entropy.detach()) / reference == pytest.approx(found.loss, rel=1e-3, abs=1e-4)


def test_held_out_labels_are_taken_from_the_training_ones_if_none_are_given() -> None:
    # Few enough to see that each class keeps a node to learn from.
    labels = np.full(60, -1)
    labels[:4] = [0, 1, 2, 0]
    found = fitted(labels=labels, rows=np.arange(60), validation_fraction=0.9)
    assert np.isfinite(found.loss)
    assert found.reference_loss == pytest.approx(np.log(3))


def test_unknown_labels_are_passed_over() -> None:
    labels = GRAPH.labels.copy()
    labels[30:] = -1
    whole = fitted(labels=labels)
    part = fitted(labels=labels, rows=np.arange(30))
    assert whole.loss == part.loss and whole.history["loss"] == part.history["loss"]


def test_the_weights_kept_are_those_that_told_the_held_out_labels_best() -> None:
    found = fitted(held_out=np.arange(45, 60), rows=np.arange(45), n_components=5, patience=20)
    assert found.loss == pytest.approx(min(found.history["validation_loss"]), abs=1e-4)


@pytest.mark.parametrize("strategy", ["mask", "search"])
def test_all_dimensions_say_what_the_network_without_a_mask_says(strategy: str) -> None:
    inputs = fit_preparation(GRAPH, rank=8, seed=0).prepare(GRAPH)
    told = []
    for changes in ({"strategy": strategy, "price": 0.0}, {"n_components": 16}):
        found = fitted(rows=np.arange(45), held_out=np.arange(45, 60), **changes)
        z = torch.from_numpy(found.compact.transform(inputs))
        told.append(found.classifier(z).argmax(dim=1))
    assert (told[0] == told[1]).float().mean() > 0.95


def test_a_mask_learns_to_say_the_same_with_fewer_dimensions() -> None:
    torch.manual_seed(0)
    z, classifier = torch.randn(200, 6), torch.nn.Linear(6, 4)
    labels = classifier(z).argmax(dim=1).numpy()
    head = Distillation(z, classifier, 2, labels, np.arange(200), 1.0)
    rows = torch.arange(200)
    before = float(head.loss(rows).detach())
    optimiser = torch.optim.Adam(head.module.parameters(), lr=0.01)
    for _ in range(100):
        optimiser.zero_grad()
        head.loss(rows).backward()
        optimiser.step()
    assert 0 < float(head.loss(rows).detach()) < before
    back, small = head.cut()
    scores = small((z - head.mean) @ back.T)
    assert torch.allclose(scores.log_softmax(1), _told(head), atol=1e-4)


def _told(head: Distillation) -> torch.Tensor:
    codes = head.module["turn"](head.codes)
    told: torch.Tensor = head.module["classifier"](codes).log_softmax(1)
    return told
