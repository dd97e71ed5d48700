from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from damrep.masking.dam import DAM
from damrep.masking.price import (
    column_mean_loss,
    lambda_to_price,
    masks_in,
    normalised_loss,
    penalty,
    price_to_lambda,
    priced_penalty,
)
from damrep.masking.validation import InputError


def test_the_papers_lambda_is_a_price_of_a_thousandth_at_fifty_units() -> None:
    assert price_to_lambda(1e-3, 50) == pytest.approx(0.01)
    assert lambda_to_price(0.01, 50) == pytest.approx(1e-3)


@given(st.floats(0, 1e3), st.integers(1, 10_000), st.floats(0.01, 100))
def test_price_and_lambda_round_trip(price: float, n: int, span: float) -> None:
    assert lambda_to_price(price_to_lambda(price, n, span), n, span) == pytest.approx(price)


@given(
    st.lists(st.tuples(st.integers(2, 200), st.floats(0.5, 20)), min_size=1, max_size=4),
    st.floats(1e-4, 10),
    st.data(),
)
def test_closing_one_unit_of_any_mask_saves_exactly_the_price(
    sizes: list[tuple[int, float]], price: float, data: st.DataObject
) -> None:
    model = nn.Sequential(*(DAM(n, span=span) for n, span in sizes)).double()
    chosen = model[data.draw(st.integers(0, len(sizes) - 1))]
    m = data.draw(st.integers(2, chosen.num_features))
    chosen.set_width(m)
    before = priced_penalty(model, price)
    chosen.set_width(m - 1)
    saved = (before - priced_penalty(model, price)).item()
    assert saved == pytest.approx(price, rel=1e-6, abs=1e-9)


@given(st.floats(0, 10), st.floats(0, 10))
def test_the_penalty_scales_with_the_price(price: float, factor: float) -> None:
    model = nn.Sequential(DAM(4), DAM(9)).double()
    assert priced_penalty(model, price * factor).item() == pytest.approx(
        factor * priced_penalty(model, price).item(), abs=1e-9
    )


def test_the_papers_penalty_is_the_mean_over_masks() -> None:
    model = nn.Sequential(DAM(4), DAM(8), DAM(8))
    with torch.no_grad():
        model[0].beta.fill_(-2.0)
        model[1].beta.fill_(-9.0)  # counts as -5
    assert penalty(model).item() == pytest.approx((-2 - 5 + 1) / 3)
    penalty(model).backward()
    assert model[0].beta.grad.item() == pytest.approx(1 / 3)
    assert model[1].beta.grad.item() == 0.0


def test_priced_penalty_at_one_mask_is_lambda_beta() -> None:
    mask = DAM(50)
    assert priced_penalty(mask, 1e-3).item() == pytest.approx(0.01)


def test_masks_are_found_by_path_and_once() -> None:
    shared = DAM(3)
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 3), shared), "b": shared})
    assert masks_in(model) == {"a.1": shared}
    assert masks_in(shared) == {"mask": shared}
    assert masks_in(nn.Linear(2, 2)) == {}


@pytest.mark.parametrize("function", [penalty, lambda model: priced_penalty(model, 0.1)])
def test_a_model_without_masks_has_nothing_to_price(function: object) -> None:
    with pytest.raises(InputError, match="Linear.* no DAM"):
        function(nn.Linear(2, 2))  # type: ignore[operator]


def test_normalised_loss_keeps_the_graph() -> None:
    loss = torch.tensor(3.0, requires_grad=True)
    out = normalised_loss(loss, 2.0)
    out.backward()
    assert out.item() == 1.5
    assert loss.grad is not None
    assert loss.grad.item() == 0.5


@pytest.mark.parametrize("reference", [0.0, -1.0, float("nan"), float("inf")])
def test_a_reference_that_cannot_be_divided_by_is_refused(reference: float) -> None:
    with pytest.raises(InputError, match="reference loss"):
        normalised_loss(1.0, reference)


def test_column_mean_loss_is_the_error_of_predicting_means() -> None:
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.mse_loss(x.mean(dim=0).expand_as(x), x).item()
    assert column_mean_loss(x) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InputError, match="shape"):
        column_mean_loss(torch.ones(3))
