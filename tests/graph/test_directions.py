"""Which directions come first, by links and by labels."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from damrep.graph.data.labels import training_labels
from damrep.graph.directions import by_labels, by_links
from damrep.graph.encoding.canonical import EdgeMoments
from damrep.graph.encoding.propagation import SparseOperator, mean_matrix
from damrep.graph.losses import label_losses, losses_elsewhere
from damrep.graph.purposes import Held
from tests.graph.samples import communities


def in_a_ring(n: int) -> tuple[SparseOperator, torch.Tensor]:
    """A ring's propagation and its edges: neighbours say nothing of the columns below."""
    pairs = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n], dim=1)
    both = torch.cat([pairs, pairs.flip(1)]).numpy()
    matrix = sp.csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(n, n))
    return SparseOperator(mean_matrix(matrix)), pairs


def test_few_pairs_do_not_say_what_the_structure_counts() -> None:
    graph = communities(60)
    operator = SparseOperator(mean_matrix(graph.adjacency))
    z = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    edges = torch.from_numpy(graph.edges())
    pairs = torch.cat([edges[:60], edges[:60].flip(0) % 7])
    moments = EdgeMoments.of(z, operator, torch.arange(60), edges)
    none = by_links(moments, z, Held(), [slice(4, 8)])
    few = by_links(moments, z, Held(pairs[30:90]), [slice(4, 8)])
    assert few.weight == none.weight == 0.5 and torch.equal(few.axes, none.axes)
    many = by_links(moments, z, Held(pairs), [slice(4, 8)])
    assert not torch.equal(many.axes, none.axes)


def test_labels_bring_forward_what_edges_know_nothing_of() -> None:
    draw = torch.Generator().manual_seed(0)
    n = 300
    classes = torch.nn.functional.one_hot(torch.arange(n) % 3, 3).bool()[
        torch.randperm(n, generator=draw)
    ]
    z = torch.randn(n, 12, generator=draw)
    z[:, 9:] += 1.5 * classes.float()  # the faintest of columns, were it not for the labels
    z[:, :9] *= 3
    operator, pairs = in_a_ring(n)
    moments = EdgeMoments.of(z, operator, torch.arange(n), pairs)
    held = Held(labelled=torch.arange(100), classes=classes[:100])
    found = by_labels(moments, z, held, [], seed=0)
    blind = by_links(moments, z, held, [])
    told = {}
    for name, axes in (("labels", found.axes), ("edges", blind.axes)):
        codes = (z - z.mean(dim=0)).double() @ axes[:2].T
        lost = losses_elsewhere(codes[:100], classes[:100], codes[100:], classes[100:])
        told[name] = float(lost.mean(dim=0)[1])
    assert told["labels"] < told["edges"] - 0.15
    # Leaving one out, after the directions have seen the one, promises too much.
    assert found.more_of_labels is not None and float(found.more_of_labels[1]) > 0


def test_labels_drawn_at_random_are_not_told() -> None:
    """The directions have seen the labels: what leaving one out says of these is made up for."""
    draw = torch.Generator().manual_seed(1)
    n = 120
    z = torch.randn(n, 40, generator=draw)
    classes = torch.nn.functional.one_hot(torch.randint(3, (n,), generator=draw), 3).bool()
    operator, pairs = in_a_ring(n)
    moments = EdgeMoments.of(z, operator, torch.arange(n), pairs)
    held = Held(labelled=torch.arange(n), classes=classes)
    found = by_labels(moments, z, held, [], seed=0)
    codes = (z - z.mean(dim=0)).double() @ found.axes.T
    seen = label_losses(codes, classes).mean(dim=0)
    more = 0.0 if found.more_of_labels is None else found.more_of_labels
    assert float((seen + more).min()) > 0.97


def test_labels_told_no_better_than_by_their_frequencies_have_no_say() -> None:
    """By a smaller map they lose less than by the directions of links, and tell nothing still."""
    draw = torch.Generator().manual_seed(11)
    n = 100
    z = torch.randn(n, 40, generator=draw)
    classes = torch.nn.functional.one_hot(torch.randint(2, (n,), generator=draw), 2).bool()
    operator, pairs = in_a_ring(n)
    moments = EdgeMoments.of(z, operator, torch.arange(n), pairs)
    held = Held(labelled=torch.arange(n), classes=classes)
    assert by_labels(moments, z, held, [], seed=0).more_of_labels is None


def test_the_structure_counts_as_much_as_labels_need() -> None:
    draw = torch.Generator().manual_seed(2)
    n = 200
    classes = torch.nn.functional.one_hot(torch.arange(n) % 2, 2).bool()
    z = torch.randn(n, 12, generator=draw)
    operator, pairs = in_a_ring(n)
    held = Held(labelled=torch.arange(n), classes=classes)
    for useful, other in ((slice(0, 6), slice(6, 12)), (slice(6, 12), slice(0, 6))):
        told = z.clone()
        told[:, useful] += classes[:, :1].float()
        told[:, other] *= 5
        moments = EdgeMoments.of(told, operator, torch.arange(n), pairs)
        weight = by_labels(moments, told, held, [slice(6, 12)], seed=0).weight
        assert (weight == 1.0) if useful == slice(6, 12) else (weight < 0.5)


@pytest.mark.parametrize("several", [False, True])
def test_few_labels_are_enough_to_go_on(several: bool) -> None:
    graph = communities(40, 20)
    labels = np.full(40, -1)
    labels[[0, 1, 30, 31]] = [0, 0, 1, 1]
    y = (labels[:, None] == [0, 1]) if several else labels
    told = training_labels(graph, y)
    assert told is not None
    operator = SparseOperator(mean_matrix(graph.adjacency))
    z = torch.from_numpy(
        np.asarray(graph.features.todense() if sp.issparse(graph.features) else graph.features)
    ).float()
    moments = EdgeMoments.of(z, operator, torch.arange(40), torch.from_numpy(graph.edges()))
    found = by_labels(moments, z, Held.of(None, told, 0, True), [], seed=0)
    assert torch.isfinite(found.axes).all()
    assert found.more_of_labels is None or torch.isfinite(found.more_of_labels).all()


def test_few_labels_that_say_no_more_than_edges_by_chance_have_no_say() -> None:
    """Twelve labels drawn at random may look told: the directions of the links stay."""
    graph = communities(60, 20)
    operator = SparseOperator(mean_matrix(graph.adjacency))
    edges = torch.from_numpy(graph.edges())
    taken = 0
    for seed in range(8):
        draw = torch.Generator().manual_seed(seed)
        z = torch.randn(60, 10, generator=draw)
        moments = EdgeMoments.of(z, operator, torch.arange(60), edges)
        classes = torch.nn.functional.one_hot(torch.arange(12) % 2, 2).bool()
        held = Held(labelled=torch.randperm(60, generator=draw)[:12], classes=classes)
        found = by_labels(moments, z, held, [], seed)
        taken += not torch.equal(found.axes, by_links(moments, z, held, []).axes)
    assert taken <= 2
