"""scikit-learn's base classes and checks, without the two large modules they import on the way.

These are scipy.stats and pandas, both for functions that no fit here calls. They are 1.3 of the
1.5 s of processor time that importing the base classes takes; torch takes 1.7.
"""

from __future__ import annotations

from damrep.lazy_imports import postponed

with postponed("scipy.stats", "pandas"):
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.utils.validation import check_array, check_is_fitted, validate_data

__all__ = ["BaseEstimator", "TransformerMixin", "check_array", "check_is_fitted", "validate_data"]
