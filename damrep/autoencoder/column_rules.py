"""What is asked for to be done to the columns of a table, checked."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from damrep.masking.validation import InputError
from damrep.reading.dates import check_form

__all__ = ["ALL_OTHERS", "ENCODINGS", "STRATEGIES", "encode_rules", "impute_rules"]

ALL_OTHERS = "*"
"""In place of a column's name: every column that has no rule of its own."""

STRATEGIES = ("mean", "median", "most_frequent")
"""How `sklearn.impute.SimpleImputer` calls what can stand for a gap, beside a number."""

ENCODINGS = ("onehot", "ordinal", "days")

Rule = TypeVar("Rule")


def impute_rules(given: Any) -> dict[str, str | float]:
    """What stands for a gap, by column.

    Raises
    ------
    InputError
        If something is neither a strategy nor a finite number.

    Examples
    --------
    >>> impute_rules("median"), impute_rules({"children": 0, "*": "mean"})
    ({'*': 'median'}, {'children': 0.0, '*': 'mean'})
    """
    return _by_column(given, _impute_rule)


def encode_rules(given: Any) -> dict[str, str | tuple[str, ...]]:
    """How words and dates become numbers, by column.

    Raises
    ------
    InputError
        If something is no encoding, no way to write dates and no list of words; or one of the
        latter two is for all columns.

    Examples
    --------
    >>> encode_rules({"size": ["small", "large"], "*": "onehot"})
    {'size': ('small', 'large'), '*': 'onehot'}
    """
    rules = _by_column(given, _encode_rule)
    if rules.get(ALL_OTHERS, "days") not in ENCODINGS:
        raise InputError(
            f"encode: {_said(rules[ALL_OTHERS])} is for one column, which must be named"
        )
    return rules


def _by_column(given: Any, check: Callable[[Any], Rule]) -> dict[str, Rule]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        given = {ALL_OTHERS: given}
    return {str(name): check(rule) for name, rule in given.items()}


def _impute_rule(rule: Any) -> str | float:
    if isinstance(rule, str) and rule in STRATEGIES:
        return rule
    if isinstance(rule, numbers.Real) and not isinstance(rule, bool) and math.isfinite(rule):
        return float(rule)
    raise InputError(
        f"impute must be {', '.join(STRATEGIES)}, or the number that stands for a gap, got {rule!r}"
    )


def _encode_rule(rule: Any) -> str | tuple[str, ...]:
    if isinstance(rule, str) and rule in ENCODINGS:
        return rule
    if isinstance(rule, str) and "%" in rule:
        check_form(rule)
        return rule
    if isinstance(rule, Sequence) and not isinstance(rule, str):
        words = tuple(str(word).strip() for word in rule)
        if len(words) > 1 and len(set(words)) == len(words) and all(words):
            return words
    raise InputError(
        f"encode must be {', '.join(ENCODINGS)}, a way to write dates such as %d/%m/%Y, or "
        f"different words from low to high, got {_said(rule)}"
    )


def _said(rule: Any) -> str:
    return "<".join(map(str, rule)) if isinstance(rule, (list, tuple)) else repr(rule)
