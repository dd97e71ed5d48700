"""What the fitted estimators share: names of the learned dimensions, and what is saved of them."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from damrep.masking.report import REPORT_FIELDS, FitReport
from damrep.masking.schema import ANYTHING, Choice, Maybe, Record, Rule, Whole
from damrep.masking.validation import InputError
from damrep.training.scikit_learn import check_is_fitted

OUTPUT_FIELDS: dict[str, Rule] = {
    "output_transform": Maybe(Choice(("default", "pandas", "polars")))
}
"""Rules for what is saved of `set_output`, where an estimator has it."""

__all__ = ["OUTPUT_FIELDS", "LearnedDimensions", "damage_told", "fitted_fields", "saturation_notes"]


def fitted_fields(**arguments: Rule) -> dict[str, Rule]:
    """Rules for what is saved of every fitted estimator, see `LearnedDimensions._saved`.

    Parameters
    ----------
    arguments
        Of the estimator, that `LearnedDimensions._settings` does not check, or that a loaded model
        cannot do without.
    """
    seed = Maybe(Whole(0, 2**32 - 1))
    params = Record({"random_state": seed, **arguments}, others=ANYTHING)
    return {"params": params, "report": REPORT_FIELDS}


class LearnedDimensions:
    """To inherit beside scikit-learn's ``BaseEstimator``; `fit` leaves `n_components_`, `report_`.

    Attributes
    ----------
    n_components_ : int
        Learned dimensions.
    report_ : FitReport
        The evidence.
    """

    n_components_: int
    report_: FitReport
    _former: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Words that arguments of saved models may have, and what they are now."""

    @property
    def components_range_(self) -> tuple[int, int] | None:
        """Narrowest and widest width that is as good as the learned one, within a standard error.

        By what rows held out lose at each; None where that is not known.
        """
        check_is_fitted(self, "n_components_")
        return self.report_.components_range

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the dimensions: "dim_0", "dim_1", ..., most important first."""
        check_is_fitted(self, "n_components_")
        return np.array([f"dim_{i}" for i in range(self.n_components_)], dtype=object)

    @abstractmethod
    def _settings(self) -> Any:
        """The arguments, checked: the same before a fit, in what is saved and in what is loaded.

        Raises
        ------
        InputError, TypeError
            Naming the argument.
        """

    def _saved(self) -> dict[str, Any]:
        """Arguments, the seed that was used among them, report and output, as plain data."""
        self._settings()
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        return {
            "params": {**params, "random_state": self.report_.seed},
            "report": self.report_.to_dict(),
            # Of `set_output`, where it was called; under the name scikit-learn keeps it.
            **{f"output_{k}": v for k, v in getattr(self, "_sklearn_output_config", {}).items()},
        }

    @classmethod
    def _restored(cls, meta: Mapping[str, Any], path: str | os.PathLike[str]) -> Self:
        """An estimator with the arguments and the report that `_saved` gave.

        Arguments of a newer version are left out.

        Raises
        ------
        InputError
            If they are not there, or not such.
        """
        with damage_told(path):
            report = FitReport.from_dict(meta["report"])
            known = cls().get_params()  # type: ignore[attr-defined]
            params = {k: v for k, v in meta["params"].items() if k in known}
            for name, words in cls._former.items():
                if isinstance(params.get(name), str):
                    params[name] = words.get(params[name], params[name])
            model = cls(**params)
            model._settings()
            model.report_ = report
            if "output_transform" in meta:
                model.set_output(  # type: ignore[attr-defined]
                    transform=meta["output_transform"]
                )
        return model


@contextlib.contextmanager
def damage_told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say in one line that a saved model is damaged, where rebuilding it fails.

    Parameters
    ----------
    path
        Of the model's folder, as the user gave it.

    Raises
    ------
    InputError
        In place of what is raised by parts that are missing or do not fit each other.

    Examples
    --------
    >>> with damage_told("model"):
    ...     {}["width"]
    Traceback (most recent call last):
    damrep.masking.validation.InputError: model: the model is damaged ('width')
    """
    try:
        yield
    except (
        AttributeError, IndexError, KeyError, RuntimeError, StopIteration, TypeError, ValueError
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the model is damaged ({reason})") from None


def saturation_notes(
    learned: int, initial: int, max_components: int | None, price: float
) -> list[str]:
    """A note where so many dimensions were kept as there were, and more could have been asked for.

    Parameters
    ----------
    learned, initial
        Dimensions kept, and there before anything was cut.
    max_components
        The limit that was asked for.
    price
        With 0 every dimension is kept, and there is nothing to say.

    Examples
    --------
    >>> saturation_notes(8, 8, 8, price=0.001)
    ['all 8 dimensions earn their price: max_components may be too small']
    >>> saturation_notes(7, 8, 8, price=0.001)
    []
    """
    if learned == initial == max_components and price > 0:
        return [f"all {initial} dimensions earn their price: max_components may be too small"]
    return []
