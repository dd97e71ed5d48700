"""The bottleneck: what each width leaves over, and what opening, folding and cutting keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from damrep.masking.bottleneck import Bottleneck
from damrep.masking.search import exact_width
from damrep.masking.strategy import MaskStrategy
from damrep.masking.validation import InputError

PRICES = (0.0, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 1.0)


def data(
    rows: int, n: int, seed: int = 0, *, rank: int | None = None, shift: float = 2.0
) -> Tensor:
    """Correlated columns of falling variance, none of mean zero."""
    generator = torch.Generator().manual_seed(seed)
    rank = n if rank is None else rank
    factors = torch.randn(rows, rank, generator=generator) * 0.7 ** torch.arange(rank)
    return factors @ torch.randn(rank, n, generator=generator) + shift


def least_squares_loss(codes: Tensor, z: Tensor, new_codes: Tensor, new: Tensor) -> float:
    """Share of `new`'s variance about z's mean left by the best affine decoder fitted on z."""
    mean, code_mean = z.mean(dim=0).double(), codes.mean(dim=0).double()
    solved = np.linalg.lstsq(
        (codes.double() - code_mean).numpy(), (z.double() - mean).numpy(), rcond=1e-9
    )[0]
    guess = (new_codes.double() - code_mean).numpy() @ solved
    target = (new.double() - mean).numpy()
    return float(((target - guess) ** 2).sum() / (target**2).sum())


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("rank", [6, 3])
@pytest.mark.parametrize("held", [False, True])
def test_losses_are_those_of_least_squares_at_every_width(
    rotate: bool, rank: int, held: bool
) -> None:
    z = data(80, 6, rank=rank)
    fit, new = (z[20:], z[:20]) if held else (z, z)
    head = Bottleneck(6)
    losses = head.fit_rotation(fit, new if held else None, rotate=rotate)
    assert len(losses) == 6
    codes, new_codes = head.encoder(fit).detach(), head.encoder(new).detach()
    for m, loss in enumerate(losses, start=1):
        brute = least_squares_loss(codes[:, 6 - m :], fit, new_codes[:, 6 - m :], new)
        assert loss == pytest.approx(brute, abs=2e-6), m


def test_rotated_losses_are_what_principal_components_leave_over() -> None:
    z = data(80, 6)
    values = torch.linalg.svdvals((z - z.mean(dim=0)).double()) ** 2
    left = 1 - torch.cumsum(values, 0) / values.sum()
    losses = Bottleneck(6).fit_rotation(z)
    np.testing.assert_allclose(losses, left.clamp(min=0), atol=1e-7)
    # No other coordinates leave less over at any width.
    plain = Bottleneck(6).fit_rotation(z, rotate=False)
    assert all(a <= b + 1e-9 for a, b in zip(losses, plain, strict=True))
    assert plain[0] > losses[0] + 1e-3


def test_by_hand() -> None:
    # Variances 4 and 1 along the axes: one unit leaves a fifth over.
    z = torch.tensor([[2.0, 1.0], [-2.0, 1.0], [2.0, -1.0], [-2.0, -1.0]]) + 7
    head = Bottleneck(2)
    losses = head.fit_rotation(z)
    assert losses == pytest.approx([0.2, 0.0], abs=1e-8)
    assert head(z).detach()[:, 1].abs().tolist() == pytest.approx(
        [2 * float(head.mask.gate().detach()[1])] * 4
    )
    # Held out: all of the variance is where the second unit is.
    assert head.fit_rotation(z, torch.tensor([[7.0, 9.0], [7.0, 5.0]])) == pytest.approx(
        [1.0, 0.0], abs=1e-6
    )


def test_without_rotation_the_last_columns_are_kept() -> None:
    z = data(40, 5)
    head = Bottleneck(5)
    losses = head.fit_rotation(z, rotate=False)
    head.choose_width(losses, width=2)
    head.absorb_gates()
    torch.testing.assert_close(
        head.compact()(z), (z - z.mean(dim=0))[:, [4, 3]], rtol=1e-5, atol=1e-5
    )


@settings(max_examples=30)
@given(
    st.integers(0, 1000), st.integers(3, 30), st.integers(1, 8), st.integers(1, 8), st.booleans()
)
def test_any_data_of_any_rank(seed: int, rows: int, n: int, rank: int, rotate: bool) -> None:
    z = data(rows, n, seed, rank=min(rank, n))
    head = Bottleneck(n)
    losses = head.fit_rotation(z, rotate=rotate)
    assert np.isfinite(losses).all() and all(0 <= loss <= 1 + 1e-9 for loss in losses)
    assert (np.diff(losses) <= 1e-7).all()
    # A fit without a price to pay needs no more units than there are directions.
    needed = min(rank, n, rows - 1)
    assert losses[-1] < 1e-5
    if rotate:
        assert losses[needed - 1] < 1e-5
    for m in {1, needed, n}:
        head.choose_width(losses, width=m)
        error = (head.reconstruct(z) - z).square().sum() / (z - z.mean(dim=0)).square().sum()
        assert float(error.detach()) == pytest.approx(losses[m - 1], abs=1e-4)


def test_the_decoder_undoes_the_gates() -> None:
    z = data(60, 6)
    total = (z - z.mean(dim=0)).square().sum()
    head = Bottleneck(6)
    losses = head.fit_rotation(z)
    for gate_shift in (-2.6, -0.4, 1.0):
        with torch.no_grad():
            head.mask.beta.fill_(gate_shift)
        head.refit_decoder()
        left = float((head.reconstruct(z) - z).detach().square().sum() / total)
        assert left == pytest.approx(losses[head.mask.n_active - 1], abs=1e-5)


@pytest.mark.parametrize("gate", ["relu_tanh", "linear", "piecewise_linear"])
@pytest.mark.parametrize("width", [1, 3, 6])
def test_absorbing_the_gates_keeps_the_reconstruction(gate: str, width: int) -> None:
    z = data(60, 6)
    head = Bottleneck(6, gate=gate)
    head.choose_width(head.fit_rotation(z), width=width)
    before = head.reconstruct(z).detach()
    gated = head(z).detach()
    head.absorb_gates()
    torch.testing.assert_close(head.reconstruct(z).detach(), before, rtol=1e-4, atol=1e-4)
    # The codes come out as large as what they carry, however little their gates are open.
    centred = (z - z.mean(dim=0)).double()
    values = torch.linalg.svdvals(centred)[:width].float()
    torch.testing.assert_close(
        head(z).detach().norm(dim=0).flip(0)[:width], values, rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(gated, head(z).detach() * head.mask.gate().detach())


@pytest.mark.parametrize("absorbed", [False, True])
def test_compact_is_the_open_units_strongest_first(
    absorbed: bool, global_rng_untouched: None
) -> None:
    z = data(60, 6)
    head = Bottleneck(6)
    head.choose_width(head.fit_rotation(z), width=4)
    if absorbed:
        head.absorb_gates()
    small = head.compact()
    assert tuple(small.weight.shape) == (4, 6)
    torch.testing.assert_close(small(z), head(z)[:, 2:].flip(1), rtol=1e-5, atol=1e-5)
    variances = small(z).detach().var(dim=0)
    assert (variances.diff() < 0).all()
    torch.testing.assert_close(small(z).detach().mean(dim=0), torch.zeros(4), rtol=0, atol=1e-5)


def test_before_it_is_fitted_it_is_the_identity() -> None:
    head = Bottleneck(3)
    z = data(5, 3)
    torch.testing.assert_close(head(z), head.mask.gate() * z)
    with pytest.raises(InputError, match="fit_rotation first"):
        head.refit_decoder()


# -- the price


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 12), st.booleans())
def test_the_width_never_rises_with_the_price(seed: int, n: int, rotate: bool) -> None:
    z = data(40, n, seed)
    head = Bottleneck(n)
    losses = head.fit_rotation(z[10:], z[:10], rotate=rotate)
    widths = [head.choose_width(losses, price) for price in PRICES]
    assert widths == sorted(widths, reverse=True) and widths[-1] >= 1
    for price, width in zip(PRICES, widths, strict=True):
        cost = np.array(losses) + price * np.arange(1, n + 1)
        assert cost[width - 1] == pytest.approx(cost.min(), abs=1e-12)


def test_the_price_is_the_share_of_the_variance_a_unit_must_earn() -> None:
    z = data(60, 6)
    head = Bottleneck(6)
    losses = head.fit_rotation(z)
    earned = -np.diff([1.0, *losses])
    for price in (0.3, 0.05, 0.01):
        assert head.choose_width(losses, price) == (earned > price).sum()
        assert head.mask.n_active == (earned > price).sum()


def test_a_budget_and_what_is_neither() -> None:
    z = data(30, 4)
    head = Bottleneck(4)
    losses = head.fit_rotation(z)
    assert head.choose_width(losses, price=1.0, width=3) == 3 == head.mask.n_active
    with pytest.raises(InputError, match="a price or a width"):
        head.choose_width(losses)
    for wrong in (0, 5):
        with pytest.raises(InputError, match="between 1 and 4"):
            head.choose_width(losses, width=wrong)
    with pytest.raises(InputError, match="price"):
        head.choose_width(losses, price=-1.0)
    assert head.mask.n_active == 3


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 4, 4)])
def test_the_width_of_the_data_must_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="shape"):
        Bottleneck(4).fit_rotation(torch.ones(shape))


def test_nothing_to_reduce() -> None:
    with pytest.raises(InputError, match="constant"):
        Bottleneck(4).fit_rotation(torch.full((9, 4), 3.5))


def test_held_out_rows_that_do_not_vary_measure_nothing() -> None:
    z = data(30, 4)
    same = z.mean(dim=0).expand(5, 4)
    assert Bottleneck(4).fit_rotation(z, same) == Bottleneck(4).fit_rotation(z)


# -- two views


def two_views(rows: int = 4000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three directions both views share, of falling variance, and a louder one each has alone."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(rows, 3, generator=generator) * torch.tensor([2.0, 1.0, 0.5])
    alone = 5 * torch.randn(2, rows, 1, generator=generator)
    axes, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator))
    first, second = (torch.cat([shared, own, torch.zeros(rows, 2)], dim=1) for own in alone)
    return first @ axes + 1, second @ axes - 3


def test_with_a_second_view_only_what_is_shared_counts() -> None:
    z, partner = two_views()
    head = Bottleneck(6)
    losses = head.fit_rotation(z, partner=partner)
    total = 4 + 1 + 0.25
    np.testing.assert_allclose(losses[:3], [1.25 / total, 0.25 / total, 0.0], atol=0.03)
    assert head.choose_width(losses, price=0.03) == 3
    # By its own variance the loud direction would come first.
    alone = Bottleneck(6)
    assert alone.fit_rotation(z)[0] == pytest.approx(total / (total + 25), abs=0.02)
    head.choose_width(losses, width=1)
    codes = head.compact()(z).flatten().detach()
    assert abs(np.corrcoef(codes, head.compact()(partner).flatten().detach())[0, 1]) > 0.8


def test_the_shared_moment_by_hand() -> None:
    # Of the first column the views share all, of the second half; in the third they are opposed,
    # which is no shared variance.
    signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    z = signs * torch.tensor([1.0, 2.0, 4.0])
    partner = z * torch.tensor([1.0, 0.5, -1.0])
    losses = Bottleneck(3).fit_rotation(z, partner=partner + 5)
    # Shared: 1, 2 and 0.
    assert losses == pytest.approx([1 / 3, 0.0, 0.0], abs=1e-7)
    held = Bottleneck(3).fit_rotation(
        z, z * torch.tensor([3.0, 1.0, 1.0]), partner=partner,
        held_out_partner=partner * torch.tensor([3.0, 1.0, 1.0]),
    )  # fmt: skip
    assert held == pytest.approx([9 / 11, 0.0, 0.0], abs=1e-7)


def test_a_view_that_is_the_same_is_no_second_view() -> None:
    z = data(50, 5)
    np.testing.assert_allclose(
        Bottleneck(5).fit_rotation(z, partner=z), Bottleneck(5).fit_rotation(z), atol=1e-9
    )


def test_views_that_share_nothing_leave_the_variance_of_the_first() -> None:
    z = data(50, 5)
    opposed = Bottleneck(5)
    losses = opposed.fit_rotation(z[10:], z[:10], partner=-z[10:], held_out_partner=-z[:10])
    assert losses == Bottleneck(5).fit_rotation(z[10:], z[:10])


@pytest.mark.parametrize("pairs", [True, False])
def test_what_rows_leave_over_is_the_loss_in_the_mean(pairs: bool) -> None:
    z, partner = two_views(900) if pairs else (data(900, 6), None)
    head = Bottleneck(6)
    views = (partner[300:], partner[:300]) if partner is not None else (None, None)
    losses = head.fit_rotation(z[300:], z[:300], True, *views)
    rows = head.rows_left_over(z[:300], views[1])
    assert rows.shape == (300, 6)
    assert rows.mean(dim=0).tolist() == pytest.approx(losses, abs=1e-6)
    if partner is None:  # least squares on the rows fitted
        codes = head.encoder(z)[:, 4:].double()
        told = torch.linalg.lstsq(codes[300:], (z - z[300:].mean(dim=0))[300:].double()).solution
        left = ((z - z[300:].mean(dim=0)).double() - codes @ told)[:300].square().sum(dim=1)
        whole = (z[:300] - z[300:].mean(dim=0)).double().square().sum(dim=1).mean()
        torch.testing.assert_close(rows[:, 1], left / whole, rtol=1e-4, atol=1e-6)
    else:  # of both views, what two units do not tell, multiplied: up to the same for all rows
        head.mask.set_width(2)
        head.refit_decoder()
        kept = head.decoder.weight * head.mask.gate() @ head.encoder.weight
        one, other = z[:300] - z[300:].mean(dim=0), partner[:300] - partner[:300].mean(dim=0)
        left = ((one - one @ kept.T) * (other - other @ kept.T)).sum(dim=1)
        left = left / left.std() - left.mean() / left.std()
        found = rows[:, 1] / rows[:, 1].std() - rows[:, 1].mean() / rows[:, 1].std()
        torch.testing.assert_close(found.float(), left.detach(), rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="fit_rotation first"):
        Bottleneck(6).rows_left_over(z)


# -- by gradient


def test_the_strongest_units_are_the_last_ones_and_leave_over_as_much() -> None:
    z, partner = two_views(500)
    head = Bottleneck(6)
    losses = head.fit_rotation(z[50:], z[:50], True, partner[50:], partner[:50])
    few = head.strongest(3)
    assert few.left_over() == pytest.approx(losses[:3], abs=1e-6)
    assert few.mask.n_active == 3 and head.mask.num_features == 6
    torch.testing.assert_close(few.encoder(z), head.encoder(z)[:, 3:])
    few.mask.set_width(2)
    few.refit_decoder()
    assert few.reconstruct(z).shape == z.shape
    torch.testing.assert_close(few.compact()(z), few(z)[:, 1:].flip(1))
    with pytest.raises(InputError, match="between 1 and 6"):
        head.strongest(7)


@pytest.mark.parametrize("price", [0.003, 0.01, 0.05])
def test_a_trained_mask_comes_to_the_width_of_the_closed_form(price: float) -> None:
    """The linear reconstruction alone: rotation and its curve are the optimum, so they are kept."""
    z = data(400, 12, seed=3)
    head = Bottleneck(12)
    exact = exact_width(head.fit_rotation(z[40:], z[:40]), price)
    steps, made = 400, head.strongest(12)
    with torch.no_grad():  # a start that is not the optimum
        mixed = torch.eye(12) + 0.3 * torch.randn(
            12, 12, generator=torch.Generator().manual_seed(1)
        )
        made.encoder.weight.copy_(mixed @ made.encoder.weight)
        made.encoder.bias.copy_(-(made.encoder.weight @ z[40:].mean(dim=0)))

    def losses(widths: object, last: bool) -> list[float]:
        found = made.left_over()
        return [found[m - 1] for m in widths]  # type: ignore[attr-defined]

    draws = torch.Generator().manual_seed(0)
    strategy = MaskStrategy(
        made,
        made.mask,
        steps,
        losses,
        lambda left, share: share * left + price * np.arange(1, 13),
        draws,
    )
    optimiser = torch.optim.Adam(strategy.parameter_groups(lr=0.01))
    for _ in range(steps):
        strategy.start_epoch(0)
        optimiser.zero_grad()
        (made.reconstruct(z[40:]) - z[40:]).square().mean().backward()
        optimiser.step()
        strategy.after_step()
    assert made.mask.n_active == exact < 12
