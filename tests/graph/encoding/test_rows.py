"""Training on rows: what is propagated before gives what the encoder gives on the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep.graph.data.graph import Graph
from damrep.graph.encoding.encoders import ENCODERS, make_encoder
from damrep.graph.encoding.inputs import GraphInputs, fit_preparation
from damrep.graph.encoding.objectives import OBJECTIVES, make_objective
from damrep.graph.encoding.rows import BATCH, PropagatedRows, draw_rows, strongest_features
from damrep.graph.encoding.stack import GraphEncoder
from damrep.graph.encoding.tasks import GraphTask
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.fitting import train_encoder
from damrep.graph.settings import EmbeddingSettings
from damrep.training import TrainingOptions, local_seed, torch_generator, train
from tests.graph.samples import communities

BY_ROWS = sorted(name for name, task in OBJECTIVES.items() if task.by_rows)


def inputs_of(graph: Graph | None = None) -> GraphInputs:
    graph = communities(n=50, d=20) if graph is None else graph
    return fit_preparation(graph, rank=8, seed=0).prepare(graph)


def wide_inputs(n: int = 60, d: int = 400) -> GraphInputs:
    """Sparse features, more columns than are read, of a rank that loses nothing."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, d), dtype=np.float32)
    x[np.arange(n)[:, None], rng.integers(0, d, (n, 6))] = 1.0
    return inputs_of(communities(n=n).with_features(sp.csr_array(x)))


def encoder_of(name: str, d: int, seed: int = 0) -> GraphEncoder:
    """One layer, with no weight, bias or slope at its start."""
    with local_seed(seed):
        encoder = make_encoder(name, d, [16])
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.normal_()
    return encoder


def task(name: str, encoder: str = "gcn", *, rows: bool = True, seed: int = 0) -> GraphTask:
    inputs = inputs_of()
    with local_seed(seed):
        made = make_encoder(encoder, inputs.num_features, [16])
        return make_objective(name, made, inputs, 0.2, rows)


def settings(**changes: Any) -> EmbeddingSettings:
    return EmbeddingSettings(**{**DAMGraphEmbedding(device="cpu").get_params(), **changes})


