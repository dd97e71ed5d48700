"""What plain data read from a file has to be: types and bounds, declared once and checked whole.

A description is made of rules, which check one value each and name the place of what is wrong. It
is checked when something is written too, so that what was written can be read.

Examples
--------
>>> layer = Record({"widths": Items(Whole(1, 4096), least=1)}, optional={"name": TEXT})
>>> layer.check({"widths": [64, "8"]}, "layer")
Traceback (most recent call last):
damrep.masking.validation.InputError: layer.widths[1]: expected an integer between 1 and ...
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from damrep.masking.validation import InputError

__all__ = [
    "ANYTHING",
    "COUNT",
    "NUMBER",
    "NUMBERS",
    "TEXT",
    "AnyOf",
    "Choice",
    "Entries",
    "Flag",
    "Items",
    "Maybe",
    "Number",
    "Record",
    "Row",
    "Rule",
    "Text",
    "Whole",
]

MOST = 2**53
"""Of whole numbers, which other readers of JSON take for floats."""
LONGEST = 100_000
"""Characters of a text."""


class Rule(Protocol):
    """Says what a value has to be."""

    @property
    def wanted(self) -> str:
        """In words."""

    def check(self, value: Any, where: str) -> None:
        """Refuse a value that is something else.

        Raises
        ------
        InputError
            Naming the place, what was expected and what was got.
        """


def _refuse(where: str, wanted: str, value: Any) -> InputError:
    if isinstance(value, str):
        got = repr(value if len(value) <= 40 else f"{value[:40]}...")
    elif isinstance(value, (list, dict)):
        got = f"{'a list' if isinstance(value, list) else 'a record'} of {len(value)}"
    else:
        got = str(value) if abs(value or 0) < 10**40 else "a number of more than 40 digits"
    return InputError(f"{where}: expected {wanted}, got {got}")


@dataclass(frozen=True)
class Whole:
    """An integer in a range, both ends included; True and 3.0 are none."""

    low: int = 0
    high: int = MOST

    @property
    def wanted(self) -> str:
        """In words."""
        return f"an integer between {self.low:,} and {self.high:,}"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refuse(where, self.wanted, value)
        if not self.low <= value <= self.high:
            raise _refuse(where, self.wanted, value)


@dataclass(frozen=True)
class Number:
    """A finite number in a range; True is none."""

    low: float = -sys.float_info.max
    high: float = sys.float_info.max
    low_open: bool = False

    @property
    def wanted(self) -> str:
        """In words."""
        if self.low == -sys.float_info.max:
            return "a finite number"
        return f"a finite number {'>' if self.low_open else '>='} {self.low:g}"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _refuse(where, self.wanted, value)
        if not self.low <= value <= self.high or (self.low_open and value == self.low):
            raise _refuse(where, self.wanted, value)


@dataclass(frozen=True)
class Text:
    """A string."""

    longest: int = LONGEST

    @property
    def wanted(self) -> str:
        """In words."""
        return f"a text of at most {self.longest:,} characters"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, str) or len(value) > self.longest:
            raise _refuse(where, self.wanted, value)


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: Collection[str]

    @property
    def wanted(self) -> str:
        """In words."""
        return f"one of {', '.join(self.words)}"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, str) or value not in self.words:
            raise _refuse(where, self.wanted, value)


@dataclass(frozen=True)
class Flag:
    """True or False."""

    wanted: str = "true or false"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, bool):
            raise _refuse(where, self.wanted, value)


@dataclass(frozen=True)
class Maybe:
    """None, or what another rule says."""

    rule: Rule

    @property
    def wanted(self) -> str:
        """In words."""
        return f"{self.rule.wanted} or nothing"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if value is not None:
            self.rule.check(value, where)


@dataclass(frozen=True)
class AnyOf:
    """What any of some rules says."""

    rules: tuple[Rule, ...]

    @property
    def wanted(self) -> str:
        """In words."""
        return " or ".join(rule.wanted for rule in self.rules)

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        for rule in self.rules:
            try:
                return rule.check(value, where)
            except InputError:
                continue
        raise _refuse(where, self.wanted, value)


@dataclass(frozen=True)
class Items:
    """A list of things that are alike."""

    rule: Rule
    least: int = 0
    most: int = MOST

    @property
    def wanted(self) -> str:
        """In words."""
        if self.most == MOST:
            return f"a list of {self.least:,} at least" if self.least else "a list"
        return f"a list of {self.least:,} to {self.most:,}"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            raise _refuse(where, self.wanted, value)
        for place, item in enumerate(value):
            self.rule.check(item, f"{where}[{place}]")


@dataclass(frozen=True)
class Row:
    """A list with a rule for each place."""

    rules: tuple[Rule, ...]

    @property
    def wanted(self) -> str:
        """In words."""
        return f"a list of {len(self.rules)}"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, list) or len(value) != len(self.rules):
            raise _refuse(where, self.wanted, value)
        for place, (rule, item) in enumerate(zip(self.rules, value, strict=True)):
            rule.check(item, f"{where}[{place}]")


@dataclass(frozen=True)
class Entries:
    """Things that are alike by name, whatever the names."""

    rule: Rule
    wanted: str = "a record"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, dict):
            raise _refuse(where, self.wanted, value)
        for name, item in value.items():
            TEXT.check(name, where)
            self.rule.check(item, _below(where, name))


@dataclass(frozen=True)
class Record:
    """Things by name, with a rule for each name.

    Parameters
    ----------
    fields
        That have to be there.
    optional
        That may be there.
    others
        What else there may be; nothing if not given.
    """

    fields: Mapping[str, Rule]
    optional: Mapping[str, Rule] = field(default_factory=dict)
    others: Rule | None = None
    wanted: str = "a record"

    def check(self, value: Any, where: str) -> None:
        """Refuse anything else."""
        if not isinstance(value, dict):
            raise _refuse(where, self.wanted, value)
        missing = sorted(set(self.fields) - set(value))
        if missing:
            raise InputError(f"{_below(where, missing[0])}: it is missing")
        for name, item in value.items():
            rule = self.fields.get(name) or self.optional.get(name) or self.others
            if rule is None:
                raise InputError(f"{_below(where, name)}: this is no known field")
            rule.check(item, _below(where, name))


def _below(where: str, name: str) -> str:
    named = name if len(name) <= 40 else f"{name[:40]}..."
    return f"{where}.{named}" if where else named


@dataclass(frozen=True)
class Plain:
    """Whatever JSON can hold, in numbers and texts of sensible length."""

    wanted: str = "plain data"

    def check(self, value: Any, where: str) -> None:
        """Refuse numbers that overflow, and texts without end."""
        if isinstance(value, dict):
            Entries(self).check(value, where)
        elif isinstance(value, list):
            Items(self).check(value, where)
        elif isinstance(value, str):
            TEXT.check(value, where)
        elif isinstance(value, int) and not isinstance(value, bool):
            Whole(-(2**64), 2**64).check(value, where)


ANYTHING: Rule = Plain()
TEXT = Text()
COUNT = Whole()
NUMBER = Number()
NUMBERS = Items(Maybe(NUMBER))
"""With None where there was no finite number."""
