"""Encoders: PyG's own layers are the yardstick; masks, cutting and permuting are equivalences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.nn import GCNConv, SAGEConv

from damrep.graph.encoding.encoders import (
    ENCODERS,
    AutoencoderEncoder,
    GCNEncoder,
    SAGEEncoder,
    make_encoder,
)
from damrep.graph.encoding.propagation import SparseOperator, gcn_matrix, mean_matrix
from damrep.graph.encoding.stack import GraphEncoder
from damrep.masking.dam import DAM
from damrep.masking.validation import InputError
from damrep.training import local_seed
from tests.graph.samples import random_adjacency

KINDS = list(itertools.product([False, True], [False, True]))


def edge_list(adjacency: sp.csr_array) -> tuple[Tensor, Tensor]:
    arcs = adjacency.tocoo()
    index = torch.as_tensor(np.stack([arcs.row, arcs.col]), dtype=torch.long)
    return index, torch.as_tensor(arcs.data)


def without_loops(adjacency: sp.csr_array) -> sp.csr_array:
    plain = sp.csr_array(adjacency - sp.diags_array(adjacency.diagonal()))
    plain.eliminate_zeros()
    return plain


def operator_of(encoder: GraphEncoder, adjacency: sp.csr_array) -> SparseOperator:
    matrix = {"gcn": gcn_matrix, "mean": mean_matrix}[encoder.propagation]
    return SparseOperator(matrix(adjacency))


def seeded(name: str, d: int, widths: list[int], seed: int = 0, **options: object) -> GraphEncoder:
    """An encoder none of whose weights, biases and slopes are at their start."""
    with local_seed(seed):
        encoder = make_encoder(name, d, widths, **options)
        with torch.no_grad():
            for parameter in encoder.parameters():
                if parameter.dim() == 1:
                    parameter.normal_()
    return encoder


def features(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("directed", "weighted"), KINDS)
def test_gcn_is_pygs_gcnconv_on_the_edge_list(directed: bool, weighted: bool) -> None:
    adjacency = random_adjacency(15, 2, directed=directed, weighted=weighted)
    encoder = seeded("gcn", 6, [4])
    x = features(15, 6)
    conv = GCNConv(6, 4)
    layer = encoder.layers[0]
    conv.load_state_dict(layer.state_dict())
    # Self-loops are replaced, not kept beside or with their own weight.
    index, weight = edge_list(without_loops(adjacency))
    expected = encoder.activations[0](conv(x, index, weight))
    torch.testing.assert_close(
        encoder(x, operator_of(encoder, adjacency)), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("directed", [False, True])
def test_sage_is_pygs_sageconv_on_the_edge_list(directed: bool) -> None:
    adjacency = random_adjacency(15, 3, directed=directed, weighted=False)
    encoder = seeded("sage", 6, [4])
    x = features(15, 6)
    conv = SAGEConv(6, 4, aggr="mean")
    conv.load_state_dict(encoder.layers[0].state_dict())
    expected = encoder.activations[0](conv(x, edge_list(adjacency)[0]))
    torch.testing.assert_close(
        encoder(x, operator_of(encoder, adjacency)), expected, rtol=1e-5, atol=1e-6
    )


def test_sage_weighs_its_neighbours_by_the_edges() -> None:
    adjacency = random_adjacency(15, 3, directed=True, weighted=True)
    encoder = seeded("sage", 6, [4])
    x = features(15, 6)
    layer = encoder.layers[0]
    dense = torch.as_tensor(adjacency.todense())
    mean = dense.T @ x / dense.sum(dim=0).clamp(min=1e-30)[:, None]
    expected = mean @ layer.lin_l.weight.T + layer.lin_l.bias + x @ layer.lin_r.weight.T
    torch.testing.assert_close(
        encoder(x, operator_of(encoder, adjacency)), encoder.activations[0](expected)
    )


def test_two_gcn_layers_are_two_gcnconvs() -> None:
    adjacency = without_loops(random_adjacency(15, 4, directed=True, weighted=True))
    encoder = seeded("gcn", 6, [5, 4])
    x = features(15, 6)
    h = x
    for layer, act in zip(encoder.layers, encoder.activations, strict=True):
        conv = GCNConv(*layer.lin.weight.shape[::-1])
        conv.load_state_dict(layer.state_dict())
        h = act(conv(h, *edge_list(adjacency)))
    torch.testing.assert_close(encoder(x, operator_of(encoder, adjacency)), h, rtol=1e-5, atol=1e-5)


def test_the_autoencoder_is_a_dense_network_on_features_propagated_twice() -> None:
    adjacency = random_adjacency(15, 4, directed=False, weighted=True)
    encoder = seeded("autoencoder", 6, [5, 4])
    assert isinstance(encoder, AutoencoderEncoder)
    x = features(15, 6)
    matrix = torch.as_tensor(gcn_matrix(adjacency).todense())
    h = matrix @ matrix @ x
    for layer, act in zip(encoder.layers, encoder.activations, strict=True):
        h = act(torch.nn.functional.linear(h, layer.lin.weight, layer.lin.bias))
    torch.testing.assert_close(encoder(x, operator_of(encoder, adjacency)), h, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_sparse_features_give_the_same_output_and_gradients(name: str) -> None:
    adjacency = random_adjacency(15, 5, directed=False, weighted=False)
    dense = (features(15, 40) > 1.2).float()
    encoder = seeded(name, 40, [5, 4])
    operator = operator_of(encoder, adjacency)
    results = []
    for x in (dense, SparseOperator(sp.csr_array(dense.numpy()))):
        encoder.zero_grad()
        out = encoder(x, operator)
        out.square().sum().backward()
        results.append([out.detach(), *(p.grad.clone() for p in encoder.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_order_permutes_the_features_and_not_the_edges(name: str) -> None:
    adjacency = random_adjacency(15, 6, directed=True, weighted=True)
    encoder = seeded(name, 6, [5, 4])
    operator = operator_of(encoder, adjacency)
    x, order = features(15, 6), torch.randperm(15, generator=torch.Generator().manual_seed(1))
    gradients = []
    for run in (lambda: encoder(x, operator, order), lambda: encoder(x[order], operator)):
        encoder.zero_grad()
        out = run()
        (out * features(15, 4, seed=2)).sum().backward()
        gradients.append([out.detach(), *(p.grad.clone() for p in encoder.parameters())])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(encoder(x, operator), encoder(x, operator, order), atol=1e-2)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_an_isolated_node_is_described_by_its_own_features(name: str) -> None:
    encoder = seeded(name, 6, [5])
    x = features(4, 6)
    edges = np.zeros((4, 4))
    edges[0, 1] = edges[1, 0] = 1
    joined = encoder(x, operator_of(encoder, sp.csr_array(edges)))
    alone = encoder(x, operator_of(encoder, sp.csr_array((4, 4))))
    torch.testing.assert_close(joined[2:], alone[2:])
    assert not torch.allclose(joined[:2], alone[:2], atol=1e-3)


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(ENCODERS)),
    st.lists(
        st.tuples(st.integers(1, 9), st.booleans(), st.integers(1, 9)), min_size=1, max_size=3
    ),
    st.sampled_from(["relu_tanh", "linear", "piecewise_linear"]),
    st.integers(0, 1000),
)
def test_cutting_keeps_the_function(
    name: str, layers: list[tuple[int, bool, int]], gate: str, seed: int
) -> None:
    widths, flags = [width for width, _, _ in layers], [flag for _, flag, _ in layers]
    encoder = seeded(name, 6, widths, seed, masked=flags, gate=gate)
    for mask, (width, _, opened) in zip(encoder.masks, layers, strict=True):
        if isinstance(mask, DAM):
            mask.set_width(min(opened, width))
    operator = operator_of(encoder, random_adjacency(12, seed, directed=True, weighted=True))
    x = features(12, 6, seed)
    with torch.no_grad():
        whole, small = encoder(x, operator), encoder.compact()
        last = encoder.masks[-1]
        if isinstance(last, DAM):
            assert (whole[:, ~last.active] == 0).all()
            whole = whole[:, last.active]
        size = whole.abs().max().clamp(min=1.0)
        torch.testing.assert_close(small(x, operator) / size, whole / size, rtol=0, atol=1e-5)
    assert type(small) is type(encoder)
    assert not any(isinstance(module, DAM) for module in small.modules())
    assert small.widths == [
        mask.n_active if isinstance(mask, DAM) else width
        for mask, width in zip(encoder.masks, widths, strict=True)
    ]


def test_cutting_makes_it_smaller_and_leaves_the_original_alone(
    global_rng_untouched: None,
) -> None:
    encoder = seeded("gcn", 30, [40, 20], masked=True)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    for mask in encoder.masks:
        mask.set_width(3)
    before |= {k: v.clone() for k, v in encoder.state_dict().items() if k.endswith("beta")}
    small = encoder.compact()
    assert sum(p.numel() for p in small.parameters()) == 30 * 3 + 3 + 3 * 3 + 3 + 2
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    assert all(torch.equal(encoder.state_dict()[name], value) for name, value in before.items())


def test_gradients_reach_every_weight_and_every_beta() -> None:
    for name in ENCODERS:
        encoder = seeded(name, 6, [8, 5], masked=True)
        operator = operator_of(encoder, random_adjacency(12, 0, directed=False, weighted=False))
        encoder(features(12, 6), operator).square().sum().backward()
        without = [
            key for key, p in encoder.named_parameters() if p.grad is None or not p.grad.any()
        ]
        assert not without, (name, without)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_dropping_columns_is_dropping_them_from_the_features(
    name: str, sparse: bool, dtype: torch.dtype
) -> None:
    adjacency = random_adjacency(12, 7, directed=False, weighted=False)
    encoder = seeded(name, 6, [5])
    operator = operator_of(encoder, adjacency)
    x, keep = features(12, 6), torch.tensor([1, 0, 1, 1, 0, 1], dtype=dtype)
    given = SparseOperator(sp.csr_array(x.numpy())) if sparse else x
    first = encoder.layers[0].project_features(given, keep)
    torch.testing.assert_close(
        encoder.forward_projected(first, operator), encoder(x * keep, operator)
    )


@pytest.mark.parametrize(
    ("widths", "masked"), [([], True), ([], []), ([4], [True, False]), ([4, 4], [True])]
)
def test_widths_and_masks_must_agree(widths: list[int], masked: bool | list[bool]) -> None:
    with pytest.raises(InputError, match="widths"):
        GCNEncoder(3, widths, masked=masked)


def test_encoders_by_name() -> None:
    assert isinstance(make_encoder("sage", 3, [2]), SAGEEncoder)
    with pytest.raises(InputError, match="encoder must be one of.*'gat'"):
        make_encoder("gat", 3, [2])


@pytest.mark.parametrize(("directed", "weighted"), KINDS)
def test_gcn_is_dgls_graphconv(directed: bool, weighted: bool) -> None:
    dgl = pytest.importorskip("dgl", reason="dgl is an optional extra")
    adjacency = without_loops(random_adjacency(15, 2, directed=directed, weighted=weighted))
    encoder = seeded("gcn", 6, [4])
    x = features(15, 6)
    ours = encoder(x, operator_of(encoder, adjacency))

    graph = dgl.graph(tuple(edge_list(adjacency)[0]), num_nodes=15)
    graph.edata["w"] = edge_list(adjacency)[1]
    graph = dgl.add_self_loop(dgl.remove_self_loop(graph), edge_feat_names=["w"], fill_data=1.0)
    # In-degrees on both sides, which DGL's own norm="both" has for undirected graphs only.
    source, target = graph.edges()
    degree = torch.zeros(15).index_add_(0, target, graph.edata["w"])
    norm = graph.edata["w"] * degree[source].rsqrt() * degree[target].rsqrt()
    conv = dgl.nn.GraphConv(6, 4, norm="none")
    with torch.no_grad():
        conv.weight.copy_(encoder.layers[0].lin.weight.T)
        conv.bias.copy_(encoder.layers[0].bias)
    expected = encoder.activations[0](conv(graph, x, edge_weight=norm))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