def represent(encoder: GraphEncoder, inputs: GraphInputs) -> torch.Tensor:
    with torch.no_grad():
        return encoder(inputs.tensor(), inputs.operator(encoder.propagation))


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_propagating_first_is_propagating_last(name: str, dropped: bool) -> None:
    inputs = inputs_of()
    encoder = encoder_of(name, inputs.num_features)
    x, operator = inputs.tensor(), inputs.operator(encoder.propagation)
    keep = torch.arange(inputs.num_features) % 3 > 0 if dropped else None
    some = torch.tensor([7, 3, 3, 49])
    layer = encoder.layers[0]
    expected = encoder.forward_projected(layer.project_features(x, keep), operator)[some]
    rows = PropagatedRows(encoder, inputs)
    torch.testing.assert_close(
        encoder.encode_rows(rows.real[some], keep), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_shuffled_rows_are_those_of_shuffled_features(name: str) -> None:
    inputs = inputs_of()
    encoder = encoder_of(name, inputs.num_features)
    rows = PropagatedRows(encoder, inputs)
    with local_seed(3):
        rows.add_shuffled()
        found = encoder.encode_rows(rows.shuffled[:50])
    with local_seed(3):
        order = torch.randperm(50)
    expected = encoder(inputs.tensor(), inputs.operator(encoder.propagation), order)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_shuffled_rows_are_bounded_on_a_large_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("damrep.graph.encoding.rows._SHUFFLED", 30)
    rows = PropagatedRows(encoder_of("gcn", 20), inputs_of())
    with local_seed(0):
        rows.add_shuffled()
    assert rows.shuffled.shape == (30, 20)


def test_few_columns_are_kept_as_they_are() -> None:
    inputs = inputs_of()
    same, axes = strongest_features(inputs, seed=0)
    assert axes is None
    dense = inputs.features.toarray() if sp.issparse(inputs.features) else inputs.features
    np.testing.assert_array_equal(same.features, dense)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_weights_on_directions_are_weights_on_features(name: str) -> None:
    inputs = wide_inputs()
    reduced, axes = strongest_features(inputs, seed=0)
    assert axes is not None and axes.shape == (400, 60) == (400, reduced.num_features)
    encoder = encoder_of(name, reduced.num_features)
    wide = encoder.behind(axes)
    torch.testing.assert_close(
        represent(wide, inputs), represent(encoder, reduced), rtol=1e-4, atol=1e-3
    )


def test_all_directions_of_the_features_keep_their_products() -> None:
    inputs = wide_inputs()
    reduced, _ = strongest_features(inputs, seed=0)
    kept = reduced.features @ reduced.features.T
    np.testing.assert_allclose(kept, (inputs.features @ inputs.features.T).toarray(), atol=1e-3)


@pytest.mark.parametrize("name", ["ggd", "dgi"])
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_all_rows_and_the_same_shuffle_cost_what_the_graph_costs(name: str, encoder: str) -> None:
    by_rows, whole = (task(name, encoder, rows=rows) for rows in (True, False))
    assert by_rows.propagated is not None
    keep, order = torch.arange(20) % 3 > 0, torch.randperm(50, generator=torch_generator(1))
    layer = by_rows.encoder.layers[0]
    operator = inputs_of().operator(by_rows.encoder.propagation)
    x = torch.from_numpy(strongest_features(inputs_of(), 0)[0].features)
    by_rows.propagated.shuffled = layer.precompute(x[order], operator)
    everything = torch.arange(50)
    found = by_rows.loss({"keep": keep, "nodes": everything, "fakes": everything})
    torch.testing.assert_close(
        found, whole.loss({"keep": keep, "order": order}), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("name", ["gae", "reconstruction"])
def test_all_rows_cost_what_the_graph_costs(name: str, encoder: str) -> None:
    by_rows, whole = (task(name, encoder, rows=rows) for rows in (True, False))
    (batch,) = whole.batches(torch_generator(1))
    torch.testing.assert_close(by_rows.loss(batch), whole.loss(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("name", BY_ROWS)
def test_training_on_rows_lowers_the_loss(name: str, encoder: str) -> None:
    made = task(name, encoder)
    fixed = [batch for seed in range(8) for batch in made.batches(torch_generator(seed))]

    def mean_loss() -> float:
        with torch.no_grad():
            return float(np.mean([float(made.loss(batch)) for batch in fixed]))

    before = mean_loss()
    train(made, TrainingOptions(max_epochs=60, lr=0.02, device="cpu", seed=1))
    assert mean_loss() < 0.9 * before


@pytest.mark.parametrize("name", BY_ROWS)
def test_the_generator_decides_a_step(name: str, global_rng_untouched: None) -> None:
    made = task(name)
    (first,), (again,), (other,) = (made.batches(torch_generator(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_loss_of_rows_is_a_running_mean() -> None:
    made, whole = task("ggd"), task("ggd", rows=False)
    rows: list[dict[str, Any]] = [{"loss": float(value)} for value in range(20)]
    for row in rows:
        made.after_epoch(row)
    assert [rows[i]["loss"] for i in (0, 1, 19)] == [0.0, 0.5, np.mean(range(10, 20))]
    row = {"loss": 3.0}
    whole.after_epoch({"loss": 1.0})
    whole.after_epoch(row)
    assert row["loss"] == 3.0


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_encoder_is_trained_on_every_objective(
    objective: str,
    encoder: str,
    global_rng_untouched: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = wide_inputs()
    options = settings(encoder=encoder, objective=objective, max_epochs=8)
    monkeypatch.setattr("damrep.graph.fitting._FULL_BATCH", 0)
    first, again, other = (train_encoder(options, inputs, 12, seed)[0] for seed in (1, 1, 2))
    assert first.layers[0].width == 12
    z = represent(first, inputs)
    assert z.shape == (60, 12) and z.dtype == torch.float32 and bool(z.isfinite().all())
    assert torch.equal(z, represent(again, inputs))
    assert not torch.equal(z, represent(other, inputs))


def test_hidden_layers_are_trained_on_the_whole_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = make_objective

    def watched(*args: Any) -> GraphTask:
        made.append(original(*args))
        return made[-1]

    monkeypatch.setattr("damrep.graph.fitting.make_objective", watched)
    train_encoder(settings(max_epochs=2), inputs_of(), 12, 0)  # so small that all of it is as quick
    monkeypatch.setattr("damrep.graph.fitting._FULL_BATCH", 0)
    for options in (
        settings(max_epochs=2),
        settings(max_epochs=2, hidden=(8,)),
        settings(max_epochs=2, objective="masked"),
    ):
        train_encoder(options, inputs_of(), 12, 0)
    assert [each.propagated is not None for each in made] == [False, True, False, False]


def test_rows_are_drawn_from_all_of_them() -> None:
    generator = torch_generator(0)
    assert sorted(draw_rows(5, BATCH, generator).tolist()) == list(range(5))
    drawn = draw_rows(10 * BATCH, BATCH, generator)
    assert len(drawn) == BATCH and int(drawn.max()) > 9 * BATCH > BATCH > int(drawn.min())


def test_all_nodes_are_set_against_one_whole_shuffle() -> None:
    rows = PropagatedRows(encoder_of("gcn", 20), inputs_of())
    with local_seed(0):
        rows.add_shuffled()
    drawn = [rows.draw_shuffled(50, torch_generator(seed)) for seed in range(5)]
    assert all(torch.equal(each % 50, torch.arange(50)) for each in drawn)
    assert len({int(each[0]) for each in drawn}) > 1
    assert len(rows.draw_shuffled(20, torch_generator(0))) == 20
