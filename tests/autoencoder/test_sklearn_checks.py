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


def sets_n_components(estimator: DAMAutoencoder) -> dict[str, str]:
    """Checks that set `n_components`, which the paper's own training hasn't."""
    if estimator.paper_lambda is None:
        return {}
    names = "dont_overwrite_parameters", "fit2d_predict1d", "fit2d_1sample", "fit2d_1feature"
    methods = "methods_subset_invariance", "methods_sample_order_invariance"
    return {f"check_{name}": "n_components beside paper_lambda" for name in (*names, *methods)}


@pytest.mark.slow
@parametrize_with_checks(
    [
        DAMAutoencoder(hidden="auto", **QUICK),
        DAMAutoencoder(metric="cosine", **QUICK),
        DAMAutoencoder(hidden=(), paper_lambda=0.01, **QUICK),
    ],
    expected_failed_checks=sets_n_components,
)
def test_scikit_learn_on_the_other_ways(estimator: Any, check: Any) -> None:
    check(estimator)
