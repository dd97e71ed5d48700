"""Everything scikit-learn asks of an estimator."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from damrep import DAMAutoencoder

QUICK = {"max_epochs": 1, "random_state": 0}


@parametrize_with_checks(
    [
        DAMAutoencoder(hidden=(), **QUICK),
        DAMAutoencoder(hidden=(4,), **QUICK),
    ]
)
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        DAMAutoencoder(hidden="auto", **QUICK),
        DAMAutoencoder(metric="cosine", **QUICK),
        DAMAutoencoder(hidden=(), paper_lambda=0.01, **QUICK),
    ]
)
def test_scikit_learn_on_the_other_ways(estimator: Any, check: Any) -> None:
    check(estimator)
