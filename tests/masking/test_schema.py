"""Rules for plain data: each takes what it says, and names the place of anything else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.schema import (
    ANYTHING,
    NUMBER,
    TEXT,
    AnyOf,
    Choice,
    Entries,
    Flag,
    Items,
    Maybe,
    Number,
    Record,
    Row,
    Rule,
    Text,
    Whole,
)
from damrep.masking.validation import InputError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)
LAYER = Record(
    {"widths": Items(Whole(1, 9), least=1), "name": Choice(("gcn", "sage"))},
    optional={"scale": Maybe(Number(0.0, low_open=True)), "curve": Items(Row((NUMBER, Flag())))},
)


@pytest.mark.parametrize(
    ("rule", "taken", "refused"),
    [
        (Whole(0, 5), [0, 5], [-1, 6, True, 1.0, "1", None, [1], 10**4000]),
        (Number(0.0), [0, 0.0, 1e308], [-1e-300, True, "1", math.nan, math.inf, 10**400, None]),
        (Number(0.0, low_open=True), [1e-300], [0, 0.0]),
        (NUMBER, [-1e308, 0], [-math.inf]),
        (Text(3), ["", "abc"], ["abcd", None, 3, ["a"]]),
        (Choice(("a", "b")), ["a"], ["c", None, 0, ["a"], {}]),
        (Flag(), [True, False], [0, 1, None, "true"]),
        (Maybe(Flag()), [None, True], [0]),
        (AnyOf((Flag(), TEXT)), [True, "x"], [1, None, []]),
        (Items(Flag(), least=1, most=2), [[True], [True, False]], [[], [True] * 3, {}, "ab", [1]]),
        (Row((Flag(), TEXT)), [[True, "a"]], [[True], [True, "a", 1], ["a", True], None]),
        (Entries(Flag()), [{}, {"a": True}], [[], {"a": 1}, None]),
        (ANYTHING, [{"a": [1, None, {"b": "c"}]}], [{"a": [10**30]}, ["x" * 10**6]]),
        (
            LAYER,
            [{"widths": [1], "name": "gcn"}, {"widths": [9], "name": "sage", "scale": None}],
            [{}, {"widths": [1]}, {"widths": [1], "name": "gcn", "more": 1}, [], None],
        ),
    ],
)
def test_what_is_taken(rule: Rule, taken: list[Any], refused: list[Any]) -> None:
    for value in taken:
        rule.check(value, "it")
    for value in refused:
        with pytest.raises(InputError, match=r"^it[.\[]?.*: ") as caught:
            rule.check(value, "it")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_the_place_is_named() -> None:
    whole = {"widths": [1, 2], "name": "gcn", "curve": [[1, True], [2, 0]]}
    with pytest.raises(
        InputError, match=r"^layer\.curve\[1\]\[1\]: expected true or false, got 0$"
    ):
        LAYER.check(whole, "layer")
    with pytest.raises(InputError, match="^extra: this is no known field$"):
        Record({}).check({"extra": 1}, "")
    Record({}, others=ANYTHING).check({"extra": 1}, "")


@given(PLAIN)
def test_nothing_is_refused_in_another_way(value: Any) -> None:
    for rule in (LAYER, ANYTHING, AnyOf((LAYER, TEXT)), Items(Entries(NUMBER))):
        try:
            rule.check(value, "it")
        except InputError as error:
            assert str(error)


@given(PLAIN)
def test_anything_that_json_has_a_word_for(value: Any) -> None:
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
    except ValueError:
        return
    if all(abs(number) < 2**64 for number in _integers(plain)):
        ANYTHING.check(plain, "it")


def _integers(value: Any) -> list[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in _integers(item)]
    return [value] if isinstance(value, int) else []
