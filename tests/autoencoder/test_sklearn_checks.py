"""Everything scikit-learn asks of an estimator."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from damrep import DAMAutoencoder

QUICK = {"max_epochs": 1, "random_state": 0}


@parametrize_with_checks(
    [
        DAMAutoencoder(hidden=(), **QUICK),
        DAMAutoencoder(hidden=(4,), **QUICK),
        DAMAutoencoder(hidden="auto", **QUICK),
        DAMAutoencoder(hidden=(), metric="cosine", **QUICK),
        DAMAutoencoder(hidden=(), strategy="gradient", **QUICK),
    ]
)
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
