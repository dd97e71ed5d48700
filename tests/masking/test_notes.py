"""One class of warning, at the user's line, or collected."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import damrep
from damrep import DamrepWarning
from damrep.masking.notes import noted, warn_of


def test_each_note_is_one_warning() -> None:
    with pytest.warns(DamrepWarning) as caught:
        warn_of("first", "second", "first")
    assert [str(warning.message) for warning in caught] == ["first", "second"]
    assert issubclass(damrep.DamrepWarning, UserWarning)


def test_it_points_at_the_line_that_called_damrep() -> None:
    X = np.random.default_rng(0).normal(size=(12, 4))  # too few rows to hold some out
    model = damrep.DAMAutoencoder(hidden=(), random_state=0)

    def through_a_pipeline() -> None:
        make_pipeline(StandardScaler(), model).fit(X)

    def through_a_search() -> None:
        cross_val_score(model, X, scoring=lambda *a: 0.0, cv=2)

    for call in (lambda: model.fit(X), lambda: model.fit_transform(X), through_a_pipeline,
                 through_a_search):  # fmt: skip
        with pytest.warns(DamrepWarning, match="too few to hold some out") as caught:
            call()
        assert {warning.filename for warning in caught} == {__file__}


def test_what_is_collected_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with noted() as outer:
            warn_of("before")
            with noted() as inner:
                warn_of("inside", "inside")
                warn_of("inside")
            warn_of("after")
    assert (outer, inner) == (["before", "after"], ["inside"])
    with pytest.warns(DamrepWarning, match="again"):
        warn_of("again")


def test_an_error_ends_the_collecting() -> None:
    with pytest.raises(ZeroDivisionError), noted():
        _ = 1 / 0
    with pytest.warns(DamrepWarning, match="heard"):
        warn_of("heard")


def test_threads_collect_apart() -> None:
    found: dict[str, Any] = {}

    def work() -> None:
        with noted() as notes:
            warn_of("of the thread")
        found["thread"] = notes

    with noted() as notes:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert (notes, found["thread"]) == ([], ["of the thread"])
