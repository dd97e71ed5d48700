"""Levels of ratings."""

from __future__ import annotations

import numpy as np

from damrep.recommend.igmc.levels import nearest_level, rating_levels


def test_a_level_for_every_value_while_they_are_few() -> None:
    values = np.array([0.5, 5.0, 2.5, 0.5])
    levels = rating_levels(values)
    assert levels.tolist() == [0.5, 2.5, 5.0]
    assert nearest_level(values, levels).tolist() == [0, 2, 1, 0]


def test_many_values_are_put_into_bins_of_equal_size() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=5000)
    levels = rating_levels(values, most=10)
    counts = np.bincount(nearest_level(values, levels), minlength=10)
    assert len(levels) == 10 and (np.diff(levels) > 0).all()
    assert counts.min() > 300 and counts.max() < 800


def test_a_value_that_nearly_all_have() -> None:
    values = np.concatenate([np.zeros(1000), np.arange(1, 40)])
    levels = rating_levels(values)
    assert 1 < len(levels) <= 20 and (np.diff(levels) > 0).all()


def test_levels_in_between() -> None:
    assert nearest_level(np.array([-9.0, 1.9, 2.1, 99.0]), np.array([1.0, 3.0])).tolist() == [
        0, 0, 1, 1,
    ]  # fmt: skip
