"""What is to be done to each column of a table, learned from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer

from damrep.autoencoder.column_kinds import (
    DATES,
    EMPTY,
    WORDS,
    column_kind,
    read_numbers,
    way_in,
)
from damrep.autoencoder.column_kinds import NUMBERS as HOLDS_NUMBERS
from damrep.autoencoder.column_rules import ALL_OTHERS
from damrep.autoencoder.prepared_columns import (
    CONSTANT,
    DAYS,
    NUMBERS,
    ONEHOT,
    ORDINAL,
    PreparedColumn,
    days_since,
    gap_count,
    read_dates,
)
from damrep.masking.validation import InputError
from damrep.reading import tables
from damrep.reading.cells import as_numbers, as_words
from damrep.reading.ids import shown
from damrep.reading.written_numbers import NumberMarks

__all__ = ["learn_columns"]

Encoding = str | tuple[str, ...]
Filling = str | float


def learn_columns(
    source: tables.Table,
    positions: Sequence[int],
    names: Sequence[str],
    impute: Mapping[str, Filling],
    encode: Mapping[str, Encoding],
    max_categories: int,
) -> list[PreparedColumn]:
    """Decide what is done to each column, and learn what stands for gaps and which words there are.

    Parameters
    ----------
    source
    positions, names
        Of the columns.
    impute, encode
        Rules by name, as `impute_rules` and `encode_rules` give them.
    max_categories
        More different words than that in a column are refused.

    Raises
    ------
    InputError
        If no rule says what to do with a column that is not all numbers, or the one that does is
        of no use for what is in it.
    """
    encodings = _encodings(source, positions, names, encode)
    fillings = [impute.get(name, impute.get(ALL_OTHERS)) for name in names]
    plain = [i for i, encoding in enumerate(encodings) if encoding is None]
    columns = _number_columns(source, positions, names, plain, fillings)
    for i, encoding in enumerate(encodings):
        if encoding is None:
            continue
        if encoding == DAYS or isinstance(encoding, str) and "%" in encoding:
            form = None if encoding == DAYS else str(encoding)
            columns[i] = _date_column(source, positions[i], names[i], fillings[i], form)
        else:
            filling = fillings[i] if names[i] in impute or fillings[i] == "most_frequent" else None
            columns[i] = _word_column(
                source, positions[i], names[i], filling, encoding, max_categories
            )
    return [columns[i] for i in range(len(names))]


def _encodings(
    source: tables.Table,
    positions: Sequence[int],
    names: Sequence[str],
    encode: Mapping[str, Encoding],
) -> list[Encoding | None]:
    """How each column is encoded; None: it is one of numbers."""
    found: list[Encoding | None] = [encode.get(name) for name in names]
    plain = [i for i, encoding in enumerate(found) if encoding is None]
    others = encode.get(ALL_OTHERS)
    no_rule: list[int] = []
    for i, kind in zip(plain, _kinds(source, [positions[i] for i in plain]), strict=True):
        if kind == EMPTY:
            raise _nothing_in(source, positions[i])
        if kind == DATES and others is not None:
            found[i] = DAYS
        elif kind == WORDS and others in (ONEHOT, ORDINAL):
            found[i] = others
        elif kind != HOLDS_NUMBERS:
            no_rule.append(positions[i])
    if no_rule:
        read_numbers(source, no_rule, gaps=True)  # says which cell is none
    return found


def _kinds(source: tables.Table, positions: list[int]) -> list[str]:
    if not positions:
        return []
    try:
        values = source.numbers(positions, gaps=True)
    except InputError:
        return [column_kind(column, source.marks) for column in source.columns(positions)]
    return [EMPTY if gone else HOLDS_NUMBERS for gone in np.isnan(values).all(axis=0)]


def _nothing_in(source: tables.Table, position: int) -> InputError:
    return InputError(
        f"{source.where}: every cell of column {source.column_name(position)} is empty; "
        f"{way_in(source, position)}"
    )


def _number_columns(
    source: tables.Table,
    positions: Sequence[int],
    names: Sequence[str],
    places: Sequence[int],
    fillings: Sequence[Filling | None],
) -> dict[int, PreparedColumn]:
    columns = {i: PreparedColumn(names[i], NUMBERS) for i in places}
    for filling in dict.fromkeys(fillings[i] for i in places):
        if filling is None:
            continue
        alike = [i for i in places if fillings[i] == filling]
        values = read_numbers(source, [positions[i] for i in alike], gaps=True)
        strategy, fills = _fills(values, filling)
        for k, i in enumerate(alike):
            if not np.isfinite(fills[k]):
                raise InputError(
                    f"{source.where}: column {source.column_name(positions[i])} holds values too "
                    f"large for their {strategy}"
                )
            gaps = gap_count(values[:, k], NUMBERS)
            columns[i] = PreparedColumn(names[i], NUMBERS, strategy, float(fills[k]), gaps=gaps)
    return columns


def _fills(values: np.ndarray, filling: Any) -> tuple[str, np.ndarray]:
    """A strategy, and the number that stands for a gap in each column."""
    if isinstance(filling, float):
        return CONSTANT, np.full(values.shape[1], filling)
    with np.errstate(over="ignore"):
        return filling, SimpleImputer(strategy=filling).fit(values.astype(np.float64)).statistics_


def _date_column(
    source: tables.Table, position: int, name: str, filling: Filling | None, form: str | None
) -> PreparedColumn:
    dates = read_dates(source, position, form)
    gaps = gap_count(dates, DAYS)
    if gaps == len(dates):
        raise _nothing_in(source, position)
    first = np.nanmin(dates)
    strategy = fill = None
    if filling is not None:
        strategy, fills = _fills(days_since(dates, first).reshape(-1, 1), filling)
        fill = float(fills[0])
    return PreparedColumn(name, DAYS, strategy, fill, (), str(first), form, gaps)


def _word_column(
    source: tables.Table,
    position: int,
    name: str,
    filling: Filling | None,
    encoding: Encoding,
    max_categories: int,
) -> PreparedColumn:
    where = f"{source.where}: column {source.column_name(position)}"
    (column,) = source.columns([position])
    words = as_words(column, where)
    gaps = gap_count(words, ONEHOT)
    if gaps == len(words):
        raise _nothing_in(source, position)
    if filling not in (None, "most_frequent"):
        raise InputError(
            f"{where} holds words, for which --impute can be most_frequent; got {filling}"
        )
    fill = None
    if filling is not None:
        imputer = SimpleImputer(missing_values="", strategy="most_frequent")
        fill = str(imputer.fit(words.reshape(-1, 1)).statistics_[0])
    different = pd.unique(words[words != ""] if filling is not None else words)
    kind = ORDINAL if encoding == ORDINAL or isinstance(encoding, tuple) else ONEHOT
    if isinstance(encoding, tuple):
        categories = encoding
        odd = ~pd.Index(words).isin([*categories, *([""] if filling is not None else [])])
        if odd.any():
            row = int(np.argmax(odd))
            cell = f"is {shown(words[row])}" if words[row] else "is empty"
            raise InputError(
                f"{where}, {source.row_name(row)} {cell}; expected one of "
                f"{', '.join(map(shown, categories))}"
            )
    else:
        categories = tuple(_sorted(different, source.marks))
    if len(categories) > max_categories:
        raise InputError(
            f"{where} holds {len(categories):,} different words, more than --max-categories "
            f"{max_categories}; {way_in(source, position)}"
        )
    alone = len(different) == len(words) > 2
    return PreparedColumn(
        name, kind, filling and str(filling), fill, categories, gaps=gaps, all_differ=alone
    )


def _sorted(words: np.ndarray, marks: NumberMarks) -> list[str]:
    """In the order of the alphabet, or of numbers where all are; the empty word first."""
    import pyarrow as pa

    numbers, bad = as_numbers(pa.chunked_array([pa.array(words, pa.string())]), marks)
    if bad.any() or np.isnan(numbers[words != ""]).any():
        return sorted(words)
    return [words[i] for i in np.argsort(np.where(np.isnan(numbers), -np.inf, numbers))]
