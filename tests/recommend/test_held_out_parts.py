"""Whether a narrow model ranks as well as a wide one, and how many parts it takes to say so."""

from __future__ import annotations

import numpy as np
import pytest

from damrep.recommend.held_out_parts import (
    HeldOutParts,
    Ndcg,
    NdcgAtWidth,
    next_wider,
    ranks_as_well,
)

FULL = np.tile([0.2, 0.8], 200)
# 4 % lost in the mean, within three standard errors.
NOISY = FULL - 0.02 + np.tile([0.3, -0.3, -0.3, 0.3], 100)


def test_worse_by_more_than_noise_is_worse() -> None:
    assert ranks_as_well(FULL, FULL)
    assert not ranks_as_well(FULL, 0.95 * FULL)
    assert ranks_as_well(FULL, NOISY)
    assert not ranks_as_well(FULL, NOISY, errors=0.5)


@pytest.mark.parametrize(
    ("loss", "error", "well"),
    [
        (0.49, 0.01, True),  # half a percent may be lost, however surely
        (0.75, 0.3, True),  # times 0.4^2 / (0.4^2 + 0.3^2): 0.48 is to be expected
        (0.8, 0.3, False),  # within three standard errors, but 0.512 is to be expected
        (4.4, 1.5, True),  # 0.29 is to be expected, and it is within three standard errors
        (4.6, 1.5, False),
    ],
)
def test_a_loss_is_taken_for_chance_as_far_as_it_may_be(
    loss: float, error: float, well: bool
) -> None:
    full = np.full(10_000, 1.0)
    chance = np.tile([1.0, -1.0], 5000) * error  # in percent, as the loss; over 100 = sqrt(10,000)
    assert ranks_as_well(full, full - loss / 100 + chance) is well


@pytest.mark.parametrize(
    ("narrow", "drawn", "well"),
    [
        (FULL, 1, True),  # decided on the first part
        (0.95 * FULL, 1, False),
        (NOISY, 7, False),  # 400 users leave it open, 2,800 do not
    ],
)
def test_parts_are_drawn_until_it_is_decided(narrow: Ndcg, drawn: int, well: bool) -> None:
    numbers: list[int] = []

    def draw(number: int) -> tuple[Ndcg, NdcgAtWidth]:
        numbers.append(number)
        return FULL, lambda columns: narrow if columns == 7 else FULL

    parts = HeldOutParts(draw, most=8)
    assert parts.rank_as_well(7) is well
    assert numbers == list(range(drawn))
    assert parts.rank_as_well(8)
    assert numbers == list(range(drawn))  # those that are there are used again


def test_there_are_no_more_parts_than_may_be() -> None:
    assert HeldOutParts(lambda _: (FULL, lambda _: NOISY), most=2).rank_as_well(3)


def test_widths_grow_by_a_quarter_and_end_at_the_most() -> None:
    widths = [1]
    while widths[-1] < 128:
        widths.append(next_wider(widths[-1], 128))
    assert all(b > a for a, b in zip(widths, widths[1:], strict=False))
    assert widths[-1] == 128
