"""What is to be done to columns that are not all numbers: the options, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from damrep.cli.sources import ColumnNames

if TYPE_CHECKING:
    from damrep.autoencoder.preparing import TablePreparation

__all__ = ["MOST_CATEGORIES", "preparing_options", "take_preparation"]

# Written out, so that --help need not import what knows them; a test holds them against it.
ALL_OTHERS = "*"
MOST_CATEGORIES = 100


class Rule(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """What to do to all columns, or ``COLUMN=`` and what to do to that one."""

    name = "rule"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Read the column's name and the rule, without looking at what it says."""
        if isinstance(value, tuple):
            return value
        column, equals, rule = value.rpartition("=")
        if not rule or (equals and not column):
            self.fail(f"must be HOW or COLUMN=HOW, got {value!r}", param, ctx)
        if "<" in rule:
            return column or ALL_OTHERS, tuple(word.strip() for word in rule.split("<"))
        try:
            return column or ALL_OTHERS, float(rule)
        except ValueError:
            return column or ALL_OTHERS, rule


_OPTIONS = (
    click.option(
        "--drop",
        type=ColumnNames(),
        default=(),
        metavar="A,B,...",
        help="Columns to leave out.",
    ),
    click.option(
        "--impute",
        type=Rule(),
        multiple=True,
        metavar="[COLUMN=]HOW",
        help="What stands for a gap: mean, median, most_frequent (sklearn's SimpleImputer), or "
        "a number. May be given again for other columns.",
    ),
    click.option(
        "--encode",
        type=Rule(),
        multiple=True,
        metavar="[COLUMN=]HOW",
        help="Words to numbers: onehot, ordinal (OneHotEncoder, OrdinalEncoder), or in an order: "
        "COLUMN=low<mid<high. Dates to days: days, or COLUMN=%d/%m/%Y as they are written.",
    ),
    click.option(
        "--max-categories",
        type=click.IntRange(min=2),
        default=MOST_CATEGORIES,
        show_default=True,
        metavar="N",
        help="A column of more different words is refused.",
    ),
)


def preparing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what to do to columns that are not all numbers."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_preparation(options: dict[str, Any]) -> TablePreparation | None:
    """Take what gaps are filled with and how words are encoded out of a command's options.

    Returns
    -------
    TablePreparation or None
        None where neither was asked for.

    Raises
    ------
    InputError
        If a rule is none, or two are for the same columns.
    """
    impute, encode = (_rules(name, options.pop(name)) for name in ("impute", "encode"))
    most = options.pop("max_categories")
    if not impute and not encode:
        return None
    from damrep.autoencoder.column_rules import encode_rules, impute_rules
    from damrep.autoencoder.preparing import TablePreparation

    impute_rules(impute), encode_rules(encode)
    return TablePreparation(impute or None, encode or None, most)


def _rules(option: str, given: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for column, rule in given:
        if column in rules:
            of = "all columns" if column == ALL_OTHERS else repr(column)
            raise click.UsageError(f"--{option} is given twice for {of}")
        rules[column] = rule
    return rules
