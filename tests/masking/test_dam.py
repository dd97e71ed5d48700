from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from damrep.masking.dam import DAM
from damrep.masking.gate import GATES, step_alpha
from damrep.masking.validation import InputError


def test_output_by_hand() -> None:
    mask = DAM(4)
    with torch.no_grad():
        mask.beta.fill_(-2.0)
    out = mask(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert out[0].tolist() == pytest.approx(
        [0.0, 0.0, 3 * math.tanh(0.5), 4 * math.tanh(1.75)], abs=1e-6
    )


@pytest.mark.parametrize(
    ("shape", "start"), [("relu_tanh", 1.0), ("linear", 0.1), ("piecewise_linear", 0.1)]
)
def test_a_fresh_mask_starts_where_its_shape_says_and_fully_open(shape: str, start: float) -> None:
    mask = DAM(7, gate=shape)
    assert mask.beta.item() == pytest.approx(start)
    assert mask.n_active == 7


def test_gradient_of_beta_by_hand() -> None:
    # y = tanh(beta) x for one unit: dy/dbeta = 1 - tanh(beta)^2
    mask = DAM(1)
    mask(torch.ones(1)).sum().backward()
    assert mask.beta.grad is not None
    assert mask.beta.grad.item() == pytest.approx(1 - math.tanh(1.0) ** 2, rel=1e-6)


@pytest.mark.parametrize("shape", sorted(GATES))
@pytest.mark.parametrize("beta", [-3.1, -0.77, 0.6])
def test_gradients_agree_with_finite_differences(shape: str, beta: float) -> None:
    mask = DAM(6, gate=shape).double()
    with torch.no_grad():
        mask.beta.fill_(beta)
    x = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss() -> torch.Tensor:
        return (mask(x).square().sum(dim=1) + mask(x).sum(dim=1)).mean() + mask.penalty()

    loss().backward()
    assert mask.beta.grad is not None
    step = 1e-6
    with torch.no_grad():
        mask.beta += step
        above = loss().item()
        mask.beta -= 2 * step
        below = loss().item()
    assert mask.beta.grad.item() == pytest.approx((above - below) / (2 * step), rel=1e-6)


def test_closed_units_pass_nothing_back() -> None:
    mask = DAM(4)
    mask.set_width(1)
    x = torch.ones(2, 4, requires_grad=True)
    mask(x).sum().backward()
    assert x.grad is not None
    assert (x.grad[:, :3] == 0).all()
    assert (x.grad[:, 3] > 0).all()


@given(st.integers(1, 4096).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_set_width_opens_exactly_that_many_last_ones(width: tuple[int, int]) -> None:
    m, n = width
    mask = DAM(n)
    mask.set_width(m)
    assert mask.n_active == m
    assert mask.active[n - m :].all()


@pytest.mark.parametrize(
    ("shape", "dim"), [((5,), 0), ((3, 5), -1), ((2, 5, 4, 4), 1), ((5, 2), 0), ((2, 3, 5), 2)]
)
def test_any_layout_is_masked_along_its_axis(shape: tuple[int, ...], dim: int) -> None:
    mask = DAM(5, dim=dim)
    mask.set_width(2)
    out = mask(torch.ones(shape))
    assert out.shape == shape
    by_unit = out.movedim(dim, -1).reshape(-1, 5)
    assert torch.equal(by_unit, mask.gate().expand_as(by_unit))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_output_has_the_dtype_of_the_input(dtype: torch.dtype) -> None:
    assert DAM(3)(torch.ones(2, 3, dtype=dtype)).dtype == dtype
    assert DAM(3).to(dtype)(torch.ones(2, 3, dtype=dtype)).dtype == dtype


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match=r"expects 4 units along axis -1, got 3 .*\(2, 3\)"):
        DAM(4)(torch.ones(2, 3))
    with pytest.raises(InputError, match=r"axis 1, got an input of shape \(4,\)"):
        DAM(4, dim=1)(torch.ones(4))
    with pytest.raises(TypeError, match="int64"):
        DAM(4)(torch.ones(4, dtype=torch.int64))
    with pytest.raises(InputError, match="gate must be one of"):
        DAM(4, gate="relu")
    with pytest.raises(InputError, match="min_active"):
        DAM(4, min_active=5)
    with pytest.raises(InputError, match="num_features"):
        DAM(0)
    with pytest.raises(InputError, match="between 2 and 4, got 1"):
        DAM(4, min_active=2).set_width(1)


@pytest.mark.parametrize("least", [0, 1, 3])
def test_keep_minimum_reopens_what_was_closed_and_no_more(least: int) -> None:
    mask = DAM(8, min_active=least)
    with torch.no_grad():
        mask.beta.fill_(-100.0)
    mask.keep_minimum()
    assert mask.n_active == least
    mask.set_width(5)
    before = mask.beta.item()
    mask.keep_minimum()
    assert mask.beta.item() == before


def test_penalty_is_beta_and_flat_below_minus_span() -> None:
    mask = DAM(4)
    assert mask.penalty().item() == 1.0
    with torch.no_grad():
        mask.beta.fill_(-7.0)
    mask.penalty().backward()
    assert mask.penalty().item() == -5.0
    assert mask.beta.grad is not None
    assert mask.beta.grad.item() == 0.0


def test_state_dict_round_trip_holds_beta_only() -> None:
    mask = DAM(9)
    mask.set_width(4)
    state = mask.state_dict()
    assert list(state) == ["beta"]
    fresh = DAM(9)
    fresh.load_state_dict(state)
    assert torch.equal(fresh.gate(), mask.gate())


def test_the_offsets_move_with_the_module() -> None:
    model = nn.Sequential(DAM(3)).double()
    assert model[0].gate().dtype == torch.float64
    assert "9, dim=1, gate='linear'" in repr(DAM(9, dim=1, gate="linear"))


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.inf, math.nan])
def test_a_steepness_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match="alpha"):
        DAM(4, alpha=alpha)


