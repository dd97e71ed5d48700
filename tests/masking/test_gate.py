from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.gate import GATES, beta_for_width, offsets
from damrep.masking.validation import InputError

shapes = st.sampled_from(sorted(GATES))
finite = st.floats(-12, 12, width=32)
widths = st.integers(1, 4096).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_offsets_are_span_j_over_n() -> None:
    assert offsets(4).tolist() == [0.0, 1.25, 2.5, 3.75]
    assert offsets(2, span=3.0).tolist() == [0.0, 1.5]
    with pytest.raises(InputError):
        offsets(0)
    with pytest.raises(InputError):
        offsets(3, span=0.0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("relu_tanh", [0.0, 0.0, math.tanh(0.5), math.tanh(1.75)]),
        ("linear", [0.0, 0.0, 0.5, 1.75]),
        ("piecewise_linear", [0.0, 0.0, 0.5, 1.0]),
    ],
)
def test_gates_by_hand(shape: str, expected: list[float]) -> None:
    # offsets 0, 1.25, 2.5, 3.75 shifted by beta = -2
    got = GATES[shape].function(offsets(4) - 2.0)
    assert got.tolist() == pytest.approx(expected, abs=1e-6)


@given(shapes, st.integers(1, 300), finite)
def test_gates_never_fall_with_the_unit(shape: str, n: int, beta: float) -> None:
    gate = GATES[shape].function(offsets(n) + beta)
    assert (gate.diff() >= 0).all()
    assert (gate >= 0).all()


@given(shapes, st.integers(1, 300), finite, finite)
def test_gates_never_fall_with_beta(shape: str, n: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    function = GATES[shape].function
    assert (function(offsets(n) + high) >= function(offsets(n) + low)).all()


@given(widths, shapes, st.floats(0.1, 50))
def test_beta_for_width_opens_exactly_that_many(
    width: tuple[int, int], shape: str, span: float
) -> None:
    m, n = width
    gate = GATES[shape].function(offsets(n, span) + torch.tensor(beta_for_width(m, n, span)))
    assert int((gate > 0).sum()) == m
    assert (gate[n - m :] > 0).all()


def test_beta_for_width_is_halfway() -> None:
    # Unit 3 of 5 opens at beta = -3 and unit 2 at -2: two units are open in between.
    assert beta_for_width(2, 5) == -2.5
    assert beta_for_width(5, 5) == 0.5
    with pytest.raises(InputError, match="between 0 and 5, got 6"):
        beta_for_width(6, 5)
