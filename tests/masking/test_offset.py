"""Offsets drawn from a window, and moved by what units at the edge are worth."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.offset import Offsets, OffsetStrategy, edge_alpha, window
from damrep.masking.validation import InputError

N, PRICE = 8, 0.01
SIZES = torch.tensor([0.01] * 5 + [1.0, 1.5, 2.0])  # the three last columns are worth their price


class Columns:
    """Columns behind a mask, or behind two of which the second has them twice as large."""

    def __init__(self, start: int = N, masks: int = 1, seed: int = 0, **asked: Any) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.x = torch.randn(200, N, generator=draw) * SIZES
        self.parts = nn.ModuleList()
        torch.manual_seed(seed)
        for _ in range(masks):
            mask = DAM(N, alpha=edge_alpha(N))
            mask.set_width(start)
            self.parts.append(nn.Sequential(mask, nn.Linear(N, N)))
        asked = {"price": PRICE, "steps": 300, "by_row": True, **asked}
        self.strategy = OffsetStrategy(self.parts, generator=draw, **asked)

    @property
    def widths(self) -> list[int]:
        return [mask.n_active for mask in self.strategy.masks.values()]

    def loss(self) -> Tensor:
        told = [(part(self.x) - self.x).square().mean() for part in self.parts]
        return torch.stack(told).sum() / self.x.square().mean()

    def train(self, steps: int = 300) -> list[dict[str, Any]]:
        optimiser = torch.optim.Adam(self.strategy.parameter_groups(lr=0.02))
        rows = []
        self.strategy.start_epoch(0)
        for _ in range(steps):
            optimiser.zero_grad()
            (self.loss() + self.strategy.extra_loss()).backward()
            self.strategy.before_step()
            optimiser.step()
            self.strategy.after_step()
            rows.append(self.strategy.end_epoch())
        return rows


# --- the window ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["relu_tanh", "linear", "piecewise_linear"])
@pytest.mark.parametrize("steep", [1.0, 2.0, 16.0])
@pytest.mark.parametrize("by_row", [True, False])
def test_the_mean_gradient_of_beta_is_the_difference_over_the_window(
    gate: str, steep: float, by_row: bool
) -> None:
    """At any loss and any offset; in units of span / n, up and down by different numbers."""
    draw = torch.Generator().manual_seed(0)
    mask = DAM(N, gate=gate, alpha=steep * N / 5, span=5.0).double()
    x, y = torch.rand(2, N, generator=draw, dtype=torch.float64)
    for beta, low, high in [(-2.0, -1.5, 1.5), (-0.3, -0.5, 2.0), (-4.0, -1.0, 1.0)]:

        def loss(gated: Tensor) -> Tensor:
            return ((gated - y).square().sum(-1) + gated.sum(-1).sin()).mean()  # noqa: B023

        with torch.no_grad():
            ends = []
            for end in (low, high):
                mask.beta.fill_(beta + end * 5 / N)
                ends.append(float(loss(mask.gate() * x)))
            mask.beta.fill_(beta)
        mask.beta.grad = None
        # Offsets that are drawn for a row are spread evenly, those for a batch are not.
        mask.shift((low, high), draw, by_row)
        if by_row:
            loss(mask(x.expand(4000, N))).backward()
            found, near = float(mask.beta.grad), 0.0
        else:
            each = []
            for _ in range(300):
                mask.shift((low, high), draw)
                each.append(torch.autograd.grad(loss(mask(x[None])), mask.beta)[0])
            found = float(torch.stack(each).mean())
            near = 4 * float(torch.stack(each).std()) / 300**0.5
        wanted = (ends[1] - ends[0]) / ((high - low) * 5 / N)
        assert found == pytest.approx(wanted, rel=0.01, abs=near)


def test_a_mask_in_eval_mode_stands_where_beta_is() -> None:
    mask = DAM(4)
    mask.set_width(2)
    mask.shift((-2.0, 2.0), torch.Generator().manual_seed(0))
    x = torch.ones(3, 4)
    drawn = mask(x)
    assert torch.equal(drawn, mask(x)), "one draw a batch, until the next is asked for"
    assert mask.n_active == 2 and not torch.equal(drawn[0], mask.gate())
    assert torch.equal(mask.eval()(x)[0], mask.gate())
    mask.train().shift(None)
    assert torch.equal(mask(x)[0], mask.gate())


def test_offsets_by_row_are_of_every_row_and_of_any_layout() -> None:
    mask = DAM(6, dim=1)
    mask.shift((-6.0, 6.0), torch.Generator().manual_seed(0), by_row=True)
    x = torch.ones(50, 6, 2, 2)
    y = mask(x)
    assert y.shape == x.shape and len(y[:, :, 0, 0].unique(dim=0)) > 20
    assert torch.equal(y[:, :, 0, 0], y[:, :, 1, 1])


@pytest.mark.parametrize("ends", [(1.0, -1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_a_window_that_is_none_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="window"):
        DAM(4).shift(ends)


def test_a_closed_unit_learns_within_the_window_and_not_beyond() -> None:
    draw = torch.Generator().manual_seed(0)
    mask = DAM(N, alpha=edge_alpha(N))
    mask.set_width(3)
    readers = nn.Linear(N, 1)
    mask.shift((-2.0, 2.0), draw, by_row=True)
    readers(mask(torch.ones(100, N))).sum().backward()
    learned = (readers.weight.grad[0] > 0).tolist()
    assert learned == [False] * 3 + [True] * 5


# --- where beta goes ----------------------------------------------------------------------------


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("start", [1, N])
def test_from_one_unit_and_from_all_it_comes_to_those_worth_their_price(
    start: int, by_row: bool
) -> None:
    problem = Columns(start, by_row=by_row)
    rows = problem.train()
    assert problem.widths == [3] and rows[-1]["n_active"] == 3
    assert rows[-1]["beta.0.0"] == pytest.approx(-5 * 4.5 / N)


def test_a_mask_that_may_close_altogether_is_not_shut_for_good() -> None:
    mask = DAM(4, min_active=0, alpha=edge_alpha(4))
    offsets = Offsets([mask], torch.Generator().manual_seed(0))
    offsets.move(torch.tensor([-9.0]))
    assert mask.n_active == 0
    open_ = 0
    for _ in range(50):
        offsets.draw(0.0)
        open_ += int((mask.training_gate() > 0).sum())
    assert 5 < open_ < 25


def test_two_masks_each_with_a_price_of_its_own() -> None:
    problem = Columns(masks=2, price={"0.0": 0.01, "1.0": 0.4})
    problem.train()
    assert problem.widths == [3, 1]


def test_beta_listens_to_what_is_held_out() -> None:
    """Told that nothing is lost with any unit, it closes all but the least."""
    problem: Columns
    problem = Columns(held_out=lambda: 0.0 * problem.loss())
    problem.train()
    assert problem.widths == [1]


def test_beta_that_is_not_moved_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Offsets, "move", lambda self, by: None)
    problem = Columns()
    problem.train()
    assert problem.widths == [N]


@pytest.mark.parametrize(("price", "width"), [(0.0, N), (10.0, 1)])
def test_units_that_are_free_stay_and_dear_ones_go(price: float, width: int) -> None:
    problem = Columns(N, price=price)
    problem.train()
    assert problem.widths == [width]


def test_the_same_seed_is_the_same_fit_and_settled_masks_stand() -> None:
    one, two = Columns(), Columns()
    assert one.train() == two.train()
    assert one.strategy.settled and not Columns().strategy.settled
    before = [mask.gate() for mask in one.strategy.masks.values()]
    one.train(5)
    assert torch.equal(before[0], next(iter(one.strategy.masks.values())).gate())


def test_an_optimiser_that_holds_the_betas_does_not_move_them() -> None:
    problem = Columns(steps=100)
    optimiser = torch.optim.SGD(problem.parts.parameters(), lr=0.05, weight_decay=10.0)
    mask = next(iter(problem.strategy.masks.values()))
    problem.strategy.start_epoch(0)
    for _ in range(15):  # within the cold start
        optimiser.zero_grad()
        problem.loss().backward()
        problem.strategy.before_step()
        optimiser.step()
        problem.strategy.after_step()
    assert mask.n_active == N


def test_windows_narrow_to_one_unit() -> None:
    assert window(0.0) == 0.5 and window(0.5) < 0.1 and window(0.9) == 0.0
    offsets = Offsets([DAM(20)], torch.Generator())
    offsets.places[:] = 10.0
    offsets.draw(0.0)
    found = offsets.masks[0]._window
    assert found is not None and (found.low, found.high) == (-0.5, 0.5)
    assert offsets.windows == [1.0]
    offsets.draw(None)
    found = offsets.masks[0]._window
    assert found is not None and (found.low, found.high) == (-9.5, 10.5)


def test_what_a_batch_says_counts_with_three_prices_at_most() -> None:
    offsets = Offsets([DAM(4), DAM(4), DAM(4)], torch.Generator())
    assert offsets.pull(torch.ones(3)).tolist() == [0.0, 0.0, 0.0] and not offsets.listen()
    for worths in ([1.0, 900.0, -1.0], [1.5, -1.0, -1.0]):
        for mask, worth in zip(offsets.masks, worths, strict=True):
            mask.beta.grad = torch.tensor(-worth * 4 / 5)
        assert offsets.listen() and offsets.masks[0].beta.grad is None
    prices = torch.tensor([1.0, 1.0, 0.0])
    assert offsets.pull(prices).tolist() == pytest.approx([0.25, 0.5, 0.0])


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"price": -1.0}, "price"),
        ({"price": {"1.0": 0.1}}, "price must name the masks 0.0"),
        ({"steps": 0}, "steps"),
        ({"cold": 0.7, "settled": 0.2}, "settled"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Columns(**asked)


def test_a_model_without_a_mask_is_refused() -> None:
    with pytest.raises(InputError, match="no DAM in it"):
        OffsetStrategy(nn.Linear(2, 2), 0.1, 10, torch.Generator())


def test_masks_that_see_no_gradient_are_told() -> None:
    problem = Columns()
    problem.strategy.start_epoch(0)
    with pytest.raises(InputError, match="no mask has a gradient"):
        problem.strategy.before_step()


def test_a_loss_that_is_no_number_at_an_offset_is_told() -> None:
    problem = Columns()
    problem.strategy.start_epoch(0)
    (problem.loss() * float("nan")).backward()
    with pytest.raises(InputError, match="not finite"):
        problem.strategy.before_step()