@given(n=st.integers(1, 300), data=st.data())
def test_a_steep_mask_is_open_or_closed(n: int, data: st.DataObject) -> None:
    mask = DAM(n, alpha=step_alpha(n))
    m = data.draw(st.integers(1, n))
    mask.set_width(m)
    wanted = torch.zeros(n)
    wanted[n - m :] = 1.0
    torch.testing.assert_close(mask.gate().detach(), wanted, rtol=0, atol=1e-6)


def drawn_widths(mask: DAM, rows: int) -> torch.Tensor:
    return (mask(torch.ones(rows, mask.num_features)) > 0.5).sum(dim=1)


def test_each_row_has_a_width_of_its_own_as_often_as_its_chance_says() -> None:
    mask = DAM(4, alpha=step_alpha(4))
    mask.jitter(torch.tensor([1.0, 0.0, 2.0, 1.0]), torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn_widths(mask, 400), minlength=5).tolist()
    assert counts == [0, 100, 0, 200, 100]
    out = mask(torch.ones(50, 4))
    assert (out.diff(dim=1) >= 0).all(), "the last unit stays open longest in every row"


def test_nothing_is_drawn_outside_training_or_once_it_is_stopped() -> None:
    mask = DAM(4, alpha=step_alpha(4))
    mask.set_width(2)
    mask.jitter(torch.ones(4), torch.Generator().manual_seed(0))
    assert set(drawn_widths(mask.eval(), 40).tolist()) == {2}
    assert set(drawn_widths(mask.train(), 40).tolist()) == {1, 2, 3, 4}
    mask.jitter(None)
    assert set(drawn_widths(mask, 40).tolist()) == {2}


def test_a_closed_unit_that_is_drawn_learns() -> None:
    mask = DAM(3, alpha=step_alpha(3))
    mask.set_width(1)
    layer = nn.Linear(3, 3, bias=False)
    mask(layer(torch.ones(6, 3))).sum().backward()
    assert layer.weight.grad is not None and float(layer.weight.grad[0].abs().sum()) == 0
    mask.jitter(torch.ones(3), torch.Generator().manual_seed(0))
    mask(layer(torch.ones(6, 3))).sum().backward()
    assert float(layer.weight.grad[0].abs().sum()) > 0


@given(shape=st.sampled_from(sorted(GATES)), n=st.integers(2, 12), seed=st.integers(0, 2**16))
def test_the_mean_over_drawn_widths_is_the_mean_of_the_losses(
    shape: str, n: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = DAM(n, gate=shape, alpha=step_alpha(n)).double()
    x = torch.randn(1, n, dtype=torch.float64, generator=generator)
    chances = torch.rand(n, generator=generator) + 0.1
    counts = (1000 * chances / chances.sum()).round()
    mask.jitter(counts, generator)
    drawn = mask(x.expand(int(counts.sum()), n)).square().sum(dim=1).mean()
    mask.jitter(None)
    each = []
    for m in range(1, n + 1):
        mask.set_width(m)
        each.append(mask(x).square().sum().detach())
    wanted = (torch.stack(each) * counts.double()).sum() / counts.sum()
    torch.testing.assert_close(drawn.detach(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "chances", [torch.ones(3), -torch.ones(4), torch.zeros(4), torch.full((4,), math.nan)]
)
def test_chances_that_are_none_are_refused(chances: torch.Tensor) -> None:
    with pytest.raises(InputError, match="chances"):
        DAM(4).jitter(chances)


def test_masks_of_channels_draw_for_each_row() -> None:
    mask = DAM(4, dim=1, alpha=step_alpha(4))
    mask.jitter(torch.ones(4), torch.Generator().manual_seed(0))
    out = mask(torch.ones(8, 4, 2, 3))
    assert (out == out[:, :, :1, :1]).all()
    assert torch.bincount((out[:, :, 0, 0] > 0.5).sum(dim=1)).tolist() == [0, 2, 2, 2, 2]


def test_no_rows_and_one_row_are_rows_too() -> None:
    mask = DAM(4, alpha=step_alpha(4))
    mask.jitter(torch.ones(4), torch.Generator().manual_seed(0))
    assert mask(torch.ones(0, 4)).shape == (0, 4) and mask(torch.ones(1, 4)).shape == (1, 4)
