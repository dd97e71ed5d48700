"""Objectives: what they charge for, stated as a share of what the trivial predictor is charged."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional as F

from damrep.graph.data.graph import Graph, build_graph
from damrep.graph.encoding.encoders import ENCODERS, make_encoder
from damrep.graph.encoding.inputs import GraphInputs, fit_preparation
from damrep.graph.encoding.objectives import (
    OBJECTIVES,
    Discriminators,
    GraphInfomax,
    GraphTask,
    GroupDiscrimination,
    LinkReconstruction,
    MaskedFeatures,
    Reconstruction,
    make_objective,
)
from damrep.masking.validation import InputError
from damrep.training import TrainingOptions, local_seed, torch_generator, train
from tests.graph.samples import communities

CONTRASTIVE = ("dgi", "ggd")
COIN = math.log(2)


def inputs_of(graph: Graph) -> GraphInputs:
    return fit_preparation(graph, rank=8, seed=0).prepare(graph)


def task(
    name: str,
    *,
    encoder: str = "gcn",
    graph: Graph | None = None,
    dropout: float = 0.5,
    seed: int = 0,
) -> GraphTask:
    inputs = inputs_of(communities(n=50, d=20) if graph is None else graph)
    with local_seed(seed):
        made = make_encoder(encoder, inputs.num_features, [16])
        return make_objective(name, made, inputs, dropout)


def only_batch(made: GraphTask, seed: int = 0) -> dict[str, Tensor]:
    (batch,) = made.batches(torch_generator(seed))
    return batch


def views(made: GraphTask, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The encoder's outputs for a step's features, and for them shuffled; by the plain way."""
    assert isinstance(made.x, Tensor)
    x = made.x * batch["keep"]
    return made.encoder(x, made.operator), made.encoder(x[batch["order"]], made.operator)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("name", CONTRASTIVE)
def test_telling_real_from_shuffled_starts_near_a_coin(name: str, encoder: str) -> None:
    losses = []
    for seed in range(5):
        made = task(name, encoder=encoder, seed=seed)
        losses.append(float(made.loss(only_batch(made, seed)).detach()))
    assert 0.9 < np.median(losses) < 1.2


@pytest.mark.parametrize("name", [*CONTRASTIVE, "gae"])
def test_who_cannot_tell_is_charged_exactly_one(name: str) -> None:
    made = task(name)
    score = made.module["slope" if name == "gae" else "score"]
    with torch.no_grad():
        for parameter in score.parameters():
            parameter.zero_()
    assert float(made.loss(only_batch(made)).detach()) == pytest.approx(1.0, abs=1e-6)


def test_group_discrimination_is_the_cross_entropy_of_its_scores() -> None:
    made = task("ggd")
    assert isinstance(made, GroupDiscrimination)
    batch = only_batch(made)
    real, fake = (made.module["score"](h) for h in views(made, batch))
    expected = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2 / COIN
    torch.testing.assert_close(made.loss(batch), expected, rtol=1e-4, atol=1e-5)


def test_every_score_reads_units_of_its_own() -> None:
    score = Discriminators(width=6, count=2, rate=3.0)
    with torch.no_grad():
        score.weight.copy_(torch.arange(6.0))
        score.bias.copy_(torch.tensor([0.5, -0.5]))
    z = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 2.0]])
    expected = [3.0 * (0 + 1 + 2 + 0.5), 3.0 * (2 * 5 - 0.5)]
    assert score(z).squeeze(0).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("width, heads", [(1, 1), (20, 1), (64, 1), (128, 2), (384, 6), (447, 7)])
def test_number_of_scores(width: int, heads: int) -> None:
    score = task("ggd").parts(width)["score"]
    assert isinstance(score, Discriminators)
    assert score(torch.ones(3, width)).shape == (3, heads)
    assert score.members.sum(dim=0).min() >= width // heads


def test_infomax_is_the_cross_entropy_of_nodes_against_the_summary() -> None:
    made = task("dgi")
    assert isinstance(made, GraphInfomax)
    batch = only_batch(made)
    real, fake = views(made, batch)
    summary = torch.sigmoid(real.mean(dim=0)) @ made.module["score"].weight.T
    expected = (F.softplus(-real @ summary).mean() + F.softplus(fake @ summary).mean()) / 2 / COIN
    torch.testing.assert_close(made.loss(batch), expected, rtol=1e-4, atol=1e-5)


def test_link_loss_by_hand() -> None:
    # One edge 0-1 against the pair 0-2.
    made = task("gae", graph=build_graph(np.eye(3)[[1, 0, 2]] * [1, 1, 0], np.eye(3)))
    assert isinstance(made, LinkReconstruction) and made.edges.tolist() == [[0], [1]]
    z = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])  # mean squared length 2
    ends = z[torch.tensor([[0, 0], [1, 2]])]
    found = float(made.link_loss(ends, 1).detach())
    edge, pair = 1.0, 0.0
    expected = (math.log1p(math.exp(-edge)) + math.log1p(math.exp(pair))) / 2 / COIN
    assert found == pytest.approx(expected, abs=1e-6)
    # The scale of z is no information.
    assert float(made.link_loss(30 * ends, 1).detach()) == pytest.approx(found)


def test_links_are_every_edge_once_and_as_many_pairs() -> None:
    graph = communities(n=50, d=20)
    made = task("gae", graph=graph)
    assert isinstance(made, LinkReconstruction)
    np.testing.assert_array_equal(
        np.sort(made.edges.numpy().T, axis=0), np.sort(graph.edges(), axis=0)
    )
    batch = only_batch(made)
    assert torch.equal(batch["edges"], made.edges)
    assert batch["pairs"].shape == made.edges.shape and int(batch["pairs"].max()) < 50


