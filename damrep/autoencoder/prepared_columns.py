"""What is done to each column of a table, as plain data, and scikit-learn's transformers for it.

Everything that was learned stands in a `PreparedColumn`; the transformers are made from these,
after a fit as after loading, so that both do the same.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from damrep.autoencoder.column_kinds import read_numbers
from damrep.masking.validation import InputError
from damrep.reading import tables
from damrep.reading.cells import as_words
from damrep.reading.dates import as_dates, check_form, shown_date
from damrep.reading.ids import shown

__all__ = [
    "CONSTANT",
    "DAYS",
    "NUMBERS",
    "ONEHOT",
    "ORDINAL",
    "PreparedColumn",
    "column_transformer",
    "days_since",
    "gap_count",
    "read_columns",
    "read_dates",
]

NUMBERS, DAYS, ONEHOT, ORDINAL = "numbers", "days", "onehot", "ordinal"

CONSTANT = "constant"

# Below this share of numbers that are not zero the prepared table is sparse, as scikit-learn's
# ColumnTransformer has it.
_SPARSE = 0.3
_SHOWN = 4


@dataclasses.dataclass(frozen=True)
class PreparedColumn:
    """What is done to a column.

    Attributes
    ----------
    name : str
    kind : str
        "numbers": as they are. "days": dates as days since `first`. "onehot": a column of 0 and 1
        for each word. "ordinal": the place of a word among `categories`.
    strategy : str or None
        Where `fill` is from: "mean", "median", "most_frequent" or "constant"; None: a gap is
        refused, or is a word like others.
    fill : float or str or None
        What stands for a gap: a number, of dates one of days; a word.
    categories : tuple of str
        Words of the fit; the empty one is a gap.
    first : str or None
        The earliest date of the fit, as ISO 8601 writes it.
    form : str or None
        How dates are written in text; ISO 8601 if None.
    gaps : int
        How many there were at the fit.
    all_differ : bool
        Whether no word came twice at the fit.
    """

    name: str
    kind: str
    strategy: str | None = None
    fill: float | str | None = None
    categories: tuple[str, ...] = ()
    first: str | None = None
    form: str | None = None
    gaps: int = 0
    all_differ: bool = False

    def __post_init__(self) -> None:
        """Refuse what no fit can have learned; it may be from a file."""
        words = self.kind in (ONEHOT, ORDINAL)
        fills = str if words else float
        right = (
            isinstance(self.name, str)
            and self.kind in (NUMBERS, DAYS, ONEHOT, ORDINAL)
            and (self.strategy is None) == (self.fill is None)
            and (self.fill is None or isinstance(self.fill, fills))
            and (not isinstance(self.fill, float) or np.isfinite(self.fill))
            and all(isinstance(word, str) for word in self.categories)
            and len(set(self.categories)) == len(self.categories)
            and bool(self.categories) == words
            and (not words or self.fill is None or self.fill in self.categories)
            and (self.kind == DAYS) == (self.first is not None)
            and (self.first is None or not np.isnat(np.datetime64(self.first)))
        )
        if self.form is not None:
            right = right and self.kind == DAYS
            check_form(self.form)
        if not right:
            raise ValueError(f"no column can be prepared so: {self.name!r}")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns it becomes, as scikit-learn gives them."""
        if self.kind == ONEHOT:
            return tuple(f"{self.name}_{word}" for word in self.categories)
        return (self.name,)

    def encoding(self) -> str | None:
        """What the column became, in words; None where it was numbers.

        Examples
        --------
        >>> PreparedColumn("city", "onehot", categories=("", "Oslo")).encoding()
        'one-hot in 2 columns'
        """
        if self.kind == ONEHOT:
            width = len(self.categories)
            return f"one-hot in {width} column{'s' if width > 1 else ''}"
        if self.kind == DAYS:
            return f"as days since {shown_date(np.datetime64(self.first))}"
        if self.kind == ORDINAL:
            words = [shown(word) if word else "(empty)" for word in self.categories]
            few = words if len(words) <= 2 * _SHOWN else [*words[:_SHOWN], "...", words[-1]]
            return f"as 0 to {len(words) - 1} for {', '.join(few)}"
        return None

    def filling(self) -> str:
        """What stands for a gap, in words.

        Examples
        --------
        >>> PreparedColumn("age", "numbers", "median", 37.5).filling()
        'median 37.5'
        """
        value: str = f"{self.fill:.6g}" if isinstance(self.fill, float) else shown(self.fill)
        if self.kind == DAYS and isinstance(self.fill, float):
            days = np.timedelta64(round(self.fill * 86400), "s")
            value = shown_date(np.datetime64(self.first, "s") + days)
        called = str(self.strategy).replace("_", " ")
        return value if self.strategy == CONSTANT else f"{called} {value}"


