"""The mask strategy, on problems whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.strategy import MaskStrategy
from damrep.masking.validation import InputError

N, PRICE = 8, 0.01
SIZES = torch.tensor([0.01] * 5 + [1.0, 1.5, 2.0])  # the three last columns are worth their price


class Columns:
    """Columns behind a mask, and what is lost with each that is closed."""

    def __init__(self, steps: int = 300, price: float = PRICE, **changes: Any) -> None:
        draw = torch.Generator().manual_seed(0)
        self.x = torch.randn(200, N, generator=draw) * SIZES
        self.mask = DAM(N, alpha=step_alpha(N))
        self.model = nn.Sequential(self.mask, nn.Linear(N, N))
        self.asked: list[tuple[list[int], bool]] = []
        self.price = price
        self.strategy = MaskStrategy(
            self.model, self.mask, steps, self.losses, self.costs, draw, **changes
        )

    @torch.no_grad()
    def losses(self, widths: Sequence[int], last: bool) -> list[float]:
        self.asked.append((list(widths), last))
        told = [self.model[1](self.x * (torch.arange(N) >= N - m)) for m in widths]
        return [float((t - self.x).square().mean() / self.x.square().mean()) for t in told]

    def costs(self, losses: np.ndarray, share: float) -> np.ndarray:
        return share * losses + self.price * np.arange(1, N + 1)

    def train(self, steps: int) -> list[dict[str, Any]]:
        optimiser = torch.optim.Adam(self.strategy.parameter_groups(lr=0.02))
        rows = []
        for _ in range(steps):
            self.strategy.start_epoch(0)
            optimiser.zero_grad()
            loss = (self.model(self.x) - self.x).square().mean() + self.strategy.extra_loss()
            loss.backward()
            self.strategy.before_step()
            optimiser.step()
            self.strategy.after_step()
            rows.append(self.strategy.end_epoch())
        return rows


def test_as_many_units_stay_open_as_are_worth_their_price() -> None:
    problem = Columns()
    rows = problem.train(300)
    assert problem.mask.n_active == 3 == rows[-1]["n_active"]
    assert rows[0]["price_factor"] == 100 and rows[-1]["price_factor"] == 1
    assert [last for _, last in problem.asked].count(True) == 1


@pytest.mark.parametrize("start", [1, N])
def test_it_is_no_ratchet(start: int) -> None:
    """From one unit and from all it comes to the same."""
    problem = Columns()
    problem.mask.set_width(start)
    problem.train(300)
    assert problem.mask.n_active == 3


def test_at_first_all_widths_of_a_flat_curve_are_drawn_and_later_only_near_ones() -> None:
    """A network that hasn't learned anything yet can't say which of its units it needs."""
    problem = Columns(first_share=1.0)
    problem.strategy._losses = lambda widths, last: [1.0 for _ in widths]
    rows = problem.train(200)
    drawn = [(row["n_active"], row["narrowest_drawn"], row["widest_drawn"]) for row in rows]
    assert drawn[:80] == [(1, 1, N)] * 80
    assert drawn[90:] == [(1, 1, 3)] * 110


def test_a_mask_that_is_not_moved_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Columns()
    problem.mask.set_width(N)
    monkeypatch.setattr(DAM, "set_width", lambda self, m: None)
    problem.train(300)
    assert problem.mask.n_active == N


def test_the_width_is_settled_and_nothing_drawn_in_the_last_part() -> None:
    problem = Columns(steps=100)
    problem.train(69)
    assert not problem.strategy.settled
    problem.train(1)
    assert problem.strategy.settled and problem.strategy.settled_curve is not None
    width, asked = problem.mask.n_active, len(problem.asked)
    problem.train(30)
    assert problem.mask.n_active == width and len(problem.asked) == asked


def test_a_price_of_nothing_opens_all_and_one_of_everything_leaves_one() -> None:
    for price, width in ((0.0, N), (10.0, 1)):
        problem = Columns(price=price)
        problem.train(300)
        assert problem.mask.n_active == width


def test_losses_that_are_no_numbers_are_no_argument_for_a_width() -> None:
    problem = Columns()
    true = problem.losses
    problem.strategy._losses = lambda widths, last: [
        float("nan") if m > 5 else loss for m, loss in zip(widths, true(widths, last), strict=True)
    ]
    problem.train(300)
    assert problem.mask.n_active == 3


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"losses": [float("nan")] * 3}, "losses"),
        ({"losses": [0.5]}, "losses"),
        ({"costs": np.ones(2)}, "costs"),
        ({"costs": np.array([1.0, np.nan, 1.0])}, "costs"),
        ({"chances": np.ones(4)}, "chances"),
    ],
)
def test_what_does_not_fit_is_named(told: dict[str, Any], said: str) -> None:
    mask = DAM(3)
    strategy = MaskStrategy(
        mask,
        mask,
        20,
        lambda widths, last: told.get("losses", [1 / m for m in widths]),
        lambda losses, share: told.get("costs", losses),
        torch.Generator(),
        chances=lambda costs, done: told.get("chances", np.ones(3)),
    )
    with pytest.raises(InputError, match=f"^{said} must give"):
        strategy.start_epoch(0)


@pytest.mark.parametrize(
    "changes",
    [
        {"slack": -1.0},
        {"slack": float("nan")},
        {"every": 0},
        {"first_share": 0.0},
        {"narrower": -0.1},
    ],
)
def test_arguments_out_of_range_are_named(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(InputError, match=name):
        Columns(**changes)


def test_of_two_masks_neither_is_moved_by_the_optimiser() -> None:
    first, second = DAM(4), DAM(4)
    module = nn.Sequential(nn.Linear(4, 4), first, nn.Linear(4, 4), second)
    strategy = MaskStrategy(
        module, first, 10, lambda w, last: [0.0] * len(w), lambda c, s: c, torch.Generator()
    )
    (group,) = strategy.parameter_groups(lr=0.1)
    held = {id(first.beta), id(second.beta)}
    assert len(group["params"]) == 4 and not held & {id(p) for p in group["params"]}


def test_alike_costs_go_to_the_narrower() -> None:
    problem = Columns(slack=0.5)
    problem.train(300)
    assert problem.mask.n_active < 3


def test_what_is_beyond_the_widths_drawn_is_renewed() -> None:
    renewed: list[int] = []
    Columns(renew=renewed.append).train(300)
    assert renewed and all(1 <= since < N for since in renewed)


def test_a_mask_of_another_model_is_refused() -> None:
    with pytest.raises(InputError, match="not a part"):
        MaskStrategy(nn.Linear(2, 2), DAM(2), 10, lambda w, last: [0.0] * len(w),
                     lambda losses, share: losses, torch.Generator())  # fmt: skip


def test_beta_is_none_of_the_weights() -> None:
    problem = Columns()
    (group,) = problem.strategy.parameter_groups(lr=0.1, weight_decay=0.5)
    assert len(group["params"]) == 2 and group["weight_decay"] == 0.5


def test_the_outlook_is_what_is_lost_if_it_goes_on_so() -> None:
    """What was halved in the last quarter of the steps goes on so until the price has fallen."""
    problem = Columns(steps=1000)
    strategy = problem.strategy
    strategy.step = 120
    strategy._seen = [(90, np.full(N, 0.4)), (0, np.full(N, 9.0))]
    strategy._losses = lambda widths, last: [0.2] * len(widths)
    strategy._window = (1, 3)
    outlook = strategy.outlook()
    # 160 steps to go until the price has fallen, of 30 each.
    assert outlook[:3] == pytest.approx([0.2 * 0.5 ** (160 / 30)] * 3)
    assert outlook[3:] == pytest.approx([0.2] * (N - 3)), "what is not drawn does not learn"


@pytest.mark.parametrize(("narrower", "width"), [(0.0, 3), (0.002, 2)])
def test_where_nothing_more_is_lost_a_narrower_width_gets_all_rows(
    narrower: float, width: int
) -> None:
    """Two units are enough, but come to it only where wider ones are not drawn any more."""
    problem = Columns(first_share=1.0, narrower=narrower)
    alone: list[bool] = []

    def losses(widths: Sequence[int], last: bool) -> list[float]:
        alone.append(problem.strategy._window[1] == 2)
        enough = 2 if sum(alone) > 5 else 3
        return [0.0 if m >= enough else 1.0 for m in widths]

    problem.strategy._losses = losses
    problem.train(300)
    assert problem.mask.n_active == width


def test_what_was_kept_comes_back_where_no_narrower_width_is_good_enough() -> None:
    problem = Columns(narrower=0.002)
    strategy, weights = problem.strategy, problem.model[1].weight
    rows = problem.train(150)
    assert strategy._kept is not None and strategy._kept.width == 3
    kept = strategy._kept.state["1.weight"].clone()
    rows += problem.train(59)
    assert rows[-1]["n_active"] == 2 and not torch.equal(weights, kept)
    assert strategy.outlook()[2] <= strategy._kept.curve[2]
    problem.train(1)
    assert strategy.settled and problem.mask.n_active == 3 and torch.equal(weights, kept)


def test_narrower_widths_are_tried_down_to_the_fewest_that_stay_open() -> None:
    problem = Columns(narrower=0.5, slack=0.5)
    problem.mask.min_active = 3
    rows = problem.train(300)
    assert min(row["n_active"] for row in rows) == 3 and problem.strategy._kept is None
