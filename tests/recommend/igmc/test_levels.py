"""Levels of ratings, and the biases that are the reference."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from damrep.recommend.igmc.biases import fit_biases
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


def test_biases_of_an_additive_table() -> None:
    table = 3 + np.array([1.0, 0.0, -1.0])[:, None] + np.linspace(-0.5, 0.5, 400)
    found = fit_biases(sp.csr_matrix(table))
    # Few ratings an item, so an item's bias is drawn to 0: 3 ratings against 5.
    assert found.mean == pytest.approx(3.0)
    assert found.user.tolist() == pytest.approx([1, 0, -1], abs=0.05)
    np.testing.assert_allclose(found.item, np.linspace(-0.5, 0.5, 400) * 3 / 8, atol=0.01)
    told = found.predict(np.array([0]), np.array([399]))
    assert float(told[0]) == pytest.approx(3 + 1 + 0.5 * 3 / 8, abs=0.05)


def test_nothing_known_is_the_mean() -> None:
    ratings = sp.csr_matrix(([5.0, 3.0], ([0, 1], [0, 0])), shape=(3, 2))
    found = fit_biases(ratings)
    assert float(found.predict(np.array([2]), np.array([1]))[0]) == pytest.approx(4.0)