def days_since(dates: Any, first: np.datetime64) -> np.ndarray:
    """Days from a first one to each of some dates, NaN where there is none.

    Examples
    --------
    >>> first = np.datetime64("2024-05-30")
    >>> days_since(np.array(["2024-05-31T12:00", "NaT"], "datetime64[us]"), first).tolist()
    [1.5, nan]
    """
    return np.asarray((np.asarray(dates) - first) / np.timedelta64(1, "D"), dtype=np.float64)


def read_dates(source: tables.Table, position: int, form: str | None) -> np.ndarray:
    """A column of dates, NaT where a cell is empty.

    Raises
    ------
    InputError
        Naming the row of the first cell that is none.
    """
    (column,) = source.columns([position])
    dates, bad = as_dates(column, form)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{source.where}: column {source.column_name(position)}, {source.row_name(row)} is "
            f"{shown(column[row].as_py())}; expected a date "
            + (f"written {form}" if form else "such as 2024-05-31")
        )
    return dates


def read_columns(
    source: tables.Table, positions: Sequence[int], columns: Sequence[PreparedColumn]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Columns of a table as the transformers take them, and what was found in them.

    Parameters
    ----------
    source
    positions
        Where each of `columns` is.
    columns

    Returns
    -------
    frame : pandas.DataFrame
        Numbers, dates and words; NaN, NaT and "" where a cell is empty.
    filled, unknown : list of str
        Notes of gaps that are filled, and of words that the fit did not see.

    Raises
    ------
    InputError
        Naming the row of the first cell that cannot be used.
    """
    numbers = [i for i, column in enumerate(columns) if column.kind == NUMBERS]
    filled = [i for i in numbers if columns[i].strategy is not None]
    whole = [i for i in numbers if columns[i].strategy is None]
    cells: dict[str, Any] = {}
    for some, gaps in ((filled, True), (whole, False)):
        if some:
            values = read_numbers(source, [positions[i] for i in some], gaps=gaps)
            cells.update((columns[i].name, values[:, k]) for k, i in enumerate(some))
    gaps_in: list[str] = []
    unknown: list[str] = []
    for position, column in zip(positions, columns, strict=True):
        if column.kind == DAYS:
            cells[column.name] = read_dates(source, position, column.form)
            if column.strategy is None:
                _require_filled(source, position, np.isnat(cells[column.name]), "a date")
        elif column.kind in (ONEHOT, ORDINAL):
            words, note = _known_words(source, position, column)
            cells[column.name], unknown = words, unknown + note
        if column.strategy is not None and (count := gap_count(cells[column.name], column.kind)):
            gaps_in.append(f"{count:,} in {column.name!r} ({column.filling()})")
    more = len(gaps_in) - _SHOWN
    if more > 1:
        gaps_in[_SHOWN:] = [f"and in {more} more columns"]
    frame = pd.DataFrame({column.name: cells[column.name] for column in columns}, copy=False)
    return frame, ["gaps filled: " + ", ".join(gaps_in)] if gaps_in else [], unknown


def gap_count(cells: Any, kind: str) -> int:
    """How many cells of a column, as `read_columns` gives it, are empty."""
    return int((cells == "" if kind in (ONEHOT, ORDINAL) else pd.isna(cells)).sum())


def _require_filled(source: tables.Table, position: int, gap: np.ndarray, expected: str) -> None:
    if gap.any():
        raise InputError(
            f"{source.where}: column {source.column_name(position)}, "
            f"{source.row_name(int(np.argmax(gap)))} is empty; expected {expected}; "
            "fit-autoencoder fills gaps with --impute median"
        )


def _known_words(
    source: tables.Table, position: int, column: PreparedColumn
) -> tuple[pd.Series, list[str]]:
    """A column of words, and a note where there are some that the fit did not see."""
    where = f"{source.where}: column {source.column_name(position)}"
    (raw,) = source.columns([position])
    words = as_words(raw, where)
    new = ~pd.Index(words).isin([*column.categories, *([""] if column.strategy else [])])
    found = pd.Series(words, dtype=object)
    if not new.any():
        return found, []
    row = int(np.argmax(new))
    if column.kind == ORDINAL:
        what = f"is {shown(words[row])}, not one" if words[row] else "is empty; expected one"
        raise InputError(
            f"{where}, {source.row_name(row)} {what} of the words that were numbered "
            f"({', '.join(map(shown, column.categories[:_SHOWN]))}"
            f"{', ...' if len(column.categories) > _SHOWN else ''})"
        )
    different = pd.unique(found[new])
    listed = ", ".join(shown(word) if word else "empty" for word in different[:_SHOWN])
    count = int(new.sum())
    cells = "cell is" if count == 1 else "cells are"
    return found, [
        f"in {column.name!r} {count:,} {cells} none of the fit's {len(column.categories)} words "
        f"and counted as no word ({listed}{', ...' if len(different) > _SHOWN else ''})"
    ]


def column_transformer(columns: Sequence[PreparedColumn]) -> ColumnTransformer:
    """The transformers of some columns, ready to be used on what `read_columns` gives.

    They are fitted to one row that was made for it, of which they can learn only what the columns
    say: an imputer takes the mean of the one number that stands for a gap.

    Examples
    --------
    >>> age = PreparedColumn("age", "numbers", "median", 37.5)
    >>> city = PreparedColumn("city", "onehot", categories=("Oslo", "Rome"))
    >>> made = column_transformer([age, city])
    >>> made.transform(pd.DataFrame({"age": [np.nan, 20.0], "city": ["Rome", "Oslo"]})).tolist()
    [[37.5, 0.0, 1.0], [20.0, 1.0, 0.0]]
    """
    width = sum(len(column.features) for column in columns)
    sparse = len(columns) < _SPARSE * width
    parts: list[tuple[str, Any, list[str]]] = []
    for _, some in itertools.groupby(columns, _together):
        group = list(some)
        part = f"{group[0].kind} {len(parts)}"
        parts.append((part, _transformer(group[0], sparse), [column.name for column in group]))
    made = ColumnTransformer(
        parts,
        sparse_threshold=1.0 if sparse else 0.0,
        verbose_feature_names_out=False,
    )
    example = pd.DataFrame({column.name: [_example(column)] for column in columns})
    return made.fit(example)


def _together(column: PreparedColumn) -> tuple[str | None, ...]:
    """Neighbouring columns for which this is the same share a transformer."""
    if column.kind != NUMBERS:
        return (column.name,)
    return (None, column.strategy, str(column.fill) if column.strategy == CONSTANT else None)


def _example(column: PreparedColumn) -> Any:
    if column.kind == NUMBERS:
        return 0.0 if column.fill is None else column.fill
    if column.kind == DAYS:
        return np.datetime64(column.first, "us")
    return column.categories[0] if column.fill is None else column.fill


def _transformer(column: PreparedColumn, sparse: bool) -> Any:
    if column.kind == NUMBERS:
        if column.strategy is None:
            return "passthrough"
        return SimpleImputer(strategy=column.strategy, fill_value=column.fill)
    steps: list[Any] = []
    if column.kind == DAYS:
        steps.append(
            FunctionTransformer(
                days_since,
                kw_args={"first": np.datetime64(column.first, "us")},
                feature_names_out="one-to-one",
            )
        )
    if column.strategy is not None:
        gap = np.nan if column.kind == DAYS else ""
        steps.append(SimpleImputer(missing_values=gap, strategy=CONSTANT, fill_value=column.fill))
    known = [np.array(column.categories, dtype=object)]
    if column.kind == ONEHOT:
        steps.append(OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=sparse))
    elif column.kind == ORDINAL:
        steps.append(OrdinalEncoder(categories=known))
    made: Pipeline = make_pipeline(*steps)
    return made if len(steps) > 1 else steps[0]
