from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from damrep.masking.compaction import ChannelScale, compact_sequential, slice_linear
from damrep.masking.dam import DAM
from damrep.masking.price import masks_in
from damrep.masking.validation import InputError
from damrep.training.seeding import local_seed


def opened(n: int, m: int) -> DAM:
    mask = DAM(n)
    mask.set_width(m)
    return mask


def built(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(*modules).eval()


def inputs(d: int, rows: int = 12) -> Tensor:
    return torch.randn(rows, d, generator=torch.Generator().manual_seed(0))


activations = st.sampled_from(
    [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.LeakyReLU, nn.Softplus, nn.PReLU, nn.Identity]
)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 1000),
    st.lists(
        st.tuples(
            st.integers(1, 9),  # width
            st.floats(0, 1),  # share kept open
            st.one_of(st.none(), activations),  # before the mask
            st.one_of(st.none(), activations),  # after it
            st.booleans(),  # dropout
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_compaction_preserves_the_output(
    seed: int, blocks: list[tuple[int, float, type | None, type | None, bool]]
) -> None:
    d = 5
    modules: list[nn.Module] = []
    with local_seed(seed):
        for width, share, before, after, dropout in blocks:
            modules.append(nn.Linear(d, width))
            modules += [before()] if before else []
            modules += [nn.Dropout(0.4)] if dropout else []
            modules.append(opened(width, max(1, round(share * width))))
            modules += [after()] if after else []
            d = width
        modules.append(nn.Linear(d, 3))
    model = built(*modules)
    small = compact_sequential(model)
    assert not masks_in(small)
    x = inputs(5)
    assert torch.allclose(small(x), model(x), atol=1e-5)
    widths = [m.out_features for m in small if isinstance(m, nn.Linear)]
    assert widths == [max(1, round(share * width)) for width, share, *_ in blocks] + [3]


def test_a_gate_behind_relu_folds_into_the_layer_before_by_hand() -> None:
    model = built(nn.Linear(2, 2), nn.ReLU(), opened(2, 1), nn.Linear(2, 1))
    gate = model[2].gate()[1].item()
    small = compact_sequential(model)
    assert [type(m) for m in small] == [nn.Linear, nn.ReLU, nn.Linear]
    assert torch.allclose(small[0].weight, gate * model[0].weight[1:])
    assert torch.allclose(small[0].bias, gate * model[0].bias[1:])
    assert torch.equal(small[2].weight, model[3].weight[:, 1:])


def test_a_gate_behind_tanh_folds_into_the_layer_after() -> None:
    model = built(nn.Linear(3, 4), nn.Tanh(), opened(4, 2), nn.Linear(4, 2))
    small = compact_sequential(model)
    assert [type(m) for m in small] == [nn.Linear, nn.Tanh, nn.Linear]
    assert torch.equal(small[0].weight, model[0].weight[2:])
    assert torch.allclose(small(inputs(3)), model(inputs(3)), atol=1e-6)


def test_a_mask_at_the_output_leaves_the_open_units() -> None:
    for activation, kinds in (
        (nn.Identity(), [nn.Linear, nn.Identity]),
        (nn.ReLU(), [nn.Linear, nn.ReLU]),
        (nn.Tanh(), [nn.Linear, nn.Tanh, ChannelScale]),
    ):
        model = built(nn.Linear(3, 5), activation, opened(5, 2))
        small = compact_sequential(model)
        assert [type(m) for m in small] == kinds
        whole = model(inputs(3))
        assert torch.allclose(small(inputs(3)), whole[:, 3:], atol=1e-6)
        assert (whole[:, :3] == 0).all()


def test_closed_units_behind_which_an_activation_is_not_zero_go_into_the_bias() -> None:
    model = built(nn.Linear(3, 4), opened(4, 1), nn.Sigmoid(), nn.Linear(4, 2, bias=False))
    small = compact_sequential(model)
    # sigmoid(0) = 1/2 from each of three closed units
    assert torch.allclose(small[-1].bias, 0.5 * model[-1].weight[:, :3].sum(dim=1), atol=1e-6)
    assert torch.allclose(small(inputs(3)), model(inputs(3)), atol=1e-6)


def test_a_mask_on_the_input_cuts_nothing() -> None:
    model = built(opened(4, 2), nn.Linear(4, 3))
    small = compact_sequential(model)
    assert [type(m) for m in small] == [nn.Linear]
    assert small[0].in_features == 4
    assert torch.allclose(small(inputs(4)), model(inputs(4)), atol=1e-6)


def test_two_masks_in_one_place_keep_what_both_leave_open() -> None:
    model = built(nn.Linear(3, 6), opened(6, 4), nn.Tanh(), opened(6, 2), nn.Linear(6, 2))
    small = compact_sequential(model)
    assert small[0].out_features == 2
    assert torch.allclose(small(inputs(3)), model(inputs(3)), atol=1e-6)


def test_nested_masks_are_found() -> None:
    model = built(
        nn.Sequential(nn.Linear(4, 6), nn.PReLU(6)),
        nn.Sequential(nn.Sequential(opened(6, 3)), nn.Linear(6, 5), nn.LayerNorm(5)),
        nn.Sequential(nn.Linear(5, 7), opened(7, 1), nn.Linear(7, 2)),
    )
    before = copy.deepcopy(model.state_dict())
    small = compact_sequential(model)
    assert not masks_in(small)
    assert torch.allclose(small(inputs(4)), model(inputs(4)), atol=1e-5)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])  # the model itself is left as it is


