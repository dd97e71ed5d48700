"""How far a measure is chance."""

from __future__ import annotations

import numpy as np
import pytest

from damrep.graph.spread import Sample


def sample(*groups: list[float], over_splits: bool = False) -> Sample:
    return Sample(tuple(np.array(group) for group in groups), over_splits)


def test_over_splits_it_is_their_standard_deviation() -> None:
    values = [0.7, 0.9, 0.8]
    assert sample(values, over_splits=True).value == pytest.approx(0.8)
    assert sample(values, over_splits=True).spread == pytest.approx(np.std(values, ddof=1))


def test_of_one_split_it_is_the_standard_error_of_the_mean() -> None:
    right = [1.0] * 80 + [0.0] * 20
    assert sample(right).spread == pytest.approx(np.sqrt(0.8 * 0.2 / 99))
    both = sample([1.0, 0.5, 1.0], [0.8, 0.9])
    expected = np.var([1.0, 0.5, 1.0], ddof=1) / 3 + np.var([0.8, 0.9], ddof=1) / 2
    assert both.spread == pytest.approx(np.sqrt(expected))


def test_a_single_number_has_none() -> None:
    assert sample([0.8], over_splits=True).spread is None
    assert sample([1.0], [0.5, 1.0]).spread is None


def test_a_difference_is_taken_pair_by_pair() -> None:
    ours, theirs = [0.5, 0.7, 0.9], [0.4, 0.6, 0.8]
    gap = sample(ours, over_splits=True).less(sample(theirs, over_splits=True))
    assert gap.value == pytest.approx(0.1) and gap.spread == pytest.approx(0.0)
    # McNemar: of 100 nodes 6 are told by one alone and 2 by the other alone.
    first = np.array([True] * 6 + [False] * 2 + [True] * 92)
    second = np.array([False] * 6 + [True] * 2 + [True] * 92)
    gap = Sample((first,), False).less(Sample((second,), False))
    assert gap.value == pytest.approx(0.04)
    assert gap.spread == pytest.approx(np.sqrt((8 / 100 - 0.04**2) / 99))