def test_masked_features_by_hand() -> None:
    made = task("masked", dropout=0.0)
    assert isinstance(made, MaskedFeatures)
    batch = only_batch(made)
    first = made.encoder.layers[0].project_features(made.x)
    first = torch.where(batch["masked"][:, None], made.module["token"].bias, first)
    decoded = made.module["decoder"](
        made.operator @ made.encoder.forward_projected(first, made.operator)
    )
    x = torch.as_tensor(made.targets)
    asked = batch["asked"]
    reference = (x - x.mean(dim=0)).square().sum(dim=1).mean()
    expected = (decoded[asked] - x[asked]).square().sum(dim=1).mean() / reference
    torch.testing.assert_close(made.loss(batch), expected, rtol=1e-4, atol=1e-5)


def test_masked_nodes_do_not_see_their_own_features() -> None:
    made = task("masked", dropout=0.0)
    batch = only_batch(made)
    masked = batch["masked"]
    assert 10 < int(masked.sum()) < 40 and bool(masked[batch["asked"]].all())
    before = float(made.loss(batch).detach())
    assert isinstance(made.x, Tensor)
    made.x = torch.where(masked[:, None], made.x + 100, made.x)
    assert float(made.loss(batch).detach()) == before
    made.x = torch.where(masked[:, None], made.x, made.x + 1)
    assert float(made.loss(batch).detach()) != pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_predicting_the_mean_of_the_features_is_charged_one(as_sparse: bool) -> None:
    graph = communities(n=50, d=20)
    if as_sparse:
        graph = graph.with_features(sp.csr_array(graph.features))
    made = task("reconstruction", graph=graph)
    assert isinstance(made, Reconstruction)
    batch = only_batch(made)
    assert sorted(batch["asked"].tolist()) == list(range(50)), "every node is asked for"
    decoder = made.module["decoder"]
    with torch.no_grad():
        decoder.weight.zero_()
        decoder.bias.copy_(batch["target"].mean(dim=0))
    found = float(made.feature_loss(torch.zeros(50, 16), batch).detach())
    assert found == pytest.approx(1.0, abs=1e-5)


def test_reconstruction_is_half_features_and_half_links() -> None:
    made = task("reconstruction", dropout=0.0)
    assert isinstance(made, Reconstruction) and isinstance(made.x, Tensor)
    batch = only_batch(made)
    z = made.encoder(made.x, made.operator)
    ends = z[torch.cat([made.edges, batch["pairs"]], dim=1)]
    parts = made.feature_loss(z[batch["asked"]], batch) + made.link_loss(ends, made.edges.shape[1])
    torch.testing.assert_close(made.loss(batch), parts / 2)


def test_reconstruction_without_edges_is_features_alone() -> None:
    bare = build_graph(sp.csr_array((50, 50)), communities(n=50, d=20).features)
    made = task("reconstruction", graph=bare, dropout=0.0)
    assert isinstance(made, Reconstruction) and isinstance(made.x, Tensor)
    batch = only_batch(made)
    expected = made.feature_loss(made.encoder(made.x, made.operator)[batch["asked"]], batch)
    torch.testing.assert_close(made.loss(batch), expected)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_gradients_reach_the_encoder_and_the_objectives_own_parts(name: str, encoder: str) -> None:
    made = task(name, encoder=encoder, dropout=0.2)
    made.loss(only_batch(made)).backward()
    unmoved = {
        key
        for key, p in made.module.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()
    }
    # A token is one vector for every masked node, so its factor is not used; with everything
    # masked or nothing, neither is the rest of it.
    allowed = {"token.weight"} if name == "masked" else set()
    assert unmoved <= allowed


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_training_lowers_the_loss(name: str, encoder: str) -> None:
    made = task(name, encoder=encoder, dropout=0.1)
    fixed = [only_batch(made, seed) for seed in range(8)]

    def mean_loss() -> float:
        with torch.no_grad():
            return float(np.mean([float(made.loss(batch)) for batch in fixed]))

    before = mean_loss()
    train(made, TrainingOptions(max_epochs=60, lr=0.02, device="cpu", seed=1))
    assert mean_loss() < 0.9 * before


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_generator_decides_a_step(name: str, global_rng_untouched: None) -> None:
    made = task(name)
    first, again, other = (only_batch(made, seed) for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
    generator = torch_generator(3)
    (_,), (second,) = made.batches(generator), made.batches(generator)
    assert not all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_that_share_of_the_columns_is_dropped(share: float) -> None:
    made = task("ggd", graph=communities(n=20, d=2000), dropout=share)
    keep = only_batch(made)["keep"]
    assert keep.dtype == torch.bool
    assert float(keep.float().mean()) == pytest.approx(1 - share, abs=0.05)


def test_the_shuffle_is_a_permutation() -> None:
    for name in CONTRASTIVE:
        assert sorted(only_batch(task(name))["order"].tolist()) == list(range(50))


def test_sparse_and_dense_features_cost_the_same() -> None:
    graph = communities(n=50, d=20)
    x = np.zeros((50, 400), dtype=np.float32)
    x[:, :20] = graph.features
    for name in OBJECTIVES:
        losses = []
        for given in (x, sp.csr_array(x)):
            made = task(name, graph=graph.with_features(given))
            losses.append(float(made.loss(only_batch(made)).detach()))
        assert losses[0] == pytest.approx(losses[1], rel=1e-4), name


def test_an_objective_nobody_knows() -> None:
    with pytest.raises(InputError, match="objective must be one of.*'vgae'"):
        task("vgae")