def test_what_cannot_be_cut_through_is_named() -> None:
    with pytest.raises(InputError, match="LayerNorm at position 1"):
        compact_sequential(built(nn.Linear(2, 3), nn.LayerNorm(3), DAM(3), nn.Linear(3, 1)))
    with pytest.raises(InputError, match="BatchNorm1d at position 2"):
        compact_sequential(built(nn.Linear(2, 3), DAM(3), nn.BatchNorm1d(3), nn.Linear(3, 1)))
    with pytest.raises(InputError, match="dim=1"):
        compact_sequential(built(nn.Linear(2, 3), DAM(3, dim=1)))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mask = DAM(3)

    with pytest.raises(InputError, match="Block holds a mask inside"):
        compact_sequential(built(nn.Linear(2, 3), Block()))
    shut = DAM(3, min_active=0)
    shut.set_width(0)
    with pytest.raises(InputError, match="no open unit"):
        compact_sequential(built(nn.Linear(2, 3), shut))


def test_compaction_leaves_the_global_random_state() -> None:
    model = built(nn.Linear(2, 3), opened(3, 2), nn.Linear(3, 1))
    before = torch.get_rng_state()
    compact_sequential(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_slice_linear_by_hand_in_the_order_given() -> None:
    linear = nn.Linear(3, 3)
    small = slice_linear(
        linear,
        rows=torch.tensor([2, 0]),
        cols=torch.tensor([1]),
        row_scale=torch.tensor([2.0, 3.0]),
        col_scale=torch.tensor([10.0]),
    )
    expected = [[20 * linear.weight[2, 1].item()], [30 * linear.weight[0, 1].item()]]
    assert torch.allclose(small.weight, torch.tensor(expected))
    assert torch.allclose(small.bias, torch.stack([2 * linear.bias[2], 3 * linear.bias[0]]))
    assert slice_linear(nn.Linear(3, 2, bias=False)).bias is None
    with pytest.raises(InputError, match=r"row_scale must have shape \(3,\)"):
        slice_linear(linear, row_scale=torch.ones(2))
    with pytest.raises(InputError, match="ReLU"):
        slice_linear(nn.ReLU())


def test_linear_layers_of_torch_geometric_are_cut_alike() -> None:
    pyg = pytest.importorskip("torch_geometric.nn.dense")
    layer = pyg.Linear(4, 6)
    model = built(layer, nn.ReLU(), opened(6, 2), pyg.Linear(6, 3, bias=False))
    small = compact_sequential(model)
    assert all(type(m) in (nn.Linear, nn.ReLU) for m in small)
    assert torch.allclose(small(inputs(4)), model(inputs(4)), atol=1e-5)
    with pytest.raises(InputError, match="no weights yet"):
        slice_linear(pyg.Linear(-1, 3))


def test_doubles_stay_doubles() -> None:
    model = built(nn.Linear(3, 4), nn.ReLU(), opened(4, 2), nn.Linear(4, 2)).double()
    small = compact_sequential(model)
    x = inputs(3).double()
    assert torch.allclose(small(x), model(x), atol=1e-12)
