"""A masked encoder computes what masks behind each activation would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from damrep.graph.encoding.encoders import ENCODERS, make_encoder
from damrep.graph.encoding.propagation import SparseOperator, gcn_matrix, mean_matrix
from damrep.graph.encoding.stack import GraphEncoder
from damrep.masking.dam import DAM

NODES, FEATURES = 12, 5
CASES = [
    (name, widths, masked)
    for name in sorted(ENCODERS)
    for widths, masked in [
        ((8,), [True]),
        ((8, 6), [True, True]),
        ((8, 6), [True, False]),
        ((8, 6), [False, True]),
        ((8, 7, 6), [True, True, True]),
        ((8, 7, 6), [False, True, False]),
    ]
]


def _setting(
    name: str, widths: tuple[int, ...], masked: list[bool]
) -> tuple[GraphEncoder, Tensor, SparseOperator]:
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((NODES, NODES)) < 0.3, 1).astype(np.float32)
    adjacency = sp.csr_array(upper + upper.T)
    matrix = {"gcn": gcn_matrix, "mean": mean_matrix}[ENCODERS[name].propagation](adjacency)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = make_encoder(name, FEATURES, widths, masked=masked)
        x = torch.randn(NODES, FEATURES)
        with torch.no_grad():
            for layer in encoder.layers:
                bias = next(p for key, p in layer.named_parameters() if key.endswith("bias"))
                bias.normal_()
    for mask in encoder.masks:
        if isinstance(mask, DAM):
            mask.set_width(4)
    return encoder, x, SparseOperator(matrix)


def _layer_by_layer(encoder: GraphEncoder, x: Tensor, operator: SparseOperator) -> Tensor:
    for layer, act, mask in zip(encoder.layers, encoder.activations, encoder.masks, strict=True):
        x = mask(act(layer.propagate_features(layer.project_features(x), operator)))
    return x


def _with_gradients(
    function: Callable[[GraphEncoder, Tensor, SparseOperator], Tensor],
    encoder: GraphEncoder,
    x: Tensor,
    operator: SparseOperator,
) -> dict[str, Tensor]:
    encoder.zero_grad()
    out = function(encoder, x, operator)
    (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
    grads = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    return {"out": out.detach(), **grads}


@pytest.mark.parametrize(("name", "widths", "masked"), CASES)
def test_output_and_gradients_are_those_of_masks_behind_the_activations(
    name: str, widths: tuple[int, ...], masked: list[bool]
) -> None:
    encoder, x, operator = _setting(name, widths, masked)
    ours = _with_gradients(lambda e, x, a: e(x, a), encoder, x, operator)
    expected = _with_gradients(_layer_by_layer, encoder, x, operator)
    assert ours.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.allclose(ours[key], value, rtol=1e-4, atol=1e-5), key


@pytest.mark.parametrize(("name", "widths", "masked"), [c for c in CASES if c[2][-1]])
def test_closed_units_of_the_last_layer_are_exactly_zero_and_learn_nothing(
    name: str, widths: tuple[int, ...], masked: list[bool]
) -> None:
    encoder, x, operator = _setting(name, widths, masked)
    got = _with_gradients(lambda e, x, a: e(x, a), encoder, x, operator)
    closed = ~encoder.masks[-1].active
    assert closed.any() and (got["out"][:, closed] == 0).all()
    last = len(widths) - 1
    for key, value in got.items():
        if key.startswith(f"layers.{last}."):
            assert (value[closed] == 0).all(), key


@pytest.mark.parametrize(("name", "widths", "masked"), CASES)
def test_compact_computes_the_open_units(
    name: str, widths: tuple[int, ...], masked: list[bool]
) -> None:
    encoder, x, operator = _setting(name, widths, masked)
    out = encoder(x, operator)
    if masked[-1]:
        out = out[:, encoder.masks[-1].active]
    torch.testing.assert_close(encoder.compact()(x, operator), out, rtol=1e-5, atol=1e-5)
