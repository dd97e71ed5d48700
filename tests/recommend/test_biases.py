"""The reference without factors: a mean, and what users and items add to it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from damrep.recommend.biases import fit_biases


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


def test_one_user_by_hand() -> None:
    """Two ratings, 2 and 4 of a mean of 3: an item's bias is what its user's leaves, over 1 + 5."""
    found = fit_biases(sp.csr_matrix([[2.0, 4.0]]))
    assert found.user.tolist() == pytest.approx([0.0], abs=1e-6)
    assert found.item.tolist() == pytest.approx([-1 / 6, 1 / 6], abs=1e-6)
