"""Tables with gaps, words and dates made tables of numbers, in front of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.compose import ColumnTransformer

from damrep.autoencoder.column_kinds import counting_note
from damrep.autoencoder.column_rules import ALL_OTHERS, encode_rules, impute_rules
from damrep.autoencoder.learned_columns import learn_columns
from damrep.autoencoder.prepared_columns import (
    NUMBERS,
    PreparedColumn,
    column_transformer,
    read_columns,
)
from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError, check_count
from damrep.reading import tables
from damrep.reading.in_memory import as_table
from damrep.training.scikit_learn import BaseEstimator, TransformerMixin, check_is_fitted

__all__ = ["TablePreparation"]

_SHOWN = 6


class TablePreparation(TransformerMixin, BaseEstimator):
    """Fill gaps and encode words and dates, so that a table can be fitted.

    Gaps are filled first, then words and dates encoded. The means are scikit-learn's
    (`SimpleImputer`, `OneHotEncoder`, `OrdinalEncoder`, in a `ColumnTransformer`). What is not
    asked for is not done: a gap, a word or a date in a column that has no rule is refused.

    Parameters
    ----------
    impute : str, float, mapping or None
        What stands for an empty cell, or a word such as NA, in a column of numbers or dates:
        "mean", "median" or "most_frequent" of the column, or a number. "most_frequent" is for
        columns of words too; without it an empty cell there is a word like others. A mapping has a
        rule a column, and one under "*" for all others.
    encode : str, sequence of str, mapping or None
        "onehot": a column of 0 and 1 for each word. "ordinal": words as numbers in the order of the
        alphabet, or of a sequence of words. "days": dates as days since the earliest. A way to
        write dates such as "%d/%m/%Y": days of dates written so. A mapping as above; what has a
        rule of its own under its name may be numbers too, such as codes. "onehot" and "ordinal" for
        all others are for words alone: their dates become days, their numbers stay numbers.
    max_categories : int
        A column of more different words is refused.

    Attributes
    ----------
    columns_ : tuple of PreparedColumn
        What is done to each column.
    transformer_ : ColumnTransformer
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Columns of a table are found by these.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [30.0, None, 50.0], "city": ["Oslo", "Rome", "Oslo"]})
    >>> preparation = TablePreparation(impute="median", encode="onehot").fit(table)
    >>> preparation.transform(table).tolist()
    [[30.0, 1.0, 0.0], [40.0, 0.0, 1.0], [50.0, 1.0, 0.0]]
    >>> preparation.get_feature_names_out().tolist()
    ['age', 'city_Oslo', 'city_Rome']
    """

    columns_: tuple[PreparedColumn, ...]
    transformer_: ColumnTransformer

    def __init__(self, impute: Any = None, encode: Any = None, max_categories: int = 100) -> None:
        self.impute = impute
        self.encode = encode
        self.max_categories = max_categories

    def fit(self, X: Any, y: Any = None) -> TablePreparation:
        """Learn what stands for gaps and which words there are.

        Parameters
        ----------
        X
            Data frame, or array of numbers (n, d), whose columns are then called "1", "2", ...
        y
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a parameter is out of range or names a column that is not there, or a column has
            gaps, words or dates and no rule for them.
        """
        source = as_table(X)
        self.fit_columns(source, range(source.width))
        return self

    def transform(self, X: Any) -> Any:
        """Fill and encode the columns of a table.

        Parameters
        ----------
        X
            As for `fit`, with the same columns in any order; others are left out.

        Returns
        -------
        ndarray or csr_matrix, shape (n, features)
            float64; sparse where less than three tenths of the numbers are not zero.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InputError
            If a column is missing, has gaps although nothing fills them, or holds something else
            than at the fit. A word that the fit did not see has 0 in all columns of its own, of
            which is warned; where words are numbered it is refused.
        """
        check_is_fitted(self, "columns_")
        source = as_table(X)
        frame, _, unknown = read_columns(source, self.positions(source), self.columns_)
        warn_of(*unknown)
        return self.transformer_.transform(frame)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns made: "age", "city_Oslo", "city_Rome", ..."""
        check_is_fitted(self, "columns_")
        return np.array([name for c in self.columns_ for name in c.features], dtype=object)

    def positions(self, source: tables.Table) -> list[int]:
        """Where a table has the columns of the fit.

        Raises
        ------
        InputError
            If one is missing.
        """
        return [source.position(column.name, "the model") for column in self.columns_]

    def named(self) -> set[str]:
        """Columns that have a rule under their name."""
        return {*impute_rules(self.impute), *encode_rules(self.encode)} - {ALL_OTHERS}

    def fit_columns(self, source: tables.Table, positions: Sequence[int]) -> tuple[Any, list[str]]:
        """Learn from some columns of a table that was opened.

        Returns
        -------
        values : ndarray or csr_matrix
            The columns filled and encoded.
        notes : list of str
            What was done to which columns.

        Raises
        ------
        InputError
            As `fit`.
        """
        impute, encode = impute_rules(self.impute), encode_rules(self.encode)
        most = check_count("max_categories", self.max_categories, minimum=1)
        names = [source.names[i] if source.names else str(i + 1) for i in positions]
        for option, rules in (("--impute", impute), ("--encode", encode)):
            for name in sorted(rules.keys() - {ALL_OTHERS} - set(names)):
                listed = ", ".join(map(repr, names[:_SHOWN]))
                raise InputError(
                    f"{source.where}: no column {name!r} for {option} among those to be fitted: "
                    f"{listed}{', ...' if len(names) > _SHOWN else ''}"
                )
        if len(set(names)) < len(names):
            again = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{source.where}: two columns are called {again!r}; rename one")
        self._adopt(learn_columns(source, positions, names, impute, encode, most))
        features = self.get_feature_names_out().tolist()
        if len(set(features)) < len(features):
            again = next(name for name in features if features.count(name) > 1)
            raise InputError(
                f"{source.where}: two columns would be called {again!r} once encoded; rename one"
            )
        frame, filled, _ = read_columns(source, positions, self.columns_)
        counting = counting_note(
            (column.name, frame[column.name].to_numpy())
            for column in self.columns_
            if column.kind == NUMBERS
        )
        notes = [*_encoded(self.columns_), *_gap_words(self.columns_), *filled, *counting]
        return self.transformer_.transform(frame), notes

    def apply(self, source: tables.Table, positions: Sequence[int]) -> tuple[Any, list[str]]:
        """Fill and encode columns of a table that was opened.

        Parameters
        ----------
        source
        positions
            Where each of `columns_` is.

        Returns
        -------
        values : ndarray or csr_matrix
        notes : list of str
            Gaps that were filled, words that the fit did not see.

        Raises
        ------
        InputError
            As `transform`.
        """
        frame, filled, unknown = read_columns(source, positions, self.columns_)
        return self.transformer_.transform(frame), [*filled, *unknown]

    @classmethod
    def restored(cls, params: Mapping[str, Any], columns: Sequence[PreparedColumn]) -> Self:
        """One that was fitted before, from what it learned.

        Raises
        ------
        ValueError
            If that cannot have been learned.
        """
        if len({column.name for column in columns}) < len(columns):
            raise ValueError("two columns of one name")
        made = cls(**params)
        made._adopt(columns)
        return made

    def _adopt(self, columns: Sequence[PreparedColumn]) -> None:
        self.columns_ = tuple(columns)
        self.transformer_ = column_transformer(self.columns_)
        self.feature_names_in_ = np.array([c.name for c in self.columns_], dtype=object)
        self.n_features_in_ = len(self.columns_)


def _encoded(columns: Sequence[PreparedColumn]) -> list[str]:
    """Notes of what became of columns that were no numbers."""
    found = [
        f"{column.name!r} {said}" + (" (no word comes twice)" if column.all_differ else "")
        for column in columns
        if (said := column.encoding()) is not None
    ]
    more = len(found) - _SHOWN
    return found if more < 2 else [*found[:_SHOWN], f"{more} more columns encoded"]


def _gap_words(columns: Sequence[PreparedColumn]) -> list[str]:
    """A note where empty cells are a word like others."""
    found = [
        f"{column.gaps:,} in {column.name!r}"
        for column in columns
        if column.gaps and column.categories and column.strategy is None
    ]
    more = len(found) - _SHOWN
    listed = ", ".join(found if more < 2 else [*found[:_SHOWN], f"and in {more} more columns"])
    return [f"empty cells taken for a word of their own: {listed}"] if found else []
